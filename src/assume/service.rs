//! What many rules ask of a Service.

use crate::diagnostic::ObjectRef;
use crate::input::api;

pub(super) fn object_ref(service: &api::Service) -> ObjectRef {
    service.metadata.object_ref("Service")
}

pub(super) fn is_external_name(service: &api::Service) -> bool {
    service.spec.type_ == "ExternalName"
}

pub(super) fn is_headless(service: &api::Service) -> bool {
    service.spec.cluster_ip == "None" || service.spec.cluster_ips.first().is_some_and(|ip| ip == "None")
}
