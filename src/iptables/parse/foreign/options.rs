//! The words of a match or target, one option after the other.

use compact_str::CompactString;

use crate::iptables::parse::token;

/// Words that have not been read yet.
pub(super) struct Options {
    words: Vec<CompactString>,
    next: usize,
}

/// The words of one option.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) negated: bool,
    /// With its dashes.
    pub(super) name: CompactString,
    pub(super) values: Vec<CompactString>,
}

impl Options {
    pub(super) fn of(text: &str) -> Options {
        Options { words: token::values(text), next: 0 }
    }

    pub(super) fn word(&mut self) -> Option<CompactString> {
        let word = self.words.get(self.next).cloned();
        self.next += usize::from(word.is_some());
        word
    }

    /// The next option, with all words up to the following one.
    pub(super) fn option(&mut self) -> Option<Given> {
        let mut name = self.word()?;
        let mut negated = false;
        if name == "!" {
            negated = true;
            name = self.word()?;
        }
        let mut values = Vec::new();
        // In the tools' output, the value of an option never begins with a dash and is never `!`.
        while let Some(word) = self.words.get(self.next).filter(|word| *word != "!" && !is_option(word)) {
            values.push(word.clone());
            self.next += 1;
        }
        Some(Given { negated, name, values })
    }
}

fn is_option(word: &str) -> bool {
    word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

impl Given {
    /// The value of an option that has one.
    pub(super) fn value(&self) -> Option<&str> {
        match self.values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Whether it is an option without a value.
    pub(super) fn is_bare(&self) -> bool {
        self.values.is_empty()
    }

    /// Its text, without the module's name.
    pub(super) fn text(&self, module: &str) -> CompactString {
        let mut text = CompactString::from("-m ");
        text.push_str(module);
        for word in [&self.name].into_iter().chain(&self.values) {
            text.push(' ');
            text.push_str(word);
        }
        text
    }
}
