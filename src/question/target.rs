//! What a destination means.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::inference::Inference;
use super::objects::{self, Pair};
use super::protocol;
use super::scene::Scene;
use super::written::{Source, Target, Written};
use crate::capture::NamedAddress;
use crate::diagnostic::{Diagnostic, Diagnostics, Inert};
use crate::names::ServicePortName;
use crate::net::{Family, Port, Protocol};

/// A destination with the protocol to speak to it.
#[derive(Debug, Clone, Copy)]
pub struct Destination {
    /// The protocol.
    pub protocol: Protocol,
    /// The address.
    pub address: SocketAddr,
}

/// Destinations, one for each family in which there is one.
#[derive(Debug)]
pub enum Destinations {
    /// Known without the rules.
    Known(Vec<Destination>),
    /// A port of the node's own address, which captured rules may tell.
    NodePort(Option<Protocol>, Port),
}

/// Finds what a destination means, for packets of this source.
///
/// # Errors
/// There is no such destination, or more than one is meant.
pub fn resolve(
    scene: &Scene<'_>,
    target: &Target,
    source: &Source,
    protocol: Option<Protocol>,
    inferred: &mut Vec<Inference>,
) -> Result<Destinations, Diagnostics> {
    match target {
        Target::Address(address) => {
            check_flag(scene, address.ip())?;
            let protocol = protocol.unwrap_or_else(|| protocol::infer(scene, &scene.host, *address));
            Ok(Destinations::Known(vec![Destination { protocol, address: *address }]))
        }
        Target::NodePort(node, port) => {
            check_node(scene, node.as_deref())?;
            Ok(Destinations::NodePort(protocol, *port))
        }
        Target::Service(written, port) => {
            let name = &service(scene, written, inferred)?;
            let family = wanted_family(scene, source);
            Wanted { name, port: port.as_deref(), protocol, family }
                .destinations(scene, inferred)
                .map(Destinations::Known)
        }
    }
}

/// The Service that a name means.
fn service(
    scene: &Scene<'_>,
    written: &Written,
    inferred: &mut Vec<Inference>,
) -> Result<Pair, Box<Diagnostic>> {
    if let Some(objects) = scene.objects {
        return objects.service(written, inferred);
    }
    let services = scene.services();
    let all = services.iter().map(|port| (port.name.namespace().into(), port.name.service().into()));
    let known =
        objects::Known { kind: "Service", origin: objects::Origin::CapturedRules, all: all.collect() };
    objects::choose(known, written, None, inferred)
}

/// A node port of another node than the one that is looked at.
fn check_node(scene: &Scene<'_>, node: Option<&str>) -> Result<(), Diagnostics> {
    let Some(name) = node.filter(|name| *name != scene.node.name) else { return Ok(()) };
    let nodes = scene.cluster().map(|cluster| cluster.nodes.as_slice()).unwrap_or_default();
    if !nodes.iter().any(|node| node.name == name) {
        return Err(super::node::unknown(name, nodes).into());
    }
    let message = format!("--node {} is not the node of the destination, {}", scene.node.name, Inert(name));
    Err(Diagnostic::error(message).help("leave --node out").into())
}

fn check_flag(scene: &Scene<'_>, ip: IpAddr) -> Result<(), Diagnostics> {
    match scene.family {
        Some(family) if family != Family::of(ip) => Err(Diagnostic::error(format!(
            "--family {} was given, but the destination {ip} is {}",
            family.lower_name(),
            Family::of(ip)
        ))
        .into()),
        _ => Ok(()),
    }
}

fn wanted_family(scene: &Scene<'_>, source: &Source) -> Option<Family> {
    match source {
        Source::Ip(ip) => Some(Family::of(*ip)),
        _ => scene.family,
    }
}

struct Wanted<'a> {
    name: &'a Pair,
    port: Option<&'a str>,
    protocol: Option<Protocol>,
    family: Option<Family>,
}

impl Wanted<'_> {
    fn destinations(
        &self,
        scene: &Scene<'_>,
        inferred: &mut Vec<Inference>,
    ) -> Result<Vec<Destination>, Diagnostics> {
        let of_service: Vec<NamedAddress> =
            scene.services().into_iter().filter(|port| self.is_of_service(&port.name)).collect();
        if of_service.is_empty() {
            return Err(self.no_cluster_ip().into());
        }
        let ports: Vec<&NamedAddress> = of_service.iter().filter(|port| self.is_port(port)).collect();
        let distinct: BTreeSet<_> = ports.iter().map(|port| &port.name).collect();
        match distinct.len() {
            0 => Err(self.no_port(&of_service).into()),
            1 => self.in_family(&ports),
            _ if self.port.is_some() && is_one_number(&ports) => {
                let tcp = ports.iter().filter(|port| port.name.protocol() == Protocol::Tcp);
                let chosen: Vec<&NamedAddress> = tcp.copied().collect();
                let other = ports.iter().find(|port| port.name.protocol() != Protocol::Tcp);
                if let (Some(one), Some(other)) = (chosen.first(), other) {
                    inferred.push(Inference::OneProtocol {
                        to: one.address,
                        protocol: Protocol::Tcp,
                        other: other.name.protocol(),
                    });
                    return self.in_family(&chosen);
                }
                Err(self.several_ports(&ports).into())
            }
            _ => Err(self.several_ports(&ports).into()),
        }
    }

    fn is_of_service(&self, name: &ServicePortName) -> bool {
        name.namespace() == self.name.0 && name.service() == self.name.1
    }

    fn is_port(&self, port: &NamedAddress) -> bool {
        let number = port.address.port().to_string();
        let named = self.port.is_none_or(|text| port.name.port() == text || number == text);
        named && self.protocol.is_none_or(|protocol| port.name.protocol() == protocol)
    }

    fn in_family(&self, ports: &[&NamedAddress]) -> Result<Vec<Destination>, Diagnostics> {
        let wanted = |port: &&&NamedAddress| self.family.is_none_or(|f| f == Family::of(port.address.ip()));
        let found: Vec<Destination> = ports.iter().filter(wanted).map(|port| destination(port)).collect();
        if found.is_empty() {
            let has = ports.first().map(|port| Family::of(port.address.ip()).api_name()).unwrap_or_default();
            let message = format!("Service {} has a cluster IP in {has} only", self.full_name());
            return Err(Diagnostic::error(message).help("give a source of that family").into());
        }
        Ok(found)
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.name.0, self.name.1)
    }

    fn no_cluster_ip(&self) -> Diagnostic {
        let message = format!("Service {} has no cluster IP that kube-proxy serves", self.full_name());
        Diagnostic::error(message)
            .help("headless Services and those of type ExternalName are a matter of DNS only")
    }

    fn no_port(&self, ports: &[NamedAddress]) -> Diagnostic {
        let port = self.port.map(|port| format!(" {}", Inert(port))).unwrap_or_default();
        let protocol = self.protocol.map(|protocol| format!(" {protocol}")).unwrap_or_default();
        Diagnostic::error(format!("Service {} has no port{protocol}{port}", self.full_name()))
            .help(format!("it has {}", list(ports.iter())))
    }

    fn several_ports(&self, ports: &[&NamedAddress]) -> Diagnostic {
        let has = list(ports.iter().copied());
        Diagnostic::error(format!("which port of Service {}? It has {has}", self.full_name()))
            .help(format!("give svc:{}:PORT, and --protocol where one port has two", self.full_name()))
    }
}

/// Whether it is the same port for several protocols.
fn is_one_number(ports: &[&NamedAddress]) -> bool {
    let number = |port: &&NamedAddress| port.address.port();
    ports.windows(2).all(|pair| matches!(pair, [a, b] if number(a) == number(b)))
}

fn destination(port: &NamedAddress) -> Destination {
    Destination { protocol: port.name.protocol(), address: port.address }
}

fn list<'p>(ports: impl Iterator<Item = &'p NamedAddress>) -> String {
    let mut words: Vec<String> = Vec::new();
    for port in ports {
        let name = match port.name.port() {
            "" => String::new(),
            name => format!("{name} "),
        };
        let word = format!("{name}({}/{})", port.address.port(), port.name.protocol());
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}
