//! The objects of a cluster, by the names that people write.

use std::net::IpAddr;

use compact_str::CompactString;

use super::inference::Inference;
use super::written::Written;
use crate::cluster::Cluster;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::input::Snapshot;
use crate::names::nearest;
use crate::net::Family;

/// A cluster as it was read and as it was checked.
#[derive(Debug, Clone, Copy)]
pub struct Objects<'i> {
    /// The objects.
    pub snapshot: &'i Snapshot,
    /// The checked cluster.
    pub cluster: &'i Cluster,
    /// The namespace of names given without one.
    pub namespace: Option<&'i str>,
}

/// What is known of a Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPod {
    /// `namespace/name`
    pub name: String,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Its node; empty where it is not known.
    pub node: String,
}

/// Namespace and name.
pub(super) type Pair = (CompactString, CompactString);

/// All objects of a kind that have a name.
pub(super) struct Known {
    pub(super) kind: &'static str,
    pub(super) origin: Origin,
    pub(super) all: Vec<Pair>,
}

/// Where names are known from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    Input,
    /// The input has no Pods, but endpoints that name them.
    Endpoints,
    CapturedRules,
}

/// The one among all objects of a kind that a name means.
///
/// # Errors
/// There is none, or there are several.
pub(super) fn choose(
    known: Known,
    written: &Written,
    namespace: Option<&str>,
    inferred: &mut Vec<Inference>,
) -> Result<Pair, Box<Diagnostic>> {
    let Known { kind, mut all, .. } = known;
    all.sort_unstable();
    all.dedup();
    for reading in &written.readings {
        let given = reading.namespace.as_deref().or(namespace);
        let is_it = |(its, name): &&Pair| *name == reading.name && given.is_none_or(|given| given == its);
        let found: Vec<&Pair> = all.iter().filter(is_it).collect();
        match found.as_slice() {
            [] => {}
            [(namespace, name)] => {
                if given.is_none() && all.iter().any(|(other, _)| other != namespace) {
                    let (namespace, name) = (namespace.to_string(), name.to_string());
                    inferred.push(Inference::Namespace { kind, namespace, name });
                }
                return Ok((namespace.clone(), name.clone()));
            }
            several => {
                let names: Vec<String> = several.iter().map(|(ns, name)| format!("{ns}/{name}")).collect();
                let fault = Diagnostic::error(format!("which {kind}? There is {}", names.join(" and ")));
                return Err(Box::new(
                    fault.help("give the namespace too, as shop/web or with --namespace shop"),
                ));
            }
        }
    }
    Err(Box::new(Known { all, ..known }.unknown(written, namespace)))
}

impl Known {
    fn unknown(&self, written: &Written, namespace: Option<&str>) -> Diagnostic {
        let first = written.readings.first();
        let given = first.and_then(|reading| reading.namespace.as_deref()).or(namespace);
        let name = first.map_or("", |reading| reading.name.as_str());
        let wanted = given.map_or_else(|| name.to_owned(), |given| format!("{given}/{name}"));
        let Known { kind, .. } = self;
        let fault = Diagnostic::error(match self.origin {
            Origin::Input => format!("there is no {kind} {wanted} in the input"),
            Origin::Endpoints => {
                format!("there is no {kind} {wanted} in the input, nor an endpoint that names it")
            }
            Origin::CapturedRules => format!("there is no {kind} {wanted} in the captured rules"),
        });
        match self.close(given, name, &wanted) {
            close if close.is_empty() => fault.help(self.listed()),
            close => fault.help(format!("did you mean {}?", close.join(" or "))),
        }
    }

    /// The same name elsewhere, else names like it.
    fn close(&self, given: Option<&str>, name: &str, wanted: &str) -> Vec<String> {
        let same = self.all.iter().filter(|(_, its)| its == name);
        let elsewhere: Vec<String> = same.map(full).collect();
        if !elsewhere.is_empty() {
            return elsewhere;
        }
        let mut close: Vec<String> = if given.is_some() {
            let all: Vec<String> = self.all.iter().map(full).collect();
            nearest(wanted, all.iter().map(String::as_str)).into_iter().map(str::to_owned).collect()
        } else {
            let names = nearest(name, self.all.iter().map(|(_, name)| name.as_str()));
            let of = |name: &&str| self.all.iter().find(|(_, its)| its == *name).map(full);
            names.iter().filter_map(of).collect()
        };
        close.dedup();
        close
    }

    fn listed(&self) -> String {
        let have = match self.origin {
            Origin::Endpoints => {
                return "a source is an IP address, pod/NAME, node, external or any; other Pods than endpoints are known from \
                        kubectl get pods -A -o yaml"
                    .to_owned();
            }
            Origin::Input => "the input has",
            Origin::CapturedRules => "the captured rules have",
        };
        match self.all.len() {
            1..=10 => format!("{have} {}", self.all.iter().map(full).collect::<Vec<_>>().join(", ")),
            many => format!("{have} {many} {}s", self.kind),
        }
    }
}

fn full((namespace, name): &Pair) -> String {
    format!("{namespace}/{name}")
}

impl Objects<'_> {
    /// The Service that a name means; Services without a cluster IP are among them.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn service(&self, written: &Written, inferred: &mut Vec<Inference>) -> Result<Pair, Box<Diagnostic>> {
        let metadata = self.snapshot.services.iter().map(|service| &service.object.metadata);
        let all = metadata.map(|m| (m.namespace.as_str().into(), m.name.as_str().into())).collect();
        choose(Known { kind: "Service", origin: Origin::Input, all }, written, self.namespace, inferred)
    }

    /// The Pod that a name means, from Pods or from endpoints that name it.
    ///
    /// # Errors
    /// There is none, there are several, or it has no address.
    pub fn pod(&self, written: &Written, inferred: &mut Vec<Inference>) -> Result<FoundPod, Diagnostics> {
        let origin = if self.snapshot.pods.is_empty() { Origin::Endpoints } else { Origin::Input };
        let known = Known { kind: "Pod", origin, all: self.pods() };
        let (namespace, name) = choose(known, written, self.namespace, inferred)?;
        let full = format!("{namespace}/{name}");
        let mut pods = self.snapshot.pods.iter().map(|pod| &pod.object);
        if let Some(pod) = pods.find(|pod| pod.metadata.namespace == namespace && pod.metadata.name == name) {
            let ips: Vec<IpAddr> = pod.ips.iter().filter_map(|ip| ip.parse().ok()).collect();
            if ips.is_empty() {
                return Err(Diagnostic::error(format!("Pod {full} has no address yet")).into());
            }
            return Ok(FoundPod { name: full, ips, node: pod.node_name.to_string() });
        }
        Ok(self.of_endpoints(full, &namespace, &name))
    }

    fn of_endpoints(&self, full: String, namespace: &str, name: &str) -> FoundPod {
        let mut found = FoundPod { name: full, ips: Vec::new(), node: String::new() };
        let ports = Family::ALL.into_iter().flat_map(|family| &self.cluster.family(family).service_ports);
        for port in ports.filter(|port| port.name.namespace() == namespace) {
            for endpoint in port.endpoints.iter().filter(|e| e.pod.as_deref() == Some(name)) {
                if !found.ips.contains(&endpoint.ip) {
                    found.ips.push(endpoint.ip);
                }
                found.node = endpoint.node_name.as_deref().unwrap_or_default().to_owned();
            }
        }
        found
    }

    /// Every Pod that is known by name.
    fn pods(&self) -> Vec<Pair> {
        let metadata = self.snapshot.pods.iter().map(|pod| &pod.object.metadata);
        let mut all: Vec<Pair> =
            metadata.map(|m| (m.namespace.as_str().into(), m.name.as_str().into())).collect();
        for port in Family::ALL.into_iter().flat_map(|family| &self.cluster.family(family).service_ports) {
            let pods = port.endpoints.iter().filter_map(|endpoint| endpoint.pod.clone());
            all.extend(pods.map(|pod| (port.name.namespace().into(), pod)));
        }
        all
    }

    /// Whether a node has an address.
    pub fn is_node_address(&self, ip: IpAddr) -> bool {
        self.node_with(ip).is_some()
    }

    /// The node that has an address.
    pub fn node_with(&self, ip: IpAddr) -> Option<&crate::cluster::Node> {
        let has =
            |node: &&crate::cluster::Node| node.internal_ips.contains(&ip) || node.external_ips.contains(&ip);
        self.cluster.nodes.iter().find(has)
    }

    /// The node of the pod with an address, where an endpoint or a Pod names it; an endpoint need not say that it is a
    /// Pod.
    pub fn node_of_pod(&self, ip: IpAddr) -> Option<String> {
        let pods = self.snapshot.pods.iter().map(|pod| &pod.object);
        let pod = pods
            .filter(|pod| !pod.host_network)
            .find(|pod| pod.ips.iter().any(|text| text.parse() == Ok(ip)));
        if let Some(pod) = pod {
            return Some(pod.node_name.to_string());
        }
        let ports = &self.cluster.family(Family::of(ip)).service_ports;
        let mut endpoints =
            ports.iter().flat_map(|port| &port.endpoints).filter(|endpoint| endpoint.ip == ip);
        let node = endpoints.find_map(|endpoint| endpoint.node_name.as_ref());
        node.filter(|_| !self.is_node_address(ip)).map(ToString::to_string)
    }
}
