//! What a node tells beside its rules.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::net::Family;
use crate::node::{Connection, Host, IpSets, Lookup, Network, Routed, Sysctls};

/// What a node was asked for beside its rules; none of what it was not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `ipset save`
    pub sets: Option<Arc<IpSets>>,
    /// `ip addr`, `ip route`, `ip rule`
    pub network: Arc<Network>,
    /// `sysctl net`
    pub sysctls: Sysctls,
    /// `conntrack -L`
    pub connections: Option<Vec<Connection>>,
    /// `ipvsadm -Ln`: the addresses that IPVS takes packets to.
    pub virtual_servers: Option<Vec<SocketAddr>>,
}

impl Facts {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        *self == Facts::default()
    }

    /// What the node should be asked for, so that what a rule asks is known; none where that would not help.
    pub fn missing_for(&self, asked: &str) -> Option<&'static str> {
        let asks = |words: &[&str]| words.iter().any(|word| asked.contains(word));
        if self.sets.is_none() && asks(&["--match-set"]) {
            return Some("ipset save");
        }
        let has_routes = self.network.links.is_some() && self.network.routes.is_some();
        if !has_routes && asks(&["-i ", "-o ", "iif", "oif", "interface", "rpfilter"]) {
            return Some("ip addr, ip route show table all");
        }
        let has_links = self.network.links.is_some();
        (!has_links && asks(&["addrtype", "fib "])).then_some("ip addr")
    }

    /// Addresses of interfaces but loopback: that by which the node reaches others first.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let all = || self.network.addresses().filter(|address| !address.ip.is_loopback());
        let mut found: Vec<IpAddr> =
            Family::ALL.iter().filter_map(|family| self.own_address(*family)).collect();
        for address in all().filter(|a| !a.is_link_local).chain(all().filter(|a| a.is_link_local)) {
            if !found.contains(&address.ip) {
                found.push(address.ip);
            }
        }
        found
    }

    /// The first address of the interface by which everything else is reached.
    fn own_address(&self, family: Family) -> Option<IpAddr> {
        let somewhere = match family {
            Family::Ipv4 => "192.0.2.1".parse(),
            Family::Ipv6 => "2001:db8::1".parse(),
        };
        let asked = Lookup { source: None, destination: somewhere.ok()?, mark: None, input: None };
        let Routed::By(device) = self.network.route(&asked) else { return None };
        let link = self.network.link(device)?;
        let own = link.addresses.iter().find(|a| Family::of(a.ip) == family && !a.is_link_local);
        own.map(|address| address.ip)
    }

    /// Tells a host what is known.
    pub fn tell(&self, host: &mut Host) {
        for ip in self.addresses() {
            if !host.addresses.contains(&ip) {
                host.addresses.push(ip);
            }
        }
        host.sets = self.sets.clone();
        host.network = Arc::clone(&self.network);
        host.sysctls = self.sysctls.clone();
        if let Some(allowed) = self.sysctls.allows_route_localnet() {
            host.route_localnet = allowed;
        }
    }
}
