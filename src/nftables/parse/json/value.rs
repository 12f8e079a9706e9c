//! Shapes within JSON objects of nft.

use serde_json::Value;

/// The strings of an array, or one string; anything else as its JSON text.
pub(super) fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(name) => vec![name.clone()],
        Value::Array(values) => values.iter().flat_map(names).collect(),
        other => vec![other.to_string()],
    }
}

/// Key and value of an object with a single key.
pub(super) fn only(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.iter().next().map(|(key, value)| (key.as_str(), value))
}

/// The value of an object whose only key is this one.
pub(super) fn of<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    only(value).filter(|(found, _)| *found == key).map(|(_, value)| value)
}

/// Values of an object with exactly these keys.
pub(super) fn fields<'v, const N: usize>(value: &'v Value, keys: [&str; N]) -> Option<[&'v Value; N]> {
    let object = value.as_object().filter(|object| object.len() == N)?;
    let mut values = [value; N];
    for (place, key) in values.iter_mut().zip(keys) {
        *place = object.get(key)?;
    }
    Some(values)
}

pub(super) fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}
