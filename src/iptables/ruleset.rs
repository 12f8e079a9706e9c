//! A ruleset of iptables as a value. What the compiler emits and what the parser reads are the same types; a match or
//! target that kube-proxy never writes is kept as printed, with what it means ([`super::foreign`]).

use std::net::SocketAddr;

use compact_str::CompactString;

pub use super::chain_name::ChainName;
use super::chains::ServiceChain;
use super::foreign::{ForeignMatch, ForeignTarget};
pub use super::probability::Probability;
pub use super::values::{End, StateSet};
use crate::net::{Cidr, Family, Port, Protocol};
use crate::plan::origin::Origin;

/// All tables of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruleset {
    /// The family.
    pub family: Family,
    /// Tables, in the order of `iptables-save`.
    pub tables: Vec<Table>,
}

impl Ruleset {
    /// The table of that name.
    pub fn table(&self, name: TableName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// Name of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the tables are")]
pub enum TableName {
    Mangle,
    Security,
    Raw,
    Filter,
    Nat,
}

impl TableName {
    /// In the order in which `iptables-save` (nft variant) prints them.
    pub const ALL: [TableName; 5] =
        [TableName::Mangle, TableName::Security, TableName::Raw, TableName::Filter, TableName::Nat];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            TableName::Mangle => "mangle",
            TableName::Security => "security",
            TableName::Raw => "raw",
            TableName::Filter => "filter",
            TableName::Nat => "nat",
        }
    }

    /// Reads the name.
    pub fn from_name(text: &str) -> Option<TableName> {
        TableName::ALL.into_iter().find(|t| t.name() == text)
    }

    /// Its built-in chains, in hook order.
    pub fn builtin_chains(self) -> &'static [&'static str] {
        match self {
            TableName::Mangle => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
            TableName::Security | TableName::Filter => &["INPUT", "FORWARD", "OUTPUT"],
            TableName::Raw => &["PREROUTING", "OUTPUT"],
            TableName::Nat => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        }
    }
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// Its chains: built-in ones in hook order, then the others sorted by name.
    pub chains: Vec<Chain>,
}

impl Table {
    /// The chain of that name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name.as_str() == name)
    }
}

/// One chain. Counters make no difference to equality.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its name.
    pub name: ChainName,
    /// The policy of a built-in chain; none for the others.
    pub policy: Option<Policy>,
    /// Its rules, in order.
    pub rules: Vec<PlacedRule>,
    /// Who made it.
    pub owner: Owner,
    /// What was counted by the policy. Zero for chains without one, and in the nft variant.
    pub counters: Counters,
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.policy == other.policy
            && self.rules == other.rules
            && self.owner == other.owner
    }
}

impl Eq for Chain {}

/// Packets and bytes counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "plain")]
pub struct Counters {
    pub packets: u64,
    pub bytes: u64,
}

/// Policy of a built-in chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the policies are")]
pub enum Policy {
    Accept,
    Drop,
}

/// Who makes a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The kernel: a built-in chain.
    Kernel,
    /// kube-proxy.
    KubeProxy,
    /// The kubelet's (pkg/kubelet/kubelet_network_linux.go); kube-proxy makes sure that it exists.
    Kubelet,
    /// Somebody else.
    Foreign,
}

impl Owner {
    /// Chains of kube-proxy besides those of Services (pkg/proxy/iptables/proxier.go).
    const KUBE_PROXY: [&'static str; 8] = [
        "KUBE-EXTERNAL-SERVICES",
        "KUBE-FORWARD",
        "KUBE-MARK-MASQ",
        "KUBE-NODEPORTS",
        "KUBE-POSTROUTING",
        "KUBE-PROXY-CANARY",
        "KUBE-PROXY-FIREWALL",
        "KUBE-SERVICES",
    ];

    /// Chains of the kubelet. Up to Kubernetes 1.27 it also created KUBE-MARK-DROP.
    const KUBELET: [&'static str; 4] =
        ["KUBE-FIREWALL", "KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY", "KUBE-MARK-DROP"];

    /// Who creates the chain with that name in that table.
    pub fn of(table: TableName, chain: &str) -> Owner {
        if table.builtin_chains().contains(&chain) {
            Owner::Kernel
        } else if Self::KUBELET.contains(&chain) {
            Owner::Kubelet
        } else if Self::KUBE_PROXY.contains(&chain) || ServiceChain::of(chain).is_some() {
            Owner::KubeProxy
        } else {
            Owner::Foreign
        }
    }
}

/// A rule in a chain, with what made it. Two are equal if their rules are.
#[derive(Debug, Clone)]
pub struct PlacedRule {
    /// The rule.
    pub rule: Rule,
    /// What made it; none for captured rules.
    pub origin: Option<Origin>,
    /// What it counted, if the capture says so.
    pub counters: Option<Counters>,
}

impl PartialEq for PlacedRule {
    fn eq(&self, other: &Self) -> bool {
        self.rule == other.rule
    }
}

impl Eq for PlacedRule {}

/// One rule. The fields are in the order in which `iptables-save` prints them. There can be millions of rules, so what
/// few of them have is boxed.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    /// `-s`
    pub source: Option<AddressMatch>,
    /// `-d`
    pub destination: Option<AddressMatch>,
    /// `-i`
    pub in_interface: Option<Box<InterfaceMatch>>,
    /// `-o`
    pub out_interface: Option<Box<InterfaceMatch>>,
    /// `-p`
    pub protocol: Option<ProtocolMatch>,
    /// `-m ...`, in order.
    pub matches: Vec<Match>,
    /// `-j` or `-g`; none for a rule that only counts.
    pub target: Option<Target>,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        effective(&self.source) == effective(&other.source)
            && effective(&self.destination) == effective(&other.destination)
            && self.in_interface == other.in_interface
            && self.out_interface == other.out_interface
            && self.protocol == other.protocol
            && self.matches == other.matches
            && self.target == other.target
    }
}

impl Eq for Rule {}

/// An address match that matches everything does not count: `iptables-save` omits it.
pub fn effective(address: &Option<AddressMatch>) -> Option<&AddressMatch> {
    address.as_ref().filter(|a| a.negated || !a.net.is_everything())
}

/// `-s`, `-d`. The written text makes no difference to equality.
#[derive(Debug, Clone)]
pub struct AddressMatch {
    /// `!`
    pub negated: bool,
    /// The network.
    pub net: Cidr,
    /// What kube-proxy hands to `iptables-restore`, if it is not the usual text: a single address without a length, a
    /// network with its length.
    pub written: Option<Box<CompactString>>,
}

impl PartialEq for AddressMatch {
    fn eq(&self, other: &Self) -> bool {
        self.negated == other.negated && self.net == other.net
    }
}

impl Eq for AddressMatch {}

/// `-i`, `-o`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceMatch {
    /// `!`
    pub negated: bool,
    /// The name; a trailing `+` stands for anything.
    pub name: CompactString,
}

/// `-p`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolMatch {
    /// `!`
    pub negated: bool,
    /// The protocol.
    pub protocol: ProtocolName,
}

/// A protocol in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolName {
    /// One that a Service port can have.
    Known(Protocol),
    /// Any other, as printed.
    Other(CompactString),
}

/// `-m ...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// `-m comment --comment ...`, unescaped.
    Comment(CompactString),
    /// `-m tcp`, `-m udp`, `-m sctp`, perhaps with `--dport`.
    Transport {
        /// The protocol.
        protocol: Protocol,
        /// `--dport` with one port.
        destination_port: Option<Port>,
    },
    /// `-m conntrack --ctstate ...`
    ConntrackState {
        /// `!`
        negated: bool,
        /// The states.
        states: StateSet,
    },
    /// `-m mark --mark value/mask`
    Mark {
        /// `!`
        negated: bool,
        /// The value.
        value: u32,
        /// The mask.
        mask: u32,
    },
    /// `-m addrtype --src-type LOCAL` or `--dst-type LOCAL`
    AddressType {
        /// Which end of the packet.
        end: End,
        /// `!`
        negated: bool,
    },
    /// `-m statistic --mode random --probability ...`
    Probability(Probability),
    /// `-m recent ...`
    Recent {
        /// `--name`
        list: ChainName,
        /// What the rule does with the list.
        action: RecentAction,
    },
    /// `-m nfacct --nfacct-name ...`; always matches, and counts.
    Nfacct(CompactString),
    /// Any other.
    Foreign(Box<ForeignMatch>),
}

/// What a `recent` match does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecentAction {
    /// `--set`: puts the source address on the list; always matches.
    Set,
    /// `--rcheck --seconds N --reap`: whether the source address was put on the list in the last N seconds.
    Check {
        /// `--seconds`
        seconds: u32,
    },
}

/// `-j`, `-g`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `-j CHAIN`
    Jump(ChainName),
    /// `-g CHAIN`
    Goto(ChainName),
    /// `-j ACCEPT`
    Accept,
    /// `-j DROP`
    Drop,
    /// `-j RETURN`
    Return,
    /// `-j REJECT` with a port-unreachable answer, the default.
    Reject,
    /// `-j MARK --set-xmark value/mask`: mark = (mark & !mask) ^ value.
    SetMark {
        /// The value.
        value: u32,
        /// The mask.
        mask: u32,
    },
    /// `-j MASQUERADE`
    Masquerade {
        /// `--random-fully`
        random_fully: bool,
    },
    /// `-j DNAT --to-destination ...`
    Dnat(Destination),
    /// Any other.
    Foreign(Box<ForeignTarget>),
}

/// Where DNAT sends a packet. The written text makes no difference to equality.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Address and port.
    pub address: SocketAddr,
    /// What kube-proxy hands to `iptables-restore`, if it is not the canonical text.
    pub written: Option<Box<CompactString>>,
}

impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl Eq for Destination {}
