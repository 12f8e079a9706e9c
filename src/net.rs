//! Addresses, networks, ports and protocols, read and written as kube-proxy does.

mod text;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use ipnet::{IpNet, Ipv4Net};
pub use text::AddressText;

/// An IP family. kube-proxy keeps one ruleset per family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4: the `iptables` tools, nft family `ip`.
    Ipv4,
    /// IPv6: the `ip6tables` tools, nft family `ip6`.
    Ipv6,
}

impl Family {
    /// Both families, IPv4 first.
    pub const ALL: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// The family of an address.
    pub fn of(ip: IpAddr) -> Family {
        if ip.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    /// The other family.
    pub fn other(self) -> Family {
        match self {
            Family::Ipv4 => Family::Ipv6,
            Family::Ipv6 => Family::Ipv4,
        }
    }

    /// The name in `ipFamilies` and `addressType`.
    pub fn api_name(self) -> &'static str {
        match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        }
    }

    /// The name on the command line and in JSON output.
    pub fn lower_name(self) -> &'static str {
        match self {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        }
    }

    /// `127.0.0.1` or `::1`.
    pub fn loopback(self) -> IpAddr {
        match self {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        }
    }

    /// `0.0.0.0` or `::`.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// Length in bits of an address.
    pub fn bits(self) -> u8 {
        match self {
            Family::Ipv4 => 32,
            Family::Ipv6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.api_name())
    }
}

/// A transport protocol that a Service port can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Protocol number 6.
    Tcp,
    /// Protocol number 17.
    Udp,
    /// Protocol number 132.
    Sctp,
}

impl Protocol {
    /// All protocols a Service port can have.
    pub const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

    /// The name in rules.
    pub fn lower_name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    /// The name in API objects.
    pub fn api_name(self) -> &'static str {
        match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        }
    }

    /// Reads the API form, which is case-sensitive.
    pub fn from_api_name(text: &str) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|p| p.api_name() == text)
    }

    /// Reads the form in rules.
    pub fn from_lower_name(text: &str) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|p| p.lower_name() == text)
    }

    /// The IANA protocol number.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lower_name())
    }
}

/// A transport port, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port(NonZeroU16);

impl Port {
    /// A port, if `number` is in 1..=65535.
    pub fn new(number: i64) -> Option<Port> {
        u16::try_from(number).ok().and_then(NonZeroU16::new).map(Port)
    }

    /// Reads decimal digits.
    pub fn parse(text: &str) -> Option<Port> {
        text.parse().ok().map(Port)
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network in canonical form: host bits are always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr(IpNet);

impl Cidr {
    /// `127.0.0.0/8`
    pub const IPV4_LOOPBACK: Cidr = Cidr(IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)));

    /// The network of `length` bits around `ip`, if the length fits the family.
    pub fn new(ip: IpAddr, length: u8) -> Option<Cidr> {
        IpNet::new(ip, length).ok().map(|net| Cidr(net.trunc()))
    }

    /// The network of a single address.
    pub fn host(ip: IpAddr) -> Cidr {
        Cidr(IpNet::from(ip))
    }

    /// Reads `address/length` as Go's `ParseCIDRSloppy` does: leading zeros are decimal, host bits are dropped.
    pub fn parse_lenient(text: &str) -> Option<Cidr> {
        let (address, length) = text.split_once('/')?;
        let ip = parse_ip_lenient(address)?;
        if length.is_empty() || length.len() > 8 || !length.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let length: u32 = length.parse().ok()?;
        if address.contains(':') && ip.is_ipv4() {
            // An IPv4-mapped IPv6 text: the length counts from the IPv6 address.
            return Cidr::new(ip, u8::try_from(length.checked_sub(96)?).ok()?);
        }
        Cidr::new(ip, u8::try_from(length).ok()?)
    }

    /// The first address.
    pub fn network(self) -> IpAddr {
        self.0.network()
    }

    /// The last address.
    pub fn last(self) -> IpAddr {
        self.0.broadcast()
    }

    /// Length of the prefix in bits.
    pub fn length(self) -> u8 {
        self.0.prefix_len()
    }

    /// The family of its addresses.
    pub fn family(self) -> Family {
        Family::of(self.network())
    }

    /// Whether it is exactly one address.
    pub fn is_host(self) -> bool {
        self.length() == self.family().bits()
    }

    /// Whether it contains every address of its family.
    pub fn is_everything(self) -> bool {
        self.length() == 0
    }

    /// Whether `ip` lies in it.
    pub fn contains(self, ip: IpAddr) -> bool {
        self.0.contains(&ip)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads an address as Go's `ParseIPSloppy` does (k8s.io/utils/net): leading zeros in IPv4 are decimal, and an
/// IPv4-mapped IPv6 text is an IPv4 address.
pub fn parse_ip_lenient(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        let ip: Ipv6Addr = strip_zeros_of_embedded_ipv4(text)?.parse().ok()?;
        return Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4));
    }
    parse_ipv4_lenient(text).map(IpAddr::V4)
}

fn parse_ipv4_lenient(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

fn strip_zeros_of_embedded_ipv4(text: &str) -> Option<String> {
    let Some((head, tail)) = text.rsplit_once(':').filter(|(_, tail)| tail.contains('.')) else {
        return Some(text.to_owned());
    };
    Some(format!("{head}:{}", parse_ipv4_lenient(tail)?))
}

/// Prints the text that the C library's `inet_ntop` gives, which is what iptables prints: like the canonical form, but
/// with the last 32 bits dotted if the rest is zero or `::ffff` (RFC 5952 section 5 leaves this to the printer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InetNtop(pub IpAddr);

impl fmt::Display for InetNtop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IpAddr::V6(v6) = self.0 else {
            return self.0.fmt(f);
        };
        let groups = v6.segments();
        let embeds = groups[..6] == [0; 6] && groups[6] != 0;
        if !embeds {
            return v6.fmt(f);
        }
        let [.., a, b, c, d] = v6.octets();
        write!(f, "::{}", Ipv4Addr::new(a, b, c, d))
    }
}

/// The text of [`InetNtop`].
pub fn inet_ntop(ip: IpAddr) -> String {
    InetNtop(ip).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient_addresses_are_decimal() {
        let ip = |t| parse_ip_lenient(t).map(|ip| ip.to_string());
        assert_eq!(ip("010.096.000.200").as_deref(), Some("10.96.0.200"));
        assert_eq!(ip("::ffff:10.1.3.2").as_deref(), Some("10.1.3.2"));
        assert_eq!(ip("fd00:192::0:a4").as_deref(), Some("fd00:192::a4"));
        assert_eq!(ip("10.0.0.256"), None);
        assert_eq!(ip("10.0.0"), None);
        assert_eq!(ip("10.0.0.+1"), None);
        assert_eq!(ip(""), None);
    }

    #[test]
    fn lenient_networks_drop_host_bits() {
        let net = |t| Cidr::parse_lenient(t).map(|c| c.to_string());
        assert_eq!(net("10.9.0.5/16").as_deref(), Some("10.9.0.0/16"));
        assert_eq!(net("203.0.113.000/025").as_deref(), Some("203.0.113.0/25"));
        assert_eq!(net("10.0.0.1"), None);
        assert_eq!(net("10.0.0.0/33"), None);
    }

    #[test]
    fn printed_as_the_c_library_does() {
        let text = |t: &str| inet_ntop(t.parse().unwrap());
        assert_eq!(text("::1"), "::1");
        assert_eq!(text("::1.2.3.4"), "::1.2.3.4");
        assert_eq!(text("::1:2"), "::0.1.0.2");
        assert_eq!(text("::ffff:1.2.3.4"), "::ffff:1.2.3.4");
        assert_eq!(text("64:ff9b::102:304"), "64:ff9b::102:304");
    }
}
