//! What rules of nftables write into packets, and statements that end their rule because the packet lacks something.

use super::foreign::walked;
use super::{from_node, host, lines, tcp};
use crate::capture::{self, Source, join};
use crate::net::{Family, Protocol};
use crate::walk::{Packet, WalkError, Walker};

const ON: &str = "accept 10.244.1.5:80 1/1";
const OFF: &str = "drop 10.244.1.5:80 1/1";

/// A table with one chain that accepts what its rules leave.
fn chain(place: &str, rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("\t\t{rule}\n")).collect();
    format!("table inet t {{\n\tchain c {{\n\t\ttype filter hook {place}; policy accept;\n{rules}\t}}\n}}\n")
}

fn forwarded(rules: &[&str]) -> String {
    chain("forward priority filter", rules)
}

fn udp(source: &str, destination: &str) -> Packet {
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    Packet::new(&host(), Protocol::Udp, source, destination).unwrap()
}

#[test]
fn a_field_that_the_packet_does_not_have_ends_the_rule() {
    let v4 = tcp("203.0.113.7", "10.244.1.5:80");
    let v6 = tcp("2001:db8::7", "[fd00:10:244:1::5]:80");
    let dropped = |packet: &Packet, statement: &str| {
        let found = walked(&forwarded(&[&format!("{statement} drop")]), packet).unwrap();
        assert_eq!(found.len(), 1, "{statement}: {found:?}");
        found[0].starts_with("drop")
    };
    let udp = udp("203.0.113.7", "10.244.1.5:80");
    for (statement, expected) in [
        ("ip dscp set cs1", [true, false, true]),
        ("ip ttl set 70", [true, false, true]),
        ("ip6 hoplimit set 70", [false, true, false]),
        ("ip6 dscp set cs1", [false, true, false]),
        ("tcp window set 500", [true, true, false]),
        ("udp sport set 5353", [false, false, true]),
        ("icmp type set echo-reply", [false, false, false]),
        ("meta mark set jhash ip saddr mod 2", [true, false, true]),
        ("meta mark set jhash ip6 saddr mod 2", [false, true, false]),
    ] {
        assert_eq!([&v4, &v6, &udp].map(|packet| dropped(packet, statement)), expected, "{statement}");
    }
    assert!(!dropped(&udp, "synproxy mss 1460"));
    let from_node = walked(
        &chain("output priority filter", &["ether saddr set 00:11:22:33:44:55 drop"]),
        &from_node("10.244.1.5:80"),
    );
    assert_eq!(from_node.unwrap(), [ON]);
}

#[test]
fn what_a_packet_may_lack_leaves_both_ways_open() {
    let packet = tcp("203.0.113.7", "10.244.1.5:80");
    for (statement, asked) in [
        ("meta mark set socket mark", "socket mark exists"),
        ("ether saddr set 00:11:22:33:44:55", "ether saddr set"),
        ("@ll,48,48 set 5", "@ll,48,48 set"),
        ("th sport set th sport & 255", "th sport set"),
        ("ct expectation set \"e\"", "ct expectation set"),
    ] {
        let found = walked(&forwarded(&[&format!("{statement} drop")]), &packet).unwrap();
        let expected = [format!("{OFF} if {asked} is true"), format!("{ON} if {asked} is false")];
        assert_eq!(found, expected, "{statement}");
    }
}

#[test]
fn what_a_target_does_that_is_not_understood_is_open_in_three_ways() {
    let packet = tcp("203.0.113.7", "10.244.1.5:80");
    let found = walked(&forwarded(&["synproxy mss 1460", "drop"]), &packet).unwrap();
    let expected = [
        format!("{ON} if synproxy mss 1460 is accept"),
        format!("{OFF} if synproxy mss 1460 is drop or continue"),
    ];
    assert_eq!(found, expected);
    let early = |rule| walked(&chain("prerouting priority mangle", &[rule]), &packet).unwrap();
    for (rule, name) in [
        ("ip ttl set 1", "ip ttl set"),
        ("meta pkttype set other", "meta pkttype set"),
        ("ip protocol set udp accept", "ip protocol set"),
        ("tcp flags set rst", "tcp flags set"),
        ("@nh,72,8 set 17", "@nh,72,8 set"),
    ] {
        let expected = [format!("{OFF} if {name} is drop"), format!("{ON} if {name} is accept or continue")];
        assert_eq!(early(rule), expected, "{rule}");
    }
    assert_eq!(early("meta pkttype set host"), [ON]);
    // Behind routing nothing asks for the lifetime.
    assert_eq!(walked(&forwarded(&["ip ttl set 1"]), &packet).unwrap(), [ON]);
    let expiring = |target| format!("*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -j TTL {target}\nCOMMIT\n");
    assert_eq!(walked(&expiring("--ttl-set 1"), &packet).unwrap().len(), 2);
    assert_eq!(walked(&expiring("--ttl-set 64"), &packet).unwrap(), [ON]);
}

#[test]
fn addresses_and_ports_that_cannot_be_told_are_an_error() {
    let packet = tcp("203.0.113.7", "10.244.1.5:80");
    for rule in ["@nh,128,32 set 5", "@th,0,32 set 5", "@nh,96,64 set 5", "tcp dport set tcp sport"] {
        let error = walked(&forwarded(&[rule]), &packet).unwrap_err();
        assert!(matches!(error, WalkError::UnknownRewrite { .. }), "{rule}: {error}");
    }
    let text = "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -j DNPT --src-pfx fd01::/64 --dst-pfx fd02::/64\nCOMMIT\n";
    let error = walked(text, &tcp("2001:db8::7", "[fd01::5]:80")).unwrap_err();
    assert!(matches!(error, WalkError::UnknownRewrite { .. }), "{error}");
}

#[test]
fn a_port_that_a_rule_wrote_is_the_port_from_then_on() {
    let packet = tcp("203.0.113.7", "10.244.1.5:80");
    let rules = |last| forwarded(&["tcp sport set 53", last]);
    for (last, expected) in [
        ("tcp sport 53 drop", vec![OFF]),
        ("tcp sport 2000 drop", vec![ON]),
        ("tcp sport < 1024 drop", vec![OFF]),
        ("tcp sport { 2000-3000 } drop", vec![ON]),
        // What the connection had is not known any more: rules wrote past it.
        (
            "ct original proto-src 53 drop",
            vec![
                "drop 10.244.1.5:80 1/1 if ct original proto-src 53 is true",
                "accept 10.244.1.5:80 1/1 if ct original proto-src 53 is false",
            ],
        ),
    ] {
        assert_eq!(walked(&rules(last), &packet).unwrap(), expected, "{last}");
    }
}

/// A client takes an answer for its own only if that names the packet as the client has sent it.
#[test]
fn nobody_is_told_that_a_rewritten_packet_is_refused() {
    let packet = tcp("203.0.113.7", "10.244.1.5:80");
    for written in ["tcp sport set 2222", "ip saddr set 203.0.113.9"] {
        for reject in ["reject", "reject with tcp reset"] {
            let found = walked(&forwarded(&[written, reject]), &packet).unwrap();
            assert!(found.len() == 1 && found[0].starts_with(OFF), "{written} {reject}: {found:?}");
        }
    }
    for written in ["tcp dport set 80", "ip daddr set 10.244.1.5", "ip saddr set 203.0.113.7"] {
        let found = walked(&forwarded(&[written, "reject"]), &packet).unwrap();
        assert_eq!(found, ["reject PortUnreachable 10.244.1.5:80 1/1"], "{written}");
    }
}

/// Older kernels look at the interface that the packet came in by, newer ones at the one that it leaves by.
#[test]
fn the_type_of_an_interface_is_not_known_behind_routing() {
    let own = tcp("192.168.0.11", "10.244.1.5:80");
    let found = |place| walked(&chain(place, &["meta iiftype ether drop"]), &own).unwrap();
    assert_eq!(found("output priority filter"), [ON]);
    assert_eq!(found("postrouting priority srcnat").len(), 2);
}

#[test]
fn a_translation_can_choose_another_port() {
    let told = Packet { source_port: Some(2500), ..tcp("203.0.113.7", "10.244.1.5:80") };
    let ports = "after its translation";
    for (statement, of_2500) in [
        ("snat ip to 192.168.0.11", vec![OFF.to_owned() + " snat"]),
        ("snat ip to 192.168.0.11:2000-3000", vec![OFF.to_owned() + " snat"]),
        ("snat ip to 192.168.0.11:3000-4000", vec![ON.to_owned() + " snat"]),
        (
            "masquerade fully-random",
            vec![
                format!("{ON} snat if source port {ports} 1024-2499 or 2501-65535 is true"),
                format!("{OFF} snat if source port {ports} 2500 is true"),
            ],
        ),
    ] {
        let text = format!(
            "table inet t {{\n\tchain n {{\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n\
             \t\tmeta l4proto tcp {statement}\n\t}}\n\tchain c {{\n\t\ttype filter hook postrouting priority 200; policy \
             accept;\n\t\ttcp sport 2500 drop\n\t}}\n}}\n"
        );
        let mut found = walked(&text, &told).unwrap();
        found.sort();
        assert_eq!(found, of_2500, "{statement}");
    }
}

/// Another port is a translation, too, even where the address stays (`ct status snat`).
#[test]
fn a_new_port_alone_counts_as_a_translation() {
    let text = |target: &str| {
        format!(
            "*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -j MASQUERADE{target}\nCOMMIT\n\
             *filter\n:INPUT ACCEPT\n-A INPUT -m conntrack --ctstate SNAT -j DROP\nCOMMIT\n"
        )
    };
    let packet = from_node("192.168.0.11:80");
    assert_eq!(walked(&text(" --random-fully"), &packet).unwrap(), ["drop 192.168.0.11:80 1/1 snat"]);
    assert_eq!(walked(&text(""), &packet).unwrap(), ["accept 192.168.0.11:80 1/1 snat local"]);
}

/// Without the chain type `route`, a packet of the node goes the way on which it was sent before.
#[test]
fn an_address_written_behind_routing_does_not_change_the_way() {
    let sent = |kind: &str, place: &str| {
        let text = format!(
            "table inet t {{\n\tchain c {{\n\t\ttype {kind} hook output priority {place}; policy accept;\n\
             \t\tip daddr 203.0.113.5 ip daddr set 192.168.0.11 meta mark set 0x00000001\n\t}}\n}}\n"
        );
        walked(&text, &from_node("203.0.113.5:80")).unwrap()
    };
    assert_eq!(sent("filter", "raw"), ["accept 192.168.0.11:80 1/1"]);
    assert_eq!(sent("route", "mangle"), ["accept 192.168.0.11:80 1/1 local"]);
}

/// Behind a chain of type `route`, a packet with another address is routed again, and dropped where no route leads there.
#[test]
fn a_written_address_needs_a_route_where_the_packet_is_routed_again() {
    let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
    let facts = join(
        &[
            source("routes", "local 192.168.0.11 dev eth0 table local\n203.0.113.0/24 dev eth0\n"),
            source("rules", "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n"),
        ],
        None,
    );
    let facts = facts.unwrap().facts;
    let sent = |kind: &str, place: &str, to: &str| {
        let rule = format!("ip daddr 203.0.113.5 ip daddr set {to}");
        let text = chain(&format!("output priority {place}"), &[&rule])
            .replace("type filter", &format!("type {kind}"));
        let captured = capture::read(&text, Some(Family::Ipv4)).unwrap();
        let mut rules = captured.node_rules(|_| host()).ipv4.unwrap();
        facts.tell(&mut rules.host);
        lines(&Walker::of(&rules).walk(&from_node("203.0.113.5:80")).unwrap())
    };
    assert_eq!(sent("route", "mangle", "203.0.113.9"), ["accept 203.0.113.9:80 1/1"]);
    assert_eq!(sent("route", "mangle", "198.51.100.9"), ["drop 198.51.100.9:80 1/1"]);
    assert_eq!(sent("filter", "raw", "198.51.100.9"), ["accept 198.51.100.9:80 1/1"]);
}

/// In the kernel, looking at what the packet lacks ends the rule (`NFT_BREAK`), whatever is asked of it.
#[test]
fn a_rule_that_wants_something_else_still_needs_the_packet_to_have_something() {
    let packet = tcp("203.0.113.7", "10.244.1.5:80");
    for (rule, ways) in [
        // Without the question whether there is a helper, the port alone would let the rule go on.
        ("ct helper . tcp dport != { \"ftp\" . 21 } drop", 2),
        ("ct helper \"ftp\" accept\n\t\tct helper != \"ftp\" drop", 3),
        ("ct helper vmap { \"ftp\" : accept, * : drop }", 3),
        ("ether saddr vmap { 00:11:22:33:44:55 : accept, * : drop }", 3),
        ("add @seen { ether saddr } drop", 2),
        ("tcp option maxseg size != 1460 drop", 3),
        ("meta iifkind != \"veth\" drop", 3),
        ("tcp option sack-perm exists drop", 2),
        ("exthdr frag missing drop", 1),
        ("ip option rr missing drop", 2),
    ] {
        let text = forwarded(&[rule]).replace(
            "\tchain c",
            "\tset seen {\n\t\ttype ether_addr\n\t\tsize 10\n\t\tflags dynamic\n\t}\n\tchain c",
        );
        let found = walked(&text, &packet).unwrap();
        assert_eq!(found.len(), ways, "{rule}: {found:?}");
        assert!(found.iter().any(|line| line.starts_with("accept")), "{rule}: {found:?}");
    }
}

#[test]
fn an_option_of_another_protocol_is_missing_only_to_newer_kernels() {
    let udp = udp("203.0.113.7", "10.244.1.5:80");
    let found = |rule: &str| walked(&forwarded(&[rule]), &udp).unwrap();
    assert_eq!(found("tcp option sack-perm exists drop").len(), 1);
    assert_eq!(found("tcp option maxseg size != 5 drop").len(), 1);
    assert_eq!(found("tcp option sack-perm missing drop").len(), 2);
    assert_eq!(found("sctp chunk init missing drop").len(), 2);
}

/// A rule that puts an element into a full set ends there.
#[test]
fn a_full_set_takes_no_more() {
    let found = |size: u32| {
        let set = format!(
            "\tset seen {{\n\t\ttype ipv4_addr\n\t\tsize {size}\n\t\tflags dynamic\n\
             \t\telements = {{ 192.0.2.1, 192.0.2.2 }}\n\t}}\n\tchain c"
        );
        let text = forwarded(&["add @seen { ip saddr } drop"]).replace("\tchain c", &set);
        walked(&text, &tcp("203.0.113.7", "10.244.1.5:80")).unwrap()
    };
    assert_eq!(found(3), [OFF]);
    assert_eq!(found(2), [format!("{OFF} if add @seen is true"), format!("{ON} if add @seen is false")]);
}
