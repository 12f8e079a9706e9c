//! What rules can see of an interface.
//!
//! A node has an interface for each Pod, and rules name few of them. Packets that cross any of the others are alike to
//! all rules, except for rules that ask more about an interface than its name: whether a set has it, whether an address
//! belongs to it, whether the route to the other end of the packet leads through it. Code that sorts packets into
//! kinds, in a comparison or after routing, uses a [`SeenInterface`].

use super::program::Program;
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
    /// One of which rules can see only the longest of their prefixes that its name begins with, if any.
    Unnamed(Option<InterfaceName>),
}

impl SeenInterface {
    /// What rules can see of an interface, if known; none inside if the packet crosses none. With `each`, rules tell
    /// every interface from all others.
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
