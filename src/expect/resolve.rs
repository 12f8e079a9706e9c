//! Looks up the names in an expectation: addresses, clients and nodes. Names that do not exist are errors.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::fields::Written;
use super::file::{Asked, Expectation, On, Reach};
use super::ground::{Address, Ground};
use super::words::{Client, NodeChoice, Target};
use crate::cluster::{AddressKind, ServicePort};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::names::nearest;
use crate::net::{Family, Protocol};

/// An expectation with all names found.
#[derive(Debug)]
pub(super) struct Question<'e> {
    pub(super) expectation: &'e Expectation,
    /// In the order of `to`, then as the Service lists them.
    pub(super) targets: Vec<Found>,
    /// Nodes by number.
    pub(super) nodes: Vec<usize>,
    /// Whether one of the nodes is enough.
    pub(super) any: bool,
}

/// What one entry of `to` means.
#[derive(Debug)]
pub(super) struct Found {
    /// As it is written.
    pub(super) text: String,
    pub(super) addresses: Vec<Address>,
}

/// Looks up one expectation.
///
/// # Errors
/// Everything that does not exist.
pub(super) fn resolve<'e>(
    expectation: &'e Expectation,
    ground: &Ground<'_>,
) -> Result<Question<'e>, Diagnostics> {
    let mut faults = Diagnostics::default();
    let mut take = |result: Result<Found, Box<Diagnostic>>| result.map_err(|fault| faults.push(*fault)).ok();
    let targets: Vec<Found> = match &expectation.asked {
        Asked::Reach(reach) => reach.to.iter().filter_map(|to| take(target(to, &reach.at, ground))).collect(),
        Asked::Exposed(only) => {
            only.iter().for_each(|service| _ = take(target(service, &[], ground)));
            take(Ok(exposed(ground))).into_iter().collect()
        }
    };
    if let Asked::Reach(Reach { from, .. }) = &expectation.asked {
        faults.extend(from.iter().filter_map(|client| unknown_client(client, ground)));
    }
    let nodes = nodes(&expectation.on, ground, &mut faults);
    let any = expectation.on == On::Any;
    if faults.has_errors() { Err(faults) } else { Ok(Question { expectation, targets, nodes, any }) }
}

fn fault(at: &Written<impl Sized>, message: String) -> Diagnostic {
    Diagnostic::error(message).at(Some(at.place.clone()))
}

/// Adds what may have been meant.
fn with_nearest<'n>(fault: Diagnostic, name: &str, all: impl IntoIterator<Item = &'n str>) -> Diagnostic {
    match nearest(name, all).as_slice() {
        [] => fault,
        names => fault.help(format!("did you mean {}?", names.join(" or "))),
    }
}

fn target(to: &Written<Target>, at: &[AddressKind], ground: &Ground<'_>) -> Result<Found, Box<Diagnostic>> {
    let mut found = match &to.value {
        Target::External => exposed(ground),
        Target::Address(address, protocol) => written(to, *address, *protocol, ground)?,
        Target::NodePort(port, protocol) => node_port(to, port.get(), *protocol, ground)?,
        Target::Service { namespace, name, port, protocol } => {
            let wanted = Wanted { to, namespace, name, port: port.as_deref(), protocol: *protocol };
            wanted.find(ground)?
        }
    };
    let had = found.addresses.len();
    found.addresses.retain(|address| at.is_empty() || address.kind.is_some_and(|kind| at.contains(&kind)));
    if found.addresses.is_empty() && had > 0 {
        let kinds: Vec<&str> = at.iter().map(|kind| kind.words()).collect();
        let message = format!("to: {} has no {}, so nothing can match", to.text, kinds.join(" or "));
        return Err(fault(to, message).into());
    }
    Ok(Found { text: to.text.clone(), ..found })
}

/// Everything that has an address for clients outside.
fn exposed(ground: &Ground<'_>) -> Found {
    let ports = ground.service_ports().filter(|port| ground.families.contains(&Family::of(port.cluster_ip)));
    let addresses = ports.flat_map(Address::of);
    let addresses: Vec<Address> =
        addresses.filter(|address| address.kind.is_some_and(AddressKind::is_external)).collect();
    Found { text: "external".to_owned(), addresses }
}

/// An address that was written literally.
fn written(
    to: &Written<Target>,
    address: SocketAddr,
    protocol: Option<Protocol>,
    ground: &Ground<'_>,
) -> Result<Found, Box<Diagnostic>> {
    let family = Family::of(address.ip());
    let is_at = |port: &&ServicePort| {
        let of_port = Address::of(port);
        of_port.iter().any(|own| match own.ip {
            Some(ip) => ip == address.ip() && own.port == address.port(),
            None => own.port == address.port() && is_own(ground, address) && own.family == family,
        })
    };
    let ports: Vec<&ServicePort> = ground.service_ports().filter(is_at).collect();
    let served: BTreeSet<Protocol> = ports.iter().map(|port| port.name.protocol()).collect();
    let protocol = protocol.unwrap_or(match served.contains(&Protocol::Tcp) {
        true => Protocol::Tcp,
        false => served.first().copied().unwrap_or(Protocol::Tcp),
    });
    let port = ports.iter().find(|port| port.name.protocol() == protocol);
    if !ground.families.contains(&family) {
        return Err(fault(to, format!("to: {} is {family}, which is not looked at here", to.text)).into());
    }
    Ok(Found {
        text: to.text.clone(),
        addresses: vec![Address {
            family,
            ip: Some(address.ip()),
            port: address.port(),
            protocol,
            kind: None,
            service_port: port.map(|port| port.name.to_string()),
        }],
    })
}

fn is_own(ground: &Ground<'_>, address: SocketAddr) -> bool {
    address.ip().is_loopback() || ground.node_ips.contains_key(&address.ip())
}

/// A port of each node's own address, in the families and with the protocols for which a Service has it.
fn node_port(
    to: &Written<Target>,
    number: u16,
    protocol: Option<Protocol>,
    ground: &Ground<'_>,
) -> Result<Found, Box<Diagnostic>> {
    let has = |port: &&ServicePort| {
        port.node_port.is_some_and(|port| port.get() == number)
            && protocol.is_none_or(|protocol| port.name.protocol() == protocol)
            && ground.families.contains(&Family::of(port.cluster_ip))
    };
    let ports: Vec<&ServicePort> = ground.service_ports().filter(has).collect();
    let address = |family, protocol, service_port| Address {
        family,
        ip: None,
        port: number,
        protocol,
        kind: Some(AddressKind::NodePort),
        service_port,
    };
    let mut addresses: Vec<Address> = Vec::new();
    for port in &ports {
        let family = Family::of(port.cluster_ip);
        addresses.push(address(family, port.name.protocol(), Some(port.name.to_string())));
    }
    if ports.is_empty() {
        let of_nodes: BTreeSet<Family> = ground.node_ips.keys().map(|ip| Family::of(*ip)).collect();
        let families = ground.families.iter().filter(|family| of_nodes.contains(family));
        addresses =
            families.map(|family| address(*family, protocol.unwrap_or(Protocol::Tcp), None)).collect();
    }
    if addresses.is_empty() {
        return Err(
            fault(to, format!("to: {}: no node has an address, so nothing can match", to.text)).into()
        );
    }
    Ok(Found { text: to.text.clone(), addresses })
}

/// A Service, or a port of it.
struct Wanted<'w> {
    to: &'w Written<Target>,
    namespace: &'w str,
    name: &'w str,
    port: Option<&'w str>,
    protocol: Option<Protocol>,
}

impl Wanted<'_> {
    fn find(&self, ground: &Ground<'_>) -> Result<Found, Box<Diagnostic>> {
        let is_it = |p: &&ServicePort| p.name.namespace() == self.namespace && p.name.service() == self.name;
        let all: Vec<&ServicePort> = ground.service_ports().filter(is_it).collect();
        if all.is_empty() {
            return Err(self.no_service(ground).into());
        }
        let ports: Vec<&ServicePort> = all.iter().copied().filter(|port| self.is_port(port)).collect();
        if ports.is_empty() {
            return Err(self.no_port(&all).into());
        }
        let looked_at = ports.iter().filter(|port| ground.families.contains(&Family::of(port.cluster_ip)));
        let addresses: Vec<Address> = looked_at.flat_map(|port| Address::of(port)).collect();
        if addresses.is_empty() {
            let message = format!("to: {} has no address of the families that are looked at", self.to.text);
            return Err(fault(self.to, message).into());
        }
        Ok(Found { text: self.to.text.clone(), addresses })
    }

    fn is_port(&self, port: &ServicePort) -> bool {
        let number = port.port.to_string();
        self.port.is_none_or(|text| port.name.port() == text || number == text)
            && self.protocol.is_none_or(|protocol| port.name.protocol() == protocol)
    }

    fn no_service(&self, ground: &Ground<'_>) -> Diagnostic {
        let objects = ground.snapshot.services.iter().map(|service| &service.object.metadata);
        let full = format!("{}/{}", self.namespace, self.name);
        let names: Vec<String> = objects.map(|m| format!("{}/{}", m.namespace, m.name)).collect();
        if names.contains(&full) {
            let message =
                format!("to: Service {full} has no cluster IP that kube-proxy serves, so nothing can match");
            return fault(self.to, message)
                .help("headless Services and those of type ExternalName are a matter of DNS only");
        }
        let missing = fault(self.to, format!("to: there is no Service {full} in the input"));
        with_nearest(missing, &full, names.iter().map(String::as_str))
    }

    fn no_port(&self, all: &[&ServicePort]) -> Diagnostic {
        let word = |port: &&ServicePort| match port.name.port() {
            "" => format!("{}/{}", port.port, port.name.protocol()),
            name => format!("{name} ({}/{})", port.port, port.name.protocol()),
        };
        let mut has: Vec<String> = all.iter().map(word).collect();
        has.dedup();
        let names: Vec<&str> = all.iter().map(|port| port.name.port()).collect();
        let near = self.port.map(|port| nearest(port, names)).unwrap_or_default();
        let meant = near.first().map(|name| format!("did you mean {name}? ")).unwrap_or_default();
        let asked = self.port.unwrap_or_default();
        let protocol = self.protocol.map(|protocol| format!("/{protocol}")).unwrap_or_default();
        let message = format!("to: Service {}/{} has no port {asked}{protocol}", self.namespace, self.name);
        fault(self.to, message).help(format!("{meant}it has {}", has.join(", ")))
    }
}

/// What is wrong with the name of a client.
fn unknown_client(client: &Written<Client>, ground: &Ground<'_>) -> Option<Diagnostic> {
    match &client.value {
        Client::Pod { namespace, name } => match ground.pod(namespace, name) {
            Some(pod) if !pod.ips.is_empty() => None,
            Some(_) => Some(fault(client, format!("from: Pod {namespace}/{name} has no address yet"))),
            None => Some(no_pod(client, namespace, name, ground)),
        },
        Client::Namespace(namespace) => {
            let pods = ground.pods_in(namespace);
            let has = |name: &&str| ground.pod(namespace, name).is_some_and(|pod| !pod.ips.is_empty());
            match (pods.iter().any(has), ground.namespaces().contains(namespace.as_str())) {
                (true, _) => None,
                (false, true) => {
                    let message =
                        format!("from: no Pod of namespace {namespace} has an address, so nothing can match");
                    let help = "add the output of kubectl get pods -A -o yaml to the input";
                    Some(fault(client, message).help(help))
                }
                (false, false) => {
                    let missing =
                        fault(client, format!("from: there is no namespace {namespace} in the input"));
                    Some(with_nearest(missing, namespace, ground.namespaces()))
                }
            }
        }
        Client::Pods | Client::Nodes | Client::Outside | Client::Network(_) => None,
    }
}

fn no_pod(client: &Written<Client>, namespace: &str, name: &str, ground: &Ground<'_>) -> Diagnostic {
    let namespaces = ground.namespaces();
    let names: Vec<String> = (namespaces.iter())
        .flat_map(|namespace| {
            ground.pods_in(namespace).into_iter().map(move |pod| format!("{namespace}/{pod}"))
        })
        .collect();
    let full = format!("{namespace}/{name}");
    let missing =
        fault(client, format!("from: there is no Pod {full} in the input, nor an endpoint that names it"));
    with_nearest(missing, &full, names.iter().map(String::as_str))
}

/// The nodes by index; reports names that do not exist and selectors that match none.
fn nodes(on: &On, ground: &Ground<'_>, faults: &mut Diagnostics) -> Vec<usize> {
    let On::These(choices) = on else { return (0..ground.nodes.len()).collect() };
    let mut nodes = BTreeSet::new();
    for choice in choices {
        let fits = |here: &&super::ground::Here<'_>| match &choice.value {
            NodeChoice::Name(name) => *here.node.name == **name,
            NodeChoice::Labels(selector) => selector.matches(here.labels),
        };
        let found: Vec<usize> =
            ground.nodes.iter().enumerate().filter(|(_, here)| fits(here)).map(|(i, _)| i).collect();
        if found.is_empty() {
            let names = ground.nodes.iter().map(|here| here.node.name.as_str());
            faults.push(match &choice.value {
                NodeChoice::Name(name) => {
                    let missing = fault(choice, format!("on: there is no Node {name} in the input"));
                    with_nearest(missing, name, names)
                }
                NodeChoice::Labels(_) => {
                    fault(choice, format!("on: no Node has the labels {}, so nothing can match", choice.text))
                }
            });
        }
        nodes.extend(found);
    }
    nodes.into_iter().collect()
}
