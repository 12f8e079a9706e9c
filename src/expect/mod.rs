//! Expectations about who reaches what, kept in Git beside the manifests, and whether they hold in a cluster.
//!
//! # What it is for
//!
//! "The shop works from outside, the database does not": written once in a file, and checked for every change before it
//! is applied. The answers are those of [`crate::walk`], the same that a trace gives.
//!
//! # How
//!
//! 1. `file` reads what is written, strictly, with lines.
//! 2. `resolve` looks up its names in the cluster ([`Ground`]): addresses, clients, nodes.
//! 3. `clients` finds which clients on which nodes can connect to an address: the members of the expectation.
//! 4. `probe` walks a packet of each through the rules of its node, and `endings` combines its outcomes. Nodes with the
//!    same rules for the address give the same answer, so only one of them is used.
//! 5. `evaluate` compares this with what is expected; `evidence` follows one connection of each failure for people.
//!
//! # An example
//!
//! `to: shop/web, from: [pods], expect: works` on three nodes: the addresses are the cluster IP and the node port. Members
//! are a Pod of each node to the cluster IP, to its own node's node port, and, from another node, to that port: nine
//! connections. All three nodes have the same rules for `shop/web`, so three packets are walked.

mod clients;
mod cuts;
mod endings;
mod evaluate;
mod evidence;
mod fields;
mod file;
pub mod github;
mod ground;
pub mod json;
pub mod junit;
mod parts;
mod probe;
mod report;
mod resolve;
mod selector;
#[cfg(test)]
mod tests;
pub mod text;
mod title;
mod words;
mod write;

pub use evaluate::{Verdict, evaluate};
pub use fields::Written;
pub use file::{Asked, Endpoints, Expectation, On, Reach, is_expectations, read};
pub use ground::{Ground, Side};
pub use report::Report;
pub use words::{Client, ClientIp, NodeChoice, Outcome, Target};
pub use write::write;
