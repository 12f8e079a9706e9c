//! The classes of packets, and their walks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::alike::Alike;
use super::ground::{AddressKind, EndGround, Ground};
use super::known::Known;
use super::scope::{Scope, is_single};
use super::search::{Examples, Search};
use super::shared::Sources;
use super::space::{
    ORDINARY_PORTS, Questions, Range, Special, ValueClass, address, elsewhere, number, ports_of, sorted,
    whole,
};
use super::{Comparison, Contrast, Difference, From, To};
use crate::net::{Family, Protocol};
use crate::nftables::ruleset::Interval;
use crate::parallel::{self, both};
use crate::walk::{
    Asked, Chains, ClientKind, Destination, Destinations, Inquiry, InterfaceDirection, Packet, PortRange,
    Reached, Walker,
};

/// Compares two rulesets in one family, each on its node.
pub fn compare(old: &Walker<'_>, new: &Walker<'_>, family: Family) -> Comparison {
    let ground = Ground::new(old.host(), new.host(), family);
    let (scope, alike) = (Scope::Everything, &Alike::default());
    compare_within((old, new), Bounds { ground: &ground, scope, alike, search: Search::All, known: None })
}

/// Compares a part of two rulesets.
pub(in crate::compare) fn compare_within(
    walkers: (&Walker<'_>, &Walker<'_>),
    bounds: Bounds<'_>,
) -> Comparison {
    let (work, differences) = compare_and_fold(walkers, bounds, &|differences| differences);
    Comparison { classes: work.compared, walked: work.walked, differences }
}

/// What to compare of two rulesets.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// The node on both sides.
    pub ground: &'a Ground<'a>,
    /// Which destinations are compared.
    pub scope: Scope<'a>,
    /// Which addresses are alike, so that one stands for the others.
    pub alike: &'a Alike,
    /// What is looked for.
    pub search: Search<'a>,
    /// Outcomes that are already known.
    pub known: Option<&'a Known<'a>>,
}

/// Compares two rulesets in one family, each on its node, and folds the differences of each destination at once, as
/// memory may not hold all of them. Returns how many classes of packets could be followed on both sides, and what the
/// folds returned.
pub(super) fn compare_and_fold<T: Send + Sync>(
    (old, new): (&Walker<'_>, &Walker<'_>),
    bounds: Bounds<'_>,
    fold: &Fold<'_, T>,
) -> (Work, Vec<T>) {
    let family = bounds.ground.family;
    let inquire = |walker| Inquiry::new(walker, family);
    let inquiries = match bounds.scope {
        Scope::Part { .. } => (Inquiry::new(old, family), inquire(new)),
        Scope::Everything | Scope::Rest(_) => both(|| Inquiry::new(old, family).beside(new), || inquire(new)),
    };
    let of_end = |direction| bounds.ground.of_end((old, new), direction);
    let (of_sources, of_destinations) = (of_end(InterfaceDirection::In), of_end(InterfaceDirection::Out));
    let mut classes = Classes {
        bounds,
        of_sources: of_sources.as_ref(),
        of_destinations: of_destinations.as_ref(),
        family,
        walkers: (old, new),
        inquiries: (&inquiries.0, &inquiries.1),
        counts: HashMap::new(),
        compared: 0,
        walked: 0,
        fold,
        found: Vec::new(),
    };
    classes.destinations();
    (Work { compared: classes.compared, walked: classes.walked }, classes.found)
}

/// What a comparison did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// How many classes could be followed on both sides.
    pub(super) compared: u64,
    /// For how many of them packets were followed all the way.
    pub(super) walked: u64,
}

/// What the classes of one destination whose outcomes differ are folded into.
pub(super) type Fold<'f, T> = dyn Fn(Vec<Difference>) -> Vec<T> + Sync + 'f;

struct Classes<'a, 'o, 'n, T> {
    bounds: Bounds<'a>,
    /// What distinguishes sources, if interfaces do so in addition to the ground.
    of_sources: Option<&'a EndGround<'a>>,
    /// The same for destinations.
    of_destinations: Option<&'a EndGround<'a>>,
    family: Family,
    walkers: (&'a Walker<'o>, &'a Walker<'n>),
    inquiries: (&'a Inquiry<'a, 'o>, &'a Inquiry<'a, 'n>),
    /// Classes of sources, by the ranges that rules match on.
    counts: HashMap<Vec<Range>, Count>,
    compared: u64,
    walked: u64,
    fold: &'a Fold<'a, T>,
    found: Vec<T>,
}

/// How many classes of sources some ranges make.
#[derive(Debug, Clone, Copy)]
struct Count {
    classes: u64,
    /// The size of the smallest class: single addresses that are asked for could use it up.
    fewest: u128,
}

/// Chains that packets to an address like one meet, on both sides, and the ports that these match on.
struct Like {
    chains: (Chains, Chains),
    ports: Vec<PortRange>,
}

/// By the ranges that addresses lie in, and their kind.
type Likes = BTreeMap<(Vec<bool>, AddressKind), Like>;

/// What classes that one stands for share: the number of the alike addresses, and the ranges that they are in.
type Shape = (u32, Vec<bool>);

/// A class with the addresses of those that it stands for.
type Represented<'v> = (&'v ValueClass<AddressKind>, Vec<IpAddr>);

impl<T: Send + Sync> Classes<'_, '_, '_, T> {
    fn destinations(&mut self) {
        let asked = (self.inquiries.0.destinations(), self.inquiries.1.destinations());
        let questions = self.questions(asked);
        let preferred = elsewhere(self.family).map(number);
        let value_classes = self.value_classes(self.of_destinations, &questions, &preferred);
        let scope = self.bounds.scope;
        let is_compared = |class: &&ValueClass<AddressKind>| scope.ports(class, self.family).is_some();
        let (single, others): (Vec<_>, Vec<_>) =
            value_classes.iter().filter(is_compared).partition(|class| is_single(class));
        let like = self.like(&others, &questions);
        let single = self.represented(single, &questions, None);
        let this = &*self;
        let of_others = || this.worked(|worker| worker.others(&others, &questions, &like));
        let of_some = |some: &[Represented<'_>]| {
            this.worked(|worker| some.iter().for_each(|class| worker.single(class, asked, &questions, &like)))
        };
        let found = match scope {
            // Parts are compared side by side.
            Scope::Part { .. } => vec![of_others(), of_some(&single)],
            Scope::Everything | Scope::Rest(_) => {
                let all = || parallel::by_stretch(&single, 1, |_, some| of_some(some));
                let (first, rest) = both(of_others, all);
                std::iter::once(first).chain(rest).collect()
            }
        };
        for (compared, walked, mut part) in found {
            self.compared += compared;
            self.walked += walked;
            self.found.append(&mut part);
        }
    }

    /// What rules ask about destinations.
    fn questions(&self, (old, new): (&Destinations, &Destinations)) -> Questions {
        let Bounds { ground, scope, .. } = self.bounds;
        let cuts = self.of_destinations.map_or(&ground.cuts, |of| &of.cuts);
        let mut questions = Questions { cuts: cuts.clone(), ..Questions::default() };
        questions.singles.extend(&ground.own);
        // Addresses of a part that no rule matches on are like all others.
        if let Scope::Rest(addresses) = scope {
            let of_family = addresses.iter().filter(|ip| Family::of(**ip) == self.family);
            questions.singles.extend(of_family.map(|ip| number(*ip)));
        }
        for side in [old, new] {
            questions.singles.extend(side.addresses.keys().map(|ip| number(*ip)));
            side.ranges.iter().for_each(|range| questions.add(range_of(range)));
        }
        if let Some(known) = self.bounds.known {
            let singles = [old, new].into_iter().flat_map(|side| side.addresses.keys());
            known.note_asked(
                singles.map(|ip| (number(*ip), number(*ip))).chain(questions.ranges.iter().copied()),
            );
        }
        questions
    }

    /// What rules ask about packets to addresses that no rule matches on by themselves.
    fn like(&self, others: &[&ValueClass<AddressKind>], questions: &Questions) -> Likes {
        let wanted = others.iter().filter(|class| self.is_wanted(class));
        let like = |class: &&ValueClass<AddressKind>| {
            let (ports, chains) = self.open_ports(class.representative, None);
            ((questions.signature(class.representative), class.kind), Like { chains, ports })
        };
        wanted.map(like).collect()
    }

    /// Packets to these addresses.
    fn others(&mut self, others: &[&ValueClass<AddressKind>], questions: &Questions, like: &Likes) {
        for class in others {
            let found = like.get(&(questions.signature(class.representative), class.kind));
            found.iter().for_each(|like| self.ports(class, &like.ports, &[]));
        }
    }

    /// One class for all that are alike and in the same ranges; `but` is the destination itself.
    fn represented<'v>(
        &self,
        classes: impl IntoIterator<Item = &'v ValueClass<AddressKind>>,
        questions: &Questions,
        but: Option<u128>,
    ) -> Vec<Represented<'v>> {
        let mut places: HashMap<Shape, usize> = HashMap::new();
        let mut found: Vec<Represented<'v>> = Vec::new();
        for class in classes {
            let value = class.representative;
            let number = self.bounds.alike.number(value).filter(|_| is_single(class) && Some(value) != but);
            let place = number
                .map(|number| *places.entry((number, questions.signature(value))).or_insert(found.len()));
            match place.and_then(|place| found.get_mut(place)) {
                Some((_, others)) => others.push(address(self.family, value)),
                None => found.push((class, Vec::new())),
            }
        }
        found
    }

    /// Whether packets to some port of these addresses are looked at.
    fn is_wanted(&self, value_class: &ValueClass<AddressKind>) -> bool {
        let ip = address(self.family, value_class.representative);
        let is_own = value_class.kind.clients.1 == ClientKind::Node;
        self.bounds.search.wants_address(ip, is_single(value_class), is_own)
    }

    /// Does some work, and returns only what that found.
    fn worked(&self, work: impl FnOnce(&mut Self)) -> (u64, u64, Vec<T>) {
        let mut worker =
            Classes { counts: HashMap::new(), compared: 0, walked: 0, found: Vec::new(), ..*self };
        work(&mut worker);
        (worker.compared, worker.walked, worker.found)
    }

    /// All packets to one address.
    fn single(
        &mut self,
        (value_class, alike): &Represented<'_>,
        (old, new): (&Destinations, &Destinations),
        questions: &Questions,
        like: &Likes,
    ) {
        if !self.is_wanted(value_class) {
            return;
        }
        let ip = address(self.family, value_class.representative);
        let like = like
            .get(&(questions.signature(value_class.representative), value_class.kind))
            .filter(|_| !self.bounds.ground.is_own(ip));
        let (mut ports, _) = self.open_ports(value_class.representative, like);
        ports.extend([old, new].into_iter().filter_map(|side| side.addresses.get(&ip)).flatten());
        ports.extend(like.iter().flat_map(|like| &like.ports));
        self.ports(value_class, &ports, alike);
    }

    /// The ports that rules match on in packets to an address, and the chains that these meet.
    fn open_ports(&self, value: u128, like: Option<&Like>) -> (Vec<PortRange>, (Chains, Chains)) {
        let open = Destination { address: address(self.family, value), transport: None };
        let (old, old_chains) = self.inquiries.0.ask(open, like.map(|like| &like.chains.0));
        let (new, new_chains) = self.inquiries.1.ask(open, like.map(|like| &like.chains.1));
        ([old.ports, new.ports].concat(), (old_chains, new_chains))
    }

    /// All protocols and ports of one destination, and of those that it stands for.
    fn ports(&mut self, value_class: &ValueClass<AddressKind>, asked: &[PortRange], alike: &[IpAddr]) {
        let Some(only) = self.bounds.scope.ports(value_class, self.family).map(|only| only.cloned()) else {
            return;
        };
        let addresses = self.intervals(self.of_destinations, value_class);
        let no_kinds = Special::new(&BTreeSet::new(), |_| ());
        for protocol in Protocol::ALL {
            let mut questions = Questions::default();
            for range in asked.iter().filter(|range| range.protocol.is_none_or(|p| p == protocol)) {
                questions.add((u128::from(range.first), u128::from(range.last)));
            }
            for port in questions.value_classes((1, 0xffff), &no_kinds, |_| (), &ORDINARY_PORTS) {
                let number = u16::try_from(port.representative).unwrap_or(u16::MAX);
                if only.as_ref().is_some_and(|only| !is_single(&port) || !only.contains(&number)) {
                    continue;
                }
                let representative =
                    SocketAddr::new(address(self.family, value_class.representative), number);
                let to = To {
                    addresses: addresses.clone(),
                    ports: ports_of(&port),
                    address: is_single(value_class).then(|| representative.ip()),
                    alike: alike.into(),
                    protocol,
                    port: is_single(&port).then_some(number),
                    own: value_class.kind.clients.1 == ClientKind::Node,
                    representative,
                };
                if self.bounds.search.wants(&to) {
                    self.sources(&to);
                }
            }
        }
    }

    /// Known outcomes can only be used if they take into account what rules ask.
    fn note_asked(&self, asked: &[Range]) {
        self.bounds.known.iter().for_each(|known| known.note_asked(asked.iter().copied()));
    }

    /// All sources of packets to one destination.
    fn sources(&mut self, to: &To) {
        let destination = Destination {
            address: to.representative.ip(),
            transport: Some((to.protocol, to.representative.port())),
        };
        let (old, _) = self.inquiries.0.ask(destination, None);
        if self.bounds.ground.same_host && !old.reaches_differing {
            let asked = sorted(old.sources.iter().map(range_of).collect());
            self.note_asked(&asked);
            self.compared += self.count(asked, to) * (1 + to.alike.len() as u64);
            return;
        }
        let (new, _) = self.inquiries.1.ask(destination, None);
        let asked = sorted(old.sources.iter().chain(&new.sources).map(range_of).collect());
        self.note_asked(&asked);
        let stands_for = 1 + to.alike.len() as u64;
        // No walk gets past a missing chain or set.
        let can_be_followed = !old.reached.contains(&Reached::Missing);
        if self.bounds.ground.same_host && can_be_followed && old.reached == new.reached {
            self.compared += self.count(asked, to) * stands_for;
            return;
        }
        let (questions, value_classes) = self.source_atoms(&asked, to);
        let but = Some(number(to.representative.ip()));
        let represented = self.represented(&value_classes, &questions, but);
        let early =
            |asked: &Asked<'_>| asked.sources.iter().take(asked.before_routing).map(range_of).collect();
        let early: [Vec<Range>; 2] = [early(&old), early(&new)];
        let examples = self.bounds.search.examples();
        let moved = examples.and_then(|examples| examples.moved);
        let mut sources = Sources::new(self.walkers, (moved, self.bounds.known), early.concat());
        let differences = match examples {
            None => {
                let difference =
                    |(class, alike): &Represented<'_>| self.difference(to, class, alike, &mut sources);
                represented.iter().filter_map(difference).collect()
            }
            Some(examples) => self.examples(to, &represented, examples, &mut sources),
        };
        self.walked += sources.walked;
        let is_unknown = |difference: &&Difference| difference.contrast == Contrast::Unknown;
        let unknown: u64 = differences.iter().filter(is_unknown).map(Difference::classes).sum();
        self.compared += value_classes.len() as u64 * stands_for - unknown;
        if !differences.is_empty() {
            self.found.extend((self.fold)(differences));
        }
    }

    /// Differences that are looked for, and what cannot be compared. Of the addresses that rules name by themselves,
    /// one that differs stands for later ones of its kind.
    fn examples(
        &self,
        to: &To,
        represented: &[Represented<'_>],
        examples: &Examples<'_>,
        sources: &mut Sources<'_, '_, '_>,
    ) -> Vec<Difference> {
        let mut found: Vec<Difference> = Vec::new();
        let mut first: BTreeMap<(AddressKind, bool), usize> = BTreeMap::new();
        for (class, alike) in represented {
            let is_of_many = is_single(class) && !self.nature_is_own(class.representative);
            let group = (class.kind.whatever_the_interfaces(), sources.is_asked_alone(class.representative));
            let known = first.get(&group).filter(|_| is_of_many).and_then(|at| found.get_mut(*at));
            if let Some(like) = known {
                like.from.not_followed += 1;
                continue;
            }
            let Some(difference) = self.difference(to, class, alike, sources) else { continue };
            let is_unknown = difference.contrast == Contrast::Unknown;
            if is_unknown || (examples.is_meant)(&difference) {
                if is_of_many && !is_unknown {
                    first.insert(group, found.len());
                }
                found.push(difference);
            }
        }
        found
    }

    /// How many classes of sources there are. Each single address that is asked for is one; how many the ranges make is
    /// the same for many destinations.
    fn count(&mut self, asked: Vec<Range>, to: &To) -> u64 {
        let (single, ranges): (Vec<Range>, Vec<Range>) =
            asked.iter().partition(|(first, last)| first == last);
        let known = match self.counts.get(&ranges) {
            Some(known) => *known,
            None => {
                let (_, value_classes) = self.source_atoms(&ranges, to);
                let size = |value_class: &ValueClass<AddressKind>| value_class.size;
                let own = |value_class: &&ValueClass<AddressKind>| {
                    value_class.kind.clients.0 != ClientKind::Node
                        && value_class.kind.clients.1 != ClientKind::Node
                };
                let fewest = value_classes.iter().filter(own).map(size).min().unwrap_or_default();
                let count = Count { classes: value_classes.len() as u64, fewest };
                self.counts.insert(ranges, count);
                count
            }
        };
        let is_own = |(address, _): &Range| self.nature_is_own(*address);
        if single.len() as u128 >= known.fewest || single.iter().any(is_own) {
            return self.source_atoms(&asked, to).1.len() as u64;
        }
        known.classes + single.len() as u64
    }

    fn nature_is_own(&self, value: u128) -> bool {
        let (old, new) = self.bounds.ground.kind(value).clients;
        old == ClientKind::Node || new == ClientKind::Node
    }

    fn source_atoms(&self, asked: &[Range], to: &To) -> (Questions, Vec<ValueClass<AddressKind>>) {
        let ground = self.bounds.ground;
        let cuts = self.of_sources.map_or(&ground.cuts, |sources| &sources.cuts);
        let mut questions = Questions { cuts: cuts.clone(), ..Questions::default() };
        asked.iter().for_each(|range| questions.add(*range));
        let own = ground.hosts.0.source_to(to.representative);
        let preferred: Vec<u128> =
            [own, self.family.loopback()].into_iter().chain(elsewhere(self.family)).map(number).collect();
        let classes = self.value_classes(self.of_sources, &questions, &preferred);
        (questions, classes)
    }

    /// The classes of one end of packets.
    fn value_classes(
        &self,
        end: Option<&EndGround<'_>>,
        questions: &Questions,
        preferred: &[u128],
    ) -> Vec<ValueClass<AddressKind>> {
        let (all, ground) = (whole(self.family), self.bounds.ground);
        match end {
            None => questions.value_classes(all, &ground.special, |value| ground.kind(value), preferred),
            Some(of) => questions.value_classes(all, &of.special, |value| (of.kind)(value), preferred),
        }
    }

    fn intervals(
        &self,
        end: Option<&EndGround<'_>>,
        value_class: &ValueClass<AddressKind>,
    ) -> Arc<[Interval]> {
        let address = |number: u128| address(self.family, number);
        let interval = |(first, last): Range| Interval { first: address(first), last: address(last) };
        let special = end.map_or(&self.bounds.ground.special, |end| &end.special);
        value_class.ranges.iter().flat_map(|range| special.left_of(*range)).map(interval).collect()
    }

    /// How the outcomes of a class differ, if they do.
    fn difference(
        &self,
        to: &To,
        value_class: &ValueClass<AddressKind>,
        alike: &[IpAddr],
        sources: &mut Sources<'_, '_, '_>,
    ) -> Option<Difference> {
        let source = address(self.family, value_class.representative);
        let packet = |client| Packet::plain(to.protocol, source, to.representative, client);
        let packets = (packet(value_class.kind.clients.0), packet(value_class.kind.clients.1));
        let (old, new, contrast) = sources.difference((&packets.0, &packets.1), value_class.kind)?;
        let from = From {
            client: value_class.kind.clients.1,
            address: is_single(value_class).then_some(source),
            alike: alike.into(),
            addresses: self.intervals(self.of_sources, value_class),
            not_followed: 0,
        };
        Some(Difference { packet: packets.1, to: to.clone(), from, old, new, contrast })
    }
}

fn range_of(interval: &Interval) -> (u128, u128) {
    (number(interval.first), number(interval.last))
}
