//! The real loaders as judges of random clusters: every ruleset loads, and is listed as it was printed.

use kuberules::net::Family;
use kuberules::settings::ProxyMode;
use kuberules::{iptables, nftables};

use crate::support::generate::{self, Generated};
use crate::support::kernel::{available, tell};
use crate::support::library::{Compiled, Given, Texts, compile};
use crate::support::loaders::{Judgement, judge};
use crate::support::scope::share_by_hand;
use crate::testing::seed;

/// Clusters in a run.
const CLUSTERS: u64 = 600;

/// Clusters that one network namespace handles, one after the other.
const BATCH: usize = 20;

/// The rules of a cluster; what is printed is also read again, and must be printed the same.
fn compiled(seed: u64) -> Compiled {
    let Generated { cluster, configuration, release, host, node, .. } = generate::cluster(seed);
    let (cluster, configuration) = (cluster.to_string(), configuration.to_string());
    let given = Given { cluster: &cluster, configuration: &configuration, release, host: &host, node: &node };
    let compiled = compile(&given).unwrap_or_else(|found| {
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        panic!("seed {seed}: a valid cluster is refused\n{}\n{configuration}\n{cluster}", told.join("\n"))
    });
    for texts in &compiled.families {
        assert_eq!(read_and_printed(compiled.mode, texts), texts.listing, "seed {seed}");
    }
    compiled
}

#[test]
fn random_clusters_load_and_list_as_printed() {
    if !available(&["unshare", "iptables-restore", "ip6tables-restore", "nfacct", "nft"]) {
        return;
    }
    let first = seed();
    let seeds: Vec<u64> = (first..first + CLUSTERS).collect();
    let batches: Vec<&[u64]> = share_by_hand("kernel::random_clusters", 30, 2, seeds.chunks(BATCH).collect());
    let mut all = Judgement::default();
    for judgement in crate::support::in_parallel(&batches, |seeds| {
        let compiled: Vec<_> = seeds.iter().map(|seed| (format!("seed {seed}"), compiled(*seed))).collect();
        judge(&compiled)
    }) {
        all.append(judgement);
    }
    tell(&format!(
        "random clusters: {} from seed {first}, {} rulesets loaded and listed back equal, {} refused as foretold, \
         {} refused or changed against what was said",
        batches.len() * BATCH,
        all.loaded,
        all.refused,
        all.faults.len()
    ));
    assert!(all.faults.is_empty(), "{}", all.faults.join("\n"));
    assert!(all.loaded >= batches.len() * BATCH * 5 / 6, "too few rulesets");
}

/// What is printed from what is read of a printed text.
fn read_and_printed(mode: ProxyMode, texts: &Texts) -> String {
    match mode {
        ProxyMode::Iptables => {
            let hint: Option<Family> = Some(texts.family);
            let capture = iptables::parse::parse(&texts.listing, hint).unwrap();
            let mut printed = String::new();
            capture.parts.iter().for_each(|part| iptables::save::print(&part.ruleset, &mut printed));
            printed
        }
        ProxyMode::Nftables => {
            nftables::list::print(&nftables::parse::parse_listing(&texts.listing).unwrap())
        }
    }
}

#[test]
fn a_seed_gives_one_cluster() {
    for seed in [1, 2, 3] {
        let (one, other) = (generate::cluster(seed), generate::cluster(seed));
        assert_eq!((one.cluster, one.configuration), (other.cluster, other.configuration));
    }
}
