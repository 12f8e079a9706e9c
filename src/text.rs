//! Long texts without long copies.

use std::fmt;
use std::sync::Arc;

/// A text in pieces, which are written one after the other. Texts may share pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    pieces: Vec<Arc<String>>,
}

impl Text {
    /// Adds a piece at the end.
    pub fn push(&mut self, piece: impl Into<String>) {
        self.share(&Arc::new(piece.into()));
    }

    /// Adds a piece that other texts also have.
    pub(crate) fn share(&mut self, piece: &Arc<String>) {
        self.pieces.push(piece.clone());
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().map(|piece| piece.as_str())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text { pieces: vec![Arc::new(text)] }
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn a_text_reads_as_its_pieces_joined(steps in vec((0..3, "[a-c]{0,3}"), 0..12)) {
            let (mut text, mut plain) = (Text::default(), String::new());
            let shared = Arc::new("shared\n".to_owned());
            for (step, piece) in steps {
                match step {
                    0 => text.push(piece.as_str()),
                    1 => text.share(&shared),
                    _ => text.extend([Text::from(piece.clone()), text.clone()]),
                }
                match step {
                    0 => plain.push_str(&piece),
                    1 => plain.push_str(&shared),
                    _ => plain = format!("{plain}{piece}{plain}"),
                }
            }
            prop_assert_eq!(text.to_string(), plain.as_str());
            prop_assert_eq!(text.pieces().collect::<String>(), plain);
        }
    }
}
