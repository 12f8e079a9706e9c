//! What two rulesets do to packets: for all packets, not for samples.
//!
//! There are too many packets to walk each, but most of them cannot be told apart: a rule can only match on what is
//! written in it. So the packets are divided into classes by everything that any rule of either side matches on, so
//! that both sides treat all packets of a class the same. One packet of each class is walked through both rulesets, and
//! if the two outcome sets differ, they do so for all packets of the class.
//!
//! # An example
//!
//! The old rules send 10.96.0.12:3306 to one endpoint and mark packets from outside 10.244.0.0/16; in the new ones the
//! port is 3307. What can be asked of a packet to 10.96.0.12 is the protocol, whether the port is 3306, 3307 or another,
//! and whether the source is a Pod's, the node's or another's. That is a dozen classes. For the class "tcp to port 3306
//! from Pods" the old side says "works: 10.244.2.4:3306" and the new one "not a Service port"; for "udp to port 9" both
//! say the same, and nothing is reported.
//!
//! # Why it is right
//!
//! - The questions come from the rules themselves ([`crate::walk::Inquiry`]), asked with a packet whose open fields match
//!   both ways, so that no rule that could be reached is missed.
//! - Values between two neighbouring ends of what is asked are one value class; what the host knows about an address
//!   (the node's own, a Pod's, loopback) divides them further.
//! - What one side cannot follow is [`Contrast::Unknown`], even if the other side fails in the same way.
//! - `tests` compares the classes with random packets on random clusters, packet by packet.
//!
//! # What it costs
//!
//! Classes grow with the number of destinations, times the different questions for one destination; differences are
//! folded destination by destination, so that memory does not grow with them. Before that, [`super::unchanged`] leaves
//! out what is provably the same.

mod alike;
mod classes;
mod examples;
mod explain;
mod flows;
#[cfg(test)]
pub(super) mod foreign_tests;
mod ground;
#[cfg(test)]
mod interface_tests;
mod known;
mod members;
mod merged;
mod names;
pub mod outcome_set;
mod reasons;
mod scope;
mod search;
mod shape;
mod shared;
mod space;
#[cfg(test)]
pub(super) mod tests;
mod unknown;
mod verdict;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use alike::Alike;
#[cfg(test)]
pub(super) use classes::compare_within;
pub use classes::{Bounds, compare};
#[cfg(test)]
pub(super) use examples::example_differences;
pub use examples::examples_of_plan;
pub use explain::{SideFacts, explain};
pub(super) use flows::flows_of_part;
pub use flows::{Cause, Flow, Place, Special, flows, flows_of_plans};
pub use ground::{Ground, Naming};
pub use known::Known;
pub(super) use known::{KnownOutcomes, Outcomes};
pub(super) use members::Members;
pub use names::Names;
pub use outcome_set::{Contrast, End, OutcomeSet};
pub use reasons::Reason;
pub use scope::Scope;
pub use search::{Examples, Search};
pub(super) use shape::Shape;
pub use unknown::{SharedTraffic, Traffic, Unknown};
pub use verdict::ConnectionVerdict;

use crate::net::Protocol;
use crate::nftables::ruleset::Interval;
use crate::walk::{ClientKind, Packet};

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How many kinds of connections were compared, that is, could be followed on both sides.
    pub classes: u64,
    /// For how many of them packets were followed all the way.
    pub walked: u64,
    /// Those whose outcome differs, or may differ ([`Contrast::Unknown`]).
    pub differences: Vec<Difference>,
}

/// A kind of connections whose outcome differs, or may differ.
#[derive(Debug, Clone)]
pub struct Difference {
    /// One of them.
    pub packet: Packet,
    /// Where they go.
    pub to: To,
    /// Where they come from.
    pub from: From,
    /// What happens to them with the old rules.
    pub old: Arc<OutcomeSet>,
    /// What happens to them with the new rules.
    pub new: Arc<OutcomeSet>,
    /// How the outcomes differ.
    pub contrast: Contrast,
}

impl Difference {
    /// How many classes it stands for.
    pub fn classes(&self) -> u64 {
        (1 + self.to.alike.len() as u64) * (1 + self.from.alike.len() as u64)
    }
}

/// Destinations of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct To {
    /// The address, if it is only one.
    pub address: Option<IpAddr>,
    /// Other addresses with the same outcome, except that the address differs.
    pub alike: Arc<[IpAddr]>,
    /// All addresses, ascending.
    pub addresses: Arc<[Interval]>,
    /// All ports, ascending, from first to last.
    pub ports: Arc<[(u16, u16)]>,
    /// The protocol.
    pub protocol: Protocol,
    /// The port, if it is only one.
    pub port: Option<u16>,
    /// Whether it is an address of the node.
    pub own: bool,
    /// An address and port of the class.
    pub representative: SocketAddr,
}

/// Sources of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// What kind of client they are.
    pub client: ClientKind,
    /// The address, if rules match on it by itself.
    pub address: Option<IpAddr>,
    /// Other addresses with the same outcome, except that the address differs.
    pub alike: Arc<[IpAddr]>,
    /// All addresses, ascending.
    pub addresses: Arc<[Interval]>,
    /// How many more addresses, each named by rules, it may stand for: packets from these were not followed.
    pub not_followed: usize,
}
