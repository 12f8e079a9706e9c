//! What `--to` means.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::Arguments;
use super::names::nearest;
use super::place::{Named, Source, Target};
use super::scene::{Destination, Scene};
use crate::cluster::ServicePort;
use crate::diagnostic::{Diagnostic, Diagnostics, Inert};
use crate::net::{Family, Port, Protocol};

/// Destinations, one for each family in which there is one.
#[derive(Debug)]
pub(super) enum Destinations {
    /// Known without the rules.
    Known(Vec<Destination>),
    /// A port of the node's own address, which captured rules may tell.
    NodePort(Option<Protocol>, Port),
}

pub(super) fn resolve(scene: &Scene<'_>, arguments: &Arguments) -> Result<Destinations, Diagnostics> {
    let protocol = arguments.protocol;
    match &arguments.to {
        Target::Address(address) => {
            check_flag(scene, address.ip())?;
            let protocol = protocol.unwrap_or(Protocol::Tcp);
            Ok(Destinations::Known(vec![Destination { protocol, address: *address }]))
        }
        Target::NodePort(port) => Ok(Destinations::NodePort(protocol, *port)),
        Target::Service(name, port) => {
            let wanted =
                Wanted { name, port: port.as_deref(), protocol, family: wanted_family(scene, arguments) };
            wanted.destinations(scene).map(Destinations::Known)
        }
    }
}

fn check_flag(scene: &Scene<'_>, ip: IpAddr) -> Result<(), Diagnostics> {
    match scene.inputs.family {
        Some(family) if family != Family::of(ip) => Err(Diagnostic::error(format!(
            "--family {} was given, but the destination {ip} is {}",
            family.lower_name(),
            Family::of(ip)
        ))
        .into()),
        _ => Ok(()),
    }
}

fn wanted_family(scene: &Scene<'_>, arguments: &Arguments) -> Option<Family> {
    match &arguments.from {
        Source::Ip(ip) => Some(Family::of(*ip)),
        _ => scene.inputs.family,
    }
}

struct Wanted<'a> {
    name: &'a Named,
    port: Option<&'a str>,
    protocol: Option<Protocol>,
    family: Option<Family>,
}

impl Wanted<'_> {
    fn destinations(&self, scene: &Scene<'_>) -> Result<Vec<Destination>, Diagnostics> {
        let cluster = scene.cluster().ok_or_else(|| {
            Diagnostic::error("captured rules alone do not know Services by name")
                .help("give IP:PORT, or the cluster's objects as INPUT")
        })?;
        let all = Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports);
        let of_service: Vec<&ServicePort> = all.filter(|port| self.is_of_service(port)).collect();
        if of_service.is_empty() {
            return Err(self.no_service(scene).into());
        }
        let matching = of_service.iter().copied().filter(|port| self.is_port(port));
        let ports: Vec<&ServicePort> = matching.collect();
        let distinct: BTreeSet<_> = ports.iter().map(|port| &port.name).collect();
        match distinct.len() {
            0 => Err(self.no_port(&of_service).into()),
            1 => self.in_family(&ports),
            _ => Err(self.several_ports(&ports).into()),
        }
    }

    fn is_of_service(&self, port: &ServicePort) -> bool {
        port.name.namespace() == self.name.namespace && port.name.service() == self.name.name
    }

    fn is_port(&self, port: &ServicePort) -> bool {
        let named = self.port.is_none_or(|text| port.name.port() == text || port.port.to_string() == text);
        named && self.protocol.is_none_or(|protocol| port.name.protocol() == protocol)
    }

    fn in_family(&self, ports: &[&ServicePort]) -> Result<Vec<Destination>, Diagnostics> {
        let wanted =
            |port: &&&ServicePort| self.family.is_none_or(|family| family == Family::of(port.cluster_ip));
        let found: Vec<Destination> = ports.iter().filter(wanted).map(|port| destination(port)).collect();
        if found.is_empty() {
            let has = ports.first().map(|port| Family::of(port.cluster_ip));
            let has = has.map(|family| family.api_name()).unwrap_or_default();
            let message = format!("Service {} has a cluster IP in {has} only", self.name);
            return Err(Diagnostic::error(message).help("give a source of that family").into());
        }
        Ok(found)
    }

    fn no_service(&self, scene: &Scene<'_>) -> Diagnostic {
        let services = scene.snapshot().map(|snapshot| snapshot.services.as_slice()).unwrap_or_default();
        let here = services.iter().map(|service| &service.object).find(|service| {
            service.metadata.namespace == self.name.namespace && service.metadata.name == self.name.name
        });
        if here.is_some() {
            let message = format!("Service {} has no cluster IP that kube-proxy serves", self.name);
            return Diagnostic::error(message)
                .help("headless Services and those of type ExternalName are a matter of DNS alone");
        }
        let names: Vec<String> = services
            .iter()
            .map(|service| format!("{}/{}", service.object.metadata.namespace, service.object.metadata.name))
            .collect();
        with_nearest(
            Diagnostic::error(format!("there is no Service {} in the input", self.name)),
            &self.name.to_string(),
            &names,
        )
    }

    fn no_port(&self, ports: &[&ServicePort]) -> Diagnostic {
        let port = self.port.map(|port| format!(" {}", Inert(port))).unwrap_or_default();
        let protocol = self.protocol.map(|protocol| format!(" {protocol}")).unwrap_or_default();
        Diagnostic::error(format!("Service {} has no port{protocol}{port}", self.name))
            .help(format!("it has {}", list(ports)))
    }

    fn several_ports(&self, ports: &[&ServicePort]) -> Diagnostic {
        Diagnostic::error(format!("which port of Service {}? It has {}", self.name, list(ports)))
            .help(format!("give svc:{}:PORT, and --protocol where one port has two", self.name))
    }
}

fn destination(port: &ServicePort) -> Destination {
    Destination { protocol: port.name.protocol(), address: SocketAddr::new(port.cluster_ip, port.port.get()) }
}

fn list(ports: &[&ServicePort]) -> String {
    let mut words: Vec<String> = Vec::new();
    for port in ports {
        let name = match port.name.port() {
            "" => String::new(),
            name => format!("{name} "),
        };
        let word = format!("{name}({}/{})", port.port, port.name.protocol());
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

/// Adds what may have been meant.
pub(super) fn with_nearest(fault: Diagnostic, name: &str, all: &[String]) -> Diagnostic {
    match nearest(name, all).as_slice() {
        [] => fault,
        names => fault.help(format!("did you mean {}?", names.join(" or "))),
    }
}
