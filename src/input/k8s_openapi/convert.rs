//! From the full types to those with only what affects the rules.

use std::collections::BTreeMap;

use ::k8s_openapi::api::core::v1 as core;
use ::k8s_openapi::api::discovery::v1 as discovery;
use ::k8s_openapi::api::networking::v1::ServiceCIDR;
use ::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ::k8s_openapi::apimachinery::pkg::util::intstr;

use crate::input::api::{
    Conditions, ContainerPort, Endpoint, EndpointSlice, Hints, Ingress, IntOrString, LeftOut, Metadata, Node,
    NodeAddress, Owner, Pod, Service, ServiceCidr, ServicePort, ServiceSpec, SlicePort, Taint, TargetRef,
    Text, is_read_annotation, milli, scheduling,
};

fn text(written: &Option<String>) -> Text {
    written.as_deref().unwrap_or_default().into()
}

fn number(written: Option<i32>) -> i64 {
    written.unwrap_or_default().into()
}

fn list<'a, K, T>(written: &'a Option<Vec<K>>) -> Vec<T>
where
    T: From<&'a K>,
{
    written.iter().flatten().map(T::from).collect()
}

fn texts(written: &Option<Vec<String>>) -> Vec<Text> {
    written.iter().flatten().map(Text::from).collect()
}

fn pairs(written: &Option<BTreeMap<String, String>>) -> Vec<(Text, Text)> {
    written.iter().flatten().map(|(key, value)| (key.into(), value.into())).collect()
}

impl From<&ObjectMeta> for Metadata {
    fn from(written: &ObjectMeta) -> Self {
        let mut annotations = pairs(&written.annotations);
        annotations.retain(|(key, _)| is_read_annotation(key));
        let mut owners = written.owner_references.iter().flatten();
        let controller = owners.find(|owner| owner.controller == Some(true));
        Metadata {
            name: text(&written.name),
            namespace: text(&written.namespace),
            namespace_left_out: LeftOut::default(),
            labels: pairs(&written.labels),
            annotations,
            being_deleted: written.deletion_timestamp.is_some(),
            stored: crate::input::api::Stored(written.resource_version.is_some()),
            owner: controller.map(|owner| {
                Box::new(Owner { kind: owner.kind.as_str().into(), name: owner.name.as_str().into() })
            }),
        }
    }
}

impl From<&core::Service> for Service {
    fn from(written: &core::Service) -> Self {
        let status = written.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        Service {
            metadata: (&written.metadata).into(),
            spec: written.spec.as_ref().map(ServiceSpec::from).unwrap_or_default(),
            ingress: status.map(|status| list(&status.ingress)).unwrap_or_default(),
        }
    }
}

impl From<&core::ServiceSpec> for ServiceSpec {
    fn from(written: &core::ServiceSpec) -> Self {
        let affinity = written.session_affinity_config.as_ref();
        let client_ip = affinity.and_then(|affinity| affinity.client_ip.as_ref());
        ServiceSpec {
            type_: text(&written.type_),
            cluster_ip: text(&written.cluster_ip),
            cluster_ips: texts(&written.cluster_ips),
            ip_families: texts(&written.ip_families),
            ip_family_policy: text(&written.ip_family_policy),
            ports: list(&written.ports),
            selector: pairs(&written.selector),
            external_ips: texts(&written.external_ips),
            session_affinity: text(&written.session_affinity),
            affinity_timeout_seconds: client_ip.and_then(|c| c.timeout_seconds).map(i64::from),
            external_traffic_policy: text(&written.external_traffic_policy),
            internal_traffic_policy: text(&written.internal_traffic_policy),
            health_check_node_port: number(written.health_check_node_port),
            load_balancer_class: text(&written.load_balancer_class),
            load_balancer_source_ranges: texts(&written.load_balancer_source_ranges),
            allocate_load_balancer_node_ports: written.allocate_load_balancer_node_ports,
            publish_not_ready_addresses: written.publish_not_ready_addresses.unwrap_or_default(),
            traffic_distribution: text(&written.traffic_distribution),
        }
    }
}

impl From<&core::ServicePort> for ServicePort {
    fn from(written: &core::ServicePort) -> Self {
        ServicePort {
            name: text(&written.name),
            protocol: text(&written.protocol),
            port: written.port.into(),
            node_port: number(written.node_port),
            target_port: written.target_port.as_ref().map(IntOrString::from),
        }
    }
}

impl From<&intstr::IntOrString> for IntOrString {
    fn from(written: &intstr::IntOrString) -> Self {
        match written {
            intstr::IntOrString::Int(number) => IntOrString::Int((*number).into()),
            intstr::IntOrString::String(name) => IntOrString::String(name.into()),
        }
    }
}

impl From<&core::LoadBalancerIngress> for Ingress {
    fn from(written: &core::LoadBalancerIngress) -> Self {
        Ingress {
            ip: text(&written.ip),
            hostname: text(&written.hostname),
            ip_mode: written.ip_mode.as_ref().map(Text::from),
        }
    }
}

impl From<&discovery::EndpointSlice> for EndpointSlice {
    fn from(written: &discovery::EndpointSlice) -> Self {
        EndpointSlice {
            metadata: (&written.metadata).into(),
            address_type: written.address_type.as_str().into(),
            endpoints: list(&written.endpoints),
            ports: list(&written.ports),
        }
    }
}

impl From<&discovery::Endpoint> for Endpoint {
    fn from(written: &discovery::Endpoint) -> Self {
        Endpoint {
            addresses: written.addresses.iter().map(Text::from).collect(),
            conditions: written.conditions.as_ref().map(Conditions::from).unwrap_or_default(),
            node_name: written.node_name.as_ref().map(Text::from),
            zone: written.zone.as_ref().map(Text::from),
            hints: written.hints.as_ref().map(|hints| Box::new(hints.into())),
            target_ref: written.target_ref.as_ref().map(TargetRef::from),
        }
    }
}

impl From<&discovery::EndpointConditions> for Conditions {
    fn from(written: &discovery::EndpointConditions) -> Self {
        Conditions { ready: written.ready, serving: written.serving, terminating: written.terminating }
    }
}

impl From<&discovery::EndpointHints> for Hints {
    fn from(written: &discovery::EndpointHints) -> Self {
        Hints {
            zones: written.for_zones.iter().flatten().map(|zone| zone.name.as_str().into()).collect(),
            nodes: written.for_nodes.iter().flatten().map(|node| node.name.as_str().into()).collect(),
        }
    }
}

impl From<&core::ObjectReference> for TargetRef {
    fn from(written: &core::ObjectReference) -> Self {
        TargetRef { kind: text(&written.kind), name: text(&written.name) }
    }
}

impl From<&discovery::EndpointPort> for SlicePort {
    fn from(written: &discovery::EndpointPort) -> Self {
        SlicePort {
            name: text(&written.name),
            protocol: text(&written.protocol),
            port: written.port.map(i64::from),
        }
    }
}

impl From<&core::Node> for Node {
    fn from(written: &core::Node) -> Self {
        let spec = written.spec.as_ref();
        let status = written.status.as_ref();
        Node {
            metadata: (&written.metadata).into(),
            pod_cidr: spec.map(|spec| text(&spec.pod_cidr)).unwrap_or_default(),
            pod_cidrs: spec.map(|spec| texts(&spec.pod_cidrs)).unwrap_or_default(),
            addresses: status.map(|status| list(&status.addresses)).unwrap_or_default(),
            kubelet_version: status
                .and_then(|status| status.node_info.as_ref())
                .map(|info| info.kubelet_version.as_str().into())
                .unwrap_or_default(),
            kernel_version: status
                .and_then(|status| status.node_info.as_ref())
                .map(|info| info.kernel_version.as_str().into())
                .unwrap_or_default(),
            unschedulable: spec.and_then(|spec| spec.unschedulable).unwrap_or_default(),
            taints: spec.map(|spec| list(&spec.taints)).unwrap_or_default(),
            milli_cpus: status.and_then(|status| allocatable(status, "cpu")).unwrap_or_default(),
            max_pods: status.and_then(|status| allocatable(status, "pods")).map(|pods| pods / 1000),
            not_ready: status.is_some_and(is_not_ready),
        }
    }
}

fn allocatable(status: &core::NodeStatus, resource: &str) -> Option<u64> {
    status.allocatable.as_ref()?.get(resource).map(|amount| milli(&amount.0))
}

fn is_not_ready(status: &core::NodeStatus) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status != "True")
}

impl From<&core::Taint> for Taint {
    fn from(written: &core::Taint) -> Self {
        Taint {
            key: written.key.as_str().into(),
            value: text(&written.value),
            effect: written.effect.as_str().into(),
        }
    }
}

impl From<&core::NodeAddress> for NodeAddress {
    fn from(written: &core::NodeAddress) -> Self {
        NodeAddress { type_: written.type_.as_str().into(), address: written.address.as_str().into() }
    }
}

impl From<&ServiceCIDR> for ServiceCidr {
    fn from(written: &ServiceCIDR) -> Self {
        let cidrs = written.spec.as_ref().map(|spec| texts(&spec.cidrs));
        ServiceCidr { metadata: (&written.metadata).into(), cidrs: cidrs.unwrap_or_default() }
    }
}

impl From<&core::Pod> for Pod {
    fn from(written: &core::Pod) -> Self {
        let spec = written.spec.as_ref();
        let status = written.status.as_ref();
        Pod {
            metadata: (&written.metadata).into(),
            node_name: spec.map(|spec| text(&spec.node_name)).unwrap_or_default(),
            host_network: spec.and_then(|spec| spec.host_network).unwrap_or_default(),
            ports: spec.map(lasting_ports).unwrap_or_default(),
            phase: status.map(|status| text(&status.phase)).unwrap_or_default(),
            ips: status.map(ips).unwrap_or_default(),
            ready: status.is_some_and(is_ready),
            // Its own serialization is what the manifest would contain.
            scheduling: spec.and_then(|spec| serde_json::to_value(spec).ok()).and_then(scheduling),
        }
    }
}

/// Ports of the containers that run as long as the Pod does.
fn lasting_ports(spec: &core::PodSpec) -> Vec<ContainerPort> {
    let is_sidecar = |c: &&core::Container| c.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    let ports = spec.containers.iter().chain(sidecars).filter_map(|container| container.ports.as_ref());
    ports.flatten().map(ContainerPort::from).collect()
}

fn ips(status: &core::PodStatus) -> Vec<Text> {
    match (status.pod_ips.as_deref().unwrap_or_default(), text(&status.pod_ip)) {
        ([], only) if !only.is_empty() => vec![only],
        (all, _) => all.iter().map(|ip| ip.ip.as_str().into()).collect(),
    }
}

fn is_ready(status: &core::PodStatus) -> bool {
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready");
    ready.is_some_and(|condition| condition.status == "True")
}

impl From<&core::ContainerPort> for ContainerPort {
    fn from(written: &core::ContainerPort) -> Self {
        ContainerPort {
            name: text(&written.name),
            port: written.container_port.into(),
            protocol: text(&written.protocol),
        }
    }
}
