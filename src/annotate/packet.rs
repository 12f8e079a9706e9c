//! Packets in a line: from the kernel's log (`TRACE:`, `LOG`), from `nft monitor trace`, from rules that match on an
//! address.

use std::net::{IpAddr, SocketAddr};

use crate::net::Protocol;

/// Where the packet or rule of a line goes.
pub(super) fn destination(line: &str) -> Option<(Protocol, SocketAddr)> {
    of_log(line).or_else(|| of_monitor(line))
}

/// `... SRC=10.0.0.1 DST=10.96.0.10 ... PROTO=UDP SPT=1234 DPT=53 ...`
fn of_log(line: &str) -> Option<(Protocol, SocketAddr)> {
    let value = |name: &str| line.split_ascii_whitespace().find_map(|word| word.strip_prefix(name));
    let ip: IpAddr = value("DST=")?.parse().ok()?;
    let protocol = Protocol::from_lower_name(&value("PROTO=")?.to_ascii_lowercase())?;
    Some((protocol, SocketAddr::new(ip, value("DPT=")?.parse().ok()?)))
}

/// `trace id 1 ip kube-proxy services packet: ... ip daddr 10.96.0.1 ... tcp dport 80 ...`
fn of_monitor(line: &str) -> Option<(Protocol, SocketAddr)> {
    if !line.starts_with("trace id ") {
        return None;
    }
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let after = |word: &str| {
        let at = words.iter().position(|found| *found == word)?;
        words.get(at + 1).copied()
    };
    let ip: IpAddr = after("daddr")?.parse().ok().or_else(|| last_address(&words))?;
    let at = words.windows(2).position(
        |pair| matches!(pair, [protocol, "dport" | "sport"] if Protocol::from_lower_name(protocol).is_some()),
    )?;
    let protocol = Protocol::from_lower_name(words.get(at)?)?;
    Some((protocol, SocketAddr::new(ip, after("dport")?.parse().ok()?)))
}

/// `ether daddr` comes before `ip daddr`.
fn last_address(words: &[&str]) -> Option<IpAddr> {
    let mut pairs = words.windows(2).rev().filter(|pair| pair.first() == Some(&"daddr"));
    pairs.find_map(|pair| pair.get(1)?.parse().ok())
}

/// What a line of iptables-save matches on: `-d 10.96.0.3/32 -p tcp ... --dport 80`.
pub(super) fn of_rule(line: &str) -> Option<(Protocol, SocketAddr)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let after = |word: &str| {
        let at = words.iter().position(|found| *found == word)?;
        words.get(at + 1).copied()
    };
    let ip: IpAddr = after("-d")?.split('/').next()?.parse().ok()?;
    Some((Protocol::from_lower_name(after("-p")?)?, SocketAddr::new(ip, after("--dport")?.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_of_packets_are_found() {
        let words = |line: &str| destination(line).map(|(protocol, to)| format!("{protocol} {to}"));
        let log = "TRACE: nat:KUBE-SERVICES:rule:3 IN=cni0 OUT= MAC= SRC=10.244.1.9 DST=10.96.0.10 LEN=60 TTL=64 ID=1 DF PROTO=UDP SPT=40000 DPT=53 LEN=40";
        assert_eq!(words(log).as_deref(), Some("udp 10.96.0.10:53"));
        let monitor = "trace id 5a ip kube-proxy nat-prerouting packet: iif \"eth0\" ether saddr 02:00:00:00:00:01 ether daddr 02:00:00:00:00:02 ip saddr 10.0.0.1 ip daddr 10.96.0.1 ip dscp cs0 ip ttl 64 ip id 1 ip length 60 tcp sport 40000 tcp dport 80 tcp flags == syn tcp window 64240";
        assert_eq!(words(monitor).as_deref(), Some("tcp 10.96.0.1:80"));
        assert_eq!(words("a rule about dport 80"), None);
    }
}
