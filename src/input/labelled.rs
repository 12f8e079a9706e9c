//! Objects by namespace and labels, for whatever selects them: a large cluster has as many selectors as Pods.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::OnceLock;

use foldhash::HashMap;

use super::api::{self, LabelSelector, Text};
use super::{Located, Snapshot};

type Labels = [(Text, Text)];

/// Objects that can be looked up by their labels.
#[derive(Debug)]
pub(crate) struct Labelled<'a, T> {
    by_namespace: HashMap<&'a str, Namespace<'a, T>>,
}

#[derive(Debug)]
struct Namespace<'a, T> {
    all: Vec<T>,
    labels: Vec<&'a Labels>,
    by_key: HashMap<&'a str, Values<'a>>,
}

/// The values of a label.
#[derive(Debug, Default)]
struct Values<'a> {
    /// Numbers of the objects with each.
    objects: BTreeMap<&'a str, Vec<usize>>,
    /// The same values by how they read backwards, where that was asked for.
    backwards: OnceLock<BTreeMap<String, &'a str>>,
}

/// In a larger namespace, a selector that matches none is compared with at most twice as many objects for each of its
/// labels.
const NEAR: usize = 64;

impl<'a> Labelled<'a, &'a Located<api::Pod>> {
    /// The Pods of the input, by name.
    pub(crate) fn pods(snapshot: &'a Snapshot) -> Self {
        let mut pods: Vec<&Located<api::Pod>> = snapshot.pods.iter().collect();
        pods.sort_by(|a, b| a.object.metadata.name.cmp(&b.object.metadata.name));
        Labelled::new(pods.into_iter().map(|pod| {
            let metadata = &pod.object.metadata;
            (metadata.namespace.as_str(), metadata.labels.as_slice(), pod)
        }))
    }
}

impl<'a, T: Copy> Labelled<'a, T> {
    /// From the namespace and labels of each object.
    pub(crate) fn new(objects: impl IntoIterator<Item = (&'a str, &'a Labels, T)>) -> Self {
        let mut by_namespace: HashMap<&'a str, Namespace<'a, T>> = HashMap::default();
        for (namespace, labels, object) in objects {
            by_namespace.entry(namespace).or_default().add(labels, object);
        }
        Labelled { by_namespace }
    }

    /// The objects of a namespace, in the order in which they were given, as everywhere here.
    pub(crate) fn of_namespace(&self, namespace: &str) -> &[T] {
        self.by_namespace.get(namespace).map_or(&[], |of| &of.all)
    }

    /// Those that have all of these labels; none without labels.
    pub(crate) fn with_all(&self, namespace: &str, labels: &Labels) -> Vec<T> {
        match labels {
            [] => Vec::new(),
            labels => self.filtered(namespace, labels, |there| has_all(there, labels)),
        }
    }

    /// Those that a Service selects.
    pub(crate) fn of_service(&self, service: &api::Service) -> Vec<T> {
        self.with_all(&service.metadata.namespace, &service.spec.selector)
    }

    /// Those that a selector matches; an empty one matches all.
    pub(crate) fn matching(&self, namespace: &str, selector: &LabelSelector) -> Vec<T> {
        self.filtered(namespace, &selector.labels, |labels| selector.matches(labels))
    }

    fn filtered(&self, namespace: &str, required: &Labels, fits: impl Fn(&Labels) -> bool) -> Vec<T> {
        let Some(of) = self.by_namespace.get(namespace) else { return Vec::new() };
        match required.iter().map(|label| of.with(label)).min_by_key(|numbers| numbers.len()) {
            Some(fewest) => of.those(fewest.iter().copied(), fits),
            None => of.those(0..of.all.len(), fits),
        }
    }

    /// Those whose labels come near to a selector that matches none: all of them in a small namespace; in a large one
    /// those whose values of one of its labels begin or end like the one that is asked for.
    pub(crate) fn near(&self, namespace: &str, labels: &Labels) -> Vec<T> {
        let Some(of) = self.by_namespace.get(namespace) else { return Vec::new() };
        if of.all.len() <= 2 * NEAR {
            return of.all.clone();
        }
        let near: BTreeSet<usize> = labels.iter().flat_map(|label| of.near(label)).collect();
        of.those(near.into_iter(), |_| true)
    }
}

impl<'a, T> Default for Namespace<'a, T> {
    fn default() -> Self {
        Namespace { all: Vec::new(), labels: Vec::new(), by_key: HashMap::default() }
    }
}

impl<'a, T: Copy> Namespace<'a, T> {
    fn add(&mut self, labels: &'a Labels, object: T) {
        let number = self.all.len();
        self.all.push(object);
        self.labels.push(labels);
        for (key, value) in labels {
            self.by_key.entry(key).or_default().objects.entry(value).or_default().push(number);
        }
    }

    fn with(&self, (key, value): &(Text, Text)) -> &[usize] {
        let values = self.by_key.get(key.as_str());
        values.and_then(|values| values.objects.get(value.as_str())).map_or(&[], Vec::as_slice)
    }

    fn those(&self, numbers: impl Iterator<Item = usize>, fits: impl Fn(&Labels) -> bool) -> Vec<T> {
        let fitting = numbers.filter(|number| self.labels.get(*number).is_some_and(|labels| fits(labels)));
        fitting.filter_map(|number| self.all.get(number)).copied().collect()
    }

    /// Some objects with this value of a label, and one for each value that is like it.
    fn near(&self, (key, value): &(Text, Text)) -> Vec<usize> {
        let Some(values) = self.by_key.get(key.as_str()) else { return Vec::new() };
        let one_of_each =
            values.near(value).into_iter().filter_map(|value| values.objects.get(value)?.first());
        let exact = values.objects.get(value.as_str()).into_iter().flatten().take(NEAR);
        exact.chain(one_of_each).copied().collect()
    }
}

impl<'a> Values<'a> {
    /// The values before and behind one in order, read forwards and backwards.
    fn near(&self, value: &str) -> Vec<&'a str> {
        let backwards = self
            .backwards
            .get_or_init(|| self.objects.keys().map(|value| (reversed(value), *value)).collect());
        let reversed = reversed(value);
        let forwards = neighbours(&self.objects, value).map(|(value, _)| *value);
        let backwards = neighbours(backwards, &reversed);
        forwards.chain(backwards.map(|(_, value)| *value)).collect()
    }
}

/// The entries next to a key, on both sides.
fn neighbours<'m, K: Ord + Borrow<str>, V>(
    map: &'m BTreeMap<K, V>,
    key: &str,
) -> impl Iterator<Item = (&'m K, &'m V)> {
    let before = map.range::<str, _>((Unbounded, Excluded(key))).rev();
    let behind = map.range::<str, _>((Excluded(key), Unbounded));
    before.take(NEAR / 4).chain(behind.take(NEAR / 4))
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn has_all(there: &Labels, labels: &Labels) -> bool {
    labels.iter().all(|label| there.contains(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<(Text, Text)> {
        pairs.iter().map(|(key, value)| (Text::from(*key), Text::from(*value))).collect()
    }

    #[test]
    fn whatever_has_the_labels_is_found_within_its_namespace() {
        let all = [
            ("shop", labels(&[("app", "web"), ("tier", "front")])),
            ("shop", labels(&[("app", "web")])),
            ("shop", labels(&[])),
            ("other", labels(&[("app", "web")])),
        ];
        let numbered = all.iter().enumerate();
        let labelled =
            Labelled::new(numbered.map(|(i, (namespace, labels))| (*namespace, labels.as_slice(), i)));
        assert_eq!(labelled.with_all("shop", &labels(&[("app", "web")])), [0, 1]);
        assert_eq!(labelled.with_all("shop", &labels(&[("app", "web"), ("tier", "front")])), [0]);
        assert!(labelled.with_all("shop", &[]).is_empty());
        assert!(labelled.with_all("nowhere", &labels(&[("app", "web")])).is_empty());
        let absent = |key: &str| api::Requirement {
            key: key.into(),
            operator: "DoesNotExist".into(),
            values: Vec::new(),
        };
        let matching = |labels: Vec<(Text, Text)>, expressions| {
            labelled.matching("shop", &LabelSelector { labels, expressions })
        };
        assert_eq!(matching(labels(&[("app", "web")]), vec![absent("tier")]), [1]);
        assert_eq!(matching(Vec::new(), vec![absent("app")]), [2]);
        assert_eq!(matching(Vec::new(), Vec::new()), [0, 1, 2]);
    }

    /// Whether the slip is at the beginning, in the middle or at the end.
    #[test]
    fn what_is_like_a_label_is_found_among_many() {
        let all: Vec<_> = (0..4000).map(|i| labels(&[("app", &format!("app-{i}-web"))])).collect();
        let labelled =
            Labelled::new(all.iter().enumerate().map(|(i, labels)| ("shop", labels.as_slice(), i)));
        for wanted in ["pp-1234-web", "xapp-1234-web", "app-1234_web", "app-1234-we", "app-1234-webs"] {
            let near = labelled.near("shop", &labels(&[("app", wanted)]));
            assert!(near.contains(&1234), "{wanted}: {near:?}");
            assert!(near.len() <= 2 * NEAR, "{wanted}: {}", near.len());
        }
    }
}
