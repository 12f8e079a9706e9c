//! EndpointSlices of Services without a selector, from legacy Endpoints of the same name
//! (pkg/controller/endpointslicemirroring).

use super::service::is_external_name;
use super::slices::{Index, new_slice, record};
use super::{Rule, Run};
use crate::input::api;
use crate::input::{Located, Snapshot};
use crate::net::{Family, parse_ip_lenient};

/// The controller that makes slices from Endpoints.
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP_LABEL: &str = "endpointslice.kubernetes.io/skip-mirror";
const LEADER_ANNOTATION: &str = "control-plane.alpha.kubernetes.io/leader";

/// So many addresses of a subset are mirrored.
const MOST: usize = 1000;

pub(super) fn fill(snapshot: &mut Snapshot, run: &mut Run<'_>) {
    let mut added = Vec::new();
    let index = Index::new(snapshot);
    for located in snapshot.endpoints.iter().filter(|located| is_mirrored(&located.object, snapshot, &index))
    {
        for slice in slices(&located.object) {
            record(&slice, Rule::MirroredSlice, run);
            added.push(Located { object: slice, position: located.position });
        }
    }
    snapshot.endpoint_slices.append(&mut added);
}

fn is_mirrored(endpoints: &api::Endpoints, snapshot: &Snapshot, index: &Index<'_>) -> bool {
    let metadata = &endpoints.metadata;
    let mut services = snapshot.services.iter().map(|located| &located.object);
    let service = services.find(|service| {
        service.metadata.namespace == metadata.namespace && service.metadata.name == metadata.name
    });
    let wanted = |service: &api::Service| service.spec.selector.is_empty() && !is_external_name(service);
    service.is_some_and(wanted)
        && metadata.label(SKIP_LABEL) != Some("true")
        && metadata.annotation(LEADER_ANNOTATION).is_none()
        && !index.has_slices(metadata, MANAGER)
}

fn slices(endpoints: &api::Endpoints) -> Vec<api::EndpointSlice> {
    let mut slices = Vec::new();
    for subset in &endpoints.subsets {
        for family in Family::ALL {
            let endpoints_of_family = subset_endpoints(subset, family);
            if endpoints_of_family.is_empty() {
                continue;
            }
            let mut slice = new_slice(&endpoints.metadata, MANAGER, family, slices.len());
            slice.endpoints = endpoints_of_family;
            slice.ports.clone_from(&subset.ports);
            slices.push(slice);
        }
    }
    slices
}

fn subset_endpoints(subset: &api::Subset, family: Family) -> Vec<api::Endpoint> {
    let ready = subset.addresses.iter().map(|address| (true, address));
    let all = ready.chain(subset.not_ready_addresses.iter().map(|address| (false, address)));
    let of_family = all.filter(|(_, address)| parse_ip_lenient(&address.ip).map(Family::of) == Some(family));
    of_family.take(MOST).map(|(ready, address)| endpoint(ready, address)).collect()
}

fn endpoint(ready: bool, address: &api::SubsetAddress) -> api::Endpoint {
    api::Endpoint {
        addresses: [address.ip.clone()].into_iter().collect(),
        conditions: api::Conditions { ready: Some(ready), ..api::Conditions::default() },
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..api::Endpoint::default()
    }
}
