//! Which addresses and ports rules tell from others.

mod nftables;

use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::program::Program;
use crate::iptables::foreign::{Connection, ForeignMatch, Means, TestKind};
use crate::iptables::ruleset::{End, Match, Rule, Target};
use crate::net::{Cidr, Family};
use crate::node::{Host, Part};

/// Which sources and destinations rules tell from others; usually the rules that routed packets meet.
#[derive(Default)]
pub(super) struct ToldApart {
    sources: Named,
    destinations: Named,
    /// Where ranges of destination ports begin, and the ports after their ends; sorted.
    ports: Vec<u32>,
    /// Sources and destinations that rules match on together.
    pairs: HashSet<(IpAddr, IpAddr)>,
    /// Whether some rule makes new addresses out of those of packets (NETMAP), or asks for something other than ranges:
    /// where an address lies then says nothing about the new one.
    pub(super) makes_new: bool,
}

/// Where an address lies among those that rules name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// It is named by itself, or is of a kind of its own.
    Itself(IpAddr),
    /// After this many ends of ranges, of one family, and a member of some sets, which have one number together.
    Between(bool, usize, u32),
}

#[derive(Default)]
struct Named {
    single: HashSet<IpAddr>,
    /// Members of sets that rules use as a whole: two members of the same sets are alike.
    members: HashMap<IpAddr, Vec<usize>>,
    /// A number for the sets that an address is a member of.
    memberships: HashMap<IpAddr, u32>,
    /// Where ranges begin, and the addresses after their ends; sorted.
    ends: Vec<u128>,
}

impl ToldApart {
    /// As seen by the rules that packets can meet once they are routed, and by every set.
    pub(super) fn new(program: &Program<'_>, family: Family, host: &Host) -> ToldApart {
        let mut apart = ToldApart::default();
        if let Some(iptables) = program.iptables_part() {
            iptables.rules_from_routing_on().for_each(|rule| apart.learn(rule));
        }
        if let Some(nftables) = program.nftables_part() {
            nftables.each_rule_from_routing_on(family, |rule, elements| apart.learn_nftables(rule, elements));
        }
        apart.completed(host)
    }

    /// As seen by the rules of other programs, and by every set.
    pub(super) fn by_others(program: &Program<'_>, host: &Host) -> ToldApart {
        let mut apart = ToldApart::default();
        if let Some(iptables) = program.iptables_part() {
            iptables.rules_of_others().for_each(|rule| apart.learn(rule));
        }
        if let Some(nftables) = program.nftables_part() {
            nftables.each_rule_of_others(|rule, elements| apart.learn_nftables(rule, elements));
        }
        apart.completed(host)
    }

    fn completed(mut self, host: &Host) -> ToldApart {
        self.name_pairs(host);
        for (_, set) in host.sets.iter().flat_map(|sets| sets.iter()) {
            for (_, part) in set.parts() {
                match part {
                    Part::Network(net) => self.learn_both(*net),
                    Part::Port { port, .. } => self.add_ports(*port, *port),
                    _ => {}
                }
            }
        }
        self.ports.sort_unstable();
        self.ports.dedup();
        for named in [&mut self.sources, &mut self.destinations] {
            named.ends.sort_unstable();
            named.ends.dedup();
            named.count_memberships();
        }
        self
    }

    /// If packets can get the source of a pair on their way, they get it after the pair is looked at: the ends of such
    /// a pair are told from others separately.
    fn name_pairs(&mut self, host: &Host) {
        let pairs = std::mem::take(&mut self.pairs);
        let ends: HashSet<u128> = self.sources.ends.iter().copied().collect();
        let is_plain = |source: IpAddr| {
            let is_named = self.sources.single.contains(&source) || ends.contains(&number(source));
            !(is_named || host.is_local(source))
        };
        let (kept, named): (HashSet<_>, HashSet<_>) =
            pairs.into_iter().partition(|(source, _)| is_plain(*source));
        self.pairs = kept;
        #[allow(clippy::iter_over_hash_type, reason = "sets are made of it")]
        for (source, destination) in named {
            self.sources.add(source, source);
            self.destinations.add(destination, destination);
        }
    }

    /// Source and destination, if rules match on them together.
    pub(super) fn pair(&self, source: IpAddr, destination: IpAddr) -> Option<(IpAddr, IpAddr)> {
        Some((source, destination)).filter(|pair| self.pairs.contains(pair))
    }

    /// Whether it is enough to know where each address lies by itself.
    pub(super) fn is_of_single_ends(&self) -> bool {
        !self.makes_new && self.pairs.is_empty()
    }

    fn learn(&mut self, rule: &Rule) {
        rule.source.iter().for_each(|asked| self.sources.add_net(asked.net));
        rule.destination.iter().for_each(|asked| self.destinations.add_net(asked.net));
        for asked in &rule.matches {
            match asked {
                Match::Foreign(foreign) => self.learn_match(foreign),
                Match::Transport { destination_port: Some(port), .. } => {
                    self.add_ports(port.get(), port.get());
                }
                _ => {}
            }
        }
        if let Some(Target::Foreign(target)) = &rule.target {
            match target.means() {
                Means::Source(to) => {
                    let (first, last) = to.addresses.into_iter().next().unzip();
                    first.zip(last).into_iter().for_each(|(first, last)| self.sources.add(first, last));
                }
                Means::Netmap(_) => self.makes_new = true,
                _ => {}
            }
        }
    }

    fn learn_match(&mut self, foreign: &ForeignMatch) {
        for test in foreign.tests() {
            match &test.kind {
                TestKind::AddressRange { end: End::Source, first, last } => self.sources.add(*first, *last),
                TestKind::AddressRange { end: End::Destination, first, last } => {
                    self.destinations.add(*first, *last);
                }
                TestKind::Connection(Connection::Address(_, _, net)) => self.learn_both(*net),
                TestKind::Connection(Connection::Port(_, _, first, last)) => self.add_ports(*first, *last),
                TestKind::Ports { ranges, .. } => {
                    ranges.iter().for_each(|(first, last)| self.add_ports(*first, *last));
                }
                _ => {}
            }
        }
    }

    fn add_ports(&mut self, first: u16, last: u16) {
        self.ports.extend([u32::from(first), u32::from(last) + 1]);
    }

    fn learn_both(&mut self, net: Cidr) {
        self.sources.add_net(net);
        self.destinations.add_net(net);
    }

    pub(super) fn source(&self, ip: IpAddr, host: &Host) -> Place {
        self.sources.place(ip, host)
    }

    /// After how many ends of ranges a destination port lies.
    pub(super) fn port(&self, port: u16) -> usize {
        self.ports.partition_point(|end| *end <= u32::from(port))
    }

    pub(super) fn destination(&self, ip: IpAddr, host: &Host) -> Place {
        self.destinations.place(ip, host)
    }
}

impl Named {
    fn add_net(&mut self, net: Cidr) {
        self.add(net.network(), net.last());
    }

    fn add(&mut self, first: IpAddr, last: IpAddr) {
        if first == last {
            self.single.insert(first);
        } else {
            self.ends.extend([Some(number(first)), number(last).checked_add(1)].into_iter().flatten());
        }
    }

    fn place(&self, ip: IpAddr, host: &Host) -> Place {
        if self.single.contains(&ip) || host.is_local(ip) || is_of_its_own(ip, host) {
            return Place::Itself(ip);
        }
        let number = number(ip);
        let memberships = self.memberships.get(&ip).copied().unwrap_or_default();
        Place::Between(ip.is_ipv4(), self.ends.partition_point(|end| *end <= number), memberships)
    }

    /// Adds a member of a set whose elements have no other parts; `set` is a number for the set.
    fn add_member(&mut self, set: usize, net: Cidr) {
        match net.is_host() {
            true => self.members.entry(net.network()).or_default().push(set),
            false => self.add_net(net),
        }
    }

    fn count_memberships(&mut self) {
        let mut numbers: HashMap<Vec<usize>, u32> = HashMap::new();
        #[allow(clippy::iter_over_hash_type, reason = "which number stands for which sets is told to nobody")]
        for (ip, mut sets) in std::mem::take(&mut self.members) {
            sets.sort_unstable();
            sets.dedup();
            let next = u32::try_from(numbers.len() + 1).unwrap_or(u32::MAX);
            self.memberships.insert(ip, *numbers.entry(sets).or_insert(next));
        }
    }
}

/// Whether the kernel, or a rule, treats an address as another kind than most.
pub(super) fn is_of_its_own(ip: IpAddr, host: &Host) -> bool {
    let by_bits = match ip {
        IpAddr::V4(v4) => {
            let [first, .., last] = v4.octets();
            first == 0 || last == 0 || last == 255 || v4.is_link_local()
        }
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80),
    };
    by_bits || ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() || host.network.is_broadcast(ip)
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
