//! Known differences between modes and releases: which of them explains why packets fare differently.

use super::Difference;
use crate::settings::{ProxyMode, Release};

/// What a side is, as far as it is known.
#[derive(Debug, Clone)]
pub struct SideFacts {
    /// The mode.
    pub mode: ProxyMode,
    /// The release.
    pub release: Release,
}

/// The mode.
pub type Mode = ProxyMode;

/// Why packets fare differently. Codes are stable; words are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// nftables mode refuses ports of cluster IPs that no Service has.
    UndefinedPort,
}

impl Reason {
    /// The code, in kebab case.
    pub fn code(self) -> &'static str {
        match self {
            Reason::UndefinedPort => "undefined-port-rejected",
        }
    }
}

/// The reason for a difference, where it is a known one.
pub fn explain(difference: &Difference, facts: (&SideFacts, &SideFacts)) -> Option<Reason> {
    let _ = (difference, facts);
    None
}
