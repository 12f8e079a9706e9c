//! JSON as a flat list of nodes, for what YAML does not accept: surrogate pairs of escapes, keys longer than 1024
//! characters.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::yaml::{Builder, Tape, Value};

/// Reads a JSON value; its nodes have no positions.
pub(super) fn tape(text: &str) -> Option<Tape<'static>> {
    let mut builder = Builder::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Add(&mut builder).deserialize(&mut deserializer).ok()?;
    Some(builder.finish())
}

/// Adds a value to what has been read so far.
struct Add<'b>(&'b mut Builder<'static>);

impl Add<'_> {
    fn plain<E>(self, text: impl Into<String>) -> Result<(), E> {
        self.0.push_at(Value::Plain(Cow::Owned(text.into())), 0, 0);
        Ok(())
    }

    fn open<E: Error>(&mut self, value: Value<'static>) -> Result<(), E> {
        self.0.open_at(value, 0).map_err(|fault| E::custom(fault.message))
    }

    fn close<E: Error>(self) -> Result<(), E> {
        self.0.close_at(0).map_err(|fault| E::custom(fault.message))
    }
}

impl<'de> DeserializeSeed<'de> for Add<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Add<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.plain("null")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.plain(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.plain(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.plain(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.plain(format!("{value:e}"))
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push_at(Value::String(Cow::Owned(text.to_owned())), 0, 0);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        self.open(Value::Sequence)?;
        while elements.next_element_seed(Add(self.0))?.is_some() {}
        self.close()
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.open(Value::Map { overrides: false })?;
        while entries.next_key_seed(Add(self.0))?.is_some() {
            entries.next_value_seed(Add(self.0))?;
        }
        self.close()
    }
}
