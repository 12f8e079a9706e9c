//! What rules ask about interfaces besides their names: packets that cross different interfaces stand for each other
//! only if no rule tells these apart.

use std::net::{IpAddr, SocketAddr};

use super::compare;
use super::foreign_tests::beside;
use super::tests::{cluster, judge, with_plan};
use crate::capture::{Source, join};
use crate::iptables::parse::parse;
use crate::net::{Family, Protocol};
use crate::nftables::parse::parse_listing;
use crate::node::NodeRules;
use crate::ruleset::Ruleset;
use crate::settings::Release;
use crate::walk::{Packet, Walker};

/// A node with a Pod behind each of two interfaces, others behind a third, and two networks.
const LINKS: &str = "1: eth0: <UP>\n    inet 192.168.0.11/24 scope global eth0\n\
     2: eth1: <UP>\n    inet 192.168.7.11/24 scope global eth1\n3: veth1: <UP>\n4: veth2: <UP>\n5: veth3: <UP>\n";

const ROUTES: &str = "local 192.168.0.11 dev eth0 table local\nlocal 192.168.7.11 dev eth1 table local\n\
     default via 192.168.0.1 dev eth0\n192.168.0.0/24 dev eth0\n192.168.7.0/24 dev eth1\n\
     10.244.1.0/24 dev veth3\n10.244.1.77 dev veth1\n10.244.1.78 dev veth2\n";

const SOURCES: [&str; 7] = [
    "10.244.1.77",
    "10.244.1.78",
    "10.244.1.79",
    "192.168.0.50",
    "192.168.7.50",
    "198.51.100.7",
    "192.168.0.11",
];

const DESTINATIONS: [&str; 9] = [
    "10.96.0.10",
    "10.96.0.11",
    "10.244.1.77",
    "10.244.1.78",
    "10.244.1.79",
    "192.168.7.50",
    "198.51.100.7",
    "192.168.0.11",
    "192.168.7.11",
];

/// Adds rules of another program to kube-proxy's.
fn with(own: &NodeRules<'_>, foreign: &str) -> Ruleset {
    if let Some(nftables) = own.ruleset.as_nftables() {
        let mut rules = nftables.clone();
        rules.tables.extend(parse_listing(foreign).unwrap().tables);
        return Ruleset::nftables(rules, Family::Ipv4);
    }
    let foreign = parse(foreign, Some(Family::Ipv4)).unwrap().parts.remove(0).ruleset;
    beside(own, &foreign, true).ruleset
}

/// Compares a node without some rules and with them; each packet must have the outcome that its class says. Returns how
/// many classes differ.
fn judged(mode: &str, facts: &[(&str, &str)], foreign: &str) -> usize {
    let sources: Vec<Source> =
        facts.iter().map(|(name, text)| Source { name: (*name).into(), text: (*text).into() }).collect();
    with_plan(&cluster(1, 9), (mode, Release::NEWEST, true), |plan| {
        let mut own = plan.compile();
        join(&sources, None).unwrap().facts.tell(&mut own.host);
        own.host.pod_names = [("10.244.1.77", "ns.a"), ("10.244.1.78", "ns.b")]
            .map(|(ip, name)| (ip.parse().unwrap(), name.into()))
            .into();
        let changed = with(&own, foreign);
        let (old, new) = (Walker::new(&own.ruleset, &own.host), Walker::new(&changed, &own.host));
        let found = compare(&old, &new, Family::Ipv4);
        for source in SOURCES {
            for destination in DESTINATIONS {
                let (source, ip): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
                for port in [80, 9] {
                    let to = SocketAddr::new(ip, port);
                    let packet = Packet::new(&own.host, Protocol::Tcp, source, to).unwrap();
                    judge(&found, (&old, &new), &packet, foreign);
                }
            }
        }
        found.differences.len()
    })
}

/// A table of nftables that drops packets at a hook.
fn dropping(hook: &str, test: &str) -> String {
    let base = format!("type filter hook {hook} priority -180; policy accept;");
    format!("table ip other {{\n\tchain c {{\n\t\t{base}\n\t\t{test} drop\n\t}}\n}}\n")
}

const ROUTED: [(&str, &str); 2] = [("links", LINKS), ("routes", ROUTES)];

#[test]
fn sets_with_interfaces_tell_sources_apart() {
    let sets = "create blocked hash:net,iface family inet hashsize 1024 maxelem 65536\nadd blocked 10.244.0.0/16,veth1\n";
    let facts = [ROUTED.as_slice(), &[("sets", sets)]].concat();
    let rule = |ends| {
        format!(
            "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m set --match-set blocked {ends} -j DROP\nCOMMIT\n"
        )
    };
    assert!(judged("iptables", &facts, &rule("src,src")) > 0);
    assert!(judged("iptables", &facts, &rule("dst,dst")) > 0);
}

#[test]
fn ways_to_the_other_end_tell_sources_apart() {
    for test in ["fib daddr . iif oif exists", "fib daddr oifname \"veth1\"", "fib saddr oifname \"veth1\""] {
        assert!(judged("nftables", &ROUTED, &dropping("prerouting", test)) > 0, "{test}");
    }
    for test in ["fib saddr . oif oif exists", "oifname \"veth1\"", "oifname \"veth*\""] {
        assert!(judged("nftables", &ROUTED, &dropping("forward", test)) > 0, "{test}");
    }
}

#[test]
fn addresses_of_interfaces_tell_those_apart() {
    let rule = |hook: &str, limit: &str| {
        format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
             -A {hook} -m addrtype --dst-type LOCAL {limit} -j DROP\nCOMMIT\n"
        )
    };
    for facts in [ROUTED.as_slice(), &ROUTED[1..]] {
        assert!(judged("iptables", facts, &rule("PREROUTING", "--limit-iface-in")) > 0);
        assert!(judged("iptables", facts, &rule("INPUT", "--limit-iface-in")) > 0);
    }
    for (hook, test) in
        [("prerouting", "fib daddr . iif type local"), ("forward", "fib saddr . oif type local")]
    {
        judged("nftables", &ROUTED, &dropping(hook, test));
    }
}

#[test]
fn names_of_pods_tell_their_interfaces_where_routes_do_not() {
    // The first 11 digits of the SHA-1 of `ns.a`.
    let interface = "cali5332acb867c";
    let rule = format!(
        "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i {interface} -j DROP\n-A FORWARD -o cali0 -j DROP\nCOMMIT\n"
    );
    assert!(judged("iptables", &[], &rule) > 0);
}

/// Rules treat the interfaces of both Pods alike, and the kernel does not.
#[test]
fn settings_of_an_interface_tell_its_pods_apart() {
    let sysctls = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.cali5332acb867c.forwarding = 0\n\
         net.ipv4.conf.cali9e2155265cb.forwarding = 1\n";
    let rule = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i cali5332acb867c -j DROP\n-A FORWARD -i cali9e2155265cb -j DROP\nCOMMIT\n";
    assert!(judged("iptables", &[("sysctls", sysctls)], rule) > 0);
}

#[test]
fn destinations_are_told_apart_by_the_interface_that_leads_to_them() {
    let rule = "*filter\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -o veth1 -j DROP\n-A OUTPUT -o veth2 -j DROP\nCOMMIT\n";
    assert!(judged("iptables", &ROUTED, rule) > 0);
}

#[test]
fn a_redirection_leads_to_the_address_of_the_interface() {
    let rule = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.10 -p tcp -j REDIRECT --to-ports 9\nCOMMIT\n";
    assert!(judged("iptables", &ROUTED, rule) > 0);
    let table = "table ip other {\n\tchain c {\n\t\ttype nat hook prerouting priority -110; policy accept;\n\t\t\
         ip daddr 10.96.0.10 tcp dport 80 redirect to :9\n\t}\n}\n";
    assert!(judged("nftables", &ROUTED, table) > 0);
}
