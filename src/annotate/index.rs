//! Every name of every Service port of a cluster.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use compact_str::{CompactString, ToCompactString};

use super::addresses::Addresses;
use super::pod::Pod;
use super::{Meaning, Role};
use crate::cluster::{Cluster, Endpoint, ServicePort};
use crate::iptables::chains::ServiceChains as IptablesChains;
use crate::net::Family;
use crate::nftables::chain_name::ServiceChains as NftablesChains;

/// What names mean.
#[derive(Debug, Default)]
pub struct Index {
    /// By name, sorted, so that the beginning of a name finds it, too.
    names: BTreeMap<CompactString, Meaning>,
    pub(super) addresses: Addresses,
}

/// With fewer letters of the hash than this, a match could be chance.
const SHORTEST_HASH: usize = 8;

/// Beginnings of names, and their meanings.
pub(super) const PREFIXES: [(&str, Role); 11] = [
    ("KUBE-SVC-", Role::Cluster),
    ("KUBE-SVL-", Role::Local),
    ("KUBE-EXT-", Role::External),
    ("KUBE-FW-", Role::Firewall),
    ("KUBE-SEP-", Role::Endpoint),
    ("service-", Role::Cluster),
    ("local-", Role::Local),
    ("external-", Role::External),
    ("firewall-", Role::Firewall),
    ("endpoint-", Role::Endpoint),
    ("affinity-", Role::Affinity),
];

impl Index {
    /// Of a cluster.
    pub fn new(cluster: &Cluster) -> Index {
        let mut index = Index::default();
        for family in Family::ALL {
            for port in &cluster.family(family).service_ports {
                index.add(port);
            }
        }
        index.addresses.add_nodes(cluster);
        index
    }

    fn add(&mut self, port: &ServicePort) {
        let iptables = IptablesChains::new(&port.name);
        let nftables = NftablesChains::new(&port.name);
        let names = [
            (iptables.cluster.as_str().into(), Role::Cluster),
            (iptables.local.as_str().into(), Role::Local),
            (iptables.external.as_str().into(), Role::External),
            (iptables.firewall.as_str().into(), Role::Firewall),
            (nftables.service(), Role::Cluster),
            (nftables.local(), Role::Local),
            (nftables.external(), Role::External),
            (nftables.firewall(), Role::Firewall),
        ];
        names.into_iter().for_each(|(name, role)| self.add_service(name, port, role));
        for endpoint in &port.endpoints {
            let canonical = SocketAddr::new(endpoint.ip, endpoint.port.get()).to_compact_string();
            self.add_endpoint(iptables.endpoint(&endpoint.text).as_str().into(), port, endpoint, false);
            self.add_endpoint(iptables.endpoint(&canonical).as_str().into(), port, endpoint, false);
            let names = nftables.endpoint(endpoint);
            self.add_endpoint(names.chain, port, endpoint, false);
            self.add_endpoint(names.affinity_set, port, endpoint, true);
        }
        self.addresses.add(port);
    }

    fn add_service(&mut self, name: CompactString, port: &ServicePort, role: Role) {
        let address = SocketAddr::new(port.cluster_ip, port.port.get()).to_compact_string();
        let meaning = self.names.entry(name).or_insert_with(|| Meaning::Service {
            service: port.name.clone(),
            role,
            addresses: Vec::new(),
        });
        if let Meaning::Service { addresses, .. } = meaning {
            addresses.push(address);
        }
    }

    fn add_endpoint(
        &mut self,
        name: CompactString,
        port: &ServicePort,
        endpoint: &Endpoint,
        is_affinity: bool,
    ) {
        self.names.entry(name).or_insert_with(|| Meaning::Endpoint {
            service: port.name.clone(),
            address: endpoint.text.clone(),
            pod: Pod::behind(port, endpoint),
            is_affinity,
        });
    }

    /// What a name means; a truncated name, if no other begins like it.
    pub(super) fn look_up(&self, name: &str, role: Role, prefix: usize) -> Option<Meaning> {
        if let Some(meaning) = self.names.get(name) {
            return Some(meaning.clone());
        }
        let hash = name.get(prefix..)?;
        let letters = hash.bytes().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
        if letters < SHORTEST_HASH {
            return None;
        }
        let cut = name.trim_end_matches(['.', '\u{2026}']);
        let mut longer =
            self.names.range(CompactString::from(cut)..).take_while(|(known, _)| known.starts_with(cut));
        match (longer.next(), longer.next()) {
            (Some((_, meaning)), None) => Some(meaning.clone()),
            (None, _) => Some(Meaning::Gone { role }),
            _ => None,
        }
    }

    /// The Pod or endpoint with an address.
    pub(super) fn pod_of(&self, ip: IpAddr) -> Option<&Pod> {
        self.addresses.pods.get(&ip)
    }
}
