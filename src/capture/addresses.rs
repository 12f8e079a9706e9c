//! `ip addr`, in its long, its one-line and its JSON form, and `ip link`.

use std::net::IpAddr;

use compact_str::CompactString;
use serde::Deserialize;

use crate::diagnostic::ParseError;
use crate::node::{Link, LinkAddress};

/// Whether a line is the first of an interface: `2: eth0: <BROADCAST,UP>...`, `2: eth0    inet 10.0.0.1/24 ...`.
pub(super) fn is_link(line: &str) -> bool {
    let Some((index, rest)) = line.split_once(": ") else { return false };
    let one_line =
        || rest.split_ascii_whitespace().nth(1).is_some_and(|word| word == "inet" || word == "inet6");
    index.parse::<u32>().is_ok() && (rest.contains(": <") || one_line())
}

/// Reads the text of `ip addr` or `ip -o addr`; lines that say something else are ignored.
pub(super) fn read(text: &str) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for line in text.lines().map(|line| line.trim_end().replace('\\', " ")) {
        if is_link(&line) {
            begin(&mut links, &line);
        } else if let Some(link) = links.last_mut() {
            address(link, &line);
        }
    }
    links
}

fn begin(links: &mut Vec<Link>, line: &str) {
    let Some((_, rest)) = line.split_once(": ") else { return };
    let end = rest.find([':', ' ']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let name = name.split('@').next().unwrap_or(name);
    let flags = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(flags, _)| flags);
    let known = links.iter().position(|link| link.name == name);
    let link = match known {
        Some(at) => links.remove(at),
        None => Link { name: name.into(), ..Link::default() },
    };
    links.push(link);
    let Some(link) = links.last_mut() else { return };
    if let Some(flags) = flags {
        link.is_up = flags.split(',').any(|flag| flag == "UP");
        link.master = after(rest, "master").map(CompactString::from);
    } else {
        link.is_up = true;
        address(link, rest);
    }
}

/// The word behind another.
fn after<'t>(line: &'t str, word: &str) -> Option<&'t str> {
    let mut words = line.split_ascii_whitespace();
    words.find(|found| *found == word)?;
    words.next()
}

/// `inet 10.0.0.1/24 brd 10.0.0.255 scope global eth0`, `inet 10.0.0.1 peer 10.0.0.2/32 ...`
fn address(link: &mut Link, line: &str) {
    let own = after(line, "inet").or_else(|| after(line, "inet6"));
    let Some(own) = own else { return };
    let (ip, prefix) = own.split_once('/').unwrap_or((own, ""));
    let Ok(ip) = ip.parse::<IpAddr>() else { return };
    let whole = if ip.is_ipv4() { 32 } else { 128 };
    let is_link_local = after(line, "scope") == Some("link");
    link.addresses.push(LinkAddress { ip, prefix: prefix.parse().unwrap_or(whole), is_link_local });
    link.broadcasts.extend(after(line, "brd").and_then(|ip| ip.parse::<IpAddr>().ok()));
}

#[derive(Deserialize)]
struct JsonLink {
    ifname: Option<CompactString>,
    #[serde(default)]
    flags: Vec<String>,
    master: Option<CompactString>,
    #[serde(default)]
    addr_info: Vec<JsonAddress>,
}

#[derive(Deserialize)]
struct JsonAddress {
    local: Option<IpAddr>,
    #[serde(default)]
    prefixlen: u8,
    broadcast: Option<IpAddr>,
    scope: Option<String>,
}

/// Reads the text of `ip -j addr`.
///
/// # Errors
/// It is broken JSON.
pub(super) fn read_json(text: &str) -> Result<Vec<Link>, ParseError> {
    let links: Vec<JsonLink> = serde_json::from_str(text)
        .map_err(|error| ParseError { line: error.line(), message: error.to_string() })?;
    Ok(links.into_iter().filter_map(of_json).collect())
}

fn of_json(link: JsonLink) -> Option<Link> {
    let addresses = link.addr_info.iter().filter_map(|address| {
        let is_link_local = address.scope.as_deref() == Some("link");
        Some(LinkAddress { ip: address.local?, prefix: address.prefixlen, is_link_local })
    });
    Some(Link {
        name: link.ifname?,
        addresses: addresses.collect(),
        is_up: link.flags.iter().any(|flag| flag == "UP"),
        master: link.master,
        broadcasts: link.addr_info.iter().filter_map(|address| address.broadcast).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
2: br0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 2e:b3:77:9e:61:d3 brd ff:ff:ff:ff:ff:ff
    inet 10.244.1.1/24 brd 10.244.1.255 scope global br0
       valid_lft forever preferred_lft forever
    inet6 fe80::cca3:3ff:fecf:aa83/64 scope link tentative 
       valid_lft forever preferred_lft forever
4: v0@v1: <BROADCAST,MULTICAST> mtu 1500 qdisc noqueue master br0 state DOWN group default qlen 1000
    link/ether 2e:b3:77:9e:61:d3 brd ff:ff:ff:ff:ff:ff link-netnsid 0
";
    const ONE_LINE: &str = "\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: br0    inet 10.244.1.1/24 brd 10.244.1.255 scope global br0\\       valid_lft forever preferred_lft forever
2: br0    inet6 fe80::cca3:3ff:fecf:aa83/64 scope link tentative \\       valid_lft forever preferred_lft forever
";
    const JSON: &str = r#"[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"}]},{"ifindex":2,"ifname":"br0","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"addr_info":[{"family":"inet","local":"10.244.1.1","prefixlen":24,"broadcast":"10.244.1.255","scope":"global"},{"family":"inet6","local":"fe80::cca3:3ff:fecf:aa83","prefixlen":64,"scope":"link"}]},{"ifindex":4,"link":"v1","ifname":"v0","flags":["BROADCAST","MULTICAST"],"master":"br0","addr_info":[]}]"#;

    #[test]
    fn every_form_says_the_same() {
        let long = read(LONG);
        assert_eq!(long, read_json(JSON).unwrap());
        assert_eq!(long[..2], read(ONE_LINE)[..]);
        assert_eq!(long[2].name, "v0");
        assert_eq!(long[2].master.as_deref(), Some("br0"));
        assert!(!long[2].is_up && long[1].is_up);
        assert_eq!(long[1].addresses.len(), 2);
    }
}
