//! The chains of kube-proxy: fixed names, and names made by hashing (pkg/proxy/iptables/proxier.go).

use super::ruleset::{ChainName, Owner, TableName};
use crate::names::{ServicePortName, short_hash};

macro_rules! fixed {
    ($($name:ident = $text:literal),+ $(,)?) => { $(pub(crate) const $name: ChainName = ChainName::fixed($text);)+ };
}

fixed! {
    PREROUTING = "PREROUTING",
    INPUT = "INPUT",
    FORWARD = "FORWARD",
    OUTPUT = "OUTPUT",
    POSTROUTING = "POSTROUTING",
    KUBE_PROXY_CANARY = "KUBE-PROXY-CANARY",
    KUBE_SERVICES = "KUBE-SERVICES",
    KUBE_EXTERNAL_SERVICES = "KUBE-EXTERNAL-SERVICES",
    KUBE_FORWARD = "KUBE-FORWARD",
    KUBE_NODEPORTS = "KUBE-NODEPORTS",
    KUBE_PROXY_FIREWALL = "KUBE-PROXY-FIREWALL",
    KUBE_FIREWALL = "KUBE-FIREWALL",
    KUBE_POSTROUTING = "KUBE-POSTROUTING",
    KUBE_MARK_MASQ = "KUBE-MARK-MASQ",
}

/// The chains of one Service port: they share one hash.
#[derive(Debug, Clone)]
pub(crate) struct ServiceChains {
    /// What the hash begins with: `namespace/name:port` and the protocol.
    hashed: String,
    /// Policy Cluster.
    pub(crate) cluster: ChainName,
    /// Policy Local.
    pub(crate) local: ChainName,
    /// External destinations.
    pub(crate) external: ChainName,
    /// Source ranges.
    pub(crate) firewall: ChainName,
}

impl ServiceChains {
    pub(crate) fn new(name: &ServicePortName) -> Self {
        let hashed = format!("{name}{}", name.protocol());
        let hash = short_hash(&hashed, "");
        let named = |prefix| chain_name(prefix, &hash);
        ServiceChains {
            cluster: named("KUBE-SVC-"),
            local: named("KUBE-SVL-"),
            external: named("KUBE-EXT-"),
            firewall: named("KUBE-FW-"),
            hashed,
        }
    }

    /// The chain of the endpoint with the text `ip:port`.
    pub(crate) fn endpoint(&self, endpoint: &str) -> ChainName {
        chain_name("KUBE-SEP-", &short_hash(&self.hashed, endpoint))
    }
}

fn chain_name(prefix: &'static str, hash: &str) -> ChainName {
    ChainName::joined(prefix, hash).unwrap_or(ChainName::fixed(prefix))
}

/// Who makes a chain of that name.
pub(crate) fn owner(table: TableName, name: &ChainName) -> Owner {
    let name = name.as_str();
    if table.builtin_chains().contains(&name) {
        return Owner::Kernel;
    }
    match name {
        "KUBE-FIREWALL" | "KUBE-KUBELET-CANARY" | "KUBE-IPTABLES-HINT" => Owner::Kubelet,
        "KUBE-PROXY-CANARY"
        | "KUBE-SERVICES"
        | "KUBE-EXTERNAL-SERVICES"
        | "KUBE-FORWARD"
        | "KUBE-NODEPORTS"
        | "KUBE-PROXY-FIREWALL"
        | "KUBE-POSTROUTING"
        | "KUBE-MARK-MASQ" => Owner::KubeProxy,
        _ if SERVICE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => Owner::KubeProxy,
        _ => Owner::Foreign,
    }
}

/// How the names of chains of Services and endpoints begin.
const SERVICE_PREFIXES: [&str; 5] = ["KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Protocol;

    #[test]
    fn names_are_kube_proxys() {
        let name = ServicePortName::new("default", "db", "mysql", Protocol::Tcp).unwrap();
        let chains = ServiceChains::new(&name);
        assert_eq!(chains.cluster.as_str(), "KUBE-SVC-LWCOPZ2PU4UVGIWV");
        assert_eq!(chains.endpoint("10.32.0.15:3306").as_str(), "KUBE-SEP-G74LK4IE3HKNIZYS");
        let name = ServicePortName::new("ns1", "unnamed", "", Protocol::Tcp).unwrap();
        let endpoint = ServiceChains::new(&name).endpoint("[fd00:244::9]:8081");
        assert_eq!(endpoint.as_str(), "KUBE-SEP-A3QCQ7KEBTKDKFYI");
    }
}
