//! Splits a line into words as `iptables-restore` does (add_param_to_argv in libxtables), and reads numbers among them.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::diagnostic::Fault;

/// A word of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// As written, with its quotes.
    pub(super) raw: &'a str,
    /// Its first byte in the line.
    pub(super) start: usize,
    quoted: bool,
}

impl<'a> Token<'a> {
    /// The byte after its last one in the line.
    pub(super) fn end(&self) -> usize {
        self.start + self.raw.len()
    }

    /// Without its quotes.
    pub(super) fn value(&self) -> Cow<'a, str> {
        if self.quoted { Cow::Owned(unquote(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

fn unquote(raw: &str) -> String {
    let mut value = String::with_capacity(raw.len());
    let (mut open, mut escaped) = (false, false);
    for c in raw.chars() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' if open => escaped = true,
            '"' => open = !open,
            _ => value.push(c),
        }
    }
    value
}

/// Appends the words of `line` to `tokens`. A closing quote ends a word, even if no blank follows.
pub(super) fn split<'a>(line: &'a str, tokens: &mut Vec<Token<'a>>) -> Result<(), Fault> {
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if is_blank(*byte) {
            at += 1;
            continue;
        }
        let (end, quoted) = word_end(bytes, at)?;
        tokens.push(Token { raw: &line[at..end], start: at, quoted });
        at = end;
    }
    Ok(())
}

/// The words of a part of a line, without their quotes; none if a quote is not closed.
pub(super) fn values(text: &str) -> Vec<CompactString> {
    let mut tokens = Vec::new();
    match split(text, &mut tokens) {
        Ok(()) => tokens.iter().map(|token| token.value().into()).collect(),
        Err(_) => Vec::new(),
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Where the word that begins at `start` ends, and whether part of it is quoted.
fn word_end(bytes: &[u8], start: usize) -> Result<(usize, bool), Fault> {
    let rest = &bytes[start..];
    let unquoted = rest.iter().position(|b| is_blank(*b) || *b == b'"').unwrap_or(rest.len());
    if rest.get(unquoted) != Some(&b'"') {
        return Ok((start + unquoted, false));
    }
    let mut escaped = false;
    for (i, byte) in rest.iter().enumerate().skip(unquoted + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok((start + i + 1, true)),
            _ => {}
        }
    }
    Err("a quote is opened and never closed".to_owned())
}

/// Reads a number that is decimal, or hexadecimal after `0x`.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    match text.strip_prefix("0x") {
        Some(hexadecimal) if digits(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        // A leading zero would make it octal; no tool prints that.
        None if digits(text) && (text == "0" || !text.starts_with('0')) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, Fault> {
        let mut tokens = Vec::new();
        split(line, &mut tokens)?;
        Ok(tokens.iter().map(|t| t.value().into_owned()).collect())
    }

    #[test]
    fn quotes_and_escapes_are_undone() {
        assert_eq!(words("a  b\tc ").unwrap(), ["a", "b", "c"]);
        assert_eq!(words(r#"-m "x \" \\ \' y" z"#).unwrap(), ["-m", r#"x " \ ' y"#, "z"]);
        assert_eq!(words(r#"p"q r"s"#).unwrap(), ["pq r", "s"]);
        assert_eq!(words(r#""" é"#).unwrap(), ["", "é"]);
        assert_eq!(words(r"a\b").unwrap(), [r"a\b"]);
        assert!(words(r#"a "b \""#).is_err());
    }
}
