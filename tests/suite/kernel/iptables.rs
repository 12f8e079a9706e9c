//! The real tools as judges: they load what `compile` prints, and list it as it was printed.

use crate::support::kernel::{available, tell, with_loaders};
use crate::support::scope::share;
use crate::support::{Case, cases, difference, in_parallel};

const TOOLS: [&str; 4] = ["unshare", "iptables-restore", "iptables-save", "nfacct"];

/// kube-proxy creates these counters before it writes rules that use them.
const COUNTERS: &str = "nfacct add ct_state_invalid_dropped_pkts; nfacct add localhost_nps_accepted_pkts;";

const FAMILIES: [(&str, &str); 2] = [("ipv4", "iptables"), ("ipv6", "ip6tables")];

#[test]
fn save_text_loads_and_lists_back() {
    judge(|case, family, tool| {
        let save = case.compile(family, "save");
        let script = format!("{COUNTERS} {tool}-restore; {tool}-save");
        fault(&script, &save, &save)
    });
}

#[test]
fn restore_text_on_top_of_the_base_chains_lists_as_save_text() {
    judge(|case, family, tool| {
        let save = case.compile(family, "save");
        let restore = case.compile(family, "restore");
        let base = base_of(&save);
        let script = format!(
            "{COUNTERS} base=$(cat <<'END'\n{base}END\n); {tool}-restore <<<\"$base\"; {tool}-restore --noflush --counters; {tool}-save"
        );
        fault(&script, &restore, &save)
    });
}

fn judge(judged: impl Fn(&Case, &str, &str) -> Option<String> + Sync) {
    if !available(&TOOLS) {
        return;
    }
    let runs: Vec<_> = (cases("iptables").into_iter())
        .flat_map(|case| FAMILIES.map(|(family, tool)| (case.clone(), family, tool)))
        .collect();
    let runs = share("kernel::iptables", 13, runs);
    let faults: Vec<String> = in_parallel(&runs, |(case, family, tool)| {
        judged(case, family, tool).map(|fault| format!("{} {family}: {fault}", case.name()))
    })
    .into_iter()
    .flatten()
    .collect();
    tell(&format!("iptables: {} rulesets loaded, {} refused or changed", runs.len(), faults.len()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What went wrong when `script` should have turned `input` into `expected`.
fn fault(script: &str, input: &str, expected: &str) -> Option<String> {
    let output = with_loaders(script, input);
    if !output.status.success() {
        return Some(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let listed = String::from_utf8(output.stdout).unwrap();
    let difference = difference(&lines(expected), &lines(&listed));
    (!difference.is_empty()).then_some(difference)
}

/// Every line but comments, in order.
fn lines(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The part of a ruleset that kube-proxy installs by separate commands: canaries and jumps from the built-in chains.
fn base_of(save: &str) -> String {
    let builtin = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
    let keep = |line: &&str| match line.strip_prefix("-A ") {
        Some(rule) => builtin.iter().any(|chain| rule.starts_with(&format!("{chain} "))),
        None => {
            !line.starts_with(":KUBE-S") && !line.starts_with(":KUBE-E") && !line.starts_with(":KUBE-FW-")
                || line.starts_with(":KUBE-SERVICES ")
                || line.starts_with(":KUBE-EXTERNAL-SERVICES ")
        }
    };
    save.lines().filter(keep).map(|line| format!("{line}\n")).collect()
}
