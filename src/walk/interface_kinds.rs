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

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::digest::number;
use super::rule_part::InterfaceDirection;

/// Which of the interfaces that rules name are treated alike.
#[derive(Debug, Default)]
pub(super) struct InterfaceKinds<'r>(HashMap<(InterfaceDirection, &'r str), u32>);

impl<'r> InterfaceKinds<'r> {
    pub(super) fn new(asked: AskedByName<'r>) -> InterfaceKinds<'r> {
        let mut numbers: HashMap<Vec<u128>, u32> = HashMap::new();
        let mut kinds = HashMap::new();
        for (name, says) in asked.0 {
            let next = u32::try_from(numbers.len() + 1).unwrap_or(u32::MAX);
            kinds.insert(name, *numbers.entry(says).or_insert(next));
        }
        InterfaceKinds(kinds)
    }

    /// The kind of an interface in a direction: 0 if no rule asks for it by its whole name there.
    pub(super) fn number(&self, name: &str, direction: InterfaceDirection) -> u32 {
        self.0.get(&(direction, name)).copied().unwrap_or_default()
    }
}

/// What rules that ask for an interface by its whole name say otherwise, as numbers in the order of the rules.
#[derive(Debug, Default)]
pub(super) struct AskedByName<'r>(BTreeMap<(InterfaceDirection, &'r str), Vec<u128>>);

impl<'r> AskedByName<'r> {
    /// Adds a rule that only packets on this interface can match.
    pub(super) fn add(&mut self, direction: InterfaceDirection, name: &'r str, says: &impl Hash) {
        self.0.entry((direction, name)).or_default().push(number(says));
    }

    /// Notes that a rule asks for this name in another way: the interface is like no other.
    pub(super) fn set_apart(&mut self, name: &'r str) {
        for direction in [InterfaceDirection::In, InterfaceDirection::Out] {
            self.add(direction, name, &name);
        }
    }
}
