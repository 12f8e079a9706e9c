//! What rules can tell of an interface.
//!
//! A node has an interface for each Pod, and rules that name few of them. Packets that cross one or another of the rest are
//! alike to all rules, but for those that ask more of an interface than its name: whether a set has it, whether an address is
//! its own, whether the way to the other end of the packet leads by it. Who puts packets into kinds, in a comparison or behind
//! routing, does so by a [`SeenInterface`].

use std::net::IpAddr;

use super::packet::Interface;
use super::packet_interface;
use super::program::Program;
use super::rule_part::InterfaceDirection;
use super::walker::Walker;
use crate::iptables::foreign::{Crossing, ForeignMatch, Means, TestKind};
use crate::iptables::ruleset::{End, Match, Rule, Target};
use crate::net::Family;
use crate::nftables::ruleset::{Expression, FibResult, Selector, Statement, TranslationKind};
use crate::node::{ClientKind, Host, InterfaceName, LinkAddress};

/// An interface that a packet crosses, as rules can tell it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SeenInterface {
    /// Which it is, if any, is not known.
    Unknown,
    /// There is none.
    None,
    /// This one, which is like no other.
    Itself(InterfaceName),
    /// One of which rules can tell nothing but that its name begins so, with the longest beginning that they ask for.
    Unnamed(Option<InterfaceName>),
}

/// What rules ask of interfaces beside their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AskedBeside {
    /// Anything of the one by which packets leave, or by which routes lead.
    pub(super) output: bool,
    /// Whether the way to an end of the packet leads by the one that it crosses for the other.
    pub(super) across: bool,
    /// Whether an address is its own, or which one it has.
    pub(super) owners: bool,
}

impl SeenInterface {
    /// What rules tell of an interface, where it is known; inside, none where the packet crosses none. `each` where they tell
    /// it from every other.
    pub(super) fn of(
        known: Option<Option<InterfaceName>>,
        (program, host): (&Program<'_>, &Host),
        (family, each): (Family, bool),
    ) -> SeenInterface {
        let name = match known {
            None => return SeenInterface::Unknown,
            Some(None) => return SeenInterface::None,
            Some(Some(name)) => name,
        };
        let text = name.as_str();
        let (named, begins) = program.interfaces().told_of(text);
        let is_in_sets = host.sets.as_ref().is_some_and(|sets| sets.name_interfaces());
        let is_owner = || program.asked_beside().owners && has_address(host, text, family);
        match named.is_some() || each || is_in_sets || text == "lo" || is_owner() {
            true => SeenInterface::Itself(name),
            false => {
                SeenInterface::Unnamed(begins.and_then(|length| InterfaceName::new(text.get(..length)?)))
            }
        }
    }
}

/// Whether an interface has an address of the node.
fn has_address(host: &Host, name: &str, family: Family) -> bool {
    let is_own = |own: &LinkAddress| Family::of(own.ip) == family && host.is_local(own.ip);
    let by_route = host.network.routes.as_ref().is_some_and(|routes| routes.has_address(name));
    by_route || host.network.link(name).is_some_and(|link| link.addresses.iter().any(is_own))
}

impl Walker<'_> {
    /// Whether rules may ask for interfaces in a direction, and which these are is known of some addresses.
    pub fn can_tell_interfaces(&self, direction: InterfaceDirection) -> bool {
        let is_asked = || direction == InterfaceDirection::In || self.program.asked_beside().output;
        // Names of Pods tell the interfaces that CNI plugins give them, for which kube-proxy alone does not ask.
        let has_names = || !self.host.pod_names.is_empty() && self.program.foreign_rules() > 0;
        (self.host.network.routes.is_some() || has_names()) && is_asked()
    }

    /// What rules can tell of the interface by which the packets of an address cross the node.
    pub fn seen_interface(&self, ip: IpAddr, direction: InterfaceDirection) -> SeenInterface {
        let (program, host) = (&self.program, self.host);
        let asked = program.asked_beside();
        let kind = match (direction, host.client_kind(ip)) {
            (InterfaceDirection::Out, _) if !asked.output => return SeenInterface::Unknown,
            (InterfaceDirection::In, ClientKind::Node) => Interface::None,
            (InterfaceDirection::Out, ClientKind::Node) => Interface::Loopback,
            (_, ClientKind::LocalPod) => Interface::PodSide,
            (_, ClientKind::RemotePod | ClientKind::Outside) => Interface::External,
        };
        let known = packet_interface::known((program, host), (ip, kind), || host.interface_toward(ip));
        SeenInterface::of(known, (program, host), (Family::of(ip), asked.across))
    }
}

impl AskedBeside {
    /// What either asks.
    pub(super) fn and(self, other: AskedBeside) -> AskedBeside {
        AskedBeside {
            output: self.output || other.output,
            across: self.across || other.across,
            owners: self.owners || other.owners,
        }
    }

    /// Learns what a rule of iptables asks.
    pub(super) fn learn(&mut self, rule: &Rule) {
        self.output |= rule.out_interface.is_some();
        for asked in &rule.matches {
            if let Match::Foreign(foreign) = asked {
                self.learn_match(foreign);
            }
        }
        if let Some(Target::Foreign(target)) = &rule.target {
            self.owners |= matches!(target.means(), Means::Redirect(_));
        }
    }

    fn learn_match(&mut self, foreign: &ForeignMatch) {
        for test in foreign.tests() {
            match &test.kind {
                TestKind::AddressType { limit: Some(limit), .. } => {
                    self.owners = true;
                    self.output |= *limit == Crossing::Out;
                }
                TestKind::Set { ends, .. } => self.output |= ends.contains(&End::Destination),
                _ => {}
            }
        }
    }

    /// Learns what a statement of nftables asks.
    pub(super) fn learn_nftables(&mut self, statement: &Statement) {
        match statement {
            Statement::Spelled(_, meaning) => return self.learn_nftables(meaning),
            Statement::Translate(to) => self.owners |= to.kind == TranslationKind::Redirect,
            _ => {}
        }
        for expression in statement.expressions() {
            expression.visit(&mut |part| match part {
                Expression::Selector(Selector::Meta(key)) => {
                    self.output |= matches!(key.as_str(), "oif" | "oifname");
                }
                Expression::Selector(Selector::Fib(keys, result)) => {
                    let has = |name: &str| keys.iter().any(|key| key == name);
                    let is_type = *result == FibResult::Type;
                    self.output |= !is_type || has("oif");
                    self.owners |= is_type && (has("iif") || has("oif"));
                    self.across |= !is_type && (has("daddr") && has("iif") || has("saddr") && has("oif"));
                }
                _ => {}
            });
        }
    }
}
