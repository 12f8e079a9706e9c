//! Label selectors, as workloads, affinities and Services write them.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::fields::{nullable, pairs};
use super::{Text, lookup};

/// `matchLabels` and `matchExpressions`; for a ReplicationController, the bare map of labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// `matchLabels`, sorted by key.
    pub labels: Vec<(Text, Text)>,
    /// `matchExpressions`
    pub expressions: Vec<Requirement>,
}

impl LabelSelector {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.expressions.is_empty()
    }

    /// Whether labels match. An empty selector matches all.
    pub fn matches(&self, labels: &[(Text, Text)]) -> bool {
        self.labels.iter().all(|(key, value)| lookup(labels, key) == Some(value.as_str()))
            && self.expressions.iter().all(|expression| expression.matches(labels))
    }
}

/// An entry of `matchExpressions` or `matchFields`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, expecting = "a map")]
pub struct Requirement {
    /// `key`
    #[serde(deserialize_with = "nullable")]
    pub key: Text,
    /// `operator`
    #[serde(deserialize_with = "nullable")]
    pub operator: Text,
    /// `values`
    #[serde(deserialize_with = "nullable")]
    pub values: Vec<Text>,
}

impl Requirement {
    /// Whether labels fit (k8s.io/apimachinery/pkg/labels, Requirement.Matches).
    pub fn matches(&self, labels: &[(Text, Text)]) -> bool {
        let value = lookup(labels, &self.key);
        let listed = value.is_some_and(|value| self.values.iter().any(|listed| listed == value));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => self.compare(value).is_some_and(|(value, bound)| value > bound),
            "Lt" => self.compare(value).is_some_and(|(value, bound)| value < bound),
            _ => false,
        }
    }

    fn compare(&self, value: Option<&str>) -> Option<(i64, i64)> {
        Some((value?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

impl<'de> Deserialize<'de> for LabelSelector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SelectorVisitor)
    }
}

struct SelectorVisitor;

impl<'de> Visitor<'de> for SelectorVisitor {
    type Value = LabelSelector;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelSelector, A::Error> {
        let mut selector = LabelSelector::default();
        while let Some(key) = map.next_key::<Text>()? {
            match key.as_str() {
                "matchLabels" => selector.labels.extend(map.next_value::<Labels>()?.0),
                "matchExpressions" => {
                    selector.expressions = map.next_value::<Option<Vec<Requirement>>>()?.unwrap_or_default();
                }
                _ => selector.labels.extend(map.next_value::<PlainValue>()?.0.map(|value| (key, value))),
            }
        }
        selector.labels.sort();
        Ok(selector)
    }
}

#[derive(Deserialize)]
struct Labels(#[serde(deserialize_with = "pairs")] Vec<(Text, Text)>);

/// The value of a label in a bare map; anything else is not a selector known here.
struct PlainValue(Option<Text>);

impl<'de> Deserialize<'de> for PlainValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = PlainValue;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<PlainValue, E> {
        Ok(PlainValue(Some(text.into())))
    }

    fn visit_unit<E>(self) -> Result<PlainValue, E> {
        Ok(PlainValue(Some(Text::default())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<PlainValue, E> {
        Ok(PlainValue(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<PlainValue, E> {
        Ok(PlainValue(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<PlainValue, E> {
        Ok(PlainValue(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<PlainValue, E> {
        Ok(PlainValue(None))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<PlainValue, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(PlainValue(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PlainValue, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(PlainValue(None))
    }
}
