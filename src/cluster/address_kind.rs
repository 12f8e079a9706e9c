//! Kinds of addresses of a Service.

/// One kind of a Service's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressKind {
    /// `spec.clusterIP`
    ClusterIp,
    /// `spec.externalIPs`
    ExternalIp,
    /// `status.loadBalancer.ingress`
    LoadBalancerIp,
    /// `nodePort` at each node's own address.
    NodePort,
}

impl AddressKind {
    /// All of them.
    pub const ALL: [AddressKind; 4] =
        [AddressKind::ClusterIp, AddressKind::ExternalIp, AddressKind::LoadBalancerIp, AddressKind::NodePort];

    /// The word in a file of expectations.
    pub fn name(self) -> &'static str {
        match self {
            AddressKind::ClusterIp => "cluster-ip",
            AddressKind::ExternalIp => "external-ip",
            AddressKind::LoadBalancerIp => "load-balancer-ip",
            AddressKind::NodePort => "node-port",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            AddressKind::ClusterIp => "cluster IP",
            AddressKind::ExternalIp => "external IP",
            AddressKind::LoadBalancerIp => "load-balancer IP",
            AddressKind::NodePort => "node port",
        }
    }

    /// Whether clients outside the cluster can be expected to have a route to it.
    pub fn is_external(self) -> bool {
        self != AddressKind::ClusterIp
    }
}
