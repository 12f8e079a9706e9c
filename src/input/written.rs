//! An object in its written form, before it is decoded: its type, its text, and what can be wrong with it.

use serde::Deserialize;

use super::api;
use super::position::Position;
use super::template::is_template;
use super::yaml::Tape;

/// `apiVersion` and `kind`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) api_version: String,
    pub(super) kind: String,
}

impl Type {
    /// What the items of a list are if they do not say so themselves: in a `ServiceList`, Services.
    pub(super) fn of_items(&self) -> Type {
        let kind = self.kind.strip_suffix("List").unwrap_or_default();
        if kind.is_empty() {
            return Type::default();
        }
        Type { api_version: self.api_version.clone(), kind: kind.to_owned() }
    }

    /// The API group, empty for the core.
    pub(super) fn group(&self) -> &str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }
}

/// An object's text in either format.
pub(super) trait Written {
    /// Decodes it.
    fn decode<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Wrong>;

    /// The text as a document of its own.
    fn standalone(&self) -> String;

    /// Where it is; known once it is decoded.
    fn position(&self) -> Position;

    /// Keys that occur twice in it; known once it is decoded.
    fn repeated(&self) -> Vec<Repeated> {
        Vec::new()
    }
}

/// A key that occurs twice in a map, and the bytes of the source where it does.
#[derive(Debug, Clone)]
pub(super) struct Repeated {
    pub(super) key: String,
    pub(super) first: usize,
    pub(super) second: usize,
}

impl Repeated {
    /// The keys that occur twice within a node, in a document that begins at a byte of the source.
    pub(super) fn all(tape: &Tape<'_>, index: usize, start: usize) -> Vec<Repeated> {
        let at = |key| tape.node(key).map_or(start, |node| start + node.start as usize);
        let named = |key| tape.text(key).unwrap_or_default().to_owned();
        let all = tape.repeated(index);
        all.map(|twice| Repeated {
            key: named(twice.second),
            first: at(twice.first),
            second: at(twice.second),
        })
        .collect()
    }
}

/// Where in an object something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Where {
    /// In the object as a whole.
    Object,
    /// This many lines after its first.
    Lines(u32),
    /// At a byte of the source.
    Byte(usize),
}

/// Why an object could not be decoded.
#[derive(Debug)]
pub(super) struct Wrong {
    /// In serde's words.
    pub(super) message: String,
    /// Where it is.
    pub(super) place: Where,
    /// The path of the field.
    pub(super) path: Option<String>,
}

/// Whether objects of a kind are in a namespace.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    Namespaced,
    Cluster,
}

impl Scope {
    /// Fills in the namespace as kubectl does; refuses an object without a name.
    pub(super) fn complete(self, metadata: &mut api::Metadata) -> Result<(), Wrong> {
        match self {
            Scope::Cluster => metadata.namespace.clear(),
            Scope::Namespaced if metadata.namespace.is_empty() => {
                metadata.namespace = "default".into();
                metadata.namespace_left_out = api::LeftOut(true);
            }
            Scope::Namespaced => {}
        }
        let name = |message: String| {
            Err(Wrong { message, place: Where::Object, path: Some("metadata.name".to_owned()) })
        };
        match metadata.name.as_str() {
            "" => name("it must be set".to_owned()),
            text if is_template(text) => name(format!("{text:?} is a template, not a name")),
            _ => Ok(()),
        }
    }
}
