//! The functions of the fuzz targets with their seeds and some thousand mutations, without a nightly compiler: building
//! the actual targets takes longer than all other checks together.

#[path = "../../fuzz/harness.rs"]
mod harness;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::generate;
use crate::support::library::{Compiled, Given, compile};
use crate::support::random::Random;
use crate::support::scope::{full, share};

/// Mutations of a target; more with `KUBERULES_MUTATIONS`.
fn mutations() -> usize {
    std::env::var("KUBERULES_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

/// Shorter seeds are kept in fuzz/corpus, and are the only ones in a quick run: comparing two longer rulesets takes
/// seconds.
const SMALL: usize = 1 << 14;

/// A fuzz target: its name, what it runs, its seeds.
type Target = (&'static str, fn(&[u8]), Vec<String>);

/// Clusters and the rules of each, small enough for many runs.
struct Seeds {
    clusters: Vec<String>,
    configurations: Vec<String>,
    saves: Vec<String>,
    listings: Vec<String>,
    jsons: Vec<String>,
}

fn seeds() -> Seeds {
    let mut seeds = Seeds {
        clusters: vec![read("odd/cluster.yaml")],
        configurations: vec![read("odd/kube-proxy.yaml")],
        saves: Vec::new(),
        listings: vec![read("captures/foreign.nft-a-list-ruleset.txt")],
        jsons: beginning(&read("captures/foreign.nft-j-list-ruleset.json")).into_iter().collect(),
    };
    for seed in 1..60 {
        let generated = generate::cluster(seed);
        let (cluster, configuration) =
            (format!("{:#}", generated.cluster), format!("{:#}", generated.configuration));
        if cluster.len() > 20_000 {
            continue;
        }
        let given = Given {
            cluster: &cluster,
            configuration: &configuration,
            release: generated.release,
            host: &generated.host,
            node: &generated.node,
        };
        let Ok(compiled) = compile(&given) else { panic!("seed {seed}") };
        seeds.add_rules(compiled);
        seeds.clusters.push(cluster);
        seeds.configurations.push(configuration);
    }
    seeds
}

fn read(path: &str) -> String {
    std::fs::read_to_string(crate::support::testdata().join(path)).unwrap()
}

impl Seeds {
    fn add_rules(&mut self, compiled: Compiled) {
        for texts in compiled.families.into_iter().filter(|texts| texts.listing.len() < 20_000) {
            if compiled.json.is_empty() { &mut self.saves } else { &mut self.listings }.push(texts.listing);
        }
        self.jsons.extend(beginning(&compiled.json));
    }

    fn captures(&self) -> Vec<String> {
        [&self.saves[..], &self.listings, &self.jsons].concat()
    }

    fn pairs(&self) -> Vec<String> {
        let pair = |texts: &[String]| -> Vec<String> {
            texts.windows(2).step_by(2).map(|pair| format!("{}\n=====\n{}", pair[0], pair[1])).collect()
        };
        [pair(&self.saves), pair(&self.listings)].concat()
    }

    /// Each target with its seeds.
    fn targets(&self) -> [Target; 7] {
        [
            ("input", harness::input, self.clusters.clone()),
            ("configuration", harness::configuration, self.configurations.clone()),
            ("iptables_save", harness::iptables_save, self.saves.clone()),
            ("nft_listing", harness::nft_listing, self.listings.clone()),
            ("nft_json", harness::nft_json, self.jsons.clone()),
            ("trace", harness::trace, self.captures()),
            ("diff", harness::diff, self.pairs()),
        ]
    }
}

/// The first objects of a ruleset in JSON: tables, chains, sets and some rules.
fn beginning(json: &str) -> Option<String> {
    let mut whole: Value = serde_json::from_str(json).ok()?;
    let objects = whole["nftables"].as_array_mut()?;
    let is_rule = |object: &Value| object["rule"].is_object();
    let first_rule = objects.iter().position(is_rule)?;
    objects.truncate(first_rule + 12);
    Some(json!({ "nftables": objects }).to_string()).filter(|text| text.len() < 16_000)
}

const WORDS: [&str; 28] = [
    "-j",
    "-g",
    "-A ",
    "\n",
    "\"",
    "{",
    "}",
    "*nat\n",
    "COMMIT\n",
    "!",
    "0",
    "-1",
    "4294967296",
    "::",
    "10.0.0.0/0",
    "\\",
    "null",
    "&a ",
    "*a",
    "<<: ",
    "- ",
    "---\n",
    "\u{202e}",
    "KUBE-SERVICES",
    " goto ",
    "jump ",
    "[",
    "99999999999999999999",
];

fn mutated(seeds: &[String], random: &mut Random) -> Vec<u8> {
    let mut text = random.pick(seeds).into_bytes();
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(60)).min(text.len());
        match random.below(6) {
            0 => drop(text.splice(at..at, random.pick(&WORDS).bytes())),
            1 => drop(text.drain(at..end)),
            2 => {
                let piece = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                text.splice(to..to, piece);
            }
            3 => {
                let other = random.pick(seeds).into_bytes();
                let from = random.below(other.len());
                let piece = &other[from..(from + 200).min(other.len())];
                text.splice(at..end, piece.iter().copied());
            }
            4 => drop(text.splice(at..end.min(at + 1), [u8::try_from(random.below(128)).unwrap()])),
            _ => text.truncate(at.max(text.len() / 2)),
        }
    }
    text
}

#[test]
fn seeds_and_their_mutations_break_nothing() {
    let seeds = seeds();
    let targets = seeds.targets();
    let seed = crate::testing::seed();
    let mutations = share("mutations", 59, (0..mutations()).collect::<Vec<_>>()).len();
    let faults = crate::support::in_parallel(&targets, |(name, run, texts)| {
        let seeds = texts.iter().filter(|text| full() || text.len() < SMALL);
        seeds.for_each(|text| run(text.as_bytes()));
        corpus(name).iter().for_each(|input| run(input));
        let mut random = Random::new(seed);
        (0..mutations).find_map(|_| {
            let input = mutated(texts, &mut random);
            catch_unwind(AssertUnwindSafe(|| run(&input))).err()?;
            Some(format!("{name}: {}", String::from_utf8_lossy(&input)))
        })
    });
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    crate::support::kernel::tell(&format!(
        "fuzz seeds: {} targets, {} mutations each",
        targets.len(),
        mutations
    ));
}

/// The inputs stored for a fuzz target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|file| std::fs::read(file).unwrap()).collect()
}

/// Writes the seed corpus of the fuzz targets: `cargo test --test suite mutations -- --ignored`.
#[test]
#[ignore = "writes fuzz/corpus"]
fn write_the_seed_corpus() {
    for (name, _, texts) in seeds().targets() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (i, text) in texts.iter().filter(|text| text.len() < SMALL).take(20).enumerate() {
            std::fs::write(folder.join(format!("seed-{i:02}")), text).unwrap();
        }
    }
}
