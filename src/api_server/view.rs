//! A Service with the type that the server fills in.

use super::field::Field;

/// A Service as the server sees it, its type filled in.
pub(super) struct View<'t> {
    pub(super) spec: Field<'t>,
    pub(super) type_: &'t str,
}

impl View<'_> {
    pub(super) fn is_headless(&self) -> bool {
        let ips = self.spec.child("clusterIPs");
        self.spec.child("clusterIP").text() == "None" || ips.index(0).text() == "None"
    }

    /// `spec.clusterIP`, which the server reads as the first of `spec.clusterIPs`.
    pub(super) fn cluster_ip(&self) -> Field<'_> {
        self.spec.child("clusterIP").said_as("spec.clusterIPs[0]")
    }

    pub(super) fn is_external_name(&self) -> bool {
        self.type_ == "ExternalName"
    }

    /// Whether a server filled in what people leave out.
    pub(super) fn is_filled_in(&self) -> bool {
        let fields = [
            "clusterIP",
            "clusterIPs",
            "ipFamilies",
            "ipFamilyPolicy",
            "internalTrafficPolicy",
            "sessionAffinity",
        ];
        fields.iter().all(|name| self.spec.child(name).is_set())
    }

    pub(super) fn wants_node_ports(&self) -> bool {
        matches!(self.type_, "NodePort" | "LoadBalancer")
    }

    pub(super) fn is_reached_from_outside(&self) -> bool {
        self.wants_node_ports()
            || (self.type_ == "ClusterIP" && !self.spec.child("externalIPs").items().is_empty())
    }
}
