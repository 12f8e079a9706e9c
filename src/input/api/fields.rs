//! Decoding of fields as the API server does it: null is the same as absent.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::Text;

/// A field whose null counts as its empty value.
pub(super) fn nullable<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether a field is present and not null.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}

/// A map of strings, sorted by key.
pub(super) fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Text, Text)>, D::Error> {
    deserializer.deserialize_option(Pairs { wanted: |_| true })
}

/// The annotations that kube-proxy or a controller reads, sorted by key.
pub(super) fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Text, Text)>, D::Error> {
    deserializer.deserialize_option(Pairs { wanted: is_read_annotation })
}

/// Whether kube-proxy or a controller reads an annotation.
pub(in crate::input) fn is_read_annotation(key: &str) -> bool {
    matches!(
        key,
        "service.kubernetes.io/topology-aware-hints"
            | "service.kubernetes.io/topology-mode"
            | "control-plane.alpha.kubernetes.io/leader"
            | "helm.sh/hook"
    )
}

/// The values of a map of strings.
pub(super) fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let map = nullable::<BTreeMap<Text, Option<String>>, _>(deserializer)?;
    Ok(map.into_values().flatten().collect())
}

/// A string that is not needed.
struct AnyText;

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AnyTextVisitor)
    }
}

struct AnyTextVisitor;

impl Visitor<'_> for AnyTextVisitor {
    type Value = AnyText;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, _: &str) -> Result<AnyText, E> {
        Ok(AnyText)
    }
}

struct Pairs {
    wanted: fn(&str) -> bool,
}

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(Text, Text)>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found: Vec<(Text, Text)> = Vec::new();
        while let Some(key) = map.next_key::<Text>()? {
            if (self.wanted)(&key) {
                let value = map.next_value::<Option<Text>>()?.unwrap_or_default();
                found.push((key, value));
            } else {
                map.next_value::<Option<AnyText>>()?;
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        if found.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            // If the last value may be the one that counts, another reader is used.
            return Err(A::Error::custom("a key occurs twice"));
        }
        Ok(found)
    }
}
