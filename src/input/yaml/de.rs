//! Decoding of nodes into types that know serde.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, Visitor};

use super::scalar::{Resolved, resolve};
use super::tape::{Tape, Value};
use super::{Fault, MAX_ALIASED_NODES};

impl Tape<'_> {
    /// Decodes the node at an index.
    pub(in crate::input) fn decode<'t, T: Deserialize<'t>>(&'t self, index: usize) -> Result<T, Fault> {
        let cursor = Cursor::new(self, index);
        T::deserialize(cursor)
            .map_err(|error| Fault { line: error.line.unwrap_or_default(), message: error.message })
    }

    /// The path of the field at which decoding the node fails.
    pub(in crate::input) fn wrong_path<'t, T: Deserialize<'t>>(&'t self, index: usize) -> Option<String> {
        self.aliased.set(0);
        let cursor = Cursor::new(self, index);
        let error = serde_path_to_error::deserialize::<_, T>(cursor).err()?;
        Some(error.path().to_string())
    }
}

/// A decoding error; the line is that of the innermost value that has one.
#[derive(Debug)]
pub(super) struct Error {
    message: String,
    line: Option<u32>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error { message: message.to_string(), line: None }
    }
}

/// A node to be decoded.
#[derive(Clone, Copy)]
struct Cursor<'t, 'a> {
    tape: &'t Tape<'a>,
    index: usize,
    /// Whether an alias was followed on the way here.
    within_alias: bool,
}

impl<'t, 'a> Cursor<'t, 'a> {
    fn new(tape: &'t Tape<'a>, index: usize) -> Self {
        Cursor { tape, index, within_alias: false }
    }

    fn at(self, index: usize) -> Self {
        Cursor { index, ..self }
    }

    /// The node itself, aliases followed.
    fn resolved(mut self) -> Result<(Self, Option<&'t Value<'a>>), Error> {
        while let Some(Value::Alias(target)) = self.value() {
            self.index = *target;
            self.within_alias = true;
        }
        self.charge()?;
        Ok((self, self.value()))
    }

    /// Counts a node that was reached through an alias.
    fn charge(self) -> Result<(), Error> {
        if self.within_alias {
            let aliased = &self.tape.aliased;
            aliased.set(aliased.get() + 1);
            if aliased.get() > MAX_ALIASED_NODES {
                let message = format!("aliases expand to more than {MAX_ALIASED_NODES} values");
                return Err(de::Error::custom(message));
            }
        }
        Ok(())
    }

    fn value(self) -> Option<&'t Value<'a>> {
        self.tape.node(self.index).map(|node| &node.value)
    }

    fn next(self) -> usize {
        self.tape.node(self.index).map_or(usize::MAX, |node| node.next)
    }

    fn is_null(self) -> Result<bool, Error> {
        Ok(match self.resolved()?.1 {
            Some(Value::Plain(text)) => resolve(text) == Resolved::Null,
            Some(_) => false,
            None => true,
        })
    }

    fn located<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| Error {
            line: error.line.or_else(|| self.tape.node(self.index).map(|node| node.line)),
            ..error
        })
    }

    fn visit<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        let (node, value) = self.resolved()?;
        match value {
            None => visitor.visit_unit(),
            Some(Value::Plain(text)) => match resolve(text) {
                Resolved::Null => visitor.visit_unit(),
                Resolved::Bool(value) => visitor.visit_bool(value),
                Resolved::Int(value) => visitor.visit_i64(value),
                Resolved::BigInt(value) => visitor.visit_u64(value),
                Resolved::Float(value) => visitor.visit_f64(value),
                Resolved::String => visitor.visit_borrowed_str(text),
            },
            Some(Value::String(text)) => visitor.visit_borrowed_str(text),
            Some(Value::Sequence) => visitor.visit_seq(Elements::new(node)),
            Some(Value::Map { merges: false }) => visitor.visit_map(Entries::new(node)),
            Some(Value::Map { merges: true }) => visitor.visit_map(Merged::new(node)?),
            Some(Value::Alias(_)) => Err(de::Error::custom("an alias without a value")),
        }
    }
}

impl<'t> de::Deserializer<'t> for Cursor<'t, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.located(self.visit(visitor))
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.located(self.is_null())? {
            visitor.visit_none()
        } else {
            self.located(visitor.visit_some(self))
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'t>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct enum identifier
    }
}

/// What a sequence contains.
struct Elements<'t, 'a> {
    next: Cursor<'t, 'a>,
    end: usize,
}

impl<'t, 'a> Elements<'t, 'a> {
    fn new(sequence: Cursor<'t, 'a>) -> Self {
        Elements { next: sequence.at(sequence.index + 1), end: sequence.next() }
    }
}

impl<'t> de::SeqAccess<'t> for Elements<'t, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'t>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.next.index >= self.end {
            return Ok(None);
        }
        let element = self.next;
        self.next = element.at(element.next());
        seed.deserialize(element).map(Some)
    }
}

/// What a map without merge keys contains.
struct Entries<'t, 'a> {
    next: Cursor<'t, 'a>,
    end: usize,
}

impl<'t, 'a> Entries<'t, 'a> {
    fn new(map: Cursor<'t, 'a>) -> Self {
        Entries { next: map.at(map.index + 1), end: map.next() }
    }
}

impl<'t> de::MapAccess<'t> for Entries<'t, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'t>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.next.index >= self.end {
            return Ok(None);
        }
        let key = self.next;
        self.next = key.at(key.next());
        deserialize_key(key, seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let value = self.next;
        self.next = value.at(value.next());
        seed.deserialize(value)
    }
}

/// Keys are strings whatever they look like, as in JSON.
fn deserialize_key<'t, K: DeserializeSeed<'t>>(key: Cursor<'t, '_>, seed: K) -> Result<K::Value, Error> {
    key.located(key.charge())?;
    let text = key.value().and_then(Value::text).unwrap_or_default();
    let deserializer: de::value::BorrowedStrDeserializer<'t, Error> =
        de::value::BorrowedStrDeserializer::new(text);
    key.located(seed.deserialize(deserializer))
}

/// What a map with merge keys contains: its own entries, then those of the maps merged that it does not have.
struct Merged<'t, 'a> {
    entries: std::vec::IntoIter<(Cursor<'t, 'a>, Cursor<'t, 'a>)>,
    value: Option<Cursor<'t, 'a>>,
}

impl<'t, 'a> Merged<'t, 'a> {
    fn new(map: Cursor<'t, 'a>) -> Result<Self, Error> {
        let mut collector = MergeCollector::default();
        collector.add(map, 0)?;
        Ok(Merged { entries: collector.entries.into_iter(), value: None })
    }
}

#[derive(Default)]
struct MergeCollector<'t, 'a> {
    entries: Vec<(Cursor<'t, 'a>, Cursor<'t, 'a>)>,
    seen: std::collections::BTreeSet<&'t str>,
}

impl<'t, 'a> MergeCollector<'t, 'a> {
    /// Deepest chain of merges that is followed.
    const MAX_CHAIN: usize = 100;

    fn add(&mut self, map: Cursor<'t, 'a>, chain: usize) -> Result<(), Error> {
        if chain > Self::MAX_CHAIN {
            return map.located(Err(de::Error::custom("too many merge keys within one another")));
        }
        let mut merged = Vec::new();
        for key in map.tape.children(map.index) {
            let (key, value) = (map.at(key), map.at(key + 1));
            map.charge()?;
            let text = key.value().and_then(Value::text).unwrap_or_default();
            if matches!(key.value(), Some(Value::Plain(_))) && text == "<<" {
                merged.push(value);
            } else if self.seen.insert(text) {
                self.entries.push((key, value));
            }
        }
        merged.into_iter().try_for_each(|value| self.merge(value, chain))
    }

    fn merge(&mut self, value: Cursor<'t, 'a>, chain: usize) -> Result<(), Error> {
        let (node, target) = value.located(value.resolved())?;
        match target {
            Some(Value::Map { .. }) => self.add(node, chain + 1),
            Some(Value::Sequence) if chain <= Self::MAX_CHAIN => {
                let mut elements = node.tape.children(node.index).map(|element| node.at(element));
                elements.try_for_each(|element| self.merge(element, chain + 1))
            }
            _ => value.located(Err(de::Error::custom("a merge key needs a map or a sequence of maps"))),
        }
    }
}

impl<'t> de::MapAccess<'t> for Merged<'t, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'t>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        deserialize_key(key, seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => seed.deserialize(().into_deserializer()),
        }
    }
}
