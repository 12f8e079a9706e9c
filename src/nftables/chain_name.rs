//! Names of the chains and sets that belong to a Service port or to one of its endpoints.

use compact_str::{CompactString, format_compact};

use crate::cluster::Endpoint;
use crate::names::{ServicePortName, short_hash};

/// Longest name without its prefix; the kernel allows 255 (NFT_NAME_MAXLEN) for both.
const LONGEST: usize = 240;
const ELLIPSIS: &str = "...";
const HASH_LENGTH: usize = 8;

/// Names of the chains and sets of one Service port.
#[derive(Debug)]
pub(crate) struct ServiceChains {
    path: CompactString,
    base: CompactString,
}

impl ServiceChains {
    pub(crate) fn new(name: &ServicePortName) -> Self {
        let path =
            format_compact!("{}/{}/{}/{}", name.namespace(), name.service(), name.protocol(), name.port());
        let base = hashed(&path);
        ServiceChains { path, base }
    }

    /// Balances over the endpoints of policy Cluster.
    pub(crate) fn service(&self) -> CompactString {
        format_compact!("service-{}", self.base)
    }

    /// Balances over the endpoints of policy Local.
    pub(crate) fn local(&self) -> CompactString {
        format_compact!("local-{}", self.base)
    }

    /// Takes traffic to node port, external and load-balancer IPs.
    pub(crate) fn external(&self) -> CompactString {
        format_compact!("external-{}", self.base)
    }

    /// Drops what comes from outside the source ranges.
    pub(crate) fn firewall(&self) -> CompactString {
        format_compact!("firewall-{}", self.base)
    }

    /// Names of the chain and set of an endpoint.
    pub(crate) fn endpoint(&self, endpoint: &Endpoint) -> EndpointNames {
        let ip = endpoint.ip_text().replace(':', ".");
        let base = hashed(&format!("{}__{ip}/{}", self.path, endpoint.port));
        EndpointNames {
            chain: format_compact!("endpoint-{base}"),
            affinity_set: format_compact!("affinity-{base}"),
        }
    }
}

/// Names of the chain and set of one endpoint of a Service port.
#[derive(Debug)]
pub(crate) struct EndpointNames {
    /// The chain that sends to it.
    pub(crate) chain: CompactString,
    /// The set of clients with affinity to it.
    pub(crate) affinity_set: CompactString,
}

/// The hash is of the whole text, so that two long names cut at the same place still differ.
fn hashed(text: &str) -> CompactString {
    let hash = short_hash(text, "");
    let name = format_compact!("{hash:.HASH_LENGTH$}-{text}");
    match name.get(..LONGEST - ELLIPSIS.len()) {
        Some(head) if name.len() > LONGEST => format_compact!("{head}{ELLIPSIS}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Protocol;
    use crate::plan::samples::endpoint;

    fn chains(namespace: &str, service: &str, port: &str) -> ServiceChains {
        ServiceChains::new(&ServicePortName::new(namespace, service, port, Protocol::Tcp).unwrap())
    }

    #[test]
    fn names_are_those_of_kube_proxy() {
        assert_eq!(chains("ns1", "svc1", "p80").service(), "service-ULMVA6XW-ns1/svc1/tcp/p80");
        assert_eq!(chains("default", "web", "").external(), "external-PFISGYVC-default/web/tcp/");
        assert_eq!(
            chains("ns1", "svc1", "p80").endpoint(&endpoint("[fd80::1]:80")).chain,
            "endpoint-KZVARCB2-ns1/svc1/tcp/p80__fd80..1/80"
        );
        assert_eq!(
            chains("default", "web", "").endpoint(&endpoint("10.244.0.5:8080")).affinity_set,
            "affinity-35HIXDJL-default/web/tcp/__10.244.0.5/8080"
        );
    }

    #[test]
    fn long_names_are_cut() {
        let (n, s, p) = ("n".repeat(63), "s".repeat(63), "p".repeat(63));
        let name =
            chains(&n, &s, &p).endpoint(&endpoint("[fd00:1111:2222:3333:4444:5555:6666:7777]:80")).chain;
        assert_eq!(name, format!("endpoint-M77JYLNS-{n}/{s}/tcp/{p}__fd00.1111.2222.3333.4444.5555.6..."));
        assert_eq!(name.len(), "endpoint-".len() + LONGEST);
    }
}
