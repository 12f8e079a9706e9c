//! The contract of the command line: formats, families, nodes, exit codes, streams.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{kuberules, testdata};

fn shop() -> String {
    testdata().join("shop/before.yaml").display().to_string()
}

fn compile(arguments: &[&str]) -> Output {
    let shop = shop();
    kuberules(&[&["compile", &shop, "--cluster-cidr", "10.244.0.0/16,fd00:10:244::/56"], arguments].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn fine(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Standard error of a run that failed: exit 2, and nothing on standard output.
#[track_caller]
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

#[test]
fn each_format_looks_as_its_tool_prints() {
    let first_lines = |arguments: &[&str]| {
        let text = fine(&compile(&[&["--node", "worker-1"], arguments].concat()));
        text.lines().take(2).collect::<Vec<_>>().join("|")
    };
    let nftables = ["--proxy-mode", "nftables"];
    assert_eq!(first_lines(&["--family", "ipv4"]), "*mangle|:PREROUTING ACCEPT [0:0]");
    assert_eq!(first_lines(&["--family", "ipv6", "--output", "restore"]), "*filter|:KUBE-SERVICES - [0:0]");
    assert_eq!(first_lines(&[]), "# IPv4: iptables-save|*mangle");
    assert_eq!(first_lines(&["-o", "restore"]), "# IPv4: iptables-restore|*filter");
    assert!(first_lines(&nftables).starts_with("table ip kube-proxy {|"), "{}", first_lines(&nftables));
    let script = fine(&compile(&[&["--node", "worker-1", "-o", "script"], &nftables[..]].concat()));
    assert!(script.contains("table ip6 kube-proxy"), "{script}");
    for (mode, field) in [("iptables", "rulesets"), ("nftables", "nftables")] {
        let json = fine(&compile(&["--node", "worker-1", "--proxy-mode", mode, "-o", "json"]));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json[field].is_array(), "{mode}");
    }
}

#[test]
fn two_families_are_headed_and_each_is_as_alone() {
    let both = fine(&compile(&["--node", "worker-1"]));
    let alone = |family| fine(&compile(&["--node", "worker-1", "--family", family]));
    let headed = format!("# IPv4: iptables-save\n{}# IPv6: ip6tables-save\n{}", alone("ipv4"), alone("ipv6"));
    assert_eq!(both, headed);
}

#[test]
fn a_format_of_the_other_mode_is_refused() {
    let told = failed(&compile(&["--node", "worker-1", "--output", "list"]));
    assert!(told.contains("error: --output list does not go with the mode iptables\n"), "{told}");
    let told = failed(&compile(&["--node", "worker-1", "--proxy-mode", "nftables", "--output", "save"]));
    assert!(told.contains("help: give --output list, script or json"), "{told}");
}

#[test]
fn standard_input_is_the_default_input() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_kuberules"))
            .args([&["compile", "--node", "worker-1"], arguments].concat())
            .stdin(File::open(shop()).unwrap())
            .output()
            .unwrap()
    };
    assert_eq!(fine(&run(&[])), fine(&run(&["-"])));
}

#[test]
fn nodes_are_chosen_by_name() {
    let told = failed(&compile(&[]));
    assert!(told.contains("error: which node? The input has 4: "), "{told}");
    let told = failed(&compile(&["--node", "wroker-1"]));
    assert!(told.contains("there is no Node wroker-1 in the input\n  help: did you mean worker-1"), "{told}");
    let by_name = fine(&compile(&["--node", "WORKER-1"]));
    assert_eq!(by_name, fine(&compile(&["--hostname-override", "worker-1"])));
}

#[test]
fn releases_outside_the_table_are_refused_with_the_list() {
    let told = failed(&compile(&["--node", "worker-1", "--kube-version", "1.29"]));
    assert!(told.contains("(1.30, 1.31, 1.32, 1.33, 1.34, 1.35, 1.36, 1.37)"), "{told}");
    let newest = fine(&compile(&["--node", "worker-1"]));
    assert_eq!(newest, fine(&compile(&["--node", "worker-1", "--kube-version", "v1.37.3"])));
}

#[test]
fn a_wrong_configuration_names_its_file_line_and_field() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kube-proxy.yaml");
    let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
    fs::write(&path, format!("{head}iptables:\n  masqueradeBit: 40\n")).unwrap();
    let config = path.display().to_string();
    let told = failed(&compile(&["--node", "worker-1", "--config", &config]));
    assert!(
        told.contains(&format!(
            "error: {config}:4: KubeProxyConfiguration.KubeProxyIPTablesConfiguration.MasqueradeBit: Invalid value: 40: \
             must be within the range [0, 31]\n  help: change the field iptables.masqueradeBit, or override it by \
             --iptables-masquerade-bit"
        )),
        "{told}"
    );
    fine(&compile(&["--node", "worker-1", "--config", &config, "--iptables-masquerade-bit", "4"]));
    let told = failed(&compile(&["--node", "worker-1", "--config", "/nonexistent"]));
    assert!(told.contains("cannot read the configuration /nonexistent: No such file"), "{told}");
}

#[test]
fn warnings_are_told_silenced_or_fatal() {
    let warned = |arguments: &[&str]| {
        compile(&[&["--node", "worker-1", "--feature-gates", "SomeOtherGate=true"], arguments].concat())
    };
    let told = warned(&[]);
    assert!(text(&told.stderr).contains("warning: featureGates: SomeOtherGate is not known to kuberules"));
    let answer = fine(&told);
    let quiet = warned(&["--quiet"]);
    assert_eq!(text(&quiet.stderr), "");
    assert_eq!(fine(&quiet), answer);
    assert!(failed(&warned(&["--strict"])).contains("warning: featureGates"));
    assert!(failed(&warned(&["--strict", "--quiet"])).contains("count as errors (--strict)"));
}

#[test]
fn what_the_real_loader_refuses_is_an_error_unless_forced() {
    let everything = ["--node", "worker-1", "--family", "ipv4", "--cluster-cidr", "0.0.0.0/0"];
    let run = |more: &[&str]| kuberules(&[&["compile", &shop()], &everything[..], more].concat());
    let told = failed(&run(&[]));
    assert!(told.contains("error: the cluster network 0.0.0.0/0"), "{told}");
    assert!(fine(&run(&["--force"])).contains("! -s 0.0.0.0/0"));
}

#[test]
fn colour_is_asked_for_or_left_out() {
    let told = |color: &str| text(&compile(&["--color", color]).stderr);
    assert!(told("always").contains("\u{1b}[1;31merror\u{1b}[0m: which node?"));
    assert!(!told("never").contains('\u{1b}') && !told("auto").contains('\u{1b}'));
    let forced = |name: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kuberules"));
        command.args(["compile", &shop()]).env("CLICOLOR_FORCE", "1").env(name, value);
        text(&command.output().unwrap().stderr)
    };
    assert!(forced("CLICOLOR_FORCE", "1").contains('\u{1b}'));
    assert!(!forced("NO_COLOR", "1").contains('\u{1b}'));
}

#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_none() {
    let run = |stdout: Stdio| {
        Command::new(env!("CARGO_BIN_EXE_kuberules"))
            .args(["compile", &shop(), "--node", "worker-1", "--quiet"])
            .stdout(stdout)
            .output()
            .unwrap()
    };
    let full = run(File::options().write(true).open("/dev/full").unwrap().into());
    assert_eq!(full.status.code(), Some(2));
    assert!(text(&full.stderr).starts_with("error: cannot write to standard output: No space left"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let closed = run(writer.into());
    assert_eq!((closed.status.code(), text(&closed.stderr)), (Some(0), String::new()));
}

/// Rust's runtime replaces a closed descriptor by /dev/null, which accepts whatever is written.
#[test]
fn a_closed_standard_output_is_an_error_where_there_is_something_to_say() {
    let run = |line: &str| {
        let line = format!("exec {} {line}", env!("CARGO_BIN_EXE_kuberules"));
        let output = Command::new("bash").args(["-c", &line, "bash", &shop()]).output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let failed = (Some(2), "error: cannot write to standard output: it is closed\n".to_owned());
    let fine = (Some(0), String::new());
    assert_eq!(run("compile \"$1\" --node worker-1 --quiet >&-"), failed);
    assert_eq!(run("services \"$1\" --quiet >&-"), failed);
    assert_eq!(run("--version >&-").0, Some(2));
    assert_eq!(run("completions bash >&-").0, Some(2));
    assert_eq!(run("compile \"$1\" --node worker-1 --quiet >/dev/null"), fine);
    assert_eq!(run("compile \"$1\" --node worker-1 --quiet <>/dev/null >&0"), fine);
    let folder = tempfile::tempdir().unwrap();
    let files = format!("compile \"$1\" --all-nodes --quiet --out-dir {} >&-", folder.path().display());
    assert_eq!(run(&files), fine);
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_node_gets_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display().to_string();
    let output = compile(&["--all-nodes", "--out-dir", &path]);
    assert_eq!(fine(&output), "");
    let names = names(directory.path());
    assert_eq!(names.len(), 8, "{names:?}");
    assert!(names.contains(&"worker-3.ip6tables-save".to_owned()), "{names:?}");
    let file = fs::read_to_string(directory.path().join("worker-1.iptables-save")).unwrap();
    assert_eq!(file, fine(&compile(&["--node", "worker-1", "--family", "ipv4"])));
}

#[test]
fn files_of_nodes_come_all_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display().to_string();
    failed(&compile(&[
        "--all-nodes",
        "--out-dir",
        &path,
        "--strict",
        "--feature-gates",
        "SomeOtherGate=true",
    ]));
    assert_eq!(names(directory.path()), Vec::<String>::new());
    let told = failed(&compile(&["--all-nodes", "--out-dir", &format!("{path}/missing")]));
    assert!(told.contains("error: cannot write "), "{told}");
    for wrong in
        [&["--all-nodes"][..], &["--out-dir", &path], &["--all-nodes", "--out-dir", &path, "--node", "a"]]
    {
        failed(&compile(wrong));
    }
}

#[test]
fn help_version_completions_and_manual() {
    assert!(fine(&kuberules(&["--help"])).contains("Exit status: 0 fine"));
    assert!(fine(&kuberules(&["compile", "--help"])).contains("Examples:\n  kubectl get services"));
    assert!(fine(&kuberules(&["--version"])).starts_with("kuberules "));
    assert!(fine(&kuberules(&["completions", "bash"])).contains("-F _clap_complete_kuberules"));
    assert!(fine(&kuberules(&["man"])).contains(".TH kuberules 1"));
    assert!(fine(&kuberules(&["man", "compile"])).contains("all\\-nodes"));
    failed(&kuberules(&[]));
    failed(&kuberules(&["compile", "--nope"]));
    failed(&kuberules(&["man", "nope"]));
}

#[test]
fn every_subcommand_has_examples_and_a_manual_page() {
    let help = fine(&kuberules(&["--help"]));
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let is_name = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names = commands.lines().filter(is_name).filter_map(|line| line.split_whitespace().next());
    let names: Vec<&str> = names.filter(|name| *name != "help").collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let example = format!("kuberules {name}");
        let help = fine(&kuberules(&[name, "--help"]));
        let (_, examples) = help.split_once("xamples:\n").unwrap_or_else(|| panic!("{name} has no examples"));
        assert!(examples.contains(&example), "{examples}");
        let page = fine(&kuberules(&["man", name]));
        assert!(page.contains(&format!(".TH kuberules-{name} 1")), "{page}");
        assert!(page.contains("Examples:"), "{name}");
    }
}

#[test]
fn kubectl_finds_the_same_program() {
    let version = Command::new(env!("CARGO_BIN_EXE_kubectl-rules")).arg("--version").output().unwrap();
    assert_eq!(fine(&version).replace("kubectl rules", "kuberules"), fine(&kuberules(&["--version"])));
}

/// Commands that would read standard input: at a bare terminal they say what to pipe in.
#[test]
fn nothing_waits_for_typing_at_a_bare_terminal() {
    if Command::new("script").arg("--version").output().is_err() {
        return crate::support::kernel::tell("skipped: script is not installed");
    }
    let (program, cluster) = (env!("CARGO_BIN_EXE_kuberules"), shop());
    for (arguments, told) in [
        (
            "services".to_owned(),
            "kubectl get services,endpointslices,nodes,pods -A -o yaml | kuberules services",
        ),
        ("lint -".to_owned(), "| kuberules lint ..."),
        (format!("diff - '{cluster}'"), "| kuberules diff ..."),
        (
            format!("check --captured - '{cluster}'"),
            "ssh NODE sudo nft list ruleset | kuberules check --captured -",
        ),
        (
            "trace --captured - --from 192.0.2.7 --to 10.96.0.1:443".to_owned(),
            "| kuberules trace --captured -",
        ),
        (format!("annotate '{cluster}'"), "sudo iptables-save | kuberules annotate"),
        (format!("test - '{cluster}'"), "kuberules test EXPECTATIONS CLUSTER"),
    ] {
        let line = format!("'{program}' {arguments}; echo exit $?");
        let said = text(&Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap().stdout);
        assert!(said.replace("\r\n", " ").contains(told) && said.contains("exit 2"), "{arguments}: {said}");
    }
}

#[test]
fn whoever_waits_longer_than_a_second_at_a_terminal_is_told_why() {
    if Command::new("script").arg("--version").output().is_err() {
        return crate::support::kernel::tell("skipped: script is not installed");
    }
    let told = |seconds: &str| {
        let program = env!("CARGO_BIN_EXE_kuberules");
        let line = format!(
            "(sleep {seconds}; cat '{}') | '{program}' compile --node worker-1 -q >/dev/null",
            shop()
        );
        text(&Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap().stdout)
    };
    let line = "\r\u{1b}[Kreading the input ...";
    let long = told("1.5");
    assert!(long.contains(line) && long.ends_with("\r\u{1b}[K"), "{long:?}");
    // A busy machine may need its second for this one, too.
    let short = told("0");
    assert!(short.is_empty() || short.ends_with("\r\u{1b}[K"), "{short:?}");
}
