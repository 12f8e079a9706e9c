//! What happens to a packet, and in which steps.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::iptables::foreign::MarkOf;
use crate::iptables::ruleset::{Match, RecentAction};
use crate::iptables::{ruleset as iptables, save};
use crate::net::Family;
use crate::nftables::ruleset as nftables;
use crate::node::{ForwardingOff, Refusal, ReversePath};
use crate::plan::origin::Origin;
use crate::ruleset::writer::Writer;

use super::assumed_verdict::AssumedVerdict;
use super::chance::Chance;
pub use super::hook::Hook;
use super::packet::View;

/// One thing that can happen to a packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<'r> {
    /// Whether it gets through.
    pub verdict: Verdict,
    /// How likely it is, under the conditions in [`Outcome::given`]. The chances of all outcomes with the same
    /// conditions, together with those of the unconditional ones that do not contradict them, add up to 1.
    pub chance: Chance,
    /// Where it goes after DNAT; the original destination if there was none.
    pub destination: SocketAddr,
    /// Whether its source is rewritten.
    pub snat: bool,
    /// Whether it ends on the node itself, rather than leaving by an interface.
    pub delivered_locally: bool,
    /// Whether rules wrote addresses or ports into it past connection tracking, so that nothing writes them back into
    /// answers.
    pub rewritten: bool,
    /// What must hold for this outcome besides what is known; empty for a client's first contact, if the rules are
    /// understood.
    pub given: Vec<Condition<'r>>,
    /// What happened to it, in order.
    pub steps: Vec<Step<'r>>,
}

impl Outcome<'_> {
    /// Whether two outcomes are the same except for the steps.
    pub(super) fn ends_as(&self, other: &Self) -> bool {
        let end = |outcome: &Self| {
            (
                outcome.verdict,
                outcome.destination,
                outcome.snat,
                (outcome.delivered_locally, outcome.rewritten),
                outcome.chance.key(),
            )
        };
        end(self) == end(other) && self.given == other.given
    }
}

/// Whether a packet gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It goes on to its destination.
    Accept,
    /// It is dropped silently: the client waits until it times out.
    Drop,
    /// It is refused with an answer.
    Reject(Answer),
}

impl Verdict {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
            Verdict::Reject(_) => "reject",
        }
    }
}

/// The answer that a refused client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// ICMP or ICMPv6 port unreachable: "connection refused".
    PortUnreachable,
    /// A TCP reset: "connection refused".
    TcpReset,
    /// Another ICMP message.
    OtherIcmp,
    /// There is no route: ICMP network unreachable, ICMPv6 no route; to a process of the node `ENETUNREACH`.
    NetworkUnreachable,
    /// A route of type `unreachable`: ICMP host unreachable; to a process of the node `EHOSTUNREACH`.
    HostUnreachable,
    /// A route of type `prohibit`: ICMP packet filtered, ICMPv6 administratively prohibited; to a process of the node
    /// `EACCES`.
    Prohibited,
    /// A route of type `blackhole`, to a process of the node: `EINVAL`.
    InvalidArgument,
}

impl Answer {
    /// Whether it says that there is no way to the destination, rather than that nothing listens there.
    pub fn is_unreachable(self) -> bool {
        match self {
            Answer::PortUnreachable | Answer::TcpReset | Answer::OtherIcmp => false,
            Answer::NetworkUnreachable
            | Answer::HostUnreachable
            | Answer::Prohibited
            | Answer::InvalidArgument => true,
        }
    }

    /// The word in JSON.
    pub fn name(self, family: Family) -> &'static str {
        match (self, family) {
            (Answer::PortUnreachable, Family::Ipv4) => "icmp-port-unreachable",
            (Answer::PortUnreachable, Family::Ipv6) => "icmp6-port-unreachable",
            (Answer::TcpReset, _) => "tcp-reset",
            (Answer::OtherIcmp, _) => "icmp",
            (Answer::NetworkUnreachable, Family::Ipv4) => "icmp-net-unreachable",
            (Answer::NetworkUnreachable, Family::Ipv6) => "icmp6-no-route",
            (Answer::HostUnreachable, Family::Ipv4) => "icmp-host-unreachable",
            (Answer::HostUnreachable, Family::Ipv6) => "icmp6-addr-unreachable",
            (Answer::Prohibited, Family::Ipv4) => "icmp-admin-prohibited",
            (Answer::Prohibited, Family::Ipv6) => "icmp6-adm-prohibited",
            (Answer::InvalidArgument, _) => "invalid-argument",
        }
    }
}

/// What an outcome depends on.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition<'r> {
    /// This client was sent to an endpoint before and is remembered by this list (`recent`) or set.
    Affinity {
        /// Name of the list or set.
        list: CompactString,
        /// The rule that looks the client up.
        rule: RuleRef<'r>,
        /// Whether the ruleset, a listing of nftables, has the client on the list.
        listed: bool,
    },
    /// A rule has a part that is not understood; this is the outcome if that matches, or if it does not.
    Opaque {
        /// The part, as printed.
        text: CompactString,
        /// The first rule with this part.
        rule: RuleRef<'r>,
        /// Whether it is assumed to match.
        matches: bool,
    },
    /// A rule has a target that is not understood, or that leaves the packet to a program; this is the outcome if it gives
    /// one of these verdicts.
    Verdict {
        /// The target, as printed.
        text: CompactString,
        /// The rule.
        rule: RuleRef<'r>,
        /// The verdicts; at least one, in the order of [`AssumedVerdict`].
        verdicts: SmallVec<[AssumedVerdict; 3]>,
    },
    /// Base chains of one priority run in this order, which no listing tells.
    Order {
        /// The chains, in the order in which they run.
        text: CompactString,
        /// The policy of the one that usually runs first.
        first: RuleRef<'r>,
    },
    /// More unknown things are asked than can be listed: this is the outcome for some of the answers.
    Several {
        /// How many questions.
        count: usize,
        /// The first, as printed.
        text: CompactString,
        /// The rule that asks it.
        rule: RuleRef<'r>,
        /// Different for outcomes that depend on the questions in another way.
        digest: u64,
    },
    /// A rule asks for something that is supposed to be as usual for a first packet.
    Supposed {
        /// What is supposed.
        supposition: Supposition,
        /// The part of the rule, as printed.
        text: CompactString,
        /// The rule.
        rule: RuleRef<'r>,
    },
}

/// What is usually so for the first packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Supposition {
    /// A limit is not reached.
    WithinLimit,
    /// The node has the route that a rule looks up, such as one back to the source.
    HasRoute,
    /// No earlier packet put the client on a list.
    NotListed,
}

impl Supposition {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Supposition::WithinLimit => "within-limit",
            Supposition::HasRoute => "has-route",
            Supposition::NotListed => "not-listed",
        }
    }
}

impl Condition<'_> {
    /// Whether it is about something that is not known, so that nobody can tell whether it holds.
    pub fn is_not_known(&self) -> bool {
        match self {
            Condition::Opaque { .. }
            | Condition::Verdict { .. }
            | Condition::Order { .. }
            | Condition::Several { .. } => true,
            Condition::Affinity { .. } | Condition::Supposed { .. } => false,
        }
    }

    /// For how many seconds a client is remembered, where that is the condition and a time is set.
    pub fn seconds(&self) -> Option<u32> {
        let Condition::Affinity { list, rule, .. } = self else { return None };
        match rule {
            RuleRef::Iptables { chain, index, .. } => {
                chain.rules.get((*index)?)?.rule.matches.iter().find_map(|m| match m {
                    Match::Recent { action: RecentAction::Check { seconds }, .. } => Some(*seconds),
                    _ => None,
                })
            }
            RuleRef::Nftables { table, .. } => table.set(list)?.timeout_seconds,
        }
    }
}

/// Something that happened to a packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<'r> {
    /// The hook.
    pub hook: Hook,
    /// The rule that did it; none for what the kernel itself does.
    pub rule: Option<RuleRef<'r>>,
    /// The packet as the rule saw it.
    pub seen: View,
    /// The chance that a random rule was taken with.
    pub chance: Option<Chance>,
    /// The element of a map that gave the verdict.
    pub element: Option<&'r nftables::Element>,
    /// What was done, in order; never empty.
    pub effects: Vec<Effect<'r>>,
}

/// What a rule or the kernel did with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect<'r> {
    /// On to another chain, and back when that ends.
    Jump(&'r str),
    /// On to another chain for good.
    Goto(&'r str),
    /// Back to where the chain was called from.
    Return,
    /// No more rules of this base chain, or of this table of iptables.
    Accept,
    /// The end.
    Drop,
    /// The end, with an answer.
    Reject(Answer),
    /// The policy of a chain dropped it.
    PolicyDrop,
    /// The mark is now this.
    Mark(u32),
    /// The mark of the connection is now this.
    ConnectionMark(u32),
    /// A mark is no longer known, at least in part.
    MarkNotKnown(MarkOf),
    /// The destination is now this.
    Dnat(SocketAddr),
    /// The source will be an address of the node.
    Masquerade,
    /// The source will be another address.
    Snat,
    /// The client is remembered by this list or set.
    Remember(&'r str),
    /// Connection tracking ignores it.
    Untrack,
    /// It will be delivered on the node.
    RouteLocal,
    /// It will be forwarded.
    RouteForward,
    /// The kernel drops it: a loopback address on another interface (`martian`).
    Martian,
    /// Routing ends it.
    Unrouted(Unrouted),
    /// The node checks where the route back to the source leads (`rp_filter`), and that is not known: assumed to pass.
    SourceNotChecked,
    /// Which way it goes is not known despite the routes, for example because routing rules decide: assumed to be sent
    /// on.
    WayNotKnown,
    /// A target that is not understood: assumed to give this verdict, as the condition says.
    Unknown(AssumedVerdict),
}

/// Why routing ends a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unrouted {
    /// There is no way to its destination.
    NoWay(Refusal),
    /// The node does not forward what comes in there (`ip_forward`).
    NotForwarded(ForwardingOff),
    /// There is no route back to its source, and that is checked (`rp_filter`).
    NoWayBack(ReversePath),
    /// The route back to its source leaves by another interface (`rp_filter`).
    BackElsewhere(ReversePath),
    /// It comes from the network with an address of the node itself as its source.
    OwnSource,
    /// Its source is a broadcast or multicast address (`rp_filter`).
    SourceOfMany,
}

impl Unrouted {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Unrouted::NoWay(refusal) => refusal.name(),
            Unrouted::NotForwarded(_) => "forwarding-off",
            Unrouted::NoWayBack(_) => "no-way-back",
            Unrouted::BackElsewhere(_) => "way-back-elsewhere",
            Unrouted::OwnSource => "own-source",
            Unrouted::SourceOfMany => "broadcast-source",
        }
    }
}

/// A rule of a ruleset, or the policy of a base chain.
#[derive(Debug, Clone, Copy)]
pub enum RuleRef<'r> {
    /// Of iptables.
    Iptables {
        /// The family of the ruleset.
        family: Family,
        /// The table.
        table: iptables::TableName,
        /// The chain.
        chain: &'r iptables::Chain,
        /// Index of the rule; none for the policy.
        index: Option<usize>,
    },
    /// Of nftables.
    Nftables {
        /// The table.
        table: &'r nftables::Table,
        /// The chain.
        chain: &'r nftables::Chain,
        /// Index of the rule; none for the policy.
        index: Option<usize>,
    },
}

impl Eq for RuleRef<'_> {}

impl PartialEq for RuleRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.index() == other.index() && self.chain_address() == other.chain_address()
    }
}

impl Hash for RuleRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.index(), self.chain_address()).hash(state);
    }
}

impl<'r> RuleRef<'r> {
    fn chain_address(&self) -> usize {
        match self {
            RuleRef::Iptables { chain, .. } => std::ptr::from_ref(*chain) as usize,
            RuleRef::Nftables { chain, .. } => std::ptr::from_ref(*chain) as usize,
        }
    }

    fn index(&self) -> Option<usize> {
        match self {
            RuleRef::Iptables { index, .. } | RuleRef::Nftables { index, .. } => *index,
        }
    }

    /// The table: `nat`, or with its family `ip kube-proxy`.
    pub fn table_name(&self) -> CompactString {
        match self {
            RuleRef::Iptables { table, .. } => table.name().into(),
            RuleRef::Nftables { table, .. } => {
                compact_str::format_compact!("{} {}", table.family.name(), table.name)
            }
        }
    }

    /// The chain.
    pub fn chain_name(&self) -> &'r str {
        match self {
            RuleRef::Iptables { chain, .. } => chain.name.as_str(),
            RuleRef::Nftables { chain, .. } => &chain.name,
        }
    }

    /// The rule's number in its chain, from 1; none for the policy.
    pub fn number(&self) -> Option<usize> {
        self.index().map(|index| index + 1)
    }

    /// The priority of the chain, where it is a base chain.
    pub fn base_priority(&self) -> Option<i32> {
        match self {
            RuleRef::Iptables { table, chain, .. } => {
                super::hook::base_place(*table, chain.name.as_str()).map(|(_, priority)| priority)
            }
            RuleRef::Nftables { chain, .. } => chain.base.as_ref().map(|base| base.priority),
        }
    }

    /// The rule as it is listed: `-A CHAIN ...` of `iptables-save`, a line of `nft list`.
    pub fn text(&self) -> String {
        match self {
            RuleRef::Iptables { family, chain, index, .. } => match index.and_then(|i| chain.rules.get(i)) {
                Some(placed) => save::rule_text(&chain.name, &placed.rule, *family),
                None => policy_line(chain),
            },
            RuleRef::Nftables { chain, index, .. } => match index.and_then(|i| chain.rules.get(i)) {
                Some(placed) => placed.rule.to_string(),
                None => "policy drop".to_owned(),
            },
        }
    }

    /// Who wrote it; for the policy of a chain, who is likely to have set it.
    pub fn writer(&self) -> Writer {
        match self {
            RuleRef::Iptables { table, chain, index, .. } => {
                let placed = index.and_then(|index| chain.rules.get(index));
                Writer::of_iptables(*table, chain, placed.map(|placed| &placed.rule))
            }
            RuleRef::Nftables { table, chain, index } => {
                let placed = index.and_then(|index| chain.rules.get(index));
                Writer::of_nftables(table, chain, placed.map(|placed| &placed.rule))
            }
        }
    }

    /// Its comment.
    pub fn comment(&self) -> Option<&'r str> {
        match self {
            RuleRef::Iptables { chain, index, .. } => {
                let placed = chain.rules.get((*index)?)?;
                placed.rule.matches.iter().find_map(|m| match m {
                    iptables::Match::Comment(text) => Some(text.as_str()),
                    _ => None,
                })
            }
            RuleRef::Nftables { chain, index, .. } => chain.rules.get((*index)?)?.rule.comment.as_deref(),
        }
    }

    /// What made it, where that is known.
    pub fn origin(&self) -> Option<Origin> {
        match self {
            RuleRef::Iptables { chain, index, .. } => chain.rules.get((*index)?)?.origin,
            RuleRef::Nftables { chain, index, .. } => chain.rules.get((*index)?)?.origin,
        }
    }
}

fn policy_line(chain: &iptables::Chain) -> String {
    format!("-P {} DROP", chain.name)
}
