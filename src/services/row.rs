//! The line of one Service.

use std::collections::{BTreeSet, HashMap};

use compact_str::CompactString;

use super::ask::{Asked, Client, Found};
use super::kinds::NodeKinds;
use super::{Cell, Outcome, Row};
use crate::cluster::{Cluster, Node, ServicePort};
use crate::diagnostic::Inert;
use crate::input::api::Service;
use crate::net::Family;
use crate::plan::reasons::Reason;
use crate::question::around::{Index, seeds_of};
use crate::report::trace::remark::Remark;
use crate::settings::Settings;

/// What is asked about each Service.
pub(super) struct Context<'c> {
    pub(super) settings: &'c Settings,
    pub(super) nodes: &'c [Node],
    pub(super) kinds: &'c NodeKinds,
    pub(super) index: &'c Index<'c>,
}

type Name<'c> = (&'c str, &'c str);

/// Service ports of both families by their Service.
pub(super) fn by_service(cluster: &Cluster) -> HashMap<Name<'_>, Vec<&ServicePort>> {
    let mut all: HashMap<Name<'_>, Vec<&ServicePort>> = HashMap::new();
    for port in Family::ALL.into_iter().flat_map(|family| &cluster.family(family).service_ports) {
        all.entry((port.name.namespace(), port.name.service())).or_default().push(port);
    }
    all
}

impl Context<'_> {
    pub(super) fn row(&self, service: &Service, all: &HashMap<Name<'_>, Vec<&ServicePort>>) -> Row {
        let metadata = &service.metadata;
        let none = Vec::new();
        let ports = all.get(&(metadata.namespace.as_str(), metadata.name.as_str())).unwrap_or(&none);
        let found = self.ask(ports);
        let cell = |client| Cell {
            probes: found.iter().filter(|one| one.client == client).map(|one| one.probe.clone()).collect(),
        };
        Row {
            service: Inert(&format!("{}/{}", metadata.namespace, metadata.name)).to_string(),
            kind: kind(service, ports),
            addresses: addresses(ports),
            ports: port_words(ports),
            ready: ready(ports),
            pods: cell(Client::Pod),
            from_nodes: cell(Client::Node),
            outside: cell(Client::Outside),
            problems: problems(ports, &found),
            notes: notes(ports, service),
        }
    }

    /// Follows the packets of all its ports, on a node of each kind.
    fn ask(&self, ports: &[&ServicePort]) -> Vec<Found> {
        let mut found = Vec::new();
        for family in Family::ALL {
            let its: Vec<&ServicePort> =
                ports.iter().filter(|port| Family::of(port.cluster_ip) == family).copied().collect();
            if its.is_empty() {
                continue;
            }
            let around = self.index.around(its.iter().flat_map(|port| seeds_of(port)));
            let kinds = self.kinds.for_ports(&around.family(family).service_ports);
            for kind in kinds {
                let Some(node) = self.nodes.get(kind.node) else { continue };
                let asked = Asked::new(&around, self.settings, (node, kind.count), family);
                found
                    .extend(asked.iter().flat_map(|asked| its.iter().flat_map(|port| asked.ask(&port.name))));
            }
        }
        found
    }
}

fn kind(service: &Service, ports: &[&ServicePort]) -> String {
    let spec = &service.spec;
    let written = if spec.type_.is_empty() { "ClusterIP" } else { spec.type_.as_str() };
    let headless = ports.is_empty() && spec.cluster_ip.as_str() == "None";
    if headless { "headless".to_owned() } else { Inert(written).to_string() }
}

fn addresses(ports: &[&ServicePort]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let cluster_ips = ports.iter().map(|port| port.cluster_ip);
    let others = ports.iter().flat_map(|port| {
        port.load_balancer_ips.iter().chain(&port.external_ips).map(|ip| ip.value).collect::<Vec<_>>()
    });
    for ip in cluster_ips.chain(others).map(|ip| ip.to_string()) {
        if !all.contains(&ip) {
            all.push(ip);
        }
    }
    all
}

fn port_words(ports: &[&ServicePort]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for port in ports {
        let node_port = port.node_port.map(|number| format!(":{number}")).unwrap_or_default();
        let words = format!("{}{node_port}/{}", port.port, port.name.protocol());
        if !all.contains(&words) {
            all.push(words);
        }
    }
    all
}

/// Number of ready endpoints and of all endpoints, for the port with the fewest ready ones.
fn ready(ports: &[&ServicePort]) -> (usize, usize) {
    let counts = ports.iter().map(|port| {
        let mut all: Vec<(&CompactString, bool)> =
            port.endpoints.iter().map(|e| (&e.text, e.ready)).collect();
        all.sort_unstable();
        all.dedup_by_key(|(text, _)| *text);
        (all.iter().filter(|(_, ready)| *ready).count(), all.len())
    });
    counts.min().unwrap_or_default()
}

/// What is wrong; if it concerns only some of several ports, with their names.
fn problems(ports: &[&ServicePort], found: &[Found]) -> Vec<String> {
    let mut all: Vec<(String, BTreeSet<&str>)> = Vec::new();
    let mut add = |words: String, port: &'_ Found| {
        let name = port_name(ports, port);
        match all.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) => names.extend(name),
            None => all.push((words, name.into_iter().collect())),
        }
    };
    for one in found {
        if one.taken {
            add(format!("{} is taken by another Service", one.probe.to), one);
        }
        if one.probe.outcome == Outcome::Works {
            continue;
        }
        let told: Vec<String> = one.remarks.iter().filter_map(words).collect();
        match told.is_empty() {
            true => add(one.probe.outcome.words().to_owned(), one),
            false => told.into_iter().for_each(|words| add(words, one)),
        }
    }
    let names: BTreeSet<&str> = ports.iter().map(|port| port.name.port()).collect();
    all.into_iter().map(|(words, of)| with_ports(words, &of, &names)).collect()
}

fn with_ports(words: String, of: &BTreeSet<&str>, all: &BTreeSet<&str>) -> String {
    if of == all || of.is_empty() {
        return words;
    }
    let named: Vec<String> = of.iter().map(|name| Inert(name).to_string()).collect();
    format!("{}: {words}", named.join(", "))
}

/// The port that a packet was sent to.
fn port_name<'p>(ports: &[&'p ServicePort], found: &Found) -> Option<&'p str> {
    let to = found.probe.to.port();
    let is_it = |port: &&&ServicePort| port.port.get() == to || port.node_port.is_some_and(|n| n.get() == to);
    ports.iter().find(is_it).map(|port| port.name.port())
}

/// At most this many nodes are named.
const LISTED: usize = 3;

/// Why a client gets nothing, in as few words as possible.
fn words(remark: &Remark) -> Option<String> {
    Some(match remark {
        Remark::NoEndpoints { why: Some(Reason::NoReadyEndpoints), .. } => "no endpoint is ready".to_owned(),
        Remark::NoEndpoints { .. } => "no endpoints".to_owned(),
        Remark::NoLocalEndpoints { nodes: Some(nodes), .. } if !nodes.is_empty() => {
            let listed: Vec<String> = nodes.iter().take(LISTED).map(|node| Inert(node).to_string()).collect();
            let more = match nodes.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("policy Local: only on {}{more}", listed.join(", "))
        }
        Remark::NoLocalEndpoints { .. } => "policy Local: no endpoint on any node".to_owned(),
        Remark::SourceRanges { .. } => "loadBalancerSourceRanges leave it out".to_owned(),
        other => other.short()?,
    })
}

/// No endpoint is ready, but terminating ones still serve.
fn is_terminating(port: &ServicePort) -> bool {
    let ready = port.endpoints.iter().any(|endpoint| endpoint.ready);
    !ready && port.endpoints.iter().any(|endpoint| endpoint.is_usable())
}

fn notes(ports: &[&ServicePort], service: &Service) -> Vec<String> {
    let mut notes = Vec::new();
    if ports.is_empty() {
        let why = match service.spec.type_.as_str() {
            "ExternalName" => "DNS only: no rules",
            _ if service.spec.cluster_ip.as_str() == "None" => "DNS only: no rules",
            _ => "no rules: kube-proxy does not serve it",
        };
        notes.push(why.to_owned());
    }
    if ports.iter().any(|port| is_terminating(port)) {
        notes.push("only terminating endpoints serve it".to_owned());
    }
    let restricted =
        ports.iter().find(|port| !port.source_ranges.is_empty() && !port.load_balancer_ips.is_empty());
    if let Some(port) = restricted {
        let ranges: Vec<String> = port.source_ranges.iter().map(|range| range.value.to_string()).collect();
        notes.push(format!("load balancer open to {} only", ranges.join(", ")));
    }
    notes
}
