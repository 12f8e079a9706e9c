//! What `--to` means.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::arguments::Arguments;
use super::place::{Named, Source, Target};
use super::protocol;
use super::scene::Scene;
use crate::capture::NamedAddress;
use crate::diagnostic::{Diagnostic, Diagnostics, Inert};
use crate::names::{ServicePortName, nearest};
use crate::net::{Family, Port, Protocol};

/// A destination with the protocol to speak to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination {
    pub(super) protocol: Protocol,
    pub(super) address: SocketAddr,
}

/// Destinations, one for each family in which there is one.
#[derive(Debug)]
pub(super) enum Destinations {
    /// Known without the rules.
    Known(Vec<Destination>),
    /// A port of the node's own address, which captured rules may tell.
    NodePort(Option<Protocol>, Port),
}

pub(super) fn resolve(scene: &Scene<'_>, arguments: &Arguments) -> Result<Destinations, Diagnostics> {
    let given = arguments.protocol;
    match &arguments.to {
        Target::Address(address) => {
            check_flag(scene, address.ip())?;
            let protocol = given.unwrap_or_else(|| protocol::infer(scene, &scene.host, *address));
            Ok(Destinations::Known(vec![Destination { protocol, address: *address }]))
        }
        Target::NodePort(port) => Ok(Destinations::NodePort(given, *port)),
        Target::Service(name, port) => {
            let wanted = Wanted {
                name,
                port: port.as_deref(),
                protocol: given,
                family: wanted_family(scene, arguments),
            };
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
        let of_service: Vec<NamedAddress> =
            scene.services().into_iter().filter(|port| self.is_of_service(&port.name)).collect();
        if of_service.is_empty() {
            return Err(self.no_service(scene).into());
        }
        let ports: Vec<&NamedAddress> = of_service.iter().filter(|port| self.is_port(port)).collect();
        let distinct: BTreeSet<_> = ports.iter().map(|port| &port.name).collect();
        match distinct.len() {
            0 => Err(self.no_port(&of_service).into()),
            1 => self.in_family(&ports),
            _ => Err(self.several_ports(&ports).into()),
        }
    }

    fn is_of_service(&self, name: &ServicePortName) -> bool {
        name.namespace() == self.name.namespace && name.service() == self.name.name
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
            let message = format!("Service {} has a cluster IP in {has} only", self.name);
            return Err(Diagnostic::error(message).help("give a source of that family").into());
        }
        Ok(found)
    }

    fn no_service(&self, scene: &Scene<'_>) -> Diagnostic {
        let services = scene.snapshot().map(|snapshot| snapshot.services.as_slice()).unwrap_or_default();
        let objects = services.iter().map(|service| &service.object.metadata);
        let named: Vec<String> = objects.map(|m| format!("{}/{}", m.namespace, m.name)).collect();
        if named.contains(&self.name.to_string()) {
            let message = format!("Service {} has no cluster IP that kube-proxy serves", self.name);
            return Diagnostic::error(message)
                .help("headless Services and those of type ExternalName are a matter of DNS only");
        }
        let (place, names) = match scene.snapshot() {
            Some(_) => ("in the input", named),
            None => ("in the captured rules", scene.services().iter().map(service_name).collect()),
        };
        let fault = Diagnostic::error(format!("there is no Service {} {place}", self.name));
        with_nearest(fault, &self.name.to_string(), &names)
    }

    fn no_port(&self, ports: &[NamedAddress]) -> Diagnostic {
        let port = self.port.map(|port| format!(" {}", Inert(port))).unwrap_or_default();
        let protocol = self.protocol.map(|protocol| format!(" {protocol}")).unwrap_or_default();
        Diagnostic::error(format!("Service {} has no port{protocol}{port}", self.name))
            .help(format!("it has {}", list(ports.iter())))
    }

    fn several_ports(&self, ports: &[&NamedAddress]) -> Diagnostic {
        let has = list(ports.iter().copied());
        Diagnostic::error(format!("which port of Service {}? It has {has}", self.name))
            .help(format!("give svc:{}:PORT, and --protocol where one port has two", self.name))
    }
}

fn service_name(port: &NamedAddress) -> String {
    format!("{}/{}", port.name.namespace(), port.name.service())
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

/// Adds what may have been meant.
pub(super) fn with_nearest(fault: Diagnostic, name: &str, all: &[String]) -> Diagnostic {
    match nearest(name, all.iter().map(String::as_str)).as_slice() {
        [] => fault,
        names => fault.help(format!("did you mean {}?", names.join(" or "))),
    }
}
