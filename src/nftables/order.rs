//! The order in which the elements of a set or map are listed.
//!
//! nft sorts elements before it prints them. The canonical order here is that of nft 1.0.6 (Debian 12) on a
//! little-endian host, so that the text is byte for byte what such a node prints: keys with one part are sorted by
//! value; concatenated keys by their bytes read backwards, so that the port's low byte counts most (nft before 1.1.4
//! compares a concatenation as one number in the host's byte order). Chains and affinity sets of Service ports follow
//! the Service ports: by namespace, Service name, port name, protocol.

use std::net::IpAddr;

use super::ruleset::Datum;

/// What a key is sorted by.
pub fn sort_key(key: &[Datum]) -> Vec<u8> {
    match key {
        [single] => bytes(single),
        parts => {
            let mut joined: Vec<u8> = parts.iter().flat_map(padded).collect();
            joined.reverse();
            joined
        }
    }
}

/// Each part of a concatenation fills whole registers of four bytes (NFT_REG32_SIZE).
fn padded(part: &Datum) -> Vec<u8> {
    let mut bytes = bytes(part);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn bytes(datum: &Datum) -> Vec<u8> {
    match datum {
        Datum::Address(ip) | Datum::Range(ip, _) => address(*ip),
        Datum::Network(cidr) => address(cidr.network()),
        Datum::Protocol(protocol) => vec![protocol.number()],
        Datum::Port(port) => port.get().to_be_bytes().to_vec(),
        Datum::Mark(mark) | Datum::Marks(mark, _) | Datum::MarkPrefix(mark, _) => mark.to_be_bytes().to_vec(),
        Datum::Number(number) | Datum::Numbers(number, _) => number.to_be_bytes().to_vec(),
        Datum::Bits(names) => names.join("|").into_bytes(),
        Datum::Any => Vec::new(),
        Datum::Name(text) | Datum::Word(text) | Datum::Other(text) => text.as_bytes().to_vec(),
    }
}

fn address(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Port, Protocol};

    #[test]
    fn low_byte_of_the_port_counts_most() {
        let mut ports = [1, 53, 80, 256, 443, 512, 8080, 65535]
            .map(|n| [Datum::Protocol(Protocol::Tcp), Datum::Port(Port::new(n).unwrap())]);
        ports.sort_by_key(|key| sort_key(key));
        let listed: Vec<String> = ports.iter().map(|key| key[1].to_string()).collect();
        assert_eq!(listed, ["256", "512", "1", "53", "80", "8080", "443", "65535"]);
    }
}
