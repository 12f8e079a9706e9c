//! Values of options.

use std::net::IpAddr;

use crate::net::{Cidr, parse_ip_lenient};

/// A decimal number, or a hexadecimal one after `0x`.
pub(super) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        // A leading zero makes it octal (strtoul).
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// `value` or `value/mask`
pub(super) fn masked(text: &str) -> Option<(u32, Option<u32>)> {
    match text.split_once('/') {
        Some((value, mask)) => Some((number(value)?, Some(number(mask)?))),
        None => Some((number(text)?, None)),
    }
}

/// `22,80,1000:2000`
pub(super) fn ports(text: &str) -> Option<Vec<(u16, u16)>> {
    text.split(',').map(|item| port_range(item, ':')).collect()
}

/// `80`, `1000:2000`, `:1023`, `1024:`
pub(super) fn port_range(text: &str, between: char) -> Option<(u16, u16)> {
    let port =
        |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<u16>().ok() } else { None };
    match text.split_once(between) {
        None => port(text).map(|port| (port, port)),
        Some(("", "")) => Some((0, u16::MAX)),
        Some(("", last)) => Some((0, port(last)?)),
        Some((first, "")) => Some((port(first)?, u16::MAX)),
        Some((first, last)) => Some((port(first)?, port(last)?)).filter(|(first, last)| first <= last),
    }
}

/// An address, perhaps with a length or a mask without gaps.
pub(super) fn network(text: &str) -> Option<Cidr> {
    match text.split_once('/') {
        None => address(text).map(Cidr::host),
        Some((ip, length)) if length.contains(['.', ':']) => {
            Cidr::new(address(ip)?, ipnet::ip_mask_to_prefix(address(length)?).ok()?)
        }
        Some((ip, length)) => Cidr::new(address(ip)?, length.parse().ok()?),
    }
}

pub(super) fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| parse_ip_lenient(text).filter(|_| !text.contains(':')))
}
