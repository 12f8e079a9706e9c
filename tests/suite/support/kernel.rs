//! The real kernel and its tools, in their own network namespace.

use std::io::Write;
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::namespace::Namespace;

/// Whether namespaces can be made here.
static NAMESPACES: LazyLock<bool> =
    LazyLock::new(|| run("unshare -n", "true").is_some_and(|output| output.status.success()));

/// Whether this machine lets a test have a network namespace with these commands. If not, prints why, and the test must
/// return; with `KUBERULES_REQUIRE_KERNEL` set it fails.
pub fn available(commands: &[&str]) -> bool {
    let missing =
        commands.iter().find(|command| run("command -v", command).is_none_or(|o| !o.status.success()));
    let reason = match missing {
        Some(command) => format!("{command} is not installed"),
        None if *NAMESPACES => return true,
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
nft flush ruleset; ipset destroy; conntrack -F; nfacct flush
for link in $(ip -o link show | cut -d: -f2 | cut -d@ -f1); do [ $link = lo ] || ip link delete $link; done";

/// Runs a bash script in a fresh network namespace.
pub fn in_namespace(script: &str, input: &str) -> Output {
    Namespace::new().output(script, input)
}

/// The namespace of all scripts that load rules, empty between them.
static LOADING: Mutex<Option<Namespace>> = Mutex::new(None);

/// Runs a bash script that does nothing but load and list rules, in a network namespace without rules. They run one
/// after the other, since the kernel takes memory at once for all clients that the sets of a ruleset have room for; and
/// in one namespace, since some kernels do not give back all that a namespace takes.
pub fn with_loaders(script: &str, input: &str) -> Output {
    let mut kept = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let namespace = kept.take().unwrap_or_else(Namespace::new);
    let output = namespace.output(script, input);
    namespace.empty();
    if !namespace.has_legacy_tables() {
        *kept = Some(namespace);
    }
    output
}
