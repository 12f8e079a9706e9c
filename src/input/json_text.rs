//! What can be said about a JSON text without reading its values.

/// Replaces half of a surrogate pair by the replacement character, as Go does; both have the same length.
pub(super) fn mend_surrogates(text: String) -> String {
    const BEFORE: &[char] = &['\u{feff}', ' ', '\t', '\r', '\n'];
    let is_json = text.trim_start_matches(BEFORE).starts_with(['{', '[']);
    let halves = if is_json { lone_surrogates(text.as_bytes()) } else { Vec::new() };
    if halves.is_empty() {
        return text;
    }
    let mut bytes = text.into_bytes();
    for at in halves {
        if let Some(half) = bytes.get_mut(at..at + 6) {
            half.copy_from_slice(b"\\ufffd");
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Positions of escapes that are only half of a surrogate pair.
fn lone_surrogates(text: &[u8]) -> Vec<usize> {
    let mut lone = Vec::new();
    let mut paired = None;
    for at in memchr::memmem::find_iter(text, b"\\u") {
        let backslashes =
            text.get(..at).unwrap_or_default().iter().rev().take_while(|b| **b == b'\\').count();
        match unit(text, at).filter(|_| backslashes % 2 == 0) {
            Some(0xd800..=0xdbff) if matches!(unit(text, at + 6), Some(0xdc00..=0xdfff)) => {
                paired = Some(at + 6)
            }
            Some(0xd800..=0xdfff) if paired != Some(at) => lone.push(at),
            _ => {}
        }
    }
    lone
}

/// The code unit of an escape such as `\u00e9`.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u16::from_str_radix(digits, 16).ok()
}

/// Where each document in a stream of JSON ends; empty if the text is anything else.
pub(super) fn document_ends(text: &str) -> Vec<usize> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let mut ends = Vec::new();
    while let Some(document) = stream.next() {
        if document.is_err() {
            return Vec::new();
        }
        ends.push(stream.byte_offset());
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        for (text, mended) in [
            (r#"{"a": "\ud800"}"#, r#"{"a": "\ufffd"}"#),
            (r#"{"a": "\ud83d\ude00 \uDE00"}"#, r#"{"a": "\ud83d\ude00 \ufffd"}"#),
            (r#"{"a": "\ud83d\ud83d\ude00"}"#, r#"{"a": "\ufffd\ud83d\ude00"}"#),
            (r#"{"a": "\\ud800"}"#, r#"{"a": "\\ud800"}"#),
            (r#"a: '\ud800'"#, r#"a: '\ud800'"#),
        ] {
            assert_eq!(mend_surrogates(text.to_owned()), mended);
        }
    }
}
