//! Reads the meaning of matches and targets of other programs, word by word (iptables-extensions(8)). A word that is
//! not understood makes its option *not known*; none is ignored.

mod conntrack;
mod matches;
mod options;
mod targets;
#[cfg(test)]
mod tests;
mod values;

use compact_str::CompactString;

use crate::iptables::foreign::{ForeignMatch, ForeignTarget};
use crate::iptables::ruleset::{Match, Target};

/// A match of another program, from `-m` (or `-f`, `! -f`) on.
pub(crate) fn read_match(text: impl Into<CompactString>) -> Match {
    let text = text.into();
    let tests = matches::read(&text);
    Match::Foreign(Box::new(ForeignMatch::new(text, tests)))
}

/// A target of another program, from `-j` on.
pub(crate) fn read_target(text: impl Into<CompactString>) -> Target {
    let text = text.into();
    let means = targets::read(&text);
    Target::Foreign(Box::new(ForeignTarget::new(text, means)))
}
