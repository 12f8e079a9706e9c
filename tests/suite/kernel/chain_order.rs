//! The kernel judges what the walk says where base chains of several backends have one hook and one priority: the one
//! that was registered last runs first, and no listing tells which that was. So the walk must name what happens in
//! each order, and no more.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use kuberules::capture::{self, Source};
use kuberules::net::{Cidr, Protocol};
use kuberules::walk::{Condition, Host, Outcome, Packet, PodInterface, Verdict, Walker};

use super::trace::conntrack::End;
use super::trace::world::{Rules, World};
use crate::support::kernel::available;

const TOOLS: [&str; 6] = ["unshare", "ip", "nft", "iptables-nft", "iptables-legacy", "conntrack"];

const PORT: u16 = 10_000;

/// How each backend translates what goes to port 80.
const TRANSLATING: [&str; 3] = [
    "iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.244.1.1",
    "iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.244.1.2",
    "nft add table ip t; nft add chain ip t pre '{ type nat hook prerouting priority dstnat; }'; \
     nft add rule ip t pre tcp dport 80 dnat to 10.244.1.3",
];

/// One marks what goes to port 80, the other drops what is marked.
const MARKING: [&str; 2] = [
    "nft add table ip t; nft add chain ip t pre '{ type filter hook prerouting priority mangle; }'; \
     nft add rule ip t pre tcp dport 80 meta mark set 7",
    "iptables-nft -t mangle -A PREROUTING -m mark --mark 7 -j DROP",
];

/// A chain for packets, not translation, with the priority of translation.
const BEFORE_OR_BEHIND: [&str; 2] = [
    "iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.244.1.1:8080",
    "nft add table ip t; nft add chain ip t pre '{ type filter hook prerouting priority dstnat; }'; \
     nft add rule ip t pre tcp dport 8080 drop",
];

fn host() -> Host {
    Host {
        addresses: vec!["192.168.0.11".parse().unwrap()],
        pod_networks: vec![Cidr::parse_lenient("10.244.1.0/24").unwrap()],
        pod_interface: Some(PodInterface::Name("pods0".into())),
        ..Host::default()
    }
}

fn packet(to: &str) -> Packet {
    Packet::new(&host(), Protocol::Tcp, "198.51.100.7".parse().unwrap(), to.parse().unwrap()).unwrap()
}

/// Where a packet goes; none if it is dropped.
type Fate = Option<SocketAddr>;

/// What happened to a packet to port 80, and what the walk says of the same node.
fn judged(loaded: &[&str]) -> (Fate, Vec<(Fate, bool)>) {
    let mut world = World::new(&host(), &Rules::Nftables(Vec::new()));
    loaded.iter().for_each(|script| drop(world.run(script)));
    let captured: Vec<Source> = ["iptables-nft-save", "iptables-legacy-save", "nft list table ip t"]
        .into_iter()
        .map(|command| Source {
            name: command.to_owned(),
            text: world.run(&format!("{command} 2>/dev/null || true")),
        })
        .collect();
    let captured = capture::join(&captured, None).unwrap();
    let rules = captured.node_rules(|_| host()).ipv4.unwrap();
    let walker = Walker::of(&rules);

    let unasked = walker.walk(&packet("192.168.0.11:81")).unwrap();
    assert!(matches!(unasked.as_slice(), [only] if only.given.is_empty()), "{unasked:?}");

    let packet = packet("192.168.0.11:80");
    world.send(&packet, PORT);
    let (connections, _) = world.end_batch();
    let seen = connections.get(&(packet.protocol.number(), PORT)).filter(|seen| seen.end != End::Lost);
    let said = walker.walk(&packet).unwrap();
    (seen.map(|connection| connection.reply.0), said.iter().map(fate).collect())
}

/// Where it goes, and whether that depends on the order.
fn fate(outcome: &Outcome<'_>) -> (Fate, bool) {
    let depends = outcome.given.iter().any(|condition| matches!(condition, Condition::Order { .. }));
    (Some(outcome.destination).filter(|_| outcome.verdict == Verdict::Accept), depends)
}

fn orders<'s>(scripts: &[&'s str]) -> Vec<Vec<&'s str>> {
    if scripts.is_empty() {
        return vec![Vec::new()];
    }
    let from = |first: usize| {
        let others: Vec<&str> =
            scripts.iter().enumerate().filter(|(i, _)| *i != first).map(|(_, script)| *script).collect();
        orders(&others).into_iter().map(move |rest| [vec![scripts[first]], rest].concat())
    };
    (0..scripts.len()).flat_map(from).collect()
}

#[test]
fn each_order_in_which_chains_can_run_is_told() {
    if !available(&TOOLS) {
        return;
    }
    for (scripts, ends) in [(&TRANSLATING[..], 3), (&MARKING[..], 2), (&BEFORE_OR_BEHIND[..], 2)] {
        let mut seen = BTreeSet::new();
        for order in orders(scripts) {
            let (end, said) = judged(&order);
            assert!(said.contains(&(end, true)), "loaded {order:#?}: {end:?}, said {said:?}");
            assert_eq!(said.len(), ends, "{order:#?}: {said:?}");
            seen.insert(end);
        }
        assert_eq!(seen.len(), ends, "{scripts:#?}: {seen:?}");
    }
}
