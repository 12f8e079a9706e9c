//! The first ten minutes: command lines as typed by people who read no manual, with the first lines of each answer and
//! its exit status.

use std::path::Path;
use std::process::{Command, Stdio};

/// This many lines of each answer are shown.
const SHOWN: usize = 4;

const LINES: &[&str] = &[
    "kuberules",
    "kuberules -V",
    "kuberules version",
    "kuberules hlep",
    "kuberules get services shop.yaml",
    "kuberules describe svc web",
    "kuberules shop.yaml",
    "kuberules shop.yaml trace --to web",
    "kuberules --node worker-1 compile shop.yaml",
    "kuberules compile shop.yml",
    "kuberules compile shop.yaml",
    "kuberules compile shop.yaml --node wroker-1",
    "kuberules compile -f shop.yaml --node worker-1",
    "kuberules compile shop.yaml --node worker-1 --mode nftables",
    "kuberules compile shop.yaml --node worker-1 --release 1.36",
    "kuberules compile shop.yaml --node worker-1 -o yaml",
    "kuberules compile shop.yaml --node worker-1 --kube-version 1.20",
    "kuberules compile shop.yaml --node worker-1 --kubeconfig ~/.kube/config",
    "kuberules services shop.yaml -q",
    "kuberules services -f shop.yaml -A -q --problems",
    "kuberules services shop.yaml -n shop -q",
    "kuberules services -o wide shop.yaml",
    "kuberules trace shop.yaml",
    "kuberules trace shop.yaml --from cart-0 --to db",
    "kuberules trace shop.yaml --from pod/cart-0 --to svc/payments --brief -q",
    "kuberules trace shop.yaml --from pod/cart-0 --to svc/payment -q",
    "kuberules trace shop.yaml --from pod/crat-0 --to svc/db -q",
    "kuberules trace shop.yaml --from pod/cart-0 --to db.shop.svc.cluster.local:3306 -q",
    "kuberules trace shop.yaml --from pod/cart-0 --to db.shop:http -q",
    "kuberules trace shop.yaml --from pod/cart-0 --to db --node worker-2 -q",
    "kuberules trace shop.yaml --from cart-0 --to 10.96.0.12 -q",
    "kuberules trace shop.yaml --from 10.244.1.300 --to db -q",
    "kuberules trace shop.yaml --from node/worker-1 --to localhost:30080 -q",
    "kuberules trace shop.yaml --source cart-0 --to db",
    "kuberules explain web shop.yaml -q",
    "kuberules explain shop.yaml svc/web -n shop -q",
    "kuberules explain shop.yaml wep -q",
    "kuberules lint shop.yaml -q",
    "kuberules lint --explain KR999",
    "kuberules lint --explain kr004",
    "kuberules check shop.yaml --node worker-1",
    "kuberules diff shop.yaml",
    "kuberules trace < /dev/null --from a --to b",
];

#[test]
fn the_first_ten_minutes() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join("testdata/shop/before.yaml"), folder.path().join("shop.yaml")).unwrap();
    let answers: Vec<String> = LINES.iter().map(|line| answer(line, folder.path())).collect();
    assert_snapshot!(answers.join("\n"));
}

/// Both streams, as on a terminal, with the prompt and the status.
fn answer(line: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_kuberules"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {line}")])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", "/root")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let shown: Vec<String> = text.lines().take(SHOWN).map(|line| format!("  {}", line.trim_end())).collect();
    format!("$ {line}\n{}\n  [{}]\n", shown.join("\n"), output.status.code().unwrap())
}

/// Nothing waits for input: at a terminal, a subcommand without input says what to pipe in.
#[test]
fn on_a_bare_terminal_nothing_waits() {
    if Command::new("script").arg("--version").output().is_err() {
        return crate::support::kernel::tell("skipped: script is not installed");
    }
    for command in ["compile", "services", "explain", "trace --to web", "lint", "diff"] {
        let line = format!("{} {command}", env!("CARGO_BIN_EXE_kuberules"));
        let mut script = Command::new("timeout");
        script.args(["20", "script", "-qec", &line, "/dev/null"]).stdin(Stdio::null());
        let output = script.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command}: {text}");
        assert!(text.contains("error"), "{command}: {text}");
    }
}

/// `-h` fits a usual terminal window, examples first; `--help` is complete.
#[test]
fn short_help_is_one_screen() {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kuberules")).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for command in ["compile", "services", "explain", "trace", "lint", "diff", "check", "test", "annotate"] {
        let (short, long) = (help(&[command, "-h"]), help(&[command, "--help"]));
        assert!(short.starts_with("Examples:\n"), "{short}");
        assert!(short.lines().count() <= 50, "{command}: {} lines", short.lines().count());
        assert!(long.lines().count() > short.lines().count(), "{command}");
    }
    assert!(!help(&["services", "--help"]).contains("--no-nfacct"));
    assert!(!help(&["version", "--help"]).contains("--strict"));
    let commands = help(&["-h"]);
    let at = |name: &str| commands.find(&format!("\n  {name} ")).unwrap_or_else(|| panic!("{commands}"));
    let order = ["compile", "services", "explain", "trace", "lint", "diff", "check"];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{commands}");
}

/// As a plugin of kubectl, all text uses the name by which the program was called.
#[test]
fn as_a_plugin_it_is_called_kubectl_rules() {
    let plugin = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kubectl-rules")).args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    };
    let help = plugin(&["--help"]);
    assert!(help.contains("Usage: kubectl rules [OPTIONS] <COMMAND>"), "{help}");
    assert!(help.contains("  kubectl rules explain --example"), "{help}");
    let help = plugin(&["trace", "--help"]);
    assert!(help.contains("Usage: kubectl rules trace "), "{help}");
    assert!(!help.contains("kuberules trace"), "{help}");
    let told = plugin(&["trace", "--source", "x"]);
    assert!(told.contains("kubectl rules trace --help"), "{told}");
}
