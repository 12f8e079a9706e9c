//! A whole node, as `--captured` accepts it: folders, archives, several files; what its connections and its other rules
//! do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::kernel::{available, in_namespace};
use crate::support::{kuberules, testdata};

fn mixed() -> PathBuf {
    testdata().join("captures/mixed-backends")
}

/// `check` of the shop's worker-1 in iptables mode.
fn check(captured: &[&Path], more: &[&str]) -> Output {
    let shop = testdata().join("shop");
    let cluster = shop.join("before.yaml").display().to_string();
    let config = shop.join("before-worker-1/kube-proxy.iptables.json").display().to_string();
    let captured: Vec<String> = captured.iter().map(|path| path.display().to_string()).collect();
    let mut arguments = vec!["check", &cluster, "--node", "worker-1", "--config", &config];
    arguments.extend(["--no-nfacct", "--family", "ipv4"]);
    captured.iter().for_each(|path| arguments.extend(["--captured", path]));
    arguments.extend(more);
    kuberules(&arguments)
}

fn trace(captured: &Path, from: &str, to: &str, more: &[&str]) -> Output {
    let cluster = testdata().join("shop/before.yaml").display().to_string();
    let captured = captured.display().to_string();
    let mut arguments =
        vec!["trace", "-q", &cluster, "--node", "worker-1", "--cluster-cidr", "10.244.0.0/16"];
    arguments.extend(["--captured", &captured, "--from", from, "--to", to]);
    arguments.extend(more);
    kuberules(&arguments)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(output)))
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Findings, without the name of the capture.
fn findings(output: &Output) -> Value {
    json(output)["findings"].clone()
}

#[test]
fn k71305_both_backends_and_tables_of_nftables_beside_them() {
    let report = findings(&check(&[&mixed()], &["-q", "-o", "json"]));
    let kinds: Vec<&str> =
        report.as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["pinned-connections", "pinned-connections", "pinned-connections", "preceded"]);
    assert_eq!(report[3]["places"][0]["table"], "ip raw-guard");
    assert_eq!(report[3]["traffic"][0]["after"], "times out");

    // The legacy backend drops what kube-proxy's rules in the other one let through.
    let catalog = json(&trace(&mixed(), "10.244.3.77", "10.96.97.45:8080", &["-o", "json"]));
    assert_eq!(catalog["outcomes"][0]["verdict"], "drop");
    assert_eq!(catalog["outcomes"][0]["decidedBy"]["owner"], "unnamed");
    assert_eq!(catalog["outcomes"][0]["decidedBy"]["chain"], "FORWARD");
    // So does firewalld, in a table of its own.
    let db = json(&trace(&mixed(), "10.244.1.9", "10.96.0.12:3306", &["-o", "json"]));
    assert_eq!(db["outcomes"][0]["verdict"], "reject");
    assert_eq!(db["outcomes"][0]["decidedBy"]["owner"], "firewalld");
    assert_eq!(db["outcomes"][0]["decidedBy"]["zone"], "public");
    // And a table that comes before all others.
    let cache = json(&trace(&mixed(), "10.244.3.77", "10.96.177.234:6379", &["-o", "json"]));
    assert_eq!(cache["outcomes"][0]["verdict"], "drop");
    assert_eq!(cache["outcomes"][0]["decidedBy"]["table"], "ip raw-guard");
}

#[test]
fn k48370_connections_to_endpoints_that_are_gone_are_told_with_what_ends_them() {
    let report = findings(&check(&[&mixed()], &["-q", "-o", "json"]));
    assert_eq!(report[0]["service"], "kube-system/kube-dns");
    assert_eq!(report[0]["connections"], 2);
    let command = "conntrack -D -p udp --orig-dst 10.96.0.10 --orig-port-dst 53 --reply-src 10.244.9.9 --reply-port-src 53";
    assert_eq!(report[0]["commands"], serde_json::json!([command]));
    assert_eq!(report[1]["connections"], 1);
    assert_eq!(report[2]["service"], "shop/db");

    let dns = json(&trace(&mixed(), "10.244.1.77", "10.96.0.10:53", &["--protocol", "udp", "-o", "json"]));
    let existing: Vec<(&str, u64, u64, bool)> = dns["existing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            (
                group["target"].as_str().unwrap(),
                group["count"].as_u64().unwrap(),
                group["fromThisSource"].as_u64().unwrap(),
                group["stillChosen"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        existing,
        [("10.96.0.10:53", 1, 0, false), ("10.244.1.3:53", 1, 1, true), ("10.244.9.9:53", 2, 1, false)]
    );
}

#[test]
fn the_command_that_is_told_ends_those_connections_alone() {
    if !available(&["conntrack"]) {
        return;
    }
    let report = findings(&check(&[&mixed()], &["-q", "-o", "json"]));
    let command = report[0]["commands"][0].as_str().unwrap();
    let script = format!(
        "conntrack -I -t 300 -p udp -s 10.244.1.77 -d 10.96.0.10 --sport 1 --dport 53 -g 10.244.9.9 2>/dev/null
         conntrack -I -t 300 -p udp -s 10.244.1.78 -d 10.96.0.10 --sport 2 --dport 53 -g 10.244.9.9 2>/dev/null
         conntrack -I -t 300 -p udp -s 10.244.1.77 -d 10.96.0.10 --sport 3 --dport 53 -g 10.244.1.3 2>/dev/null
         {command} >/dev/null 2>&1
         conntrack -L 2>/dev/null"
    );
    let left = in_namespace(&script, "");
    let left = String::from_utf8_lossy(&left.stdout).into_owned();
    assert!(left.lines().count() == 1 && left.contains("src=10.244.1.3 "), "{left}");
}

#[test]
fn a_folder_an_archive_and_single_files_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let pack = |name: &str, how: &str| {
        let path = folder.path().join(name);
        let status =
            Command::new("tar").arg(how).arg(&path).arg("-C").arg(mixed()).arg(".").status().unwrap();
        assert!(status.success());
        path
    };
    let expected = findings(&check(&[&mixed()], &["-q", "-o", "json"]));
    for archive in [pack("node.tar", "-cf"), pack("node.tar.gz", "-czf")] {
        assert_eq!(findings(&check(&[&archive], &["-q", "-o", "json"])), expected);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(mixed()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.reverse();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    assert_eq!(findings(&check(&files, &["-q", "-o", "json"])), expected);
}

#[test]
fn what_is_not_of_a_node_is_counted_and_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| fs::copy(mixed().join(name), folder.path().join(name)).unwrap();
    ["iptables-nft-save", "ip-addr"].iter().for_each(|name| _ = copy(name));
    fs::write(folder.path().join("dmesg"), "[    0.000000] Linux version 6.1\n").unwrap();
    fs::write(folder.path().join("picture"), [0u8, 159, 146, 150]).unwrap();
    fs::create_dir_all(folder.path().join("etc/sysconfig")).unwrap();
    fs::write(folder.path().join("etc/sysconfig/iptables"), "*filter\n:INPUT DROP [0:0]\nCOMMIT\n").unwrap();
    let told = told(&check(&[folder.path()], &[]));
    let notes: Vec<&str> = told.lines().filter(|line| line.contains("ignored")).collect();
    assert_eq!(notes.len(), 1, "{told}");
    assert!(notes[0].starts_with("note: ignored 3 files that --captured does not read, such as "), "{told}");
}

#[test]
fn the_same_thing_twice_and_different_names_both_places() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(mixed().join("iptables-nft-save")).unwrap();
    let other = folder.path().join("later");
    fs::write(&other, text.replace("10.244.2.4:3306", "10.244.2.5:3306")).unwrap();
    let result = check(&[&mixed().join("iptables-nft-save"), &other], &[]);
    assert_eq!(result.status.code(), Some(2));
    let told = told(&result);
    assert!(
        told.contains("error: table nat of iptables (IPv4) is in ")
            && told.contains("later, and they differ"),
        "{told}"
    );
    // Counters alone are no difference.
    fs::write(&other, text.replace(":FORWARD ACCEPT [0:0]", ":FORWARD ACCEPT [5:300]")).unwrap();
    assert_eq!(check(&[&mixed().join("iptables-nft-save"), &other], &[]).status.code(), Some(0));
    for (name, from, to) in [
        ("ip-addr", "192.168.0.11/24", "192.168.0.12/24"),
        ("ipset-save", "10.244.3.66", "10.244.3.67"),
        ("sysctl", "net.ipv4.ip_forward = 1", "net.ipv4.ip_forward = 0"),
        ("ip-route", "default via 192.168.0.1", "default via 192.168.0.2 metric 7"),
    ] {
        let text = fs::read_to_string(mixed().join(name)).unwrap();
        assert!(text.contains(from), "{name}");
        fs::write(&other, text.replace(from, to)).unwrap();
        assert_eq!(check(&[&mixed(), &other], &[]).status.code(), Some(2), "{name}");
    }
}

/// A header and the blocks of a tar entry.
fn entry(name: &str, kind: u8, content: &[u8], size: u64) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    header[156] = kind;
    header[157..157 + 11].copy_from_slice(b"/etc/shadow");
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn hostile_archives_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let save = fs::read(mixed().join("iptables-nft-save")).unwrap();
    let file = |name: &str| entry(name, b'0', &save, save.len() as u64);
    let outside = folder.path().join("inner/../outside").display().to_string();
    let run = |bytes: &[u8]| {
        let path = folder.path().join("x.tar");
        fs::write(&path, bytes).unwrap();
        check(&[&path], &[])
    };
    // Names that lead elsewhere are only names: nothing is written. Links and devices are ignored.
    for name in ["/tmp/kuberules-outside", "../../outside", outside.as_str()] {
        assert_eq!(run(&file(name)).status.code(), Some(0), "{name}");
        assert!(!Path::new("/tmp/kuberules-outside").exists() && !folder.path().join("outside").exists());
    }
    for kind in [b'1', b'2', b'3', b'6'] {
        let mut bytes = entry("iptables-save", kind, b"", 0);
        bytes.extend(file("x"));
        assert_eq!(run(&bytes).status.code(), Some(0));
    }
    // Wrong sizes, and a premature end.
    for bytes in [
        entry("x", b'0', &save, u64::from(u32::MAX) + 5),
        file("x")[..save.len() / 2].to_vec(),
        entry("x", b'L', b"name", 1 << 32),
        [file("x"), vec![7; 700]].concat(),
    ] {
        let result = run(&bytes);
        assert_eq!(result.status.code(), Some(2), "{}", told(&result));
    }
    // Control characters in names are made harmless.
    let told = told(&run(&[file("x"), entry("a\u{1b}[31m", b'0', b"?", 1)].concat()));
    assert!(told.contains("a\\u{1b}[31m") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn what_collect_gathers_is_read_back() {
    if !available(&["iptables-nft-restore", "ip", "tar"]) {
        return;
    }
    let program = env!("CARGO_BIN_EXE_kuberules");
    let shop = testdata().join("shop").display().to_string();
    let common = format!(
        "{shop}/before.yaml -q --node worker-1 --config {shop}/before-worker-1/kube-proxy.iptables.json --no-nfacct --family ipv4"
    );
    let script = format!(
        "ip link set lo up; ip link add eth0 type bridge; ip addr add 192.168.0.11/24 dev eth0; ip link set eth0 up
         ip route add default via 192.168.0.1; echo 1 > /proc/sys/net/ipv4/ip_forward
         {program} compile {common} | iptables-nft-restore
         {program} collect > $work/collect.sh
         sh $work/collect.sh $work/folder 2>/dev/null
         sh $work/collect.sh 2>/dev/null | {program} check {common} --captured - | head -1
         {program} check {common} --captured $work/folder | head -1
         {program} trace --captured $work/folder --from 10.244.1.9 --to 10.96.0.12:3306 2>/dev/null | grep '=>'"
    );
    let folder = tempfile::tempdir().unwrap();
    let script = format!("work={}; {script}", folder.path().display());
    let result = in_namespace(&script, "");
    let expected = "Node worker-1: no findings (mode iptables, kube-proxy 1.37, as the rules tell)\n";
    let printed = String::from_utf8_lossy(&result.stdout).into_owned();
    assert!(printed.starts_with(&expected.repeat(2)), "{printed}{}", told(&result));
    assert!(printed.contains("=> works: goes to 10.244.2.4:3306"), "{printed}");
}

/// As kube-proxy in ipvs mode leaves them (pkg/proxy/ipvs/proxier.go).
const IPVS: &str = "\
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-LOAD-BALANCER - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A KUBE-SERVICES -m comment --comment \"Kubernetes service cluster ip + port for masquerade purpose\" -m set --match-set KUBE-CLUSTER-IP src,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
COMMIT
";

#[test]
fn a_node_that_kube_proxys_rules_do_not_serve_is_told_to_be_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules");
    fs::write(&path, IPVS).unwrap();
    let result = check(&[&path], &["-q"]);
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    assert_eq!(result.status.code(), Some(1));
    assert!(text.starts_with("Node worker-1: Services are not served by kube-proxy's rules\n"), "{text}");
    assert!(text.contains("other-data-path: kube-proxy is in mode ipvs on this node"), "{text}");
    assert!(text.contains("ipvsadm -Ln"), "{text}");
    let traced = trace(&path, "10.244.3.77", "10.96.97.45:8080", &[]);
    assert_eq!(traced.status.code(), Some(2));
    assert!(told(&traced).contains("ipvsadm -Ln"), "{}", told(&traced));
    // Packets that do not go to a Service can still be traced.
    assert_eq!(trace(&path, "10.244.3.77", "10.244.1.8:8080", &[]).status.code(), Some(0));

    fs::write(
        &path,
        "*filter\n:FORWARD ACCEPT [0:0]\n:CILIUM_FORWARD - [0:0]\n-A FORWARD -j CILIUM_FORWARD\nCOMMIT\n",
    )
    .unwrap();
    let text = String::from_utf8_lossy(&check(&[&path], &["-q"]).stdout).into_owned();
    assert!(
        text.contains("other-data-path: Cilium serves Services on this node") && text.contains("cilium-dbg"),
        "{text}"
    );
}

#[test]
fn connections_alone_are_enough_for_what_they_tell() {
    let result = check(&[&mixed().join("conntrack")], &["-q", "-o", "json"]);
    let report = json(&result);
    assert_eq!(report["findings"].as_array().unwrap().len(), 3);
    assert_eq!(report["notes"][0], "no rules were captured: only connections are checked");
    let dns = json(&trace(
        &mixed().join("conntrack"),
        "10.244.1.77",
        "10.96.0.10:53",
        &["--protocol", "udp", "-o", "json"],
    ));
    assert!(dns["rules"]["source"].as_str().unwrap().starts_with("as kube-proxy"));
    assert_eq!(dns["existing"].as_array().unwrap().len(), 3);
}

/// A folder with the rules of a node, and what else was captured.
fn node_with(texts: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rules = testdata().join("captures/shop-worker-1.iptables-save-c.txt");
    fs::copy(rules, folder.path().join("iptables-save")).unwrap();
    texts.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    folder
}

const ADDRESSES: &str = "1: lo: <LOOPBACK,UP>\n    inet 127.0.0.1/8 scope host lo\n\
    2: eth0: <BROADCAST,UP>\n    inet 192.168.0.11/24 scope global eth0\n3: cali1: <BROADCAST,UP>\n";
const LOCAL: &str = "local 192.168.0.11 dev eth0 table local proto kernel scope host src 192.168.0.11\n\
    192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.11\n10.244.0.0/16 dev cali1 scope link\n";
const FORWARDS: &str = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.eth0.rp_filter = 0\n\
    net.ipv4.conf.cali1.rp_filter = 0\n";

/// What a command said about a node, whatever the node's folder.
fn stdout_of(output: &Output, node: &tempfile::TempDir) -> String {
    String::from_utf8_lossy(&output.stdout).replace(&node.path().display().to_string(), "FOLDER")
}

#[test]
fn a_node_without_a_route_to_cluster_ips_reaches_no_service() {
    let node = node_with(&[("ip-addr", ADDRESSES), ("ip-route", LOCAL), ("sysctl", FORWARDS)]);
    let traced = trace(node.path(), "node", "10.96.0.12:3306", &["--brief"]);
    assert_snapshot!("routing_no_route_to_cluster_ip", stdout_of(&traced, &node));
    let told = json(&trace(node.path(), "node", "10.96.0.12:3306", &["-o", "json"]));
    assert_eq!(told["outcomes"][0]["unrouted"], "no-route");
    assert_eq!(told["outcomes"][0]["result"], "unreachable");
    // Rules change the destination of packets from Pods before routing.
    let told = json(&trace(node.path(), "10.244.1.77", "10.96.0.12:3306", &["-o", "json"]));
    assert_eq!(told["outcomes"][0]["result"], "works");
    let with_default = format!("{LOCAL}default via 192.168.0.1 dev eth0\n");
    let node = node_with(&[("ip-addr", ADDRESSES), ("ip-route", &with_default), ("sysctl", FORWARDS)]);
    let told = json(&trace(node.path(), "node", "10.96.0.12:3306", &["-o", "json"]));
    assert_eq!(told["outcomes"][0]["result"], "works");
}

#[test]
fn what_comes_by_the_wrong_interface_is_dropped_by_a_strict_rp_filter() {
    let with_default = format!("{LOCAL}default via 192.168.0.1 dev eth0\n");
    let node = node_with(&[("ip-addr", ADDRESSES), ("ip-route", &with_default), ("sysctl", FORWARDS)]);
    let by = |interface: &str, more: &[&str]| {
        let options = [&["--in-interface", interface], more].concat();
        trace(node.path(), "198.51.100.7", "10.96.0.12:3306", &options)
    };
    assert_snapshot!("routing_wrong_interface", stdout_of(&by("cali1", &["--brief"]), &node));
    assert_eq!(json(&by("cali1", &["-o", "json"]))["outcomes"][0]["unrouted"], "way-back-elsewhere");
    assert_eq!(json(&by("eth0", &["-o", "json"]))["outcomes"][0]["result"], "works");
}

#[test]
fn a_node_that_does_not_forward_lets_nothing_through() {
    let off = "net.ipv4.ip_forward = 0\n";
    let node = node_with(&[("sysctl", off)]);
    let told = trace(node.path(), "10.244.1.77", "10.96.0.12:3306", &["--brief"]);
    assert_snapshot!("routing_forwarding_off", stdout_of(&told, &node));
    let told = json(&trace(node.path(), "node", "10.96.0.12:3306", &["-o", "json"]));
    assert_eq!(told["outcomes"][0]["result"], "works");
}

#[test]
fn check_reports_what_routing_ends() {
    let with_default = format!("{LOCAL}default via 192.168.0.1 dev eth0\n");
    let unreachable = format!("{with_default}unreachable 10.244.2.4\n");
    let off = FORWARDS.replace("ip_forward = 1", "ip_forward = 0");
    let checked = |routes: &str, sysctls: &str, more: &[&str]| {
        let node = node_with(&[("ip-addr", ADDRESSES), ("ip-route", routes), ("sysctl", sysctls)]);
        check(&[node.path()], &[&["-q"], more].concat())
    };
    let found = |routes: &str, sysctls: &str| {
        let all = findings(&checked(routes, sysctls, &["-o", "json"]));
        let unrouted = all.as_array().unwrap().iter().find(|finding| finding["kind"] == "unrouted");
        unrouted.map(|finding| finding["message"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    assert_eq!(found(&with_default, FORWARDS), "");
    assert!(found(LOCAL, FORWARDS).starts_with("the node has no route to 10.96.0.1"));
    assert_eq!(found(&unreachable, FORWARDS), "the node has no route to 10.244.2.4");
    assert!(found(&with_default, &off).starts_with("the node forwards nothing"));
    let told = String::from_utf8_lossy(&checked(&unreachable, FORWARDS, &[]).stdout).into_owned();
    let finding = told.split("\n\n").find(|part| part.contains("unrouted")).unwrap_or_default();
    assert_snapshot!("routing_check", finding);
}
