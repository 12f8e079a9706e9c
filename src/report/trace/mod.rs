//! What became of a packet: the walk's outcomes with names for people.

mod json;
mod mermaid;
pub(crate) mod remarks;
mod table;
mod text;
pub(crate) mod why;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::plan::Plan;
use crate::walk::{Outcome, Packet};

pub use json::{all_json, json};
pub use mermaid::mermaid;
pub use table::table;
pub use text::text;

/// A packet and everything that can become of it.
#[derive(Debug)]
pub struct Trace<'t, 'r> {
    /// The packet.
    pub packet: Packet,
    /// What can become of it.
    pub outcomes: Vec<Outcome<'r>>,
    /// Where the rules come from.
    pub rules: &'t RulesSource,
    /// Names of addresses.
    pub names: &'t Names,
    /// The plan that the rules were compiled from; none for captured rules.
    pub plan: Option<&'t Plan<'t>>,
}

/// Where rules come from.
#[derive(Debug, Clone, Default)]
pub struct RulesSource {
    /// The node's name; empty where it is not known.
    pub node: String,
    /// `iptables` or `nftables`.
    pub language: &'static str,
    /// In words: `as kube-proxy 1.36 compiles them`, `captured in node.rules`.
    pub words: String,
}

/// Names of addresses, such as `pod shop/web-1 on worker-2`, `Service shop/web`.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeMap<IpAddr, String>);

impl Names {
    /// Gives an address a name, unless it has one.
    pub fn add(&mut self, ip: IpAddr, name: impl FnOnce() -> String) {
        self.0.entry(ip).or_insert_with(name);
    }

    /// The name of an address.
    pub fn of(&self, ip: IpAddr) -> Option<&str> {
        self.0.get(&ip).map(String::as_str)
    }
}

/// Said in every form: rules are asked once per connection.
pub const SCOPE: &str = "This is about new connections. A connection that exists keeps going where it went first, \
                         whatever the rules say now: conntrack -L shows where, conntrack -D ends it \
                         (UDP clients that keep their port are the usual case).";
