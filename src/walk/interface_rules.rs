//! What rules say of the interfaces that they name: finds which are of one [kind](super::interface_kinds).

mod iptables;
mod nftables;

use std::collections::HashMap;

use super::digest::number;
use super::interface_kinds::{AskedByName, InterfaceKinds};
use super::program::Program;
use super::rule_part::ChainId;

/// Chains call one another no deeper than this where they are compared; below that, they are told apart by name.
const DEEPEST: usize = 32;

/// Finds which interfaces the rules treat alike.
pub(super) fn kinds_of<'r>(program: &Program<'r>) -> InterfaceKinds<'r> {
    let mut asked = AskedByName::default();
    if let Some(rules) = program.iptables_part() {
        iptables::learn(rules, &mut asked);
    }
    if let Some(rules) = program.nftables_part() {
        nftables::learn(rules, &mut asked);
    }
    InterfaceKinds::new(asked)
}

/// Numbers for what chains do.
#[derive(Default)]
struct Contents {
    known: HashMap<ChainId, u128>,
    depth: usize,
}

impl Contents {
    /// A number for what a chain does, of which `rules` numbers the rules; one for the chain itself while that is being found, or
    /// too deep.
    fn of(&mut self, chain: ChainId, rules: impl FnOnce(&mut Contents) -> Vec<u128>) -> u128 {
        let itself = number(&("chain", chain));
        if let Some(known) = self.known.get(&chain) {
            return *known;
        }
        if self.depth >= DEEPEST {
            return itself;
        }
        self.known.insert(chain, itself);
        self.depth += 1;
        let found = number(&("rules", rules(self)));
        self.depth -= 1;
        self.known.insert(chain, found);
        found
    }
}

#[cfg(test)]
mod tests;
