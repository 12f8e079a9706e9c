//! Decodes nodes into types that implement serde's traits.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, Visitor};

use super::scalar::{Resolved, is_null, resolve};
use super::tape::Tape;
use super::value::Value;
use super::{Fault, MAX_ALIASED_NODES};

impl Tape<'_> {
    /// Decodes the node at an index.
    pub(in crate::input) fn decode<'t, T: Deserialize<'t>>(&'t self, index: usize) -> Result<T, Misfit> {
        T::deserialize(Cursor::new(self, index)).map_err(|Error(wrong)| Misfit {
            path: wrong.path(),
            fault: Fault { offset: wrong.offset.unwrap_or_default(), message: wrong.message },
        })
    }
}

/// A node that does not fit its place.
#[derive(Debug)]
pub(in crate::input) struct Misfit {
    /// What is wrong, and where.
    pub(in crate::input) fault: Fault,
    /// The path of the field, such as `spec.ports[0].port`; none if the whole value is wrong.
    pub(in crate::input) path: Option<String>,
}

/// A decoding error. It is boxed, since every decoded value reserves room for one.
#[derive(Debug)]
pub(super) struct Error(Box<Wrong>);

#[derive(Debug)]
struct Wrong {
    message: String,
    /// The byte of the innermost value that has one.
    offset: Option<usize>,
    /// The path to the field, from the inside out.
    steps: Vec<String>,
}

impl Wrong {
    fn path(&self) -> Option<String> {
        let path: String = self.steps.iter().rev().map(String::as_str).collect();
        (!path.is_empty()).then(|| path.trim_start_matches('.').to_owned())
    }
}

impl Error {
    /// The error of a value within another.
    fn below(mut self, step: String) -> Self {
        self.0.steps.push(step);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error(Box::new(Wrong { message: message.to_string(), offset: None, steps: Vec::new() }))
    }
}

/// A node to be decoded.
#[derive(Clone, Copy)]
struct Cursor<'t, 'a> {
    tape: &'t Tape<'a>,
    index: usize,
    /// Whether an alias was followed to get here.
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
                let message =
                    format!("aliases expand to more than {MAX_ALIASED_NODES} values: write them out");
                return Err(de::Error::custom(message));
            }
        }
        Ok(())
    }

    fn value(self) -> Option<&'t Value<'a>> {
        self.tape.node(self.index).map(|node| &node.value)
    }

    /// Decodes the value of a map's key.
    fn value_of<S: DeserializeSeed<'t>>(self, key: &str, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self).map_err(|error| error.below(format!(".{key}")))
    }

    fn next(self) -> usize {
        self.tape.node(self.index).map_or(usize::MAX, |node| node.next)
    }

    fn is_null(self) -> Result<bool, Error> {
        Ok(match self.resolved()?.1 {
            Some(Value::Plain(text)) => is_null(text),
            Some(_) => false,
            None => true,
        })
    }

    fn located<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|mut error| {
            let start = || self.tape.node(self.index).map(|node| node.start as usize);
            error.0.offset = error.0.offset.or_else(start);
            error
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
            Some(Value::Map { overrides: false }) => visitor.visit_map(Entries::new(node)),
            Some(Value::Map { overrides: true }) => visitor.visit_map(Merged::new(node)?),
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
    /// How many elements come before the next.
    passed: usize,
}

impl<'t, 'a> Elements<'t, 'a> {
    fn new(sequence: Cursor<'t, 'a>) -> Self {
        Elements { next: sequence.at(sequence.index + 1), end: sequence.next(), passed: 0 }
    }
}

impl<'t> de::SeqAccess<'t> for Elements<'t, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'t>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.next.index >= self.end {
            return Ok(None);
        }
        let (element, position) = (self.next, self.passed);
        self.next = element.at(element.next());
        self.passed += 1;
        let decoded = if element.is_null()? { seed.deserialize(Zero) } else { seed.deserialize(element) };
        decoded.map(Some).map_err(|error| error.below(format!("[{position}]")))
    }
}

/// A null in a list, which Go decodes to the zero value of the list's type.
struct Zero;

impl<'t> de::Deserializer<'t> for Zero {
    type Error = Error;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_none()
    }

    fn deserialize_bool<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(false)
    }

    fn deserialize_i64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(0)
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str("")
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str("")
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(de::value::SeqDeserializer::new(std::iter::empty::<&str>()))
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(de::value::MapDeserializer::new(std::iter::empty::<(&str, &str)>()))
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'t>>
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct enum identifier ignored_any
    }
}

/// The contents of a map without duplicate keys and without `<<`.
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
        let key = value.index.checked_sub(1).and_then(|key| value.at(key).value()).and_then(Value::text);
        value.value_of(key.unwrap_or_default(), seed)
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

/// The contents of any other map: if a key occurs twice the last value counts, even if it is merged, as in go-yaml v2.
struct Merged<'t, 'a> {
    entries: std::vec::IntoIter<(Cursor<'t, 'a>, Cursor<'t, 'a>)>,
    entry: Option<(Cursor<'t, 'a>, Cursor<'t, 'a>)>,
}

impl<'t, 'a> Merged<'t, 'a> {
    fn new(map: Cursor<'t, 'a>) -> Result<Self, Error> {
        let mut collector = MergeCollector::default();
        collector.add(map, 0)?;
        Ok(Merged { entries: collector.entries.into_iter(), entry: None })
    }
}

#[derive(Default)]
struct MergeCollector<'t, 'a> {
    entries: Vec<(Cursor<'t, 'a>, Cursor<'t, 'a>)>,
    seen: std::collections::BTreeMap<&'t str, usize>,
}

impl<'t, 'a> MergeCollector<'t, 'a> {
    /// The longest chain of merges that is followed.
    const MAX_CHAIN: usize = 100;

    fn add(&mut self, map: Cursor<'t, 'a>, chain: usize) -> Result<(), Error> {
        if chain > Self::MAX_CHAIN {
            return map.located(Err(de::Error::custom(format!(
                "more than {} nested merge keys: write the merged keys out",
                Self::MAX_CHAIN
            ))));
        }
        for key in map.tape.children(map.index) {
            let (key, value) = (map.at(key), map.at(key + 1));
            map.charge()?;
            let node = key.value();
            if node.is_some_and(Value::is_merge_key) {
                self.merge(value, chain)?;
            } else {
                self.set(node.and_then(Value::text).unwrap_or_default(), (key, value));
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &'t str, entry: (Cursor<'t, 'a>, Cursor<'t, 'a>)) {
        let at = *self.seen.entry(name).or_insert(self.entries.len());
        match self.entries.get_mut(at) {
            Some(earlier) => *earlier = entry,
            None => self.entries.push(entry),
        }
    }

    /// Merges a map, or the maps of a list, of which earlier ones win over later ones.
    fn merge(&mut self, value: Cursor<'t, 'a>, chain: usize) -> Result<(), Error> {
        let is_alias = matches!(value.value(), Some(Value::Alias(_)));
        let (node, target) = value.located(value.resolved())?;
        match target {
            Some(Value::Map { .. }) => self.add(node, chain + 1),
            Some(Value::Sequence) if !is_alias => {
                let elements: Vec<usize> = node.tape.children(node.index).collect();
                elements.into_iter().rev().try_for_each(|element| self.merge_element(node.at(element), chain))
            }
            _ => value.no_merge(),
        }
    }

    fn merge_element(&mut self, element: Cursor<'t, 'a>, chain: usize) -> Result<(), Error> {
        let (node, target) = element.located(element.resolved())?;
        match target {
            Some(Value::Map { .. }) => self.add(node, chain + 1),
            _ => element.no_merge(),
        }
    }
}

impl Cursor<'_, '_> {
    fn no_merge(self) -> Result<(), Error> {
        self.located(Err(de::Error::custom("a merge key needs a map or a sequence of maps")))
    }
}

impl<'t> de::MapAccess<'t> for Merged<'t, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'t>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.entry = self.entries.next();
        self.entry.map(|(key, _)| deserialize_key(key, seed)).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Error> {
        match self.entry.take() {
            Some((key, value)) => value.value_of(key.value().and_then(Value::text).unwrap_or_default(), seed),
            None => seed.deserialize(().into_deserializer()),
        }
    }
}
