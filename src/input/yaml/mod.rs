//! YAML as kubectl reads it: one document becomes a flat list of nodes, from which the API types are decoded.

mod block;
mod cut;
mod de;
mod events;
mod scalar;
mod tape;
mod value;

pub(super) use cut::cut;
pub(super) use de::Misfit;
pub(super) use scalar::{Resolved, resolve};
pub(super) use tape::{Builder, Tape};
pub(super) use value::Value;

/// The deepest nesting of YAML that is read. Objects nest some 20 levels.
pub(super) const MAX_DEPTH: usize = 200;

/// How many nodes aliases may add to a document before it counts as an attack.
pub(super) const MAX_ALIASED_NODES: usize = 1_000_000;

/// What is wrong with a YAML text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) message: String,
    /// Byte of the text.
    pub(super) offset: usize,
}
