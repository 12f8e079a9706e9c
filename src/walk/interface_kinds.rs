//! Interfaces that rules name, but treat alike.
//!
//! Calico writes a chain for each Pod, and a rule that sends packets of the Pod's interface there:
//!
//! ```text
//! -A cali-from-wl-dispatch -i cali1f2 -g cali-fw-cali1f2
//! -A cali-from-wl-dispatch -i cali9a0 -g cali-fw-cali9a0
//! ```
//!
//! Most of these chains do the same, because Pods share their policies. So two names are of one kind if every rule that asks
//! for the one has a counterpart that asks for the other: between the same two rules of the same chain, if rules that ask
//! for interfaces like these are left out, with the same matches, and with a target that does the same. Two chains do the
//! same if their rules do, apart from comments. Which kind an interface is of decides everything that rules can do to a packet
//! for its name; names of chains are the only thing that differs on the way.

mod iptables;
mod nftables;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::onward::number;
use super::program::Program;
use super::rule_part::{ChainId, InterfaceDirection};

/// Chains call one another no deeper than this where they are compared; below that, they are told apart by name.
const DEEPEST: usize = 32;

/// Which of the interfaces that rules name are treated alike.
#[derive(Debug, Default)]
pub(super) struct InterfaceKinds<'r> {
    incoming: HashMap<&'r str, u32>,
    outgoing: HashMap<&'r str, u32>,
}

impl<'r> InterfaceKinds<'r> {
    pub(super) fn of(program: &Program<'r>) -> InterfaceKinds<'r> {
        let mut asked = AskedByName::default();
        if let Some(rules) = program.iptables_part() {
            iptables::learn(rules, &mut asked);
        }
        if let Some(rules) = program.nftables_part() {
            nftables::learn(rules, &mut asked);
        }
        InterfaceKinds { incoming: numbered(asked.incoming), outgoing: numbered(asked.outgoing) }
    }

    /// The kind of an interface in a direction: 0 if no rule asks for it by its whole name there.
    pub(super) fn number(&self, name: &str, direction: InterfaceDirection) -> u32 {
        let numbers = match direction {
            InterfaceDirection::In => &self.incoming,
            InterfaceDirection::Out => &self.outgoing,
        };
        numbers.get(name).copied().unwrap_or_default()
    }
}

/// What rules that ask for each name say besides, as numbers in the order of the rules.
#[derive(Debug, Default)]
struct AskedByName<'r> {
    incoming: BTreeMap<&'r str, Vec<u128>>,
    outgoing: BTreeMap<&'r str, Vec<u128>>,
}

impl<'r> AskedByName<'r> {
    /// A rule that only packets on this interface can match.
    fn add(&mut self, direction: InterfaceDirection, name: &'r str, says: &impl Hash) {
        let by_name = match direction {
            InterfaceDirection::In => &mut self.incoming,
            InterfaceDirection::Out => &mut self.outgoing,
        };
        by_name.entry(name).or_default().push(number(says));
    }

    /// A rule asks for this name in another way: the interface is like no other.
    fn set_apart(&mut self, name: &'r str) {
        for direction in [InterfaceDirection::In, InterfaceDirection::Out] {
            self.add(direction, name, &name);
        }
    }
}

fn numbered(asked: BTreeMap<&str, Vec<u128>>) -> HashMap<&str, u32> {
    let mut numbers: HashMap<Vec<u128>, u32> = HashMap::new();
    let mut by_name = HashMap::new();
    for (name, says) in asked {
        let next = u32::try_from(numbers.len() + 1).unwrap_or(u32::MAX);
        by_name.insert(name, *numbers.entry(says).or_insert(next));
    }
    by_name
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
