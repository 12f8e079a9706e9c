//! Every field of the API's objects and of the configuration, each with a change: without an entry for every field this
//! does not compile.

use std::collections::BTreeMap;

use kuberules::input::Snapshot;
use kuberules::input::api::{
    Conditions, Endpoint, EndpointSlice, Hints, Ingress, Metadata, Node, NodeAddress, Service, ServiceCidr,
    ServicePort, ServiceSpec, SlicePort, TargetRef,
};
use kuberules::settings::Configuration;
use kuberules::settings::configuration::{Backend, Conntrack};

use crate::support::random::Random;

/// A change of some value.
type Change<T> = fn(&mut T, &mut Random);
/// The value of a kind to change, if there is one.
type Find<T> = for<'s> fn(&'s mut Snapshot, &mut Random) -> Option<&'s mut T>;
/// A change of a snapshot; returns false if there is nothing to change.
pub(super) type OfSnapshot = Box<dyn Fn(&mut Snapshot, &mut Random) -> bool + Sync + Send>;

/// A change of a configuration.
pub(super) type OfConfiguration = Box<dyn Fn(&mut Configuration, &mut Random) + Sync + Send>;

/// A constant with the changes of each field.
macro_rules! fields {
    ($name:ident = $of:ident { $($field:ident: $change:expr),* $(,)? }) => {
        const $name: &[(&str, Change<$of>)] = {
            const _: fn($of) = |$of { $($field: _),* }| ();
            &[$((concat!(stringify!($of), ".", stringify!($field)), |it, random| {
                let change: fn(&mut _, &mut Random) = $change;
                change(&mut it.$field, random);
            })),*]
        };
    };
}

/// Changed field by field in its own table.
fn elsewhere<T>(_: &mut T, _: &mut Random) {}

/// Not read by anything that plans, or not by itself.
fn not_read<T>(_: &mut T, _: &mut Random) {}

const ADDRESSES: [&str; 10] = [
    "10.0.0.1",
    "10.0.0.77",
    "203.0.113.9",
    "1.1.1.1",
    "172.30.0.9",
    "fd00:5::77",
    "2001:db8::9",
    "fd00:7::1",
    "192.0.2.1",
    "::7:8",
];
const NETWORKS: [&str; 8] = [
    "10.0.0.0/9",
    "0.0.0.0/1",
    "192.168.0.2/32",
    "198.51.100.0/24",
    "fd00::/8",
    "2001:db8::7/128",
    "0.0.0.0/0",
    "::/0",
];
const NODES: [&str; 3] = ["node-a", "worker-1", "another"];

fn text<T: From<&'static str> + Clone>(of: &'static [&'static str]) -> impl Fn(&mut T, &mut Random) {
    move |it, random| *it = random.pick(of).into()
}

fn address<T: From<&'static str> + Clone>(it: &mut T, random: &mut Random) {
    text(&ADDRESSES)(it, random);
}

fn policy<T: From<&'static str> + Clone>(it: &mut T, random: &mut Random) {
    text(&["Local", "Cluster"])(it, random);
}

/// One more, one less, or another.
fn list<T: From<&'static str> + Clone>(list: &mut Vec<T>, random: &mut Random, of: &'static [&'static str]) {
    match (random.below(3), list.len()) {
        (0, 1..) => _ = list.remove(random.below(list.len())),
        (1, 1..) => {
            let at = random.below(list.len());
            list[at] = random.pick(of).into();
        }
        _ => list.push(random.pick(of).into()),
    }
}

fn shorter<T>(list: &mut Vec<T>, random: &mut Random) {
    if !list.is_empty() {
        list.remove(random.below(list.len()));
    }
}

fn flip(it: &mut Option<bool>, random: &mut Random) {
    *it = random.pick(&[None, Some(true), Some(false)]);
}

fn port(it: &mut i64, random: &mut Random) {
    *it = random.pick(&[80, 443, 8080, 30111, 31999]);
}

fields!(
    METADATA = Metadata {
        name: |it, random| text(&["renamed", "zzz"])(it, random),
        namespace: |it, random| text(&["default", "moved"])(it, random),
        namespace_left_out: not_read,
        labels: |it: &mut Vec<_>, random| match random.below(3) {
            0 => it.clear(),
            1 => it.push(("service.kubernetes.io/service-proxy-name".into(), "other".into())),
            _ => it.push(("topology.kubernetes.io/zone".into(), "z".into())),
        },
        annotations: |it: &mut Vec<_>, random| {
            let mode = random.pick(&["Auto", "Disabled"]);
            it.push(("service.kubernetes.io/topology-mode".into(), mode.into()));
        },
        being_deleted: |it: &mut bool, _| *it = !*it,
        stored: not_read,
        owner: not_read,
    }
);

fields!(
    SERVICE = Service {
        metadata: elsewhere,
        spec: elsewhere,
        ingress: |it: &mut Vec<_>, random| match it.is_empty() {
            true => it.push(Ingress { ip: random.pick(&ADDRESSES).into(), ..Ingress::default() }),
            false => shorter(it, random),
        },
    }
);

fields!(
    SPEC = ServiceSpec {
        type_: |it, random| text(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])(it, random),
        cluster_ip: address,
        cluster_ips: |it, random| list(it, random, &ADDRESSES),
        ip_families: |it, random| list(it, random, &["IPv4", "IPv6"]),
        ip_family_policy: |it, random| text(&["SingleStack", "PreferDualStack"])(it, random),
        ports: shorter,
        selector: not_read,
        external_ips: |it, random| list(it, random, &ADDRESSES),
        session_affinity: |it, random| text(&["ClientIP", "None"])(it, random),
        affinity_timeout_seconds: |it, random| *it = random.pick(&[None, Some(60), Some(86_400)]),
        external_traffic_policy: policy,
        internal_traffic_policy: policy,
        health_check_node_port: port,
        load_balancer_class: not_read,
        load_balancer_source_ranges: |it, random| list(it, random, &NETWORKS),
        allocate_load_balancer_node_ports: flip,
        publish_not_ready_addresses: |it: &mut bool, _| *it = !*it,
        traffic_distribution: |it, random| text(&["PreferClose", "PreferSameNode", ""])(it, random),
    }
);

fields!(
    PORT = ServicePort {
        name: |it, random| text(&["p", "other", ""])(it, random),
        protocol: |it, random| text(&["TCP", "UDP", "SCTP"])(it, random),
        port: port,
        node_port: port,
        target_port: not_read,
    }
);

fields!(
    INGRESS = Ingress {
        ip: address,
        hostname: |it, random| text(&["example.org", ""])(it, random),
        ip_mode: |it, random| *it = random.pick(&[None, Some("VIP".into()), Some("Proxy".into())]),
    }
);

fields!(
    SLICE = EndpointSlice {
        metadata: elsewhere,
        address_type: |it, random| text(&["IPv4", "IPv6", "FQDN"])(it, random),
        endpoints: shorter,
        ports: shorter,
    }
);

fields!(
    ENDPOINT = Endpoint {
        addresses: |it, random| *it = [random.pick(&ADDRESSES).into()].into_iter().collect(),
        conditions: elsewhere,
        node_name: |it, random| *it = random.chance(60).then(|| random.pick(&NODES).into()),
        zone: |it, random| *it = random.pick(&[None, Some("a".into()), Some("b".into())]),
        hints: |it, random| match it {
            Some(_) => *it = None,
            None => {
                let zones = vec![random.pick(&["a", "b"]).into()];
                *it = Some(Box::new(Hints { zones, nodes: vec![random.pick(&NODES).into()] }));
            }
        },
        target_ref: |it, _| *it = None,
    }
);

fields!(CONDITIONS = Conditions { ready: flip, serving: flip, terminating: flip });

fields!(
    HINTS = Hints {
        zones: |it, random| list(it, random, &["a", "b"]),
        nodes: |it, random| list(it, random, &NODES),
    }
);

fields!(
    TARGET_REF = TargetRef {
        kind: |it, random| text(&["Pod", "Node"])(it, random),
        name: |it, random| text(&["web-1", "web-2"])(it, random),
    }
);

fields!(
    SLICE_PORT = SlicePort {
        name: |it, random| text(&["p", "other", ""])(it, random),
        protocol: |it, random| text(&["TCP", "UDP"])(it, random),
        port: |it, random| *it = random.pick(&[None, Some(80), Some(9999)]),
    }
);

fields!(
    NODE = Node {
        metadata: elsewhere,
        pod_cidr: |it, random| text(&["10.200.0.0/24", ""])(it, random),
        pod_cidrs: |it, random| list(it, random, &["10.200.0.0/24", "fd00:200::/64"]),
        addresses: shorter,
        kubelet_version: not_read,
        kernel_version: not_read,
        unschedulable: not_read,
        taints: not_read,
        milli_cpus: not_read,
        max_pods: not_read,
        not_ready: not_read,
    }
);

fields!(
    NODE_ADDRESS =
        NodeAddress { type_: |it, random| text(&["InternalIP", "ExternalIP"])(it, random), address: address }
);

fields!(
    CIDR = ServiceCidr {
        metadata: elsewhere,
        cidrs: |it, random| list(it, random, &["10.96.0.0/12", "172.30.0.0/16", "fd00:96::/108"]),
    }
);

fields!(
    CONFIGURATION = Configuration {
        origin: not_read,
        given_by_flag: not_read,
        mode: not_read,
        overridden_mode: not_read,
        cluster_cidr: |it, random| *it =
            random.pick(&[None, Some("10.0.0.0/8".into()), Some("10.0.0.0/8,fd00::/16".into())]),
        detect_local_mode: |it, random| {
            *it = random.pick(&[
                None,
                Some("ClusterCIDR".into()),
                Some("NodeCIDR".into()),
                Some("InterfaceNamePrefix".into()),
            ]);
        },
        bridge_interface: |it, _| *it = Some("cni0".into()),
        interface_name_prefix: |it, random| *it = random.pick(&[Some("veth".into()), Some("cali".into())]),
        node_port_addresses: |it, random| list(
            it,
            random,
            &["10.0.0.0/8", "127.0.0.0/8", "fd00::/8", "primary"]
        ),
        bind_address: |it, random| *it =
            random.pick(&[None, Some("0.0.0.0".into()), Some("10.0.0.9".into())]),
        hostname_override: not_read,
        iptables: elsewhere,
        localhost_node_ports: flip,
        ipvs: not_read,
        nftables: elsewhere,
        feature_gates: |it: &mut BTreeMap<_, _>, random| _ =
            it.insert("ServiceTrafficDistribution".into(), random.chance(50)),
        port_range: not_read,
        conntrack: elsewhere,
        config_sync_period: not_read,
        oom_score_adj: not_read,
        healthz_bind_address: not_read,
        metrics_bind_address: not_read,
        client_burst: not_read,
    }
);

fields!(
    BACKEND = Backend {
        masquerade_bit: |it, random| *it = random.pick(&[None, Some(0), Some(15)]),
        masquerade_all: flip,
        sync_period: not_read,
        min_sync_period: not_read,
    }
);

fields!(
    CONNTRACK = Conntrack {
        tcp_be_liberal: flip,
        max_per_core: not_read,
        min: not_read,
        tcp_established_timeout: not_read,
        tcp_close_wait_timeout: not_read,
        udp_timeout: not_read,
        udp_stream_timeout: not_read,
    }
);

fn one<'l, T>(list: &'l mut [T], random: &mut Random) -> Option<&'l mut T> {
    let at = random.below(list.len());
    list.get_mut(at)
}

fn service<'s>(snapshot: &'s mut Snapshot, random: &mut Random) -> Option<&'s mut Service> {
    one(&mut snapshot.services, random).map(|found| &mut found.object)
}

fn slice<'s>(snapshot: &'s mut Snapshot, random: &mut Random) -> Option<&'s mut EndpointSlice> {
    one(&mut snapshot.endpoint_slices, random).map(|found| &mut found.object)
}

fn endpoint<'s>(snapshot: &'s mut Snapshot, random: &mut Random) -> Option<&'s mut Endpoint> {
    one(&mut slice(snapshot, random)?.endpoints, random)
}

/// The node whose rules are compared comes first.
fn node<'s>(snapshot: &'s mut Snapshot, _: &mut Random) -> Option<&'s mut Node> {
    snapshot.nodes.first_mut().map(|found| &mut found.object)
}

fn cidr<'s>(snapshot: &'s mut Snapshot, random: &mut Random) -> Option<&'s mut ServiceCidr> {
    one(&mut snapshot.service_cidrs, random).map(|found| &mut found.object)
}

/// Every change of a field of an object.
pub(super) fn of_objects() -> Vec<(String, OfSnapshot)> {
    let mut all = Vec::new();
    add(&mut all, "Service", METADATA, |s, r| Some(&mut service(s, r)?.metadata));
    add(&mut all, "", SERVICE, service);
    add(&mut all, "", SPEC, |s, r| Some(&mut service(s, r)?.spec));
    add(&mut all, "", PORT, |s, r| one(&mut service(s, r)?.spec.ports, r));
    add(&mut all, "", INGRESS, |s, r| one(&mut service(s, r)?.ingress, r));
    add(&mut all, "EndpointSlice", METADATA, |s, r| Some(&mut slice(s, r)?.metadata));
    add(&mut all, "", SLICE, slice);
    add(&mut all, "", ENDPOINT, endpoint);
    add(&mut all, "", CONDITIONS, |s, r| Some(&mut endpoint(s, r)?.conditions));
    add(&mut all, "", HINTS, |s, r| endpoint(s, r)?.hints.as_deref_mut());
    add(&mut all, "", TARGET_REF, |s, r| endpoint(s, r)?.target_ref.as_mut());
    add(&mut all, "", SLICE_PORT, |s, r| one(&mut slice(s, r)?.ports, r));
    add(&mut all, "Node", METADATA, |s, r| Some(&mut node(s, r)?.metadata));
    add(&mut all, "", NODE, node);
    add(&mut all, "", NODE_ADDRESS, |s, r| one(&mut node(s, r)?.addresses, r));
    add(&mut all, "ServiceCidr", METADATA, |s, r| Some(&mut cidr(s, r)?.metadata));
    add(&mut all, "", CIDR, cidr);
    all
}

fn add<T: 'static>(
    all: &mut Vec<(String, OfSnapshot)>,
    prefix: &str,
    table: &'static [(&'static str, Change<T>)],
    find: Find<T>,
) {
    for (name, change) in table {
        let apply = move |snapshot: &mut Snapshot, random: &mut Random| {
            let mut own = Random::new(random.next());
            find(snapshot, random).map(|value| change(value, &mut own)).is_some()
        };
        all.push((format!("{prefix} {name}").trim().to_owned(), Box::new(apply)));
    }
}

/// Every change of a field of the configuration.
pub(super) fn of_configuration() -> Vec<(&'static str, OfConfiguration)> {
    let mut all: Vec<(&'static str, OfConfiguration)> = Vec::new();
    for (name, change) in CONFIGURATION {
        all.push((name, Box::new(change)));
    }
    for (name, change) in BACKEND {
        all.push((name, Box::new(move |it, random| change(&mut it.iptables, random))));
        all.push((name, Box::new(move |it, random| change(&mut it.nftables, random))));
    }
    for (name, change) in CONNTRACK {
        all.push((name, Box::new(move |it, random| change(&mut it.conntrack, random))));
    }
    all
}
