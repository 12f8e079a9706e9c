//! The real kernel and its tools, in their own network namespace.

use std::io::Write;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// Whether this machine lets a test have a network namespace with these commands. If not, prints why, and the test must
/// return; with `KUBERULES_REQUIRE_KERNEL` set it fails.
pub fn available(commands: &[&str]) -> bool {
    let missing =
        commands.iter().find(|command| run("command -v", command).is_none_or(|o| !o.status.success()));
    let reason = match missing {
        Some(command) => format!("{command} is not installed"),
        None if in_fresh_namespace("true", "").status.success() => return true,
        None => "no network namespace can be made (run as root)".to_owned(),
    };
    assert!(std::env::var_os("KUBERULES_REQUIRE_KERNEL").is_none(), "the kernel tests cannot run: {reason}");
    tell(&format!("skipped: {reason}"));
    false
}

/// Prints past the test harness, which hides the output of tests that pass.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn run(command: &str, argument: &str) -> Option<Output> {
    Command::new("bash").args(["-c", &format!("{command} {argument}")]).output().ok()
}

/// A bash script that takes rules and interfaces from the namespace it runs in.
pub const EMPTY: &str = r"set +e; exec 2>/dev/null
nft flush ruleset; ipset destroy; conntrack -F
for link in $(ip -o link show | cut -d: -f2 | cut -d@ -f1); do [ $link = lo ] || ip link delete $link; done";

/// Session affinity gives each endpoint a set of nft with room for 65,535 clients, for which the kernel takes memory at
/// once: a large ruleset loaded over itself can take a gigabyte. So only one script runs at a time.
static LOADING: Mutex<()> = Mutex::new(());

/// Runs a bash script in a fresh network namespace, which is empty again at its end.
pub fn in_namespace(script: &str, input: &str) -> Output {
    let _guard = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    in_fresh_namespace(&format!("trap '{EMPTY}' EXIT\n{script}"), input)
}

fn in_fresh_namespace(script: &str, input: &str) -> Output {
    let arguments = ["-n", "bash", "-euo", "pipefail", "-c", script];
    super::run_with_input(Command::new("unshare").args(arguments), input.as_bytes())
}
