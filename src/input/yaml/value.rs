//! What a node of a document is.

use std::borrow::Cow;

/// What a node is. Its contents follow it; those of a map are keys and values in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::input) enum Value<'a> {
    /// A scalar whose text alone decides what it is.
    Plain(Cow<'a, str>),
    /// A string.
    String(Cow<'a, str>),
    /// A sequence.
    Sequence,
    /// A map.
    Map {
        /// Whether it has the key `<<`, or a key twice.
        overrides: bool,
    },
    /// Another use of the node at that index.
    Alias(usize),
}

impl Value<'_> {
    /// The text of a scalar.
    pub(in crate::input) fn text(&self) -> Option<&str> {
        match self {
            Value::Plain(text) | Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is the key under which other maps are merged.
    pub(in crate::input) fn is_merge_key(&self) -> bool {
        matches!(self, Value::Plain(text) if text == "<<")
    }
}
