//! Durations as Go writes and reads them (time.ParseDuration, time.Duration.String).

use std::fmt;

/// A signed span of time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct GoDuration(pub i64);

/// A text that Go does not accept as a duration; prints Go's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum InvalidDuration {
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit { unit: String, text: String },
}

const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

impl GoDuration {
    /// That many seconds.
    pub const fn seconds(count: i64) -> GoDuration {
        GoDuration(count * SECOND)
    }

    /// Reads `1h30m`, `-1.5s`, `0`.
    ///
    /// # Errors
    /// Anything that time.ParseDuration refuses.
    pub fn parse(text: &str) -> Result<GoDuration, InvalidDuration> {
        let invalid = || InvalidDuration::Invalid(text.to_owned());
        let negative = text.starts_with('-');
        let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
        if rest == "0" {
            return Ok(GoDuration(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let (part, after) = term(rest, text)?;
            total += part;
            rest = after;
            if total > i128::from(i64::MAX) + i128::from(negative) {
                return Err(invalid());
            }
        }
        let signed = if negative { -total } else { total };
        i64::try_from(signed).map(GoDuration).map_err(|_| invalid())
    }
}

/// Reads one number with its unit; returns nanoseconds and what follows.
fn term<'t>(rest: &'t str, text: &str) -> Result<(i128, &'t str), InvalidDuration> {
    let invalid = || InvalidDuration::Invalid(text.to_owned());
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let number_end = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    if fraction.contains('.') {
        return Err(InvalidDuration::MissingUnit(text.to_owned()));
    }
    let unit_end = rest.find(is_number).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let scale = i128::from(unit_length(unit, text)?);
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
    let value = whole.checked_mul(scale).ok_or_else(invalid)? + fraction_of(fraction, scale);
    Ok((value, rest))
}

/// Nanoseconds of the digits after the point; digits after the 18th make no difference.
fn fraction_of(digits: &str, scale: i128) -> i128 {
    let (mut value, mut divisor) = (0, 1);
    for digit in digits.bytes().take(18) {
        value = value * 10 + i128::from(digit - b'0');
        divisor *= 10;
    }
    value * scale / divisor
}

fn unit_length(unit: &str, text: &str) -> Result<i64, InvalidDuration> {
    Ok(match unit {
        "" => return Err(InvalidDuration::MissingUnit(text.to_owned())),
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => {
            return Err(InvalidDuration::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
        }
    })
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, length) = (if self.0 < 0 { "-" } else { "" }, i128::from(self.0).abs());
        f.write_str(sign)?;
        let (hour, minute, second) = (i128::from(HOUR), i128::from(MINUTE), i128::from(SECOND));
        if length == 0 {
            return f.write_str("0s");
        }
        if length < second {
            return sub_second(f, length);
        }
        if length >= hour {
            write!(f, "{}h", length / hour)?;
        }
        if length >= minute {
            write!(f, "{}m", length % hour / minute)?;
        }
        decimal(f, length % minute, second, "s")
    }
}

fn sub_second(f: &mut fmt::Formatter<'_>, length: i128) -> fmt::Result {
    let (scale, unit) = match length {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (i128::from(MICROSECOND), "\u{b5}s"),
        _ => (i128::from(MILLISECOND), "ms"),
    };
    decimal(f, length, scale, unit)
}

fn decimal(f: &mut fmt::Formatter<'_>, value: i128, scale: i128, unit: &str) -> fmt::Result {
    write!(f, "{}", value / scale)?;
    if value % scale != 0 {
        let width = scale.ilog10() as usize;
        let digits = format!("{:0width$}", value % scale);
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        GoDuration::parse(text).unwrap().to_string()
    }

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        for (text, go) in [
            ("0", "0s"),
            ("0s", "0s"),
            ("30s", "30s"),
            ("90s", "1m30s"),
            ("-5s", "-5s"),
            ("+1.5h", "1h30m0s"),
            ("24h0m0s", "24h0m0s"),
            ("1m0.25s", "1m0.25s"),
            ("250ms", "250ms"),
            (".5us", "500ns"),
            ("1\u{3bc}s", "1\u{b5}s"),
            ("9223372036854775807ns", "2562047h47m16.854775807s"),
            ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(round(text), go, "{text}");
        }
    }

    #[test]
    fn refusals_are_in_the_words_of_go() {
        let error = |text: &str| GoDuration::parse(text).unwrap_err().to_string();
        assert_eq!(error("30"), "time: missing unit in duration \"30\"");
        assert_eq!(error("1.2.3s"), "time: missing unit in duration \"1.2.3s\"");
        assert_eq!(error("3d"), "time: unknown unit \"d\" in duration \"3d\"");
        for bad in ["", "-", "s", ".s", "9223372036854775808ns", "99999999999999999999999999999999999999999h"]
        {
            assert_eq!(error(bad), format!("time: invalid duration {bad:?}"));
        }
    }
}
