//! Captured rulesets with one thing changed: what changes some packet's outcome is found and reported as that, and what
//! changes none is not reported as a change of traffic.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::{Found, Kind, Pair, check, delta, spotless};
use crate::cluster::{Cluster, Node};
use crate::compare::subject::is_own_jump;
use crate::compare::traffic::{Flow, OutcomeSet};
use crate::iptables::ruleset as ipt;
use crate::net::{Family, Protocol};
use crate::nftables::ruleset as nft;
use crate::node::{NodePlan, NodeRules};
use crate::ruleset::Ruleset;
use crate::settings::{Configuration, Flags, HostFacts, Origin, Release, Settings};
use crate::testing::random::Random;
use crate::testing::scope::{full, share, share_by_hand};
use crate::walk::{Packet, Walker};
use crate::{input, iptables, nftables};

fn testdata(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)).unwrap()
}

/// Runs with the rules that worker-1 of the shop should have.
fn with_shop(mode: &str, work: impl FnOnce(&NodeRules<'_>)) {
    let (snapshot, _) = input::read_text("before.yaml", testdata("shop/before.yaml")).unwrap();
    let flags = Flags {
        proxy_mode: Some(mode.to_owned()),
        cluster_cidr: Some("10.244.0.0/16".to_owned()),
        ..Flags::default()
    };
    let mut configuration = Configuration::default();
    configuration.override_with(&flags, &Release::NEWEST);
    let (settings, _) =
        Settings::resolve(&configuration, Release::NEWEST, HostFacts::default(), None).unwrap();
    let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
    let node = cluster.node("worker-1").unwrap();
    let (plan, _) = NodePlan::new(&cluster, &settings, &snapshot.sources, node, Family::Ipv4).unwrap();
    work(&plan.compile());
}

/// A run of the real kube-proxy in a random cluster.
struct Run {
    folder: PathBuf,
    release: Release,
    mode: &'static str,
}

impl Run {
    /// The runs in a folder: in both modes, of the newest release that was captured.
    fn all(folder: &Path) -> Vec<Run> {
        let names = fs::read_dir(folder.join("expected")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort_unstable();
        let newest = |mode| {
            let release =
                names.iter().filter_map(|name| name.strip_suffix(mode)?.strip_suffix('-')).next_back()?;
            Some(Run { folder: folder.to_owned(), release: release.parse().unwrap(), mode })
        };
        ["iptables", "nftables"].into_iter().filter_map(newest).collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    /// Runs with the rules that the node should have in each family.
    fn with_rules(&self, work: impl Fn(&NodeRules<'_>)) {
        let case: serde_json::Value = serde_json::from_str(&self.read("case.json")).unwrap();
        let file = case["cluster"].as_str().unwrap();
        let (snapshot, _) = input::read_text(file, self.read(file)).unwrap();
        let name = format!("kube-proxy.{}.json", self.mode);
        let (mut configuration, _) = Configuration::read(&self.read(&name), Origin::file(&name)).unwrap();
        configuration.mode = Some(self.mode.to_owned());
        configuration.feature_gates.insert("NFTablesProxyMode".to_owned(), true);
        let ips = case["host_ips"].as_array().unwrap().iter().map(|ip| ip.as_str().unwrap().parse().unwrap());
        let host = HostFacts { addresses: ips.collect(), ..HostFacts::default() };
        let (settings, _) = Settings::resolve(&configuration, self.release, host, None).unwrap();
        let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
        let unknown = Node { name: case["node"].as_str().unwrap().into(), ..Node::default() };
        let node = cluster.node(&unknown.name).unwrap_or(&unknown);
        for family in crate::node::families(&cluster, &settings) {
            let (plan, _) = NodePlan::new(&cluster, &settings, &snapshot.sources, node, family).unwrap();
            work(&plan.compile());
        }
    }
}

/// Packets to everything that the plan serves, and to some other addresses and ports.
fn packets(expected: &NodeRules<'_>) -> Vec<Packet> {
    let (plan, host) = (expected.plan.as_ref().unwrap(), &expected.host);
    let of_family = |texts: &[&str]| -> Vec<IpAddr> {
        let all = texts.iter().map(|ip| ip.parse().unwrap());
        all.filter(|ip| Family::of(*ip) == expected.family()).collect()
    };
    let mut destinations: Vec<(IpAddr, u16, Protocol)> =
        of_family(&["192.0.2.7", "2001:db8:2::7"]).into_iter().map(|ip| (ip, 80, Protocol::Tcp)).collect();
    let mut sources = of_family(&[
        "10.244.1.99",
        "10.244.2.99",
        "198.51.100.7",
        "127.0.0.1",
        "2001:db8:7::7",
        "fd00:10:244:1::99",
    ]);
    sources.push(plan.node_ip());
    let on_node = of_family(&["127.0.0.1"]).into_iter().chain([plan.node_ip()]);
    let on_node: Vec<IpAddr> = on_node.collect();
    for port in plan.service_ports() {
        let service = port.service_port();
        let protocol = service.name.protocol();
        let externals = service.external_ips.iter().chain(&service.load_balancer_ips).map(|ip| ip.value);
        for ip in externals.chain([service.cluster_ip]) {
            destinations.extend([(ip, service.port.get(), protocol), (ip, 9, Protocol::Udp)]);
        }
        if let Some(node_port) = service.node_port {
            destinations.extend(on_node.iter().map(|ip| (*ip, node_port.get(), protocol)));
        }
        sources.extend(service.source_ranges.iter().map(|range| range.value.network()));
        sources.extend(port.reachable_endpoints().iter().map(|endpoint| endpoint.ip));
    }
    sources.sort_unstable();
    sources.dedup();
    let packet = |(ip, port, protocol): &(IpAddr, u16, Protocol), source: &IpAddr| {
        Packet::new(host, *protocol, *source, SocketAddr::new(*ip, *port)).unwrap()
    };
    let all = destinations.iter().flat_map(|to| sources.iter().map(move |source| packet(to, source)));
    // A prime stride, so that every destination and every source gets its turn.
    all.step_by(5).collect()
}

/// Rules of the node, its own or changed ones.
fn captured(expected: &NodeRules<'_>, ruleset: impl Into<Ruleset>) -> NodeRules<'static> {
    NodeRules::new(ruleset, expected.host.clone())
}

fn outcome_sets(walker: &Walker<'_>, packets: &[Packet]) -> Vec<OutcomeSet> {
    packets.iter().map(|packet| OutcomeSet::of(walker, packet)).collect()
}

/// One thing that was changed: its chain or set, and what was done, in words.
struct Mutation {
    place: String,
    what: String,
}

/// Compares brute force with the check: every change is reported, nothing else is, and each under the finding about the
/// place that was changed.
fn judge(
    found: &Found,
    right: (&[Packet], &[OutcomeSet]),
    walkers: (&Walker<'_>, &Walker<'_>),
    (mutation, n): (&Mutation, usize),
) -> bool {
    let case = format!("{n}: {} {}", mutation.place, mutation.what);
    assert_eq!(found.unknown, 0, "{case}");
    let flows: Vec<_> = found.findings.iter().flat_map(|finding| &finding.traffic).collect();
    let changed = right.0.iter().zip(right.1);
    for (packet, _) in changed
        .filter(|(packet, outcome_set)| outcome_set.contrast(&OutcomeSet::of(walkers.1, packet)).is_some())
    {
        let is_told = flows.iter().any(|flow| covers(flow, packet));
        assert!(
            is_told,
            "{case}: {packet:?} has another outcome, and no finding says so: {:#?}",
            found.findings
        );
    }
    for finding in found.findings.iter().filter(|finding| !finding.traffic.is_empty()) {
        let is_of_place = finding.places.iter().any(|place| place.name == mutation.place);
        let is_of_order = finding.kind == Kind::OutOfPlace && finding.places.is_empty();
        assert!(is_of_place || is_of_order, "{case}: is not what {finding:#?} tells of");
    }
    for flow in &flows {
        let (source, to) = (flow.source.parse().unwrap(), flow.destination.parse().unwrap());
        let really = Protocol::ALL.iter().any(|protocol| {
            let packet = Packet::new(walkers.0.host(), *protocol, source, to).unwrap();
            OutcomeSet::of(walkers.0, &packet).contrast(&OutcomeSet::of(walkers.1, &packet)).is_some()
        });
        assert!(really, "{case}: {flow:?} is told to differ and does not");
    }
    !flows.is_empty()
}

/// Whether a flow is about the destination of a packet.
fn covers(flow: &Flow, packet: &Packet) -> bool {
    let (to, protocol) = (packet.destination, packet.protocol);
    let ip = match to.ip() {
        IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    let forms = [format!("{to}/{protocol}"), format!("{ip}, other {protocol} ports")];
    flow.to.iter().any(|text| forms.contains(text) || text.starts_with("other addresses"))
}

/// Chains of kube-proxy, and the built-in ones.
fn places(ruleset: &ipt::Ruleset) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    for (t, table) in ruleset.tables.iter().enumerate() {
        for (c, chain) in table.chains.iter().enumerate() {
            if chain.owner != ipt::Owner::Foreign && !chain.rules.is_empty() {
                places.push((t, c));
            }
        }
    }
    places
}

/// Changes one thing in one place, and says in words what it was.
fn mutate(ruleset: &mut ipt::Ruleset, random: &mut Random) -> Mutation {
    let places = places(ruleset);
    let (t, c) = places[random.below(places.len())];
    let chain = &mut ruleset.tables[t].chains[c];
    // A check is not about foreign rules.
    let own = |i: &usize| chain.owner != ipt::Owner::Kernel || is_own_jump(&chain.rules[*i].rule);
    let own: Vec<usize> = (0..chain.rules.len()).filter(own).collect();
    if own.is_empty() {
        return Mutation { place: String::new(), what: "nothing".to_owned() };
    }
    let (i, j) = (own[random.below(own.len())], own[random.below(own.len())]);
    let place = chain.name.to_string();
    let what = match random.below(5) {
        0 => {
            chain.rules.remove(i);
            "dropped"
        }
        1 => {
            let copy = chain.rules[i].clone();
            chain.rules.insert(i, copy);
            "doubled"
        }
        2 => {
            chain.rules.swap(i, j);
            "swapped"
        }
        3 => {
            alter(&mut chain.rules[i].rule);
            "altered"
        }
        _ => {
            let name = ipt::ChainName::new("KUBE-SVC-STALESTALESTALES").unwrap();
            let rule = chain.rules[i].clone();
            let stale = ipt::Chain {
                name,
                policy: None,
                rules: vec![rule],
                owner: ipt::Owner::KubeProxy,
                counters: ipt::Counters::default(),
            };
            ruleset.tables[t].chains.push(stale);
            "copied to a stale chain"
        }
    };
    Mutation { place, what: format!("rule {i} {what}") }
}

fn alter(rule: &mut ipt::Rule) {
    match &mut rule.target {
        Some(ipt::Target::Dnat(to)) => to.address.set_port(to.address.port() ^ 1),
        Some(target @ (ipt::Target::Drop | ipt::Target::Reject)) => *target = ipt::Target::Accept,
        Some(target @ ipt::Target::Accept) => *target = ipt::Target::Drop,
        _ if rule.destination.is_some() => rule.destination = None,
        _ if rule.source.is_some() => rule.source = None,
        _ => rule.matches.clear(),
    }
}

/// The number of mutations; a quick run tries one in 40.
fn scaled(count: usize) -> usize {
    share_by_hand("compare::check", 40, 2, vec![(); 10 * count]).len()
}

/// What is found without building the rules that should be there is what is found with them, except that rules which no
/// packet can tell apart may be in another order.
fn judge_spotless(expected: &NodeRules<'_>, captured: &NodeRules<'_>, found: &Found) {
    let plan = expected.plan.as_ref().unwrap();
    if spotless::has_no_difference(plan, &captured.ruleset) {
        assert_eq!(found.findings, []);
        let deltas = delta::deltas(Pair { expected, captured });
        assert!(deltas.iter().all(|delta| delta.is_harmless() || delta.change.reordered), "{deltas:?}");
    }
    let Some(spotless) = spotless::find(plan, &expected.host, captured) else { return };
    assert_eq!(format!("{spotless:?}"), format!("{found:?}"));
}

/// Makes one change after the other, and judges what the check says of it; returns how often traffic changes.
fn judge_mutations<R: Clone + Into<Ruleset>>(
    expected: &NodeRules<'_>,
    original: &R,
    count: usize,
    mut mutate: impl FnMut(&mut R) -> Mutation,
) -> usize {
    let right = captured(expected, original.clone());
    assert_eq!(check(expected, &right).findings, []);
    judge_spotless(expected, &right, &check(expected, &right));
    let right = Walker::of(&right);
    let packets = packets(expected);
    let outcome_sets = outcome_sets(&right, &packets);
    let mut with_traffic = 0;
    for n in 0..count {
        let mut mutated = original.clone();
        let mutation = mutate(&mut mutated);
        let mutated = captured(expected, mutated);
        let found = check(expected, &mutated);
        judge_spotless(expected, &mutated, &found);
        let walkers = (&right, &Walker::of(&mutated));
        with_traffic += usize::from(judge(&found, (&packets, &outcome_sets), walkers, (&mutation, n)));
    }
    with_traffic
}

fn mutate_iptables(text: &str, seed: u64, count: usize) {
    let count = scaled(count);
    with_shop("iptables", |expected| {
        let original = iptables::parse::parse(text, Some(Family::Ipv4)).unwrap();
        let original =
            original.parts.into_iter().find(|part| part.ruleset.family == Family::Ipv4).unwrap().ruleset;
        let mut random = Random::new(seed);
        let with_traffic =
            judge_mutations(expected, &original, count, |ruleset| mutate(ruleset, &mut random));
        assert!(with_traffic > count / 5 && with_traffic < count, "{with_traffic} of {count}");
    });
}

#[test]
fn a_plain_node_is_spotless() {
    with_shop("iptables", |expected| {
        let ruleset = expected.ruleset.as_iptables().unwrap();
        let plan = expected.plan.as_ref().unwrap();
        let find = |ruleset: &ipt::Ruleset| {
            spotless::find(plan, &expected.host, &captured(expected, ruleset.clone()))
        };
        assert!(find(ruleset).is_some_and(|found| found.same_rules));
        for (t, c) in places(ruleset) {
            let mut short = ruleset.clone();
            short.tables[t].chains[c].rules.pop();
            assert!(find(&short).is_none());
        }
    });
}

#[test]
fn mutations_of_a_plain_node_are_judged_by_the_walk() {
    mutate_iptables(&testdata("shop/before-worker-1/expected/1.36.3-iptables/iptables-save.txt"), 11, 100);
}

#[test]
fn mutations_among_foreign_rules_are_judged_by_the_walk() {
    mutate_iptables(&testdata("captures/shop-worker-1.iptables-save-c.txt"), 24, 40);
}

/// Changes one thing in kube-proxy's table.
fn mutate_table(table: &mut nft::Table, random: &mut Random) -> Mutation {
    let chains: Vec<usize> = (0..table.chains.len()).filter(|i| !table.chains[*i].rules.is_empty()).collect();
    let maps: Vec<usize> = (0..table.sets.len()).filter(|i| !table.sets[*i].elements.is_empty()).collect();
    if random.below(2) == 0 {
        let set = &mut table.sets[maps[random.below(maps.len())]];
        let i = random.below(set.elements.len());
        let element = set.elements.remove(i);
        return Mutation { place: set.name.to_string(), what: format!("without {element}") };
    }
    let chain = &mut table.chains[chains[random.below(chains.len())]];
    let (i, j) = (random.below(chain.rules.len()), random.below(chain.rules.len()));
    let what = match random.below(4) {
        0 => {
            chain.rules.remove(i);
            "dropped"
        }
        1 => {
            chain.rules.insert(i, chain.rules[i].clone());
            "doubled"
        }
        2 => {
            chain.rules.swap(i, j);
            "swapped"
        }
        _ => {
            let statements = &mut chain.rules[i].rule.statements;
            if statements.len() > 1 {
                statements.remove(0);
            }
            "shortened"
        }
    };
    Mutation { place: chain.name.to_string(), what: format!("rule {i} {what}") }
}

/// An nftables ruleset, and the family that it is read for.
#[derive(Clone)]
struct OfFamily(nft::Ruleset, Family);

impl From<OfFamily> for Ruleset {
    fn from(OfFamily(ruleset, family): OfFamily) -> Ruleset {
        Ruleset::nftables(ruleset, family)
    }
}

#[test]
fn mutations_of_nftables_rules_are_judged_by_the_walk() {
    with_shop("nftables", |expected| {
        let text = testdata("shop/before-worker-1/expected/1.37.0-nftables/nft-ip.txt");
        let original = OfFamily(nftables::parse::parse_listing(&text).unwrap(), Family::Ipv4);
        let (mut random, count) = (Random::new(31), scaled(100));
        let mutate = |ruleset: &mut OfFamily| mutate_table(&mut ruleset.0.tables[0], &mut random);
        let with_traffic = judge_mutations(expected, &original, count, mutate);
        assert!(with_traffic > count / 5 && with_traffic < count, "{with_traffic} of {count}");
    });
}

/// The rules for random clusters, which equal those that the real kube-proxy made there.
#[test]
fn mutations_in_random_clusters_are_judged_by_the_walk() {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/random"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("case.json").exists())
            .collect();
    folders.sort_unstable();
    let folders = share("compare::check", 25, folders);
    let count = if full() { 8 } else { 1 };
    for (seed, folder) in (41..).zip(&folders) {
        for run in Run::all(folder) {
            run.with_rules(|expected| {
                let mut random = Random::new(seed);
                let family = expected.family();
                let with_traffic = match &expected.ruleset {
                    Ruleset::Iptables(ruleset) => {
                        judge_mutations(expected, ruleset.as_ref(), count, |ruleset| {
                            mutate(ruleset, &mut random)
                        })
                    }
                    Ruleset::Nftables(ruleset, _) => {
                        let ruleset = OfFamily(ruleset.as_ref().clone(), family);
                        let mutate =
                            |ruleset: &mut OfFamily| mutate_table(&mut ruleset.0.tables[0], &mut random);
                        judge_mutations(expected, &ruleset, count, mutate)
                    }
                };
                println!("{} {family}: {with_traffic} of {count} change traffic", folder.display());
            });
        }
    }
}
