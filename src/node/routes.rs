//! Routes of a node, found by their destination.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::OnceLock;

use compact_str::CompactString;

use crate::net::{Cidr, Family};

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; everything for `default`.
    pub destination: Cidr,
    /// The interfaces to send by: several for a route with several next hops, none if not known.
    pub devices: Vec<CompactString>,
    /// The table: `main`, `local`, `default`, or a number or name.
    pub table: CompactString,
    /// What it does.
    pub kind: RouteKind,
    /// Of two routes to the same network, the one with the smaller metric counts.
    pub metric: u32,
    /// Whether it is only for some packets to its destination: from one source, with one type of service.
    pub asks_more: bool,
    /// `via`: the next hop, if there is exactly one.
    pub gateway: Option<IpAddr>,
    /// `src`: the source for packets of the node itself whose sender leaves it to the kernel.
    pub source: Option<IpAddr>,
}

/// What a route does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// Sends it on.
    Unicast,
    /// Delivers it on the node.
    Local,
    /// The address is a broadcast address.
    Broadcast,
    /// The address is a multicast address.
    Multicast,
    /// Lets the next routing rule decide.
    Throw,
    /// Drops or refuses it.
    Refusal(Refusal),
}

/// Why there is no route to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// No route has it (`ENETUNREACH`).
    NoRoute,
    /// A route of type `unreachable` (`EHOSTUNREACH`).
    Unreachable,
    /// A route or rule of type `prohibit` (`EACCES`).
    Prohibit,
    /// A route or rule of type `blackhole` (`EINVAL`): the sender gets no message.
    Blackhole,
}

impl Refusal {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::NoRoute => "no-route",
            Refusal::Unreachable => "unreachable",
            Refusal::Prohibit => "prohibit",
            Refusal::Blackhole => "blackhole",
        }
    }
}

/// Routes in the order of their listing.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    all: Vec<Route>,
    index: OnceLock<Index>,
}

impl PartialEq for Routes {
    fn eq(&self, other: &Routes) -> bool {
        self.all == other.all
    }
}

impl Eq for Routes {}

impl From<Vec<Route>> for Routes {
    fn from(all: Vec<Route>) -> Routes {
        Routes { all, index: OnceLock::new() }
    }
}

/// The routes of each table and family, so that finding one takes a lookup for each prefix length.
#[derive(Debug, Clone, Default)]
struct Index {
    tables: BTreeMap<CompactString, [ByPrefix; 2]>,
    broadcasts: HashSet<Cidr>,
    /// Interfaces of local routes to a single address.
    owners: HashSet<CompactString>,
}

#[derive(Debug, Clone, Default)]
struct ByPrefix {
    lengths: BTreeSet<u8>,
    best: HashMap<Cidr, Best>,
}

/// The route that counts for a prefix, by its number; if two count equally, it is not known which one is taken.
#[derive(Debug, Clone, Copy)]
struct Best {
    route: usize,
    is_one_of: bool,
}

fn slot(family: Family) -> usize {
    usize::from(family == Family::Ipv6)
}

impl Index {
    fn of(routes: &[Route]) -> Index {
        let mut index = Index::default();
        for (number, route) in routes.iter().enumerate() {
            if route.kind == RouteKind::Broadcast {
                index.broadcasts.insert(route.destination);
            }
            if route.kind == RouteKind::Local && route.destination.is_host() {
                index.owners.extend(route.devices.iter().cloned());
            }
            let tables = index.tables.entry(route.table.clone()).or_default();
            let Some(table) = tables.get_mut(slot(route.destination.family())) else { continue };
            table.lengths.insert(route.destination.length());
            let best =
                table.best.entry(route.destination).or_insert(Best { route: number, is_one_of: false });
            let Some(known) = routes.get(best.route).filter(|_| best.route != number) else { continue };
            // A route for only some packets leaves open what happens to others, whatever its metric.
            best.is_one_of |= known.asks_more || route.asks_more;
            if route.metric < known.metric {
                best.route = number;
            } else if route.metric == known.metric && route.destination.family() == Family::Ipv6 {
                // The same route twice is one with several next hops (ECMP), as older tools list it.
                best.is_one_of |= (route.kind, &route.devices) != (known.kind, &known.devices);
            }
        }
        index
    }
}

impl Routes {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.all.iter()
    }

    /// Adds some.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Route>) {
        self.all.extend(more);
        self.index = OnceLock::new();
    }

    /// Whether there is one of this family.
    pub fn has(&self, family: Family) -> bool {
        let tables = &self.index().tables;
        tables.values().any(|table| table.get(slot(family)).is_some_and(|table| !table.best.is_empty()))
    }

    /// Whether all tables of a family are there: every node has routes in the table `local`, which are only listed if
    /// all tables are requested.
    pub fn are_whole(&self, family: Family) -> bool {
        let local = self.index().tables.get("local");
        local.and_then(|table| table.get(slot(family))).is_some_and(|table| !table.best.is_empty())
    }

    /// Whether a route says that this is a broadcast address.
    pub(super) fn is_broadcast(&self, ip: IpAddr) -> bool {
        self.index().broadcasts.contains(&Cidr::host(ip))
    }

    /// Whether a local route says that an interface has an address.
    pub fn has_address(&self, device: &str) -> bool {
        self.index().owners.contains(device)
    }

    /// The tables with routes of a family.
    pub fn tables(&self, family: Family) -> impl Iterator<Item = &str> {
        let tables = self.index().tables.iter();
        let has = move |table: &[ByPrefix; 2]| table.get(slot(family)).is_some_and(|t| !t.best.is_empty());
        tables.filter(move |(_, table)| has(table)).map(|(name, _)| name.as_str())
    }

    /// The most specific route of a table to a destination, and whether another could be taken as well.
    pub(super) fn find(&self, table: &str, to: IpAddr) -> Option<(&Route, bool)> {
        let table = self.index().tables.get(table)?.get(slot(Family::of(to)))?;
        let best = table.lengths.iter().rev().find_map(|length| table.best.get(&Cidr::new(to, *length)?))?;
        let route = self.all.get(best.route)?;
        Some((route, best.is_one_of || route.asks_more))
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(&self.all))
    }
}
