//! The chains of kube-proxy: fixed names, and names made by hashing (pkg/proxy/iptables/proxier.go).

use super::chain_name::ChainName;
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
    /// What the hash is of, up to the suffix: `namespace/name:port` and the protocol.
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
        let named = |chain| chain_name(chain, &hash);
        ServiceChains {
            cluster: named(ServiceChain::Cluster),
            local: named(ServiceChain::Local),
            external: named(ServiceChain::External),
            firewall: named(ServiceChain::Firewall),
            hashed,
        }
    }

    /// The chain of the endpoint with the text `ip:port`.
    pub(crate) fn endpoint(&self, endpoint: &str) -> ChainName {
        chain_name(ServiceChain::Endpoint, &short_hash(&self.hashed, endpoint))
    }
}

fn chain_name(chain: ServiceChain, hash: &str) -> ChainName {
    let prefix = chain.prefix();
    ChainName::joined(prefix, hash).unwrap_or(ChainName::fixed(prefix))
}

/// What a chain of a Service port is for, as the prefix of its name shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceChain {
    /// Balances over the endpoints of policy Cluster.
    Cluster,
    /// Balances over the endpoints of policy Local.
    Local,
    /// Takes traffic to external destinations.
    External,
    /// Admits source ranges.
    Firewall,
    /// Sends to one endpoint.
    Endpoint,
}

impl ServiceChain {
    const ALL: [ServiceChain; 5] = [
        ServiceChain::Cluster,
        ServiceChain::Local,
        ServiceChain::External,
        ServiceChain::Firewall,
        ServiceChain::Endpoint,
    ];

    /// The prefix of such names, before the hash.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            ServiceChain::Cluster => "KUBE-SVC-",
            ServiceChain::Local => "KUBE-SVL-",
            ServiceChain::External => "KUBE-EXT-",
            ServiceChain::Firewall => "KUBE-FW-",
            ServiceChain::Endpoint => "KUBE-SEP-",
        }
    }

    /// What a chain with this name is for; none if it does not belong to a Service port.
    pub(crate) fn of(name: &str) -> Option<ServiceChain> {
        Self::ALL.into_iter().find(|chain| name.starts_with(chain.prefix()))
    }
}

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
