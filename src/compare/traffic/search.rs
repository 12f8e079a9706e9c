//! What a comparison of traffic looks for: every difference, or examples of what happens to packets to Services.

use std::net::IpAddr;

use super::names::Names;
use super::{Difference, To};
use crate::walk::DoesNothing;

/// What to look for.
#[derive(Clone, Copy)]
pub enum Search<'a> {
    /// Every difference.
    All,
    /// Differences of packets to Services.
    Services(&'a Examples<'a>),
}

/// Differences of packets to Services, one for many: of the addresses that only some rule names, which can be every Pod
/// of the node, one that differs stands for those after it.
pub struct Examples<'a> {
    /// The Services.
    pub names: &'a Names,
    /// Which differences are looked for.
    pub is_meant: &'a (dyn Fn(&Difference) -> bool + Sync),
    /// Rules whose place on the other side, after routing, is all that differs, if that is so.
    pub moved: Option<&'a dyn DoesNothing>,
}

impl<'a> Search<'a> {
    /// Whether packets to an address matter.
    pub(super) fn wants_address(self, ip: IpAddr, is_single: bool, is_own: bool) -> bool {
        match self {
            Search::All => true,
            Search::Services(examples) => is_own || (is_single && examples.names.has_address(ip)),
        }
    }

    /// Whether packets to a destination matter.
    pub(super) fn wants(self, to: &To) -> bool {
        match self {
            Search::All => true,
            Search::Services(examples) => examples.names.of(to).is_some(),
        }
    }

    /// What is looked for, if one difference stands for many.
    pub(super) fn examples(self) -> Option<&'a Examples<'a>> {
        match self {
            Search::All => None,
            Search::Services(examples) => Some(examples),
        }
    }
}
