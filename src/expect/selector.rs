//! Label selectors for nodes: as in `kubectl --selector`, and as a mapping.

use super::fields::{Faults, Fields, Written};
use crate::input::api::{LabelSelector, Requirement, Text};
use crate::input::tree::{Tree, Value};

/// Reads `disktype=ssd,zone!=a,!spot,tier in (web, db)` (k8s.io/apimachinery/pkg/labels, Parse).
pub(super) fn read(text: &str) -> Result<LabelSelector, String> {
    let expressions =
        parts(text).into_iter().map(|part| requirement(part.trim())).collect::<Result<_, _>>()?;
    Ok(LabelSelector { labels: Vec::new(), expressions })
}

/// Whether a text can only be a selector, because no node can have such a name.
pub(super) fn is_selector(text: &str) -> bool {
    text.contains(['=', '!', '(', ','])
}

/// Splits at commas outside brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (i, c) in text.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == ',' && depth == 0 {
            parts.push(text.get(start..i).unwrap_or_default());
            start = i + 1;
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn requirement(part: &str) -> Result<Requirement, String> {
    let of = |key: &str, operator: &'static str, values: Vec<Text>| match is_key(key.trim()) {
        true => Ok(Requirement { key: key.trim().into(), operator: operator.into(), values }),
        false => Err(format!("{part:?} is not a label selector: expect KEY=VALUE")),
    };
    if let Some(key) = part.strip_prefix('!') {
        return of(key, "DoesNotExist", Vec::new());
    }
    for (sign, operator) in [("!=", "NotIn"), ("==", "In"), ("=", "In")] {
        if let Some((key, value)) = part.split_once(sign) {
            return of(key, operator, vec![value.trim().into()]);
        }
    }
    if let Some((before, list)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) {
        let values = list.split(',').map(|value| value.trim().into()).collect();
        return match before.trim().rsplit_once(' ') {
            Some((key, "in")) => of(key, "In", values),
            Some((key, "notin")) => of(key, "NotIn", values),
            _ => of("", "", values),
        };
    }
    of(part, "Exists", Vec::new())
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
}

/// Reads `matchLabels` and `matchExpressions`.
pub(super) fn of_mapping(path: &str, tree: &Tree, faults: &mut Faults) -> Option<Written<LabelSelector>> {
    let mut fields = Fields::new(path, tree, faults)?;
    let mut selector = LabelSelector::default();
    if let Some(tree) = fields.take("matchLabels") {
        selector.labels = labels(&fields.path_of("matchLabels"), tree, faults);
    }
    if let Some(tree) = fields.take("matchExpressions") {
        let path = fields.path_of("matchExpressions");
        match &tree.value {
            Value::List(items) => {
                selector.expressions =
                    items.iter().filter_map(|item| expression(&path, item, faults)).collect();
            }
            _ => faults.tell(tree.line, format!("{path}: expect a list"), ""),
        }
    }
    let text = if selector.is_empty() { String::new() } else { words(&selector) };
    if selector.is_empty() && !faults.found.has_errors() {
        faults.tell(tree.line, format!("{path}: the selector is empty"), "on: all means every node");
    }
    fields.finish(faults);
    Some(Written { value: selector, text, place: faults.place(tree.line) })
}

fn labels(path: &str, tree: &Tree, faults: &mut Faults) -> Vec<(Text, Text)> {
    let Value::Map(entries) = &tree.value else {
        faults.tell(tree.line, format!("{path}: expect a mapping of labels"), "");
        return Vec::new();
    };
    let label = |(key, value): &(String, Tree)| {
        let value = faults.written(&format!("{path}.{key}"), value, |text| Ok(Text::from(text)))?;
        Some((Text::from(key.as_str()), value.value))
    };
    entries.iter().filter_map(label).collect()
}

fn expression(path: &str, tree: &Tree, faults: &mut Faults) -> Option<Requirement> {
    let mut fields = Fields::new(path, tree, faults)?;
    let mut text = |name: &'static str, fields: &mut Fields<'_>| {
        let tree = fields.take(name)?;
        faults.written(&fields.path_of(name), tree, |text| Ok(Text::from(text)))
    };
    let key = text("key", &mut fields)?.value;
    let operator = text("operator", &mut fields)?.value;
    let values = fields.take("values").map(|tree| {
        let path = fields.path_of("values");
        faults.one_or_several(&path, tree, |text| Ok(Text::from(text)))
    });
    if !["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"].contains(&operator.as_str()) {
        let message = format!("{path}.operator: expect In, NotIn, Exists, DoesNotExist, Gt or Lt");
        faults.tell(tree.line, message, "");
    }
    fields.finish(faults);
    let values = values.unwrap_or_default().into_iter().map(|written| written.value).collect();
    Some(Requirement { key, operator, values })
}

fn words(selector: &LabelSelector) -> String {
    let labels = selector.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.expressions.iter().map(|one| {
        let values: Vec<&str> = one.values.iter().map(Text::as_str).collect();
        format!("{} {} ({})", one.key, one.operator, values.join(", "))
    });
    labels.chain(expressions).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels: Vec<(Text, Text)> = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        read(selector).unwrap().matches(&labels)
    }

    #[test]
    fn selectors_are_those_of_kubectl() {
        let node = [("disktype", "ssd"), ("kubernetes.io/os", "linux")];
        for yes in
            ["disktype=ssd", "disktype==ssd", "disktype!=hdd", "!spot", "spot!=x", "disktype in (hdd, ssd)"]
        {
            assert!(fits(yes, &node), "{yes}");
        }
        for no in ["disktype=hdd", "!disktype", "disktype=ssd,spot", "disktype notin (ssd)"] {
            assert!(!fits(no, &node), "{no}");
        }
        assert!(fits("disktype=ssd,kubernetes.io/os in (linux,x)", &node));
        for wrong in ["=x", "a b=c", "x like (a)"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
