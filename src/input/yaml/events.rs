//! Events of `libyaml-safer`, with what this port does not accept fixed before it sees the text.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use libyaml_safer::{Encoding, EventData, Parser, ScalarStyle};

use super::Fault;

/// An event and its bytes in the text.
pub(super) struct Event {
    pub(super) data: EventData,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The events of one document.
pub(super) struct Events<'a> {
    parser: Parser<Text<'a>>,
    length: usize,
    commas: Commas,
    /// Where the document ends, once its last event has been read.
    document_end: usize,
}

impl<'a> Events<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let commas = Commas::after_tags(text);
        let mut parser = Parser::new();
        // Otherwise it treats any text that begins with the byte 0xEF as one with a byte order mark.
        parser.set_encoding(Encoding::Utf8);
        parser.set_input(Text { text: commas.hide(text), at: 0 });
        Events { parser, length: text.len(), commas, document_end: text.len() }
    }

    /// The next event; none at the end of the document and of the text.
    pub(super) fn next(&mut self) -> Result<Option<Event>, Fault> {
        let mut event = self.parser.parse().map_err(|error| self.fault(&error))?;
        let (start, end) = (self.byte(event.start_mark.index), self.byte(event.end_mark.index));
        match &mut event.data {
            EventData::StreamEnd => return Ok(None),
            EventData::DocumentEnd { .. } => {
                self.document_end = end;
                return Ok(None);
            }
            EventData::Scalar { value, style, .. } => {
                self.commas.restore(value);
                self.drop_added_break(value, *style, event.end_mark.index);
            }
            _ => {}
        }
        Ok(Some(Event { data: event.data, start, end }))
    }

    /// Where the document ends, once its last event has been read.
    pub(super) fn document_end(&self) -> usize {
        self.document_end
    }

    /// A block scalar at the end of the text has no line break after its last line if the text has none.
    fn drop_added_break(&self, value: &mut String, style: ScalarStyle, end: u64) {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let hidden_length = self.commas.hidden_byte(self.length) as u64;
        if is_block && end > hidden_length && value.ends_with('\n') {
            value.pop();
        }
    }

    fn byte(&self, hidden: u64) -> usize {
        let hidden = usize::try_from(hidden).unwrap_or(usize::MAX);
        self.commas.byte(hidden).min(self.length)
    }

    fn fault(&self, error: &libyaml_safer::Error) -> Fault {
        let offset = error.problem_mark().map_or(0, |mark| self.byte(mark.index));
        Fault { message: format!("not YAML: {}", error.problem()), offset }
    }
}

/// The text in pieces, so that it is never decoded all at once; with a line break at its end, which the port needs.
struct Text<'a> {
    text: Cow<'a, str>,
    at: usize,
}

/// Bytes that are passed on at once.
const PIECE: usize = 1 << 13;

impl BufRead for Text<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let length = self.text.len();
        if self.at == length && !self.text.ends_with('\n') {
            return Ok(b"\n");
        }
        let mut end = length.min(self.at.saturating_add(PIECE));
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        Ok(self.text.as_bytes().get(self.at..end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Text<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut piece = self.fill_buf()?;
        let count = piece.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

/// Commas directly after a tag in flow style, as in `[!a, b]`: `libyaml-safer` 0.3.0 panics there, while go-yaml
/// refuses the text. With another character in place of the comma the port refuses it, too; within a scalar that
/// character becomes a comma again.
struct Commas {
    /// Their positions in bytes, in order.
    at: Vec<usize>,
    /// The character that replaces them; it is nowhere else in the text.
    stand_in: char,
}

impl Commas {
    /// All possible replacements have this length: they are characters for private use.
    const LENGTH: usize = '\u{e000}'.len_utf8();

    fn after_tags(text: &str) -> Self {
        let mut at = Vec::new();
        let mut word_end = 0;
        for bang in memchr::memchr_iter(b'!', text.as_bytes()) {
            if bang >= word_end {
                let word = text.get(bang..).unwrap_or_default();
                let length = word.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(word.len());
                word_end = bang + length;
            }
            let is_comma = text.as_bytes().get(word_end) == Some(&b',');
            if is_comma && at.last() != Some(&word_end) && may_begin_tag(text, bang) {
                at.push(word_end);
            }
        }
        let absent = |c: &char| at.is_empty() || !text.contains(*c);
        Commas { stand_in: ('\u{e000}'..='\u{f8ff}').find(absent).unwrap_or('\u{e000}'), at }
    }

    fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.at.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut hidden = String::with_capacity(self.hidden_byte(text.len()));
        let mut start = 0;
        for comma in &self.at {
            hidden.push_str(text.get(start..*comma).unwrap_or_default());
            hidden.push(self.stand_in);
            start = comma + 1;
        }
        hidden.push_str(text.get(start..).unwrap_or_default());
        Cow::Owned(hidden)
    }

    fn restore(&self, value: &mut String) {
        if !self.at.is_empty() && value.contains(self.stand_in) {
            *value = value.replace(self.stand_in, ",");
        }
    }

    /// The byte of the text that corresponds to a byte of the changed text.
    fn byte(&self, hidden: usize) -> usize {
        let grown = Self::LENGTH - 1;
        let (mut low, mut high) = (0, self.at.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let comma = self.at.get(middle).copied().unwrap_or(usize::MAX);
            if comma.saturating_add(middle * grown) < hidden { low = middle + 1 } else { high = middle }
        }
        hidden.saturating_sub(low * grown)
    }

    fn hidden_byte(&self, byte: usize) -> usize {
        byte + self.at.partition_point(|comma| *comma < byte) * (Self::LENGTH - 1)
    }
}

/// Whether a scanner may be about to begin a token at a byte, and is not within the words of a plain scalar.
fn may_begin_tag(text: &str, at: usize) -> bool {
    /// How far back in the line to look.
    const NEAR: usize = 1024;
    let mut start = at.saturating_sub(NEAR);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let near = text.get(start..at).unwrap_or_default();
    let Some(line) = near.rsplit_once('\n').map(|(_, line)| line).or((start == 0).then_some(near)) else {
        return true;
    };
    let words = line.trim_end();
    let last_word = words.rsplit(char::is_whitespace).next().unwrap_or_default();
    let follows_words = words.ends_with(|c: char| !"[]{},:?-\"'".contains(c));
    !follows_words || last_word.contains(['&', '*', '!']) || line.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalars(text: &str) -> Result<Vec<(String, usize, usize)>, String> {
        let mut events = Events::new(text);
        let mut found = Vec::new();
        while let Some(Event { data, start, end }) = events.next().map_err(|fault| fault.message)? {
            if let EventData::Scalar { value, .. } = data {
                found.push((value, start, end));
            }
        }
        Ok(found)
    }

    #[test]
    fn texts_on_which_the_port_panics_are_read_or_refused() {
        for text in [
            "[!a, b]",
            "{a: !b, c: d}",
            "[&x !a,b]",
            "\"\\",
            "[ # x\n !a, b]",
            "[\"a\" !b, c]",
            "[ # x\u{85}!a, b]",
            "[!<x>, a]",
            "%TAG ! !,",
        ] {
            assert!(scalars(text).is_err(), "{text}");
        }
        assert_eq!(scalars("a: |\n  x").unwrap()[1].0, "x");
        assert_eq!(scalars("a: |\n  x\n").unwrap()[1].0, "x\n");
        assert_eq!(scalars("a: |+\n  x\n\n").unwrap()[1].0, "x\n\n");
        assert_eq!(scalars("\u{fb01}: x").unwrap()[0].0, "\u{fb01}");
    }

    #[test]
    fn commas_of_scalars_come_back_and_places_stay() {
        let text = "a: \"!b, !c,\"\nd: e !f, g\nh: [i]\n";
        let found = scalars(text).unwrap();
        let values: Vec<_> = found.iter().map(|(value, ..)| value.as_str()).collect();
        assert_eq!(values, ["a", "!b, !c,", "d", "e !f, g", "h", "i"]);
        for (value, start, end) in found {
            assert_eq!(text[start..end].trim_matches('"'), value);
        }
    }
}
