//! Answers to the next question about an outcome: why a timeout, which nodes accept, what does not apply. Remarks are
//! data; their words are here.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;

use crate::diagnostic::Inert;
use crate::net::{Cidr, Family, Protocol};
use crate::plan::reasons::Reason;
use crate::ruleset::writer::Writer;

use super::unroutable::Unroutable;

/// A remark on an outcome; its words are a sentence or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remark {
    /// Routing drops a packet with a loopback address.
    Martian(Family),
    /// Routing ends it.
    Unrouted(Unroutable),
    /// It is not known whether the route back to the source passes the node's check.
    SourceNotChecked { source: IpAddr },
    /// It is not known whether there is a route to the destination.
    WayNotKnown { to: IpAddr },
    /// A cluster IP without this port.
    NoSuchPort { to: SocketAddr, protocol: Protocol, service: Option<String>, decided: bool },
    /// A port that the Service has, but no rule of the node serves.
    NoRule { to: SocketAddr, protocol: Protocol, service: String, decided: bool },
    /// An address in the network of cluster IPs that belongs to no Service.
    UnallocatedClusterIp(IpAddr),
    /// A loopback address of the node, from outside.
    Localnet,
    /// A node port on a loopback address that a rule refuses; kube-proxy may serve those of TCP itself.
    LoopbackNodePort { service: Subject, tcp_is_served: bool },
    /// No endpoint is usable, for this reason if it is known.
    NoEndpoints { service: Subject, why: Option<Reason> },
    /// The policy is Local and no usable endpoint is on this node; with the nodes that have one, if known.
    NoLocalEndpoints { service: Subject, nodes: Option<BTreeSet<String>> },
    /// The source is in none of the source ranges, which are given if known; if it is not certain, it may also be that
    /// no endpoint is on this node.
    SourceRanges { service: Subject, ranges: Option<Vec<Cidr>>, certain: bool },
    /// The policy of a base chain drops it; with who is likely to have set it.
    Policy(Location, Writer),
    /// A rule in a chain of kube-proxy's that kube-proxy does not write.
    Altered(Location),
    /// A rule that is not kube-proxy's; with who wrote it.
    Foreign(Location, Writer),
    /// A rule that is not kube-proxy's sends the packet elsewhere; with who wrote it.
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

/// A Service port, by its name or, if no rule has that, by its address.
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
    /// nftables mode serves no node ports on loopback addresses.
    LoopbackInNftables,
    /// kube-proxy listens only at this loopback address, and only for node ports with endpoints.
    NoListener(IpAddr),
    /// No mode serves node ports on `::1`.
    LoopbackIpv6,
    /// `localhostNodePorts` or `nodePortAddresses` excludes loopback.
    LoopbackSwitchedOff,
    /// `nodePortAddresses` excludes the address; these are served.
    OtherAddresses(Vec<IpAddr>),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::Martian(Family::Ipv4) => f.write_str(
                "A packet with a loopback address would have to cross another interface, and the sysctl route_localnet \
                 is off.",
            ),
            Remark::Martian(Family::Ipv6) => f.write_str(
                "A packet with the loopback address ::1 would have to cross another interface, which IPv6 never allows.",
            ),
            Remark::Unrouted(unroutable) => unroutable.fmt(f),
            Remark::SourceNotChecked { source } => write!(
                f,
                "The node checks by which interface the way back to {source} leaves (rp_filter). Routing rules or several \
                 routes leave that open; the check is assumed to pass."
            ),
            Remark::WayNotKnown { to } => write!(
                f,
                "Routing rules decide which way a packet to {to} goes, by more than is known about it; it is assumed to be sent on."
            ),
            Remark::NoSuchPort { to, protocol, service, decided } => {
                no_such_port(f, *to, *protocol, service.as_deref(), *decided)
            }
            Remark::NoRule { to, protocol, service, decided } => {
                let (service, port, ip) = (Inert(service), to.port(), to.ip());
                write!(
                    f,
                    "Service {service} has port {port}/{protocol} at {ip}, but kube-proxy's rules for it are missing."
                )?;
                sent_on(f, *decided)
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
            Remark::SourceRanges { service, certain: false, .. } => write!(
                f,
                "{service}: either its loadBalancerSourceRanges do not include this source, or the policy is Local and no \
                 usable endpoint is on this node: one rule drops both."
            ),
            Remark::SourceRanges { service, ranges, .. } => source_ranges(f, service, ranges.as_deref()),
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

/// In the form in which it can begin a sentence.
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

impl Remark {
    /// The reason in a few words, for the line that says what happens; none if the remark is not a reason.
    pub(crate) fn short(&self) -> Option<String> {
        Some(match self {
            Remark::Martian(_) | Remark::Localnet => {
                "the node's loopback addresses cannot be reached from outside it".to_owned()
            }
            Remark::Unrouted(unroutable) => unroutable.short(),
            Remark::NoSuchPort { to, protocol, service: Some(service), .. } => {
                format!("Service {} has no port {}/{protocol}", Inert(service), to.port())
            }
            Remark::NoSuchPort { to, protocol, service: None, .. } => {
                format!("the Service at {} has no port {}/{protocol}", to.ip(), to.port())
            }
            Remark::NoRule { to, protocol, service, .. } => {
                format!("no rule serves port {}/{protocol} of Service {}", to.port(), Inert(service))
            }
            Remark::UnallocatedClusterIp(ip) => format!("no Service has the cluster IP {ip}"),
            Remark::LoopbackNodePort { service, .. } => {
                format!("{service} is not served on loopback addresses")
            }
            Remark::NoEndpoints { service, why: Some(Reason::NoReadyEndpoints) } => {
                format!("{service} has endpoints, but none is ready")
            }
            Remark::NoEndpoints { service, .. } => format!("{service} has no endpoints"),
            Remark::NoLocalEndpoints { service, .. } => {
                format!("{service} has no usable endpoint on this node, and its traffic policy is Local")
            }
            Remark::SourceRanges { service, certain: false, .. } => {
                format!("the firewall of the load balancer of {service} drops it")
            }
            Remark::SourceRanges { service, .. } => {
                format!("the loadBalancerSourceRanges of {service} do not include this source")
            }
            Remark::Policy(location, _) => format!("the policy of {location} drops it"),
            Remark::Altered(location) => format!("{location} stops it, which kube-proxy did not write"),
            Remark::Foreign(location, Writer::Unnamed) => {
                format!("{location} stops it, which is not kube-proxy's")
            }
            Remark::Foreign(location, writer) => format!("{location} stops it, a rule of {writer}"),
            Remark::NoAddress => "a DNAT rule has lost its address (\"--to-destination :0\")".to_owned(),
            Remark::Hairpin { masqueraded: false } => {
                "the Pod is its own endpoint (hairpin) and is not masqueraded".to_owned()
            }
            Remark::NodePortNotServed { port, service, .. } => format!(
                "node port {port} of Service {} is not served on this address; a process that listens there answers",
                Inert(service)
            ),
            Remark::Hairpin { masqueraded: true }
            | Remark::SourceNotChecked { .. }
            | Remark::WayNotKnown { .. }
            | Remark::RangesDoNotApply { .. }
            | Remark::TranslatedByOthers(..) => return None,
        })
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> Option<String> {
        Some(match self {
            Remark::Unrouted(unroutable) => unroutable.remedy()?,
            Remark::SourceNotChecked { source } => {
                format!("ask the node: ip route get {source}, and ip rule for the packet's mark")
            }
            Remark::WayNotKnown { to } => format!("ask the node: ip route get {to}"),
            Remark::NoSuchPort { service: Some(service), .. } => {
                format!("use a port that Service {} has, or add it to spec.ports", Inert(service))
            }
            Remark::NoRule { .. } => {
                "see whether kube-proxy runs on this node and what it logs; the subcommand check lists the rules that \
                 are missing"
                    .to_owned()
            }
            Remark::NoEndpoints { service: Subject::Named(name), why } => no_endpoints_remedy(name, *why),
            Remark::NoLocalEndpoints { nodes: Some(nodes), .. } if !nodes.is_empty() => {
                "send it to a node that accepts, let the load balancer's health check skip the others, run a Pod on \
                 every node (DaemonSet), or set the policy to Cluster"
                    .to_owned()
            }
            Remark::SourceRanges { certain: true, .. } => {
                "add the client's network to spec.loadBalancerSourceRanges, or take the field out".to_owned()
            }
            Remark::Altered(_) => {
                "find what changes kube-proxy's chains; kube-proxy restores them when it restarts".to_owned()
            }
            Remark::Foreign(_, Writer::Unnamed) | Remark::Policy(_, Writer::Unnamed) => {
                "ask whoever writes that chain (firewall, CNI plugin, Docker) to let it pass".to_owned()
            }
            Remark::Foreign(_, writer) | Remark::Policy(_, writer) => {
                format!("see what {writer} is configured to let pass")
            }
            Remark::NoAddress => {
                "use one version and one variant of iptables on the host and in containers, then restart kube-proxy"
                    .to_owned()
            }
            Remark::NodePortNotServed { why: NotServed::OtherAddresses(served), port, .. } => {
                let served = served.iter().find(|ip| !ip.is_loopback())?;
                format!("connect to {}", SocketAddr::new(*served, *port))
            }
            Remark::NodePortNotServed { why: NotServed::LoopbackInNftables, .. } => {
                "connect to the node's own address instead of a loopback address".to_owned()
            }
            _ => return None,
        })
    }
}

fn no_endpoints_remedy(name: &str, why: Option<Reason>) -> String {
    let service = name.split(':').next().unwrap_or_default();
    let (namespace, name) = service.split_once('/').unwrap_or_default();
    let (namespace, name) = (Inert(namespace), Inert(name));
    match why {
        Some(Reason::NoReadyEndpoints) => format!(
            "make a Pod ready; see why none is: kubectl describe pods -n {namespace} (readiness probe, restarts)"
        ),
        _ => format!(
            "compare selector and port names with the Pods': kubectl get endpointslices -n {namespace} -l \
             kubernetes.io/service-name={name}; the subcommand lint names the mismatch"
        ),
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
    sent_on(f, decided)
}

/// What the node does with a packet to a cluster IP if no rule decides.
fn sent_on(f: &mut fmt::Formatter<'_>, decided: bool) -> fmt::Result {
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
