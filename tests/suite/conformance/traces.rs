//! Packets have the same outcome under what the real kube-proxy wrote and under what `compile` prints: every run of the
//! corpus.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use kuberules::net::{Cidr, Family, Protocol};
use kuberules::ruleset::Ruleset;
use kuberules::walk::{ClientKind, Condition, Host, Outcome, Packet, Walker};
use kuberules::{iptables, nftables};

use crate::support::kernel::tell;
use crate::support::scope::share;
use crate::support::{Case, cases, in_parallel};

/// Packets walked, and those with another outcome.
#[derive(Default)]
struct Tally {
    packets: usize,
    faults: Vec<String>,
}

#[test]
fn captured_and_compiled_rules_of_iptables_give_the_same_traces() {
    judge(cases("iptables"), |case| {
        let mut tally = Tally::default();
        for (file, family) in [("iptables-save.txt", Family::Ipv4), ("ip6tables-save.txt", Family::Ipv6)] {
            let Ok(text) = std::fs::read_to_string(case.expected.join(file)) else { continue };
            let captured = parse_iptables(&text, family);
            let compiled = parse_iptables(&case.compile(family.lower_name(), "save"), family);
            let mut host = host(case);
            let seen_from = captured.clone();
            let (captured, compiled) = (captured.into(), compiled.into());
            host.learn_from(&captured);
            let seen = iptables_destinations(&seen_from, &host);
            compare(case, &host, (&captured, &compiled), seen, &mut tally);
        }
        tally
    });
}

#[test]
fn captured_and_compiled_rules_of_nftables_give_the_same_traces() {
    judge(cases("nftables"), |case| {
        let mut tally = Tally::default();
        for (name, family) in [("nft-ip", Family::Ipv4), ("nft-ip6", Family::Ipv6)] {
            let of_family = |ruleset| Ruleset::nftables(ruleset, family);
            let Ok(text) = std::fs::read_to_string(case.expected.join(format!("{name}.txt"))) else {
                continue;
            };
            let captured = nftables::parse::parse_listing(&text).unwrap();
            let json = std::fs::read_to_string(case.expected.join(format!("{name}.json")));
            let compiled =
                nftables::parse::parse_listing(&case.compile(family.lower_name(), "list")).unwrap();
            let mut host = host(case);
            let seen_from = captured.clone();
            let (captured, compiled) = (of_family(captured), of_family(compiled));
            host.learn_from(&captured);
            let seen = nftables_destinations(&seen_from, &host);
            compare(case, &host, (&captured, &compiled), seen.clone(), &mut tally);
            if let Ok(json) = json {
                let json = of_family(nftables::parse::parse_json(&json).unwrap());
                compare(case, &host, (&captured, &json), seen, &mut tally);
            }
        }
        tally
    });
}

fn judge(cases: Vec<Case>, work: impl Fn(&Case) -> Tally + Sync) {
    assert!(cases.len() > 80, "the corpus is incomplete");
    let cases = share("conformance::traces", 23, cases);
    let tallies = in_parallel(&cases, work);
    let packets: usize = tallies.iter().map(|tally| tally.packets).sum();
    let faults: Vec<String> = tallies.into_iter().flat_map(|tally| tally.faults).collect();
    tell(&format!(
        "traces: {} runs, {packets} packets walked twice, {} with another outcome",
        cases.len(),
        faults.len()
    ));
    assert!(packets > 100 * cases.len(), "too few packets");
    assert!(faults.is_empty(), "{}", faults.into_iter().take(20).collect::<Vec<_>>().join("\n"));
}

fn parse_iptables(text: &str, family: Family) -> iptables::ruleset::Ruleset {
    let capture = iptables::parse::parse(text, Some(family)).unwrap();
    capture.parts.into_iter().next().unwrap().ruleset
}

fn host(case: &Case) -> Host {
    let mut addresses: Vec<IpAddr> = case.host_ips.iter().map(|ip| ip.parse().unwrap()).collect();
    addresses.retain(|ip| !ip.is_loopback());
    Host { addresses, ..Host::default() }
}

type Destinations = BTreeSet<(Protocol, SocketAddr)>;

/// Every address and port that a rule names, wrong ports of the addresses, node ports on each address of the node.
fn iptables_destinations(ruleset: &iptables::ruleset::Ruleset, host: &Host) -> Destinations {
    use iptables::ruleset::Match;
    let (mut addresses, mut ports) = (BTreeSet::new(), BTreeSet::new());
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    for placed in chains.flat_map(|chain| &chain.rules) {
        let net = placed.rule.destination.as_ref().map(|destination| destination.net);
        addresses.extend(net.filter(|net| net.is_host()).map(Cidr::network));
        for m in &placed.rule.matches {
            if let Match::Transport { protocol, destination_port: Some(port) } = m {
                ports.insert((*protocol, port.get()));
            }
        }
    }
    cross(addresses, ports, host, ruleset.family)
}

fn nftables_destinations(ruleset: &nftables::ruleset::Ruleset, host: &Host) -> Destinations {
    use nftables::ruleset::{Datum, TableFamily};
    let (mut addresses, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for element in ruleset.tables.iter().flat_map(|table| &table.sets).flat_map(|set| &set.elements) {
        match element.key.as_slice() {
            [Datum::Address(ip)] => _ = addresses.insert(*ip),
            [Datum::Protocol(protocol), Datum::Port(port)] => _ = ports.insert((*protocol, port.get())),
            [Datum::Address(ip), Datum::Protocol(protocol), Datum::Port(port)] => {
                addresses.insert(*ip);
                ports.insert((*protocol, port.get()));
            }
            _ => (),
        }
    }
    let family = match ruleset.tables[0].family {
        TableFamily::Ip6 => Family::Ipv6,
        _ => Family::Ipv4,
    };
    cross(addresses, ports, host, family)
}

fn cross(
    mut addresses: BTreeSet<IpAddr>,
    mut ports: BTreeSet<(Protocol, u16)>,
    host: &Host,
    family: Family,
) -> Destinations {
    addresses.extend(host.addresses.iter().copied());
    addresses.insert(family.loopback());
    addresses.retain(|ip| Family::of(*ip) == family);
    ports.insert((Protocol::Tcp, 9));
    let all = addresses.into_iter().flat_map(|ip| {
        ports.iter().map(move |(protocol, port)| (*protocol, SocketAddr::new(ip, *port))).collect::<Vec<_>>()
    });
    let all: Vec<_> = all.collect();
    // A cluster with thousands of addresses and ports has millions of pairs; an even sample is enough.
    let step = all.len().div_ceil(200).max(1);
    all.into_iter().step_by(step).collect()
}

fn compare(
    case: &Case,
    host: &Host,
    (captured, compiled): (&Ruleset, &Ruleset),
    destinations: Destinations,
    tally: &mut Tally,
) {
    let (captured, compiled) = (Walker::new(captured, host), Walker::new(compiled, host));
    for (protocol, destination) in destinations {
        for (source, client) in sources(host, destination) {
            let packet = Packet::plain(protocol, source, destination, client);
            let ends = |walker: &Walker<'_>| walker.walk(&packet).map(|outcomes| ends(&outcomes));
            tally.packets += 1;
            let (expected, actual) = (ends(&captured), ends(&compiled));
            if expected != actual {
                let what =
                    format!("{}: {packet:?}\n captured {expected:?}\n compiled {actual:?}", case.name());
                tally.faults.push(what);
            }
        }
    }
}

fn sources(host: &Host, to: SocketAddr) -> Vec<(IpAddr, ClientKind)> {
    let family = Family::of(to.ip());
    let [pod, far, outside] = match family {
        Family::Ipv4 => ["10.244.1.250", "10.244.99.250", "198.51.100.77"],
        Family::Ipv6 => ["fd00:10:244:1::fa", "fd00:10:244:99::fa", "2001:db8:77::1"],
    };
    vec![
        (pod.parse().unwrap(), ClientKind::LocalPod),
        (far.parse().unwrap(), ClientKind::RemotePod),
        (host.source_to(to), ClientKind::Node),
        (outside.parse().unwrap(), ClientKind::Outside),
    ]
}

fn ends(outcomes: &[Outcome<'_>]) -> BTreeSet<String> {
    outcomes.iter().map(end).collect()
}

fn end(outcome: &Outcome<'_>) -> String {
    let given: Vec<String> = outcome
        .given
        .iter()
        .map(|condition| match condition {
            Condition::Affinity { list, .. } => format!("on {list}"),
            Condition::Opaque { text, matches, .. } => format!("{text} {matches}"),
            Condition::Verdict { text, verdicts, .. } => format!("{text} {verdicts:?}"),
            Condition::Order { text, .. } => text.to_string(),
            Condition::Several { digest, .. } => digest.to_string(),
            Condition::Supposed { text, .. } => format!("supposing {text}"),
        })
        .collect();
    let (verdict, chance, snat) = (outcome.verdict, outcome.chance, outcome.snat);
    format!("{verdict:?} {} {chance} {snat} {} {given:?}", outcome.destination, outcome.delivered_locally)
}
