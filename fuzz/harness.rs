//! What is fuzzed: each function takes any bytes, must come to an end soon and must not panic. The fuzz targets call
//! them, and so does the test `mutations` with the seed corpus.

use std::net::{IpAddr, SocketAddr};

use kuberules::cluster::{Cluster, Node};
use kuberules::compare::{rules, traffic};
use kuberules::diagnostic::{Diagnostics, Severity};
use kuberules::net::{Family, Protocol};
use kuberules::node::{Host, NodeRules};
use kuberules::plan::Plan;
use kuberules::ruleset::Ruleset;
use kuberules::settings::Origin;
use kuberules::settings::{Configuration, Flags, HostFacts, ProxyMode, Release, Settings, release::RELEASES};
use kuberules::walk::{Packet, Walker};
use kuberules::{input as reader, iptables, nftables};

/// YAML or JSON through to printed rulesets of both modes and families, which are read again.
pub(crate) fn input(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match reader::read_text("fuzz", text) {
        Err(found) => check_words(&found),
        Ok((snapshot, found)) => {
            check_words(&found);
            let release = RELEASES[data.len() % RELEASES.len()];
            for mode in [ProxyMode::Iptables, ProxyMode::Nftables] {
                compile(&snapshot, release, mode);
            }
        }
    }
}

fn compile(snapshot: &reader::Snapshot, release: Release, mode: ProxyMode) {
    let (mut configuration, found) = Configuration::from_snapshot(snapshot);
    check_words(&found);
    let flags = Flags {
        proxy_mode: Some(mode.name().to_owned()),
        feature_gates: [("NFTablesProxyMode".to_owned(), true)].into(),
        ..Flags::default()
    };
    configuration.override_with(&flags, &release);
    let (settings, found) = Settings::resolve(&configuration, release, HostFacts::default(), None);
    check_words(&found);
    if found.has_errors() {
        return;
    }
    let (cluster, found) = Cluster::build(snapshot, &settings);
    check_words(&found);
    if found.has_errors() {
        return;
    }
    let loadable = found.worst() != Some(Severity::Unloadable);
    let node =
        cluster.nodes.first().cloned().unwrap_or_else(|| Node { name: "node".into(), ..Node::default() });
    for family in Family::ALL {
        let (plan, found) = Plan::new(&cluster, &settings, &node, family);
        check_words(&found);
        if !found.has_errors() {
            print(&plan, &settings, snapshot, loadable);
        }
    }
}

fn print(plan: &Plan<'_>, settings: &Settings, snapshot: &reader::Snapshot, loadable: bool) {
    match settings.mode {
        ProxyMode::Iptables => {
            check_words(&iptables::loadable::check(plan));
            let ruleset = iptables::compile(plan);
            let mut listing = String::new();
            iptables::save::print(&ruleset, &mut listing);
            let read = iptables::parse::parse(&listing, Some(plan.family)).expect("own text is read");
            let mut again = String::new();
            read.parts.iter().for_each(|part| iptables::save::print(&part.ruleset, &mut again));
            assert_eq!(listing, again);
            let restore = iptables::restore::print(plan).to_string();
            // What iptables-restore refuses, such as an endpoint of no address, need not be read either.
            let read = iptables::parse::parse(&restore, Some(plan.family));
            assert!(!loadable || read.is_ok(), "own text is read");
            let _ = iptables::json::print(&[(plan, &ruleset)], &snapshot.sources);
        }
        ProxyMode::Nftables => {
            check_words(&nftables::loadable::check(plan, &snapshot.sources));
            let ruleset = nftables::compile(plan);
            let listing = nftables::list::print(&ruleset);
            let read = nftables::parse::parse_listing(&listing).expect("own text is read");
            assert_eq!(listing, nftables::list::print(&read));
            let _ = nftables::script::print(&ruleset);
            let _ = nftables::json::print(&[(plan, &ruleset)], &snapshot.sources);
        }
    }
}

/// A KubeProxyConfiguration, seen by every release.
pub(crate) fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (configuration, found) = Configuration::read(text, Origin::file("fuzz"));
    check_words(&found);
    for release in RELEASES {
        let (_, found) = Settings::resolve(&configuration, release, HostFacts::default(), None);
        check_words(&found);
    }
}

/// The text of iptables-save. What was read prints to a text that reads as the same.
pub(crate) fn iptables_save(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for part in iptables::parse::parse(text, None).map(|capture| capture.parts).unwrap_or_default() {
        let mut printed = String::new();
        iptables::save::print_with_counters(&part.ruleset, &mut printed);
        let again = iptables::parse::parse(&printed, Some(part.ruleset.family)).expect("own text is read");
        let mut printed_again = String::new();
        again
            .parts
            .iter()
            .for_each(|part| iptables::save::print_with_counters(&part.ruleset, &mut printed_again));
        assert_eq!(printed, printed_again);
    }
}

/// The text of nft list ruleset.
pub(crate) fn nft_listing(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(ruleset) = nftables::parse::parse_listing(text) {
        let _ = nftables::list::print(&ruleset);
    }
}

/// What nft -j list ruleset prints.
pub(crate) fn nft_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(ruleset) = nftables::parse::parse_json(text) {
        let _ = nftables::list::print(&ruleset);
    }
}

/// Captured rules of any tool, with packets walked through them.
pub(crate) fn trace(data: &[u8]) {
    let Some(captured) = std::str::from_utf8(data).ok().and_then(captured) else { return };
    let Some(rules) = captured.first() else { return };
    let (host, walker) = (&rules.host, Walker::of(rules));
    for (source, destination) in PACKETS {
        let (source, destination): (IpAddr, SocketAddr) =
            (source.parse().expect("an address"), destination.parse().expect("an address"));
        for protocol in Protocol::ALL {
            if let Ok(packet) = Packet::new(host, protocol, source, destination) {
                let outcomes = walker.walk(&packet).unwrap_or_default();
                let _ = outcomes.iter().map(|outcome| outcome.chance.as_f64()).sum::<f64>();
            }
        }
    }
}

const PACKETS: [(&str, &str); 6] = [
    ("10.244.1.5", "10.96.0.10:80"),
    ("198.51.100.7", "172.18.0.2:30080"),
    ("172.18.0.2", "127.0.0.1:30080"),
    ("10.244.1.5", "203.0.113.10:443"),
    ("fd00:10:244::5", "[fd00:10:96::10]:80"),
    ("2001:db8::7", "[fc00::2]:30080"),
];

/// Two captured rulesets with a line `=====` between, compared rule by rule and packet by packet.
pub(crate) fn diff(data: &[u8]) {
    let Some((old, new)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once("\n=====\n"))
    else {
        return;
    };
    let (Some(old), Some(new)) = (captured(old), captured(new)) else { return };
    for (before, after) in old.iter().flat_map(|old| new.iter().map(move |new| (old, new))) {
        if before.family() == after.family() {
            let _ = rules::compare(before, after).groups.len();
            let walkers = (Walker::of(before), Walker::of(after));
            let _ = traffic::compare(&walkers.0, &walkers.1, before.family()).classes;
        }
    }
}

/// The rules of a text; of iptables those of its first family and variant, of nftables those of both families.
fn captured(text: &str) -> Option<Vec<NodeRules<'static>>> {
    let rulesets: Vec<Ruleset> = match text.trim_start().chars().next()? {
        '{' => of_both(nftables::parse::parse_json(text).ok()?),
        't' => of_both(nftables::parse::parse_listing(text).ok()?),
        _ => {
            let capture = iptables::parse::parse(text, None).ok()?;
            vec![capture.parts.into_iter().next()?.ruleset.into()]
        }
    };
    Some(rulesets.into_iter().map(on_a_node).collect())
}

fn of_both(ruleset: nftables::ruleset::Ruleset) -> Vec<Ruleset> {
    Family::ALL.map(|family| Ruleset::nftables(ruleset.clone(), family)).into()
}

fn on_a_node(ruleset: Ruleset) -> NodeRules<'static> {
    let addresses = ["172.18.0.2", "fc00::2"].map(|ip| ip.parse().expect("an address")).to_vec();
    let mut host = Host { addresses, ..Host::default() };
    host.learn_from(&ruleset);
    NodeRules::new(ruleset, host)
}

/// Messages for a terminal hold no control character but the line break before the help.
fn check_words(found: &Diagnostics) {
    for diagnostic in found.iter() {
        let text = diagnostic.to_string().replacen("\n  help: ", " ", 1);
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}
