//! Addresses as text, stored inline: a large ruleset has millions of them, and the formatter is slow with numbers.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

/// The canonical text of an address, with or without a port.
#[derive(Clone, Copy)]
pub struct AddressText {
    bytes: [u8; AddressText::LONGEST],
    length: usize,
}

impl AddressText {
    /// The length of `[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535`.
    const LONGEST: usize = 47;

    /// `10.0.0.1` or `fd00::1`
    pub fn ip(ip: IpAddr) -> Self {
        let mut text = AddressText { bytes: [0; Self::LONGEST], length: 0 };
        text.push_ip(ip);
        text
    }

    /// `10.0.0.1:80` or `[fd00::1]:80`
    pub fn socket(address: SocketAddr) -> Self {
        let mut text = AddressText { bytes: [0; Self::LONGEST], length: 0 };
        if address.is_ipv6() {
            text.push("[");
        }
        text.push_ip(address.ip());
        text.push(if address.is_ipv6() { "]:" } else { ":" });
        text.push(itoa::Buffer::new().format(address.port()));
        text
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    fn push_ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                for (i, octet) in ip.octets().into_iter().enumerate() {
                    self.push(if i == 0 { "" } else { "." });
                    self.push(itoa::Buffer::new().format(octet));
                }
            }
            // It fits.
            IpAddr::V6(ip) => drop(write!(self, "{ip}")),
        }
    }

    fn push(&mut self, text: &str) {
        let end = self.length + text.len();
        if let Some(bytes) = self.bytes.get_mut(self.length..end) {
            bytes.copy_from_slice(text.as_bytes());
            self.length = end;
        }
    }
}

impl Write for AddressText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn the_text_is_that_of_the_formatter(address: SocketAddr) {
            let plain = SocketAddr::new(address.ip(), address.port());
            let (alone, with_port) = (AddressText::ip(address.ip()), AddressText::socket(address));
            prop_assert_eq!(alone.as_str(), plain.ip().to_string());
            prop_assert_eq!(with_port.as_str(), plain.to_string());
        }
    }

    #[test]
    fn the_longest_text_fits() {
        for text in
            ["[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "255.255.255.255:65535", "[::ffff:1.2.3.4]:0"]
        {
            assert_eq!(AddressText::socket(text.parse().unwrap()).as_str(), text);
        }
    }
}
