//! Sets of ipset, which `-m set` looks into.

mod query;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use compact_str::CompactString;

use crate::iptables::ruleset::End;
use crate::net::{Cidr, Family, Protocol};

pub use query::{AskedInterface, SetQuery};

/// The sets of a node, as `ipset save` lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpSets {
    sets: BTreeMap<CompactString, IpSet>,
    /// Whether members of any of them contain interfaces.
    name_interfaces: bool,
}

/// A set: its type and its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpSet {
    /// What a member consists of, in order: for `hash:ip,port`, an address and a port.
    dimensions: Vec<Dimension>,
    /// Only packets of this family can be in it; none if the members have no addresses.
    family: Option<Family>,
    /// Whether it can have exceptions (`nomatch`): sets with networks can.
    has_exceptions: bool,
    /// The bits of an address that count (`netmask`, `bitmask`).
    address_mask: Option<IpAddr>,
    /// The bits of a mark that count (`markmask`).
    mark_mask: u32,
    /// Members by their first part; if that is a network, the narrowest is looked at first.
    members: BTreeMap<Part, Vec<Member>>,
    /// Prefix lengths of the networks that members begin with.
    lengths: BTreeSet<u8>,
    /// Sets that a set of type `list:set` contains, in order.
    listed: Vec<CompactString>,
}

/// What a part of a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// An address or a network.
    Address,
    /// A port, with or without its protocol.
    Port,
    /// The firewall mark.
    Mark,
    /// The name of an interface.
    Interface,
    /// A hardware address.
    HardwareAddress,
    /// Another set.
    Set,
}

/// A part of a member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// An address or a network.
    Network(Cidr),
    /// A port of this protocol, or of any.
    Port {
        /// None: only the port counts, as in `bitmap:port`.
        protocol: Option<Protocol>,
        /// The number.
        port: u16,
    },
    /// A type and code of ICMP, or a port of a protocol that Services do not have.
    OfAnotherProtocol(CompactString),
    /// The firewall mark.
    Mark(u32),
    /// An interface, or all whose names begin like this.
    Interface {
        /// Its name.
        name: CompactString,
        /// Whether longer names are meant as well.
        is_prefix: bool,
        /// Whether this is a port of a bridge.
        of_bridge: bool,
    },
    /// A hardware address; none if `bitmap:ip,mac` has not learned it yet.
    HardwareAddress(Option<CompactString>),
}

/// A member of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    /// Its parts behind the first.
    rest: Vec<Part>,
    /// `nomatch`: an exception from a wider network in the same set.
    is_exception: bool,
}

/// Whether a packet is in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// A member tells so.
    In,
    /// A member with `nomatch` excludes it. `--return-nomatch` counts this as a match, and [`Membership::In`] as none.
    Exception,
    /// No member tells so.
    Out,
    /// It depends on something unknown.
    Unknown,
    /// No set with this name was captured.
    NoSuchSet,
}

impl IpSets {
    /// Adds a set; returns the set that had this name before.
    pub fn insert(&mut self, name: CompactString, set: IpSet) -> Option<IpSet> {
        self.name_interfaces |= set.dimensions.contains(&Dimension::Interface);
        self.sets.insert(name, set)
    }

    /// Whether a set can distinguish interfaces.
    pub fn name_interfaces(&self) -> bool {
        self.name_interfaces
    }

    /// The set of a name.
    pub fn get(&self, name: &str) -> Option<&IpSet> {
        self.sets.get(name)
    }

    /// The set with this name, to add members.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut IpSet> {
        self.sets.get_mut(name)
    }

    /// All sets by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &IpSet)> {
        self.sets.iter().map(|(name, set)| (name.as_str(), set))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Whether `-m set --match-set NAME END,END` finds a packet in a set. A rule with fewer ends than the members have
    /// parts, or one that sees packets of another family, matches nothing (net/netfilter/ipset/ip_set_core.c,
    /// `ip_set_test`).
    pub fn ask(&self, name: &str, ends: &[End], query: &SetQuery<'_>) -> Membership {
        let Some(set) = self.get(name) else { return Membership::NoSuchSet };
        if set.dimensions == [Dimension::Set] && !ends.is_empty() {
            return self.ask_listed(set, ends, query);
        }
        set.ask(ends, query)
    }

    /// Whether any of the sets in a list has it; lists do not contain lists.
    fn ask_listed(&self, list: &IpSet, ends: &[End], query: &SetQuery<'_>) -> Membership {
        let mut answer = Membership::Out;
        for name in &list.listed {
            match self.get(name).map_or(Membership::Unknown, |set| set.ask(ends, query)) {
                Membership::In => return Membership::In,
                Membership::Unknown | Membership::NoSuchSet => answer = Membership::Unknown,
                Membership::Exception | Membership::Out => {}
            }
        }
        answer
    }
}

impl IpSet {
    /// An empty set of a type such as `hash:ip,port`; none if the type is not known.
    pub fn new(kind: &str, family: Option<Family>) -> Option<IpSet> {
        let (_, words) = kind.split_once(':')?;
        let dimension = |word: &str| {
            Some(match word {
                "ip" | "net" => Dimension::Address,
                "port" => Dimension::Port,
                "mark" => Dimension::Mark,
                "iface" => Dimension::Interface,
                "mac" => Dimension::HardwareAddress,
                "set" => Dimension::Set,
                _ => return None,
            })
        };
        let dimensions: Vec<Dimension> = words.split(',').map(dimension).collect::<Option<_>>()?;
        let has_addresses = dimensions.contains(&Dimension::Address);
        Some(IpSet {
            dimensions,
            has_exceptions: kind.split([':', ',']).any(|word| word == "net"),
            family: has_addresses.then_some(family.unwrap_or(Family::Ipv4)),
            address_mask: None,
            mark_mask: u32::MAX,
            members: BTreeMap::new(),
            lengths: BTreeSet::new(),
            listed: Vec::new(),
        })
    }

    /// What its members consist of.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// Makes only some bits of an address count.
    pub fn mask_addresses(&mut self, mask: IpAddr) {
        self.address_mask = Some(mask);
    }

    /// Makes only some bits of a mark count.
    pub fn mask_marks(&mut self, mask: u32) {
        self.mark_mask = mask;
    }

    /// Adds a member; adding it twice changes nothing.
    pub fn add(&mut self, first: Part, rest: Vec<Part>, is_exception: bool) {
        if let Part::Network(net) = &first {
            self.lengths.insert(net.length());
        }
        let members = self.members.entry(first).or_default();
        let member = Member { rest, is_exception };
        if let Err(at) = members.binary_search(&member) {
            members.insert(at, member);
        }
    }

    /// Adds a set to a list of sets.
    pub fn add_set(&mut self, name: CompactString) {
        self.listed.push(name);
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.members.values().map(Vec::len).sum::<usize>() + self.listed.len()
    }

    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sets in it, if it is a list.
    pub fn listed(&self) -> &[CompactString] {
        &self.listed
    }

    /// The networks that members begin with.
    pub fn first_networks(&self) -> impl Iterator<Item = Cidr> {
        self.members.keys().filter_map(|part| match part {
            Part::Network(net) => Some(*net),
            _ => None,
        })
    }

    /// Every part of every member, with its index in the member.
    pub fn parts(&self) -> impl Iterator<Item = (usize, &Part)> {
        self.members.iter().flat_map(|(first, members)| {
            let rest = members.iter().flat_map(|member| member.rest.iter().enumerate());
            std::iter::once((0, first)).chain(rest.map(|(at, part)| (at + 1, part)))
        })
    }

    /// If a set can have exceptions, `--return-nomatch` reverses the answer (net/netfilter/ipset/ip_set_core.c,
    /// `ip_set_test`).
    fn ask(&self, ends: &[End], query: &SetQuery<'_>) -> Membership {
        match self.find(ends, query) {
            Membership::In if query.exceptions && self.has_exceptions => Membership::Exception,
            Membership::Exception if query.exceptions => Membership::In,
            found => found,
        }
    }

    fn find(&self, ends: &[End], query: &SetQuery<'_>) -> Membership {
        let is_of_family = self.family.is_none_or(|family| family == Family::of(query.source));
        if ends.len() < self.dimensions.len() || !is_of_family || self.dimensions.contains(&Dimension::Set) {
            return Membership::Out;
        }
        // A set that has only ports never matches SCTP (net/netfilter/ipset/ip_set_bitmap_port.c,
        // `ip_set_get_ip_port`).
        if self.dimensions == [Dimension::Port] && query.protocol == Protocol::Sctp {
            return Membership::Out;
        }
        let Some((first, others)) = ends.split_first() else { return Membership::Out };
        let mut answer = Membership::Out;
        for (matched, members) in self.candidates(*first, query) {
            for member in members {
                let rest = member.rest.iter().zip(others).map(|(part, end)| self.matches(part, *end, query));
                match rest.fold(matched, Matched::and) {
                    Matched::No => {}
                    Matched::Unknown => answer = Membership::Unknown,
                    Matched::Yes if answer == Membership::Unknown => return Membership::Unknown,
                    Matched::Yes if member.is_exception => return Membership::Exception,
                    Matched::Yes => return Membership::In,
                }
            }
        }
        answer
    }

    /// Members whose first part may match, the narrowest network first.
    fn candidates(&self, end: End, query: &SetQuery<'_>) -> Vec<(Matched, &[Member])> {
        match self.dimensions.first() {
            Some(Dimension::Address) => {
                let ip = self.masked(query.address(end));
                let nets = self.lengths.iter().rev().filter_map(|length| Cidr::new(ip, *length));
                let found = nets.filter_map(|net| self.members.get(&Part::Network(net)));
                found.map(|members| (Matched::Yes, members.as_slice())).collect()
            }
            Some(Dimension::Port) if query.port(end).is_some() => {
                let port = query.port(end).map(|port| Part::Port { protocol: None, port });
                let found = port.and_then(|port| self.members.get(&port));
                found.map(|members| (Matched::Yes, members.as_slice())).into_iter().collect()
            }
            _ => {
                let all = self.members.iter();
                all.map(|(part, members)| (self.matches(part, end, query), members.as_slice())).collect()
            }
        }
    }

    fn matches(&self, part: &Part, end: End, query: &SetQuery<'_>) -> Matched {
        match part {
            Part::Network(net) => net.contains(self.masked(query.address(end))).into(),
            Part::Port { protocol, port } => match query.port(end) {
                _ if protocol.is_some_and(|protocol| protocol != query.protocol) => Matched::No,
                Some(asked) => (asked == *port).into(),
                None => Matched::Unknown,
            },
            Part::OfAnotherProtocol(_) => Matched::No,
            Part::Mark(mark) => (query.mark & self.mark_mask == *mark).into(),
            Part::Interface { of_bridge: true, .. } => Matched::Unknown,
            Part::Interface { name, is_prefix, of_bridge: false } => match query.interface(end) {
                AskedInterface::None => Matched::No,
                AskedInterface::Unknown => Matched::Unknown,
                AskedInterface::Is(asked) if *is_prefix => asked.starts_with(name.as_str()).into(),
                AskedInterface::Is(asked) => (asked == name).into(),
            },
            Part::HardwareAddress(_) => Matched::Unknown,
        }
    }

    fn masked(&self, ip: IpAddr) -> IpAddr {
        match (ip, self.address_mask) {
            (IpAddr::V4(ip), Some(IpAddr::V4(mask))) => IpAddr::V4(ip & mask),
            (IpAddr::V6(ip), Some(IpAddr::V6(mask))) => IpAddr::V6(ip & mask),
            (ip, _) => ip,
        }
    }
}

/// Whether a part fits a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matched {
    Yes,
    No,
    Unknown,
}

impl Matched {
    fn and(self, other: Matched) -> Matched {
        match (self, other) {
            (Matched::No, _) | (_, Matched::No) => Matched::No,
            (Matched::Yes, Matched::Yes) => Matched::Yes,
            _ => Matched::Unknown,
        }
    }
}

impl From<bool> for Matched {
    fn from(is: bool) -> Matched {
        if is { Matched::Yes } else { Matched::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(source: &str, destination: &str) -> SetQuery<'static> {
        SetQuery {
            protocol: Protocol::Tcp,
            source: source.parse().unwrap(),
            source_port: None,
            destination: destination.parse().unwrap(),
            mark: 0x112,
            input: AskedInterface::Is("cali12"),
            output: AskedInterface::Unknown,
            exceptions: false,
        }
    }

    fn net(text: &str) -> Part {
        Part::Network(Cidr::parse_lenient(text).unwrap())
    }

    fn port(protocol: Option<Protocol>, port: u16) -> Part {
        Part::Port { protocol, port }
    }

    fn sets(kind: &str, members: &[(Part, Vec<Part>, bool)]) -> IpSets {
        let mut set = IpSet::new(kind, None).unwrap();
        members
            .iter()
            .for_each(|(first, rest, is_exception)| set.add(first.clone(), rest.clone(), *is_exception));
        let mut sets = IpSets::default();
        sets.insert("s".into(), set);
        sets
    }

    use End::{Destination as Dst, Source as Src};

    #[test]
    fn the_narrowest_network_decides() {
        let sets =
            sets("hash:net", &[(net("10.2.0.0/16"), vec![], false), (net("10.2.3.0/24"), vec![], true)]);
        let ask = |ip: &str| sets.ask("s", &[Src], &query(ip, "192.0.2.1:80"));
        assert_eq!(ask("10.2.4.1"), Membership::In);
        assert_eq!(ask("10.2.3.1"), Membership::Exception);
        assert_eq!(ask("10.3.3.1"), Membership::Out);
        let turned =
            |ip: &str| sets.ask("s", &[Src], &SetQuery { exceptions: true, ..query(ip, "192.0.2.1:80") });
        assert_eq!(turned("10.2.4.1"), Membership::Exception);
        assert_eq!(turned("10.2.3.1"), Membership::In);
        assert_eq!(turned("10.3.3.1"), Membership::Out);
        assert_eq!(ask("fd00::1"), Membership::Out);
        assert_eq!(sets.ask("t", &[Src], &query("10.2.4.1", "192.0.2.1:80")), Membership::NoSuchSet);
    }

    #[test]
    fn each_part_asks_its_own_end() {
        let member = (net("10.0.0.1/32"), vec![port(Some(Protocol::Tcp), 80), net("10.0.0.0/8")], false);
        let sets = sets("hash:ip,port,net", &[member]);
        let ask =
            |ends: &[End], source: &str, destination: &str| sets.ask("s", ends, &query(source, destination));
        assert_eq!(ask(&[Dst, Dst, Src], "10.9.9.9", "10.0.0.1:80"), Membership::In);
        assert_eq!(ask(&[Dst, Dst, Src], "10.9.9.9", "10.0.0.1:81"), Membership::Out);
        assert_eq!(ask(&[Dst, Dst, Src], "192.0.2.1", "10.0.0.1:80"), Membership::Out);
        assert_eq!(ask(&[Dst, Src, Src], "10.9.9.9", "10.0.0.1:80"), Membership::Unknown);
        assert_eq!(ask(&[Dst, Dst], "10.9.9.9", "10.0.0.1:80"), Membership::Out);
    }

    #[test]
    fn interfaces_marks_and_ports_are_asked() {
        let interface =
            |name: &str, is_prefix| Part::Interface { name: name.into(), is_prefix, of_bridge: false };
        let one = |kind: &str, first: Part, rest: Part, ends: &[End]| {
            sets(kind, &[(first, vec![rest], false)]).ask("s", ends, &query("10.9.9.9", "10.0.0.1:80"))
        };
        let all = || net("0.0.0.0/0");
        assert_eq!(one("hash:net,iface", all(), interface("cali", true), &[Src, Src]), Membership::In);
        assert_eq!(one("hash:net,iface", all(), interface("cali", false), &[Src, Src]), Membership::Out);
        assert_eq!(one("hash:net,iface", all(), interface("cali", true), &[Src, Dst]), Membership::Unknown);
        assert_eq!(one("hash:ip,mark", net("10.9.9.9/32"), Part::Mark(0x112), &[Src, Src]), Membership::In);
        let ports = sets("bitmap:port", &[(port(None, 80), vec![], false)]);
        let of_sctp = SetQuery { protocol: Protocol::Sctp, ..query("10.9.9.9", "10.0.0.1:80") };
        assert_eq!(ports.ask("s", &[Dst], &of_sctp), Membership::Out);
        assert_eq!(ports.ask("s", &[Dst], &query("10.9.9.9", "10.0.0.1:80")), Membership::In);
        assert_eq!(ports.ask("s", &[Dst], &query("10.9.9.9", "10.0.0.1:81")), Membership::Out);
        assert_eq!(ports.ask("s", &[Src], &query("10.9.9.9", "10.0.0.1:81")), Membership::Unknown);
    }

    #[test]
    fn a_list_of_sets_has_what_any_of_them_has() {
        let mut sets = sets("hash:ip", &[(net("10.9.9.9/32"), vec![], false)]);
        let mut list = IpSet::new("list:set", None).unwrap();
        list.add_set("s".into());
        sets.insert("l".into(), list);
        assert_eq!(sets.ask("l", &[Src], &query("10.9.9.9", "10.0.0.1:80")), Membership::In);
        assert_eq!(sets.ask("l", &[Dst], &query("10.9.9.9", "10.0.0.1:80")), Membership::Out);
    }
}
