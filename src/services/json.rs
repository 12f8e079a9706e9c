//! `kuberules.services/v1`

use serde_json::{Value, json};

use super::{Cell, Probe, Report, Row};

/// The schema's name.
pub const SCHEMA: &str = "kuberules.services/v1";

/// Everything, with every packet that was followed.
pub fn value(report: &Report) -> Value {
    json!({
        "schema": SCHEMA,
        "mode": report.mode,
        "release": report.release,
        "node": report.node,
        "nodes": report.nodes,
        "services": report.services.iter().map(service).collect::<Vec<_>>(),
    })
}

fn service(row: &Row) -> Value {
    json!({
        "service": row.service,
        "type": row.kind,
        "addresses": row.addresses,
        "ports": row.ports,
        "endpointsReady": row.ready.0,
        "endpoints": row.ready.1,
        "pods": cell(&row.pods),
        "nodes": cell(&row.from_nodes),
        "outside": cell(&row.outside),
        "problems": row.problems,
        "notes": row.notes,
    })
}

fn cell(cell: &Cell) -> Value {
    json!({
        "result": cell.words(),
        "probes": cell.probes.iter().map(probe).collect::<Vec<_>>(),
    })
}

fn probe(probe: &Probe) -> Value {
    json!({
        "node": probe.node,
        "nodesAlike": probe.count,
        "source": probe.from.to_string(),
        "destination": probe.to.to_string(),
        "protocol": probe.protocol.lower_name(),
        "result": probe.outcome.words(),
    })
}
