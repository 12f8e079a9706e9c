//! What-if: what a step is said to do to clients is what walks through the rules before and after show.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use kuberules::cluster::{Cluster, Node, ServicePort, TrafficPolicy};
use kuberules::input::{Snapshot, read_text};
use kuberules::names::ServicePortName;
use kuberules::net::Family;
use kuberules::node::{ClientKind, NodePlan, NodeRules};
use kuberules::settings::{Configuration, HostFacts, Release, Settings};
use kuberules::walk::{Outcome, Packet, Verdict, Walker};
use kuberules::what_if::consequences::{State, Who, of_stages};
use kuberules::what_if::{Changes, Object, Stage, stages};

use crate::support::scope::{part, share, share_by_hand};
use crate::support::{generate, in_parallel, testdata};
use crate::testing;

fn settings(mode: &str) -> Settings {
    let written = Configuration {
        mode: Some(mode.to_owned()),
        cluster_cidr: Some("10.244.0.0/16".to_owned()),
        ..Configuration::default()
    };
    Settings::resolve(&written, Release::NEWEST, HostFacts::default(), None).unwrap().0
}

fn texts() -> Vec<(String, String)> {
    let file = |path: &str| (path.to_owned(), std::fs::read_to_string(testdata().join(path)).unwrap());
    let mut texts = vec![file("shop/before-with-pods.yaml"), file("shop/after.yaml")];
    for folder in share_by_hand("expect::corpus", 12, 2, (11..=22).collect()) {
        let path = ["yaml", "json"].map(|ending| format!("random/{folder}/cluster.{ending}"));
        texts.extend(path.iter().find(|path| testdata().join(path).exists()).map(|path| file(path)));
    }
    for i in share_by_hand("expect::random", 30, 4, (0..60).collect::<Vec<u64>>()) {
        texts.push((format!("seed {i}"), generate::cluster(testing::seed() + i).cluster.to_string()));
    }
    texts
}

/// One thing of each kind that can happen to a cluster.
fn changes(snapshot: &Snapshot, cluster: &Cluster) -> Vec<(String, Changes)> {
    let drains = cluster.nodes.iter().take(3).map(|node| node.name.to_string());
    let mut all: Vec<(String, Changes)> = drains
        .map(|node| (format!("drain {node}"), Changes { drain: vec![node], ..Changes::default() }))
        .collect();
    let zone = cluster.nodes.iter().find_map(|node| node.zone.as_ref());
    all.extend(zone.map(|zone| {
        (format!("zone {zone}"), Changes { zones_down: vec![zone.to_string()], ..Changes::default() })
    }));
    for service in snapshot.services.iter().take(3).map(|service| &service.object.metadata) {
        let object = Object::read(&format!("svc:{}/{}", service.namespace, service.name)).unwrap();
        let delete = vec![object];
        all.push((
            format!("delete {}/{}", service.namespace, service.name),
            Changes { delete, ..Changes::default() },
        ));
    }
    let ports = Family::ALL.iter().flat_map(|family| &cluster.family(*family).service_ports);
    let pods = ports.flat_map(|port| {
        let pods = port.endpoints.iter().filter_map(|endpoint| endpoint.pod.as_ref());
        pods.map(|pod| format!("{}/{pod}", port.name.namespace()))
    });
    let pods: BTreeSet<String> = pods.collect();
    for pod in pods.into_iter().step_by(3).take(3) {
        all.push((format!("unready {pod}"), Changes { unready: vec![pod], ..Changes::default() }));
    }
    all
}

type Key = (ServicePortName, Family, Who, String);

/// What happens to each kind of client, from walks through the rules of a state.
struct Walked<'w> {
    stage: &'w Stage,
    cluster: &'w Cluster,
    settings: &'w Settings,
}

impl Walked<'_> {
    fn states(&self, node: &Node, family: Family) -> BTreeMap<Key, State> {
        let sources = &self.stage.snapshot.sources;
        let Ok((plan, _)) = NodePlan::new(self.cluster, self.settings, sources, node, family) else {
            return BTreeMap::new();
        };
        let rules = plan.compile();
        let mut found = BTreeMap::new();
        for port in &self.cluster.family(family).service_ports {
            for (who, state) in self.of_port(port, &rules) {
                found.insert((port.name.clone(), family, who, node.name.to_string()), state);
            }
        }
        found
    }

    fn of_port(&self, port: &ServicePort, rules: &NodeRules<'_>) -> Vec<(Who, State)> {
        let family = rules.family();
        let Some(own) = rules.host.primary_address(family) else { return Vec::new() };
        let protocol = port.name.protocol();
        let cluster_ip = SocketAddr::new(port.cluster_ip, port.port.get());
        let mut external: Vec<SocketAddr> =
            port.external_ips.iter().map(|ip| SocketAddr::new(ip.value, port.port.get())).collect();
        external.extend(port.node_port.map(|number| SocketAddr::new(own, number.get())));
        let outside: IpAddr = match family {
            Family::Ipv4 => "198.18.0.9".parse().unwrap(),
            Family::Ipv6 => "2001:db8:77::9".parse().unwrap(),
        };
        let walk = |source: IpAddr, to: SocketAddr, client: ClientKind| {
            let packet = Packet::plain(protocol, source, to, client);
            self.state(port, &Walker::of(rules).walk(&packet).unwrap())
        };
        let from_node = |to: SocketAddr| walk(rules.host.source_to(to), to, ClientKind::Node);
        let masked = |state: State| if state == State::WorksMasqueraded { State::Works } else { state };
        let mut found = vec![(Who::Inside, masked(from_node(cluster_ip)))];
        for to in external.into_iter().filter(|to| self.claims(port, *to) == 1) {
            found.push((Who::Outside, walk(outside, to, ClientKind::Outside)));
            if port.internal_policy == TrafficPolicy::Local {
                found.push((Who::InsideExternal, masked(from_node(to))));
            }
        }
        found
    }

    /// How many Service ports use an address: if there are two, neither alone shows who gets it.
    fn claims(&self, port: &ServicePort, to: SocketAddr) -> usize {
        let wants = |other: &&ServicePort| {
            let mut ips = other.external_ips.iter().chain(&other.load_balancer_ips).map(|ip| ip.value);
            let at = ips.any(|ip| ip == to.ip()) && other.port.get() == to.port();
            let on_node = other.node_port.is_some_and(|number| number.get() == to.port());
            other.name.protocol() == port.name.protocol() && (at || on_node)
        };
        let nodes = self.cluster.nodes.iter();
        let is_external = port.node_port.is_none_or(|number| number.get() != to.port());
        let of_nodes = nodes.filter(|node| is_external && node.internal_ips.contains(&to.ip())).count();
        self.cluster.family(Family::of(to.ip())).service_ports.iter().filter(wants).count() + of_nodes
    }

    fn state(&self, port: &ServicePort, outcomes: &[Outcome<'_>]) -> State {
        let is_dead = |outcome: &Outcome<'_>| {
            let its = port.endpoints.iter().filter(|endpoint| endpoint.ip == outcome.destination.ip());
            its.filter_map(|endpoint| endpoint.node_name.as_ref())
                .any(|n| self.stage.dead.contains(n.as_str()))
        };
        let one = |outcome: &Outcome<'_>| match outcome.verdict {
            Verdict::Reject(_) => State::Refused,
            Verdict::Drop => State::TimesOut,
            Verdict::Accept if !port.endpoints.iter().any(|e| e.ip == outcome.destination.ip()) => {
                State::NotServed
            }
            Verdict::Accept if is_dead(outcome) => State::PartlyTimesOut,
            Verdict::Accept if outcome.snat => State::WorksMasqueraded,
            Verdict::Accept => State::Works,
        };
        let states: BTreeSet<State> = outcomes.iter().map(one).collect();
        match states.into_iter().collect::<Vec<_>>().as_slice() {
            [State::PartlyTimesOut] => State::TimesOut,
            [one] => *one,
            [worst, ..] => *worst,
            [] => State::NotServed,
        }
    }
}

/// Compares what is said about each step with walks; returns how many clients on nodes were checked and how many of
/// them have another outcome.
fn judge((name, text, mode): &(String, String, &str)) -> (usize, usize) {
    let settings = settings(mode);
    let Ok((snapshot, _)) = read_text("cluster.yaml", text) else { return (0, 0) };
    let Ok((cluster, _)) = Cluster::build(&snapshot, &settings) else { return (0, 0) };
    let (mut asked, mut differing) = (0, 0);
    for (what, changes) in changes(&snapshot, &cluster) {
        let name = format!("{name}, {mode}, {what}");
        let Ok(stages) = stages(&snapshot, &settings, &changes) else { continue };
        let told = of_stages(&stages, &settings).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        let clusters: Vec<Cluster> =
            stages.iter().map(|stage| Cluster::build(&stage.snapshot, &settings).unwrap().0).collect();
        for (number, change) in told.iter().enumerate() {
            let walked = [number, number + 1].map(|i| Walked {
                stage: &stages[i],
                cluster: &clusters[i],
                settings: &settings,
            });
            let mut said: BTreeMap<Key, (State, State)> = BTreeMap::new();
            for one in &change.clients {
                let family = if one.family == "ipv4" { Family::Ipv4 } else { Family::Ipv6 };
                for node in &one.nodes {
                    let port = clusters[number].family(family).service_ports.iter();
                    let port = port.map(|port| &port.name).find(|name| name.to_string() == one.service_port);
                    let key = (port.unwrap().clone(), family, one.who, node.clone());
                    assert!(said.insert(key, (one.before, one.after)).is_none(), "{name}: {one:?}");
                }
            }
            for (node, family) in
                clusters[number].nodes.iter().flat_map(|node| Family::ALL.map(|family| (node, family)))
            {
                let Some(now) = clusters[number + 1].node(&node.name) else { continue };
                if stages[number + 1].dead.contains(node.name.as_str()) {
                    continue;
                }
                let (before, after) = (walked[0].states(node, family), walked[1].states(now, family));
                for (key, state) in &before {
                    let now = after.get(key).copied().unwrap_or(State::NotServed);
                    let wanted = (*state != now).then_some((*state, now));
                    let title = &stages[number + 1].title;
                    assert_eq!(said.get(key).copied(), wanted, "{name}: {title}: {key:?}");
                    asked += 1;
                    differing += usize::from(wanted.is_some());
                }
            }
        }
    }
    (asked, differing)
}

#[test]
fn what_a_step_is_said_to_do_is_what_walks_say() {
    let all = texts().into_iter();
    let all: Vec<(String, String, &str)> = all
        .flat_map(|(name, text)| ["iptables", "nftables"].map(|mode| (name.clone(), text.clone(), mode)))
        .collect();
    let counts = in_parallel(&share("what_if_traffic", 7, all), judge);
    let sum = |of: fn(&(usize, usize)) -> usize| counts.iter().map(of).sum::<usize>();
    let (asked, differing) = (sum(|count| count.0), sum(|count| count.1));
    eprintln!(
        "{asked} kinds of clients on nodes before and after a step, {differing} of them fare otherwise"
    );
    assert!(asked > part(1_000, 7) && differing > part(100, 14), "{asked}, {differing}");
}
