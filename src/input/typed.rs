//! An object and what it says it is, decoded in one go.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::written::Type;

/// An object with its `apiVersion` and `kind`.
#[derive(Debug)]
pub(super) struct Typed<T> {
    pub(super) type_: Type,
    pub(super) object: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Typed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TypedVisitor(PhantomData))
    }
}

struct TypedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TypedVisitor<T> {
    type Value = Typed<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Typed<T>, A::Error> {
        let mut type_ = Type::default();
        let fields = Fields { map, type_: &mut type_ };
        let object = T::deserialize(serde::de::value::MapAccessDeserializer::new(fields))?;
        Ok(Typed { type_, object })
    }
}

/// The fields of an object without the two that say what it is.
struct Fields<'t, A> {
    map: A,
    type_: &'t mut Type,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<&'de str>()? {
            match key {
                "apiVersion" => self.type_.api_version = self.map.next_value()?,
                "kind" => self.type_.kind = self.map.next_value()?,
                _ => return seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
