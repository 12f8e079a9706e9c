//! `ipvsadm -Ln`

use std::net::SocketAddr;

/// The addresses of the virtual servers: `TCP  10.96.0.1:443 rr`.
pub(super) fn read(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let is_server = matches!(words.next(), Some("TCP" | "UDP" | "SCTP"));
        words.next().filter(|_| is_server)?.parse().ok()
    };
    text.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn servers_and_not_their_endpoints() {
        let text = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  \
            -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\nTCP  10.96.0.1:443 rr\n  \
            -> 192.168.0.10:6443            Masq    1      0          0         \nUDP  [fd00::a]:53 rr\n";
        let found: Vec<String> = super::read(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.96.0.1:443", "[fd00::a]:53"]);
    }
}
