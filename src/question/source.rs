//! What a source means, and the packets that come of a question.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::inference::Inference;
use super::protocol;
use super::scene::Scene;
use super::target::{Destination, Destinations};
use super::written::{Source, Written};
use crate::cluster::ServicePort;
use crate::diagnostic::{Diagnostic, Diagnostics, Inert};
use crate::net::{Cidr, Family, Port, Protocol};
use crate::node::{ClientKind, Host, NodeRules};
use crate::ruleset::Ruleset;
use crate::walk::Packet;

/// Packets, as far as they are known without the rules.
#[derive(Debug)]
pub struct Packets {
    source: Resolved,
    family: Family,
    to: To,
}

#[derive(Debug)]
enum Resolved {
    Ip(IpAddr),
    Pod(IpAddr, ClientKind),
    Node,
    External,
    Any,
}

#[derive(Debug)]
enum To {
    Known(Destination),
    NodePort(Option<Protocol>, Port),
}

impl Packets {
    /// What is known of a question's packets without the rules.
    ///
    /// # Errors
    /// Source and destination do not go together, or there is no such source.
    pub fn new(
        scene: &Scene<'_>,
        source: &Source,
        to: Destinations,
        inferred: &mut Vec<Inference>,
    ) -> Result<Packets, Diagnostics> {
        let families: Vec<Family> = match &to {
            Destinations::Known(known) => known.iter().map(|to| Family::of(to.address.ip())).collect(),
            Destinations::NodePort(..) => scene.family.map_or(Family::ALL.to_vec(), |family| vec![family]),
        };
        let (source, family) = choose(scene, source, &families, inferred)?;
        let to = match to {
            Destinations::Known(known) => known
                .into_iter()
                .find(|to| Family::of(to.address.ip()) == family)
                .map(To::Known)
                .ok_or_else(|| Diagnostic::error("there is no destination of the source's family"))?,
            Destinations::NodePort(protocol, port) => To::NodePort(protocol, port),
        };
        let packets = Packets { source, family, to };
        packets.check_node(scene)?;
        Ok(packets)
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The packets, with what the rules tell of the node.
    ///
    /// # Errors
    /// An address of the node is needed and not known.
    pub fn fix(&self, scene: &Scene<'_>, rules: &NodeRules<'_>) -> Result<Vec<Packet>, Diagnostics> {
        let host = &rules.host;
        let to = self.destination(scene, host)?;
        let packet = |source, client| Packet::plain(to.protocol, source, to.address, client);
        Ok(match self.source {
            Resolved::Ip(ip) => vec![packet(ip, client_kind(scene, ip, host))],
            Resolved::Pod(ip, client) => vec![packet(ip, client)],
            Resolved::Node => vec![packet(self.node_source(host, to.address)?, ClientKind::Node)],
            Resolved::External => vec![packet(outside(rules)?, ClientKind::Outside)],
            Resolved::Any => self.any(scene, rules, to)?.map(|(ip, client)| packet(ip, client)).collect(),
        })
    }

    /// What a Pod sends meets the rules of its own node, unless it is sent to another node's own address.
    fn check_node(&self, scene: &Scene<'_>) -> Result<(), Diagnostics> {
        let Resolved::Pod(ip, ClientKind::RemotePod | ClientKind::Outside) = self.source else {
            return Ok(());
        };
        let to_this_node = match &self.to {
            To::NodePort(..) => true,
            To::Known(to) => scene.host.is_local(to.address.ip()),
        };
        let its_node = node_of_pod(scene, ip);
        let its_node = its_node
            .or_else(|| Some(scene.objects?.node_with(ip)?.name.to_string()))
            .filter(|node| !node.is_empty() && *node != scene.node.name);
        match its_node {
            Some(node) if !to_this_node => {
                let (node, here) = (Inert(&node), Inert(&scene.node.name));
                let message = format!(
                    "the Pod {ip} runs on {node}: what it sends meets the rules of {node}, not those of {here}"
                );
                Err(Diagnostic::error(message)
                    .help(format!("leave --node out, or give --node {node}"))
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// A source of each kind; nobody else's packets to a loopback address leave their own host.
    fn any(
        &self,
        scene: &Scene<'_>,
        rules: &NodeRules<'_>,
        to: Destination,
    ) -> Result<impl Iterator<Item = (IpAddr, ClientKind)> + use<>, Diagnostics> {
        let host = &rules.host;
        let node = self.node_source(host, to.address).ok();
        let (mut local, mut remote, mut others) = (None, None, None);
        if !to.address.ip().is_loopback() {
            local = local_pod(scene, self.family, host);
            remote = remote_pod(scene, self.family, host, local);
            others = Some(outside(rules)?);
        }
        Ok([local, remote, node, others]
            .into_iter()
            .zip(ClientKind::ALL)
            .filter_map(|(ip, client)| Some((ip?, client))))
    }

    fn destination(&self, scene: &Scene<'_>, host: &Host) -> Result<Destination, Diagnostics> {
        let (protocol, port) = match self.to {
            To::Known(known) => return Ok(known),
            To::NodePort(protocol, port) => (protocol, port),
        };
        let ip = host.primary_address(self.family).ok_or_else(|| no_address(self.family))?;
        let address = SocketAddr::new(ip, port.get());
        let protocol = protocol.unwrap_or_else(|| protocol::infer(scene, host, address));
        Ok(Destination { protocol, address })
    }

    fn node_source(&self, host: &Host, to: SocketAddr) -> Result<IpAddr, Diagnostics> {
        let known = host.is_local(to.ip()) || host.primary_address(self.family).is_some();
        if known { Ok(host.source_to(to)) } else { Err(no_address(self.family).into()) }
    }
}

/// Where an address is; pods are known by name before they are by network.
fn client_kind(scene: &Scene<'_>, ip: IpAddr, host: &Host) -> ClientKind {
    if host.is_local(ip) {
        return ClientKind::Node;
    }
    match node_of_pod(scene, ip) {
        Some(node) if node == scene.node.name => ClientKind::LocalPod,
        Some(_) => ClientKind::RemotePod,
        None => host.client_kind(ip),
    }
}

fn node_of_pod(scene: &Scene<'_>, ip: IpAddr) -> Option<String> {
    scene.objects?.node_of_pod(ip)
}

fn no_address(family: Family) -> Diagnostic {
    Diagnostic::error(format!("no {family} address of the node is known"))
        .help("give it as --host-ip IP; several, the node's own first")
}

/// The source, and the family in which it meets the destination.
fn choose(
    scene: &Scene<'_>,
    source: &Source,
    families: &[Family],
    inferred: &mut Vec<Inference>,
) -> Result<(Resolved, Family), Diagnostics> {
    let first = families.iter().copied().find(|family| may_be(scene, *family)).unwrap_or(Family::Ipv4);
    let first = families.first().copied().filter(|_| families.len() == 1).unwrap_or(first);
    match source {
        Source::Node(None) => Ok((Resolved::Node, first)),
        Source::Node(Some(name)) => node(scene, name, first),
        Source::External => Ok((Resolved::External, first)),
        Source::Any => Ok((Resolved::Any, first)),
        Source::Ip(ip) => {
            let family = Family::of(*ip);
            if !families.contains(&family) {
                return Err(mismatch(&format!("the source {ip} is {family}"), families).into());
            }
            check_source(scene, *ip)?;
            Ok((Resolved::Ip(*ip), family))
        }
        Source::Pod(name) => pod(scene, name, families, inferred),
    }
}

/// A node by its name; seen from another it is a host in the network.
fn node(scene: &Scene<'_>, name: &str, family: Family) -> Result<(Resolved, Family), Diagnostics> {
    if scene.node.name == name || scene.node.name.is_empty() {
        return Ok((Resolved::Node, family));
    }
    let cluster = scene.cluster();
    let Some(node) = cluster.and_then(|cluster| cluster.node(name)) else {
        let nodes = cluster.map(|cluster| cluster.nodes.as_slice()).unwrap_or_default();
        return Err(super::node::unknown(name, nodes).into());
    };
    let ip = node.internal_ips.iter().copied().find(|ip| Family::of(*ip) == family);
    let ip = ip.ok_or_else(|| Diagnostic::error(format!("node {name} has no {family} address")))?;
    Ok((Resolved::Ip(ip), family))
}

fn pod(
    scene: &Scene<'_>,
    name: &Written,
    families: &[Family],
    inferred: &mut Vec<Inference>,
) -> Result<(Resolved, Family), Diagnostics> {
    let objects = scene.objects.ok_or_else(|| {
        Diagnostic::error("captured rules do not tell the names of pods")
            .help("give its IP, or the cluster's objects as INPUT")
    })?;
    let pod = objects.pod(name, inferred)?;
    let in_family = |family: &&Family| pod.ips.iter().any(|ip| Family::of(*ip) == **family);
    let family = families.iter().find(in_family).copied();
    let has = || mismatch(&format!("pod {} has {}", Inert(&pod.name), list(&pod.ips)), families);
    let family = family.ok_or_else(has)?;
    let ip = pod.ips.iter().copied().find(|ip| Family::of(*ip) == family);
    let ip = ip.ok_or_else(|| Diagnostic::error(format!("pod {} has no address", pod.name)))?;
    let client = match (scene.host.is_local(ip), pod.node == scene.node.name) {
        (true, _) => ClientKind::Node,
        (false, true) => ClientKind::LocalPod,
        (false, false) if objects.is_node_address(ip) => ClientKind::Outside,
        (false, false) => ClientKind::RemotePod,
    };
    Ok((Resolved::Pod(ip, client), family))
}

/// Whether the node is known to have an address of a family.
fn may_be(scene: &Scene<'_>, family: Family) -> bool {
    scene.host.addresses.is_empty() || scene.host.primary_address(family).is_some()
}

fn mismatch(what: &str, families: &[Family]) -> Diagnostic {
    let has: Vec<&str> = families.iter().map(|family| family.api_name()).collect();
    Diagnostic::error(format!("{what}, but the destination is {}", has.join(" and ")))
        .help("give source and destination of one family")
}

fn list(ips: &[IpAddr]) -> String {
    ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Nothing comes from the address of a Service.
fn check_source(scene: &Scene<'_>, ip: IpAddr) -> Result<(), Diagnostics> {
    let Some(cluster) = scene.cluster() else { return Ok(()) };
    let is_its = |port: &&ServicePort| port.cluster_ip == ip;
    match cluster.family(Family::of(ip)).service_ports.iter().find(is_its) {
        Some(port) => Err(Diagnostic::error(format!(
            "{ip} is the cluster IP of Service {}: no packet comes from it",
            port.name.service_name()
        ))
        .into()),
        None => Ok(()),
    }
}

/// An address of the documentation networks (RFC 5737, RFC 3849, RFC 9637) that neither the node nor any rule speaks of.
pub(crate) fn outside(rules: &NodeRules<'_>) -> Result<IpAddr, Diagnostics> {
    let spoken: Vec<_> = rules.rulesets().iter().flat_map(Ruleset::source_ranges).collect();
    let is_free = |ip: &IpAddr| {
        rules.host.client_kind(*ip) == ClientKind::Outside
            && !spoken.iter().any(|(first, last)| (*first..=*last).contains(ip))
    };
    candidates(rules.family()).find(is_free).ok_or_else(|| {
        Diagnostic::error("every documentation address is spoken of in the rules")
            .help("give the outside address itself as --from IP")
            .into()
    })
}

fn candidates(family: Family) -> Box<dyn Iterator<Item = IpAddr>> {
    match family {
        Family::Ipv4 => {
            let nets = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];
            Box::new(
                nets.into_iter().flat_map(|[a, b, c]| {
                    (1..=254u8).rev().map(move |d| IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
                }),
            )
        }
        Family::Ipv6 => {
            let nets = [[0x2001, 0xdb8, 0xffff], [0x3fff, 0xfff, 0xffff]];
            Box::new(nets.into_iter().flat_map(|[a, b, c]| {
                (1..=0xffffu16).map(move |h| IpAddr::V6(Ipv6Addr::new(a, b, c, 0xffff, 0, 0, 0, h)))
            }))
        }
    }
}

/// An address of a pod on this node that is not an endpoint.
fn local_pod(scene: &Scene<'_>, family: Family, host: &Host) -> Option<IpAddr> {
    let networks = host.pod_networks.iter().chain(&host.cluster_networks);
    let network = networks.copied().find(|net| net.family() == family)?;
    last_addresses(network).find(|ip| !host.is_local(*ip) && node_of_pod(scene, *ip).is_none())
}

fn remote_pod(scene: &Scene<'_>, family: Family, host: &Host, local: Option<IpAddr>) -> Option<IpAddr> {
    let networks = host.cluster_networks.iter().copied().filter(|net| net.family() == family);
    networks.flat_map(last_addresses).find(|ip| {
        let taken = host.is_local(*ip) || host.is_local_pod(*ip) || local == Some(*ip);
        !taken && node_of_pod(scene, *ip).is_none()
    })
}

/// The last addresses of a network, backwards, the broadcast address left out.
pub(crate) fn last_addresses(net: Cidr) -> impl Iterator<Item = IpAddr> {
    let last = net.last();
    (1..=64u8)
        .filter_map(move |back| match last {
            IpAddr::V4(ip) => Some(IpAddr::V4(Ipv4Addr::from(u32::from(ip).checked_sub(u32::from(back))?))),
            IpAddr::V6(ip) => Some(IpAddr::V6(Ipv6Addr::from(u128::from(ip).checked_sub(u128::from(back))?))),
        })
        .filter(move |ip| net.contains(*ip))
}
