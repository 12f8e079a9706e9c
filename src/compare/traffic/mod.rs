//! What two rulesets do to packets, for all packets: they are partitioned by everything that any rule of either side
//! asks, so that all packets of a class fare alike in both; one of each class is walked through both.

mod classes;
pub mod fate;
mod flows;
mod names;
mod reasons;
mod space;
#[cfg(test)]
pub(super) mod tests;
mod unknown;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use classes::compare;
pub use fate::{Contrast, End, Fate};
pub use flows::{Cause, Flow, flows, flows_of_plans};
pub use names::Names;
pub use reasons::{Reason, SideFacts};
pub use unknown::{Traffic, Unknown};

use crate::net::Protocol;
use crate::nftables::ruleset::Interval;
use crate::walk::{ClientKind, Packet};

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How many classes of packets were compared: could be followed on both sides.
    pub classes: u64,
    /// Those that fare differently, or of which that is not known ([`Contrast::Unknown`]).
    pub differences: Vec<Difference>,
}

/// A class of packets that fare differently, or of which that is not known.
#[derive(Debug, Clone)]
pub struct Difference {
    /// One of them.
    pub packet: Packet,
    /// Where they go to.
    pub to: To,
    /// Where they come from.
    pub from: From,
    /// What becomes of them with the old rules.
    pub old: Fate,
    /// What becomes of them with the new rules.
    pub new: Fate,
    /// In what that differs.
    pub contrast: Contrast,
}

/// Destinations of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct To {
    /// The address, where it is one.
    pub address: Option<IpAddr>,
    /// All addresses, ascending.
    pub addresses: Arc<[Interval]>,
    /// All ports, ascending, from first to last.
    pub ports: Arc<[(u16, u16)]>,
    /// The protocol.
    pub protocol: Protocol,
    /// The port, where it is one.
    pub port: Option<u16>,
    /// Whether it is an address of the node.
    pub own: bool,
    /// An address and port of the class.
    pub representative: SocketAddr,
}

/// Sources of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// Who they are.
    pub client: ClientKind,
    /// The address, where rules ask for it alone.
    pub address: Option<IpAddr>,
    /// All addresses, ascending.
    pub addresses: Arc<[Interval]>,
}
