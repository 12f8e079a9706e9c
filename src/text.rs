//! Long texts without long copies.

use std::fmt;

/// A text in pieces, which are written one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    pieces: Vec<String>,
}

impl Text {
    /// Adds a piece at the end.
    pub fn push(&mut self, piece: impl Into<String>) {
        self.pieces.push(piece.into());
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[String] {
        &self.pieces
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text { pieces: vec![text] }
    }
}

impl Extend<Text> for Text {
    fn extend<I: IntoIterator<Item = Text>>(&mut self, texts: I) {
        self.pieces.extend(texts.into_iter().flat_map(|text| text.pieces));
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| f.write_str(piece))
    }
}
