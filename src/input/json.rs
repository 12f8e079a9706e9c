//! JSON: values one after the other, objects decoded straight into the API types.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::object::{Type, Written, Wrong};

/// An object's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl Written for Text<'_> {
    fn decode<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Wrong> {
        serde_json::from_str(self.0).map_err(|error| Wrong {
            message: message(&error),
            line: lines_before(&error),
            path: self.wrong_path::<T>(),
        })
    }

    fn standalone(&self) -> String {
        self.0.to_owned()
    }
}

impl Text<'_> {
    fn wrong_path<T: for<'de> Deserialize<'de>>(&self) -> Option<String> {
        let mut deserializer = serde_json::Deserializer::from_str(self.0);
        let error = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err()?;
        Some(error.path().to_string())
    }
}

/// The message without the place that serde_json adds to it.
pub(super) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// How many lines stand before the one with the error.
pub(super) fn lines_before(error: &serde_json::Error) -> u32 {
    u32::try_from(error.line().saturating_sub(1)).unwrap_or(u32::MAX)
}

/// The value at the beginning of a text, and what it is.
pub(super) fn first_value(text: &str) -> Result<&str, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    match values.next() {
        Some(value) => value.map(RawValue::get),
        None => Ok(""),
    }
}

/// What an object is, and what it contains if it is a list.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    pub(super) type_: Type,
    pub(super) items: Option<Vec<&'a str>>,
}

/// Reads the outline of a value; an array counts as a list whose type is not told.
pub(super) fn outline(text: &str) -> Result<Outline<'_>, serde_json::Error> {
    if text.starts_with('[') {
        let items = Some(elements(text)?);
        return Ok(Outline { items, ..Outline::default() });
    }
    let fields: Fields = serde_json::from_str(text)?;
    let type_ = Type { api_version: string(fields.api_version), kind: string(fields.kind) };
    let items = fields.items.map(RawValue::get).filter(|items| items.starts_with('['));
    let items = items.map(elements).transpose()?;
    Ok(Outline { type_, items })
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Fields<'a> {
    #[serde(borrow)]
    api_version: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    items: Option<&'a RawValue>,
}

fn string(value: Option<&RawValue>) -> String {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

fn elements(array: &str) -> Result<Vec<&str>, serde_json::Error> {
    let elements: Vec<&RawValue> = serde_json::from_str(array)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}
