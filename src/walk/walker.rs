//! The rules and the node, prepared for walks.

use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use foldhash::HashMap;

use crate::net::Family;
use crate::node::{ClientKind, Host, NodeRules};
use crate::ruleset::Ruleset;

use super::early_names::EarlyNames;
use super::error::WalkError;
use super::evaluator::Evaluator;
use super::nowhere::leads_nowhere;
use super::onward::{self, Onward};
use super::outcome::Outcome;
use super::packet::{Interface, Packet};
use super::program::{Both, Program};
use super::rule_part::InterfaceDirection;
use super::seen_interface::{Apart, SeenInterface};
use super::told_apart::{Place, ToldApart};
use super::{hooks, iptables as walk_iptables, merge, nftables as walk_nftables, packet_interface};

/// From this many rules of other programs on, routed packets that are alike to all rules are followed only once. Tests
/// always do so.
const MANY_FOREIGN: usize = if cfg!(test) { 1 } else { 16 };

/// From this many ways of a packet on, the steps of most of them are not recorded. Tests always do so.
const MANY_WAYS: usize = if cfg!(test) { 1 } else { 64 };

/// A ruleset and its node, prepared for many walks.
pub struct Walker<'r> {
    pub(super) program: Program<'r>,
    pub(super) host: &'r Host,
    pub(super) onward: Onward<'r>,
    by_others: OnceLock<Option<ToldApart>>,
    pub(super) early_names: EarlyNames<'r>,
    many_foreign: usize,
    /// The ends of packets that were followed already, if they are kept.
    kept: Option<Mutex<Kept<'r>>>,
}

/// What other programs' rules can see of an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToldByOthers {
    /// Where it lies, as a source, among those in their rules and in the captured sets.
    source: Place,
    /// The same as a destination.
    destination: Place,
    /// The interfaces by which its packets cross the node, in and out.
    interfaces: [SeenInterface; 2],
    /// What else routing can see of it.
    routing: Option<u64>,
}

/// Ends by their packets, and how many there are.
type Kept<'r> = (HashMap<Packet, Vec<Outcome<'r>>>, usize);

/// How many ends are kept at most: one packet can have ten thousand.
const MOST_KEPT: usize = 1 << 14;

impl<'r> Walker<'r> {
    /// Prepares all rules that a node's kernel follows.
    pub fn of(rules: &'r NodeRules<'_>) -> Walker<'r> {
        Walker::side_by_side(rules.rulesets(), &rules.ruleset, &rules.host)
    }

    /// Prepares a ruleset. Costs some nanoseconds per chain and set; rules are not looked at yet.
    pub fn new(ruleset: &'r Ruleset, host: &'r Host) -> Walker<'r> {
        Walker::side_by_side(std::slice::from_ref(ruleset), ruleset, host)
    }

    /// A kernel holds rulesets of the nft and of the legacy variant of iptables side by side, and tables of nftables
    /// beside both.
    fn side_by_side(all: &'r [Ruleset], main: &'r Ruleset, host: &'r Host) -> Walker<'r> {
        Walker::following(program(all.iter().collect(), main), host)
    }

    /// Prepares a ruleset, with others that the kernel follows, too.
    pub fn beside(ruleset: &'r Ruleset, others: &'r [Ruleset], host: &'r Host) -> Walker<'r> {
        let all = std::iter::once(ruleset).chain(others).collect();
        Walker::following(program(all, ruleset), host)
    }

    fn following(program: Program<'r>, host: &'r Host) -> Walker<'r> {
        let (onward, by_others) = (Onward::default(), OnceLock::new());
        let early_names = EarlyNames::default();
        Walker { program, host, onward, by_others, early_names, many_foreign: MANY_FOREIGN, kept: None }
    }

    /// The same, keeping the ends of packets from the node and from outside: a comparison asks for the same ones again
    /// to say what a change means.
    #[must_use]
    pub fn keeping_ends(self) -> Walker<'r> {
        Walker { kept: Some(Mutex::default()), ..self }
    }

    /// The same, following each packet separately.
    #[cfg(test)]
    pub(crate) fn one_by_one(self) -> Walker<'r> {
        Walker { many_foreign: usize::MAX, ..self }
    }

    /// The node.
    pub fn host(&self) -> &'r Host {
        self.host
    }

    /// Whether a rule, reachable or not, leads to a chain or looks into a set that does not exist.
    pub fn leads_nowhere(&self) -> bool {
        leads_nowhere(&self.program)
    }

    /// What other programs' rules can see of an address; none if that is not known, as some of them make new addresses.
    pub fn told_by_others(&self, ip: IpAddr) -> Option<ToldByOthers> {
        let apart = self.by_others.get_or_init(|| {
            Some(ToldApart::by_others(&self.program, self.host)).filter(|apart| apart.is_of_single_ends())
        });
        let apart = apart.as_ref()?;
        let host = self.host;
        Some(ToldByOthers {
            source: apart.source(ip, host),
            destination: apart.destination(ip, host),
            interfaces: [InterfaceDirection::In, InterfaceDirection::Out]
                .map(|direction| self.seen((ip, direction), Apart::Treated)),
            routing: host.routing_place(ip),
        })
    }

    /// Whether rules may match on interfaces in a direction, and the interfaces of some addresses are known.
    pub fn can_tell_interfaces(&self, direction: InterfaceDirection) -> bool {
        let is_asked = || direction == InterfaceDirection::In || self.program.asked_beside().output;
        // Names of Pods give away the interfaces that CNI plugins create, which matters only to rules of others.
        let has_names = || !self.host.pod_names.is_empty() && self.program.foreign_rules() > 0;
        (self.host.network.routes.is_some() || has_names()) && is_asked()
    }

    /// What rules can see of the interface by which the packets of an address cross the node. Each interface that rules
    /// name is told from all others.
    pub fn seen_interface(&self, ip: IpAddr, direction: InterfaceDirection) -> SeenInterface {
        self.seen((ip, direction), Apart::Named)
    }

    fn seen(&self, (ip, direction): (IpAddr, InterfaceDirection), apart: Apart) -> SeenInterface {
        let (program, host) = (&self.program, self.host);
        let asked = program.asked_beside();
        let kind = match (direction, host.client_kind(ip)) {
            (InterfaceDirection::Out, _) if !asked.output => return SeenInterface::Unknown,
            (InterfaceDirection::In, ClientKind::Node) => Interface::None,
            (InterfaceDirection::Out, ClientKind::Node) => Interface::Loopback,
            (_, ClientKind::LocalPod) => Interface::PodSide,
            (_, ClientKind::RemotePod | ClientKind::Outside) => Interface::External,
        };
        let known = packet_interface::known((program, host), (ip, kind), || host.interface_toward(ip));
        let apart = if asked.across { Apart::All } else { apart };
        SeenInterface::of(known, (program, host), (Family::of(ip), direction, apart))
    }

    /// Everything that can happen to a packet: first what can happen with what is known, most specific rules first,
    /// then what depends on a condition.
    ///
    /// # Errors
    /// The packet is of another family than the ruleset, or no kernel would load the rules: they jump to a chain that
    /// does not exist, or in a circle. Or the ruleset has more unknown branches than can be followed.
    pub fn walk(&self, packet: &Packet) -> Result<Vec<Outcome<'r>>, WalkError> {
        self.follow(packet, true)
    }

    /// The same without the steps on the way, for code that compares ends.
    ///
    /// # Errors
    /// As [`Walker::walk`].
    pub fn ends(&self, packet: &Packet) -> Result<Vec<Outcome<'r>>, WalkError> {
        let is_kept = matches!(packet.client, ClientKind::Node | ClientKind::Outside);
        let Some(kept) = self.kept.as_ref().filter(|_| is_kept) else { return self.follow(packet, false) };
        let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().0.get(packet) {
            return Ok(known.clone());
        }
        let outcomes = self.follow(packet, false)?;
        let (all, count) = &mut *lock();
        if *count + outcomes.len() <= MOST_KEPT {
            *count += outcomes.len();
            all.insert(*packet, outcomes.clone());
        }
        Ok(outcomes)
    }

    /// As [`Walker::walk`], with the steps of the first `count` outcomes, and of others if that costs nothing:
    /// recording what happens on each of ten thousand ways takes longer than finding where they end.
    ///
    /// # Errors
    /// As [`Walker::walk`].
    pub fn walk_telling(&self, packet: &Packet, count: usize) -> Result<Vec<Outcome<'r>>, WalkError> {
        let mut outcomes = self.ends(packet)?;
        if outcomes.len() <= count.max(MANY_WAYS) || self.has_many_foreign_rules() {
            return self.walk(packet);
        }
        let told = outcomes.get_mut(..count).unwrap_or_default();
        let mut evaluator = self.evaluator(packet)?;
        evaluator.only = Some(told.iter().map(|outcome| outcome.destination).collect());
        evaluator.run(hooks::entry(packet, self.host))?;
        let mut with_steps = merge::outcomes(evaluator);
        for outcome in told {
            match with_steps.iter_mut().find(|other| other.ends_as(outcome)) {
                Some(found) => outcome.steps = std::mem::take(&mut found.steps),
                None => return self.walk(packet),
            }
        }
        Ok(outcomes)
    }

    fn follow(&self, packet: &Packet, keeps_steps: bool) -> Result<Vec<Outcome<'r>>, WalkError> {
        let mut evaluator = self.evaluator(packet)?;
        evaluator.keeps_steps = keeps_steps;
        evaluator.run(hooks::entry(packet, self.host))?;
        if evaluator.routed.is_empty() {
            return Ok(merge::outcomes(evaluator));
        }
        let more = self.onward.follow(&mut evaluator)?;
        let mut outcomes = merge::outcomes(evaluator);
        outcomes.extend(more);
        onward::sort(&mut outcomes);
        Ok(outcomes)
    }

    pub(super) fn evaluator(&self, packet: &Packet) -> Result<Evaluator<'_, 'r>, WalkError> {
        if let Some(rules) = self.program.family().filter(|family| *family != packet.family()) {
            return Err(WalkError::WrongFamily { rules, packet: packet.family() });
        }
        let mut evaluator = Evaluator::new(&self.program, self.host, packet.family());
        evaluator.told = (packet.in_interface, packet.out_interface);
        evaluator.client = packet.client;
        evaluator.source_port = packet.source_port;
        evaluator.sets_aside = self.has_many_foreign_rules();
        Ok(evaluator)
    }

    /// Whether rules of other programs take most of the time.
    pub(super) fn has_many_foreign_rules(&self) -> bool {
        self.program.foreign_rules() >= self.many_foreign
    }
}

fn program<'r>(all: Vec<&'r Ruleset>, main: &'r Ruleset) -> Program<'r> {
    let iptables: Vec<_> = all.iter().filter_map(|ruleset| ruleset.as_iptables()).collect();
    let nftables = all.iter().find_map(|ruleset| ruleset.as_nftables());
    let of_iptables = || walk_iptables::Program::new(main.family(), &iptables);
    match nftables {
        None => Program::Iptables(Box::new(of_iptables())),
        Some(nftables) => {
            let of_nftables = walk_nftables::Program::new(nftables);
            match iptables.is_empty() {
                true => Program::Nftables(Box::new(of_nftables)),
                false => Program::Both(Box::new(Both::new(of_iptables(), of_nftables))),
            }
        }
    }
}
