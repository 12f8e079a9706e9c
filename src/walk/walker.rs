//! The rules and the node, ready for walks.

use std::net::IpAddr;
use std::sync::OnceLock;

use crate::node::{Host, InterfaceName, NodeRules};
use crate::ruleset::Ruleset;

use super::error::WalkError;
use super::evaluator::Evaluator;
use super::nowhere::leads_nowhere;
use super::onward::{self, Onward};
use super::outcome::Outcome;
use super::packet::Packet;
use super::program::{Both, Program};
use super::told_apart::{Place, ToldApart};
use super::{hooks, iptables as walk_iptables, merge, nftables as walk_nftables};

/// From so many rules of other programs on, routed packets that are alike to all rules are followed once. Tests do it always.
const MANY_FOREIGN: usize = if cfg!(test) { 1 } else { 64 };

/// A ruleset and its node, made ready for many walks.
pub struct Walker<'r> {
    pub(super) program: Program<'r>,
    pub(super) host: &'r Host,
    pub(super) onward: Onward<'r>,
    by_others: OnceLock<Option<ToldApart>>,
    many_foreign: usize,
}

/// What other programs can tell of an address: where it lies among those that their rules and the captured sets name, and
/// the interface that leads to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToldByOthers(Place, Place, Option<InterfaceName>, Option<String>);

impl<'r> Walker<'r> {
    /// Makes a node's rules ready: all that its kernel follows.
    pub fn of(rules: &'r NodeRules<'_>) -> Walker<'r> {
        Walker::side_by_side(rules.rulesets(), &rules.ruleset, &rules.host)
    }

    /// Makes a ruleset ready. Costs some nanoseconds per chain and set; rules are not looked at yet.
    pub fn new(ruleset: &'r Ruleset, host: &'r Host) -> Walker<'r> {
        Walker::side_by_side(std::slice::from_ref(ruleset), ruleset, host)
    }

    /// A kernel holds rulesets of the nft and of the legacy variant of iptables side by side, and tables of nftables
    /// beside both.
    fn side_by_side(all: &'r [Ruleset], main: &'r Ruleset, host: &'r Host) -> Walker<'r> {
        Walker::following(program(all.iter().collect(), main), host)
    }

    /// Makes a ruleset ready beside others that the kernel follows, too.
    pub fn beside(ruleset: &'r Ruleset, others: &'r [Ruleset], host: &'r Host) -> Walker<'r> {
        let all = std::iter::once(ruleset).chain(others).collect();
        Walker::following(program(all, ruleset), host)
    }

    fn following(program: Program<'r>, host: &'r Host) -> Walker<'r> {
        let (onward, by_others) = (Onward::default(), OnceLock::new());
        Walker { program, host, onward, by_others, many_foreign: MANY_FOREIGN }
    }

    /// The same, following each packet by itself.
    #[cfg(test)]
    pub(crate) fn one_by_one(self) -> Walker<'r> {
        Walker { many_foreign: usize::MAX, ..self }
    }

    /// The node.
    pub fn host(&self) -> &'r Host {
        self.host
    }

    /// Whether a rule leads to a chain, or asks a set, that is not there, whatever packets come by.
    pub fn leads_nowhere(&self) -> bool {
        leads_nowhere(&self.program)
    }

    /// What other programs can tell of an address; none where that is not known, as some of their rules are of nftables, or
    /// make new addresses.
    pub fn told_by_others(&self, ip: IpAddr) -> Option<ToldByOthers> {
        let apart = self.by_others.get_or_init(|| {
            let rules = self.program.as_iptables()?.rules_of_others();
            Some(ToldApart::by(rules, self.host)).filter(|apart| !apart.makes_new)
        });
        let apart = apart.as_ref()?;
        let host = self.host;
        Some(ToldByOthers(
            apart.source(ip, host),
            apart.destination(ip, host),
            host.interface_toward(ip),
            host.pod_interface_hash(ip).filter(|_| host.is_local_pod(ip)),
        ))
    }

    /// Everything that can happen to a packet: first what can happen as things are known, most specific rules
    /// first, then what depends on a condition.
    ///
    /// # Errors
    /// The packet is of a family that the ruleset is not for, or the rules are such as no kernel would load: a jump to
    /// a chain that is not there, a loop. So is a ruleset with more unknown branches than can be followed.
    pub fn walk(&self, packet: &Packet) -> Result<Vec<Outcome<'r>>, WalkError> {
        self.follow(packet, true)
    }

    /// The same without the steps on the way, for who compares ends.
    ///
    /// # Errors
    /// As [`Walker::walk`].
    pub fn ends(&self, packet: &Packet) -> Result<Vec<Outcome<'r>>, WalkError> {
        self.follow(packet, false)
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
        self.program.as_iptables().is_some_and(|program| program.changes().foreign >= self.many_foreign)
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
