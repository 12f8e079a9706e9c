//! Which addresses and ports the rules of iptables tell from others.

use std::collections::HashSet;
use std::net::IpAddr;

use super::iptables::Program;
use crate::iptables::foreign::{Connection, ForeignMatch, Means, TestKind};
use crate::iptables::ruleset::{End, Match, Rule, Target};
use crate::net::Cidr;
use crate::node::{Host, Part};

/// What rules tell from others of sources and destinations; as a rule those rules that routed packets meet.
#[derive(Default)]
pub(super) struct ToldApart {
    sources: Named,
    destinations: Named,
    /// Where ranges of destination ports begin, and what follows their ends; ascending.
    ports: Vec<u32>,
    /// Some rule makes new addresses out of those of packets (NETMAP): where those lie tells nothing of the new ones.
    pub(super) makes_new: bool,
}

/// Where an address lies among those that rules name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// It is named itself, or is of a kind of its own.
    Itself(IpAddr),
    /// Behind so many ends of ranges, of one family.
    Between(bool, usize),
}

#[derive(Default)]
struct Named {
    single: HashSet<IpAddr>,
    /// Where ranges begin, and what follows their ends; ascending.
    ends: Vec<u128>,
}

impl ToldApart {
    pub(super) fn new(program: &Program<'_>, host: &Host) -> ToldApart {
        ToldApart::by(program.rules_from_routing_on(), host)
    }

    /// By some rules, and by every set.
    pub(super) fn by<'r>(rules: impl Iterator<Item = &'r Rule>, host: &Host) -> ToldApart {
        let mut apart = ToldApart::default();
        rules.for_each(|rule| apart.learn(rule));
        for (_, set) in host.sets.iter().flat_map(|sets| sets.iter()) {
            for (_, part) in set.parts() {
                match part {
                    Part::Network(net) => apart.learn_both(*net),
                    Part::Port { port, .. } => apart.add_ports(*port, *port),
                    _ => {}
                }
            }
        }
        apart.ports.sort_unstable();
        apart.ports.dedup();
        for named in [&mut apart.sources, &mut apart.destinations] {
            named.ends.sort_unstable();
            named.ends.dedup();
        }
        apart
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

    /// Behind how many ends of ranges a destination port lies.
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
        Place::Between(ip.is_ipv4(), self.ends.partition_point(|end| *end <= number))
    }
}

/// Whether the kernel, or a rule, takes an address for another kind than most are.
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
