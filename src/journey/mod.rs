//! The whole path of a connection: from the client through every node to the Pod, and the reply back.
//!
//! A walk ends where a packet leaves one node. A journey joins walks, each with its node's own rules, and then turns
//! around: the reply has the addresses that the Pod saw, reversed, and connection tracking translates it back, but only
//! on a node that translated the first packet, and only if the reply passes that node. If it does not, the client gets
//! an answer from an address that it did not connect to, and drops it. That explains most cases of "the rules are right
//! and it still times out", and no single node's rules show it.
//!
//! What is between the nodes is assumed, and every form says so: packets are routed only by their destination, nothing
//! but the known rules translates or filters, and a load balancer spreads connections evenly.
//!
//! ```text
//! pod 10.32.1.7 ─▶ node-1: 10.96.0.12:3306 becomes 10.32.0.15:3306 ─▶ node-2 ─▶ pod 10.32.0.15
//!               ◀─ node-1: 10.32.0.15:3306 becomes 10.96.0.12:3306 ◀─ node-2 ◀─
//! ```

mod connection;
mod entry;
mod follow;
mod network;
mod note;
mod reply;
#[cfg(test)]
mod tests;
mod way;

pub use connection::{Client, ClientPlace, Connection};
pub use entry::{Entry, EntryBy};
pub use network::{Limits, Network, NodeIndex, Place};
pub use note::Note;
pub use way::{
    BackHop, End, Hop, Journey, NotFollowed, Party, Reply, ReplyResult, Seen, SeenBack, Server, ServerPlace,
    Silence, Way, WayResult,
};
