//! From a snapshot to the checked cluster.

use std::collections::HashMap;

use super::endpoints::SliceIndex;
use super::report::Report;
use super::values::object_ref;
use super::{Claim, Cluster, Endpoint, FamilyTable, ServicePort, nodes, services};
use crate::diagnostic::{Checked, message};
use crate::input::{Located, Snapshot, api};
use crate::net::{Cidr, Family};
use crate::parallel;
use crate::settings::Settings;

impl Cluster {
    /// Checks the objects of a snapshot and joins them, by the rules of the release.
    ///
    /// # Errors
    /// An object from which kube-proxy could not make what it asks for.
    pub fn build(snapshot: &Snapshot, settings: &Settings) -> Checked<Cluster> {
        let mut report = Report::new(&snapshot.sources);
        let slices = SliceIndex::new(snapshot, settings, &mut report);
        let mut cluster = Cluster {
            nodes: nodes::nodes(snapshot, &mut report),
            service_cidrs: service_cidrs(snapshot, &mut report),
            ..Cluster::default()
        };
        let mut services: Vec<&Located<api::Service>> = snapshot.services.iter().collect();
        services.sort_by(|a, b| name_of(a).cmp(&name_of(b)));
        for port in services.into_iter().flat_map(|s| services::service_ports(s, settings, &mut report)) {
            cluster.table_mut(Family::of(port.cluster_ip)).service_ports.push(port);
        }
        for family in Family::ALL {
            let table = cluster.table_mut(family);
            table.service_ports.sort_by(|a, b| a.name.cmp(&b.name));
            join_endpoints(table, family, &slices, settings, &mut report);
            warn_of_conflicts(table, &mut report);
        }
        report.finish().check(cluster)
    }

    fn table_mut(&mut self, family: Family) -> &mut FamilyTable {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }
}

/// A thread is worth starting for at least this many Service ports.
const SHORTEST_STRETCH: usize = 64;

/// Gives each Service port its endpoints.
fn join_endpoints(
    table: &mut FamilyTable,
    family: Family,
    slices: &SliceIndex<'_>,
    settings: &Settings,
    report: &mut Report<'_>,
) {
    let sources = report.sources();
    let joined = parallel::by_stretch(&table.service_ports, SHORTEST_STRETCH, |_, ports| {
        let mut report = Report::new(sources);
        let endpoints = |port: &ServicePort| slices.endpoints(&port.name, family, settings, &mut report);
        let endpoints: Vec<Vec<Endpoint>> = ports.iter().map(endpoints).collect();
        (endpoints, report)
    });
    let mut ports = table.service_ports.iter_mut();
    for (endpoints, found) in joined {
        report.append(found);
        ports.by_ref().zip(endpoints).for_each(|(port, endpoints)| port.endpoints = endpoints);
    }
}

fn name_of(service: &Located<api::Service>) -> (&str, &str) {
    (&service.object.metadata.namespace, &service.object.metadata.name)
}

/// Warns if two Service ports use the same address and port: which takes the traffic depends on kube-proxy's random
/// order.
fn warn_of_conflicts(table: &FamilyTable, report: &mut Report<'_>) {
    let mut claims: HashMap<Claim, &ServicePort> = HashMap::new();
    for port in &table.service_ports {
        for (claim, field) in port.claims() {
            let first = *claims.entry(claim).or_insert(port);
            if first.name == port.name {
                continue;
            }
            report.about(object_ref(&port.name), port.position).warning(
                &field,
                format!("{claim} is claimed by {} too", first.name),
                "one of the two takes the traffic, at random between kube-proxy's runs; give one of them another address",
            );
        }
    }
}

fn service_cidrs(snapshot: &Snapshot, report: &mut Report<'_>) -> Vec<Cidr> {
    let mut cidrs = Vec::new();
    for located in &snapshot.service_cidrs {
        let mut object = report.about(located.object.metadata.object_ref("ServiceCIDR"), located.position);
        for (i, text) in located.object.cidrs.iter().enumerate() {
            match Cidr::parse_lenient(text) {
                Some(cidr) => cidrs.push(cidr),
                None => object.error(
                    &format!("spec.cidrs[{i}]"),
                    message!("{text:?} is not a network"),
                    "write it as address/length",
                ),
            }
        }
    }
    cidrs.sort_unstable();
    cidrs.dedup();
    cidrs
}
