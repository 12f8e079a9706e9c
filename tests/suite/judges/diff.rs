//! `diff` against brute force: one field after the other is changed in random clusters, and `diff` says "the same"
//! exactly if walking every kind of connection, including affinity and its time, says so.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use kuberules::cluster::Cluster;
use kuberules::compare::change::NodeChange;
use kuberules::compare::node::{self, Level};
use kuberules::compare::traffic::{Flow, OutcomeSet};
use kuberules::input::{Snapshot, read_text};
use kuberules::net::{Family, Protocol};
use kuberules::node::NodePlan;
use kuberules::plan::Plan;
use kuberules::settings::release::RELEASES;
use kuberules::settings::{Configuration, HostFacts, Origin, ProxyMode, Release, Settings};
use kuberules::walk::{Packet, Walker};

use super::fields;
use crate::support::generate;
use crate::support::in_parallel;
use crate::support::random::Random;
use crate::support::scope::{full, share_by_hand};

/// All that decides a node's rules.
#[derive(Clone)]
struct Side {
    snapshot: Snapshot,
    configuration: Configuration,
    release: Release,
    host: HostFacts,
}

impl Side {
    /// A random cluster of few Services.
    fn random(seed: u64, mode: ProxyMode) -> Side {
        let generated = generate::cluster(seed);
        let (mut snapshot, _) = read_text("cluster.json", generated.cluster.to_string()).unwrap();
        snapshot.services.truncate(SERVICES);
        snapshot.nodes.sort_by_key(|node| node.object.metadata.name != generated.node.as_str());
        let (mut configuration, _) =
            Configuration::read(&generated.configuration.to_string(), Origin::file("kube-proxy.json"))
                .unwrap();
        configuration.feature_gates.insert("NFTablesProxyMode".to_owned(), true);
        Side { snapshot, configuration, release: generated.release, host: generated.host }.in_mode(mode)
    }

    fn in_mode(&self, mode: ProxyMode) -> Side {
        let configuration =
            Configuration { mode: Some(mode.name().to_owned()), ..self.configuration.clone() };
        Side { configuration, ..self.clone() }
    }

    /// The cluster as kube-proxy sees it with its settings; none if it would not start.
    fn read(&self) -> Option<(Cluster, Settings)> {
        let families = Some(Family::ALL.to_vec());
        let settings = Settings::resolve(&self.configuration, self.release, self.host.clone(), families);
        let (settings, _) = settings.ok()?;
        let (cluster, _) = Cluster::build(&self.snapshot, &settings).ok()?;
        Some((cluster, settings))
    }

    fn plan<'c>(&self, (cluster, settings): &'c (Cluster, Settings), family: Family) -> Option<NodePlan<'c>> {
        let node = cluster.nodes.first()?;
        NodePlan::new(cluster, settings, &self.snapshot.sources, node, family).ok().map(|(plan, _)| plan)
    }
}

const SERVICES: usize = 5;

/// How many times each field of the objects is changed, each time in another object or to another value.
const ROUNDS: usize = 2;

/// What is changed of a side, and how.
struct Case {
    name: String,
    old: Arc<Side>,
    new: Side,
}

fn cases(seed: u64) -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in [ProxyMode::Iptables, ProxyMode::Nftables] {
        let old = Arc::new(Side::random(seed, mode));
        let mut random = Random::new(seed ^ 0x5eed);
        let mut add = |name: &str, new: Side| {
            let name = format!("seed {seed}, {} {}: {name}", mode.name(), old.release);
            cases.push(Case { name, old: Arc::clone(&old), new });
        };
        add("nothing", Side::clone(&old));
        for round in 0..ROUNDS {
            for (name, change) in fields::of_objects() {
                let mut new = Side::clone(&old);
                if change(&mut new.snapshot, &mut random) {
                    add(&format!("{name}, change {round}"), new);
                }
            }
        }
        let other = if mode == ProxyMode::Iptables { ProxyMode::Nftables } else { ProxyMode::Iptables };
        add("the other mode", old.in_mode(other));
        for (name, change) in fields::of_configuration() {
            let mut new = Side::clone(&old);
            change(&mut new.configuration, &mut random);
            add(name, new);
        }
        let release = random.pick(&RELEASES);
        add(&format!("release {release}"), Side { release, ..Side::clone(&old) });
    }
    cases
}

/// How many cases were compared in a family, how many of them differ, and how many connections were walked.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    compared: usize,
    differing: usize,
    walked: usize,
}

#[test]
fn diff_says_the_same_exactly_where_every_walk_does() {
    let seeds: Vec<u64> =
        (0..500).filter(|seed| has_traffic(*seed)).take(if full() { 3 } else { 2 }).collect();
    let all: Vec<Case> = share_by_hand("judges::diff", 31, 2, seeds.into_iter().flat_map(cases).collect());
    let alike: Vec<&[Case]> = all.chunk_by(|a, b| Arc::ptr_eq(&a.old, &b.old)).collect();
    let tallies = in_parallel(&alike, |cases| judge_alike(cases));
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (compared, differing, walked) = (sum(|t| t.compared), sum(|t| t.differing), sum(|t| t.walked));
    eprintln!("{compared} comparisons, {differing} of them with a difference, {walked} connections walked");
    assert!(compared > all.len() / 2 && differing > 2 && differing < compared, "{compared}, {differing}");
}

/// Whether some Services of a cluster forward on the node.
fn has_traffic(seed: u64) -> bool {
    let side = Side::random(seed, ProxyMode::Iptables);
    let Some(read) = side.read() else { return false };
    let plans = Family::ALL.into_iter().filter_map(|family| side.plan(&read, family));
    let endpoints = plans.map(|plan| {
        plan.plan.service_ports().iter().filter(|port| port.reachable_endpoints().len() > 1).count()
    });
    endpoints.sum::<usize>() > 2
}

/// What is changed of one and the same side: connections through it are walked once for all.
fn judge_alike(cases: &[Case]) -> Tally {
    let mut tally = Tally::default();
    let old = &cases[0].old;
    let Some(before) = old.read() else { return tally };
    for family in Family::ALL {
        let Some(plan) = old.plan(&before, family) else { continue };
        let rules = plan.compile();
        let mut known = Known { walker: Walker::of(&rules), outcome_sets: HashMap::new() };
        cases.iter().for_each(|case| judge(case, (&before, family), &mut known, &mut tally));
    }
    tally
}

fn judge(
    case: &Case,
    (before, family): (&(Cluster, Settings), Family),
    known: &mut Known<'_>,
    tally: &mut Tally,
) {
    let Some(after) = case.new.read() else { return };
    let new_plan = || case.new.plan(&after, family);
    let Some(pair) = case.old.plan(before, family).zip(new_plan()) else { return };
    let packets = packets((&pair.0.plan, &pair.1.plan), family);
    let change = node::compare([pair], Level::Traffic);
    let flows = flows(&change);
    let new = new_plan().unwrap().compile();
    let new = Walker::of(&new);
    let mut differs = |packet: &Wanted| known.of(packet).contrast(&outcome_set(&new, packet)).is_some();
    let differing = packets.iter().find(|packet| differs(packet));
    tally.compared += 1;
    tally.walked += packets.len();
    tally.differing += usize::from(!flows.is_empty());
    if let (Some(packet), []) = (differing, flows.as_slice()) {
        panic!("{} {family}: diff says the same, yet {packet:?} has another outcome", case.name);
    }
    for flow in &flows {
        let really = Protocol::ALL.into_iter().any(|protocol| {
            let (source, to) = (flow.source.parse().unwrap(), flow.destination.parse().unwrap());
            differs(&(protocol, source, to))
        });
        assert!(really, "{} {family}: {flow:?} is told to differ and does not", case.name);
    }
    assert!(change.classes > 0, "{} {family}: nothing compared", case.name);
}

fn flows(change: &NodeChange) -> Vec<&Flow> {
    let traffic: Vec<_> = change.families.iter().map(|family| family.traffic.as_ref().unwrap()).collect();
    assert!(traffic.iter().all(|traffic| traffic.unknown.is_empty()), "compiled rules can be followed");
    traffic.into_iter().flat_map(|traffic| &traffic.flows).map(AsRef::as_ref).collect()
}

/// Protocol, source and destination.
type Wanted = (Protocol, IpAddr, SocketAddr);

/// A walker, and what it said already.
struct Known<'w> {
    walker: Walker<'w>,
    outcome_sets: HashMap<Wanted, OutcomeSet>,
}

impl Known<'_> {
    fn of(&mut self, packet: &Wanted) -> &OutcomeSet {
        self.outcome_sets.entry(*packet).or_insert_with(|| outcome_set(&self.walker, packet))
    }
}

fn outcome_set(walker: &Walker<'_>, (protocol, source, to): &Wanted) -> OutcomeSet {
    OutcomeSet::of(walker, &Packet::new(walker.host(), *protocol, *source, *to).unwrap())
}

/// Connections from everywhere to everything that either plan names, and to some other destinations.
fn packets((old, new): (&Plan<'_>, &Plan<'_>), family: Family) -> Vec<Wanted> {
    let mut places = Places::default();
    for text in ["192.0.2.77", "198.51.100.7", "127.0.0.1", "::1", "2001:db8:7::7", "10.96.255.77"] {
        places.sources.insert(text.parse().unwrap());
        places.destinations.insert((text.parse().unwrap(), 9));
    }
    places.learn(old);
    places.learn(new);
    let ports: Vec<(Protocol, u16)> = places.ports.iter().copied().collect();
    let of_family = |ip: &IpAddr| Family::of(*ip) == family;
    let sources: Vec<IpAddr> = places.sources.iter().filter(|ip| of_family(ip)).copied().collect();
    let mut packets = Vec::new();
    for (ip, own) in places.destinations.iter().filter(|(ip, _)| of_family(ip)) {
        let all = ports.iter().map(|(protocol, port)| (*protocol, *port));
        let all = all.chain(Protocol::ALL.map(|protocol| (protocol, *own)));
        for (i, (protocol, port)) in all.enumerate() {
            let step = if full() { 3 } else { 7 };
            let some = sources.iter().skip(i % step).step_by(step);
            packets.extend(some.map(|source| (protocol, *source, SocketAddr::new(*ip, port))));
        }
    }
    packets
}

/// What plans name.
#[derive(Default)]
struct Places {
    sources: BTreeSet<IpAddr>,
    destinations: BTreeSet<(IpAddr, u16)>,
    ports: BTreeSet<(Protocol, u16)>,
}

impl Places {
    fn learn(&mut self, plan: &Plan<'_>) {
        let own = plan.interface_addresses().iter().copied().chain([plan.node_ip()]);
        for ip in own {
            self.sources.insert(ip);
            self.destinations.insert((ip, 9));
        }
        for port in plan.service_ports() {
            let service = port.service_port();
            let protocol = service.name.protocol();
            let addresses = service.external_ips.iter().chain(&service.load_balancer_ips).map(|ip| ip.value);
            self.destinations
                .extend(addresses.chain([service.cluster_ip]).map(|ip| (ip, service.port.get())));
            let node_ports = [service.node_port, service.health_check_node_port];
            self.ports.extend(node_ports.into_iter().flatten().map(|port| (protocol, port.get())));
            self.ports.insert((protocol, service.port.get()));
            for endpoint in port.reachable_endpoints().iter().take(3) {
                self.sources.insert(endpoint.ip);
                self.destinations.insert((endpoint.ip, endpoint.port.get()));
            }
            for range in &service.source_ranges {
                self.sources.extend([range.value.network(), range.value.last()]);
            }
        }
    }
}
