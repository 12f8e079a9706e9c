//! What rules match on in packets for one destination, and which rules such packets can reach: for code that compares
//! two rulesets for all packets rather than for one.
//!
//! # What it is for
//!
//! A walk answers for one packet. Whether two rulesets treat *every* packet alike cannot be found by walking: there are
//! 2^32 sources and 2^48 destinations in IPv4 alone. But rules tell few packets apart. What no rule asks about makes no
//! difference, so it is enough to know what is asked, to pick one packet out of each kind that the answers can tell
//! apart, and to walk those.
//!
//! An [`Inquiry`] answers three questions about a ruleset:
//!
//! 1. [`Inquiry::destinations`]: which addresses and ranges do rules, wherever they are, tell from others?
//! 2. [`Inquiry::ask`] with the port left open: at one such address, which ports do the rules ask for?
//! 3. [`Inquiry::ask`] with protocol and port: which sources do they ask for, where can they send the packets, and what,
//!    in order, do the packets reach?
//!
//! # An example
//!
//! ```text
//! -A PREROUTING -j KUBE-SERVICES
//! -A KUBE-SERVICES -d 10.96.0.12/32 -p tcp -m tcp --dport 3306 -j KUBE-SVC-DB
//! -A KUBE-SERVICES -d 10.96.0.80/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-WEB
//! -A KUBE-SVC-DB ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ
//! -A KUBE-SVC-DB -j DNAT --to-destination 10.244.2.4:3306
//! ```
//!
//! The first question gives 10.96.0.12 and 10.96.0.80. The second, for 10.96.0.12, gives the port tcp 3306: the rule
//! for port 80 cannot match there, so nobody has to try port 80 at this address. The third, for 10.96.0.12 tcp 3306,
//! gives the source range 10.244.0.0/16, so that one source inside and one outside will do; 10.244.2.4:3306 as the
//! translated destination; and as [`Reached`] the chain PREROUTING, its rule, the chain KUBE-SERVICES, the first rule
//! in it, and so on to the end of each chain. The rule for 10.96.0.80 is not in that list. Two walks are enough, where
//! trying everything would take forever.
//!
//! # Why it is right
//!
//! It can only err on the safe side. It knows the answer to a condition on the destination, and skips the rule if the
//! answer is no. Any other condition (the source, the interface, a mark, a state, chance, text that is not understood)
//! is taken to be met by some packets and not by others: the rule is reached, and what it asks is noted. So the rules
//! reached are at least those that some packet for the destination reaches, never fewer, and whatever can tell two such
//! packets apart is among what was asked. The comparison relies on two consequences:
//!
//! - Sources between two neighbouring ends of the ranges asked for are treated alike, so one of them stands for all.
//! - Two rulesets with equal lists of what is reached treat every packet for that destination alike, on the same host:
//!   the packet meets the same rules in the same order. No walk is needed to show that.
//!
//! Packets are followed with their original destination and with each that they can be translated to, as rules at later
//! hooks see the latter. PREROUTING and OUTPUT are asked together: a packet passes only one of them, but the list for
//! both contains the rules that it meets.
//!
//! # What it costs
//!
//! Every rule is read once, when the inquiry is made. After that the time of a question depends on the rules in its
//! answer, not on the size of the ruleset: long chains are looked up by destination (`RuleIndex`), sets and maps by
//! address. With the port left open, a chain is entered only if it, or a chain that it leads to, asks for a port in a
//! rule that names no address. Chains are followed with a list of what is still to be looked at, not by recursion, as a
//! capture can nest them arbitrarily deep; a chain is entered once in each round.

mod apart;
mod elements;
mod foreign;
mod general;
mod reached;
mod round;
mod same;
mod scan;

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use smallvec::{SmallVec, smallvec};

use crate::net::{Cidr, Family, Protocol};
use crate::nftables::ruleset::{Addresses, Element, Expression, Field, Interval, Set, Statement, Table};

use self::apart::Apart;
use self::elements::ByAddress;
pub use self::reached::Reached;
use self::same::Differing;
use super::outcome::RuleRef;
use super::rule_part::{Action, ChainId, Match, MatchKind, RulePart, Side};
use super::walker::Walker;
use crate::node::Host;

/// Ports from first to last, perhaps of one protocol only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The protocol; none for any.
    pub protocol: Option<Protocol>,
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

impl PortRange {
    fn one(protocol: Protocol, port: u16) -> PortRange {
        PortRange { protocol: Some(protocol), first: port, last: port }
    }
}

/// Destinations that rules, wherever they are, tell from others.
#[derive(Debug, Default)]
pub struct Destinations {
    /// Single addresses, with the ports that are asked together with each.
    pub addresses: HashMap<IpAddr, Vec<PortRange>>,
    /// Ranges of addresses.
    pub ranges: Vec<Interval>,
}

impl Destinations {
    fn add(&mut self, interval: Interval, ports: &[PortRange]) {
        if interval.first == interval.last {
            self.addresses.entry(interval.first).or_default().extend(ports);
        } else {
            self.ranges.push(interval);
        }
    }
}

/// What can be asked of packets for one destination.
#[derive(Debug, Default)]
pub struct Asked<'r> {
    /// Sources.
    pub sources: Vec<Interval>,
    /// How many of them, from the first on, are asked for before routing.
    pub before_routing: usize,
    /// Ports; only where the port is left open.
    pub ports: Vec<PortRange>,
    /// Where the packets can be sent by translation.
    pub translated: Vec<SocketAddr>,
    /// What they reach, in order; empty where the port is left open.
    pub reached: Vec<Reached<'r>>,
    /// Whether they reach a chain that may differ in the other ruleset, or one that does not exist.
    pub reaches_differing: bool,
}

/// A destination of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// The address.
    pub address: IpAddr,
    /// Protocol and port; none for any.
    pub transport: Option<(Protocol, u16)>,
}

/// Asks a ruleset. Once made, it answers for one destination in a time that depends on the rules for that destination
/// only.
pub struct Inquiry<'w, 'r> {
    walker: &'w Walker<'r>,
    family: Family,
    /// Sets, by table (its address in memory) and name.
    sets: HashMap<usize, HashMap<&'r str, Indexed<'r>>>,
    destinations: Destinations,
    /// Chains that ask for ports without naming one address with them, or that lead to such a chain: by name, whatever
    /// the table.
    asking_ports: HashSet<&'r str>,
    apart: Apart,
    differing: Differing,
}

struct Indexed<'r> {
    set: &'r Set,
    by_address: OnceLock<ByAddress<'r>>,
}

/// Chains by number.
pub type Chains = HashSet<u32>;

impl<'w, 'r> Inquiry<'w, 'r> {
    /// Prepares the inquiry.
    pub fn new(walker: &'w Walker<'r>, family: Family) -> Self {
        let count = walker.program.chain_count();
        let mut sets = HashMap::new();
        for number in 0..count {
            if let Some(RuleRef::Nftables { table, .. }) = walker.program.rule_ref(chain_id(number), None) {
                let indexed =
                    |set: &'r Set| (set.name.as_str(), Indexed { set, by_address: OnceLock::new() });
                sets.entry(key_of(table)).or_insert_with(|| table.sets.iter().map(indexed).collect());
            }
        }
        let (destinations, asking_ports) = (Destinations::default(), HashSet::new());
        let (apart, differing) = (Apart::default(), Differing::Any);
        let mut this = Inquiry { walker, family, sets, destinations, asking_ports, apart, differing };
        this.read_all(count);
        this
    }

    /// Looks at every rule once.
    fn read_all(&mut self, chains: usize) {
        let mut found = Destinations::default();
        let mut callers: HashMap<&'r str, Vec<&'r str>> = HashMap::new();
        for chain in (0..chains).map(chain_id) {
            let name = self.walker.program.rule_ref(chain, None).map_or("", |chain| chain.chain_name());
            for rule in 0..self.rule_count(chain) {
                let parts: SmallVec<[RulePart<'r>; 8]> = self.parts(chain, rule).collect();
                self.destinations_of(chain, &parts, &mut found);
                for target in parts.iter().flat_map(targets) {
                    callers.entry(target).or_default().push(name);
                }
                if asks_loose_port(&parts, self.walker.host) {
                    self.asking_ports.insert(name);
                }
            }
        }
        self.destinations = found;
        self.spread_to_callers(callers);
    }

    /// A chain that leads to one that asks for ports asks for them, too.
    fn spread_to_callers(&mut self, mut callers: HashMap<&'r str, Vec<&'r str>>) {
        let mut pending: Vec<&'r str> = self.asking_ports.iter().copied().collect();
        while let Some(chain) = pending.pop() {
            for caller in callers.remove(chain).into_iter().flatten() {
                if self.asking_ports.insert(caller) {
                    pending.push(caller);
                }
            }
        }
    }

    /// Destinations that any rule tells from others.
    pub fn destinations(&self) -> &Destinations {
        &self.destinations
    }

    fn parts(&self, chain: ChainId, rule: usize) -> impl Iterator<Item = RulePart<'r>> {
        (0..).map_while(move |part| self.walker.program.rule_part(chain, rule, part))
    }

    fn destinations_of(&self, chain: ChainId, parts: &[RulePart<'r>], found: &mut Destinations) {
        let port = |part: &RulePart<'r>| match part {
            RulePart::Match(Match { kind: MatchKind::Port(protocol, port), .. }) => {
                Some(PortRange::one(*protocol, port.get()))
            }
            _ => None,
        };
        let ports: SmallVec<[PortRange; 2]> = parts.iter().filter_map(port).collect();
        for part in parts {
            match part {
                RulePart::Match(Match { kind: MatchKind::Network(Side::Destination, net), .. }) => {
                    found.add(interval(*net), &ports);
                }
                RulePart::Match(Match {
                    kind: MatchKind::Addresses(Side::Destination, _, addresses),
                    ..
                }) => {
                    let intervals = self.intervals(chain, addresses);
                    intervals.into_iter().for_each(|interval| found.add(interval, &ports));
                }
                RulePart::Match(Match { kind: MatchKind::InSet(key, set), .. })
                | RulePart::Action(Action::VerdictMap(key, set)) => {
                    self.destinations_of_set(chain, key, set, found);
                }
                RulePart::Match(Match { kind: MatchKind::Foreign(foreign), .. }) => {
                    let asked = foreign::questions_of(foreign, self.walker.host, self.family);
                    asked.destinations.into_iter().for_each(|interval| found.add(interval, &[]));
                }
                RulePart::Match(Match { kind: MatchKind::Statement(statement), .. })
                | RulePart::Action(Action::Statement(statement)) => {
                    let data = self.data(chain, statement);
                    let ports: SmallVec<[PortRange; 2]> =
                        data.iter().filter_map(|d| general::ports(d)).collect();
                    let intervals = data.iter().filter_map(|datum| elements::interval(datum));
                    intervals.for_each(|interval| found.add(interval, &ports));
                }
                RulePart::Match(Match { kind: MatchKind::Opaque(text), .. }) => {
                    scan::addresses(text, self.family).for_each(|interval| found.add(interval, &[]));
                }
                _ => {}
            }
        }
    }

    fn destinations_of_set(&self, chain: ChainId, key: &[Field], set: &str, found: &mut Destinations) {
        let Some(position) = key.iter().position(|field| matches!(field, Field::DestinationAddress(_)))
        else {
            return;
        };
        for element in self.elements(chain, set) {
            let ports = elements::ports(element, key);
            if let Some(interval) = element.key.get(position).and_then(elements::interval) {
                found.add(interval, ports.as_slice());
            }
        }
    }

    fn rule_count(&self, chain: ChainId) -> usize {
        self.walker.program.rule_count(chain)
    }

    fn indexed(&self, chain: ChainId, name: &str) -> Option<&Indexed<'r>> {
        match self.walker.program.rule_ref(chain, None)? {
            RuleRef::Nftables { table, .. } => self.sets.get(&key_of(table))?.get(name),
            RuleRef::Iptables { .. } => None,
        }
    }

    fn elements(&self, chain: ChainId, set: &str) -> &'r [Element] {
        self.indexed(chain, set).map(|indexed| indexed.set.elements.as_slice()).unwrap_or_default()
    }

    /// What an address is compared with.
    fn intervals(&self, chain: ChainId, addresses: &Addresses) -> Vec<Interval> {
        match addresses {
            Addresses::One(net) => vec![interval(*net)],
            Addresses::Anonymous(intervals) => intervals.clone(),
            Addresses::Named(set) => {
                let first = |element: &'r Element| elements::interval(element.key.first()?);
                self.elements(chain, set).iter().filter_map(first).collect()
            }
        }
    }

    /// Whether a chain, or one that it leads to, asks for a port in a rule or map that names no address with it.
    fn asks_ports(&self, chain: &str) -> bool {
        self.asking_ports.contains(chain)
    }
}

/// Chains that a part of a rule leads to, except through maps.
fn targets<'r>(part: &RulePart<'r>) -> SmallVec<[&'r str; 1]> {
    match part {
        RulePart::Action(Action::Jump(target) | Action::Goto(target)) => smallvec![*target],
        RulePart::Action(Action::RandomVerdict(_, verdicts)) => {
            verdicts.iter().filter_map(|(_, verdict)| elements::target(verdict)).collect()
        }
        RulePart::Action(Action::Statement(Statement::LookUp(lookup))) => match &lookup.1 {
            Expression::Set(elements) => elements.iter().filter_map(elements::leads_to).collect(),
            _ => SmallVec::new(),
        },
        _ => SmallVec::new(),
    }
}

/// Whether a rule asks for a port of any address.
fn asks_loose_port(parts: &[RulePart<'_>], host: &Host) -> bool {
    let is_host = |addresses: &Addresses| matches!(addresses, Addresses::One(net) if net.is_host());
    let mut tied = false;
    parts.iter().any(|part| match part {
        RulePart::Match(Match { negated: false, kind: MatchKind::Network(Side::Destination, net) })
            if net.is_host() =>
        {
            tied = true;
            false
        }
        RulePart::Match(Match {
            negated: false,
            kind: MatchKind::Addresses(Side::Destination, _, addresses),
        }) if is_host(addresses) => {
            tied = true;
            false
        }
        RulePart::Match(Match { kind: MatchKind::Port(..), .. }) => !tied,
        RulePart::Match(Match { kind: MatchKind::Foreign(foreign), .. }) => {
            !foreign::questions_of(foreign, host, Family::Ipv4).ports.is_empty()
        }
        RulePart::Match(Match { kind: MatchKind::Opaque(text), .. }) => scan::ports(text).next().is_some(),
        RulePart::Match(Match { kind: MatchKind::InSet(key, _), .. }) => {
            key.contains(&Field::DestinationPort) && !tied
        }
        RulePart::Match(Match { kind: MatchKind::Statement(statement), .. }) => general::asks_port(statement),
        RulePart::Action(Action::Statement(_)) => true,
        // Where maps and guarded jumps lead is not followed here.
        RulePart::Action(Action::VerdictMap(..)) => true,
        // The port does not change.
        RulePart::Action(
            Action::Redirect(None) | Action::RedirectTo(..) | Action::Netmap(_) | Action::DnatTo(_),
        ) => true,
        _ => false,
    })
}

fn key_of(table: &Table) -> usize {
    std::ptr::from_ref(table) as usize
}

fn chain_id(number: usize) -> ChainId {
    ChainId(u32::try_from(number).unwrap_or(u32::MAX))
}

fn interval(net: Cidr) -> Interval {
    Interval { first: net.network(), last: net.last() }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::iptables::parse::parse;
    use crate::walk::Host;

    /// Each of many chains leads to the next, in the order that is the worst for going over all jumps again and again;
    /// and the stack must not grow with the depth of the nesting.
    #[test]
    fn a_long_row_of_jumps_is_followed_to_its_end() {
        let last = 50_000;
        let mut text = "*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n".to_owned();
        (0..=last).for_each(|i| _ = writeln!(text, ":C{i:05} -"));
        text += "-A PREROUTING -j C00000\n";
        (0..last).for_each(|i| _ = writeln!(text, "-A C{i:05} -j C{:05}", i + 1));
        _ = writeln!(text, "-A C{last:05} -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT");
        let capture = parse(&text, Some(Family::Ipv4)).unwrap();
        let host = Host::default();
        let ruleset = capture.parts[0].ruleset.clone().into();
        let walker = Walker::new(&ruleset, &host);
        let inquiry = Inquiry::new(&walker, Family::Ipv4);
        let anywhere = Destination { address: IpAddr::from([192, 0, 2, 7]), transport: None };
        let (asked, chains) = inquiry.ask(anywhere, None);
        assert_eq!(asked.ports, [PortRange::one(Protocol::Tcp, 80)]);
        assert_eq!(chains.len(), last + 3, "the row, PREROUTING and OUTPUT");
    }
}
