//! Resolves plain scalars as `sigs.k8s.io/yaml` does (go-yaml v2: YAML 1.1 words, base prefixes, no sexagesimals).

use std::borrow::Cow;

use data_encoding::BASE64;

use super::value::Value;

/// The meaning of a plain scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::input) enum Resolved {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer; floats without a fraction count, as they become integers in JSON.
    Int(i64),
    /// A whole number beyond `i64`.
    BigInt(u64),
    /// Another number.
    Float(f64),
    /// Text.
    String,
}

/// Resolves a plain scalar.
pub(in crate::input) fn resolve(text: &str) -> Resolved {
    match text.as_bytes().first() {
        None => Resolved::Null,
        Some(b'+' | b'-' | b'.' | b'0'..=b'9') => number(text),
        Some(b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O') => word(text),
        Some(_) => Resolved::String,
    }
}

/// The longest word with a meaning other than its text: `false`.
const LONGEST_WORD: usize = 5;

fn word(text: &str) -> Resolved {
    match text {
        _ if text.len() > LONGEST_WORD => Resolved::String,
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Resolved::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Resolved::Bool(false)
        }
        _ => Resolved::String,
    }
}

/// Whether a plain scalar is null; resolving it would mean finding out which number most others are.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Whether a plain scalar begins like no number or word, or is longer than any word: then it is text.
pub(super) fn is_surely_text(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O') => {
            text.len() > LONGEST_WORD
        }
        Some(first) => first.is_ascii_alphabetic(),
        None => false,
    }
}

fn number(text: &str) -> Resolved {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return integer(text).or_else(|| float(text)).unwrap_or(Resolved::String);
    }
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        _ => {}
    }
    let without_underscores;
    let digits = if text.contains('_') && !text.starts_with('.') {
        without_underscores = text.replace('_', "");
        without_underscores.as_str()
    } else {
        text
    };
    integer(digits).or_else(|| float(digits)).unwrap_or(Resolved::String)
}

fn integer(text: &str) -> Option<Resolved> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (radix, digits) = radix(magnitude);
    // `from_str_radix` would accept a second sign.
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        0i64.checked_sub_unsigned(magnitude).map(Resolved::Int)
    } else {
        Some(i64::try_from(magnitude).map_or(Resolved::BigInt(magnitude), Resolved::Int))
    }
}

fn radix(magnitude: &str) -> (u32, &str) {
    if !magnitude.starts_with('0') {
        return (10, magnitude);
    }
    let after = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| magnitude.strip_prefix(prefix));
    if let Some(digits) = after(["0x", "0X"]) {
        (16, digits)
    } else if let Some(digits) = after(["0o", "0O"]) {
        (8, digits)
    } else if let Some(digits) = after(["0b", "0B"]) {
        (2, digits)
    } else if magnitude.len() > 1 {
        (8, magnitude)
    } else {
        (10, magnitude)
    }
}

fn float(text: &str) -> Option<Resolved> {
    let is_plain = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    // Most scalars that begin with a digit are addresses.
    if !text.bytes().all(is_plain) || text.bytes().filter(|b| *b == b'.').count() > 1 {
        return None;
    }
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    Some(whole(value).map_or(Resolved::Float(value), Resolved::Int))
}

/// The float as an integer, if it is exactly one.
#[expect(clippy::cast_possible_truncation, reason = "checked to lie within 2^53")]
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0).then_some(value as i64)
}

/// Whether a plain scalar is a number that JSON cannot express: kubectl refuses the document.
pub(super) fn is_no_json(text: &str) -> bool {
    let magnitude = text.strip_prefix(['+', '-']).unwrap_or(text);
    magnitude.starts_with('.') && matches!(resolve(text), Resolved::Float(value) if !value.is_finite())
}

/// The string that a plain key becomes in JSON, unless it already is one (`sigs.k8s.io/yaml`, convertToJSONableObject).
pub(super) fn key_text(text: &str) -> Result<Option<String>, &'static str> {
    Ok(Some(match resolve(text) {
        Resolved::String => return Ok(None),
        Resolved::Null => return Err("a map's key is null"),
        Resolved::BigInt(_) => return Err("a map's key is too large a number"),
        Resolved::Bool(value) => value.to_string(),
        Resolved::Int(value) if is_written_whole(text) => value.to_string(),
        Resolved::Int(value) => go_float(value as f64),
        Resolved::Float(value) => go_float(value),
    }))
}

/// Whether go-yaml reads a number as an integer, not as a float without a fraction.
fn is_written_whole(text: &str) -> bool {
    integer(&text.replace('_', "")).is_some()
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`.
#[expect(clippy::cast_possible_truncation, reason = "as the original does")]
fn go_float(value: f64) -> String {
    let short = format!("{:e}", value as f32);
    let (digits, exponent) = short.split_once('e').unwrap_or((&short, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{}", value as f32);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// A scalar with a tag: if it is a tag that go-yaml resolves, the scalar must fit it; any other tag makes a string.
pub(super) fn tagged<'a>(tag: &str, text: String) -> Result<Value<'a>, String> {
    let Some(name) = tag.strip_prefix("tag:yaml.org,2002:") else { return Ok(string(text)) };
    let meaning = resolve(&text);
    let fits = match name {
        "binary" => return binary(&text).map(string),
        "bool" => matches!(meaning, Resolved::Bool(_)),
        "int" => matches!(meaning, Resolved::Int(_) | Resolved::BigInt(_)) && is_written_whole(&text),
        "float" if is_no_json(&text) => false,
        "float" => matches!(meaning, Resolved::Int(_) | Resolved::BigInt(_) | Resolved::Float(_)),
        "null" => meaning == Resolved::Null,
        "merge" if text == "<<" => true,
        _ => return Ok(string(text)),
    };
    if fits { Ok(Value::Plain(Cow::Owned(text))) } else { Err(format!("{text:?} is not !!{name}")) }
}

fn string<'a>(text: String) -> Value<'a> {
    Value::String(Cow::Owned(text))
}

fn binary(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = BASE64.decode(digits.as_bytes()).map_err(|_| "a !!binary value is not base64".to_owned())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubectl_takes_them_for() {
        for (text, meaning) in [
            ("", Resolved::Null),
            ("~", Resolved::Null),
            ("null", Resolved::Null),
            ("None", Resolved::String),
            ("yes", Resolved::Bool(true)),
            ("off", Resolved::Bool(false)),
            ("nope", Resolved::String),
            ("80", Resolved::Int(80)),
            ("-1", Resolved::Int(-1)),
            ("+7", Resolved::Int(7)),
            ("0x50", Resolved::Int(80)),
            ("0120", Resolved::Int(80)),
            ("0o120", Resolved::Int(80)),
            ("0b11", Resolved::Int(3)),
            ("1_000", Resolved::Int(1000)),
            ("09", Resolved::Int(9)),
            ("80.0", Resolved::Int(80)),
            ("1.30", Resolved::Float(1.3)),
            ("1e3", Resolved::Int(1000)),
            ("-9223372036854775808", Resolved::Int(i64::MIN)),
            ("18446744073709551615", Resolved::BigInt(u64::MAX)),
            ("1:20", Resolved::String),
            ("10.0.0.1", Resolved::String),
            ("10.0.0.0/8", Resolved::String),
            ("::1", Resolved::String),
            ("2026-01-01T00:00:00Z", Resolved::String),
            ("--1", Resolved::String),
            ("+-1", Resolved::String),
            ("-", Resolved::String),
            ("0x", Resolved::String),
            (".", Resolved::String),
            ("-inf", Resolved::String),
            ("1e999", Resolved::String),
        ] {
            assert_eq!(resolve(text), meaning, "{text}");
        }
    }

    #[test]
    fn what_is_told_without_resolving_is_right() {
        let words = [
            "~", "null", "NULL", "nulls", "no", "none", "true", "Truth", "false", "falsey", "on", "only", "y",
        ];
        let others =
            ["", "name", "kind", "addresses", "10", "0x1f", "0", "00", "é", "<<", "-", ".5", "Off", "NUL"];
        for text in words.into_iter().chain(others) {
            assert_eq!(is_null(text), resolve(text) == Resolved::Null, "{text}");
            assert!(!is_surely_text(text) || resolve(text) == Resolved::String, "{text}");
        }
        assert!(is_surely_text("kind") && is_surely_text("nodeName") && !is_surely_text("no"));
    }
}
