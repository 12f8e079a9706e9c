//! The kernel judges the whole way: real exchanges between Pods, nodes and clients outside, over two nodes with their
//! own rules, have the result that a journey predicts: who answers, which source the Pod sees, from which address the
//! answer comes.

mod exchange;
mod world;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kuberules::cluster::Cluster;
use kuberules::input::{self, Snapshot};
use kuberules::journey::{
    Client, ClientPlace, Connection, Network, NodeIndex, Party, Silence, Way, WayResult,
};
use kuberules::net::{Family, Protocol};
use kuberules::node::NodePlan;
use kuberules::settings::{Configuration, Flags, HostFacts, Release, Settings};

use exchange::{Seen, ask};
use world::{NodeSpec, World};

use crate::support::in_parallel;
use crate::support::kernel::{available, tell};
use crate::support::scope::{part, share};

const TOOLS: [&str; 5] = ["unshare", "ip", "nft", "iptables-restore", "nfacct"];

const CLUSTER: &str = include_str!("cluster.yaml");

/// The most tries until everything likely has been seen: something with a chance of a quarter is missed once in a
/// hundred million runs.
const TRIES: usize = 64;

#[test]
fn exchanges_come_out_as_journeys_say() {
    if !available(&TOOLS) {
        return;
    }
    let mut total = Tally::default();
    for tally in in_parallel(&["iptables", "nftables"], |mode| judge(mode)) {
        let enough = tally.flows > part(390, 4) && tally.works > part(200, 8);
        assert!(enough && tally.other_source >= part(1, 2), "{tally:?}");
        total.add(&tally);
    }
    tell(&format!(
        "journey: {} flows over two nodes, {} exchanges: all as predicted ({} flows work, {} with the source that the Pod \
         sees rewritten; {} refused, {} time out, {} of these by a reply from another address)",
        total.flows,
        total.exchanges,
        total.works,
        total.rewritten,
        total.refused,
        total.silent,
        total.other_source
    ));
}

#[derive(Debug, Default)]
struct Tally {
    flows: usize,
    exchanges: usize,
    works: usize,
    rewritten: usize,
    refused: usize,
    silent: usize,
    other_source: usize,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.flows += other.flows;
        self.exchanges += other.exchanges;
        self.works += other.works;
        self.rewritten += other.rewritten;
        self.refused += other.refused;
        self.silent += other.silent;
        self.other_source += other.other_source;
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn settings(snapshot: &Snapshot, mode: &str) -> Settings {
    let (mut configuration, _) = Configuration::from_snapshot(snapshot).unwrap();
    let release: Release = "1.36".parse().unwrap();
    let flags = Flags { proxy_mode: Some(mode.to_owned()), ..Flags::default() };
    configuration.override_with(&flags, &release);
    Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0
}

/// Who sends requests: the address of the namespace, and the client as in a journey. For one outside, with the node to
/// which its router leads.
struct Asker {
    at: IpAddr,
    client: Client,
    chosen: Option<NodeIndex>,
}

fn askers(network: &Network<'_, '_>) -> Vec<Asker> {
    let node = |name: &str| network.find(name).unwrap();
    let (first, second) = (node("node-1"), node("node-2"));
    let asker =
        |text: &str, place, chosen| Asker { at: ip(text), client: Client { ip: ip(text), place }, chosen };
    vec![
        asker("10.32.1.7", ClientPlace::Pod(first), None),
        asker("10.32.2.7", ClientPlace::Pod(second), None),
        asker("10.32.1.8", ClientPlace::Pod(first), None),
        asker("10.32.2.8", ClientPlace::Pod(second), None),
        asker("10.32.2.5", ClientPlace::Pod(second), None),
        asker("192.168.1.11", ClientPlace::Node(first), None),
        asker("192.168.1.12", ClientPlace::Node(second), None),
        asker("198.51.100.7", ClientPlace::Outside, Some(first)),
        asker("198.51.100.8", ClientPlace::Outside, Some(second)),
    ]
}

fn destinations() -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = [
        "10.96.0.12:3306",
        "10.96.0.80:80",
        "203.0.113.80:80",
        "203.0.113.20:80",
        "10.96.0.81:81",
        "203.0.113.81:81",
        "203.0.113.21:81",
        "10.96.0.82:82",
        "10.96.0.83:83",
        "10.96.0.84:84",
        "10.96.0.80:99",
        "10.32.2.8:8080",
        "192.168.1.12:9100",
    ]
    .iter()
    .map(|text| text.parse().unwrap())
    .collect();
    for node in ["192.168.1.11", "192.168.1.12", "127.0.0.1"] {
        all.extend([30080, 30081, 30083, 30084].map(|port| SocketAddr::new(ip(node), port)));
    }
    all
}

fn judge(mode: &str) -> Tally {
    let (snapshot, _) = input::read_text("cluster.yaml", CLUSTER).unwrap();
    let settings = settings(&snapshot, mode);
    let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
    let compile = |node: &_| {
        NodePlan::new(&cluster, &settings, &snapshot.sources, node, Family::Ipv4)
            .ok()
            .map(|(plan, _)| plan.compile())
    };
    let network = Network::new(&cluster, Family::Ipv4, compile);
    let spec = |name: &str, own: &str, pod_network, gateway, pods: &[&str]| NodeSpec {
        ip: ip(own),
        pod_network,
        gateway,
        pods: pods.iter().map(|pod| ip(pod)).collect(),
        rules: network.rules(network.find(name).unwrap()).unwrap(),
    };
    let nodes = [
        spec("node-1", "192.168.1.11", "10.32.1.0/24", "10.32.1.1", &["10.32.1.7", "10.32.1.8"]),
        spec("node-2", "192.168.1.12", "10.32.2.0/24", "10.32.2.1", &["10.32.2.5", "10.32.2.7", "10.32.2.8"]),
    ];
    let served = ["10.32.2.5:3306", "10.32.1.8:8080", "10.32.2.8:8080", "192.168.1.12:9100"];
    let served = served.map(|text| text.parse().unwrap());
    let world = World::new(&nodes, &[ip("198.51.100.7"), ip("198.51.100.8")], &served);
    let mut tally = Tally::default();
    let mut faults = Vec::new();
    for asker in askers(&network) {
        for destination in share("kernel::journey", 3, destinations()) {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                if let Some(connection) = connection(&network, &asker, protocol, destination) {
                    faults.extend(flow(&network, &world, &asker, connection, &mut tally));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{mode}: {} faults\n{}", faults.len(), faults.join("\n"));
    tally
}

/// Packets to a loopback address only exist on the sender's host; a node uses the source address that its kernel
/// chooses.
fn connection(
    network: &Network<'_, '_>,
    asker: &Asker,
    protocol: Protocol,
    destination: SocketAddr,
) -> Option<Connection> {
    let mut client = asker.client;
    if let ClientPlace::Node(node) = client.place {
        client.ip = network.rules(node)?.host.source_to(destination);
    } else if destination.ip().is_loopback() {
        return None;
    }
    Some(Connection { protocol, client, destination })
}

/// Sends requests until everything likely has been seen; reports what was not predicted, or not seen.
fn flow(
    network: &Network<'_, '_>,
    world: &World,
    asker: &Asker,
    connection: Connection,
    tally: &mut Tally,
) -> Option<String> {
    let journey = network.follow(connection, asker.chosen);
    let total: f64 = journey.ways.iter().map(|way| way.chance.as_f64()).sum();
    assert!((total - 1.0).abs() < 1e-9, "{connection:?}: the chances add up to {total}");
    tally.count(&journey.ways, connection);
    let all_work = journey.ways.iter().all(|way| way.result() == WayResult::Works);
    let patience = Duration::from_millis(if all_work { 5000 } else { 300 });
    let mut seen = vec![false; journey.ways.len()];
    for _ in 0..TRIES {
        tally.exchanges += 1;
        let came = ask(world.at(asker.at), connection.protocol, connection.destination, patience);
        let mut predicted = false;
        for (way, seen) in journey.ways.iter().zip(&mut seen) {
            if fits(network, way, came, connection) {
                (*seen, predicted) = (true, true);
            }
        }
        if !predicted {
            let ways: Vec<_> = journey.ways.iter().map(|way| (way.result(), way.server_sees())).collect();
            return Some(format!("{connection:?}: {came:?}, not one of {ways:?}"));
        }
        if journey.ways.iter().zip(&seen).all(|(way, seen)| *seen || way.chance.as_f64() < 0.2) {
            return None;
        }
    }
    Some(format!("{connection:?}: {seen:?} after {TRIES} tries"))
}

impl Tally {
    fn count(&mut self, ways: &[Way<'_>], connection: Connection) {
        self.flows += 1;
        let has = |wanted: fn(&WayResult) -> bool| usize::from(ways.iter().any(|way| wanted(&way.result())));
        self.works += has(|result| matches!(result, WayResult::Works));
        self.refused += has(|result| matches!(result, WayResult::Refused(_)));
        self.silent += has(|result| matches!(result, WayResult::TimesOut(_)));
        self.other_source +=
            has(|result| matches!(result, WayResult::TimesOut(Silence::ReplyFromElsewhere(_))));
        let rewritten =
            |way: &Way<'_>| way.server_sees().is_some_and(|seen| seen != Party::Ip(connection.client.ip));
        self.rewritten += usize::from(ways.iter().any(rewritten));
    }
}

/// Whether what was seen is what a way predicts.
fn fits(network: &Network<'_, '_>, way: &Way<'_>, came: Seen, connection: Connection) -> bool {
    let is_source = |source: IpAddr| match way.server_sees() {
        Some(Party::Ip(ip)) => ip == source,
        Some(Party::OfNode(node)) => {
            let name = network.name(node);
            let own = [("node-1", "192.168.1.11", "10.32.1.1"), ("node-2", "192.168.1.12", "10.32.2.1")];
            own.iter().any(|(of, a, b)| *of == name && [ip(a), ip(b)].contains(&source))
        }
        Some(Party::Unknown) | None => false,
    };
    match (way.result(), came) {
        (WayResult::Works, Seen::Works { server, source }) => {
            way.server().is_some_and(|expected| expected.address == server) && is_source(source)
        }
        (WayResult::TimesOut(Silence::ReplyFromElsewhere(from)), Seen::Elsewhere { from: came, source }) => {
            from == came && is_source(source)
        }
        (WayResult::TimesOut(Silence::ReplyFromElsewhere(_)), Seen::TimedOut) => {
            connection.protocol == Protocol::Tcp
        }
        (WayResult::TimesOut(_), Seen::TimedOut) => true,
        (WayResult::Refused(_), Seen::Refused) => true,
        // On the nodes themselves nothing listens except the host-network Pod.
        (WayResult::NotServicePort, Seen::Refused | Seen::TimedOut) => true,
        (WayResult::NotServicePort, Seen::Works { server, .. }) => server == connection.destination,
        _ => false,
    }
}
