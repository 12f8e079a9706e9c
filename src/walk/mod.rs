//! The walk: follows the first packet of a new connection through the netfilter hooks of a node and reports everything
//! that can happen to it, with its exact chance and every step.
//!
//! It needs only rulesets, so it serves compiled and captured ones alike. Connections that already exist do not pass
//! these rules: connection tracking keeps sending them where they went first.
//!
//! ```
//! use kuberules::net::Protocol;
//! use kuberules::walk::{Host, Packet, Verdict, Walker};
//!
//! # use kuberules::{net::Family, nftables, ruleset::Ruleset};
//! # let ruleset = Ruleset::nftables(nftables::ruleset::Ruleset::default(), Family::Ipv4);
//! let host = Host {
//!     addresses: vec!["192.168.0.11".parse()?],
//!     ..Host::default()
//! };
//! let walker = Walker::new(&ruleset, &host);
//! let packet = Packet::new(&host, Protocol::Tcp, "10.244.1.9".parse()?, "10.96.0.12:3306".parse()?)?;
//! let outcomes = walker.walk(&packet)?;
//! assert_eq!(outcomes[0].verdict, Verdict::Accept);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod action;
mod address_type;
mod asked_beside;
mod asked_where;
mod assigned;
mod assumed_verdict;
mod base_chain;
mod by_interface;
mod cases;
mod chain_order;
mod chance;
mod digest;
mod draw;
mod early_names;
mod entrance;
mod error;
mod evaluator;
mod expression;
mod filled;
mod foreign;
mod hook;
mod hooks;
mod idle;
mod inquiry;
mod interface_case;
mod interface_kinds;
mod interface_rules;
mod interfaces;
mod iptables;
mod marks;
mod matching;
mod merge;
mod nft_action;
mod nftables;
mod nowhere;
mod onward;
mod opaque_iptables;
mod opaque_nftables;
mod outcome;
mod packet;
mod packet_interface;
mod packet_state;
mod payload_write;
mod port_choice;
mod presence;
mod program;
mod questions;
mod queue;
mod recent;
mod routed;
mod routing;
mod rule_index;
mod rule_part;
mod seen_interface;
mod selector;
mod set_changes;
mod set_index;
mod source_port;
mod source_translation;
#[cfg(test)]
mod tests;
mod told_apart;
mod translation;
mod unknown;
mod value;
mod value_order;
mod walker;
mod weights;

pub use assumed_verdict::AssumedVerdict;
pub use chance::Chance;
pub use entrance::Entrance;
pub use error::WalkError;
pub use idle::{DoesNothing, Idle, RoutedView, SourcePlace};
pub use inquiry::{Asked, Chains, Destination, Destinations, Inquiry, PortRange, Reached};
pub use opaque_nftables::is_opaque_match;
pub use outcome::{Answer, Condition, Effect, Hook, Outcome, RuleRef, Step, Supposition, Unrouted, Verdict};
pub use packet::{FamilyMismatch, Interface, Original, Packet, Tracking, View};
pub use routed::{EndsOfPair, RoutedPair};
pub use rule_part::InterfaceDirection;
pub use seen_interface::SeenInterface;
pub use walker::{ToldByOthers, Walker};

pub use crate::node::{ClientKind, Host, InterfaceName, PodInterface};
