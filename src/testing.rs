//! What the tests of modules and of the program share: snapshots in one folder, one seed, numbers
//! that look random.

// Named by its path, since the suite reads this file from elsewhere.
#[path = "testing/random.rs"]
#[allow(dead_code, reason = "each asks for some of it")]
pub(crate) mod random;
#[path = "testing/scope.rs"]
#[allow(dead_code, reason = "each asks for some of it")]
pub(crate) mod scope;

/// `insta::assert_snapshot!`, whose files are in the top-level folder `snapshots`.
macro_rules! assert_snapshot {
    ($($arguments:tt)*) => {
        insta::with_settings!({ snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots") }, {
            insta::assert_snapshot!($($arguments)*)
        })
    };
}

/// The seed of tests with random inputs: the same in every run, another one by `KUBERULES_SEED`. It is printed, so that
/// a failure tells how to come back.
#[allow(clippy::print_stdout, reason = "the harness shows it where a test fails")]
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("KUBERULES_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("KUBERULES_SEED={seed}");
    seed
}

/// So many random cases of a property.
#[allow(dead_code, reason = "for tests of modules")]
pub(crate) fn cases(count: u32) -> proptest::test_runner::Config {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(seed());
    proptest::test_runner::Config { cases: count, rng_seed, failure_persistence: None, ..Default::default() }
}

/// The files of that name in `testdata`; there have to be at least this many.
#[allow(dead_code, reason = "for tests of modules")]
pub(crate) fn corpus(name: &str, least: usize) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("testdata")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() == name {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() >= least, "{name}: {}", found.len());
    found
}
