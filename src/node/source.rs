//! The source that the kernel gives to packets of the node itself.

use std::net::{IpAddr, Ipv6Addr};

use compact_str::CompactString;

use super::network::{Found, Link, LinkAddress, Lookup, Network, Routed};
use crate::net::{Cidr, Family};

impl Network {
    /// The source of a packet to an address whose sender leaves it to the kernel; none if that is not known. A route
    /// can set it; to an address of the node it is that address, to any other it is an address of the interface that
    /// the route leads to (net/ipv4/route.c, `ip_route_output_key_hash_rcu`; net/ipv6/addrconf.c,
    /// `ipv6_dev_get_saddr`).
    pub(super) fn source_to(&self, to: IpAddr) -> Option<IpAddr> {
        let source = Some(Family::of(to).unspecified());
        let asked = Lookup { source, destination: to, mark: Some(0), input: Some("lo") };
        let Found { routed, route } = self.find(&asked);
        let told = route.and_then(|route| route.source);
        match (routed, to) {
            (Routed::Unknown, _) => None,
            // IPv6 repeats the lookup with a source, which it chooses without knowing where the packet leaves.
            (Routed::Nowhere(_), IpAddr::V6(to)) => self.ipv6_of(None, to),
            (Routed::Nowhere(_), IpAddr::V4(_)) => None,
            _ if told.is_some() => told,
            // An address that only a route makes the node's is none to choose.
            (Routed::Local, IpAddr::V6(ip))
                if self.has_addresses() && !ip.is_loopback() && self.links_with(to).next().is_none() =>
            {
                self.ipv6_of(route?.devices.first().map(CompactString::as_str), ip)
            }
            (Routed::Local, _) => Some(to),
            (Routed::By(device), IpAddr::V4(_)) => self.ipv4_of(device, route?.gateway),
            (Routed::By(device), IpAddr::V6(to)) => self.ipv6_of(Some(device), to),
            (Routed::ByOneOf(_) | Routed::Many, _) => None,
        }
    }

    /// The address in the network of the gateway, else the first of the interface, else the first of any interface
    /// (net/ipv4/devinet.c, `inet_select_addr`).
    fn ipv4_of(&self, device: &str, gateway: Option<IpAddr>) -> Option<IpAddr> {
        // If the interface was not listed, nothing is known about its addresses.
        let link = self.link(device)?;
        let is_on_link = gateway.is_none();
        let counts = move |own: &&LinkAddress| {
            own.ip.is_ipv4() && !own.ip.is_loopback() && (is_on_link || !own.is_link_local)
        };
        let own = || link.addresses.iter().filter(counts);
        let leads_to_gateway = |own: &&LinkAddress| {
            let net = Cidr::new(own.ip, own.prefix);
            net.zip(gateway).is_some_and(|(net, gateway)| net.contains(gateway))
        };
        let everywhere = || self.addresses().filter(counts).find(|own| !own.is_link_local);
        own().find(leads_to_gateway).or_else(|| own().next()).or_else(everywhere).map(|own| own.ip)
    }

    /// The address with the right scope, on the interface, with the label of the destination, with the longest common
    /// prefix; the first if several are equal. Whether addresses are deprecated or temporary is ignored.
    fn ipv6_of(&self, device: Option<&str>, to: Ipv6Addr) -> Option<IpAddr> {
        let is_near = to.is_unicast_link_local();
        if device.is_some_and(|device| self.link(device).is_none()) {
            return None;
        }
        let is_it = |link: &Link| device.is_some_and(|device| link.name == device);
        let links = self.links.iter().flatten();
        let all = links.flat_map(|link| link.addresses.iter().map(move |own| (link, own)));
        let rank = |(link, own): (&Link, &LinkAddress)| match own.ip {
            IpAddr::V6(ip) if !ip.is_loopback() && (!own.is_link_local || is_it(link)) => {
                let shared = (ip.to_bits() ^ to.to_bits()).leading_zeros().min(own.prefix.into());
                let score = (own.is_link_local == is_near, is_it(link), label(ip) == label(to), shared);
                Some((score, ip))
            }
            _ => None,
        };
        let best = all.filter_map(rank).reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, ip)| IpAddr::V6(ip))
    }
}

/// Networks with a label of their own, the most specific first (net/ipv6/addrlabel.c, `ip6addrlbl_init_table`).
const LABELS: [(Ipv6Addr, u32, u8); 6] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 6),
    (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28, 7),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 5),
];

fn label(ip: Ipv6Addr) -> u8 {
    let lies_in = |net: &Ipv6Addr, length: u32| (net.to_bits() ^ ip.to_bits()).leading_zeros() >= length;
    LABELS.iter().find(|(net, length, _)| lies_in(net, *length)).map_or(1, |(_, _, label)| *label)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::capture::{Source, join};
    use crate::node::Host;

    const LINKS: &str = "1: lo: <UP>\n    inet 127.0.0.1/8 scope host lo\n    inet6 ::1/128 scope host\n\
         2: eth0: <UP>\n    inet 192.168.0.11/24 scope global eth0\n    inet 192.168.9.11/24 scope global eth0\n    \
         inet6 fd00::11/64 scope global\n    inet6 2001:db8::11/64 scope global\n    inet6 fe80::11/64 scope link\n\
         3: eth1: <UP>\n    inet 10.7.0.11/24 scope global eth1\n4: cali1: <UP>\n    inet6 fe80::ee/64 scope link\n";
    const ROUTES: &str = "local 192.168.0.11 dev eth0 table local proto kernel scope host src 192.168.0.11\n\
         local 192.168.0.12 dev eth0 table local proto kernel scope host src 192.168.0.11\n\
         default via 192.168.9.1 dev eth0\n10.7.0.0/24 dev eth1 proto kernel scope link src 10.7.0.11\n\
         10.8.0.0/24 via 10.7.0.1 dev eth1\n10.9.0.0/24 dev eth1 src 192.168.0.11\n10.244.1.7 dev cali1 scope link\n\
         local fd00::11 dev eth0 table local\nlocal fd00:5::/64 dev lo table local\ndefault via fe80::1 dev eth0 metric 1024 pref medium\nfd00:7::/64 dev cali1 pref medium\n";

    #[test]
    fn the_route_names_the_source_or_its_interface_has_it() {
        let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
        let facts = join(&[source("links", LINKS), source("routes", ROUTES)], None).unwrap().facts;
        let network = Arc::clone(&facts.network);
        let host = Host { network, ..Host::default() };
        let from =
            |to: &str| host.chosen_source(to.parse().unwrap()).map(|ip| ip.to_string()).unwrap_or_default();
        assert_eq!(from("192.168.0.11"), "192.168.0.11");
        assert_eq!(from("192.168.0.12"), "192.168.0.11");
        assert_eq!(from("10.96.0.1"), "192.168.9.11");
        assert_eq!(from("10.7.0.5"), "10.7.0.11");
        assert_eq!(from("10.8.0.5"), "10.7.0.11");
        assert_eq!(from("10.9.0.5"), "192.168.0.11");
        assert_eq!(from("10.244.1.7"), "192.168.0.11");
        assert_eq!(from("fd00:96::1"), "fd00::11");
        assert_eq!(from("2001:db8:9::1"), "2001:db8::11");
        assert_eq!(from("fd00:7::1"), "fd00::11");
        assert_eq!(from("fd00::11"), "fd00::11");
        assert_eq!(from("fd00:5::1"), "fd00::11");
        assert_eq!(Host::default().chosen_source("10.96.0.1".parse().unwrap()), None);
    }
}
