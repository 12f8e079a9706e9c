//! Names of network interfaces.

use std::fmt;

/// The name of a network interface: at most 15 bytes (IFNAMSIZ in linux/if.h), without blanks and slashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceName {
    bytes: [u8; InterfaceName::LONGEST],
    length: u8,
}

impl InterfaceName {
    /// The longest name in bytes.
    pub const LONGEST: usize = 15;

    /// Reads a name; none if no interface can have it (net/core/dev.c, `dev_valid_name`).
    pub fn new(text: &str) -> Option<InterfaceName> {
        let valid = |b: u8| !b.is_ascii_whitespace() && b != b'/' && b != b':' && b != 0;
        if text.is_empty() || matches!(text, "." | "..") || !text.bytes().all(valid) {
            return None;
        }
        let mut bytes = [0; InterfaceName::LONGEST];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(InterfaceName { bytes, length: u8::try_from(text.len()).ok()? })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_kernel_takes() {
        let name = |text| InterfaceName::new(text).map(|name| name.to_string());
        assert_eq!(name("cali12d4a061371").as_deref(), Some("cali12d4a061371"));
        assert_eq!(name("br-0é").as_deref(), Some("br-0é"));
        for wrong in ["", ".", "..", "eth 0", "a/b", "eth0:1", "sixteen-bytes-xx"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
