//! Targets of other programs that leave marks or destinations unknown.

use super::{from_node, host, lines, tcp};
use crate::capture;
use crate::iptables::foreign::MarkOf;
use crate::net::Family;
use crate::walk::{Effect, Outcome, Packet, WalkError, Walker};

/// What happens to a packet under the rules in a text of `iptables-save` or `nft list ruleset`.
pub(super) fn walked(text: &str, packet: &Packet) -> Result<Vec<String>, WalkError> {
    followed(text, packet, lines)
}

fn followed<T>(text: &str, packet: &Packet, told: impl Fn(&[Outcome<'_>]) -> T) -> Result<T, WalkError> {
    let captured = capture::read(text, Some(packet.family())).unwrap();
    let rules = captured.node_rules(|_| host());
    let rules = match packet.family() {
        Family::Ipv4 => rules.ipv4.as_ref(),
        Family::Ipv6 => rules.ipv6.as_ref(),
    };
    Ok(told(&Walker::of(rules.unwrap()).walk(packet)?))
}

fn through_node() -> Packet {
    tcp("203.0.113.7", "10.244.1.5:80")
}

/// A rule of `mangle` before one of `filter` that drops marked packets.
fn before_mark(target: &str) -> String {
    format!(
        "*mangle\n:FORWARD ACCEPT\n-A FORWARD {target}\nCOMMIT\n\
         *filter\n:FORWARD ACCEPT\n-A FORWARD -m mark --mark 0x1/0x1 -j DROP\nCOMMIT\n"
    )
}

#[test]
fn a_hash_or_a_set_leaves_the_mark_unknown_and_lets_the_packet_on() {
    for target in ["-j HMARK --hmark-tuple src --hmark-mod 2", "-j SET --map-set marks src --map-mark"] {
        let found = walked(&before_mark(target), &through_node()).unwrap();
        let expected = [
            "drop 10.244.1.5:80 1/1 if the packet's mark is true",
            "accept 10.244.1.5:80 1/1 if the packet's mark is false",
        ];
        assert_eq!(found, expected, "{target}");
        let is_said = |outcome: &Outcome<'_>| {
            let mut effects = outcome.steps.iter().flat_map(|step| &step.effects);
            effects.any(|effect| *effect == Effect::MarkNotKnown(MarkOf::Packet))
        };
        assert!(followed(&before_mark(target), &through_node(), |all| all.iter().all(is_said)).unwrap());
    }
    let found = walked(&before_mark("-j SET --map-set marks src --map-prio"), &through_node()).unwrap();
    assert_eq!(found, ["accept 10.244.1.5:80 1/1"]);
}

#[test]
fn a_program_or_a_target_that_is_not_understood_may_change_the_mark() {
    for target in ["-j NFQUEUE --queue-num 3", "-j SOMETHING --new"] {
        let found = walked(&before_mark(target), &through_node()).unwrap();
        let drops = found.iter().filter(|line| line.starts_with("drop")).count();
        assert_eq!((found.len(), drops), (3, 2), "{found:?}");
    }
}

#[test]
fn a_destination_out_of_too_many_is_an_error() {
    for target in
        ["-p tcp -j DNAT --to-destination 10.0.0.1-10.0.9.9", "-p tcp -j REDIRECT --to-ports 1000-9999"]
    {
        let text = format!("*nat\n:PREROUTING ACCEPT\n-A PREROUTING {target}\nCOMMIT\n");
        let error = walked(&text, &through_node()).unwrap_err();
        assert!(matches!(error, WalkError::UnknownDestination { .. }), "{target}: {error}");
    }
}

#[test]
fn without_a_socket_tproxy_of_nftables_ends_the_rule() {
    let text = "table ip t {\n\tchain c {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n\
                \t\tmeta l4proto tcp tproxy to :5000 meta mark set 0x00000001 drop\n\t\tmeta mark 0x00000001 drop\n\t}\n}\n";
    let found = walked(text, &through_node()).unwrap();
    let expected = [
        "drop 10.244.1.5:80 1/1 if tproxy to :5000 is true",
        "accept 10.244.1.5:80 1/1 if tproxy to :5000 is false",
    ];
    assert_eq!(found, expected);
}

/// With IPv6, that is before any rule could send it elsewhere.
#[test]
fn a_loopback_address_from_the_network_is_dropped() {
    let text = "*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n-A PREROUTING -j DNAT --to-destination fd00:10:244:2::7\n\
                -A OUTPUT -j DNAT --to-destination fd00:10:244:2::7\nCOMMIT\n";
    let from_network = tcp("2001:db8::7", "[::1]:80");
    assert_eq!(walked(text, &from_network).unwrap(), ["drop [::1]:80 1/1"]);
    let found = walked(text, &from_node("[fd00:1::1]:80")).unwrap();
    assert_eq!(found, ["accept [fd00:10:244:2::7]:80 1/1"]);
}
