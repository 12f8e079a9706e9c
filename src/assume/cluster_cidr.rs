//! The network of assumed Pods, as kube-proxy is told it by kubeadm, kind and k3s (`clusterCIDR`).

use super::{Rule, Run, ranges};
use crate::diagnostic::ObjectRef;
use crate::input::Snapshot;
use crate::net::Cidr;
use crate::settings::DetectLocal;

pub(super) fn fill(snapshot: &Snapshot, run: &mut Run<'_>) {
    let untold = matches!(&run.settings.detect_local, DetectLocal::ClusterCidr(given) if given.is_empty());
    if !(untold && pods_are_assumed(run)) {
        return;
    }
    let families = run.families();
    let mut networks = ranges::pod_cidrs(run.settings);
    networks.retain(|network| families.contains(&network.family()) && holds_all(*network, snapshot));
    let object =
        ObjectRef { kind: "KubeProxyConfiguration".into(), namespace: "".into(), name: "kube-proxy".into() };
    for network in &networks {
        run.record(&object, "clusterCIDR", network, Rule::ClusterCidr);
    }
    run.assumed.cluster_cidrs = networks;
}

/// Addresses of real Pods do not tell what their kube-proxy was told.
fn pods_are_assumed(run: &Run<'_>) -> bool {
    let mut values = run.assumed.values.iter();
    !run.assumed.nodes.is_empty() || values.any(|value| value.rule == Rule::PodAddress)
}

/// Whether the pod networks of all Nodes lie in it: else the cluster has another.
fn holds_all(network: Cidr, snapshot: &Snapshot) -> bool {
    let nodes = snapshot.nodes.iter().map(|node| &node.object);
    let written = nodes.flat_map(|node| node.pod_cidrs.iter().chain([&node.pod_cidr]));
    let mut of_family =
        written.filter_map(|text| Cidr::parse_lenient(text)).filter(|cidr| cidr.family() == network.family());
    of_family.all(|cidr| network.contains(cidr.network()))
}
