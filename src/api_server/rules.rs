//! Rules for single values: names, labels, ports, addresses (k8s.io/apimachinery/pkg/util/validation). Each tells what
//! a text breaks, in the API server's words; nothing where it is sound.

use std::net::{IpAddr, Ipv6Addr};

use crate::net::{Cidr, parse_ip_lenient};

type Broken = Vec<&'static str>;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63.
pub(super) fn dns_label(text: &str) -> Broken {
    let mut broken = longer_than(text, 63, "must be no more than 63 characters");
    if text.contains('.') {
        broken.push("must not contain dots");
    } else if !is_label(text) {
        broken.push(LABEL);
    }
    broken
}

/// As [`dns_label`], and begins with a letter.
pub(super) fn dns_1035_label(text: &str) -> Broken {
    let mut broken = longer_than(text, 63, "must be no more than 63 characters");
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        broken.push(LABEL_1035);
    }
    broken
}

/// Labels joined by dots, at most 253.
pub(super) fn dns_subdomain(text: &str) -> Broken {
    let mut broken = longer_than(text, 253, "must be no more than 253 characters");
    if !text.split('.').all(is_label) {
        broken.push(SUBDOMAIN);
    }
    broken
}

/// A subdomain of at least two labels, a dot at its end allowed.
pub(super) fn fully_qualified(text: &str) -> Broken {
    if text.is_empty() {
        return vec!["must not be empty"];
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let broken = dns_subdomain(name);
    if !broken.is_empty() {
        broken
    } else if !name.contains('.') {
        vec!["should be a domain with at least two segments separated by dots"]
    } else {
        Vec::new()
    }
}

/// The value of a label.
pub(super) fn label_value(text: &str) -> Broken {
    let mut broken = longer_than(text, 63, "must be no more than 63 characters");
    if !text.is_empty() && !is_name_part(text) {
        broken.push(LABEL_VALUE);
    }
    broken
}

/// The key of a label: a name, with or without a subdomain and a slash before it.
pub(super) fn qualified_name(text: &str) -> Broken {
    let (prefix, name) = match text.split_once('/') {
        Some((_, rest)) if rest.contains('/') => {
            return vec![
                "a qualified name must consist of a name part with an optional DNS subdomain prefix and '/'",
            ];
        }
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let mut broken = Vec::new();
    if prefix == Some("") {
        broken.push("prefix part must be non-empty");
    } else if prefix.is_some_and(|prefix| !dns_subdomain(prefix).is_empty()) {
        broken.push("prefix part must be a lowercase RFC 1123 subdomain");
    }
    if name.is_empty() {
        broken.push("name part must be non-empty");
    } else if !is_name_part(name) {
        broken.push(NAME_PART);
    }
    broken.append(&mut longer_than(name, 63, "name part must be no more than 63 characters"));
    broken
}

/// The name of a container's port, which a Service's targetPort may name (RFC 6335).
pub(super) fn port_name(text: &str) -> Broken {
    let mut broken = longer_than(text, 15, "must be no more than 15 characters");
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        broken.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        broken.push("must contain at least one letter (a-z)");
    }
    if text.contains("--") {
        broken.push("must not contain consecutive hyphens");
    }
    if text.starts_with('-') || text.ends_with('-') {
        broken.push("must not begin or end with a hyphen");
    }
    broken
}

/// The number of a port.
pub(super) fn port_number(number: i64) -> Broken {
    if (1..=65_535).contains(&number) { Vec::new() } else { vec!["must be between 1 and 65535, inclusive"] }
}

/// An address; `strict` as from 1.36 (KEP-4858).
pub(super) fn ip(text: &str, strict: bool) -> Broken {
    let Some(lenient) = parse_ip_lenient(text) else {
        return vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"];
    };
    match (strict, text.parse::<IpAddr>()) {
        (true, Err(_)) if lenient.is_ipv4() && !text.contains(':') => vec!["must not have leading 0s"],
        (true, Ok(IpAddr::V6(ip))) if is_mapped(ip) => vec!["must not be an IPv4-mapped IPv6 address"],
        _ => Vec::new(),
    }
}

/// A network; `strict` as in [`ip`].
pub(super) fn cidr(text: &str, strict: bool) -> Broken {
    let Some(network) = Cidr::parse_lenient(text) else {
        return vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"];
    };
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    if !strict {
        return Vec::new();
    }
    let mut broken = match ip(address, true).first() {
        Some(&"must not have leading 0s") => vec!["must not have leading 0s in IP"],
        Some(other) => vec![*other],
        None => Vec::new(),
    };
    if length.len() > 1 && length.starts_with('0') {
        broken.push("must not have leading 0s in prefix length");
    }
    if parse_ip_lenient(address).is_some_and(|ip| ip != network.network()) {
        broken.push("must not have bits set beyond the prefix length");
    }
    broken
}

/// An address that stands for a host elsewhere.
pub(super) fn ordinary_ip(text: &str) -> Broken {
    let Some(ip) = parse_ip_lenient(text) else { return vec!["must be a valid IP address"] };
    let (link_local, link_local_multicast) = match ip {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0 == 0xfe80, v6.segments()[0] & 0xff0f == 0xff02),
    };
    let mut broken = Vec::new();
    if ip.is_unspecified() {
        broken.push(if ip.is_ipv4() {
            "may not be unspecified (0.0.0.0)"
        } else {
            "may not be unspecified (::)"
        });
    }
    if ip.is_loopback() {
        broken.push("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        broken.push("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if link_local_multicast {
        broken.push("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
    broken
}

fn is_mapped(ip: Ipv6Addr) -> bool {
    ip.to_ipv4_mapped().is_some()
}

fn longer_than(text: &str, most: usize, message: &'static str) -> Broken {
    if text.len() > most { vec![message] } else { Vec::new() }
}

fn is_label(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|b| alphanumeric(*b) || *b == b'-')
        && bytes.first().is_some_and(|b| alphanumeric(*b))
        && bytes.last().is_some_and(|b| alphanumeric(*b))
}

fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ports() {
        for good in ["http", "a", "a-1", "1a", "abcdefghijklmno"] {
            assert!(port_name(good).is_empty(), "{good}");
        }
        for bad in ["", "8080", "HTTP", "http--web", "-a", "a-", "abcdefghijklmnop", "a_b", "a.b"] {
            assert!(!port_name(bad).is_empty(), "{bad}");
        }
    }

    #[test]
    fn keys_and_values_of_labels() {
        for good in ["app", "app.kubernetes.io/name", "A_b.c-1", "example.com/X"] {
            assert!(qualified_name(good).is_empty(), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "Example.com/a", "a b", "-a", &"a".repeat(64)] {
            assert!(!qualified_name(bad).is_empty(), "{bad}");
        }
        assert!(label_value("").is_empty() && label_value("1.2_x-Y").is_empty());
        assert!(!label_value("web server").is_empty() && !label_value("a.").is_empty());
    }

    #[test]
    fn addresses() {
        assert!(ip("10.0.0.1", true).is_empty() && ip("fd00::1", true).is_empty());
        assert_eq!(ip("10.0.0.01", true), ["must not have leading 0s"]);
        assert_eq!(ip("::ffff:10.0.0.1", true), ["must not be an IPv4-mapped IPv6 address"]);
        assert!(ip("10.0.0.01", false).is_empty() && ip("::ffff:10.0.0.1", false).is_empty());
        assert!(!ip("auto", false).is_empty() && !ip("10.0.0.256", false).is_empty());
        assert_eq!(cidr("10.0.0.5/8", true), ["must not have bits set beyond the prefix length"]);
        assert!(cidr("10.0.0.5/8", false).is_empty() && cidr("10.0.0.0/8", true).is_empty());
        assert!(!cidr("198.51.100.0", false).is_empty());
        assert!(ordinary_ip("203.0.113.1").is_empty());
        for bad in ["0.0.0.0", "::", "127.0.0.1", "::1", "169.254.1.1", "fe80::1", "224.0.0.1", "ff02::1"] {
            assert_eq!(ordinary_ip(bad).len(), 1, "{bad}");
        }
    }
}
