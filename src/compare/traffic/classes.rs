//! The classes of packets, and their walks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::outcome_set::OutcomeSet;
use super::space::{Questions, Range, ValueClass, address, number, whole};
use super::{Comparison, Contrast, Difference, From, To};
use crate::net::{Cidr, Family, Protocol};
use crate::nftables::ruleset::Interval;
use crate::parallel::{self, both};
use crate::walk::{
    Chains, ClientKind, Destination, Destinations, Host, Inquiry, Packet, PortRange, Reached, Walker,
};

/// Compares two rulesets in one family, each on its node.
pub fn compare(old: &Walker<'_>, new: &Walker<'_>, family: Family) -> Comparison {
    let (classes, differences) = compare_and_fold(old, new, family, &|differences| differences);
    Comparison { classes, differences }
}

/// Compares two rulesets in one family, each on its node, and folds the differences of each destination at once: there
/// can be more of them than memory holds. Returns how many classes of packets could be followed on both sides, and what
/// the folds made.
pub(super) fn compare_and_fold<T: Send + Sync>(
    old: &Walker<'_>,
    new: &Walker<'_>,
    family: Family,
    fold: &Fold<'_, T>,
) -> (u64, Vec<T>) {
    let inquiries = both(|| Inquiry::new(old, family), || Inquiry::new(new, family));
    let hosts = (old.host().with_merged_networks(), new.host().with_merged_networks());
    let mut classes = Classes {
        family,
        hosts: (&hosts.0, &hosts.1),
        same_host: old.host().is_like(new.host()),
        walkers: (old, new),
        inquiries: (&inquiries.0, &inquiries.1),
        special: BTreeSet::new(),
        cuts: BTreeSet::new(),
        counts: HashMap::new(),
        compared: 0,
        fold,
        found: Vec::new(),
    };
    classes.special = classes.special_addresses();
    classes.cuts = classes.cuts();
    classes.destinations();
    (classes.compared, classes.found)
}

/// What is made of the classes of one destination that fare differently.
pub(super) type Fold<'f, T> = dyn Fn(Vec<Difference>) -> Vec<T> + Sync + 'f;

struct Classes<'a, 'o, 'n, T> {
    family: Family,
    hosts: (&'a Host, &'a Host),
    same_host: bool,
    walkers: (&'a Walker<'o>, &'a Walker<'n>),
    inquiries: (&'a Inquiry<'a, 'o>, &'a Inquiry<'a, 'n>),
    /// Addresses whose kind no range tells.
    special: BTreeSet<u128>,
    /// Where addresses of another kind begin.
    cuts: BTreeSet<u128>,
    /// Classes of sources by the ranges that are asked.
    counts: HashMap<Vec<Range>, Count>,
    compared: u64,
    fold: &'a Fold<'a, T>,
    found: Vec<T>,
}

/// How many classes of sources some ranges make.
#[derive(Debug, Clone, Copy)]
struct Count {
    classes: u64,
    /// The fewest addresses that make a class: single ones that are asked could use it up.
    fewest: u128,
}

/// What the nodes of both sides tell of an address; values of one value class agree in it.
/// Loopback addresses are apart from the nodes' others: the kernel does not let them out.
type AddressKind = (ClientKind, ClientKind, bool);

/// Chains that packets to any address like one meet, on both sides, and the ports that they ask.
struct Like {
    chains: (Chains, Chains),
    ports: Vec<PortRange>,
}

impl<T: Send + Sync> Classes<'_, '_, '_, T> {
    fn address_kind(&self, value: u128) -> AddressKind {
        let ip = address(self.family, value);
        (self.hosts.0.client_kind(ip), self.hosts.1.client_kind(ip), ip.is_loopback())
    }

    fn destinations(&mut self) {
        let (old, new) = (self.inquiries.0.destinations(), self.inquiries.1.destinations());
        let mut questions = Questions { cuts: self.cuts.clone(), ..Questions::default() };
        questions.singles.extend(self.own_addresses());
        for side in [old, new] {
            questions.singles.extend(side.addresses.keys().map(|ip| number(*ip)));
            side.ranges.iter().for_each(|range| questions.add(range_of(range)));
        }
        let preferred = elsewhere(self.family).map(number);
        let value_classes =
            questions.value_classes(whole(self.family), &self.special, |n| self.address_kind(n), &preferred);
        let (single, others): (Vec<_>, Vec<_>) = value_classes.into_iter().partition(is_single);
        let mut like: BTreeMap<(Vec<bool>, AddressKind), Like> = BTreeMap::new();
        for value_class in &others {
            let (ports, chains) = self.open_ports(value_class.representative, None);
            self.ports(value_class, &ports);
            like.insert(
                (questions.signature(value_class.representative), value_class.kind),
                Like { chains, ports },
            );
        }
        let asked = (old, new);
        let this = &*self;
        let share = single.len().div_ceil(parallel::threads()).max(1);
        let shares: Vec<&[ValueClass<AddressKind>]> = single.chunks(share).collect();
        let found: Vec<(u64, Vec<T>)> = parallel::each(&shares, |value_classes| {
            let mut worker = this.worker();
            value_classes.iter().for_each(|value_class| worker.single(value_class, asked, &questions, &like));
            (worker.compared, worker.found)
        });
        for (compared, mut part) in found {
            self.compared += compared;
            self.found.append(&mut part);
        }
    }

    /// The same with nothing found yet.
    fn worker(&self) -> Self {
        Classes {
            special: self.special.clone(),
            cuts: self.cuts.clone(),
            counts: HashMap::new(),
            compared: 0,
            found: Vec::new(),
            ..*self
        }
    }

    /// All packets to one address.
    fn single(
        &mut self,
        value_class: &ValueClass<AddressKind>,
        (old, new): (&Destinations, &Destinations),
        questions: &Questions,
        like: &BTreeMap<(Vec<bool>, AddressKind), Like>,
    ) {
        let ip = address(self.family, value_class.representative);
        let own = self.hosts.0.is_local(ip) || self.hosts.1.is_local(ip);
        let like =
            like.get(&(questions.signature(value_class.representative), value_class.kind)).filter(|_| !own);
        let (mut ports, _) = self.open_ports(value_class.representative, like);
        ports.extend([old, new].into_iter().filter_map(|side| side.addresses.get(&ip)).flatten());
        ports.extend(like.iter().flat_map(|like| &like.ports));
        self.ports(value_class, &ports);
    }

    /// The ports that rules ask of packets to an address, and the chains that these meet.
    fn open_ports(&self, value: u128, like: Option<&Like>) -> (Vec<PortRange>, (Chains, Chains)) {
        let open = Destination { address: address(self.family, value), transport: None };
        let (old, old_chains) = self.inquiries.0.ask(open, like.map(|like| &like.chains.0));
        let (new, new_chains) = self.inquiries.1.ask(open, like.map(|like| &like.chains.1));
        ([old.ports, new.ports].concat(), (old_chains, new_chains))
    }

    /// Where addresses begin that are of another kind than those before.
    fn cuts(&self) -> BTreeSet<u128> {
        let of_family = |net: &&Cidr| net.family() == self.family;
        let mut begins = BTreeSet::from([0]);
        let loopback = match self.family {
            Family::Ipv4 => Cidr::IPV4_LOOPBACK,
            Family::Ipv6 => Cidr::host(self.family.loopback()),
        };
        let networks = [self.hosts.0, self.hosts.1].into_iter();
        let networks = networks.flat_map(|host| host.pod_networks.iter().chain(&host.cluster_networks));
        for net in networks.filter(of_family).chain([&loopback]) {
            begins.insert(number(net.network()));
            begins.extend(number(net.last()).checked_add(1).filter(|next| *next <= whole(self.family).1));
        }
        let mut last = None;
        begins.retain(|begin| {
            let address_kind = self.nature_of_networks(*begin);
            last.replace(address_kind) != Some(address_kind)
        });
        begins
    }

    /// The kind of the addresses from this one on that are not special.
    fn nature_of_networks(&self, from: u128) -> AddressKind {
        let ordinary = (from..=whole(self.family).1).find(|value| !self.special.contains(value));
        self.address_kind(ordinary.unwrap_or(from))
    }

    fn of_family<'i>(&self, addresses: impl Iterator<Item = &'i IpAddr>) -> BTreeSet<u128> {
        addresses.filter(|ip| Family::of(**ip) == self.family).map(|ip| number(*ip)).collect()
    }

    /// Addresses on the nodes' interfaces, loopback among them.
    fn own_addresses(&self) -> BTreeSet<u128> {
        let hosts = [self.hosts.0, self.hosts.1].into_iter();
        let mut own = self.of_family(hosts.flat_map(|host| &host.addresses));
        own.insert(number(self.family.loopback()));
        own
    }

    /// Addresses whose kind no range tells.
    fn special_addresses(&self) -> BTreeSet<u128> {
        let hosts = [self.hosts.0, self.hosts.1].into_iter();
        let mut special = self.of_family(
            hosts.flat_map(|host| host.addresses.iter().chain(&host.local_pods).chain(&host.remote_pods)),
        );
        special.insert(number(self.family.loopback()));
        special
    }

    /// All protocols and ports of one destination.
    fn ports(&mut self, value_class: &ValueClass<AddressKind>, asked: &[PortRange]) {
        let addresses = self.intervals(value_class);
        for protocol in Protocol::ALL {
            let mut questions = Questions::default();
            for range in asked.iter().filter(|range| range.protocol.is_none_or(|p| p == protocol)) {
                questions.add((u128::from(range.first), u128::from(range.last)));
            }
            for port in questions.value_classes((1, 0xffff), &BTreeSet::new(), |_| (), &ORDINARY_PORTS) {
                let number = u16::try_from(port.representative).unwrap_or(u16::MAX);
                let representative =
                    SocketAddr::new(address(self.family, value_class.representative), number);
                let to = To {
                    addresses: addresses.clone(),
                    ports: ports_of(&port),
                    address: is_single(value_class).then(|| representative.ip()),
                    protocol,
                    port: is_single(&port).then_some(number),
                    own: value_class.kind.1 == ClientKind::Node,
                    representative,
                };
                self.sources(&to);
            }
        }
    }

    /// All sources of packets to one destination.
    fn sources(&mut self, to: &To) {
        let destination = Destination {
            address: to.representative.ip(),
            transport: Some((to.protocol, to.representative.port())),
        };
        let (old, _) = self.inquiries.0.ask(destination, None);
        let (new, _) = self.inquiries.1.ask(destination, None);
        let mut asked: Vec<Range> = old.sources.iter().chain(&new.sources).map(range_of).collect();
        asked.sort_unstable();
        asked.dedup();
        // No walk gets past a chain or set that is not there.
        let can_be_followed = !old.reached.contains(&Reached::Missing);
        if self.same_host && can_be_followed && old.reached == new.reached {
            self.compared += self.count(asked, to);
            return;
        }
        let value_classes = self.source_atoms(&asked, to);
        let differences: Vec<Difference> =
            value_classes.iter().filter_map(|value_class| self.walk(to, value_class)).collect();
        let unknown =
            differences.iter().filter(|difference| difference.contrast == Contrast::Unknown).count();
        self.compared += (value_classes.len() - unknown) as u64;
        if !differences.is_empty() {
            self.found.extend((self.fold)(differences));
        }
    }

    /// How many classes of sources there are. Each single address that is asked for is one; how many the ranges make
    /// is the same for many destinations.
    fn count(&mut self, asked: Vec<Range>, to: &To) -> u64 {
        let (single, ranges): (Vec<Range>, Vec<Range>) =
            asked.iter().partition(|(first, last)| first == last);
        let known = match self.counts.get(&ranges) {
            Some(known) => *known,
            None => {
                let value_classes = self.source_atoms(&ranges, to);
                let size = |value_class: &ValueClass<AddressKind>| {
                    value_class.ranges.iter().map(|(f, l)| (l - f).saturating_add(1)).sum()
                };
                let own = |value_class: &&ValueClass<AddressKind>| {
                    value_class.kind.0 != ClientKind::Node && value_class.kind.1 != ClientKind::Node
                };
                let fewest = value_classes.iter().filter(own).map(size).min().unwrap_or_default();
                let count = Count { classes: value_classes.len() as u64, fewest };
                self.counts.insert(ranges, count);
                count
            }
        };
        let is_own = |(address, _): &Range| self.nature_is_own(*address);
        if single.len() as u128 >= known.fewest || single.iter().any(is_own) {
            return self.source_atoms(&asked, to).len() as u64;
        }
        known.classes + single.len() as u64
    }

    fn nature_is_own(&self, value: u128) -> bool {
        let (old, new, _) = self.address_kind(value);
        old == ClientKind::Node || new == ClientKind::Node
    }

    fn source_atoms(&self, asked: &[Range], to: &To) -> Vec<ValueClass<AddressKind>> {
        let mut questions = Questions { cuts: self.cuts.clone(), ..Questions::default() };
        asked.iter().for_each(|range| questions.add(*range));
        let own = self.hosts.0.source_to(to.representative);
        let preferred: Vec<u128> =
            [own, self.family.loopback()].into_iter().chain(elsewhere(self.family)).map(number).collect();
        questions.value_classes(whole(self.family), &self.special, |n| self.address_kind(n), &preferred)
    }

    fn intervals(&self, value_class: &ValueClass<AddressKind>) -> Arc<[Interval]> {
        let address = |number: u128| address(self.family, number);
        let interval = |(first, last): &Range| Interval { first: address(*first), last: address(*last) };
        value_class.ranges.iter().map(interval).collect()
    }

    /// In what a class fares differently, if in anything.
    fn walk(&self, to: &To, value_class: &ValueClass<AddressKind>) -> Option<Difference> {
        let source = address(self.family, value_class.representative);
        let packet = |client| Packet::plain(to.protocol, source, to.representative, client);
        let old = OutcomeSet::of(self.walkers.0, &packet(value_class.kind.0));
        let new = OutcomeSet::of(self.walkers.1, &packet(value_class.kind.1));
        let contrast = old.contrast(&new)?;
        let from = From {
            client: value_class.kind.1,
            address: is_single(value_class).then_some(source),
            addresses: self.intervals(value_class),
        };
        let packet = packet(value_class.kind.1);
        Some(Difference { packet, to: to.clone(), from, old, new, contrast })
    }
}

fn ports_of(value_class: &ValueClass<()>) -> Arc<[(u16, u16)]> {
    let port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
    value_class.ranges.iter().map(|(first, last)| (port(*first), port(*last))).collect()
}

/// Ports that no Service is likely to have, for "any other port".
const ORDINARY_PORTS: [u128; 3] = [9, 65_000, 64_999];

fn is_single<K>(value_class: &ValueClass<K>) -> bool {
    matches!(value_class.ranges.as_slice(), [(first, last)] if first == last)
}

fn range_of(interval: &Interval) -> (u128, u128) {
    (number(interval.first), number(interval.last))
}

/// Addresses for documentation (RFC 5737, RFC 3849): of clients and servers elsewhere.
fn elsewhere(family: Family) -> [IpAddr; 2] {
    match family {
        Family::Ipv4 => [IpAddr::from([198, 51, 100, 7]), IpAddr::from([192, 0, 2, 7])],
        Family::Ipv6 => {
            ["2001:db8:7::7", "2001:db8:9::7"].map(|text| text.parse().unwrap_or(family.loopback()))
        }
    }
}
