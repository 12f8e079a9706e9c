//! Node ports and health-check node ports (pkg/registry/core/service/storage/alloc.go, initNodePorts).

use std::collections::BTreeSet;

use super::service::object_ref;
use super::{Rule, Run, ranges};
use crate::diagnostic::{Diagnostic, message};
use crate::input::api;
use crate::input::{Located, Sources};

pub(super) fn fill(services: &mut [Located<api::Service>], sources: &Sources, run: &mut Run<'_>) {
    let mut pool = ranges::node_port_pool();
    for spec in services.iter().map(|located| &located.object.spec) {
        let given = spec.ports.iter().map(|port| port.node_port).chain([spec.health_check_node_port]);
        given.filter_map(|port| u128::try_from(port).ok()).for_each(|port| pool.reserve(port));
    }
    let claims: BTreeSet<String> = services.iter().flat_map(|located| claims(&located.object)).collect();
    run.assign(&mut pool, &claims);
    for located in services.iter_mut() {
        if let Err(fault) = write(&mut located.object, run) {
            run.find(fault, object_ref(&located.object), located.position, sources);
        }
    }
}

fn claims(service: &api::Service) -> Vec<String> {
    let lacking = service.spec.ports.iter().filter(|port| lacks_node_port(service, port));
    let mut claims: Vec<String> = lacking.map(|port| claim(service, port.port)).collect();
    if lacks_health_check_node_port(&service.spec) {
        claims.push(health_check_claim(service));
    }
    claims
}

/// Whether a port must be given a node port of its own. Ports of one number and different protocols share theirs.
fn lacks_node_port(service: &api::Service, port: &api::ServicePort) -> bool {
    wants_node_ports(&service.spec) && port.node_port == 0 && sibling(&service.spec, port) == 0
}

fn wants_node_ports(spec: &api::ServiceSpec) -> bool {
    match spec.type_.as_str() {
        "NodePort" => true,
        "LoadBalancer" => spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    }
}

/// The node port that another port of the same number and another protocol has; 0 for none.
fn sibling(spec: &api::ServiceSpec, port: &api::ServicePort) -> i64 {
    let same = |other: &&api::ServicePort| other.port == port.port && other.protocol != port.protocol;
    spec.ports.iter().filter(same).map(|other| other.node_port).find(|port| *port != 0).unwrap_or_default()
}

fn lacks_health_check_node_port(spec: &api::ServiceSpec) -> bool {
    spec.type_ == "LoadBalancer"
        && spec.external_traffic_policy == "Local"
        && spec.health_check_node_port == 0
}

/// By number, so that a port keeps its node port when it gets another name.
fn claim(service: &api::Service, port: i64) -> String {
    let api::Metadata { namespace, name, .. } = &service.metadata;
    format!("nodePort {port} of {namespace}/{name}")
}

fn health_check_claim(service: &api::Service) -> String {
    let api::Metadata { namespace, name, .. } = &service.metadata;
    format!("healthCheckNodePort of {namespace}/{name}")
}

fn write(service: &mut api::Service, run: &mut Run<'_>) -> Result<(), Box<Diagnostic>> {
    let object = object_ref(service);
    for i in 0..service.spec.ports.len() {
        let Some(port) = service.spec.ports.get(i) else { continue };
        if port.node_port != 0 || !wants_node_ports(&service.spec) {
            continue;
        }
        let number = match sibling(&service.spec, port) {
            0 => held(run, &claim(service, port.port), "nodePort")?,
            shared => shared,
        };
        run.record(&object, &format!("spec.ports[{i}].nodePort"), number, Rule::NodePort);
        if let Some(port) = service.spec.ports.get_mut(i) {
            port.node_port = number;
        }
    }
    if lacks_health_check_node_port(&service.spec) {
        let number = held(run, &health_check_claim(service), "healthCheckNodePort")?;
        service.spec.health_check_node_port = number;
        run.record(&object, "spec.healthCheckNodePort", number, Rule::HealthCheckNodePort);
    }
    Ok(())
}

fn held(run: &Run<'_>, claim: &str, field: &str) -> Result<i64, Box<Diagnostic>> {
    let number = run.assumed.held.get(claim).and_then(|number| i64::try_from(number).ok());
    number.ok_or_else(|| {
        Diagnostic::error(message!("{field}: no port of 30000-32767 is left"))
            .help("write the node ports into the Services")
            .into()
    })
}
