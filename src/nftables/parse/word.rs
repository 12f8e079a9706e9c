//! Splits a listing into words: separated by blanks, with quoted text kept whole.

/// A word, and its first byte in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
}

impl Word<'_> {
    /// The byte after its last one.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Words of a text. A quote that is never closed reaches to the end of its line.
pub(super) struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Words<'a> {
        Words { text, at: 0 }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let bytes = self.text.as_bytes();
        let start = self.at + bytes.get(self.at..)?.iter().position(|b| !is_blank(*b))?;
        let mut quoted = false;
        let ends = |b: &u8| {
            quoted ^= *b == b'"';
            *b == b'\n' || (is_blank(*b) && !quoted)
        };
        let rest = bytes.get(start..)?;
        let end = start + rest.iter().position(ends).unwrap_or(rest.len());
        self.at = end;
        Some(Word { text: self.text.get(start..end)?, start })
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The text between quotes, if `word` is quoted.
pub(super) fn unquoted(word: &str) -> Option<&str> {
    word.strip_prefix('"')?.strip_suffix('"')
}

/// By how much a word changes the depth of braces.
pub(super) fn depth(word: &str) -> i64 {
    match word {
        "{" => 1,
        "}" | "}," | "};" => -1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_one_word() {
        let words: Vec<_> = Words::of(" a  log prefix \"x y, }\", \n}").map(|w| w.text).collect();
        assert_eq!(words, ["a", "log", "prefix", "\"x y, }\",", "}"]);
        let words: Vec<_> = Words::of("\"open a\nb").map(|w| (w.text, w.start)).collect();
        assert_eq!(words, [("\"open a", 0), ("b", 8)]);
    }
}
