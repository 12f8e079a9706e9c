//! Names that may get into a ruleset: checked by the API server's own rules when they are created, so that printers
//! need not do so.

use std::cmp::Ordering;
use std::fmt;

use compact_str::CompactString;
use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::net::Protocol;

/// Whether `text` is a DNS-1123 label: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63 bytes
/// (k8s.io/apimachinery/pkg/util/validation).
pub fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
}

/// Whether `text` is a DNS-1123 subdomain: labels joined by dots, at most 253 bytes.
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label_of_any_length)
}

fn is_dns_label_of_any_length(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|b| alphanumeric(*b) || *b == b'-')
        && bytes.first().is_some_and(|b| alphanumeric(*b))
        && bytes.last().is_some_and(|b| alphanumeric(*b))
}

/// Whether `text` can be the name of a network interface in a rule: `[A-Za-z0-9._-]`, at most 15 bytes
/// (IFNAMSIZ in linux/if.h, less its terminating zero).
pub fn is_interface_name(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Up to three names similar to a wrong one, nearest first.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let mut scored: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(wrong, name), name))
        .filter(|(score, name)| *score >= 0.5 || name.contains(wrong))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup();
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The first 16 characters of the base32 text (RFC 4648) of the SHA-256 of two texts joined, which represent its first
/// 10 bytes; kube-proxy uses them in chain names.
pub fn short_hash(first: &str, second: &str) -> CompactString {
    let digest = Sha256::new().chain_update(first).chain_update(second).finalize();
    let mut text = [0; 16];
    BASE32_NOPAD.encode_mut(&digest[..10], &mut text);
    std::str::from_utf8(&text).unwrap_or_default().into()
}

/// A name that breaks the API server's rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} is not a DNS label (lower-case letters, digits and '-', at most 63)")]
pub struct InvalidName {
    /// What kind of name it is, such as `namespace`.
    pub what: &'static str,
    /// The name.
    pub text: String,
}

/// The identity of a Service. Printed as `namespace/name`, and ordered likewise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceName {
    namespace: CompactString,
    name: CompactString,
}

impl ServiceName {
    /// Reads `namespace/name`; none unless both are DNS labels.
    pub fn parse(text: &str) -> Option<ServiceName> {
        let (namespace, name) = text.split_once('/')?;
        let fits = is_dns_label(namespace) && is_dns_label(name);
        fits.then(|| ServiceName { namespace: namespace.into(), name: name.into() })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name in its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn printed(&self) -> impl Iterator<Item = u8> {
        self.namespace.bytes().chain([b'/']).chain(self.name.bytes())
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Ord for ServiceName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.printed().cmp(other.printed())
    }
}

impl PartialOrd for ServiceName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The identity of a Service port: what kube-proxy calls a `ServicePortName`. Printed as `namespace/name:port`, or
/// `namespace/name` if the port has no name; the protocol is not part of the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServicePortName {
    namespace: CompactString,
    service: CompactString,
    port: CompactString,
    protocol: Protocol,
}

impl ServicePortName {
    /// A Service port's name; `port` may be empty.
    ///
    /// # Errors
    /// Any part that is not a DNS label.
    pub fn new(namespace: &str, service: &str, port: &str, protocol: Protocol) -> Result<Self, InvalidName> {
        let check = |what, text: &str| {
            if is_dns_label(text) {
                Ok(CompactString::from(text))
            } else {
                Err(InvalidName { what, text: text.to_owned() })
            }
        };
        let port = if port.is_empty() { CompactString::default() } else { check("port name", port)? };
        Ok(ServicePortName {
            namespace: check("namespace", namespace)?,
            service: check("Service name", service)?,
            port,
            protocol,
        })
    }

    /// Reads the printed form; none unless every part is a DNS label.
    pub fn parse(text: &str, protocol: Protocol) -> Option<Self> {
        let (service, port) = text.split_once(':').unwrap_or((text, ""));
        let ServiceName { namespace, name } = ServiceName::parse(service)?;
        ServicePortName::new(&namespace, &name, port, protocol).ok()
    }

    /// The Service.
    pub fn service_name(&self) -> ServiceName {
        ServiceName { namespace: self.namespace.clone(), name: self.service.clone() }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of the Service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The name of the port; empty if it has none.
    pub fn port(&self) -> &str {
        &self.port
    }

    /// The protocol.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl fmt::Display for ServicePortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service)?;
        if self.port.is_empty() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_ordered_as_they_print() {
        let mut names =
            ["shop/web", "shop-2/web", "shop/a-b", "shop/a"].map(|text| ServiceName::parse(text).unwrap());
        names.sort();
        assert_eq!(names.map(|name| name.to_string()), ["shop-2/web", "shop/a", "shop/a-b", "shop/web"]);
        assert_eq!([ServiceName::parse("web"), ServiceName::parse("a/b/c")], [None, None]);
    }

    #[test]
    fn names_that_would_break_a_rule_are_refused() {
        for bad in ["", "x\" -j ACCEPT", "a\nb", "A", "-a", "a-", "a.b", "a;b", &"a".repeat(64)] {
            assert!(ServicePortName::new("ns", bad, "", Protocol::Tcp).is_err(), "{bad:?}");
        }
        let name = ServicePortName::new("ns", "web", "http", Protocol::Tcp).unwrap();
        assert_eq!(name.to_string(), "ns/web:http");
        assert_eq!(ServicePortName::new("ns", "web", "", Protocol::Tcp).unwrap().to_string(), "ns/web");
        assert_eq!(ServicePortName::parse("ns/web:http", Protocol::Tcp), Some(name));
        for bad in ["ns", "ns/web:a:b", "ns/web/x", "ns/:http"] {
            assert_eq!(ServicePortName::parse(bad, Protocol::Tcp), None, "{bad:?}");
        }
    }
}
