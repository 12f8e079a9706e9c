//! `kuberules.services/v1`

use serde::Serialize;

use super::{Cell, Probe, Report, Row};

/// Name and version of the schema; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.services/v1";

/// Every Service, with what its clients get.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Services<'r> {
    /// Name and version of this form.
    schema: &'static str,
    /// `iptables` or `nftables`
    mode: &'static str,
    /// The release of kube-proxy.
    release: &'r str,
    /// The node in question, if it is only one.
    node: Option<&'r str>,
    /// How many nodes were looked at.
    nodes: usize,
    /// In the order of their names.
    services: Vec<Service<'r>>,
}

/// One Service.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Service<'r> {
    /// `namespace/name`
    service: &'r str,
    /// `spec.type`, `headless` for one without a cluster IP.
    #[serde(rename = "type")]
    kind: &'r str,
    /// Cluster IPs, load-balancer IPs and external IPs.
    addresses: &'r [String],
    /// `80/tcp`, with its node port `80:30080/tcp`.
    ports: &'r [String],
    /// Number of ready endpoints, for the port with the fewest.
    endpoints_ready: usize,
    /// All endpoints of that port.
    endpoints: usize,
    /// What Pods get at the cluster IPs.
    pods: Clients,
    /// What nodes get at the cluster IPs.
    nodes: Clients,
    /// What clients outside get at load-balancer IPs, external IPs and node ports.
    outside: Clients,
    /// What is wrong.
    problems: &'r [String],
    /// What else to know.
    notes: &'r [String],
}

/// What one kind of client gets.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Clients {
    /// One outcome for all, or on how many nodes or ports it works; `-` if there is nothing to connect to.
    result: String,
    /// The packets that were followed, on a node of each kind.
    probes: Vec<Packet>,
}

/// A packet that was followed, as `trace` would.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Packet {
    /// The node.
    node: String,
    /// On how many nodes it is the same.
    nodes_alike: usize,
    /// The source.
    source: String,
    /// Address and port.
    destination: String,
    /// `tcp`, `udp` or `sctp`
    protocol: &'static str,
    /// `works`, `refused`, `times out`, `not a Service port` or `works in part`.
    result: &'static str,
}

/// Everything, with every packet that was followed.
pub fn json(report: &Report) -> Services<'_> {
    Services {
        schema: SCHEMA,
        mode: report.mode,
        release: &report.release,
        node: report.node.as_deref(),
        nodes: report.nodes,
        services: report.services.iter().map(service).collect(),
    }
}

fn service(row: &Row) -> Service<'_> {
    Service {
        service: &row.service,
        kind: &row.kind,
        addresses: &row.addresses,
        ports: &row.ports,
        endpoints_ready: row.ready.0,
        endpoints: row.ready.1,
        pods: clients(&row.pods),
        nodes: clients(&row.from_nodes),
        outside: clients(&row.outside),
        problems: &row.problems,
        notes: &row.notes,
    }
}

fn clients(cell: &Cell) -> Clients {
    Clients { result: cell.words(), probes: cell.probes.iter().map(packet).collect() }
}

fn packet(probe: &Probe) -> Packet {
    Packet {
        node: probe.node.clone(),
        nodes_alike: probe.count,
        source: probe.from.to_string(),
        destination: probe.to.to_string(),
        protocol: probe.protocol.lower_name(),
        result: probe.outcome.words(),
    }
}
