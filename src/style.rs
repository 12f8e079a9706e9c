//! What text for people looks like: colours, and line widths. Nothing is expressed by colour only.

use crate::diagnostic::Inert;
use crate::markup::log_line;

/// The width of text that does not go to a terminal.
pub const WIDTH: usize = 80;

/// How text for people looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With terminal codes.
    pub colored: bool,
    /// Columns of a line.
    pub width: usize,
}

/// Text for a file or a pipe.
impl Default for Style {
    fn default() -> Self {
        Style { colored: false, width: WIDTH }
    }
}

/// What a word expresses, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It works, or is as it should be.
    Good,
    /// It does not work, or is wrong.
    Bad,
    /// It may be either, or works only for some.
    Mixed,
    /// The text of a rule.
    Rule,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Tone::Good => "1;32",
            Tone::Bad => "1;31",
            Tone::Mixed => "1;33",
            Tone::Rule => "36",
        }
    }
}

impl Style {
    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What matters less.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A word that says how good or bad something is.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        self.paint(tone.code(), text)
    }

    /// Wraps text in the codes of a colour (ECMA-48, SGR) and those that end it.
    fn paint(self, code: &str, text: &str) -> String {
        if self.colored { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Breaks a sentence into lines, with a different prefix for the first; each ends with a line break. An empty
    /// sentence gives none. Text from outside is made harmless.
    pub fn wrap(self, first: &str, others: &str, sentence: &str) -> String {
        let sentence = Inert(sentence).to_string();
        if sentence.is_empty() {
            return String::new();
        }
        let options = textwrap::Options::new(self.width)
            .initial_indent(first)
            .subsequent_indent(others)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .break_words(false);
        let lines = textwrap::wrap(&sentence, options);
        lines.iter().map(|line| format!("{}\n", log_line(line))).collect()
    }

    /// Breaks the lines of a text that are too long; continuations are indented further than their beginning.
    pub fn fit(self, text: &str) -> String {
        let fitted = text.lines().map(|line| {
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            match line.chars().count() > self.width {
                true => self.wrap(&indent, &format!("{indent}    "), line.trim_start()),
                false => format!("{line}\n"),
            }
        });
        fitted.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_asked_for() {
        assert_eq!(Style::default().tone(Tone::Good, "works"), "works");
        let colored = Style { colored: true, ..Style::default() };
        assert_eq!(colored.tone(Tone::Bad, "refused"), "\u{1b}[1;31mrefused\u{1b}[0m");
    }

    #[test]
    fn lines_keep_the_width() {
        let style = Style { width: 12, ..Style::default() };
        assert_eq!(style.wrap("- ", "  ", "one two three\u{1b} four"), "- one two\n  three\\u{1b}\n  four\n");
        assert_eq!(style.wrap("- ", "  ", ""), "");
        assert_eq!(style.fit("one\n\n  two three four\n"), "one\n\n  two three\n      four\n");
    }
}
