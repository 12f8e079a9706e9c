//! The release of captured rules, found without comparing all releases line by line.

use std::path::Path;
use std::sync::Arc;

use super::node::Measure;
use super::{Pair, delta, difference, least_difference, release};
use crate::cluster::Cluster;
use crate::input;
use crate::iptables::ruleset::Owner;
use crate::net::Family;
use crate::node::{NodePlan, NodeRules};
use crate::ruleset::Ruleset;
use crate::settings::release::RELEASES;
use crate::settings::{Configuration, Flags, HostFacts, Release, Settings};

fn settings(mode: &str, release: Release) -> Settings {
    let flags = Flags {
        proxy_mode: Some(mode.to_owned()),
        cluster_cidr: Some("10.244.0.0/16".to_owned()),
        ..Flags::default()
    };
    let mut configuration = Configuration::default();
    configuration.override_with(&flags, &release);
    configuration.feature_gates.insert("NFTablesProxyMode".to_owned(), true);
    Settings::resolve(&configuration, release, HostFacts::default(), None).unwrap().0
}

/// Removes every n-th rule from kube-proxy's chains.
fn without_rules(ruleset: &mut Ruleset, every: usize) {
    let mut count = 0;
    let mut stays = || {
        count += 1;
        count % every != 0
    };
    match ruleset {
        Ruleset::Iptables(ruleset) => {
            let chains = Arc::make_mut(ruleset).tables.iter_mut().flat_map(|table| &mut table.chains);
            let own = chains.filter(|chain| chain.owner == Owner::KubeProxy);
            own.for_each(|chain| chain.rules.retain(|_| stays()));
        }
        Ruleset::Nftables(ruleset, _) => {
            let ruleset = Arc::make_mut(ruleset);
            let chains = ruleset.tables.iter_mut().flat_map(|table| &mut table.chains);
            chains.for_each(|chain| chain.rules.retain(|_| stays()));
        }
    }
}

/// The first of the nearest.
fn nearest(told: Option<Release>, distances: &[usize]) -> Option<Release> {
    let of = |release: &Release| distances[RELEASES.iter().position(|other| other == release).unwrap()];
    let others = RELEASES.into_iter().rev().filter(|release| told != Some(*release));
    told.into_iter().chain(others).min_by_key(of)
}

#[test]
fn the_release_is_found_as_by_comparing_all() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/shop/before.yaml");
    let (snapshot, _) = input::read_text("before.yaml", std::fs::read_to_string(path).unwrap()).unwrap();
    for mode in ["iptables", "nftables"] {
        let settings = RELEASES.map(|release| settings(mode, release));
        let clusters = settings.each_ref().map(|settings| Cluster::build(&snapshot, settings).unwrap().0);
        let compiled: Vec<NodeRules<'_>> = (settings.iter().zip(&clusters))
            .map(|(settings, cluster)| {
                let node = cluster.node("worker-1").unwrap();
                let plan = NodePlan::new(cluster, settings, &snapshot.sources, node, Family::Ipv4);
                plan.unwrap().0.compile()
            })
            .collect();
        for (written, every) in compiled.iter().flat_map(|rules| [usize::MAX, 60, 7, 2].map(|n| (rules, n))) {
            let mut ruleset = written.ruleset.clone();
            without_rules(&mut ruleset, every);
            let captured = NodeRules::new(ruleset, written.host.clone());
            let exactly: Vec<usize> =
                compiled.iter().map(|expected| difference(expected, &captured)).collect();
            for (expected, exactly) in compiled.iter().zip(&exactly) {
                let least = least_difference(&expected.ruleset, &captured.ruleset, usize::MAX);
                let pair = Pair { expected, captured: &captured };
                assert!(least <= *exactly, "{mode} {least} {:?}", delta::deltas(pair));
            }
            for told in [None, Some(RELEASES[0]), Some(RELEASES[6])] {
                let found = release(told, |release, measure| {
                    let place = RELEASES.iter().position(|other| *other == release)?;
                    match measure {
                        Measure::Exactly => exactly.get(place).copied(),
                        Measure::AtLeast(limit) => {
                            Some(least_difference(&compiled.get(place)?.ruleset, &captured.ruleset, limit))
                        }
                    }
                });
                assert_eq!(found, nearest(told, &exactly), "{mode} {told:?} {exactly:?}");
            }
        }
    }
}
