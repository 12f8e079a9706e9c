//! Hostile text in every field: it is refused, or the rules contain nothing but what kube-proxy writes; and no message
//! sends a control character to a terminal.

use std::collections::BTreeMap;

use kuberules::iptables::ruleset::{Match, Rule, Target};
use kuberules::net::Family;
use kuberules::nftables::ruleset::{Statement, Verdict};
use kuberules::settings::{HostFacts, ProxyMode, Release, release::RELEASES};
use kuberules::{iptables, nftables};
use serde_json::{Value, json};

use crate::support::kernel::{available, tell};
use crate::support::library::{Compiled, Given, compile};
use crate::support::loaders::judge;
use crate::support::scope::{part, share};
use crate::support::spoil::{cluster, spoilt};

/// What someone might write instead of a name, an address or a word.
fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "x\" -j ACCEPT",
        "\" -j ACCEPT -m comment --comment \"",
        "x\n-A INPUT -j ACCEPT",
        "x\nCOMMIT\n*filter\n-F\n",
        "x\r\n:INPUT DROP",
        "x; flush ruleset",
        "x; add rule ip kube-proxy services accept",
        "x } chain evil { type filter hook input priority 0; policy drop; }",
        "{ 0.0.0.0/0 }",
        "\" } ; flush ruleset ; {",
        "$(reboot)",
        "`reboot`",
        "../../../../etc/passwd",
        "x\\\" -j ACCEPT",
        "\u{1b}[31mred\u{1b}]0;title\u{7}",
        "\u{202e}gnirts\u{2066}",
        "\u{85}\u{9b}31m\u{200b}\u{feff}\u{e0041}",
        "x\0y",
        "--set-mark",
        "! -s 0.0.0.0/0",
        "@cluster-ips",
        "lo accept",
        "%s%n",
        "10.0.0.1 -j ACCEPT",
        "10.0.0.0/8\n-A x",
        "10.0.0.1\u{0}",
        "",
        " ",
        "ſ",
        "-1",
        "None",
        "bridge",
        "::ffff:10.0.0.1",
        "010.0.0.1",
        "fe80::1%eth0",
        "127.0.0.1",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("a".repeat(64));
    texts.push("a".repeat(5_000));
    texts
}

fn configurations(mode: ProxyMode) -> Vec<Value> {
    let with = |more: Value| {
        let mut configuration = json!({"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "mode": mode.name(), "bindAddress": "0.0.0.0", "hostnameOverride": "worker", "portRange": "",
            "nodePortAddresses": ["10.0.0.0/8", "fd00::/8"], "featureGates": {"NFTablesProxyMode": true},
            "healthzBindAddress": "0.0.0.0:10256", "iptables": {"syncPeriod": "30s"}, "conntrack": {"udpTimeout": "1s"},
            "clientConnection": {"kubeconfig": "x"}});
        configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        configuration
    };
    vec![
        with(json!({"detectLocalMode": "ClusterCIDR", "clusterCIDR": "10.244.0.0/16,fd00:244::/32"})),
        with(json!({"detectLocalMode": "BridgeInterface", "detectLocal": {"bridgeInterface": "cbr0"}})),
        with(
            json!({"detectLocalMode": "InterfaceNamePrefix", "detectLocal": {"interfaceNamePrefix": "cali"}}),
        ),
        with(json!({"detectLocalMode": "NodeCIDR"})),
    ]
}

/// The first one in every field, the others if they differ from it.
fn spoilt_configurations(configurations: &[Value], text: &str) -> Vec<Value> {
    let mut all = spoilt(&configurations[0], text);
    for configuration in &configurations[1..] {
        for detect_local in configuration.get("detectLocal").iter().flat_map(|field| spoilt(field, text)) {
            let mut copy = configuration.clone();
            copy["detectLocal"] = detect_local;
            all.push(copy);
        }
    }
    all
}

#[derive(Default)]
struct Tally {
    tried: usize,
    refused: usize,
    /// What was accepted, by its rules: most texts are in places that no rule comes from.
    accepted: BTreeMap<String, Compiled>,
}

impl Tally {
    fn try_out(&mut self, cluster: &str, configuration: &str, release: Release, what: &str) {
        let given = Given { cluster, configuration, release, host: &HostFacts::default(), node: "worker" };
        self.tried += 1;
        match compile(&given) {
            Err(found) => {
                self.refused += 1;
                found.iter().for_each(|diagnostic| check_message(&diagnostic.to_string()));
            }
            // Refused but for --force.
            Ok(compiled) if !compiled.told.is_loadable() => {
                self.refused += 1;
                compiled.told.iter().for_each(|diagnostic| check_message(&diagnostic.to_string()));
            }
            Ok(compiled) => {
                compiled.told.iter().for_each(|diagnostic| check_message(&diagnostic.to_string()));
                let rules: String = compiled.families.iter().map(|texts| texts.listing.as_str()).collect();
                self.accepted.entry(rules).or_insert_with(|| {
                    check_rules(&compiled, what);
                    compiled
                });
            }
        }
    }
}

/// No message contains a control character other than the line break before the help.
fn check_message(text: &str) {
    let line = text.replacen("\n  help: ", " ", 1);
    let invisible = |c: char| c.is_control() || "\u{202e}\u{2066}\u{200b}\u{feff}".contains(c);
    assert!(!line.contains(invisible), "{text:?}");
}

fn check_rules(compiled: &Compiled, what: &str) {
    for texts in &compiled.families {
        match compiled.mode {
            ProxyMode::Iptables => {
                for text in [&texts.listing, &texts.script] {
                    let capture = iptables::parse::parse(text, Some(texts.family)).unwrap();
                    capture.parts.iter().for_each(|part| check_iptables(&part.ruleset, texts.family, what));
                }
            }
            ProxyMode::Nftables => {
                let ruleset = nftables::parse::parse_listing(&texts.listing).unwrap();
                check_nftables(&ruleset, what);
            }
        }
    }
}

const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

fn check_iptables(ruleset: &iptables::ruleset::Ruleset, family: Family, what: &str) {
    assert_eq!(ruleset.family, family);
    let is_own = |name: &str| {
        name.starts_with("KUBE-")
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
    };
    for chain in ruleset.tables.iter().flat_map(|table| &table.chains) {
        assert!(
            is_own(chain.name.as_str()) || BUILT_IN.contains(&chain.name.as_str()),
            "{what}: {}",
            chain.name.as_str()
        );
        for placed in &chain.rules {
            check_rule(&placed.rule, what);
            if let Some(Target::Jump(to)) = &placed.rule.target {
                assert!(is_own(to.as_str()), "{what}: {}", to.as_str());
            }
        }
    }
}

fn check_rule(rule: &Rule, what: &str) {
    let odd = |m: &Match| match m {
        Match::Foreign(_) => true,
        Match::Comment(text) => !text.bytes().all(is_plain),
        _ => false,
    };
    assert!(!rule.matches.iter().any(odd), "{what}: {rule:?}");
    let fine = !matches!(rule.target, Some(Target::Foreign(_) | Target::Goto(_)));
    assert!(fine, "{what}: {rule:?}");
}

fn check_nftables(ruleset: &nftables::ruleset::Ruleset, what: &str) {
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-/._*".contains(&b));
    for table in &ruleset.tables {
        assert!(table.name == "kube-proxy" && table.opaque.is_empty(), "{what}");
        for chain in &table.chains {
            assert!(is_name(&chain.name), "{what}: {}", chain.name);
            for placed in &chain.rules {
                let odd = |statement: &Statement| match statement {
                    Statement::Opaque(_) => true,
                    Statement::Verdict(Verdict::Jump(to) | Verdict::Goto(to)) => !is_name(to),
                    _ => false,
                };
                assert!(!placed.rule.statements.iter().any(odd), "{what}: {:?}", placed.rule);
                assert!(placed.rule.comment.iter().all(|text| text.bytes().all(is_plain)), "{what}");
            }
        }
        for element in table.sets.iter().flat_map(|set| &set.elements) {
            assert!(
                element.opaque.is_none() && element.comment.iter().all(|text| text.bytes().all(is_plain)),
                "{what}"
            );
        }
    }
}

/// Bytes that kube-proxy's comments may have.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" -/:.,;()[]>".contains(&byte)
}

#[test]
fn hostile_text_is_refused_or_harmless() {
    let releases = [RELEASES[0], Release::NEWEST];
    let texts = hostile();
    let tries = texts.iter().zip(releases.into_iter().cycle()).collect();
    let tries: Vec<_> = share("escaping::rules", 61, tries);
    let tallies = crate::support::in_parallel(&tries, |(text, release)| {
        let mut tally = Tally::default();
        let what = text.chars().take(40).collect::<String>();
        for mode in [ProxyMode::Iptables, ProxyMode::Nftables] {
            let configurations = configurations(mode);
            let plain = cluster().to_string();
            for spoilt in spoilt(&cluster(), text) {
                tally.try_out(&spoilt.to_string(), &configurations[0].to_string(), *release, &what);
            }
            for spoilt in spoilt_configurations(&configurations, text) {
                tally.try_out(&plain, &spoilt.to_string(), *release, &what);
            }
        }
        tally
    });
    let (tried, refused) = tallies.iter().fold((0, 0), |(t, r), tally| (t + tally.tried, r + tally.refused));
    let mut accepted: BTreeMap<String, Compiled> = BTreeMap::new();
    tallies.into_iter().for_each(|tally| accepted.extend(tally.accepted));
    let distinct = accepted.len();
    let mut loaded = 0;
    if available(&["unshare", "iptables-restore", "ip6tables-restore", "nfacct", "nft"]) {
        let compiled: Vec<_> =
            accepted.into_values().map(|compiled| (format!("{:?}", compiled.mode), compiled)).collect();
        let judgement = judge(&compiled);
        // Old releases name the bridge in such a way that it must exist, which is a warning.
        let foretold = |fault: &&String| fault.contains("Error: Interface does not exist");
        let faults: Vec<&String> = judgement.faults.iter().filter(|fault| !foretold(fault)).collect();
        assert!(faults.is_empty(), "{faults:?}");
        loaded = judgement.loaded;
    }
    tell(&format!(
        "hostile texts: {tried} tried in every field, {refused} refused, the rest made {distinct} rulesets of kube-proxy's \
         chains and targets alone; {loaded} loaded by the real tools"
    ));
    assert!(refused > part(1000, 60) && tried > refused);
}

#[test]
fn hostile_flags_are_refused_or_harmless() {
    let file = crate::support::testdata().join("shop/before.yaml").display().to_string();
    let flags = [
        "--node",
        "--cluster-cidr",
        "--pod-bridge-interface",
        "--pod-interface-name-prefix",
        "--nodeport-addresses",
        "--bind-address",
        "--hostname-override",
        "--feature-gates",
        "--host-ip",
        "--kube-version",
        "--config",
        "--proxy-mode",
        "--out-dir",
    ];
    let texts = [
        "x\" -j ACCEPT",
        "x\n-A INPUT -j ACCEPT",
        "x; flush ruleset",
        "\u{1b}[31mred\u{7}",
        "\u{202e}x",
        "{ }",
    ];
    let tries: Vec<_> = flags.iter().flat_map(|flag| texts.map(|text| (*flag, text))).collect();
    crate::support::in_parallel(&tries, |(flag, text)| {
        let mode = match *flag {
            "--pod-bridge-interface" => ["--detect-local-mode", "BridgeInterface"],
            "--pod-interface-name-prefix" => ["--detect-local-mode", "InterfaceNamePrefix"],
            _ => ["--color", "never"],
        };
        let node: &[&str] = if *flag == "--node" { &[] } else { &["--node", "worker-1"] };
        let output = crate::support::kuberules(&[&["compile", &file, flag, text], &mode[..], node].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            !told.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'),
            "{flag}: {told:?}"
        );
        assert_eq!(
            output.status.code(),
            Some(if *flag == "--hostname-override" { 0 } else { 2 }),
            "{flag} {text:?} {told}"
        );
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(!printed.contains(text), "{flag}");
    });
}
