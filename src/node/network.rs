//! A node's interfaces and routes, if they were captured.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use compact_str::CompactString;
use smallvec::SmallVec;

use super::routes::{Refusal, Route, RouteKind, Routes};
use crate::net::{Cidr, Family};

/// What `ip addr`, `ip route show table all` and `ip rule` say about a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Its interfaces; none if they were not captured.
    pub links: Option<Vec<Link>>,
    /// Its routes, of both families; none if they were not captured.
    pub routes: Option<Routes>,
    /// Its routing rules; none if they were not captured, and then assumed to be the three that every node has.
    pub rules: Option<Vec<RoutingRule>>,
}

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: CompactString,
    /// Its addresses, each with its network, in the order of the listing.
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
    /// Whether it is valid only on this link.
    pub is_link_local: bool,
}

/// A routing rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingRule {
    /// Its place in the order.
    pub priority: u32,
    /// Its family, if that is known.
    pub family: Option<Family>,
    /// `from`
    pub source: Option<Cidr>,
    /// `to`
    pub destination: Option<Cidr>,
    /// `fwmark`: the mark, and which of its bits count.
    pub mark: Option<(u32, u32)>,
    /// `iif`
    pub input: Option<CompactString>,
    /// Whether it matches on anything else: another interface, a port.
    pub asks_more: bool,
    /// `not`: for packets that do not match.
    pub is_opposite: bool,
    /// `suppress_prefixlength`: routes to networks with a prefix of this length or shorter do not count.
    pub suppressed: Option<u8>,
    /// What it does.
    pub action: RuleAction,
}

/// What a routing rule does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RuleAction {
    /// Looks up a table.
    Table(CompactString),
    /// Drops or refuses the packet.
    Refuse(Refusal),
    /// Something else, such as `goto`.
    Other,
}

/// What routing is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup<'a> {
    /// The packet's source; none if it is not known.
    pub source: Option<IpAddr>,
    /// Where it goes to.
    pub destination: IpAddr,
    /// Its mark; none if it is not known.
    pub mark: Option<u32>,
    /// The interface that it comes in by, `lo` if the node itself sends it; none if it is not known.
    pub input: Option<&'a str>,
}

/// Where routing sends a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Routed<'n> {
    /// Out by an interface.
    By(&'n str),
    /// Out by one of several interfaces.
    ByOneOf(&'n [CompactString]),
    /// To the node itself.
    Local,
    /// A broadcast or multicast address.
    Many,
    /// Nowhere: no route, or one that refuses.
    Nowhere(Refusal),
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

    /// Whether addresses of interfaces were listed, which `ip link` does not do.
    pub fn has_addresses(&self) -> bool {
        self.addresses().next().is_some()
    }

    /// The interfaces with this address.
    pub fn links_with(&self, ip: IpAddr) -> impl Iterator<Item = &Link> {
        let has = move |link: &&Link| link.addresses.iter().any(|address| address.ip == ip);
        self.links.iter().flatten().filter(has)
    }

    /// The interface of the first route in table `local` to exactly this address, if routes were captured.
    pub fn device_of_local(&self, ip: IpAddr) -> Option<&str> {
        let (route, is_open) = self.routes.as_ref()?.find("local", ip)?;
        let is_its_own = route.kind == RouteKind::Local && route.destination.is_host() && !is_open;
        route.devices.first().filter(|_| is_its_own).map(CompactString::as_str)
    }

    /// Whether a captured route of table `local` delivers packets to this address on the node.
    pub fn has_local_route(&self, ip: IpAddr) -> bool {
        let found = self.routes.as_ref().and_then(|routes| routes.find("local", ip));
        found.is_some_and(|(route, _)| route.kind == RouteKind::Local)
    }

    /// Whether this is the broadcast address of a network of the node.
    pub fn is_broadcast(&self, ip: IpAddr) -> bool {
        let by_link = self.links.iter().flatten().any(|link| link.broadcasts.contains(&ip));
        by_link || self.routes.as_ref().is_some_and(|routes| routes.is_broadcast(ip))
    }

    /// The routing rules of a family, in their order; none if they were not captured.
    fn rules_of(&self, family: Family) -> Option<SmallVec<[&RoutingRule; 8]>> {
        let rules = self.rules.iter().flatten();
        let mut rules: SmallVec<[&RoutingRule; 8]> =
            rules.filter(|rule| rule.family.is_none_or(|of| of == family)).collect();
        rules.sort_by_key(|rule| rule.priority);
        (!rules.is_empty()).then_some(rules)
    }

    /// The same with a route to every address: where there was none, by an unknown interface.
    #[must_use]
    pub fn with_a_way_to_everything(&self, family: Family) -> Network {
        let is_refusal = |route: &&Route| matches!(route.kind, RouteKind::Refusal(_));
        let otherwise = Route {
            destination: Cidr::new(family.unspecified(), 0).unwrap_or(Cidr::host(family.unspecified())),
            devices: Vec::new(),
            table: "main".into(),
            kind: RouteKind::Unicast,
            metric: u32::MAX,
            asks_more: false,
            gateway: None,
            source: None,
        };
        let with_more = |routes: &Routes| {
            let kept = routes.iter().filter(|route| !is_refusal(route)).cloned();
            Routes::from(kept.chain([otherwise.clone()]).collect::<Vec<_>>())
        };
        let refuses = |rule: &&RoutingRule| matches!(rule.action, RuleAction::Refuse(_));
        let with_fewer = |rules: &Vec<RoutingRule>| rules.iter().filter(|r| !refuses(r)).cloned().collect();
        Network {
            links: self.links.clone(),
            routes: self.routes.as_ref().map(with_more),
            rules: self.rules.as_ref().map(with_fewer),
        }
    }

    /// The bits of marks that routing rules match on.
    pub fn asked_mark(&self) -> u32 {
        let rules = self.rules.iter().flatten();
        rules.filter_map(|rule| rule.mark).fold(0, |all, (_, mask)| all | mask)
    }

    /// Networks and addresses that routes and routing rules tell from others.
    pub fn networks(&self) -> impl Iterator<Item = Cidr> {
        let routes = self.routes.iter().flat_map(Routes::iter).map(|route| route.destination);
        let rules = self.rules.iter().flatten();
        routes.chain(rules.flat_map(|rule| rule.source.into_iter().chain(rule.destination)))
    }

    /// A number for all that routing can see of an address, as the source of packets and as their destination; `own` is
    /// the address's own interface, whose name means nothing to routing.
    pub fn place(&self, ip: IpAddr, own: Option<&str>) -> Option<u64> {
        let family = Family::of(ip);
        let routes = self.routes.as_ref().filter(|routes| routes.has(family))?;
        let mut hasher = DefaultHasher::new();
        // A route through a port of an interface is one through that interface.
        let is_master = |name: &&str| self.links.iter().flatten().any(|l| l.master.as_deref() == Some(*name));
        let own = own.filter(|own| !is_master(own));
        let add = |found: Routed<'_>, hasher: &mut DefaultHasher| match found {
            Routed::By(device) if Some(device) == own => 0.hash(hasher),
            Routed::ByOneOf(devices) => {
                let others =
                    devices.iter().map(|device| Some(device.as_str()).filter(|name| Some(*name) != own));
                (1, others.collect::<Vec<_>>()).hash(hasher);
            }
            found => (2, found).hash(hasher),
        };
        let Some(rules) = self.rules_of(family) else {
            add(by_usual_tables(routes, ip).routed, &mut hasher);
            return Some(hasher.finish());
        };
        let is_for = |rule: &RoutingRule| rule.destination.is_none_or(|net| net.contains(ip));
        for rule in rules.iter().filter(|rule| rule.is_opposite || is_for(rule)) {
            if let Some(found) = rule.found(routes, ip) {
                add(found.routed, &mut hasher);
                (rule.priority, rule.source, rule.mark, &rule.input, rule.asks_more).hash(&mut hasher);
                (rule.is_opposite, is_for(rule)).hash(&mut hasher);
            }
        }
        for rule in rules.iter().filter(|rule| rule.source.is_some_and(|net| net.contains(ip))) {
            (rule.priority, rule.destination, rule.mark, &rule.input, rule.asks_more).hash(&mut hasher);
            (rule.is_opposite, rule.suppressed, &rule.action).hash(&mut hasher);
        }
        Some(hasher.finish())
    }

    /// Where a packet is sent: rules in the order of their priorities, in each table the most specific route
    /// (net/core/fib_rules.c, `fib_rules_lookup`; net/ipv4/fib_trie.c, `fib_table_lookup`).
    pub fn route(&self, asked: &Lookup<'_>) -> Routed<'_> {
        self.find(asked).routed
    }

    /// The same with the route.
    pub(super) fn find(&self, asked: &Lookup<'_>) -> Found<'_> {
        let family = Family::of(asked.destination);
        let Some(routes) = self.routes.as_ref().filter(|routes| routes.has(family)) else {
            return Routed::Unknown.into();
        };
        let found = match self.rules_of(family) {
            Some(rules) => by_rules(routes, &rules, asked),
            None => by_usual_tables(routes, asked.destination),
        };
        match found.routed {
            Routed::Nowhere(_) if !routes.are_whole(family) => Routed::Unknown.into(),
            _ => found,
        }
    }
}

/// Where a packet is sent, and the route that says so, if one does.
#[derive(Clone, Copy)]
pub(super) struct Found<'n> {
    pub(super) routed: Routed<'n>,
    pub(super) route: Option<&'n Route>,
}

impl<'n> From<Routed<'n>> for Found<'n> {
    fn from(routed: Routed<'n>) -> Found<'n> {
        Found { routed, route: None }
    }
}

/// The tables that every node looks up.
const USUAL: [&str; 3] = ["local", "main", "default"];

fn by_usual_tables(routes: &Routes, to: IpAddr) -> Found<'_> {
    // If there are more tables, there are rules for them.
    let has_others = || routes.tables(Family::of(to)).any(|table| !USUAL.contains(&table));
    let found = USUAL.iter().find_map(|table| in_table(routes, table, to));
    match found.unwrap_or(Routed::Nowhere(Refusal::NoRoute).into()) {
        Found { routed: Routed::Nowhere(_), .. } if has_others() => Routed::Unknown.into(),
        found => found,
    }
}

fn by_rules<'n>(routes: &'n Routes, rules: &[&RoutingRule], asked: &Lookup<'_>) -> Found<'n> {
    for rule in rules {
        match (rule.fits(asked), rule.found(routes, asked.destination)) {
            (Some(false), _) | (_, None) => {}
            (Some(true), Some(found)) => return found,
            // What the rule matches on is not known.
            (None, Some(_)) => return Routed::Unknown.into(),
        }
    }
    Routed::Nowhere(Refusal::NoRoute).into()
}

impl RoutingRule {
    /// What it says about a destination; none if the next rule decides.
    fn found<'n>(&self, routes: &'n Routes, destination: IpAddr) -> Option<Found<'n>> {
        match &self.action {
            RuleAction::Table(table) => {
                let (best, _) = routes.find(table, destination)?;
                // A route that refuses counts whatever its length (net/core/fib_rules.c, `fib_rules_lookup`).
                let is_suppressed =
                    self.suppressed.is_some_and(|longest| best.destination.length() <= longest)
                        && !matches!(best.kind, RouteKind::Refusal(_));
                in_table(routes, table, destination).filter(|_| !is_suppressed)
            }
            RuleAction::Refuse(refusal) => Some(Routed::Nowhere(*refusal).into()),
            RuleAction::Other => Some(Routed::Unknown.into()),
        }
    }

    /// Whether it applies to a packet; none if what it matches on is not known (net/core/fib_rules.c,
    /// `fib_rule_match`).
    fn fits(&self, asked: &Lookup<'_>) -> Option<bool> {
        let by_destination = self.destination.is_none_or(|net| net.contains(asked.destination));
        let by_source = self.source.map_or(Some(true), |net| asked.source.map(|ip| net.contains(ip)));
        let by_mark =
            self.mark.map_or(Some(true), |(value, mask)| asked.mark.map(|mark| mark & mask == value & mask));
        let by_input =
            self.input.as_deref().map_or(Some(true), |name| asked.input.map(|input| input == name));
        let all = [Some(by_destination), by_source, by_mark, by_input];
        let fits = match all.contains(&Some(false)) {
            true => Some(false),
            false => (all == [Some(true); 4] && !self.asks_more).then_some(true),
        };
        fits.map(|fits| fits != self.is_opposite)
    }
}

/// What a table says about a destination; none if it says nothing.
fn in_table<'n>(routes: &'n Routes, table: &str, destination: IpAddr) -> Option<Found<'n>> {
    let (best, is_open) = routes.find(table, destination)?;
    let routed = match best.kind {
        _ if is_open => Routed::Unknown,
        RouteKind::Local => Routed::Local,
        RouteKind::Unicast => match best.devices.as_slice() {
            [] => Routed::Unknown,
            [only] => Routed::By(only),
            several => Routed::ByOneOf(several),
        },
        RouteKind::Broadcast | RouteKind::Multicast => Routed::Many,
        RouteKind::Refusal(refusal) => Routed::Nowhere(refusal),
        RouteKind::Throw => return None,
    };
    Some(Found { routed, route: Some(best) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(destination: &str, device: &str, table: &str) -> Route {
        Route {
            destination: Cidr::parse_lenient(destination).unwrap(),
            devices: vec![device.into()],
            table: table.into(),
            kind: RouteKind::Unicast,
            metric: 0,
            asks_more: false,
            gateway: None,
            source: None,
        }
    }

    fn refusal(destination: &str, refusal: Refusal) -> Route {
        Route { devices: Vec::new(), kind: RouteKind::Refusal(refusal), ..route(destination, "", "main") }
    }

    fn local() -> Route {
        Route { kind: RouteKind::Local, ..route("10.0.0.1/32", "lo", "local") }
    }

    fn rule(priority: u32, source: Option<&str>, mark: Option<(u32, u32)>, table: &str) -> RoutingRule {
        RoutingRule {
            priority,
            family: None,
            source: source.map(|net| Cidr::parse_lenient(net).unwrap()),
            destination: None,
            mark,
            input: None,
            asks_more: false,
            is_opposite: false,
            suppressed: None,
            action: RuleAction::Table(table.into()),
        }
    }

    fn told(network: &Network, source: Option<&str>, to: &str, mark: Option<u32>) -> String {
        let source = source.map(|ip| ip.parse().unwrap());
        format!(
            "{:?}",
            network.route(&Lookup { source, destination: to.parse().unwrap(), mark, input: None })
        )
    }

    #[test]
    fn the_narrowest_route_of_the_first_table_that_has_one() {
        let routes = vec![
            route("0.0.0.0/0", "eth0", "main"),
            route("10.244.1.7/32", "cali1", "main"),
            route("10.244.0.0/16", "vxlan", "main"),
            route("0.0.0.0/0", "eth1", "7"),
        ];
        let mut network = Network { routes: Some(routes.into()), ..Network::default() };
        let to = |network: &Network, ip: &str| told(network, None, ip, None);
        assert_eq!(to(&network, "10.244.1.7"), "By(\"cali1\")");
        assert_eq!(to(&network, "10.244.2.7"), "By(\"vxlan\")");
        assert_eq!(to(&network, "192.0.2.7"), "By(\"eth0\")");
        assert_eq!(to(&network, "fd00::7"), "Unknown");
        network.rules = Some(vec![
            rule(0, None, None, "local"),
            rule(32766, None, None, "main"),
            rule(100, Some("10.244.1.0/24"), None, "7"),
            rule(90, None, Some((0x80, 0xf0)), "7"),
        ]);
        let from = |network: &Network, ip: &str, mark| told(network, Some(ip), "192.0.2.7", Some(mark));
        assert_eq!(from(&network, "10.244.1.9", 0), "By(\"eth1\")");
        assert_eq!(from(&network, "10.244.2.9", 0), "By(\"eth0\")");
        assert_eq!(from(&network, "10.244.2.9", 0x81), "By(\"eth1\")");
        assert_eq!(to(&network, "192.0.2.7"), "Unknown");
        // As wg-quick sets it up: default routes of table main do not count, and unmarked packets take its own table's.
        let mut of_wireguard = network.clone();
        of_wireguard.rules = Some(vec![
            RoutingRule { suppressed: Some(0), ..rule(10, None, None, "main") },
            RoutingRule { is_opposite: true, ..rule(11, None, Some((0xca6c, u32::MAX)), "7") },
            rule(32766, None, None, "main"),
        ]);
        assert_eq!(from(&of_wireguard, "10.244.2.9", 0), "By(\"eth1\")");
        assert_eq!(from(&of_wireguard, "10.244.2.9", 0xca6c), "By(\"eth0\")");
        let asking = RoutingRule { asks_more: true, ..rule(50, None, None, "empty") };
        network.rules.as_mut().unwrap().push(asking);
        assert_eq!(from(&network, "10.244.2.9", 0), "By(\"eth0\")");
    }

    #[test]
    fn there_is_no_way_only_where_all_tables_are_known() {
        let refused = [
            refusal("10.1.0.0/16", Refusal::Unreachable),
            refusal("10.2.0.0/16", Refusal::Prohibit),
            refusal("10.3.0.0/16", Refusal::Blackhole),
        ];
        let routes = [vec![route("192.0.2.0/24", "eth0", "main")], refused.to_vec()].concat();
        let mut network = Network { routes: Some(routes.clone().into()), ..Network::default() };
        assert_eq!(told(&network, None, "10.1.0.1", None), "Unknown");
        assert_eq!(told(&network, None, "10.96.0.1", None), "Unknown");
        network.routes.as_mut().unwrap().extend([local()]);
        let to = |network: &Network, ip: &str| told(network, None, ip, None);
        assert_eq!(to(&network, "10.0.0.1"), "Local");
        assert_eq!(to(&network, "10.1.0.1"), "Nowhere(Unreachable)");
        assert_eq!(to(&network, "10.2.0.1"), "Nowhere(Prohibit)");
        assert_eq!(to(&network, "10.3.0.1"), "Nowhere(Blackhole)");
        assert_eq!(to(&network, "10.96.0.1"), "Nowhere(NoRoute)");
        // Rules for a further table were not captured.
        network.routes.as_mut().unwrap().extend([route("0.0.0.0/0", "eth1", "7")]);
        assert_eq!(to(&network, "10.96.0.1"), "Unknown");
        // Those of the other family say nothing about this one.
        network.rules =
            Some(vec![RoutingRule { family: Some(Family::Ipv6), ..rule(0, None, None, "local") }]);
        assert_eq!(to(&network, "192.0.2.9"), "By(\"eth0\")");
        let refuses =
            RoutingRule { action: RuleAction::Refuse(Refusal::Prohibit), ..rule(9, None, None, "") };
        network.rules = Some(vec![rule(0, None, None, "local"), refuses]);
        assert_eq!(to(&network, "192.0.2.9"), "Nowhere(Prohibit)");
    }

    #[test]
    fn a_route_for_some_packets_alone_leaves_it_open() {
        let asking = Route { asks_more: true, ..route("0.0.0.0/0", "eth1", "main") };
        let wide = Route { metric: 100, ..route("0.0.0.0/0", "eth0", "main") };
        let several =
            Route { devices: vec!["eth0".into(), "eth1".into()], ..route("10.0.0.0/8", "", "main") };
        let network = Network { routes: Some(vec![asking, wide, several].into()), ..Network::default() };
        assert_eq!(told(&network, None, "192.0.2.9", None), "Unknown");
        assert_eq!(told(&network, None, "10.0.0.9", None), "ByOneOf([\"eth0\", \"eth1\"])");
    }
}
