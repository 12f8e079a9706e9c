//! The release of kube-proxy: which one is meant, what the newest brings, what to check before an upgrade.

use std::path::{Path, PathBuf};

use crate::support::{cases, kuberules, testdata};

/// Exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = kuberules(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A cluster of one node per version, each with one endpoint of the Service `shop/web`.
fn cluster(versions: &[&str]) -> (tempfile::TempDir, String) {
    let mut text = String::from(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
         spec: {clusterIP: 10.96.0.1, externalIPs: [203.0.113.7], ports: [{port: 80}]}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
         metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}\n\
         ports: [{port: 8080}]\nendpoints: [{addresses: [10.244.0.5], nodeName: node-0}]\n",
    );
    for (i, version) in versions.iter().enumerate() {
        text.push_str(&format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-{i}}}\nstatus: {{addresses: [{{type: InternalIP, \
             address: 192.168.0.{}}}], nodeInfo: {{kubeletVersion: \"{version}\"}}}}\n",
            i + 1
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

const NFT: [&str; 6] = ["--quiet", "--proxy-mode", "nftables", "--cluster-cidr", "10.244.0.0/16", "--node"];

#[test]
fn the_release_is_the_one_that_the_node_reports() {
    for (version, told) in [
        ("v1.33.4-eks-99d6cc0", "note: kube-proxy 1.33, as node node-0 reports (v1.33.4-eks-99d6cc0)\n"),
        ("v1.34.1+k3s1", "note: kube-proxy 1.34, as node node-0 reports (v1.34.1+k3s1)\n"),
        (
            "v1.29.3",
            "warning: node node-0 reports v1.29.3, a release that kuberules does not know: the rules are those of 1.30, the nearest one\n",
        ),
        (
            "v1.41.0",
            "warning: node node-0 reports v1.41.0, a release that kuberules does not know: the rules are those of 1.37, the nearest one\n",
        ),
        ("", ""),
        ("fake", ""),
    ] {
        let (_folder, path) = cluster(&[version]);
        let (code, _, heard) = run(&["compile", &path, "--cluster-cidr", "10.244.0.0/16"]);
        assert_eq!((code, heard.as_str()), (0, told), "{version}");
    }
}

/// The patch level counts: 1.33.6 moved the base chains, 1.34.2 brought `iifname`.
#[test]
fn the_patch_level_that_the_node_reports_counts() {
    for (version, flag) in [("v1.33.4", "1.33.4"), ("v1.33.9+k3s1", "1.33.9"), ("v1.34.1-gke.5", "1.34.1")] {
        let (_folder, path) = cluster(&[version]);
        let by_node = run(&[&["compile", &path], &NFT[..], &["node-0"]].concat()).1;
        let by_flag = run(&[&["compile", &path, "--kube-version", flag], &NFT[..], &["node-0"]].concat()).1;
        assert!(!by_node.is_empty() && by_node == by_flag, "{version}");
    }
}

#[test]
fn a_flag_that_says_otherwise_wins_with_a_note() {
    let (_folder, path) = cluster(&["v1.33.4"]);
    let told = |version: &str| {
        run(&["compile", &path, "--cluster-cidr", "10.244.0.0/16", "--kube-version", version]).2
    };
    assert_eq!(told("1.36"), "note: --kube-version 1.36 is not what node node-0 reports (v1.33.4)\n");
    assert_eq!(told("1.33.2"), "");
}

#[test]
fn every_node_gets_the_rules_of_its_own_release() {
    let (_folder, path) = cluster(&["v1.33.4", "v1.37.0"]);
    let out = tempfile::tempdir().unwrap();
    let (code, _, told) = run(&[
        "compile",
        &path,
        "--all-nodes",
        "--out-dir",
        out.path().to_str().unwrap(),
        "--proxy-mode",
        "nftables",
        "--cluster-cidr",
        "10.244.0.0/16",
    ]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("note: kube-proxy 1.33 on node-0, as reported"), "{told}");
    for (node, version) in [("node-0", "1.33.4"), ("node-1", "1.37")] {
        let written = std::fs::read_to_string(out.path().join(format!("{node}.ip.nft"))).unwrap();
        let alone = run(&[&["compile", &path, "--kube-version", version], &NFT[..], &[node]].concat()).1;
        assert_eq!(written, alone, "{node}");
    }
    let several = run(&["lint", &path]).2;
    assert!(
        several
            .starts_with("warning: the nodes report several releases of kube-proxy (1.33 on 1, 1.37 on 1)"),
        "{several}"
    );
}

#[test]
fn what_the_release_alone_changes_is_told() {
    let ((_a, old), (_b, new)) = (cluster(&["v1.33.9"]), cluster(&["v1.36.1"]));
    let (_, text, _) = run(&[&["diff", &old, &new], &NFT[..], &["node-0"]].concat());
    assert!(text.contains("The nodes report kube-proxy 1.33 before and 1.36 after"), "{text}");
    let (_, text, _) =
        run(&[&["diff", &old, &new, "--kube-version", "1.36"], &NFT[..], &["node-0"]].concat());
    assert!(!text.contains("report"), "{text}");
}

#[test]
fn an_upgrade_to_1_37_is_the_same_traffic_and_says_what_to_look_at() {
    let (_folder, path) = cluster(&[""]);
    let upgrade = ["diff", &path, "--old-kube-version", "1.36", "--new-kube-version", "1.37"];
    let (code, text, _) = run(&[&upgrade[..], &NFT[..], &["node-0"]].concat());
    assert_eq!(code, 0, "{text}");
    let verdict = "ready: nothing unexpected; no known difference touches a Service; nothing stops working";
    assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(verdict), "{text}");
    assert!(text.contains("To check before the upgrade\n  note[KR015] "), "{text}");
}

fn case(name: &str) -> PathBuf {
    testdata().join("release-1.37").join(name)
}

fn text(path: PathBuf) -> String {
    path.to_str().unwrap().to_owned()
}

/// The cluster in a folder, with its nftables-mode configuration.
fn on_node(command: &str, folder: &Path, more: &[&str]) -> (i32, String, String) {
    let (cluster, config) =
        (text(folder.join("cluster.json")), text(folder.join("kube-proxy.nftables.json")));
    let arguments = [command, &cluster, "--config", &config, "--node", "node-1"];
    run(&[&arguments[..], more].concat())
}

/// kubernetes/enhancements KEP-6032.
#[test]
fn node_ports_on_loopback_are_answered_by_kube_proxy_itself() {
    let folder = case("localhost-gate");
    let trace = |to: &str, more: &[&str]| {
        on_node("trace", &folder, &[&["--from", "node", "--to", to], more].concat()).1
    };
    for (to, more, expected) in [
        (
            "127.0.0.1:30080",
            &[][..],
            "=> works: kube-proxy itself listens at 127.0.0.1:30080 and connects to one, at random, of 10.244.1.5:1080, 10.244.2.5:1080; the Pod sees the node's IP",
        ),
        (
            "127.0.0.1:30100",
            &[],
            "kube-proxy listens at 127.0.0.1 only, and only where there are endpoints that it may use",
        ),
        ("127.0.0.2:30080", &[], "kube-proxy listens at 127.0.0.1 only"),
        ("127.0.0.1:30123", &["--protocol", "udp"], "=> refused: "),
        (
            "127.0.0.1:30123",
            &["--protocol", "udp"],
            "on loopback addresses kube-proxy serves node ports of TCP only",
        ),
    ] {
        let told = trace(to, more);
        let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(expected.trim()), "{told}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&trace("127.0.0.1:30080", &["--output", "json"])).unwrap();
    let outcome = &json["outcomes"][0];
    assert_eq!(
        (&outcome["verdict"], &outcome["result"]),
        (&"accept".into(), &"answered-by-kube-proxy".into())
    );
    assert_eq!(outcome["answeredByKubeProxy"]["service"], "default/web:http");
    assert_eq!(outcome["answeredByKubeProxy"]["source"], "node");
    let explained = on_node("explain", &folder, &["default/web"]).1;
    assert!(explained.contains("2 endpoints, by kube-proxy itself: the Pod"), "{explained}");
    let refused = on_node("trace", &case("gate-alone"), &["--from", "node", "--to", "127.0.0.1:30080"]).1;
    let refused = refused.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(refused.contains("With localhost in nodePortAddresses it serves those of TCP"), "{refused}");
}

#[test]
fn what_a_gated_kube_proxy_left_behind_harms_nobody() {
    let listing =
        std::fs::read_to_string(case("localhost-gate").join("expected/1.37.0-nftables/nft-ip.txt")).unwrap();
    let is_second_rule = |line: &&str| line.contains("vmap @localhost-nodeport-reject-ports");
    let downgraded: Vec<&str> = listing.lines().filter(|line| !is_second_rule(line)).collect();
    let folder = tempfile::tempdir().unwrap();
    let (captured, config) = (folder.path().join("node.nft"), folder.path().join("config.yaml"));
    std::fs::write(&config, "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\nclusterCIDR: 10.244.0.0/16,fd00:10:244::/56\n").unwrap();
    let (cluster, config) = (text(case("localhost-gate").join("cluster.json")), text(config));
    let check = |rules: &str| {
        std::fs::write(&captured, rules).unwrap();
        let captured = captured.to_str().unwrap();
        run(&[
            "check",
            &cluster,
            "--config",
            &config,
            "--node",
            "node-1",
            "--kube-version",
            "1.37",
            "--family",
            "ipv4",
            "--captured",
            captured,
        ])
    };
    let (code, told, _) = check(&(downgraded.join("\n") + "\n"));
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("note: ip kube-proxy map localhost-nodeport-reject-ports is left over and unused"),
        "{told}"
    );
    let (code, told, _) = check(&listing);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("+ counter localhost-nodeport-rejected-udp"), "{told}");
}

/// Counters may have counted, and nft 1.1 lists the same in another way: neither is a finding.
#[test]
fn check_reads_what_every_nft_lists_of_a_gated_node() {
    let folder = case("localhost-gate");
    let expected = folder.join("expected/1.37.0-nftables");
    for file in ["nft-ip.txt", "nft-ip.json", "nft-ip.nft-1.1.txt"] {
        let rules = std::fs::read_to_string(expected.join(file)).unwrap();
        let counted = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(counted.path(), rules.replace("packets 0 bytes 0", "packets 7 bytes 420")).unwrap();
        let captured = counted.path().to_str().unwrap();
        let (code, told, _) = on_node("check", &folder, &["--family", "ipv4", "--captured", captured]);
        assert_eq!(code, 0, "{file}: {told}");
    }
}

/// Every listing of nft 1.1 that the corpus has.
#[test]
fn check_and_trace_read_the_listings_of_nft_1_1() {
    let mut read = 0;
    for case in cases("nftables") {
        let listing = case.expected.join("nft-ip.nft-1.1.txt");
        let of_one_node =
            case.name().starts_with("shop/before-worker-1") || case.name().starts_with("release-1.37");
        if !listing.exists() || !of_one_node {
            continue;
        }
        let (cluster, listing) = (text(case.cluster.clone()), text(listing));
        let config = text(case.folder.join("kube-proxy.nftables.json"));
        let mut arguments =
            vec!["check", &cluster, "--config", &config, "--node", &case.node, "--captured", &listing];
        arguments.extend(["--family", "ipv4"]);
        case.host_ips.iter().for_each(|ip| arguments.extend(["--host-ip", ip]));
        let (code, told, heard) = run(&arguments);
        assert_eq!(code, 0, "{}: {told}{heard}", case.name());
        let (code, _, heard) = run(&[
            "trace",
            "--captured",
            &listing,
            "--host-ip",
            "192.168.7.1",
            "--from",
            "external",
            "--to",
            "10.96.0.10:80",
        ]);
        assert_eq!(code, 0, "{}: {heard}", case.name());
        read += 1;
    }
    assert!(read > 10, "{read}");
}

#[test]
fn a_version_of_nft_whose_listings_nobody_compared_is_refused() {
    let (_folder, path) = cluster(&[""]);
    let (code, _, told) = run(&["compile", &path, "--nft-version", "1.0.9"]);
    assert_eq!(code, 2);
    assert!(told.contains("is not a version of nft whose listings kuberules knows (1.0.6, 1.1)"), "{told}");
}
