//! The same bytes everywhere: whatever the locale, the time zone, the number of cores, the seed of hash maps, the time
//! of day, the profile.

use std::process::Command;

use crate::support::scope::share;
use crate::support::testdata;

/// Command lines that use the parallel parts.
fn runs() -> Vec<Vec<String>> {
    let large = testdata().join("large");
    let case: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(large.join("case.json")).unwrap()).unwrap();
    let cluster = large.join(case["cluster"].as_str().unwrap()).display().to_string();
    let node = case["node"].as_str().unwrap().to_owned();
    let (before, after) = (testdata().join("shop/before.yaml"), testdata().join("shop/after.yaml"));
    let (before, after) = (before.display().to_string(), after.display().to_string());
    let run = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let mut runs = vec![
        run(&["compile", &cluster, "--node", &node]),
        run(&["compile", &cluster, "--node", &node, "--proxy-mode", "nftables", "--output", "json"]),
        run(&["lint", &before]),
        run(&["explain", &before, "--node", "worker-1"]),
    ];
    if std::path::Path::new(&after).exists() {
        runs.push(run(&["diff", &before, &after, "--all-nodes"]));
    }
    runs
}

/// The program built with the other profile, as given by the variable KUBERULES_OTHER_BUILD.
fn other_build() -> Option<String> {
    let path = std::env::var("KUBERULES_OTHER_BUILD").ok();
    if path.is_none() {
        crate::support::kernel::tell("skipped: no other build to compare with (KUBERULES_OTHER_BUILD)");
    }
    path
}

fn output(
    program: &str,
    wrapper: &[&str],
    environment: &[(&str, &str)],
    arguments: &[String],
) -> (Option<i32>, Vec<u8>, Vec<u8>) {
    let words: Vec<&str> = wrapper.iter().copied().chain([program]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments).envs(environment.iter().copied());
    let output = command.output().unwrap();
    (output.status.code(), output.stdout, output.stderr)
}

/// The command before the program, and environment variables.
type Way<'w> = (&'w [&'w str], &'w [(&'w str, &'w str)]);

#[test]
fn the_same_bytes_everywhere() {
    let program = env!("CARGO_BIN_EXE_kuberules");
    let other_build = other_build();
    let one_core =
        Command::new("taskset").args(["-c", "0", "true"]).status().is_ok_and(|status| status.success());
    let one_core: &[&str] = if one_core { &["taskset", "-c", "0"] } else { &[] };
    // A quick run has the first and the fourth, in which everything differs.
    let ways: [Way<'_>; 5] = [
        (one_core, &[("LANG", "tr_TR.UTF-8"), ("LC_ALL", "tr_TR.UTF-8"), ("TZ", "Pacific/Kiritimati")]),
        (&[], &[]),
        (&[], &[("LANG", "tr_TR.UTF-8"), ("LC_ALL", "tr_TR.UTF-8"), ("TZ", "Pacific/Kiritimati")]),
        (&[], &[("LC_ALL", "C"), ("TZ", "America/St_Johns"), ("COLUMNS", "40"), ("HOME", "/nonexistent")]),
        (one_core, &[]),
    ];
    let ways = share("determinism::environment", 3, ways.to_vec());
    for arguments in runs() {
        let usual = output(program, &[], &[], &arguments);
        if let Some(other) = &other_build {
            assert!(output(other, &[], &[], &arguments) == usual, "{arguments:?} by {other}");
        }
        for (wrapper, environment) in &ways {
            let other = output(program, wrapper, environment, &arguments);
            assert!(other == usual, "{arguments:?} with {wrapper:?} {environment:?}");
        }
    }
}
