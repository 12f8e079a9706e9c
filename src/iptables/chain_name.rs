//! Names of chains.

use std::fmt;

/// A chain's name: at most 28 bytes (XT_EXTENSION_MAXNAMELEN in linux/netfilter/x_tables.h), stored inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainName {
    bytes: [u8; ChainName::MAX],
    length: u8,
}

impl ChainName {
    /// The longest name in bytes.
    pub const MAX: usize = 28;

    /// A name, if it has 1 to 28 bytes of printable ASCII without blanks.
    pub fn new(text: &str) -> Option<ChainName> {
        Self::joined("", text)
    }

    /// The two texts, joined into a name.
    pub fn joined(first: &str, second: &str) -> Option<ChainName> {
        let length = first.len() + second.len();
        let graphic = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if !(1..=Self::MAX).contains(&length) || !graphic(first) || !graphic(second) {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes[..first.len()].copy_from_slice(first.as_bytes());
        bytes[first.len()..length].copy_from_slice(second.as_bytes());
        Some(ChainName { bytes, length: u8::try_from(length).ok()? })
    }

    /// The name of a chain that every ruleset has. Longer text is cut.
    pub const fn fixed(text: &'static str) -> ChainName {
        let source = text.as_bytes();
        let mut bytes = [0; Self::MAX];
        let mut i = 0;
        while i < source.len() && i < Self::MAX {
            bytes[i] = source[i];
            i += 1;
        }
        ChainName { bytes, length: i as u8 }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
