//! Parts that lines have in common: their length, their first word, counters.

use crate::diagnostic::{Excerpt, Fault};
use crate::iptables::ruleset::Counters;

/// The longest line in bytes. The longest that iptables prints (bytecode of `-m bpf`) is much shorter.
pub const MAX_LINE: usize = 1 << 16;

/// The first word of a text, and what follows it.
pub(super) fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    text.find([' ', '\t']).map_or((text, ""), |end| text.split_at(end))
}

/// Takes `[packets:bytes]` from the front of a rule.
pub(super) fn split_counters(line: &str) -> Result<(Option<Counters>, &str), Fault> {
    if !line.starts_with('[') {
        return Ok((None, line));
    }
    let fault = || format!("{} does not begin with counters as '[12:345] -A'", Excerpt(line));
    let (text, rest) = first_word(line);
    let counters = counters(text).ok_or_else(fault)?;
    Ok((Some(counters), rest.trim_start_matches([' ', '\t'])))
}

/// Reads `[packets:bytes]`.
pub(super) fn counters(text: &str) -> Option<Counters> {
    let (packets, bytes) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Counters { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
}
