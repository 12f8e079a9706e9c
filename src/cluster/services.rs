//! Services: checked by the API server's rules and typed, one entry per port and family.

use std::collections::HashSet;
use std::net::IpAddr;

use super::report::{ObjectReport, Report};
use super::values::{HEADLESS_LABEL, PROXY_NAME_LABEL, address, special_purpose};
use super::{Indexed, ServicePort, TrafficPolicy};
use crate::diagnostic::message;
use crate::input::{Located, api};
use crate::names::{ServicePortName, is_dns_label};
use crate::net::{Cidr, Family, Port, Protocol};
use crate::settings::Settings;

/// The default of `timeoutSeconds` (pkg/apis/core/v1/defaults.go).
const DEFAULT_AFFINITY_SECONDS: i64 = 10_800;

// A new field in the API's types stops the compiler here: it needs a check, and, if kube-proxy uses it, a field of
// `ServicePort`.
const _: fn(api::Service) = |api::Service { metadata: _, spec: _, ingress: _ }| ();
const _: fn(api::ServiceSpec) = |spec| {
    let api::ServiceSpec {
        type_: _,
        cluster_ip: _,
        cluster_ips: _,
        ports: _,
        external_ips: _,
        session_affinity: _,
        affinity_timeout_seconds: _,
        external_traffic_policy: _,
        internal_traffic_policy: _,
        health_check_node_port: _,
        load_balancer_source_ranges: _,
        // Used by the API server and controllers: see `assume` and `lint`.
        ip_families: _,
        ip_family_policy: _,
        selector: _,
        allocate_load_balancer_node_ports: _,
        load_balancer_class: _,
        publish_not_ready_addresses: _,
        traffic_distribution: _,
    } = spec;
};
const _: fn(api::ServicePort) =
    |api::ServicePort { name: _, protocol: _, port: _, node_port: _, target_port: _ }| ();
const _: fn(api::Ingress) = |api::Ingress { ip: _, hostname: _, ip_mode: _ }| ();

/// The ports of a Service in every family in which it has a cluster IP; none if kube-proxy ignores it.
pub(super) fn service_ports(
    located: &Located<api::Service>,
    settings: &Settings,
    report: &mut Report<'_>,
) -> Vec<ServicePort> {
    let service = &located.object;
    let mut report = report.about(service.metadata.object_ref("Service"), located.position);
    let spec = &service.spec;
    if spec.type_ == "ExternalName" || is_hidden(service, settings) {
        return Vec::new();
    }
    let names_fit = check_names(service, &mut report);
    check_words(service, &mut report);
    if spec.cluster_ip == "None" {
        check_headless(service, &mut report);
        return Vec::new();
    }
    if spec.cluster_ip.is_empty() && spec.cluster_ips.is_empty() {
        report.error(
            "spec.clusterIP",
            "is missing: this Service was never applied to a cluster",
            "read it back with `kubectl get service -o yaml`, or have values assumed with --assume",
        );
        return Vec::new();
    }
    let ports = checked_ports(service, &mut report);
    if !names_fit {
        return Vec::new();
    }
    let cluster_ips = cluster_ips(service, &mut report);
    let common = Common::new(service, &mut report);
    let mut found = Vec::new();
    for (cluster_ip_index, cluster_ip) in cluster_ips {
        let family = Family::of(cluster_ip);
        let addresses = Addresses::new(service, family, settings, &mut report);
        for (port_index, name, port, node_port) in &ports {
            found.push(ServicePort {
                name: name.clone(),
                position: located.position,
                port_index: *port_index,
                cluster_ip_index,
                cluster_ip,
                port: *port,
                node_port: *node_port,
                external_ips: addresses.external_ips.clone(),
                load_balancer_ips: addresses.load_balancer_ips.clone(),
                source_ranges: addresses.source_ranges.clone(),
                internal_policy: common.internal_policy,
                external_policy: common.external_policy,
                affinity_seconds: common.affinity_seconds,
                health_check_node_port: common.health_check_node_port,
                asks_for_zone_hints: asks_for_zone_hints(service),
                has_headless_label: service.metadata.label(HEADLESS_LABEL).is_some(),
                endpoints: Vec::new(),
            });
        }
    }
    found
}

fn is_hidden(service: &api::Service, settings: &Settings) -> bool {
    service.metadata.label(PROXY_NAME_LABEL).is_some()
        || (settings.release.model.headless_label_hides_service
            && service.metadata.label(HEADLESS_LABEL).is_some())
}

/// pkg/proxy/topology.go, canUseTopology, of 1.30.
fn asks_for_zone_hints(service: &api::Service) -> bool {
    let annotation = (service.metadata.annotation("service.kubernetes.io/topology-aware-hints"))
        .or_else(|| service.metadata.annotation("service.kubernetes.io/topology-mode"));
    !matches!(annotation, None | Some("" | "disabled" | "Disabled"))
}

fn check_names(service: &api::Service, report: &mut ObjectReport<'_, '_>) -> bool {
    let metadata = &service.metadata;
    let help = "use lower-case letters, digits and '-', at most 63 characters";
    let mut fit = true;
    for (field, text) in [("metadata.name", &metadata.name), ("metadata.namespace", &metadata.namespace)] {
        if !is_dns_label(text) {
            report.error(field, message!("{text:?} is not a DNS label"), help);
            fit = false;
        }
    }
    for (i, port) in service.spec.ports.iter().enumerate() {
        if !port.name.is_empty() && !is_dns_label(&port.name) {
            let field = format!("spec.ports[{i}].name");
            report.error(&field, message!("{:?} is not a DNS label", port.name), help);
            fit = false;
        }
    }
    fit
}

/// Fields whose value is one of a few words.
fn check_words(service: &api::Service, report: &mut ObjectReport<'_, '_>) {
    let spec = &service.spec;
    let words: [(&str, &str, &[&str]); 5] = [
        ("spec.type", &spec.type_, &["ClusterIP", "NodePort", "LoadBalancer"]),
        ("spec.sessionAffinity", &spec.session_affinity, &["None", "ClientIP"]),
        ("spec.externalTrafficPolicy", &spec.external_traffic_policy, &["Cluster", "Local"]),
        ("spec.internalTrafficPolicy", &spec.internal_traffic_policy, &["Cluster", "Local"]),
        (
            "spec.ipFamilyPolicy",
            &spec.ip_family_policy,
            &["SingleStack", "PreferDualStack", "RequireDualStack"],
        ),
    ];
    for (field, value, allowed) in words {
        if !value.is_empty() && !allowed.contains(&value) {
            report.error(field, message!("{value:?} is unknown"), &format!("use {}", allowed.join(" or ")));
        }
    }
    for (i, ingress) in service.ingress.iter().enumerate() {
        if let Some(mode) = ingress.ip_mode.as_deref().filter(|mode| !["", "VIP", "Proxy"].contains(mode)) {
            let field = format!("status.loadBalancer.ingress[{i}].ipMode");
            report.error(&field, message!("{mode:?} is unknown"), "use VIP or Proxy");
        }
    }
}

fn check_headless(service: &api::Service, report: &mut ObjectReport<'_, '_>) {
    if matches!(service.spec.type_.as_str(), "NodePort" | "LoadBalancer") {
        report.error(
            "spec.clusterIP",
            message!("None does not go with the type {}", service.spec.type_),
            "the API server refuses this; give it a cluster IP or the type ClusterIP",
        );
    }
}

type CheckedPort = (usize, ServicePortName, Port, Option<Port>);

fn checked_ports(service: &api::Service, report: &mut ObjectReport<'_, '_>) -> Vec<CheckedPort> {
    let spec = &service.spec;
    if spec.ports.is_empty() {
        report.error("spec.ports", "is empty", "a Service that is not headless needs a port");
    }
    let found: Vec<CheckedPort> = (spec.ports.iter().enumerate())
        .filter_map(|(i, port)| checked_port(i, port, service, report))
        .collect();
    check_repeated_ports(&found, report);
    found
}

fn checked_port(
    i: usize,
    port: &api::ServicePort,
    service: &api::Service,
    report: &mut ObjectReport<'_, '_>,
) -> Option<CheckedPort> {
    let protocol =
        if port.protocol.is_empty() { Some(Protocol::Tcp) } else { Protocol::from_api_name(&port.protocol) };
    if protocol.is_none() {
        let message = message!("{:?} is unknown", port.protocol);
        report.error(&format!("spec.ports[{i}].protocol"), message, "use TCP, UDP or SCTP, in capitals");
    }
    let number = Port::new(port.port);
    if number.is_none() {
        let message = message!("{} is not a port", port.port);
        report.error(&format!("spec.ports[{i}].port"), message, "use 1 to 65535");
    }
    let node_port = Port::new(port.node_port);
    if node_port.is_none() && port.node_port != 0 {
        let message = message!("{} is not a port", port.node_port);
        report.error(&format!("spec.ports[{i}].nodePort"), message, "use 1 to 65535, or leave it out");
    }
    if let Some(api::IntOrString::Int(target)) = port.target_port
        && Port::new(target).is_none()
        && target != 0
    {
        let message = message!("{target} is not a port");
        report.error(&format!("spec.ports[{i}].targetPort"), message, "use 1 to 65535, or a port's name");
    }
    let metadata = &service.metadata;
    let name = ServicePortName::new(&metadata.namespace, &metadata.name, &port.name, protocol?).ok()?;
    Some((i, name, number?, node_port))
}

/// Reports ports whose name, port or node port an earlier one already has.
fn check_repeated_ports(ports: &[CheckedPort], report: &mut ObjectReport<'_, '_>) {
    let (mut names, mut numbers, mut node_ports) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (i, name, port, node_port) in ports {
        let protocol = name.protocol();
        let new_name = names.insert(name.port());
        let new_number = numbers.insert((protocol, *port));
        let new_node_port = node_port.is_none_or(|port| node_ports.insert((protocol, port)));
        let (field, what) = if !new_name && name.port().is_empty() {
            ("name", "no name".to_owned())
        } else if !new_name {
            ("name", format!("the name {}", name.port()))
        } else if !new_number {
            ("port", format!("port {port}/{protocol}"))
        } else if !new_node_port {
            ("nodePort", format!("node port {}", node_port.map_or(0, Port::get)))
        } else {
            continue;
        };
        let field = format!("spec.ports[{i}].{field}");
        let message = message!("two ports have {what}");
        report.error(&field, message, "the API server refuses this; make them differ");
    }
}

/// Index in `clusterIPs` and address, at most one per family (pkg/proxy/util, GetClusterIPByFamily).
fn cluster_ips(service: &api::Service, report: &mut ObjectReport<'_, '_>) -> Vec<(Option<usize>, IpAddr)> {
    let spec = &service.spec;
    for (i, family) in spec.ip_families.iter().enumerate() {
        let known = Family::ALL.iter().any(|f| f.api_name() == family);
        if !known || spec.ip_families[..i].contains(family) {
            let message = message!("{family:?} is unknown or repeated");
            report.error(&format!("spec.ipFamilies[{i}]"), message, "use IPv4 and IPv6, each once");
            return Vec::new();
        }
    }
    let normalised = [spec.cluster_ip.clone()];
    let (texts, by_index) = if spec.ip_families.is_empty() {
        (&normalised[..], false)
    } else if spec.cluster_ips.is_empty() {
        (&normalised[..], true)
    } else {
        (&spec.cluster_ips[..], true)
    };
    let texts = if texts[0].is_empty() { &spec.cluster_ips[..] } else { texts };
    if !spec.cluster_ip.is_empty() && spec.cluster_ips.first().is_some_and(|first| *first != spec.cluster_ip)
    {
        report.error("spec.clusterIPs[0]", "differs from spec.clusterIP", "the API server keeps them equal");
    }
    let mut found = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let field = format!("spec.clusterIPs[{i}]");
        let Ok(Some(ip)) = address(text) else {
            report.error(&field, message!("{text:?} is not an IP address"), "write an IPv4 or IPv6 address");
            continue;
        };
        let family = Family::of(ip);
        if found.iter().any(|(_, earlier)| Family::of(*earlier) == family) {
            report.error(&field, message!("is a second {family} address"), "give at most one per family");
        } else if let Some(wanted) = spec.ip_families.get(i).filter(|wanted| *wanted != family.api_name()) {
            report.error(
                &field,
                message!("{ip} is not of the family {wanted}"),
                "order clusterIPs as ipFamilies",
            );
        } else if !by_index || i < spec.ip_families.len() {
            found.push((by_index.then_some(i), ip));
        }
    }
    found
}

/// What both families have in common.
struct Common {
    internal_policy: TrafficPolicy,
    external_policy: TrafficPolicy,
    affinity_seconds: Option<u32>,
    health_check_node_port: Option<Port>,
}

impl Common {
    fn new(service: &api::Service, report: &mut ObjectReport<'_, '_>) -> Common {
        let spec = &service.spec;
        let policy = |local: bool| if local { TrafficPolicy::Local } else { TrafficPolicy::Cluster };
        // pkg/api/v1/service, ExternallyAccessible: counted before external IPs are filtered by family.
        let from_outside =
            matches!(spec.type_.as_str(), "LoadBalancer" | "NodePort") || !spec.external_ips.is_empty();
        let external_policy = policy(from_outside && spec.external_traffic_policy == "Local");
        Common {
            internal_policy: policy(spec.internal_traffic_policy == "Local"),
            external_policy,
            affinity_seconds: affinity_seconds(spec, report),
            health_check_node_port: health_check_node_port(spec, external_policy, report),
        }
    }
}

fn affinity_seconds(spec: &api::ServiceSpec, report: &mut ObjectReport<'_, '_>) -> Option<u32> {
    if spec.session_affinity != "ClientIP" {
        return None;
    }
    let seconds = spec.affinity_timeout_seconds.unwrap_or(DEFAULT_AFFINITY_SECONDS);
    if !(1..=86_400).contains(&seconds) {
        let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        report.error(field, message!("{seconds} is out of range"), "use 1 to 86400");
        return None;
    }
    u32::try_from(seconds).ok()
}

fn health_check_node_port(
    spec: &api::ServiceSpec,
    external_policy: TrafficPolicy,
    report: &mut ObjectReport<'_, '_>,
) -> Option<Port> {
    let port = Port::new(spec.health_check_node_port);
    if port.is_none() && spec.health_check_node_port != 0 {
        let message = message!("{} is not a port", spec.health_check_node_port);
        report.error("spec.healthCheckNodePort", message, "use 1 to 65535, or leave it out");
    }
    port.filter(|_| spec.type_ == "LoadBalancer" && external_policy == TrafficPolicy::Local)
}

/// Addresses of one family other than the cluster IP.
struct Addresses {
    external_ips: Vec<Indexed<IpAddr>>,
    load_balancer_ips: Vec<Indexed<IpAddr>>,
    source_ranges: Vec<Indexed<Cidr>>,
}

impl Addresses {
    fn new(
        service: &api::Service,
        family: Family,
        settings: &Settings,
        report: &mut ObjectReport<'_, '_>,
    ) -> Self {
        Addresses {
            external_ips: external_ips(service, family, report),
            load_balancer_ips: load_balancer_ips(service, family, settings, report),
            source_ranges: source_ranges(service, family, settings, report),
        }
    }
}

fn external_ips(
    service: &api::Service,
    family: Family,
    report: &mut ObjectReport<'_, '_>,
) -> Vec<Indexed<IpAddr>> {
    let mut found = Vec::new();
    for (index, text) in service.spec.external_ips.iter().enumerate() {
        let field = || format!("spec.externalIPs[{index}]");
        match address(text) {
            Ok(Some(ip)) if Family::of(ip) == family => {
                if let Some(kind) = special_purpose(ip) {
                    let help = "the API server refuses this as an external IP";
                    report.error(&field(), message!("{ip} is {kind}"), help);
                }
                found.push(Indexed { index, value: ip });
            }
            Ok(_) => {}
            Err(()) => {
                report.warning(&field(), message!("{text:?} is not an IP address and is ignored"), "");
            }
        }
    }
    found
}

fn load_balancer_ips(
    service: &api::Service,
    family: Family,
    settings: &Settings,
    report: &mut ObjectReport<'_, '_>,
) -> Vec<Indexed<IpAddr>> {
    let mut found = Vec::new();
    for (index, ingress) in service.ingress.iter().enumerate() {
        let proxied = ingress.ip_mode.as_deref().is_some_and(|mode| mode != "VIP");
        if ingress.ip.is_empty() || (proxied && settings.gates.load_balancer_ip_mode) {
            continue;
        }
        match address(&ingress.ip) {
            Ok(Some(ip)) if Family::of(ip) == family => found.push(Indexed { index, value: ip }),
            Ok(_) => {}
            Err(()) => {
                let field = format!("status.loadBalancer.ingress[{index}].ip");
                report.warning(&field, message!("{:?} is not an IP address and is ignored", ingress.ip), "");
            }
        }
    }
    found
}

fn source_ranges(
    service: &api::Service,
    family: Family,
    settings: &Settings,
    report: &mut ObjectReport<'_, '_>,
) -> Vec<Indexed<Cidr>> {
    let mut found = Vec::new();
    for (index, text) in service.spec.load_balancer_source_ranges.iter().enumerate() {
        match Cidr::parse_lenient(text.trim()) {
            Some(cidr) if cidr.family() == family => found.push(Indexed { index, value: cidr }),
            Some(_) => {}
            None => report.error(
                &format!("spec.loadBalancerSourceRanges[{index}]"),
                message!("{text:?} is not a network"),
                "kube-proxy would ignore it and might let everyone in; write it as address/length",
            ),
        }
    }
    let everything = found.iter().any(|range| range.value.is_everything());
    if everything && settings.release.model.zero_source_range_lifts_restriction {
        found.clear();
    }
    let ranges_given = !service.spec.load_balancer_source_ranges.is_empty();
    if ranges_given && found.is_empty() && !everything && has_load_balancer_ip(service, family) {
        report.warning(
            "spec.loadBalancerSourceRanges",
            message!("no entry is of the family {family}: its load-balancer IPs are open to everybody"),
            "add a range of that family",
        );
    }
    found
}

fn has_load_balancer_ip(service: &api::Service, family: Family) -> bool {
    service.ingress.iter().any(|i| matches!(address(&i.ip), Ok(Some(ip)) if Family::of(ip) == family))
}
