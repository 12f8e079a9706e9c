//! Where things are in the input.

use crate::diagnostic::ObjectRef;

/// The number of a source in [`Sources`](super::Sources).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// Where an object is in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The file or pipe.
    pub source: SourceId,
    /// Byte at which the object's text begins.
    pub offset: usize,
    /// Length of the object's text in bytes.
    pub length: usize,
}

/// An API object and where it was read.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// The object.
    pub object: T,
    /// Where it was read.
    pub position: Position,
}

/// Names an object in messages.
pub trait Named {
    /// Kind, namespace and name.
    fn object_ref(&self) -> ObjectRef;
}
