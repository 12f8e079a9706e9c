//! What is fuzzed: each function takes any bytes, must come to an end soon and must not panic. The fuzz targets call
//! them, and so does the test `mutations` with the seed corpus.

use std::net::{IpAddr, SocketAddr};

use kuberules::cluster::{Cluster, Node};
use kuberules::compare::{rules, traffic};
use kuberules::diagnostic::Diagnostics;
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
    let (mut configuration, mut told) = Configuration::from_snapshot(snapshot);
    let flags = Flags {
        proxy_mode: Some(mode.name().to_owned()),
        feature_gates: [("NFTablesProxyMode".to_owned(), true)].into(),
        ..Flags::default()
    };
    configuration.override_with(&flags, &release);
    let (settings, found) = Settings::resolve(&configuration, release, HostFacts::default(), None);
    told.append(found);
    check_words(&told);
    if told.has_errors() {
        return;
    }
    let (cluster, found) = Cluster::build(snapshot, &settings);
    told.append(found);
    check_words(&told);
    if told.has_errors() {
        return;
    }
    let node =
        cluster.nodes.first().cloned().unwrap_or_else(|| Node { name: "node".into(), ..Node::default() });
    for family in Family::ALL {
        let (plan, found) = Plan::new(&cluster, &settings, &node, family);
        let mut told = told.clone();
        told.append(found);
        if !told.has_errors() {
            print(&plan, &settings, snapshot, told);
        }
    }
}

/// Prints a plan in every form. What the real loaders take is read back as it was printed; what they refuse need only
/// be printed, and may be refused by the readers as well.
fn print(plan: &Plan<'_>, settings: &Settings, snapshot: &reader::Snapshot, mut told: Diagnostics) {
    told.append(match settings.mode {
        ProxyMode::Iptables => iptables::loadable::check(plan),
        ProxyMode::Nftables => nftables::loadable::check(plan, &snapshot.sources),
    });
    check_words(&told);
    let read_back = match settings.mode {
        ProxyMode::Iptables => iptables_reads_back(plan, snapshot),
        ProxyMode::Nftables => nftables_reads_back(plan, snapshot),
    };
    assert!(read_back == Ok(()) || !told.is_loadable(), "{}", read_back.unwrap_err());
}

fn iptables_reads_back(plan: &Plan<'_>, snapshot: &reader::Snapshot) -> Result<(), String> {
    let ruleset = iptables::compile(plan);
    let mut listing = String::new();
    iptables::save::print(&ruleset, &mut listing);
    let restore = iptables::restore::print(plan).to_string();
    let _ = iptables::json::print(&[(plan, &ruleset)], &snapshot.sources);
    let parse =
        |text: &str| iptables::parse::parse(text, Some(plan.family())).map_err(|error| error.to_string());
    let mut again = String::new();
    parse(&listing)?.parts.iter().for_each(|part| iptables::save::print(&part.ruleset, &mut again));
    parse(&restore)?;
    same(&listing, &again)
}

fn nftables_reads_back(plan: &Plan<'_>, snapshot: &reader::Snapshot) -> Result<(), String> {
    let ruleset = nftables::compile(plan);
    let listing = nftables::list::print(&ruleset);
    let _ = nftables::script::print(&ruleset);
    let _ = nftables::json::print(&[(plan, &ruleset)], &snapshot.sources);
    let read = nftables::parse::parse_listing(&listing).map_err(|error| error.to_string())?;
    same(&listing, &nftables::list::print(&read))
}

fn same(printed: &str, again: &str) -> Result<(), String> {
    if printed == again { Ok(()) } else { Err(format!("{printed}\nis read, and printed as\n{again}")) }
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
