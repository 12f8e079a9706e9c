//! The verdicts of what is not understood.

use std::fmt;

/// The verdict that something is assumed to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AssumedVerdict {
    /// It ends the packet's way.
    Drop,
    /// No more rules of this base chain, or of this table of iptables.
    Accept,
    /// On to the rest of the rule, and to the next one.
    Continue,
}

impl AssumedVerdict {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            AssumedVerdict::Drop => "drop",
            AssumedVerdict::Accept => "accept",
            AssumedVerdict::Continue => "continue",
        }
    }
}

impl fmt::Display for AssumedVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AssumedVerdict::Drop => "drops the packet",
            AssumedVerdict::Accept => "accepts it",
            AssumedVerdict::Continue => "lets it go on to the next rule",
        })
    }
}
