//! What a person asks next about an outcome, answered: why a timeout, which nodes accept, what does not apply. Remarks
//! are data; their words are here.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;

use crate::diagnostic::Inert;
use crate::net::{Cidr, Protocol};
use crate::plan::reasons::Reason;
use crate::ruleset::writer::Writer;

/// A remark on an outcome; its words are a sentence or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remark {
    /// Routing drops a packet with a loopback address.
    Martian,
    /// A cluster IP without such a port.
    NoSuchPort { to: SocketAddr, protocol: Protocol, service: Option<String>, decided: bool },
    /// An address in the network of cluster IPs that no Service has.
    UnallocatedClusterIp(IpAddr),
    /// A loopback address of the node, from outside.
    Localnet,
    /// A node port on a loopback address that a rule refuses; kube-proxy may serve those of TCP itself.
    LoopbackNodePort { service: Subject, tcp_is_served: bool },
    /// No endpoint is usable, for this reason where it is known.
    NoEndpoints { service: Subject, why: Option<Reason> },
    /// The policy is Local and no usable endpoint is on this node; the nodes with one where they are known.
    NoLocalEndpoints { service: Subject, nodes: Option<BTreeSet<String>> },
    /// The source is in none of the source ranges, which are told where they are known.
    SourceRanges { service: Subject, ranges: Option<Vec<Cidr>> },
    /// The policy of a base chain drops it; who is likely to have set it.
    Policy(Location, Writer),
    /// A rule in a chain of kube-proxy's that kube-proxy does not write.
    Altered(Location),
    /// A rule that is not kube-proxy's; whose it is.
    Foreign(Location, Writer),
    /// A rule that is not kube-proxy's sends the packet elsewhere; whose it is.
    TranslatedByOthers(Location, Writer),
    /// A DNAT rule has lost its address.
    NoAddress,
    /// The client is its own endpoint.
    Hairpin { masqueraded: bool },
    /// Source ranges that do not apply to this address.
    RangesDoNotApply { service: String, to: IpAddr },
    /// A node port that is not served on this address.
    NodePortNotServed { port: u16, service: String, why: NotServed },
}

/// A Service port, by its name or, where no rule tells that, by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Named(String),
    At(SocketAddr),
}

/// Where a rule stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) table: CompactString,
    pub(crate) chain: CompactString,
    /// From 1; none for the policy.
    pub(crate) number: Option<usize>,
}

/// Why a node port is not served on an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotServed {
    /// nftables mode serves none on loopback addresses.
    LoopbackInNftables,
    /// kube-proxy listens at this loopback address alone, and for node ports with endpoints only.
    NoListener(IpAddr),
    /// No mode serves any on `::1`.
    LoopbackIpv6,
    /// `localhostNodePorts` or `nodePortAddresses` leaves loopback out.
    LoopbackSwitchedOff,
    /// `nodePortAddresses` leaves the address out; these are served.
    OtherAddresses(Vec<IpAddr>),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::Martian => f.write_str(
                "A packet with a loopback address would have to cross another interface, and the sysctl route_localnet \
                 is off.",
            ),
            Remark::NoSuchPort { to, protocol, service, decided } => {
                no_such_port(f, *to, *protocol, service.as_deref(), *decided)
            }
            Remark::UnallocatedClusterIp(ip) => {
                write!(f, "{ip} is in the network of cluster IPs, but no Service has it.")
            }
            Remark::Localnet => f.write_str("The node's loopback addresses cannot be reached from outside it."),
            Remark::LoopbackNodePort { service, tcp_is_served: true } => write!(
                f,
                "{service}: on loopback addresses kube-proxy serves node ports of TCP only, and refuses the others."
            ),
            Remark::LoopbackNodePort { service, tcp_is_served: false } => write!(
                f,
                "{service}: kube-proxy refuses node ports on loopback addresses here (feature gate \
                 KubeProxyNFTablesLocalhostNodePorts). With localhost in nodePortAddresses it serves those of TCP."
            ),
            Remark::NoEndpoints { service, why } => {
                let why = why.map_or("no endpoint is usable anywhere", Reason::words);
                write!(f, "{service}: {why}. The node refuses at once, so clients see \"connection refused\".")
            }
            Remark::NoLocalEndpoints { service, nodes } => no_local_endpoints(f, service, nodes.as_ref()),
            Remark::SourceRanges { service, ranges } => source_ranges(f, service, ranges.as_deref()),
            Remark::Policy(location, writer) => {
                write!(f, "The policy of {location} is to drop, and no rule before it accepts the packet.")?;
                match writer {
                    Writer::Unnamed => Ok(()),
                    writer => write!(f, " {} has most likely set it.", sentence(writer)),
                }
            }
            Remark::Altered(location) => write!(
                f,
                "This is {location}. kube-proxy owns the chain but does not write this rule: something else added or \
                 changed it."
            ),
            Remark::Foreign(location, Writer::Unnamed) => {
                write!(f, "This is {location}, which is not kube-proxy's: an administrator or a program that gives no name wrote it.")
            }
            Remark::Foreign(location, writer) => {
                write!(f, "This is {location}, a rule of {writer}, not of kube-proxy.")
            }
            Remark::TranslatedByOthers(location, writer) => {
                write!(f, "It is sent there by {location}, a rule of {writer}, not of kube-proxy.")
            }
            Remark::NoAddress => f.write_str(
                "A DNAT rule has lost its address (\"--to-destination :0\"): two versions of iptables, one on the host and \
                 one in a container, wrote to the same tables.",
            ),
            Remark::Hairpin { masqueraded: true } => f.write_str(
                "The client is its own endpoint (hairpin): it sees the node's IP as the source, so that its replies come \
                 back through the node and are translated back.",
            ),
            Remark::Hairpin { masqueraded: false } => f.write_str(
                "The client is its own endpoint (hairpin) and is not masqueraded: it would get a packet from its own \
                 address, and its replies would not return through the node, so the connection times out.",
            ),
            Remark::RangesDoNotApply { service, to } => write!(
                f,
                "Service {} has loadBalancerSourceRanges, but they apply to its load-balancer IPs only, not to {to}.",
                Inert(service)
            ),
            Remark::NodePortNotServed { port, service, why } => write!(
                f,
                "{port} is the node port of Service {}, but it is not served on this address: {why}. The packet reaches \
                 the node itself and whatever listens there.",
                Inert(service)
            ),
        }
    }
}

/// As the first words of a sentence.
fn sentence(writer: &Writer) -> String {
    let words = writer.to_string();
    let mut letters = words.chars();
    match letters.next() {
        Some(first) if words.starts_with("the ") || words.starts_with("a") => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => words,
    }
}

fn no_such_port(
    f: &mut fmt::Formatter<'_>,
    to: SocketAddr,
    protocol: Protocol,
    service: Option<&str>,
    decided: bool,
) -> fmt::Result {
    let (ip, port) = (to.ip(), to.port());
    match service {
        Some(service) => {
            write!(
                f,
                "{ip} is the cluster IP of Service {}, which has no port {port}/{protocol}.",
                Inert(service)
            )?;
        }
        None => write!(f, "{ip} is a cluster IP, but its Service has no port {port}/{protocol}.")?,
    }
    match decided {
        true => Ok(()),
        false => f.write_str(
            " No rule applies, so the node sends the packet on to the network, where nothing has this address.",
        ),
    }
}

fn no_local_endpoints(
    f: &mut fmt::Formatter<'_>,
    service: &Subject,
    nodes: Option<&BTreeSet<String>>,
) -> fmt::Result {
    write!(
        f,
        "{service}: {}. The node drops without an answer (so that a load balancer skips it), and clients see a timeout, \
         not a refusal.",
        Reason::NoLocalEndpoints
    )?;
    match nodes {
        None => Ok(()),
        Some(nodes) if nodes.is_empty() => f.write_str(" No node has a usable endpoint."),
        Some(nodes) => {
            let nodes: Vec<String> = nodes.iter().map(|node| Inert(node).to_string()).collect();
            write!(f, " Nodes that accept: {}.", nodes.join(", "))
        }
    }
}

fn source_ranges(f: &mut fmt::Formatter<'_>, service: &Subject, ranges: Option<&[Cidr]>) -> fmt::Result {
    let ranges = ranges.map(|ranges| ranges.iter().map(Cidr::to_string).collect::<Vec<_>>().join(", "));
    let ranges = ranges.map(|ranges| format!(" ({ranges})")).unwrap_or_default();
    write!(
        f,
        "{service}: its loadBalancerSourceRanges{ranges} do not include this source. They apply to the load-balancer IPs, \
         for Pods and nodes too; they do not apply to node ports, external IPs and the cluster IP."
    )
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Named(name) => write!(f, "Service {}", Inert(name)),
            Subject::At(to) => write!(f, "The Service at {to}"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.number {
            write!(f, "rule {number} of ")?;
        }
        write!(f, "chain {} (table {})", Inert(&self.chain), Inert(&self.table))
    }
}

impl fmt::Display for NotServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotServed::LoopbackInNftables => {
                f.write_str("nftables mode serves node ports on no loopback address")
            }
            NotServed::NoListener(ip) => {
                write!(
                    f,
                    "kube-proxy listens at {ip} only, and only where there are endpoints that it may use"
                )
            }
            NotServed::LoopbackIpv6 => f.write_str("node ports are never served on ::1"),
            NotServed::LoopbackSwitchedOff => f.write_str(
                "localhostNodePorts or nodePortAddresses switches node ports on loopback addresses off",
            ),
            NotServed::OtherAddresses(served) => {
                let served: Vec<String> = served.iter().map(ToString::to_string).collect();
                write!(f, "nodePortAddresses has node ports served on {} only", served.join(", "))
            }
        }
    }
}
