//! `v1` Service (pkg/apis/core/validation, ValidateService; pkg/registry/core/service/storage/alloc.go).

use std::collections::BTreeSet;

use super::fault::{Class, Faults};
use super::field::Field;
use super::ports::{PROTOCOLS, number, number_or_name, protocol_of};
use super::view::View;
use super::{Facts, addresses, families, metadata, rules};
use crate::diagnostic::message;

/// The kubelet's port, which no load balancer may expose.
const KUBELET_PORT: i64 = 10_250;

/// `--service-node-port-range` of the API server where it is not set.
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

/// Looks at a Service. One that a server filled in has the node ports of that server's range.
pub(super) fn check(object: &Field<'_>, facts: &Facts, faults: &mut Faults) {
    let name = if facts.relaxed_service_names { rules::dns_label } else { rules::dns_1035_label };
    metadata::check(object, name, faults);
    let spec = object.child("spec");
    let type_ = Some(spec.child("type").text()).filter(|type_| !type_.is_empty()).unwrap_or("ClusterIP");
    let view = View { spec, type_ };
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    faults.unless_one_of(Class::Value, &view.spec.child("type"), &types);
    metadata::labels(&view.spec.child("selector"), faults);
    by_type(&view, faults);
    all_ports(&view, faults);
    affinity(&view, faults);
    families::check(&view, facts, faults);
    addresses(&view.spec.child("externalIPs"), facts, faults);
    load_balancer(object, &view, facts, faults);
    traffic(&view, faults);
}

fn by_type(view: &View<'_>, faults: &mut Faults) {
    let ips = view.spec.child("clusterIPs");
    if view.wants_node_ports() && view.is_headless() {
        let field = if ips.is_set() { ips.index(0) } else { view.cluster_ip() };
        let detail = format!("may not be set to 'None' for {} services", view.type_);
        faults.invalid_value(Class::OffType, &field, "\"None\"", &detail);
    }
    if view.is_external_name() {
        external_name(view, faults);
    }
}

fn external_name(view: &View<'_>, faults: &mut Faults) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"].map(|name| view.spec.child(name)) {
        let given =
            if field.path == "spec.ipFamilyPolicy" { field.is_set() } else { !field.items().is_empty() };
        if given {
            faults.forbidden(Class::OffType, &field, "may not be set for ExternalName services");
        }
    }
    let cluster_ip = view.spec.child("clusterIP").said_as("spec.clusterIPs");
    if !cluster_ip.text().is_empty() && view.spec.child("clusterIPs").items().is_empty() {
        faults.forbidden(Class::OffType, &cluster_ip, "may not be set for ExternalName services");
    }
    let name = view.spec.child("externalName");
    let domain = name.text().strip_suffix('.').unwrap_or(name.text());
    if domain.is_empty() {
        faults.required(Class::Count, &name, "");
    } else {
        faults.all_invalid(Class::Name, &name, rules::dns_subdomain(domain));
    }
}

fn all_ports(view: &View<'_>, faults: &mut Faults) {
    let ports = view.spec.child("ports");
    let items = ports.items();
    if items.is_empty() && !view.is_headless() && !view.is_external_name() {
        faults.required(Class::Count, &ports, "");
    }
    let mut names = BTreeSet::new();
    for port in &items {
        one_port(port, items.len() > 1, &mut names, faults);
        if view.type_ == "LoadBalancer" && port.child("port").number() == KUBELET_PORT {
            let detail = "may not expose port 10250 externally since it is used by kubelet";
            faults.invalid(Class::Port, &port.child("port"), detail);
        }
        node_port(view, &port.child("nodePort"), faults);
    }
    repeated(&items, faults);
}

fn one_port<'t>(port: &Field<'t>, named: bool, names: &mut BTreeSet<&'t str>, faults: &mut Faults) {
    let name = port.child("name");
    if name.text().is_empty() {
        if named {
            faults.required(Class::Port, &name, "");
        }
    } else {
        faults.all_invalid(Class::Port, &name, rules::dns_label(name.text()));
        if !names.insert(name.text()) {
            faults.duplicate(Class::Port, &name, &name.shown());
        }
    }
    number(&port.child("port"), faults);
    let target = port.child("targetPort");
    // Absent, 0 and "" stand for the number of the port.
    if target.is_set() && target.integer() != Some(0) && target.shown() != "\"\"" {
        number_or_name(&target, faults);
    }
    faults.unless_one_of(Class::Port, &port.child("protocol"), &PROTOCOLS);
    let app = port.child("appProtocol");
    if app.is_set() {
        faults.all_invalid(Class::Port, &app, rules::qualified_name(app.text()));
    }
}

fn node_port(view: &View<'_>, field: &Field<'_>, faults: &mut Faults) {
    let Some(number) = field.integer().filter(|number| *number != 0) else { return };
    if view.type_ == "ClusterIP" {
        faults.forbidden(Class::OffType, field, "may not be used when `type` is 'ClusterIP'");
    } else if view.wants_node_ports() && !view.is_filled_in() {
        in_node_port_range(field, number, faults);
    }
}

fn in_node_port_range(field: &Field<'_>, number: i64, faults: &mut Faults) {
    if !NODE_PORTS.contains(&number) {
        let message = message!(
            "Invalid value: {number}: provided port is not in the valid range. The range of valid ports is {}-{}",
            NODE_PORTS.start(),
            NODE_PORTS.end()
        );
        let remedy =
            "choose one in the range, unless the API server was given another --service-node-port-range";
        faults.add_with_remedy(Class::Port, &field.path, message, remedy.to_owned());
    }
}

/// Two ports with one number or one node port, of the same protocol.
fn repeated(ports: &[Field<'_>], faults: &mut Faults) {
    let (mut numbers, mut node_ports) = (BTreeSet::new(), BTreeSet::new());
    for port in ports {
        let protocol = protocol_of(port);
        let node_port = port.child("nodePort");
        if node_port.number() != 0 && !node_ports.insert((protocol, node_port.number())) {
            faults.duplicate(Class::Port, &node_port, &node_port.shown());
        }
        let number = port.child("port").number();
        if !numbers.insert((protocol, number)) {
            faults.duplicate(Class::Port, port, &format!("port {number}/{protocol}"));
        }
    }
}

fn affinity(view: &View<'_>, faults: &mut Faults) {
    let affinity = view.spec.child("sessionAffinity");
    faults.unless_one_of(Class::Value, &affinity, &["ClientIP", "None"]);
    let seconds = view.spec.at("sessionAffinityConfig.clientIP.timeoutSeconds");
    let out_of_bounds = seconds.integer().is_some_and(|number| !(1..=86_400).contains(&number));
    if affinity.text() == "ClientIP" && out_of_bounds {
        faults.invalid(Class::Value, &seconds, "must be greater than 0 and less than 86400");
    }
}

fn load_balancer(object: &Field<'_>, view: &View<'_>, facts: &Facts, faults: &mut Faults) {
    let is_load_balancer = view.type_ == "LoadBalancer";
    let ranges = view.spec.child("loadBalancerSourceRanges");
    let class = view.spec.child("loadBalancerClass");
    let allocate = view.spec.child("allocateLoadBalancerNodePorts");
    let off_type = "may only be used when `type` is 'LoadBalancer'";
    if !is_load_balancer {
        let given = [
            (ranges.said_as("spec.LoadBalancerSourceRanges"), !ranges.items().is_empty()),
            (class.clone(), class.is_set()),
            (allocate.clone(), allocate.is_set()),
        ];
        for (field, _) in given.iter().filter(|(_, is_given)| *is_given) {
            faults.forbidden(Class::OffType, field, off_type);
        }
    }
    for range in ranges.said_as("spec.LoadBalancerSourceRanges").items() {
        faults.all_invalid(Class::Address, &range, rules::cidr(range.text().trim(), facts.strict_addresses));
    }
    if is_load_balancer && class.is_set() {
        faults.all_invalid(Class::Name, &class, rules::qualified_name(class.text()));
    }
    if ranges.items().is_empty() {
        annotated_ranges(object, is_load_balancer, facts, faults);
    }
}

/// What stood in an annotation before there was a field.
fn annotated_ranges(object: &Field<'_>, is_load_balancer: bool, facts: &Facts, faults: &mut Faults) {
    const KEY: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let annotations = object.at("metadata.annotations");
    let Some((_, value)) = annotations.pairs().into_iter().find(|(key, _)| *key == KEY) else { return };
    let field = annotations.child(KEY).said_as(&format!("metadata.annotations[{KEY}]"));
    if !is_load_balancer {
        faults.forbidden(Class::OffType, &field, "may only be used when `type` is 'LoadBalancer'");
    }
    for range in value.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        for broken in rules::cidr(range, facts.strict_addresses) {
            faults.invalid_value(Class::Address, &field, &format!("{range:?}"), broken);
        }
    }
}

fn traffic(view: &View<'_>, faults: &mut Faults) {
    let external = view.spec.child("externalTrafficPolicy");
    faults.unless_one_of(Class::Value, &view.spec.child("internalTrafficPolicy"), &["Cluster", "Local"]);
    if view.is_reached_from_outside() {
        faults.unless_one_of(Class::Value, &external, &["Cluster", "Local"]);
    } else if !external.text().is_empty() {
        faults.invalid(Class::OffType, &external, "may only be set for externally-accessible services");
    }
    let distribution = view.spec.child("trafficDistribution");
    faults.unless_one_of(Class::Value, &distribution, &["PreferClose", "PreferSameZone", "PreferSameNode"]);
    let health = view.spec.child("healthCheckNodePort");
    let Some(number) = health.integer().filter(|number| *number != 0) else { return };
    if view.type_ != "LoadBalancer" || external.text() != "Local" {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        faults.invalid(Class::OffType, &health, detail);
    } else {
        if !view.is_filled_in() {
            in_node_port_range(&health, number, faults);
        }
        let mut ports = view.spec.child("ports").items().into_iter();
        if ports.any(|port| port.child("nodePort").number() == number) {
            faults.invalid(Class::Port, &health, "provided port is already allocated");
        }
    }
}
