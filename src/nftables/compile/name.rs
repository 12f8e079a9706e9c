//! Names of the sets, maps and chains that every node has.

pub(super) const HAIRPIN: &str = "hairpin-connections";
pub(super) const CLUSTER_IPS: &str = "cluster-ips";
pub(super) const NODE_PORT_IPS: &str = "nodeport-ips";
pub(super) const NO_ENDPOINT_SERVICES: &str = "no-endpoint-services";
pub(super) const NO_ENDPOINT_NODE_PORTS: &str = "no-endpoint-nodeports";
pub(super) const LOCALHOST_REJECT_PORTS: &str = "localhost-nodeport-reject-ports";
pub(super) const FIREWALL_IPS: &str = "firewall-ips";
pub(super) const SERVICE_IPS: &str = "service-ips";
pub(super) const SERVICE_NODE_PORTS: &str = "service-nodeports";

pub(super) const NODE_PORT_ENDPOINTS_CHECK: &str = "nodeport-endpoints-check";
pub(super) const SERVICE_ENDPOINTS_CHECK: &str = "service-endpoints-check";
pub(super) const FIREWALL_CHECK: &str = "firewall-check";
pub(super) const SERVICES: &str = "services";
pub(super) const MASQUERADING: &str = "masquerading";
pub(super) const CLUSTER_IPS_CHECK: &str = "cluster-ips-check";
pub(super) const MARK_FOR_MASQUERADE: &str = "mark-for-masquerade";
pub(super) const REJECT_CHAIN: &str = "reject-chain";
