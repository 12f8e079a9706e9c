//! The rules and the node, ready for walks.

use crate::node::{Host, NodeRules};
use crate::ruleset::Ruleset;

use super::error::WalkError;
use super::evaluator::Evaluator;
use super::outcome::Outcome;
use super::packet::Packet;
use super::program::Program;
use super::{hooks, iptables as walk_iptables, merge, nftables as walk_nftables};

/// A ruleset and its node, made ready for many walks.
pub struct Walker<'r> {
    pub(super) program: Program<'r>,
    pub(super) host: &'r Host,
}

impl<'r> Walker<'r> {
    /// Makes a node's rules ready: all that its kernel follows.
    pub fn of(rules: &'r NodeRules<'_>) -> Walker<'r> {
        Walker::side_by_side(rules.rulesets(), &rules.ruleset, &rules.host)
    }

    /// Makes a ruleset ready. Costs some nanoseconds per chain and set; rules are not looked at yet.
    pub fn new(ruleset: &'r Ruleset, host: &'r Host) -> Walker<'r> {
        Walker::side_by_side(std::slice::from_ref(ruleset), ruleset, host)
    }

    /// A kernel holds rulesets of the nft and of the legacy variant of iptables side by side.
    fn side_by_side(all: &'r [Ruleset], main: &'r Ruleset, host: &'r Host) -> Walker<'r> {
        let program = match main {
            Ruleset::Iptables(main) => {
                let all: Vec<_> = all.iter().filter_map(Ruleset::as_iptables).collect();
                Program::Iptables(Box::new(walk_iptables::Program::new(main.family, &all)))
            }
            Ruleset::Nftables(main, _) => Program::Nftables(Box::new(walk_nftables::Program::new(main))),
        };
        Walker { program, host }
    }

    /// The node.
    pub fn host(&self) -> &'r Host {
        self.host
    }

    /// Everything that can happen to a packet: first what can happen as things are known, most specific rules
    /// first, then what depends on a condition.
    ///
    /// # Errors
    /// The packet is of a family that the ruleset is not for, or the rules are such as no kernel would load: a jump to
    /// a chain that is not there, a loop. So is a ruleset with more unknown branches than can be followed.
    pub fn walk(&self, packet: &Packet) -> Result<Vec<Outcome<'r>>, WalkError> {
        if let Program::Iptables(program) = &self.program
            && program.family != packet.family()
        {
            return Err(WalkError::WrongFamily { rules: program.family, packet: packet.family() });
        }
        let mut evaluator = Evaluator::new(&self.program, self.host, packet.family());
        evaluator.told = (packet.in_interface, packet.out_interface);
        evaluator.source_port = packet.source_port;
        evaluator.run(hooks::entry(packet, self.host))?;
        Ok(merge::outcomes(evaluator))
    }
}
