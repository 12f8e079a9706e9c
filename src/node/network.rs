//! A node's interfaces and routes, where its capture has them.

use std::net::IpAddr;

use compact_str::CompactString;

use crate::net::{Cidr, Family};

/// What `ip addr`, `ip route show table all` and `ip rule` tell of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Its interfaces; none where they were not asked for.
    pub links: Option<Vec<Link>>,
    /// Its routes, of both families; none where they were not asked for.
    pub routes: Option<Vec<Route>>,
    /// Its routing rules; none where they were not asked for, and then taken to be the three that every node has.
    pub rules: Option<Vec<RoutingRule>>,
}

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: CompactString,
    /// Its addresses, each with the network it stands in, in the order of the listing.
    pub addresses: Vec<LinkAddress>,
    /// The bridge or VRF that it is a port of.
    pub master: Option<CompactString>,
    /// Whether it is up.
    pub is_up: bool,
    /// `broadcast` addresses of its networks.
    pub broadcasts: Vec<IpAddr>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkAddress {
    /// The address.
    pub ip: IpAddr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// Whether it is good on this link alone.
    pub is_link_local: bool,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; everything for `default`.
    pub destination: Cidr,
    /// The interface to send by.
    pub device: Option<CompactString>,
    /// The table: `main`, `local`, `default`, or a number or name.
    pub table: CompactString,
    /// What it does.
    pub kind: RouteKind,
    /// Of two to the same network the smaller one counts.
    pub metric: u32,
}

/// What a route does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Sends it on.
    Unicast,
    /// Delivers it on the node.
    Local,
    /// The address is that of all hosts of a network.
    Broadcast,
    /// The address is that of a group.
    Multicast,
    /// Has the next routing rule decide.
    Throw,
    /// Drops or refuses it.
    Refusal,
}

/// A routing rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingRule {
    /// Its place in the order.
    pub priority: u32,
    /// The family that it is of, where that is told.
    pub family: Option<Family>,
    /// `from`
    pub source: Option<Cidr>,
    /// `to`
    pub destination: Option<Cidr>,
    /// Whether it asks for anything else: a mark, an interface, a port, or the opposite of something.
    pub asks_more: bool,
    /// The table that it looks up; none for another action.
    pub table: Option<CompactString>,
}

/// Where routing sends a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed<'n> {
    /// Out by an interface.
    By(&'n str),
    /// To the node itself.
    Local,
    /// Nowhere: no route, or one that refuses.
    Nowhere,
    /// Routes were not captured, or what decides is not known.
    Unknown,
}

impl Network {
    /// The interface of a name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.as_ref()?.iter().find(|link| link.name == name)
    }

    /// All addresses of interfaces, in the order of the listing.
    pub fn addresses(&self) -> impl Iterator<Item = &LinkAddress> {
        self.links.iter().flatten().flat_map(|link| &link.addresses)
    }

    /// The interface that has an address.
    pub fn link_with(&self, ip: IpAddr) -> Option<&Link> {
        self.links.iter().flatten().find(|link| link.addresses.iter().any(|address| address.ip == ip))
    }

    /// Whether an address is that of all hosts of a network of the node.
    pub fn is_broadcast(&self, ip: IpAddr) -> bool {
        let by_link = self.links.iter().flatten().any(|link| link.broadcasts.contains(&ip));
        let by_route = self.routes.iter().flatten().any(|route| {
            route.kind == RouteKind::Broadcast
                && route.destination.is_host()
                && route.destination.contains(ip)
        });
        by_link || by_route
    }

    /// Where a packet is sent: rules in the order of their priorities, in each table the narrowest route
    /// (net/ipv4/fib_rules.c, fib_table_lookup).
    pub fn route(&self, source: Option<IpAddr>, destination: IpAddr) -> Routed<'_> {
        let Some(routes) = self.routes.as_deref().filter(|routes| {
            routes.iter().any(|route| route.destination.family() == Family::of(destination))
        }) else {
            return Routed::Unknown;
        };
        let Some(rules) = &self.rules else {
            let tables = ["local", "main", "default"].into_iter();
            return tables
                .filter_map(|table| in_table(routes, table, destination))
                .next()
                .unwrap_or(Routed::Nowhere);
        };
        let family = Family::of(destination);
        let mut rules: Vec<&RoutingRule> =
            rules.iter().filter(|rule| rule.family.is_none_or(|f| f == family)).collect();
        rules.sort_by_key(|rule| rule.priority);
        for rule in rules {
            let found = || rule.table.as_deref().map(|table| in_table(routes, table, destination));
            match (rule.fits(source, destination), rule.asks_more) {
                (Some(false), _) => {}
                (Some(true), false) => match found() {
                    Some(Some(routed)) => return routed,
                    Some(None) => {}
                    None => return Routed::Nowhere,
                },
                // What is asked is not known, but it matters only if the table has a route.
                _ if found() == Some(None) => {}
                _ => return Routed::Unknown,
            }
        }
        Routed::Nowhere
    }
}

impl RoutingRule {
    /// Whether its addresses fit; none where the source is not known and asked for.
    fn fits(&self, source: Option<IpAddr>, destination: IpAddr) -> Option<bool> {
        if self.destination.is_some_and(|net| !net.contains(destination)) {
            return Some(false);
        }
        match (self.source, source) {
            (None, _) => Some(true),
            (Some(net), Some(ip)) => Some(net.contains(ip)),
            (Some(_), None) => None,
        }
    }
}

/// What a table says of a destination; none where it says nothing.
fn in_table<'n>(routes: &'n [Route], table: &str, destination: IpAddr) -> Option<Routed<'n>> {
    let fits = |route: &&Route| route.table == table && route.destination.contains(destination);
    let best = routes
        .iter()
        .filter(fits)
        .min_by_key(|route| (std::cmp::Reverse(route.destination.length()), route.metric))?;
    Some(match best.kind {
        RouteKind::Local => Routed::Local,
        RouteKind::Unicast => best.device.as_deref().map_or(Routed::Unknown, Routed::By),
        RouteKind::Broadcast | RouteKind::Multicast => Routed::Local,
        RouteKind::Refusal => Routed::Nowhere,
        RouteKind::Throw => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(destination: &str, device: &str, table: &str) -> Route {
        Route {
            destination: Cidr::parse_lenient(destination).unwrap(),
            device: Some(device.into()),
            table: table.into(),
            kind: RouteKind::Unicast,
            metric: 0,
        }
    }

    #[test]
    fn the_narrowest_route_of_the_first_table_that_has_one() {
        let routes = vec![
            route("0.0.0.0/0", "eth0", "main"),
            route("10.244.1.7/32", "cali1", "main"),
            route("10.244.0.0/16", "vxlan", "main"),
            route("0.0.0.0/0", "eth1", "7"),
        ];
        let mut network = Network { routes: Some(routes), ..Network::default() };
        let to = |network: &Network, ip: &str| format!("{:?}", network.route(None, ip.parse().unwrap()));
        assert_eq!(to(&network, "10.244.1.7"), "By(\"cali1\")");
        assert_eq!(to(&network, "10.244.2.7"), "By(\"vxlan\")");
        assert_eq!(to(&network, "192.0.2.7"), "By(\"eth0\")");
        assert_eq!(to(&network, "fd00::7"), "Unknown");
        let rule = |priority, source: Option<&str>, asks_more, table: &str| RoutingRule {
            priority,
            family: None,
            source: source.map(|net| Cidr::parse_lenient(net).unwrap()),
            destination: None,
            asks_more,
            table: Some(table.into()),
        };
        network.rules = Some(vec![
            rule(0, None, false, "local"),
            rule(32766, None, false, "main"),
            rule(100, Some("10.244.1.0/24"), false, "7"),
        ]);
        let from = |ip: &str| format!("{:?}", network.route(ip.parse().ok(), "192.0.2.7".parse().unwrap()));
        assert_eq!(from("10.244.1.9"), "By(\"eth1\")");
        assert_eq!(from("10.244.2.9"), "By(\"eth0\")");
        assert_eq!(to(&network, "192.0.2.7"), "Unknown");
        network.rules.as_mut().unwrap().push(rule(50, None, true, "empty"));
        assert_eq!(
            format!("{:?}", network.route("10.244.2.9".parse().ok(), "192.0.2.7".parse().unwrap())),
            "By(\"eth0\")"
        );
    }
}
