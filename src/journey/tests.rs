//! Tests of the whole, with the lecture's example; `tests/suite/kernel/journey` compares many more with the kernel.

use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::cluster::Cluster;
use crate::net::{Family, Protocol};
use crate::node::NodePlan;
use crate::settings::{Configuration, HostFacts, ProxyMode, Settings};
use crate::walk::Chance;

const EXAMPLE: &str = include_str!("../explain/example.yaml");

/// What a test asks about the example, changed.
struct Asked<'a> {
    yaml: &'a str,
    mode: ProxyMode,
    limits: Limits,
}

impl<'a> Asked<'a> {
    fn of(yaml: &'a str) -> Asked<'a> {
        Asked { yaml, mode: ProxyMode::Iptables, limits: Limits::default() }
    }

    /// Follows a connection; `client` is `pod IP`, `node NAME` or `outside IP`, and with a node the chosen one.
    fn follow<T>(
        &self,
        client: &str,
        destination: &str,
        check: impl FnOnce(&Network<'_, '_>, &Journey<'_>) -> T,
    ) -> T {
        let (snapshot, _) = crate::input::read_text("cluster.yaml", self.yaml).unwrap();
        let (configuration, _) = Configuration::from_snapshot(&snapshot).unwrap();
        let release = "1.36".parse().unwrap();
        let settings = Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0;
        let settings = Settings { mode: self.mode, ..settings };
        let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
        let network = Network::new(&cluster, Family::Ipv4, |node| {
            let made = NodePlan::new(&cluster, &settings, &snapshot.sources, node, Family::Ipv4);
            made.ok().map(|(plan, _)| plan.compile())
        })
        .with_limits(self.limits);
        let words: Vec<&str> = client.split(' ').collect();
        let destination: SocketAddr = destination.parse().unwrap();
        let client = match words.as_slice() {
            ["pod", ip] => {
                let ip: IpAddr = ip.parse().unwrap();
                let Place::Pod(node) = network.place(ip) else { panic!("{ip} is no Pod") };
                Client { ip, place: ClientPlace::Pod(node) }
            }
            ["node", name] => {
                let node = network.find(name).unwrap();
                let ip = network.rules(node).unwrap().host.source_to(destination);
                Client { ip, place: ClientPlace::Node(node) }
            }
            ["outside", ip, ..] => Client { ip: ip.parse().unwrap(), place: ClientPlace::Outside },
            other => panic!("{other:?}"),
        };
        let chosen = words.get(2).map(|name| network.find(name).unwrap());
        let journey = network.follow(Connection { protocol: Protocol::Tcp, client, destination }, chosen);
        check(&network, &journey)
    }
}

fn names(network: &Network<'_, '_>, nodes: impl Iterator<Item = NodeIndex>) -> Vec<String> {
    nodes.map(|node| network.name(node).to_owned()).collect()
}

#[test]
fn the_lecture_there_and_back() {
    for mode in [ProxyMode::Iptables, ProxyMode::Nftables] {
        let asked = Asked { mode, ..Asked::of(EXAMPLE) };
        asked.follow("pod 10.32.1.7", "10.96.0.12:3306", |network, journey| {
            let [way] = journey.ways.as_slice() else { panic!("{} ways", journey.ways.len()) };
            assert_eq!(way.result(), WayResult::Works);
            assert_eq!(names(network, way.hops.iter().map(|hop| hop.node)), ["node-1", "node-2"]);
            assert_eq!(way.server_sees(), Some(Party::Ip("10.32.1.7".parse().unwrap())));
            let reply = way.reply.as_ref().unwrap();
            assert_eq!(names(network, reply.hops.iter().map(|hop| hop.node)), ["node-2", "node-1"]);
            let translated: Vec<bool> = reply.hops.iter().map(BackHop::translates).collect();
            assert_eq!(translated, [false, true], "the node that translated translates back");
            assert_eq!(reply.arrives.source, "10.96.0.12:3306".parse().unwrap());
        });
    }
}

#[test]
fn a_reply_that_does_not_pass_the_node_that_translated_is_lost() {
    let yaml = EXAMPLE.replace("type: NodePort", "type: NodePort\n  externalTrafficPolicy: Local");
    Asked::of(&yaml).follow("pod 10.32.0.99", "192.168.1.11:30080", |_, journey| {
        assert_eq!(journey.ways.len(), 1);
        assert_eq!(journey.ways[0].result(), WayResult::Works, "the endpoint is on the node that translates");
    });
    let yaml = yaml.replace("addresses: [10.32.1.7]", "addresses: [10.32.0.7]").replacen(
        "nodeName: node-1",
        "nodeName: node-2",
        1,
    );
    Asked::of(&yaml).follow("pod 10.32.0.99", "192.168.1.11:30080", |network, journey| {
        let way = &journey.ways[0];
        let from = "10.32.0.7:8080".parse().unwrap();
        assert_eq!(way.result(), WayResult::TimesOut(Silence::ReplyFromElsewhere(from)));
        let notes = way.notes(network, &journey.connection);
        assert!(notes.iter().any(|note| matches!(note, Note::PluginMasquerade(..))), "{notes:?}");
    });
}

#[test]
fn a_load_balancer_spreads_over_nodes() {
    let of_policy = |policy: &str| {
        EXAMPLE.replace("type: NodePort", policy)
            + "---\napiVersion: v1\nkind: Node\nmetadata: {name: node-3}\nspec: {podCIDRs: [10.32.2.0/24]}\nstatus: {addresses: \
               [{type: InternalIP, address: 192.168.1.13}]}\n"
    };
    let balanced = "type: LoadBalancer";
    let status = |yaml: String| {
        yaml.replace(
            "nodePort: 30080}",
            "nodePort: 30080}\nstatus: {loadBalancer: {ingress: [{ip: 203.0.113.9}]}}",
        )
    };
    Asked::of(&status(of_policy(balanced))).follow("outside 192.0.2.7", "203.0.113.9:80", |_, journey| {
        assert_eq!(journey.entry.by, EntryBy::AllNodes);
        assert_eq!(journey.ways.len(), 3);
        assert!(journey.ways.iter().all(|way| way.chance == Chance::of(1, 3)));
        assert!(journey.ways.iter().all(|way| way.result() == WayResult::Works));
    });
    let local = "type: LoadBalancer\n  externalTrafficPolicy: Local\n  healthCheckNodePort: 32000";
    let yaml = status(of_policy(local));
    Asked::of(&yaml).follow("outside 192.0.2.7", "203.0.113.9:80", |network, journey| {
        assert_eq!(journey.entry.by, EntryBy::HealthyNodes);
        assert_eq!(names(network, journey.entry.nodes.iter().copied()), ["node-1"]);
        assert_eq!(journey.ways[0].server_sees(), Some(Party::Ip("192.0.2.7".parse().unwrap())));
    });
    Asked::of(&yaml).follow("outside 192.0.2.7 node-3", "203.0.113.9:80", |_, journey| {
        assert_eq!(journey.ways[0].result(), WayResult::TimesOut(Silence::Dropped));
    });
}

#[test]
fn a_pod_that_is_its_own_endpoint_is_masqueraded() {
    Asked::of(EXAMPLE).follow("pod 10.32.0.15", "10.96.0.12:3306", |network, journey| {
        let way = &journey.ways[0];
        assert_eq!(way.result(), WayResult::Works);
        assert_eq!(way.server_sees(), network.find("node-2").map(Party::OfNode));
    });
}

#[test]
fn what_is_not_followed_is_unknown() {
    let asked = Asked { limits: Limits { nodes: 1, ways: 10 }, ..Asked::of(EXAMPLE) };
    asked.follow("pod 10.32.1.7", "10.96.0.12:3306", |network, journey| {
        let node = network.find("node-2").unwrap();
        assert_eq!(journey.ways[0].end, End::NotFollowed(NotFollowed::NoRules(node)));
        assert_eq!(journey.ways[0].result(), WayResult::Unknown);
    });
}
