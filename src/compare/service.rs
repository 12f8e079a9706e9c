//! What changed about a Service itself, in words.

use std::fmt::Display;

use crate::cluster::{ServicePort, TrafficPolicy};
use crate::names::ServiceName;
use crate::plan::{Plan, Route, ServicePortPlan};

/// At most this many endpoints are named; further ones are only counted.
const NAMED: usize = 2;

/// What changed about a Service between two plans, one clause for each change.
pub fn changes(service: &ServiceName, old: &Plan<'_>, new: &Plan<'_>) -> Vec<String> {
    let (old, new) = (ports(old, service), ports(new, service));
    match (old.is_empty(), new.is_empty()) {
        (true, true) => return Vec::new(),
        (true, false) => return vec![format!("new Service, {}", endpoints_of_all(&new))],
        (false, true) => return vec!["the Service is gone".to_owned()],
        (false, false) => {}
    }
    let mut words = Vec::new();
    let named = old.len().max(new.len()) > 1;
    for port in &old {
        match find(&new, port) {
            None => words.push(format!("port {} removed", port_name(port.service_port()))),
            Some(now) => words.extend(label(port.service_port(), port_changes(port, now), named)),
        }
    }
    for port in new.iter().filter(|port| find(&old, port).is_none()) {
        words.push(format!("port {} added", port_name(port.service_port())));
    }
    words
}

fn ports<'p, 'c>(plan: &'p Plan<'c>, service: &ServiceName) -> Vec<&'p ServicePortPlan<'c>> {
    let key = |port: &ServicePortPlan<'c>| {
        let n = &port.service_port().name;
        (n.namespace(), n.service()).cmp(&(service.namespace(), service.name()))
    };
    let first = plan.service_ports().partition_point(|port| key(port).is_lt());
    plan.service_ports().iter().skip(first).take_while(|port| key(port).is_eq()).collect()
}

fn find<'p, 'c>(
    ports: &[&'p ServicePortPlan<'c>],
    like: &ServicePortPlan<'_>,
) -> Option<&'p ServicePortPlan<'c>> {
    ports.iter().copied().find(|port| port.service_port().name == like.service_port().name)
}

fn port_name(port: &ServicePort) -> String {
    match port.name.port() {
        "" => format!("{}/{}", port.port, port.name.protocol()),
        name => name.to_owned(),
    }
}

fn label(port: &ServicePort, clauses: Vec<String>, named: bool) -> Option<String> {
    let clauses = (!clauses.is_empty()).then(|| clauses.join("; "))?;
    Some(if named { format!("port {}: {clauses}", port_name(port)) } else { clauses })
}

fn endpoints_of_all(ports: &[&ServicePortPlan<'_>]) -> String {
    let most = ports.iter().map(|port| port.reachable_endpoints().len()).max().unwrap_or_default();
    plural(most, "endpoint")
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn port_changes(old: &ServicePortPlan<'_>, new: &ServicePortPlan<'_>) -> Vec<String> {
    let mut words = field_changes(old.service_port(), new.service_port());
    words.extend(endpoint_changes(old, new));
    words.extend(route_change("traffic from inside", old.internal(), new.internal()));
    if let (Some(old), Some(new)) = (old.external(), new.external()) {
        words.extend(route_change("traffic from outside", old.client_route(), new.client_route()));
    }
    words
}

fn field_changes(old: &ServicePort, new: &ServicePort) -> Vec<String> {
    // A new field stops the compiler here: a change of it is either reported below or shows in its effects.
    let ServicePort {
        cluster_ip: _,
        port: _,
        node_port: _,
        health_check_node_port: _,
        external_ips: _,
        load_balancer_ips: _,
        source_ranges: _,
        internal_policy: _,
        external_policy: _,
        affinity_seconds: _,
        // Which Service port it is, and where it was read.
        name: _,
        position: _,
        port_index: _,
        cluster_ip_index: _,
        // Reported by `endpoint_changes` and `route_change`.
        asks_for_zone_hints: _,
        has_headless_label: _,
        endpoints: _,
    } = old;
    let list = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(", ");
    let changes = [
        change("cluster IP", Some(old.cluster_ip), Some(new.cluster_ip)),
        change("port", Some(old.port), Some(new.port)),
        change("node port", old.node_port, new.node_port),
        change("health check node port", old.health_check_node_port, new.health_check_node_port),
        change(
            "external IPs",
            some(list(&mut old.external_ips.iter().map(|i| i.value.to_string()))),
            some(list(&mut new.external_ips.iter().map(|i| i.value.to_string()))),
        ),
        change(
            "load-balancer IPs",
            some(list(&mut old.load_balancer_ips.iter().map(|i| i.value.to_string()))),
            some(list(&mut new.load_balancer_ips.iter().map(|i| i.value.to_string()))),
        ),
        change(
            "source ranges",
            some(list(&mut old.source_ranges.iter().map(|i| i.value.to_string()))),
            some(list(&mut new.source_ranges.iter().map(|i| i.value.to_string()))),
        ),
        change("internal traffic policy", policy(old.internal_policy), policy(new.internal_policy)),
        change("external traffic policy", policy(old.external_policy), policy(new.external_policy)),
        change("session affinity", affinity(old.affinity_seconds), affinity(new.affinity_seconds)),
    ];
    changes.into_iter().flatten().collect()
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn policy(policy: TrafficPolicy) -> Option<&'static str> {
    Some(match policy {
        TrafficPolicy::Cluster => "Cluster",
        TrafficPolicy::Local => "Local",
    })
}

fn affinity(seconds: Option<u32>) -> Option<String> {
    seconds.map(|seconds| format!("ClientIP for {seconds} s"))
}

fn change<T: Display + PartialEq>(what: &str, old: Option<T>, new: Option<T>) -> Option<String> {
    match (old, new) {
        (None, Some(new)) => Some(format!("{what} added: {new}")),
        (Some(old), None) => Some(format!("{what} removed: {old}")),
        (Some(old), Some(new)) if old != new => Some(format!("{what} {old} → {new}")),
        _ => None,
    }
}

fn endpoint_changes(old: &ServicePortPlan<'_>, new: &ServicePortPlan<'_>) -> Option<String> {
    let texts = |plan: &ServicePortPlan<'_>| -> Vec<String> {
        plan.reachable_endpoints().iter().map(|e| e.text.to_string()).collect()
    };
    let (before, after) = (texts(old), texts(new));
    let missing_in = |list: &[String], other: &[String]| -> Vec<String> {
        list.iter().filter(|text| other.binary_search(text).is_err()).cloned().collect()
    };
    let (removed, added) = (missing_in(&before, &after), missing_in(&after, &before));
    let mut parts: Vec<String> =
        [counted(&removed, "removed"), counted(&added, "added")].into_iter().flatten().collect();
    if parts.is_empty() {
        return None;
    }
    if let (Route::RejectNoEndpoints, Route::Balance(_)) = (old.internal(), new.internal()) {
        parts.push("its first endpoints".to_owned());
    }
    let share = match new.internal() {
        Route::Balance(set) if old.endpoints(set).len() != new.endpoints(set).len() => {
            new.endpoints(set).len()
        }
        _ => 0,
    };
    let list = parts.join(", ");
    Some(if share == 0 { list } else { format!("{list}; chances now {} %", per_cent(share)) })
}

fn counted(endpoints: &[String], done: &str) -> Option<String> {
    match endpoints.len() {
        0 => None,
        1..=NAMED => Some(format!(
            "endpoint{} {} {done}",
            if endpoints.len() == 1 { "" } else { "s" },
            endpoints.join(" and ")
        )),
        many => Some(format!("{many} endpoints {done}")),
    }
}

fn per_cent(n: usize) -> String {
    let text = format!("{:.2}", 100.0 / n as f64);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn route_change(what: &str, old: Route, new: Route) -> Option<String> {
    (kind(old) != kind(new)).then(|| format!("{what} is {} → {}", kind(old), kind(new)))
}

fn kind(route: Route) -> &'static str {
    match route {
        Route::Balance(_) => "forwarded",
        Route::DropNoLocalEndpoints => "dropped (no local endpoint)",
        Route::RejectNoEndpoints => "rejected (no endpoint)",
    }
}
