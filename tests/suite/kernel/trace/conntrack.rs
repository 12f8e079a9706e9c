//! Lines of `conntrack -L`.

use std::net::SocketAddr;

use super::world::Tag;

/// Where the first packet of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nowhere: it was seen on its way over `lo`, but did not arrive.
    Lost,
    OnTheNode,
    OnALink,
}

/// A tracked connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection {
    /// As in the first packet: source, destination.
    pub(crate) original: (SocketAddr, SocketAddr),
    /// As in an answer: source, destination.
    pub(crate) reply: (SocketAddr, SocketAddr),
    pub(crate) end: End,
}

/// Reads a line; none for what has no ports.
pub(crate) fn read(line: &str) -> Option<(Tag, Connection)> {
    let protocol = line.split_whitespace().nth(1)?.parse().ok()?;
    let fields: Vec<(&str, &str)> = line.split_whitespace().filter_map(|word| word.split_once('=')).collect();
    // With accounting on, packet counts are between the tuples.
    let ends = |name: &str| ["src", "dst", "sport", "dport"].contains(&name);
    let tuples: Vec<(&str, &str)> = fields.iter().copied().filter(|(name, _)| ends(name)).collect();
    let tuple = |nth: usize| {
        let mut tuple = tuples.get(nth * 4..nth * 4 + 4)?.iter();
        let mut value = |name: &str| tuple.next().filter(|field| field.0 == name).map(|field| field.1);
        let (from, to) = (value("src")?.parse().ok()?, value("dst")?.parse().ok()?);
        let (from_port, to_port) = (value("sport")?.parse().ok()?, value("dport")?.parse().ok()?);
        Some((SocketAddr::new(from, from_port), SocketAddr::new(to, to_port)))
    };
    let (original, reply) = (tuple(0)?, tuple(1)?);
    let end = match fields.iter().find(|field| field.0 == "mark")?.1 {
        "1" => End::OnTheNode,
        "2" => End::OnALink,
        _ => End::Lost,
    };
    Some(((protocol, original.0.port()), Connection { original, reply, end }))
}

#[test]
fn a_line_is_read() {
    let line = "udp      17 29 src=10.244.1.9 dst=10.96.0.10 sport=10001 dport=53 [UNREPLIED] src=10.244.2.3 dst=192.168.0.11 sport=5353 dport=40001 mark=2 use=1";
    let ((protocol, port), connection) = read(line).unwrap();
    assert_eq!((protocol, port, connection.end), (17, 10001, End::OnALink));
    let counted = line.replace(" sport=10001 dport=53", " sport=10001 dport=53 packets=1 bytes=60");
    assert_eq!(read(&counted), read(line));
    assert_eq!(connection.reply.0, "10.244.2.3:5353".parse().unwrap());
    assert_eq!(connection.reply.1, "192.168.0.11:40001".parse().unwrap());
}
