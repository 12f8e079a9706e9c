//! What rules can see of an interface.
//!
//! A node has an interface for each Pod. Rules name few of them, or treat many of those that they name alike
//! ([`super::interface_kinds`]). Packets that cross any of these are alike to all rules, except for rules that ask more
//! about an interface than its name: whether a set has it, whether an address belongs to it, whether the route to the
//! other end of the packet leads through it. Code that sorts packets into kinds, in a comparison or after routing, uses
//! a [`SeenInterface`].

use super::interface_rules::kinds_of;
use super::program::Program;
use super::rule_part::InterfaceDirection;
use crate::net::Family;
use crate::node::{Host, InterfaceName, LinkAddress};

/// An interface that a packet crosses, as far as rules can tell it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SeenInterface {
    /// It is not known which, if any.
    Unknown,
    /// There is none.
    None,
    /// This one, which is like no other.
    Itself(InterfaceName),
    /// One of several that rules treat alike.
    Like {
        /// A number for what rules do with packets that cross it; none if they tell no interfaces apart.
        kind: Option<u32>,
        /// A number for the settings of the kernel that apply to it.
        settings: u64,
    },
}

/// Which interfaces are to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    /// Those that rules treat differently.
    Treated,
    /// Those that rules ask for by their whole names, too: whoever reads an answer wants to know which they are.
    Named,
    /// All.
    All,
}

impl SeenInterface {
    /// What rules tell of an interface in a direction, where it is known; inside, none where the packet crosses none.
    pub(super) fn of(
        known: Option<Option<InterfaceName>>,
        (program, host): (&Program<'_>, &Host),
        (family, direction, apart): (Family, InterfaceDirection, Apart),
    ) -> SeenInterface {
        let name = match known {
            None => return SeenInterface::Unknown,
            Some(None) => return SeenInterface::None,
            Some(Some(name)) => name,
        };
        let text = name.as_str();
        let is_in_sets = host.sets.as_ref().is_some_and(|sets| sets.name_interfaces());
        let is_owner = || program.asked_beside().owners && has_address(host, text, family);
        let interfaces = program.interfaces();
        let is_by_itself = match apart {
            Apart::Treated => false,
            Apart::Named => interfaces.is_named(text),
            Apart::All => true,
        };
        if is_by_itself || is_in_sets || text == "lo" || is_owner() {
            return SeenInterface::Itself(name);
        }
        SeenInterface::Like {
            kind: interfaces.kinds(|| kinds_of(program)).number(&interfaces.case_of(text), direction),
            settings: host.interface_settings(Some(text), family),
        }
    }
}

/// Whether an interface has an address of the node.
fn has_address(host: &Host, name: &str, family: Family) -> bool {
    let is_own = |own: &LinkAddress| Family::of(own.ip) == family && host.is_local(own.ip);
    let by_route = host.network.routes.as_ref().is_some_and(|routes| routes.has_address(name));
    by_route || host.network.link(name).is_some_and(|link| link.addresses.iter().any(is_own))
}
