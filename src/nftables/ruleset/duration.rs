//! Spans of time as nft writes them.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Milliseconds, as `1d2h3m4s5ms` without the parts that are zero (nft's src/datatype.c, `time_print`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nftables) struct Duration(pub(in crate::nftables) u64);

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Duration {
    pub(in crate::nftables) fn of_seconds(seconds: impl Into<u64>) -> Duration {
        Duration(seconds.into().saturating_mul(1000))
    }
}

impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, length) in UNITS {
            if rest >= length {
                write!(f, "{}{unit}", rest / length)?;
            }
            rest %= length;
        }
        Ok(())
    }
}

/// A text that is not a span of time.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::nftables) struct NoDuration;

impl FromStr for Duration {
    type Err = NoDuration;

    fn from_str(mut text: &str) -> Result<Duration, NoDuration> {
        let mut total: u64 = 0;
        while !text.is_empty() {
            let (count, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or(NoDuration)?);
            let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (asked, rest) = rest.split_at(end);
            let (_, length) = UNITS.iter().find(|(unit, _)| *unit == asked).ok_or(NoDuration)?;
            let part = count.parse::<u64>().ok().and_then(|count| count.checked_mul(*length));
            total = part.and_then(|part| total.checked_add(part)).ok_or(NoDuration)?;
            text = rest;
        }
        Ok(Duration(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_written() {
        for (milliseconds, text) in
            [(0, "0s"), (5, "5ms"), (10_800_000, "3h"), (93_784_005, "1d2h3m4s5ms"), (604_800_000, "7d")]
        {
            assert_eq!(Duration(milliseconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Duration(milliseconds)));
        }
        for text in ["5", "s", "5x", "99999999999999999999s", "999999999999999999d"] {
            assert_eq!(text.parse::<Duration>(), Err(NoDuration));
        }
    }
}
