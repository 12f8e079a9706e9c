//! Offline compiler for the rules that Kubernetes' kube-proxy writes on a node.
//!
//! The data flows one way: [`input`] → [`cluster`] → [`plan`] → a ruleset ([`iptables`], [`nftables`]) → text, walk,
//! comparison. Between the first two [`assume`] fills in what was never applied, where that is asked for. A module knows what it stands on, never what stands on it.

pub mod assume;
pub mod capture;
pub mod cli;
pub mod cluster;
pub mod compare;
pub mod diagnostic;
pub mod explain;
pub mod input;
pub mod iptables;
pub mod lint;
pub mod names;
pub mod net;
pub mod nftables;
mod parallel;
pub mod plan;
pub mod report;
pub mod settings;
pub mod text;
pub mod walk;
