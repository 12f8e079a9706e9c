use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::iptables::ruleset::{Counters, Match, Owner, Rule, Ruleset, TableName, Target};
use crate::iptables::{save, strategies};

fn read(text: &str) -> Capture {
    parse(text, None).unwrap()
}

fn only(text: &str) -> Ruleset {
    let mut parts = read(text).parts;
    assert_eq!(parts.len(), 1);
    parts.remove(0).ruleset
}

fn printed(ruleset: &Ruleset) -> String {
    let mut out = String::new();
    save::print(ruleset, &mut out);
    out
}

/// A text of table nat with one chain and these rules.
fn nat(rules: &str) -> String {
    format!("*nat\n:OUTPUT ACCEPT [0:0]\n:KUBE-X - [0:0]\n{rules}\nCOMMIT\n")
}

fn rule(text: &str) -> Rule {
    let ruleset = only(&nat(text));
    let chains = &ruleset.tables[0].chains;
    assert_eq!(chains.iter().map(|c| c.rules.len()).sum::<usize>(), 1);
    chains.iter().find_map(|c| c.rules.first()).unwrap().rule.clone()
}

fn fault(text: &str) -> String {
    parse(text, None).unwrap_err().to_string()
}

fn files(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, name, found);
        } else if path.file_name().unwrap() == name {
            found.push(path);
        }
    }
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(Path::new("testdata"), name, &mut found);
    found.sort();
    assert!(found.len() >= 40, "{name}: {}", found.len());
    found
}

fn families() -> [(Family, &'static str); 2] {
    [(Family::Ipv4, "iptables"), (Family::Ipv6, "ip6tables")]
}

fn is_opaque(rule: &Rule) -> bool {
    matches!(rule.target, Some(Target::Foreign(_)))
        || rule.matches.iter().any(|m| matches!(m, Match::Foreign(_)))
}

fn assert_all_typed(ruleset: &Ruleset, path: &Path) {
    for chain in ruleset.tables.iter().flat_map(|t| &t.chains) {
        assert_ne!(chain.owner, Owner::Foreign, "{} {}", path.display(), chain.name);
        for placed in &chain.rules {
            assert!(!is_opaque(&placed.rule), "{} {:?}", path.display(), placed.rule);
        }
    }
}

#[test]
fn what_kube_proxy_left_on_nodes_prints_again() {
    for (family, tool) in families() {
        // Captures have rules of others.
        let of_others = |path: &std::path::PathBuf| path.starts_with("testdata/captures");
        for path in corpus(&format!("{tool}-save.txt")).into_iter().filter(|path| !of_others(path)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let capture = parse(&text, Some(family)).unwrap();
            assert_eq!(capture.parts.len(), 1);
            let ruleset = &capture.parts[0].ruleset;
            assert_eq!(ruleset.family, family);
            assert_all_typed(ruleset, &path);
            let expected: String =
                text.lines().filter(|l| !l.starts_with('#')).flat_map(|l| [l, "\n"]).collect();
            assert_eq!(printed(ruleset), expected, "{}", path.display());
        }
    }
}

/// Rules of a chain in the text for the loader are those in the kernel.
fn assert_same_rules(loaded: &Ruleset, saved: &Ruleset, path: &Path) {
    for table in &loaded.tables {
        for chain in &table.chains {
            let other = saved.table(table.name).unwrap().chain(chain.name.as_str()).unwrap();
            assert_eq!(chain.rules, other.rules, "{}", path.display());
        }
    }
}

#[test]
fn what_kube_proxy_hands_to_the_loader_is_what_the_node_has() {
    for (family, tool) in families() {
        for path in corpus(&format!("{tool}-restore.txt")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let saved = std::fs::read_to_string(path.with_file_name(format!("{tool}-save.txt"))).unwrap();
            let loaded = parse(&text, Some(family)).unwrap();
            let saved = parse(&saved, Some(family)).unwrap();
            for part in &loaded.parts {
                assert_all_typed(&part.ruleset, &path);
                assert_same_rules(&part.ruleset, &saved.parts[0].ruleset, &path);
            }
        }
    }
}

#[test]
fn a_whole_node_with_rules_of_others_prints_again() {
    let text = std::fs::read_to_string("testdata/captures/shop-worker-1.iptables-save-c.txt").unwrap();
    let capture = read(&text);
    assert_eq!(capture.parts[0].variant, Some(Variant::Nft));
    let ruleset = only(&text);
    let mut out = String::new();
    save::print_with_counters(&ruleset, &mut out);
    let expected: String = text.lines().filter(|l| !l.starts_with('#')).flat_map(|l| [l, "\n"]).collect();
    assert_eq!(out, expected);
    let owner = |chain| ruleset.table(TableName::Filter).unwrap().chain(chain).unwrap().owner;
    assert_eq!(owner("FORWARD"), Owner::Kernel);
    assert_eq!(owner("KUBE-SERVICES"), Owner::KubeProxy);
    assert_eq!(owner("KUBE-KUBELET-CANARY"), Owner::Kubelet);
    assert_eq!(owner("DOCKER"), Owner::Foreign);
}

#[test]
fn headers_tell_family_and_variant() {
    let table = "*raw\n:PREROUTING ACCEPT [3:4]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
    let text = format!(
        "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\r\n\
         # Generated by iptables-save v1.8.9 (nf_tables) on Sat Nov 21 02:13:49 2026\r\n{table}# Completed on Sat\n\
         # Table `firewalld' is incompatible, use 'nft' tool.\n\
         # Generated by ip6tables-save v1.8.9 (nf_tables) on Sat\n{table}# Completed on Sat\n\
         # Generated by iptables-save v1.8.9 on Sat\n{table}# Completed on Sat\n"
    );
    let capture = read(&text);
    let parts: Vec<_> = capture.parts.iter().map(|p| (p.ruleset.family, p.variant)).collect();
    let (nft, legacy) = (Some(Variant::Nft), Some(Variant::Legacy));
    assert_eq!(parts, [(Family::Ipv4, nft), (Family::Ipv6, nft), (Family::Ipv4, legacy)]);
    assert!(capture.legacy_tables_present);
    assert_eq!(capture.incompatible_tables, ["firewalld"]);
    let prerouting = &capture.parts[0].ruleset.tables[0].chains[0];
    assert_eq!(prerouting.counters, Counters { packets: 3, bytes: 4 });
    assert_eq!(printed(&capture.parts[0].ruleset), table);
}

#[test]
fn without_a_header_the_addresses_tell_the_family() {
    let v6 = nat("-A KUBE-X -d fd00::1/128 -j ACCEPT");
    assert_eq!(only(&v6).family, Family::Ipv6);
    assert_eq!(only(&nat("-A KUBE-X -j REJECT --reject-with icmp6-port-unreachable")).family, Family::Ipv6);
    assert_eq!(only(&nat("")).family, Family::Ipv4);
    let capture = parse(&nat(""), Some(Family::Ipv6)).unwrap();
    assert_eq!(capture.parts[0].ruleset.family, Family::Ipv6);
    let both = read(&format!("{}{v6}", nat("-A KUBE-X -d 10.0.0.1/32 -j ACCEPT")));
    assert_eq!(both.parts.len(), 2);
    assert_eq!(both.parts[1].ruleset.family, Family::Ipv6);
}

#[test]
fn tables_of_other_families_than_said_are_refused() {
    let mixed = nat("-A KUBE-X -d fd00::1\n-A KUBE-X -s 10.0.0.1");
    assert_eq!(
        fault(&mixed),
        "line 5: the table has addresses of both families, which no table of iptables has"
    );
    let wrong = format!("# Generated by ip6tables-save v1.8.9 on x\n{}", nat("-A KUBE-X -d 10.0.0.1/32"));
    assert!(fault(&wrong).starts_with("line 5: something of IPv4"), "{}", fault(&wrong));
    assert!(fault(&format!("{0}{0}", nat(""))).contains("table nat of IPv4 comes twice"));
}

#[test]
fn what_is_not_kube_proxys_stays_as_it_is() {
    for options in [
        "-s 10.0.0.0/8 ! -i eth0 -o veth+ ! -p icmp -m icmp --icmp-type 8 -j LOG --log-prefix \"a \\\" -m b: \"",
        "-p tcp -f -m tcp --sport 1:1023 ! --dport 0 -m multiport ! --dports 1,2 -j DNAT --to-destination :0",
        "! -f -m state --state NEW -m recent --update --seconds 3 --name DEFAULT --mask 255.255.255.255 --rsource",
        "-m recent --set --name X --mask 255.255.255.0 --rsource -m addrtype --dst-type UNICAST --limit-iface-in",
        "-m statistic --mode nth --every 3 --packet 0 -m conntrack --ctstate NEW --ctproto 6 -j CT --notrack",
        "-m comment --comment -j -m mark --mark 0x1 -j MARK --set-xmark 0x1/0xffffffff",
        "-m set --match-set cali40all dst -j MASQUERADE --to-ports 1024-65535 --random",
        "-p esp -j REJECT --reject-with tcp-reset",
        "-m bpf --bytecode \"4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0\" -g KUBE-X",
        "-j NOTRACK",
    ] {
        let text = nat(&format!("-A KUBE-X {options}"));
        assert_eq!(printed(&only(&text)), text);
    }
}

#[test]
fn jumps_are_to_chains() {
    let target = |text: &str| rule(text).target.unwrap();
    assert!(matches!(target("-A OUTPUT -j KUBE-X"), Target::Jump(_)));
    assert!(matches!(target("-A OUTPUT -g KUBE-X"), Target::Goto(_)));
    assert!(matches!(target("-A OUTPUT -j KUBE-SVC-ABC"), Target::Jump(_)));
    assert_eq!(target("-A OUTPUT -j TRACE"), foreign::read_target("-j TRACE"));
    assert_eq!(target("-A OUTPUT -j MARK --or-mark 0x4000"), Target::SetMark { value: 0x4000, mask: 0x4000 });
    assert_eq!(target("-A OUTPUT -j MARK --xor-mark 0x4000"), Target::SetMark { value: 0x4000, mask: 0 });
}

#[test]
fn the_order_of_the_loader_is_read_too() {
    let a = rule(
        "[5:60] -A KUBE-X -m comment --comment ns/svc:p -m tcp -p tcp -d 010.1.2.3/255.0.0.0 --dport 80 -j REJECT",
    );
    let b = rule(
        "-A KUBE-X -d 10.0.0.0/8 -p tcp -m comment --comment \"ns/svc:p\" -m tcp --dport 80 -j REJECT \
         --reject-with icmp-port-unreachable",
    );
    assert_eq!(a, b);
    let text = "*nat\n:KUBE-A - [0:0]\n:KUBE-B - [0:0]\n-X KUBE-A\nCOMMIT\n";
    assert_eq!(printed(&only(text)), "*nat\n:KUBE-B - [0:0]\nCOMMIT\n");
}

#[test]
fn counters_are_kept_in_both_forms() {
    let text = nat("[12:345] -A KUBE-X -j ACCEPT\n-A KUBE-X -c 6 7 -j DROP");
    let rules = only(&text).tables[0].chains[1].rules.clone();
    let counters: Vec<_> = rules.iter().map(|r| r.counters.unwrap()).collect();
    let expected = [Counters { packets: 12, bytes: 345 }, Counters { packets: 6, bytes: 7 }];
    assert_eq!(counters, expected);
}

#[test]
fn faults_name_the_line() {
    let long = "K".repeat(29);
    for (text, expected) in [
        ("hello\u{1b}[31m".to_owned(), "line 1: 'hello\\u{1b}[31m' is no line of iptables-save"),
        ("*nat\n".to_owned(), "line 1: table nat is not ended by COMMIT; the text is cut off"),
        ("*nat\n*filter\n".to_owned(), "line 2: a table begins before table nat of line 1 is ended"),
        ("*bogus\n".to_owned(), "line 1: 'bogus' is no table of iptables"),
        ("-A X\n".to_owned(), "line 1: the line stands before any table"),
        ("COMMIT\n".to_owned(), "line 1: COMMIT without a table"),
        (
            format!("*nat\n:{long} - [0:0]\n"),
            "line 2: the chain name 'KKKKKKKKKKKKKKKKKKKKKKKKKKKKK' is longer than 28",
        ),
        ("*nat\n:X ACCEPT [0:0]\n".to_owned(), "line 2: chain X: built-in chains have a policy"),
        ("*nat\n:X QUEUE\n".to_owned(), "line 2: 'QUEUE' is no policy"),
        ("*nat\n:X - [0:x]\n".to_owned(), "line 2: '[0:x]' are no counters"),
        ("*nat\n:X -\n:X -\n".to_owned(), "line 3: chain X is declared twice"),
        (nat("-A KUBE-Y -j ACCEPT"), "line 4: a rule of chain KUBE-Y, which no line"),
        (nat("[1:2 -A KUBE-X"), "line 4: '[1:2 -A KUBE-X' does not begin with counters"),
        (nat("-A KUBE-X -m comment --comment \"a"), "line 4: a quote is opened and never closed"),
        (nat("-A KUBE-X -d nowhere"), "line 4: 'nowhere' is no address"),
        (nat("-A KUBE-X -d 10.0.0.0/33"), "line 4: '10.0.0.0/33' is no address"),
        (nat("-A KUBE-X -d 1.2.3.4 -d 1.2.3.4"), "line 4: -d stands twice"),
        (nat("-A KUBE-X -s"), "line 4: nothing follows -s"),
        (nat("-A KUBE-X -j"), "line 4: nothing follows -j"),
        (nat("-A KUBE-X --dport 80"), "line 4: '--dport' belongs to no match"),
        (nat("-A KUBE-X -m"), "line 4: '-m' belongs to no match"),
        (nat("-D KUBE-X 1"), "line 4: '-D' is not read here"),
        (nat("-X OUTPUT"), "line 4: chain OUTPUT cannot be deleted"),
        (nat(&" ".repeat(MAX_LINE + 1)), "line 4: the line is longer than 65536 bytes"),
    ] {
        assert!(fault(&text).starts_with(expected), "{}\n{expected}", fault(&text));
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(100))]

    #[test]
    fn printed_rulesets_read_as_they_were(ruleset in strategies::rulesets()) {
        let text = printed(&ruleset);
        let capture = parse(&text, Some(ruleset.family)).unwrap();
        prop_assert_eq!(capture.parts.len(), 1);
        prop_assert_eq!(&capture.parts[0].ruleset, &ruleset);
        prop_assert_eq!(printed(&capture.parts[0].ruleset), text);
    }

    #[test]
    fn counters_read_as_they_were(ruleset in strategies::rulesets()) {
        let mut text = String::new();
        save::print_with_counters(&ruleset, &mut text);
        let capture = parse(&text, Some(ruleset.family)).unwrap();
        let mut again = String::new();
        save::print_with_counters(&capture.parts[0].ruleset, &mut again);
        prop_assert_eq!(again, text);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "(\\PC|[\\[\\]:*#\"\\\\! \t\r\n]|-[A-Zmjgspdio] |--[a-z]{1,9} |COMMIT\n|\n\\*nat\n|:X - \n|-A X ){0,60}") {
        let _ = parse(&text, None);
    }

    #[test]
    fn no_options_break_the_reader(options in "( |\"|\\\\|!|-[mjgspdiofc] |--[a-z-]{1,14} |[0-9./:x,]{1,9} |comment |mark |recent |DNAT |MARK |REJECT ){0,30}") {
        let text = nat(&format!("-A KUBE-X {options}"));
        if let Ok(capture) = parse(&text, None) {
            let printed = printed(&capture.parts[0].ruleset);
            prop_assert!(parse(&printed, None).is_ok(), "{}", printed);
        }
    }
}
