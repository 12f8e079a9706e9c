//! What a rule does, in one sentence: as data, with its words.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::diagnostic::Inert;
use crate::walk::Chance;

/// What a rule or the kernel does with a packet. Its words are one sentence.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Description {
    /// The destination is translated.
    Dnat { to: SocketAddr, chance: Option<Chance> },
    /// Packets to something are dropped or refused.
    Stops { what: Refused, dropped: bool },
    /// One of the endpoints is chosen at random.
    Draws(Chance),
    /// On to a Service port's chain, by the address that leads there.
    Enters { by: Entry, to: SocketAddr, service: String },
    /// On to an endpoint's chain.
    ToEndpoint { endpoint: String, chance: Option<Chance> },
    /// Marked for masquerading.
    Marks(MarkedBecause),
    /// A client that the policy Local does not restrict goes to all endpoints.
    ShortCircuit { client: ShortCircuited, service: String },
    /// On to the endpoints that the external policy allows.
    ByExternalPolicy { service: String },
    /// The client is in a source range.
    InSourceRange,
    /// The client is in no source range.
    InNoSourceRange,
    /// The client is put on a list.
    Remembers,
    /// The client is on a list.
    StaysWithEndpoint,
    /// Health checks are allowed.
    HealthCheck { service: String },
    /// The source becomes an address of the node.
    Masquerades,
    /// The packet is not marked.
    NotMarked,
    /// The chain that marks.
    SetsMark,
    /// The mark is set.
    MarkSet,
    /// The mark is taken off.
    MarkCleared,
    /// On to the node ports.
    ToNodePorts,
    /// Marked traffic is forwarded.
    MarkedIsForwarded,
    /// On to a chain that every node has, with the built-in chain if the rule is in one.
    Consults { part: Part, from: Option<From> },
    /// Routing has determined that the destination is the node.
    RoutedHere,
    /// Routing has determined where the packet leaves.
    RoutedOn(IpAddr),
    /// The clauses of the rule and its effects, if nothing more is known about it.
    Plainly { why: Vec<String>, effects: String },
}

/// The destinations whose packets are dropped or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    ClusterIp { service: String },
    External { to: SocketAddr, service: String },
    OnThisNode { service: String },
}

/// The address by which a packet gets to a Service port's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    ClusterIp,
    ExternalIp,
    LoadBalancerIp,
    NodePort,
}

/// Why a packet is marked for masquerading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkedBecause {
    MasqueradeAll,
    NotAPod,
    Hairpin,
    ThisNode,
    External,
}

/// Clients that the policy Local does not restrict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShortCircuited {
    Pod,
    Node,
}

/// A chain that every node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Services,
    ExternalServices,
    NodePorts,
    Postrouting,
    Forward,
    Firewall,
    LoadBalancerFirewall,
    WithoutEndpoints,
    ClusterIps,
}

/// Which packets a built-in chain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Incoming,
    Own,
    ForThisNode,
    Forwarded,
    Leaving,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Description::Dnat { to, chance: None } => write!(f, "The destination becomes {to} (DNAT)."),
            Description::Dnat { to, chance: Some(chance) } => {
                write!(f, "Chosen with a chance of {chance}: the destination becomes {to} (DNAT).")
            }
            Description::Stops { what, dropped } => {
                write!(f, "Packets to {what} are {}.", if *dropped { "dropped" } else { "refused" })
            }
            Description::Draws(chance) => {
                write!(f, "One of the endpoints is chosen at random; this one with a chance of {chance}.")
            }
            Description::Enters { by, to, service } => enters(f, *by, *to, service),
            Description::ToEndpoint { endpoint, chance: Some(chance) } => {
                write!(f, "Of the connections that come this far, {chance} go to {}.", Inert(endpoint))
            }
            Description::ToEndpoint { endpoint, chance: None } => {
                write!(f, "Everything that comes this far goes to {}.", Inert(endpoint))
            }
            Description::Marks(why) => {
                write!(f, "Marked, so that it is masqueraded when it leaves: {why}.")
            }
            Description::ShortCircuit { client, service } => {
                let client = match client {
                    ShortCircuited::Pod => "a Pod",
                    ShortCircuited::Node => "this node",
                };
                write!(
                    f,
                    "The client is {client}, so it goes straight to the endpoints of {}, whatever the external policy.",
                    Inert(service)
                )
            }
            Description::ByExternalPolicy { service } => {
                write!(f, "On to the endpoints of {} that its external policy allows.", Inert(service))
            }
            Description::HealthCheck { service } => {
                write!(f, "The health checks of {} are allowed.", Inert(service))
            }
            Description::RoutedOn(to) => {
                write!(
                    f,
                    "Routing: {to} is not on this node itself; the packet leaves it or goes to a Pod on it."
                )
            }
            Description::Consults { part, from } => consults(f, *part, *from),
            Description::Plainly { why, effects } => plainly(f, why, effects),
            fixed => f.write_str(fixed.fixed_words()),
        }
    }
}

impl Description {
    fn fixed_words(&self) -> &'static str {
        match self {
            Description::InSourceRange => "The client is in a range of loadBalancerSourceRanges: allowed.",
            Description::InNoSourceRange => "The client is in none of loadBalancerSourceRanges: dropped.",
            Description::Remembers => {
                "The client is remembered, so that its next connection goes to the same endpoint."
            }
            Description::StaysWithEndpoint => {
                "The client has connected before: it stays with its endpoint (session affinity)."
            }
            Description::Masquerades => "The source becomes an address of this node (masquerade).",
            Description::NotMarked => "Not marked: the source stays as it is.",
            Description::SetsMark => {
                "Sets the mark by which the packet is known when it leaves: it will be masqueraded."
            }
            Description::MarkSet => "Marked: the packet will be masqueraded when it leaves.",
            Description::MarkCleared => "The mark has done its work and is cleared.",
            Description::ToNodePorts => "The packet is for an address of this node: on to the node ports.",
            Description::MarkedIsForwarded => {
                "Marked packets are accepted, whatever else the host allows to be forwarded."
            }
            Description::RoutedHere => "Routing: the destination is this node itself.",
            _ => "",
        }
    }
}

fn enters(f: &mut fmt::Formatter<'_>, by: Entry, to: SocketAddr, service: &str) -> fmt::Result {
    let service = Inert(service);
    match by {
        Entry::ClusterIp => write!(f, "{to} is the cluster IP of {service}: on to its own chain."),
        Entry::ExternalIp => {
            write!(f, "{to} is an external IP of {service}: on to its chain for such traffic.")
        }
        Entry::LoadBalancerIp => {
            write!(f, "{to} is a load-balancer IP of {service}: on to its chain for such traffic.")
        }
        Entry::NodePort => {
            write!(
                f,
                "{} is the node port of {service}: on to its chain for traffic from outside.",
                to.port()
            )
        }
    }
}

fn consults(f: &mut fmt::Formatter<'_>, part: Part, from: Option<From>) -> fmt::Result {
    if let Some(from) = from {
        write!(f, "{from}: ")?;
    }
    let words = match part {
        Part::Services => "is it for a Service?",
        Part::ExternalServices => "is it for an external address of a Service without endpoints?",
        Part::NodePorts => "it is for an address of this node, so is it for a node port?",
        Part::Postrouting => "must it be masqueraded?",
        Part::Forward => "may it be forwarded?",
        Part::Firewall => "does the host's own protection let it in?",
        Part::LoadBalancerFirewall => "is it for a load-balancer IP with source ranges?",
        Part::WithoutEndpoints => "is it for a Service without endpoints?",
        Part::ClusterIps => "is it for a cluster IP that no rule has taken?",
    };
    match from {
        Some(_) => f.write_str(words),
        None => f.write_str(&capitalized(words)),
    }
}

/// What matched and what the rule does.
fn plainly(f: &mut fmt::Formatter<'_>, why: &[String], effects: &str) -> fmt::Result {
    let sentence = if why.is_empty() { effects.to_owned() } else { format!("{}: {effects}", why.join(", ")) };
    write!(f, "{}.", Inert(&capitalized(&sentence)))
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::ClusterIp { service } => write!(f, "the cluster IP of {}", Inert(service)),
            Refused::External { to, service } => {
                write!(f, "{to}, an external address of {},", Inert(service))
            }
            Refused::OnThisNode { service } => write!(f, "{} on this node", Inert(service)),
        }
    }
}

impl fmt::Display for MarkedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MarkedBecause::MasqueradeAll => "masqueradeAll is on",
            MarkedBecause::NotAPod => "the client is not a Pod",
            MarkedBecause::Hairpin => "the client is the endpoint itself (hairpin)",
            MarkedBecause::ThisNode => "the client is this node",
            MarkedBecause::External => "it came to an external address",
        })
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            From::Incoming => "A packet that comes in, from a Pod or from outside",
            From::Own => "A packet that this node itself sends",
            From::ForThisNode => "A packet for this node itself",
            From::Forwarded => "A packet that is forwarded",
            From::Leaving => "A packet that leaves",
        })
    }
}
