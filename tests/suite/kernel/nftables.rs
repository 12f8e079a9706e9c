//! The kernel accepts what `compile` prints, and lists it unchanged: every nftables run of the corpus.

use crate::support::kernel::{available, tell, with_loaders};
use crate::support::nft::{blocks, with_small_sets, without_comments_of_objects};
use crate::support::scope::{share, share_by_hand};
use crate::support::{Case, cases, difference, in_parallel};

/// Loads the script twice, the second time on top of the first; then the JSON on a fresh host.
const LOAD: &str = "nft -f script; nft -f script; nft list ruleset > from-script; \
                    nft flush ruleset; nft -j -f json; nft list ruleset > from-json";

#[test]
fn scripts_and_json_load_and_list_as_printed() {
    if !available(&["nft"]) {
        return;
    }
    let cases = cases("nftables");
    assert!(cases.len() > 100, "the corpus is incomplete");
    let cases = share("kernel::nftables", 97, cases);
    let faults: Vec<String> = in_parallel(&cases, fault).into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} cases come back otherwise\n{}", faults.len(), faults.join("\n"));
    tell(&format!("{} cases came back from the kernel", cases.len()));
}

fn fault(case: &Case) -> Option<String> {
    judge(|output| case.compile("all", output)).map(|fault| format!("{}: {fault}", case.name()))
}

/// What is wrong with the three texts of a ruleset, by the kernel's judgement.
fn judge(compile: impl Fn(&str) -> String) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for output in ["script", "json"] {
        std::fs::write(folder.path().join(output), with_small_sets(&compile(output))).unwrap();
    }
    let result = with_loaders(&format!("cd {}; {LOAD}", folder.path().display()), "");
    if !result.status.success() {
        return Some(String::from_utf8_lossy(&result.stderr).into_owned());
    }
    let printed = with_small_sets(&compile("list"));
    let of_script = difference(&blocks(&printed), &blocks(&read("from-script")));
    let of_json =
        difference(&without_comments_of_objects(&printed), &without_comments_of_objects(&read("from-json")));
    let faults = format!("{of_script}{of_json}");
    (!faults.is_empty()).then_some(faults)
}

/// Mark bit 31, ranges that merge into one or cover everything, addresses with a dotted tail, names at the limit: in
/// every layout that a release has, and with every way to recognize local traffic.
#[test]
fn unusual_plans_load_and_list_as_printed() {
    if !available(&["nft"]) {
        return;
    }
    let settings = [
        "--cluster-cidr 10.244.0.0/16,::/0",
        "--detect-local-mode BridgeInterface --pod-bridge-interface lo --nodeport-addresses 0.0.0.0/0,::/0",
        "--masquerade-all --cluster-cidr 0.0.0.0/0",
    ];
    let versions = ["1.30", "1.32", "1.33.0", "1.33", "1.34.0", "1.35", "1.36", "1.37"];
    let plans = versions.iter().flat_map(|version| settings.map(|flags| (*version, flags)));
    for (version, flags) in share_by_hand("kernel::nftables", 8, 2, plans.collect()) {
        let compile = |output: &str| {
            let folder = crate::support::testdata().join("odd");
            let (cluster, config) = (folder.join("cluster.yaml"), folder.join("kube-proxy.yaml"));
            let mut arguments = vec!["compile", cluster.to_str().unwrap(), "--node", "worker", "--quiet"];
            arguments.extend(["--config", config.to_str().unwrap(), "--kube-version", version]);
            arguments.extend(["--family", "all", "--output", output].into_iter().chain(flags.split(' ')));
            let result = crate::support::kuberules(&arguments);
            assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
            String::from_utf8(result.stdout).unwrap()
        };
        assert_eq!(judge(compile), None, "{version} {flags}");
    }
}
