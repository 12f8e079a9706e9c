//! What hashed names in any text mean.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{kuberules, run_with_input, testdata};

fn annotate(arguments: &[&str], text: &[u8]) -> Output {
    let cluster = testdata().join("shop/before-with-pods.yaml").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kuberules"));
    run_with_input(command.args(["annotate", "-q", &cluster]).args(arguments), text)
}

fn annotated(line: &str) -> String {
    let output = annotate(&[], line.as_bytes());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(line), "{text}");
    text[line.len()..].trim_start_matches("  # ").to_owned()
}

#[test]
fn names_in_any_text_are_told() {
    let dns = "kube-system/kube-dns:dns/udp";
    assert_eq!(annotated("-j KUBE-SVC-TCOU7JCQXEZGVUNU"), format!("{dns}, all endpoints (10.96.0.10:53)"));
    assert_eq!(annotated("cut: KUBE-SVC-TCOU7JCQXE..."), format!("{dns}, all endpoints (10.96.0.10:53)"));
    assert_eq!(
        annotated(
            "TRACE: nat:KUBE-SEP-6E7XQMQ4RAYOWTTM:rule:2 IN=cni0 SRC=10.244.1.9 DST=10.96.0.10 PROTO=UDP SPT=4 DPT=53 "
        ),
        format!(
            "KUBE-SEP-6E7XQMQ4RAYOWTTM: {dns}, endpoint 10.244.0.3:53 (Pod kube-system/coredns-0 on cp-1); {dns}, cluster IP"
        )
    );
    assert_eq!(
        annotated(
            "trace id 8c ip kube-proxy service-KHN6ECMT-shop/web/tcp/http rule goto x (verdict goto endpoint-XXXXXXXX-gone)"
        ),
        "service-KHN6ECMT: shop/web:http, all endpoints (10.96.16.219:80); endpoint-XXXXXXXX: no endpoint of the input"
    );
    assert_eq!(
        annotated(
            "udp      17 29 src=10.244.1.9 dst=10.96.0.10 sport=4 dport=53 src=10.244.1.3 dst=10.244.1.9 sport=53 dport=4 mark=0 use=1"
        ),
        format!("{dns}, cluster IP; 10.244.1.3:53 (Pod kube-system/coredns-1 on worker-1)")
    );
    assert_eq!(
        annotated(
            "    [NEW] udp      17 30 src=10.244.1.9 dst=10.96.0.10 sport=4 dport=53 [UNREPLIED] src=10.244.9.9 dst=10.244.1.9 sport=53 dport=4"
        ),
        format!("{dns}, cluster IP; 10.244.9.9:53, which is not an endpoint of it")
    );
    assert_eq!(annotated("the external-dns service-account, local-path and KUBE-SVC-"), "");
}

#[test]
fn the_lines_stay_byte_for_byte() {
    let text = b"\xff KUBE-SVC-TCOU7JCQXEZGVUNU\r\n\x1b[31mKUBE-SEP-6E7XQMQ4RAYOWTTM\n\nlast";
    let output = annotate(&[], text);
    let bare: Vec<u8> = output
        .stdout
        .split_inclusive(|byte| *byte == b'\n')
        .flat_map(|line| {
            let at = line.windows(4).position(|bytes| bytes == b"  # ").unwrap_or(line.len());
            let end = line.len() - line.iter().rev().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            [&line[..at.min(end)], &line[end..]].concat()
        })
        .collect();
    assert_eq!(bare, text, "{}", String::from_utf8_lossy(&output.stdout));
}

/// Every name in every compiled ruleset is explained, in both modes, also without comments.
#[test]
fn no_name_of_a_ruleset_is_left_without_a_meaning() {
    let cluster = testdata().join("shop/before-with-pods.yaml").display().to_string();
    for mode in ["iptables", "nftables"] {
        let rules =
            kuberules(&["compile", "-q", &cluster, "--node", "worker-1", "--proxy-mode", mode]).stdout;
        let output = annotate(&["-o", "json"], &rules);
        let text = String::from_utf8(output.stdout).unwrap();
        let mut named = 0;
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            for name in line["names"].as_array().into_iter().flatten() {
                assert_ne!(name["kind"], "gone", "{line}");
                named += 1;
            }
        }
        assert!(named > 100, "{mode}: {named}");
    }
}

#[test]
fn counters_tell_the_rules_that_refuse_or_drop() {
    let text = "*filter\n:FORWARD DROP [9:540]\n\
        [12:720] -A KUBE-SERVICES -d 10.96.90.14/32 -p tcp -m tcp --dport 443 -j REJECT --reject-with icmp-port-unreachable\n\
        [0:0] -A KUBE-FORWARD -j DROP\n[3:4] -A KUBE-FORWARD -j ACCEPT\nCOMMIT\n\
        table ip calico {\n\tcounter c {\n\t\tpackets 40 bytes 9\n\t}\n\tchain x {\n\t\tcounter packets 7 bytes 1 drop\n\t\tcounter name \"c\" reject\n\t}\n}\n";
    let output = annotate(&["--counters"], text.as_bytes());
    let expected = "# Rules that refuse or drop, by packets:\n\
        # 40  ip calico x: reject\n\
        # 12  filter KUBE-SERVICES: -A KUBE-SERVICES -d 10.96.90.14/32 -p tcp -m tcp --dport 443 -j REJECT --reject-with icmp-port-unreachable  (shop/payments:https, cluster IP)\n\
        #  9  filter FORWARD: policy DROP\n\
        #  7  ip calico x: drop\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let whole = String::from_utf8(annotate(&[], text.as_bytes()).stdout).unwrap();
    assert!(whole.ends_with(expected), "{whole}");
}

#[test]
fn the_cluster_and_the_text_cannot_both_be_standard_input() {
    let result = kuberules(&["annotate", "-"]);
    assert_eq!(result.status.code(), Some(2));
    let told = String::from_utf8(result.stderr).unwrap();
    assert!(told.contains("--text FILE"), "{told}");
}

/// Text is annotated and printed as it arrives, and if the reader goes away the program ends quietly.
#[test]
fn a_text_that_goes_on_is_annotated_as_it_comes() {
    let cluster = testdata().join("shop/before-with-pods.yaml").display().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kuberules"))
        .args(["annotate", "-q", &cluster])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..3 {
        stdin.write_all(b"KUBE-SVC-TCOU7JCQXEZGVUNU\n").unwrap();
        line.clear();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        assert!(line.contains("# kube-system/kube-dns"), "{line}");
    }
    drop(stdout);
    // Later writes may meet a closed pipe.
    for _ in 0..1000 {
        if stdin.write_all(b"KUBE-SVC-TCOU7JCQXEZGVUNU\n").is_err() {
            break;
        }
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
