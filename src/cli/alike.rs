//! Messages that say the same of many objects: people see the first of them, and how many more there are.

use std::collections::HashMap;

use crate::diagnostic::{self, Diagnostic, SHOWN_OF_A_KIND};

/// Up to this many warnings of one kind are printed; of more the first, followed by the objects or places of the others.
const WARNINGS_OF_A_KIND: usize = 3;

/// What was found, those of one kind together, in the order of the first of each.
fn by_kind<'d>(found: &[&'d Diagnostic]) -> Vec<Vec<&'d Diagnostic>> {
    let mut kinds: Vec<Vec<&Diagnostic>> = Vec::new();
    let mut index = HashMap::new();
    for diagnostic in found {
        let number = *index.entry(&diagnostic.kind).or_insert(kinds.len());
        match kinds.get_mut(number) {
            Some(alike) => alike.push(diagnostic),
            None => kinds.push(vec![diagnostic]),
        }
    }
    kinds
}

/// Warnings as they are printed: those of one kind together, beyond a few only the first of them.
pub(super) fn printed_warnings(warnings: &[&Diagnostic]) -> Vec<String> {
    let told = |alike: Vec<&Diagnostic>| {
        let shown = if alike.len() > WARNINGS_OF_A_KIND { 1 } else { alike.len() };
        first_of(&alike, shown)
    };
    by_kind(warnings).into_iter().flat_map(told).collect()
}

/// Errors as they are printed: many of one kind, each with its place and remedy, but not tens of thousands.
pub(super) fn printed_errors(errors: &[&Diagnostic]) -> Vec<String> {
    if errors.len() <= SHOWN_OF_A_KIND {
        return errors.iter().map(ToString::to_string).collect();
    }
    by_kind(errors).iter().flat_map(|alike| first_of(alike, SHOWN_OF_A_KIND)).collect()
}

/// The first of a kind, the last of them with the objects or places of the others.
fn first_of(alike: &[&Diagnostic], shown: usize) -> Vec<String> {
    let (first, others) = alike.split_at(shown.min(alike.len()));
    let mut told: Vec<String> = first.iter().map(ToString::to_string).collect();
    let name = |other: &&Diagnostic| match (&other.object, &other.place) {
        (Some(object), _) => object.to_string(),
        (None, Some(place)) => place.to_string(),
        (None, None) => String::new(),
    };
    if let (Some(last), false) = (told.last_mut(), others.is_empty()) {
        let others: Vec<String> = others.iter().map(name).collect();
        *last = format!("{last}\n  {}", diagnostic::and_more(&others));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{ObjectRef, message};

    #[test]
    fn many_warnings_of_a_kind_are_told_as_one() {
        let warning = |n: usize| Diagnostic::warning(message!("port {n} is taken"));
        let all: Vec<Diagnostic> = (0..5).map(warning).chain([Diagnostic::warning("alone")]).collect();
        let all: Vec<&Diagnostic> = all.iter().collect();
        let told = printed_warnings(&all);
        assert_eq!(told, ["warning: port 0 is taken\n  and 4 more of this kind", "warning: alone"]);
        assert_eq!(printed_warnings(&all[..3]).len(), 3);
    }

    #[test]
    fn errors_of_a_kind_are_told_up_to_a_bound() {
        let about =
            |name: String| ObjectRef { kind: "Service".into(), namespace: "shop".into(), name: name.into() };
        let error =
            |n: usize| Diagnostic::error(message!("port {n} is taken")).about(about(format!("web-{n}")));
        let all: Vec<Diagnostic> = (0..1_000).map(error).chain([Diagnostic::error("alone")]).collect();
        let told = printed_errors(&all.iter().collect::<Vec<_>>());
        assert_eq!(told.len(), SHOWN_OF_A_KIND + 1);
        let last = "error: Service shop/web-19: port 19 is taken\n  and 980 more of this kind: Service shop/web-20, \
                    Service shop/web-21, Service shop/web-22, ...";
        assert_eq!(told[19..], [last, "error: alone"]);
        assert_eq!(printed_errors(&all[..20].iter().collect::<Vec<_>>()).len(), 20);
    }
}
