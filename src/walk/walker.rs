//! The rules and the node, ready for walks.

use crate::net::Family;
use crate::{iptables, nftables};

use super::error::WalkError;
use super::evaluator::Evaluator;
use super::host::Host;
use super::outcome::Outcome;
use super::packet::Packet;
use super::program::Program;
use super::{hooks, iptables as walk_iptables, merge, nftables as walk_nftables};

/// The rules of one node in one rule language.
#[derive(Debug, Clone, Copy)]
pub enum Rules<'r> {
    /// Of iptables, one family.
    Iptables(&'r iptables::ruleset::Ruleset),
    /// Of nftables, every family.
    Nftables(&'r nftables::ruleset::Ruleset),
}

impl<'r> From<&'r iptables::ruleset::Ruleset> for Rules<'r> {
    fn from(ruleset: &'r iptables::ruleset::Ruleset) -> Self {
        Rules::Iptables(ruleset)
    }
}

impl<'r> From<&'r nftables::ruleset::Ruleset> for Rules<'r> {
    fn from(ruleset: &'r nftables::ruleset::Ruleset) -> Self {
        Rules::Nftables(ruleset)
    }
}

/// A ruleset and its node, made ready for many walks.
pub struct Walker<'r> {
    pub(super) program: Program<'r>,
    pub(super) host: &'r Host,
}

impl<'r> Walker<'r> {
    /// Makes a ruleset ready. Costs some nanoseconds per chain and set; rules are not looked at yet.
    pub fn new(rules: impl Into<Rules<'r>>, host: &'r Host) -> Walker<'r> {
        let program = match rules.into() {
            Rules::Iptables(ruleset) => {
                Program::Iptables(walk_iptables::Program::new(ruleset.family, &[ruleset]))
            }
            Rules::Nftables(ruleset) => Program::Nftables(Box::new(walk_nftables::Program::new(ruleset))),
        };
        Walker { program, host }
    }

    /// Makes rulesets of iptables ready that a kernel holds side by side: of the nft and of the legacy variant, and of
    /// either family. Those of other families than `family` are ignored.
    pub fn combined(
        family: Family,
        rulesets: impl IntoIterator<Item = &'r iptables::ruleset::Ruleset>,
        host: &'r Host,
    ) -> Walker<'r> {
        let rulesets: Vec<_> = rulesets.into_iter().filter(|ruleset| ruleset.family == family).collect();
        let program = Program::Iptables(walk_iptables::Program::new(family, &rulesets));
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
        evaluator.run(hooks::entry(packet, self.host))?;
        Ok(merge::outcomes(evaluator))
    }
}
