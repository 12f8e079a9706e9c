//! Completions: of flags and values, and of names in the files on the command line, as bash requests them at a
//! terminal.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::testdata;

/// What the program offers for the last word of a line, in the protocol of bash.
fn offered(words: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_kuberules"))
        .arg("--")
        .args(words)
        .env("KUBERULES_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .env("_CLAP_IFS", "\n")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn names_come_from_the_files_on_the_line() {
    let shop = testdata().join("shop/before.yaml");
    let shop = shop.to_str().unwrap();
    assert!(offered(&["kuberules", "tr"]).contains(&"trace".to_owned()));
    let nodes = offered(&["kuberules", "trace", shop, "--node", "w"]);
    assert_eq!(nodes, ["worker-1", "worker-2", "worker-3"]);
    let services = offered(&["kuberules", "trace", shop, "--to", "shop/c"]);
    assert_eq!(services, ["shop/cache", "shop/cart", "shop/catalog"]);
    let pods = offered(&["kuberules", "trace", shop, "--from", "pod/shop/cart"]);
    assert!(pods.contains(&"pod/shop/cart-0".to_owned()), "{pods:?}");
    let services = offered(&["kuberules", "explain", shop, "shop/w"]);
    assert_eq!(services, ["shop/web"]);
    let releases = offered(&["kuberules", "compile", "--kube-version", "1.3"]);
    assert!(releases.contains(&"1.30".to_owned()) && releases.contains(&"1.37".to_owned()), "{releases:?}");
    let codes = offered(&["kuberules", "lint", "--explain", "KR00"]);
    assert_eq!(codes.len(), 9, "{codes:?}");
    let modes = offered(&["kuberules", "compile", "--proxy-mode", ""]);
    assert_eq!(modes, ["iptables", "nftables"]);
}

#[test]
fn kubectl_asks_in_its_own_way() {
    let shop = testdata().join("shop/before.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl_complete-rules"))
        .args(["trace", shop.to_str().unwrap(), "--node", "wor"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "worker-1\nworker-2\nworker-3\n:0\n");
}

#[test]
fn each_shell_gets_a_script() {
    for (shell, part) in [("bash", "complete "), ("zsh", "compdef"), ("fish", "complete ")] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_kuberules")).args(["completions", shell]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(part) && text.contains("KUBERULES_COMPLETE"), "{shell}: {text}");
    }
}

/// Bash at a pseudo terminal: a name is typed until it is unique, then Tab is pressed.
#[test]
fn bash_completes_at_a_terminal() {
    if Command::new("script").arg("--version").output().is_err() {
        return crate::support::kernel::tell("skipped: script is not installed");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_kuberules")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut child = Command::new("script")
        .args(["-qec", "bash --norc --noprofile -i", "/dev/null"])
        .current_dir(testdata().join("shop"))
        .env("PATH", path)
        .env("PS1", "> ")
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut type_in = |text: &str| {
        input.write_all(text.as_bytes()).unwrap();
        input.flush().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
    };
    type_in("source <(kuberules completions bash)\n");
    type_in("echo kuberules trace; kuberules trace before.yaml --to shop/pay\t-q --brief --from external\n");
    type_in("exit\n");
    drop(input);
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    assert!(text.contains("refused"), "{text}");
}
