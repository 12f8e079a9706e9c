use super::{matches, read_match, read_target, targets};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::iptables::foreign::{Means, TestKind};
use crate::iptables::parse::parse;
use crate::iptables::ruleset::{Match, Target};
use crate::iptables::save::rule_text;
use crate::net::Family;

/// Matches as iptables-save prints them, without redundant words.
const MATCHES: [&str; 47] = [
    "-m set --match-set cali40s:abc src",
    "-m set ! --match-set KUBE-DST dst,dst",
    "-m connmark --mark 0x80/0xf0",
    "-m connmark ! --mark 0x80",
    "-m conntrack --ctstate RELATED,ESTABLISHED,DNAT",
    "-m conntrack ! --ctstate UNTRACKED,SNAT",
    "-m conntrack --ctstatus CONFIRMED,ASSURED",
    "-m conntrack --ctstate NEW --ctproto 6 --ctorigsrc 10.0.0.0/8 --ctorigdst 10.96.0.1 --ctorigsrcport 1:1024 --ctorigdstport 443 --ctreplsrcport 8443 --ctdir ORIGINAL",
    "-m conntrack --ctexpire 1:10",
    "-m state --state INVALID",
    "-m tcp --sport 1024:65535 --dport 22",
    "-m tcp ! --sport 53",
    "-m udp --dport 8000:9000",
    "-m sctp --dport 3868",
    "-m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
    "-m tcp ! --tcp-flags ALL NONE",
    "-m tcp --tcp-option 5",
    "-m multiport --dports 80,443,8000:8080",
    "-m multiport ! --sports 1:1023",
    "-m multiport --ports 53",
    "-m addrtype --src-type LOCAL --dst-type UNICAST,MULTICAST",
    "-m addrtype ! --dst-type LOCAL --limit-iface-out",
    "-m addrtype --dst-type LOCAL --limit-iface-in",
    "-m rpfilter --validmark --invert",
    "-m rpfilter --loose",
    "-m limit --limit 10/sec --limit-burst 7",
    "-m hashlimit --hashlimit-upto 5/min --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name ssh",
    "-m hashlimit --hashlimit-above 5/min --hashlimit-burst 5 --hashlimit-name ssh",
    "-m connlimit --connlimit-above 3 --connlimit-mask 32 --connlimit-saddr",
    "-m connlimit --connlimit-upto 3 --connlimit-mask 32 --connlimit-saddr",
    "-m quota --quota 1000",
    "-m recent --update --seconds 30 --hitcount 6 --name ssh --mask 255.255.255.255 --rsource",
    "-m recent ! --rcheck --name ssh --mask 255.255.255.255 --rsource",
    "-m recent --rcheck --rttl --name ssh --mask 255.255.255.255 --rsource",
    "-m statistic --mode nth --every 3 --packet 1",
    "-m statistic --mode random ! --probability 0.25000000000",
    "-m iprange --src-range 10.0.0.1-10.0.0.9 --dst-range 10.1.0.1-10.1.0.9",
    "-m pkttype --pkt-type broadcast",
    "-m owner --uid-owner 0 ! --gid-owner 7",
    "-m physdev --physdev-in eth+ ! --physdev-is-bridged",
    "-m mac --mac-source 00:11:22:33:44:55",
    "-m string --string \"a b\" --algo bm --to 65535",
    "-m u32 --u32 \"0x0&0xf0000000=0x40000000\"",
    "-m ttl --ttl-gt 3",
    "-m dscp ! --dscp 0x0a",
    "-m length --length 40:100",
    "-m icmp --icmp-type 8/0",
];

const TARGETS: [&str; 27] = [
    "-j REJECT --reject-with icmp-admin-prohibited",
    "-j REJECT --reject-with tcp-reset",
    "-j CONNMARK --set-xmark 0x80/0xf0",
    "-j CONNMARK --save-mark --nfmask 0xf --ctmask 0xff",
    "-j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xff",
    "-j CONNMARK --restore-mark",
    "-j CONNMARK --or-mark 0x8",
    "-j MARK --and-mark 0xfffeffff --or-mark 0x1",
    "-j SNAT --to-source 10.0.0.1-10.0.0.9:1024-2048 --random-fully",
    "-j SNAT --to-source fd00::1",
    "-j DNAT --to-destination 10.0.0.1-10.0.0.9",
    "-j DNAT --to-destination :8080",
    "-j DNAT --to-destination [fd00::1]:80-90 --random",
    "-j DNAT --to-destination 10.0.0.1:1000-1099/80 --persistent",
    "-j MASQUERADE --to-ports 1024-65535",
    "-j REDIRECT --to-ports 8080-8090",
    "-j REDIRECT",
    "-j NETMAP --to 10.5.0.0/16",
    "-j NOTRACK",
    "-j CT --notrack",
    "-j CT --zone 5",
    "-j SET --add-set seen src",
    "-j SET --map-set seen src --map-mark",
    "-j TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff",
    "-j NFQUEUE --queue-num 3 --queue-bypass",
    "-j HMARK --hmark-tuple src --hmark-mod 10 --hmark-rnd 0x1",
    "-j DNAT --to-destination :0",
];

/// Options that change nothing: `CT --zone`, `NFQUEUE`, `TPROXY`, and `--persistent` and masks that are all ones.
const IDLE: [&str; 10] = [
    "--rsource",
    "--zone",
    "5",
    "--queue-num",
    "3",
    "--queue-bypass",
    "--persistent",
    "--mode",
    "random",
    "nth",
];

fn without(words: &[&str], left_out: usize) -> String {
    let kept = words.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, word)| *word);
    kept.collect::<Vec<_>>().join(" ")
}

/// The law: leaving a word out changes the meaning, so no word is ignored.
#[test]
fn every_word_of_a_match_counts() {
    for text in MATCHES {
        let whole = matches::read(text);
        assert!(matches!(read_match(text), Match::Foreign(of) if of.text() == text && of.tests() == whole));
        let words: Vec<&str> = text.split(' ').collect();
        for left_out in (1..words.len()).filter(|i| words[1] != "icmp" && !IDLE.contains(&words[*i])) {
            let other = matches::read(&without(&words, left_out));
            assert_ne!(whole, other, "{text} without {}", words[left_out]);
        }
    }
}

#[test]
fn every_word_of_a_target_counts() {
    for text in TARGETS {
        let whole = targets::read(text);
        assert!(
            matches!(read_target(text), Target::Foreign(of) if of.text() == text && *of.means() == whole)
        );
        let words: Vec<&str> = text.split(' ').collect();
        let is_open = matches!(whole, Means::Unknown | Means::Queue | Means::ToSocket) || words[1] == "HMARK";
        for left_out in (1..words.len()).filter(|i| !is_open && !IDLE.contains(&words[*i])) {
            let other = targets::read(&without(&words, left_out));
            assert_ne!(whole, other, "{text} without {}", words[left_out]);
        }
    }
}

#[test]
fn what_is_not_understood_is_not_known() {
    for text in
        ["-m", "", "-m tcp extra", "-m nonsense", "-m set --match-set a src --packets-gt 3", "-f x", "-m \"a"]
    {
        let tests = matches::read(text);
        assert!(tests.iter().any(|test| matches!(test.kind, TestKind::Unknown(_))), "{text}: {tests:?}");
    }
    for text in ["-j", "-g X", "-j MARK --set-mark x", "-j SNAT --to-source 10.0.0.1 --odd", "-j CT --odd"] {
        assert_eq!(targets::read(text), Means::Unknown, "{text}");
    }
}

/// What precedes the matches of a rule.
const HEADERS: [&str; 6] = [
    "",
    "-s 10.0.0.0/8 ",
    "! -d 10.96.0.1/32 ",
    "-s 10.244.1.9/32 ! -d 10.96.0.0/12 -i cali+ ",
    "! -i eth0 -o cali1 ",
    "-p tcp ",
];

proptest! {
    #![proptest_config(crate::testing::cases(300))]

    /// No word is lost between the text of a rule, its value and its text, nor what any match means: each means in any
    /// place what it means by itself, and what is not understood is not known.
    #[test]
    fn no_match_of_a_rule_is_lost(
        header in 0..HEADERS.len(),
        chosen in proptest::collection::vec((any::<Index>(), 0..12u8), 0..5),
        target in any::<Index>(),
        odd_target in 0..12u8,
    ) {
        let odd = "-m frob --frob-level 7";
        let parts: Vec<&str> =
            chosen.iter().map(|(at, number)| if *number == 0 { odd } else { at.get(&MATCHES) }).collect();
        let of_family: Vec<&str> = TARGETS.into_iter().filter(|text| !text.contains("fd00")).collect();
        let target = if odd_target == 0 { "-j FROB --frob-to 7" } else { target.get(&of_family) };
        let mut line = format!("-A C {}", HEADERS[header]);
        parts.iter().chain([&target]).for_each(|part| line = format!("{}{part} ", line));
        let line = line.trim_end();
        let read = parse(&format!("*filter\n:C - [0:0]\n{line}\nCOMMIT\n"), Some(Family::Ipv4)).unwrap();
        let chain = read.parts[0].ruleset.tables[0].chain("C").unwrap();
        let rule = &chain.rules[0].rule;
        prop_assert_eq!(rule_text(&chain.name, rule, Family::Ipv4), line);
        prop_assert_eq!(rule.matches.len(), parts.len());
        for (found, part) in rule.matches.iter().zip(&parts) {
            let Match::Foreign(found) = found else { continue };
            prop_assert_eq!(found.text(), *part);
            let alone = matches::read(part);
            prop_assert_eq!(found.tests(), alone.as_slice());
            let is_unknown = found.tests().iter().any(|test| matches!(test.kind, TestKind::Unknown(_)));
            prop_assert!(*part != odd || is_unknown);
        }
        if let Some(Target::Foreign(found)) = &rule.target {
            prop_assert_eq!(found.text(), target);
            prop_assert_eq!(found.means(), &targets::read(target));
            prop_assert!(odd_target != 0 || matches!(found.means(), Means::Unknown));
        }
    }
}
