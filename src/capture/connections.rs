//! `conntrack -L`, `conntrack -L -o extended`, `/proc/net/nf_conntrack`.

use std::net::{IpAddr, SocketAddr};

use crate::net::Protocol;
use crate::node::{Connection, ConnectionState};

/// Whether a line is a connection: `tcp      6 299 ESTABLISHED src=... dst=...`, `ipv4     2 udp 17 29 src=...`.
pub(super) fn is_connection(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    let is_family = first == "ipv4" || first == "ipv6";
    let number = words.next().is_some_and(|word| word.parse::<u32>().is_ok());
    (is_family || !first.contains('=')) && number && line.contains(" src=") && line.contains(" dst=")
}

/// The connections of a text that Services can have; the others are ignored, as are other lines.
pub(super) fn read(text: &str) -> Vec<Connection> {
    text.lines().filter_map(connection).collect()
}

/// The connection of a line; none for one of a protocol that no Service has.
pub(crate) fn connection(line: &str) -> Option<Connection> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    // Before the protocol may stand the family, and in events (`conntrack -E`) a time and what happened.
    let at = words.iter().take(5).position(|word| Protocol::from_lower_name(word).is_some())?;
    let words = words.get(at..)?;
    let protocol = Protocol::from_lower_name(words.first()?)?;
    words.get(1)?.parse::<u8>().ok()?;
    let values = |name: &str| {
        let found = words.iter().filter_map(move |word| word.split_once('=').filter(|(key, _)| *key == name));
        found.map(|(_, value)| value).collect::<Vec<_>>()
    };
    let (sources, destinations) = (values("src"), values("dst"));
    let (source_ports, destination_ports) = (values("sport"), values("dport"));
    let end = |ips: &[&str], ports: &[&str], at: usize| {
        Some(SocketAddr::new(ips.get(at)?.parse::<IpAddr>().ok()?, ports.get(at)?.parse().ok()?))
    };
    let number = |name: &str| values(name).first().and_then(|value| value.parse().ok());
    Some(Connection {
        protocol,
        source: end(&sources, &source_ports, 0)?,
        destination: end(&destinations, &destination_ports, 0)?,
        reply_source: end(&sources, &source_ports, 1)?,
        reply_destination: end(&destinations, &destination_ports, 1)?,
        state: state(words),
        zone: number("zone").unwrap_or_default(),
    })
}

fn state(words: &[&str]) -> ConnectionState {
    let has = |word: &str| words.contains(&word);
    if ["TIME_WAIT", "CLOSE", "LAST_ACK", "FIN_WAIT", "CLOSE_WAIT"].iter().any(|state| has(state)) {
        ConnectionState::Closing
    } else if has("[UNREPLIED]") {
        ConnectionState::Unreplied
    } else {
        ConnectionState::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_line_says_the_same() {
        let lines = [
            "udp      17 300 src=10.0.0.1 dst=10.96.0.10 sport=1235 dport=53 [UNREPLIED] src=10.244.1.7 dst=10.0.0.1 sport=5353 dport=1235 mark=0 use=1",
            "ipv4     2 udp      17 299 src=10.0.0.1 dst=10.96.0.10 sport=1235 dport=53 [UNREPLIED] src=10.244.1.7 dst=10.0.0.1 sport=5353 dport=1235 mark=0 zone=0 use=2",
            "udp      17 29 src=10.0.0.1 dst=10.96.0.10 sport=1235 dport=53 packets=1 bytes=60 [UNREPLIED] src=10.244.1.7 dst=10.0.0.1 sport=5353 dport=1235 packets=0 bytes=0 mark=0 use=1 id=3502015044",
        ];
        let found: Vec<Connection> = lines.iter().filter_map(|line| connection(line)).collect();
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|other| *other == found[0]));
        assert_eq!(found[0].reply_source, "10.244.1.7:5353".parse().unwrap());
        assert_eq!(found[0].state, ConnectionState::Unreplied);
        assert!(lines.iter().all(|line| is_connection(line)));
    }

    #[test]
    fn what_no_service_has_is_ignored() {
        let icmp = "icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7";
        assert!(is_connection(icmp));
        assert_eq!(connection(icmp), None);
        assert_eq!(connection("conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown."), None);
    }
}
