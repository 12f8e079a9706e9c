//! What happens to a packet: the walk's outcomes with names and reasons for people.
//!
//! Data first, words last: `cause` reads from the rule that decided why a packet is stopped, `meaning` says what an
//! outcome means for the client, `remarks` finds what is worth knowing about it, and `why` which conditions of a rule a
//! packet met. Each is a value; its `Display` has its words, and nothing reads those again.

mod cause;
mod connections;
mod existing;
pub mod json;
pub(crate) mod meaning;
mod mermaid;
mod name;
pub(crate) mod observed;
pub(crate) mod remark;
pub(crate) mod remarks;
mod table;
mod text;
mod unroutable;
pub(crate) mod verdict;
pub(crate) mod why;
pub(crate) mod words;

use crate::plan::Plan;
use crate::walk::{Outcome, Packet};

pub use connections::{Existing, existing};
pub use existing::SCOPE;
pub use json::{all_json, json};
pub use mermaid::mermaid;
pub use name::{Name, Names};
pub use table::{every_node, table};
pub use text::text;

/// A packet and everything that can happen to it.
#[derive(Debug)]
pub struct Trace<'t, 'r> {
    /// The packet.
    pub packet: Packet,
    /// What can happen to it.
    pub outcomes: Vec<Outcome<'r>>,
    /// Where the rules come from.
    pub rules: &'t RulesSource,
    /// Names of addresses.
    pub names: &'t Names,
    /// The plan that the rules were compiled from; none for captured rules.
    pub plan: Option<&'t Plan<'t>>,
    /// Existing connections to the packet's destination, if the node's were captured.
    pub existing: Vec<Existing>,
}

/// Where rules come from.
#[derive(Debug, Clone, Default)]
pub struct RulesSource {
    /// The node's name; empty if it is not known.
    pub node: String,
    /// `iptables` or `nftables`.
    pub language: &'static str,
    /// In words: `as kube-proxy 1.36 compiles them`, `captured in node.rules`.
    pub words: String,
}
