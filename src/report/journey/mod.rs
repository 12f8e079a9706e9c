//! The whole path of a connection, for people and programs.
//!
//! [`document`] turns a journey into what every form shows: each node on the way there with what its rules do, each
//! node on the way back, and the packet's addresses between them. The JSON is exactly that document.

mod document;
mod mermaid;
mod names;
mod text;
mod words;

use crate::journey::{Journey, Network};

pub use document::{
    Addresses, BackHop, Connection, Document, Documents, Entry, Hop, Outcome, SCHEMA, SCHEMA_OF_SEVERAL,
    Server, Step, document, document_of_many,
};
pub use mermaid::mermaid;
pub use text::text;

/// A journey and the network that it was made in.
#[derive(Debug, Clone, Copy)]
pub struct Told<'j, 'r, 'n, 'c> {
    /// The journey.
    pub journey: &'j Journey<'r>,
    /// The network.
    pub network: &'j Network<'n, 'c>,
    /// Whether the texts of rules are shown: a rule that chooses among thousands of endpoints is thousands of words
    /// long.
    pub with_texts: bool,
}

/// What is assumed for every journey; every form says so.
pub const ASSUMED: &str = "Assumed: packets are routed only by their destination, and nothing translates or filters them \
                           but the rules shown.";
