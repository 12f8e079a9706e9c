//! What rules of iptables ask of interfaces.

use super::Part;
use crate::iptables::ruleset::{ChainName, InterfaceMatch, Match, Rule, Target};
use crate::iptables::save::rule_text;
use crate::net::Family;
use crate::walk::digest::number;
use crate::walk::hook::Hook;
use crate::walk::iptables::Program;
use crate::walk::outcome::RuleRef;
use crate::walk::rule_part::{ChainId, InterfaceDirection};

/// Rules of iptables, and the direction in which they are looked at.
pub(super) struct Asking<'p, 'r> {
    pub(super) rules: &'p Program<'r>,
    pub(super) direction: InterfaceDirection,
}

impl<'r> super::Asking<'r> for Asking<'_, 'r> {
    fn bases(&self) -> Vec<ChainId> {
        Hook::ALL.into_iter().flat_map(|hook| self.rules.bases().at(hook)).map(|base| base.chain).collect()
    }

    fn asked(&self, chain: ChainId) -> (Vec<&'r str>, Vec<ChainId>) {
        let names = self.each(chain).filter_map(|rule| Some(self.interface(rule)?.name.as_str())).collect();
        let chains = self.each(chain).filter_map(|rule| Some(self.target(chain, rule)?.1)).collect();
        (names, chains)
    }

    fn rules(&self, chain: ChainId) -> Vec<Vec<Part<'r>>> {
        self.each(chain).map(|rule| self.parts(chain, rule)).collect()
    }
}

impl<'r> Asking<'_, 'r> {
    fn each(&self, chain: ChainId) -> impl Iterator<Item = &'r Rule> + use<'r> {
        let rules = match self.rules.rule_ref(chain, None) {
            Some(RuleRef::Iptables { chain, .. }) => chain.rules.as_slice(),
            _ => &[],
        };
        rules.iter().map(|placed| &placed.rule)
    }

    fn interface(&self, rule: &'r Rule) -> Option<&'r InterfaceMatch> {
        match self.direction {
            InterfaceDirection::In => rule.in_interface.as_deref(),
            InterfaceDirection::Out => rule.out_interface.as_deref(),
        }
    }

    fn target(&self, chain: ChainId, rule: &Rule) -> Option<(&'static str, ChainId)> {
        match &rule.target {
            Some(Target::Jump(to)) => Some(("jump", self.rules.find(chain, to.as_str())?)),
            Some(Target::Goto(to)) => Some(("goto", self.rules.find(chain, to.as_str())?)),
            _ => None,
        }
    }

    /// A rule, apart from its comments.
    fn parts(&self, chain: ChainId, rule: &'r Rule) -> Vec<Part<'r>> {
        let mut plain = rule.clone();
        plain.matches.retain(|asked| !matches!(asked, Match::Comment(_)));
        match self.direction {
            InterfaceDirection::In => plain.in_interface = None,
            InterfaceDirection::Out => plain.out_interface = None,
        }
        let mut parts = Vec::with_capacity(3);
        if let Some(asked) = self.interface(rule) {
            parts.push(Part::Fits { patterns: vec![&asked.name], negated: asked.negated });
        }
        match self.target(chain, rule) {
            Some((how, to)) => {
                plain.target = None;
                parts.extend([Part::Matches(words(&plain, self.rules.family)), Part::LeadsTo(how, to)]);
            }
            None => parts.push(Part::Does(words(&plain, self.rules.family))),
        }
        parts
    }
}

fn words(rule: &Rule, family: Family) -> u128 {
    number(&ChainName::new("ANY").map(|chain| rule_text(&chain, rule, family)))
}
