//! What rules can tell of an interface.
//!
//! A node has an interface for each Pod, and rules that name few of them. Packets that cross one or another of the rest are
//! alike to all rules, but for those that ask more of an interface than its name: whether a set has it, whether an address is
//! its own, whether the way to the other end of the packet leads by it. Who puts packets into kinds, in a comparison or behind
//! routing, does so by a [`SeenInterface`].

use super::program::Program;
use crate::net::Family;
use crate::node::{Host, InterfaceName, LinkAddress};

/// An interface that a packet crosses, as rules can tell it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SeenInterface {
    /// Which it is, if any, is not known.
    Unknown,
    /// There is none.
    None,
    /// This one, which is like no other.
    Itself(InterfaceName),
    /// One of which rules can tell nothing but that its name begins so, with the longest beginning that they ask for.
    Unnamed(Option<InterfaceName>),
}

impl SeenInterface {
    /// What rules tell of an interface, where it is known; inside, none where the packet crosses none. `each` where they tell
    /// it from every other.
    pub(super) fn of(
        known: Option<Option<InterfaceName>>,
        (program, host): (&Program<'_>, &Host),
        (family, each): (Family, bool),
    ) -> SeenInterface {
        let name = match known {
            None => return SeenInterface::Unknown,
            Some(None) => return SeenInterface::None,
            Some(Some(name)) => name,
        };
        let text = name.as_str();
        let (named, begins) = program.interfaces().told_of(text);
        let is_in_sets = host.sets.as_ref().is_some_and(|sets| sets.name_interfaces());
        let is_owner = || program.asked_beside().owners && has_address(host, text, family);
        match named.is_some() || each || is_in_sets || text == "lo" || is_owner() {
            true => SeenInterface::Itself(name),
            false => {
                SeenInterface::Unnamed(begins.and_then(|length| InterfaceName::new(text.get(..length)?)))
            }
        }
    }
}

/// Whether an interface has an address of the node.
fn has_address(host: &Host, name: &str, family: Family) -> bool {
    let is_own = |own: &LinkAddress| Family::of(own.ip) == family && host.is_local(own.ip);
    let by_route = host.network.routes.as_ref().is_some_and(|routes| routes.has_address(name));
    by_route || host.network.link(name).is_some_and(|link| link.addresses.iter().any(is_own))
}
