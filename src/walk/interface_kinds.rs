//! Interfaces that rules tell apart by name, but treat alike.
//!
//! Calico writes a chain for each Pod, and a rule that sends packets of the Pod's interface there, in chains by the next digit
//! of the name:
//!
//! ```text
//! -A cali-from-wl-dispatch -i cali1+ -g cali-from-wl-dispatch-1
//! -A cali-from-wl-dispatch -i cali9+ -g cali-from-wl-dispatch-9
//! -A cali-from-wl-dispatch-1 -i cali1f2 -g cali-fw-cali1f2
//! -A cali-from-wl-dispatch-9 -i cali9a0 -g cali-fw-cali9a0
//! ```
//!
//! Most of these chains do the same, because Pods share their policies. For each name, [`super::interface_rules`] finds what is
//! left of the rules if every question for an interface in one direction is answered: rules that do not match are left out,
//! chains are replaced by what they do. Interfaces of which the same is left are of one kind: all that rules do to their packets
//! is the same, and names of chains on the way are the only thing that differs.

use foldhash::HashMap;

use super::interface_case::InterfaceCase;
use super::rule_part::InterfaceDirection;

/// The kinds of interfaces.
#[derive(Debug, Default)]
pub(super) struct InterfaceKinds<'r> {
    numbers: HashMap<(InterfaceDirection, InterfaceCase<'r>), u32>,
    by_rules: HashMap<(InterfaceDirection, Vec<u128>), u32>,
}

impl<'r> InterfaceKinds<'r> {
    /// Adds a case with what is left of the rules of each language for its packets.
    pub(super) fn add(
        &mut self,
        direction: InterfaceDirection,
        case: InterfaceCase<'r>,
        rules: impl Iterator<Item = u128>,
    ) {
        let next = u32::try_from(self.by_rules.len()).unwrap_or(u32::MAX);
        let number = *self.by_rules.entry((direction, rules.collect())).or_insert(next);
        self.numbers.insert((direction, case), number);
    }

    /// The kind of the interfaces of a case; none for a case that rules do not tell from others.
    pub(super) fn number(&self, case: &InterfaceCase<'_>, direction: InterfaceDirection) -> Option<u32> {
        self.numbers.get(&(direction, *case)).copied()
    }
}
