//! `ipset save` and `ipset list`.

use std::net::IpAddr;

use compact_str::CompactString;

use crate::diagnostic::{Excerpt, Fault, ParseError};
use crate::net::{Cidr, Family, Protocol};
use crate::node::{Dimension, IpSet, IpSets, Part};

/// Reads the text of `ipset save`.
///
/// # Errors
/// A line that `ipset save` does not print.
pub(super) fn read_save(text: &str) -> Result<IpSets, ParseError> {
    let mut sets = IpSets::default();
    for (number, line) in numbered(text) {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let read = match words.as_slice() {
            ["create", name, kind, options @ ..] => create(&mut sets, name, kind, options),
            ["add", name, member, options @ ..] => add(&mut sets, name, member, options),
            _ => Err(format!("{} is not a line of ipset save", Excerpt(line))),
        };
        read.map_err(|message| ParseError { line: number, message })?;
    }
    Ok(sets)
}

/// Reads the text of `ipset list`.
///
/// # Errors
/// A member or a type that is not understood.
pub(super) fn read_list(text: &str) -> Result<IpSets, ParseError> {
    let mut sets = IpSets::default();
    let (mut name, mut kind, mut in_members) = (String::new(), String::new(), false);
    for (number, line) in numbered(text) {
        let fault = |message| ParseError { line: number, message };
        if let Some(next) = line.strip_prefix("Name: ") {
            (name, in_members) = (next.to_owned(), false);
        } else if in_members {
            let words = words(line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let [member, options @ ..] = words.as_slice() else { continue };
            add(&mut sets, &name, member, options).map_err(fault)?;
        } else if let Some(next) = line.strip_prefix("Type: ") {
            kind = next.to_owned();
        } else if let Some(header) = line.strip_prefix("Header: ") {
            let options: Vec<&str> = header.split(' ').collect();
            create(&mut sets, &name, &kind, &options).map_err(fault)?;
        } else if line == "Members:" {
            in_members = true;
        }
    }
    Ok(sets)
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The words of a line; a text in quotes is one, with blanks in it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

fn create(sets: &mut IpSets, name: &str, kind: &str, options: &[&str]) -> Result<(), Fault> {
    let value = |option: &str| {
        let at = options.iter().position(|word| *word == option)?;
        options.get(at + 1).copied()
    };
    let family = match value("family") {
        Some("inet6") => Some(Family::Ipv6),
        _ => Some(Family::Ipv4),
    };
    let mut set = IpSet::new(kind, family).ok_or_else(|| format!("{} is no type of a set", Excerpt(kind)))?;
    let family = family.unwrap_or(Family::Ipv4);
    if let Some(mask) = value("netmask").and_then(|bits| netmask(family, bits)) {
        set.mask_addresses(mask);
    }
    if let Some(mask) = value("bitmask").and_then(|mask| mask.parse().ok()) {
        set.mask_addresses(mask);
    }
    if let Some(mask) = value("markmask").and_then(number) {
        set.mask_marks(mask);
    }
    match sets.insert(name.into(), set) {
        None => Ok(()),
        Some(_) => Err(format!("the set {} is created twice", Excerpt(name))),
    }
}

/// The mask of a length: the first address of the network that holds the last address of all.
fn netmask(family: Family, bits: &str) -> Option<IpAddr> {
    let all: IpAddr = match family {
        Family::Ipv4 => [0xff; 4].into(),
        Family::Ipv6 => [0xff; 16].into(),
    };
    Some(Cidr::new(all, bits.parse().ok()?)?.network())
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn add(sets: &mut IpSets, name: &str, member: &str, options: &[&str]) -> Result<(), Fault> {
    let unknown = || format!("the set {} is not created before its members", Excerpt(name));
    let set = sets.get_mut(name).ok_or_else(unknown)?;
    if set.dimensions() == [Dimension::Set] {
        set.add_set(member.into());
        return Ok(());
    }
    let has = |option: &str| options.contains(&option);
    let dimensions = set.dimensions().to_vec();
    let mut texts = member.split(',');
    let mut parts = Vec::new();
    for dimension in dimensions {
        let fault = || format!("{} is no member of the set {}", Excerpt(member), Excerpt(name));
        parts.push(match texts.next() {
            Some(text) => part(dimension, text, has("wildcard")).ok_or_else(fault)?,
            None if dimension == Dimension::HardwareAddress => Part::HardwareAddress(None),
            None => return Err(fault()),
        });
    }
    let mut parts = parts.into_iter();
    if let Some(first) = parts.next() {
        set.add(first, parts.collect(), has("nomatch"));
    }
    Ok(())
}

fn part(dimension: Dimension, text: &str, is_prefix: bool) -> Option<Part> {
    Some(match dimension {
        Dimension::Address => Part::Network(match text.parse::<IpAddr>() {
            Ok(ip) => Cidr::host(ip),
            Err(_) => Cidr::parse_lenient(text)?,
        }),
        Dimension::Port => port(text)?,
        Dimension::Mark => Part::Mark(number(text)?),
        Dimension::Interface => {
            let name = text.strip_prefix("physdev:");
            Part::Interface { name: name.unwrap_or(text).into(), is_prefix, of_bridge: name.is_some() }
        }
        Dimension::HardwareAddress => Part::HardwareAddress(Some(text.into())),
        Dimension::Set => return None,
    })
}

/// `tcp:80`, `80`, `icmp:echo-request`
fn port(text: &str) -> Option<Part> {
    let Some((protocol, port)) = text.split_once(':') else {
        return Some(Part::Port { protocol: None, port: text.parse().ok()? });
    };
    match Protocol::from_lower_name(protocol) {
        Some(protocol) => Some(Part::Port { protocol: Some(protocol), port: port.parse().ok()? }),
        None => Some(Part::OfAnotherProtocol(CompactString::from(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ipset save` of ipset 7.17 printed it.
    const SAVED: &str = "\
create b hash:net family inet hashsize 1024 maxelem 65536 timeout 600 counters comment bucketsize 12 initval 0x7f53fdcc
add b 10.2.3.0/24 timeout 599 nomatch packets 0 bytes 0
add b 10.2.0.0/16 timeout 0 packets 0 bytes 0 comment \"x \\ y nomatch z\"
create c hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x9b0dd40f
add c 10.0.0.3,gre:0
add c 10.0.0.2,udp:53
add c 10.0.0.2,icmp:echo-request
create g hash:net,iface family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xed29e8de
add g 10.9.0.0/16,ci wildcard
add g 0.0.0.0/0,physdev:eth1
create m hash:ip family inet6 hashsize 1024 maxelem 65536 bucketsize 12 initval 0xf1f426bb
add m fd00::1
create o bitmap:ip,mac range 10.0.0.0-10.0.0.255
add o 10.0.0.1,01:02:03:04:05:06
add o 10.0.0.2
create p hash:ip family inet hashsize 1024 maxelem 65536 netmask 24 bucketsize 12 initval 0xae67e630
add p 10.0.0.0
create l list:set size 8
add l c
";

    #[test]
    fn sets_are_read_as_ipset_saves_them() {
        let sets = read_save(SAVED).unwrap();
        let sizes: Vec<_> = sets.iter().map(|(name, set)| format!("{name} {}", set.len())).collect();
        assert_eq!(sizes, ["b 2", "c 3", "g 2", "l 1", "m 1", "o 2", "p 1"]);
        assert_eq!(sets.get("l").unwrap().listed(), ["c"]);
    }

    #[test]
    fn what_is_no_line_of_ipset_is_refused() {
        let fault = |text: &str| read_save(text).unwrap_err().to_string();
        assert_eq!(fault("add x 10.0.0.1\n"), "line 1: the set 'x' is not created before its members");
        assert_eq!(fault("create x hash:what\n"), "line 1: 'hash:what' is no type of a set");
        assert_eq!(fault("create x hash:ip\nadd x what\n"), "line 2: 'what' is no member of the set 'x'");
    }

    #[test]
    fn a_list_says_the_same() {
        let list = "Name: c\nType: hash:ip,port\nRevision: 7\nHeader: family inet hashsize 1024 maxelem 65536\n\
            Size in memory: 416\nReferences: 1\nNumber of entries: 1\nMembers:\n10.0.0.2,udp:53\n\n\
            Name: l\nType: list:set\nHeader: size 8\nMembers:\nc\n";
        let saved =
            "create c hash:ip,port family inet\nadd c 10.0.0.2,udp:53\ncreate l list:set size 8\nadd l c\n";
        assert_eq!(read_list(list).unwrap(), read_save(saved).unwrap());
    }
}
