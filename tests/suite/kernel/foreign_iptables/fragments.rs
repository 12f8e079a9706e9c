//! Rules as other programs write them, taken apart and put together at random.

use super::{rare, sets};
use crate::support::random::Random;

/// A rule in a built-in chain or in one of its own.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) table: &'static str,
    pub(super) chain: String,
    /// Whether it comes before kube-proxy's rules there.
    pub(super) front: bool,
    pub(super) rule: String,
}

/// Foreign rules of one trial.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    pub(super) placed: Vec<Placed>,
    /// Chains of their own, by table.
    pub(super) chains: Vec<(&'static str, String)>,
}

/// Tables and hooks.
const PLACES: [(&str, &str); 17] = [
    ("filter", "FORWARD"),
    ("filter", "INPUT"),
    ("filter", "OUTPUT"),
    ("mangle", "PREROUTING"),
    ("mangle", "FORWARD"),
    ("mangle", "INPUT"),
    ("mangle", "OUTPUT"),
    ("mangle", "POSTROUTING"),
    ("raw", "PREROUTING"),
    ("raw", "OUTPUT"),
    ("nat", "PREROUTING"),
    ("nat", "INPUT"),
    ("nat", "OUTPUT"),
    ("nat", "POSTROUTING"),
    ("security", "FORWARD"),
    ("security", "INPUT"),
    ("security", "OUTPUT"),
];

/// Matches that can be used in any table and hook.
const MATCHES: [&str; 78] = [
    "-s 10.244.0.0/16",
    "! -s 10.244.1.0/24",
    "-d 10.96.0.0/12",
    "! -d 10.244.0.0/16",
    "-p tcp",
    "! -p tcp",
    "-p udp",
    "-p 17",
    "-p icmp",
    "-p tcp -m tcp --dport 80",
    "-p tcp -m tcp ! --dport 8080",
    "-p tcp -m tcp --dport 1:8079",
    "-p tcp -m tcp --sport 1024:65535",
    "-p tcp -m tcp --sport 1:10200",
    "-p tcp -m tcp ! --sport 10100:20000",
    "-p udp -m udp --dport 53",
    "-p udp -m udp --sport 10000:10100",
    "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
    "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN",
    "-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK",
    "-p tcp -m tcp --tcp-flags ALL NONE",
    "-p tcp -m multiport --dports 80,8080,3306,5432",
    "-p tcp -m multiport ! --dports 80,8000:9000",
    "-p tcp -m multiport --sports 1:1023",
    "-p tcp -m multiport --ports 80,443,10000:10050",
    "-p udp -m multiport --dports 53,5353",
    "-p icmp -m icmp --icmp-type 8",
    "-f",
    "! -f",
    "-m conntrack --ctstate NEW",
    "-m conntrack ! --ctstate NEW",
    "-m conntrack --ctstate RELATED,ESTABLISHED",
    "-m conntrack --ctstate INVALID",
    "-m conntrack --ctstate UNTRACKED",
    "-m conntrack --ctstate INVALID,UNTRACKED",
    "-m conntrack --ctstate DNAT",
    "-m conntrack ! --ctstate DNAT",
    "-m conntrack --ctstate SNAT",
    "-m conntrack --ctstate NEW,DNAT --ctproto 6",
    "-m conntrack ! --ctproto 6",
    "-m conntrack --ctorigdst 10.96.0.0/12",
    "-m conntrack ! --ctorigdst 10.96.0.0/12",
    "-m conntrack --ctorigsrc 10.244.0.0/16",
    "-m conntrack --ctorigdstport 80",
    "-m conntrack --ctorigdstport 1:8079",
    "-m conntrack --ctorigsrcport 10000:10100",
    "-m conntrack --ctreplsrc 10.244.0.0/16",
    "-m conntrack --ctdir ORIGINAL",
    "-m conntrack --ctdir REPLY",
    "-m conntrack --ctstatus NONE",
    "-m conntrack --ctstatus CONFIRMED",
    "-m conntrack ! --ctstatus SEEN_REPLY",
    "-m state --state NEW",
    "-m state --state RELATED,ESTABLISHED",
    "-m mark --mark 0x4000/0x4000",
    "-m mark ! --mark 0x10/0xf0",
    "-m mark --mark 0x10/0xf0",
    "-m connmark --mark 0x80/0x80",
    "-m connmark ! --mark 0x80/0x80",
    "-m addrtype --src-type LOCAL",
    "-m addrtype ! --dst-type LOCAL",
    "-m addrtype --dst-type LOCAL,MULTICAST",
    "-m addrtype --dst-type UNICAST",
    "-m addrtype --dst-type BROADCAST",
    "-m addrtype --src-type UNICAST --dst-type UNICAST",
    "-m iprange --src-range 10.244.1.0-10.244.1.255",
    "-m iprange ! --dst-range 10.96.0.1-10.96.0.40",
    "-m limit --limit 10000/sec --limit-burst 10000",
    "-m hashlimit --hashlimit-upto 100000/sec --hashlimit-burst 100000 --hashlimit-mode srcip --hashlimit-name up",
    "-m hashlimit --hashlimit-above 100000/sec --hashlimit-burst 100000 --hashlimit-mode srcip --hashlimit-name over",
    "-m quota --quota 1000000000",
    "-m recent --set --name seen",
    "-m recent --rcheck --seconds 60 --hitcount 5 --name seen",
    "-m recent --update --name other",
    "-m statistic --mode random --probability 0.50000000000",
    "-m pkttype --pkt-type unicast",
    "-m pkttype --pkt-type multicast",
    "-m comment --comment \"not -j DROP\"",
];

/// Matches that can be used in some hooks.
const IN_ONLY: [&str; 8] = [
    "-i pods0",
    "! -i pods0",
    "-i pods+",
    "-i eth0",
    "! -i eth+",
    "-i lo",
    "-i docker0",
    "-m addrtype --dst-type LOCAL --limit-iface-in",
];
const OUT_ONLY: [&str; 7] =
    ["-o pods0", "! -o pods0", "-o eth0", "! -o eth+", "-o lo", "-o docker0", "-i pods0 -o eth0"];
const BEFORE_ROUTING: [&str; 2] = ["-m rpfilter --validmark", "-m rpfilter --invert"];

/// Matches on what is not known of the packet: rightly left open.
const NOT_TOLD: [&str; 6] = [
    "-m ttl --ttl-gt 10",
    "-m length --length 0:100",
    "-m dscp --dscp 0x0a",
    "-m owner --uid-owner 0",
    "-m u32 --u32 \"0x6&0xff=0x6\"",
    "-m physdev --physdev-is-bridged",
];

const VERDICTS: [&str; 3] = ["-j DROP", "-j ACCEPT", "-j RETURN"];
const HARMLESS: [&str; 7] = [
    "-j LOG --log-prefix \"x \"",
    "-j NFLOG --nflog-group 1",
    "-j TRACE",
    "-j CLASSIFY --set-class 1:1",
    "-j DSCP --set-dscp 0x0a",
    "-j TOS --set-tos 0x10/0x3f",
    "-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
];
const MARKING: [&str; 9] = [
    "-j MARK --set-xmark 0x4000/0x4000",
    "-j MARK --set-xmark 0x10/0xf0",
    "-j MARK --set-xmark 0x0/0x4000",
    "-j MARK --xor-mark 0x4010",
    "-j MARK --and-mark 0xffffbfff",
    "-j CONNMARK --set-xmark 0x80/0x80",
    "-j CONNMARK --save-mark --nfmask 0x4010 --ctmask 0xffff",
    "-j CONNMARK --restore-mark --nfmask 0x40f0 --ctmask 0x40f0",
    "-j CONNMARK --restore-mark",
];
const REJECTING: [&str; 4] = [
    "-j REJECT",
    "-j REJECT --reject-with icmp-port-unreachable",
    "-j REJECT --reject-with icmp-admin-prohibited",
    "-p tcp -j REJECT --reject-with tcp-reset",
];
const TO_DESTINATION: [&str; 9] = [
    "-p tcp -j DNAT --to-destination 10.244.2.77:8080",
    "-j DNAT --to-destination 10.244.2.77",
    "-p tcp -j DNAT --to-destination :8181",
    "-p tcp -j DNAT --to-destination 10.244.2.77-10.244.2.79",
    "-p tcp -j DNAT --to-destination 10.244.2.77:8000-8003",
    "-p udp -j REDIRECT --to-ports 5353",
    "-j REDIRECT",
    "-d 10.96.0.0/12 -j NETMAP --to 10.244.0.0/12",
    "-p tcp -j REDIRECT --to-ports 9000-9003",
];
const TO_SOURCE: [&str; 7] = [
    "-j MASQUERADE",
    "-j MASQUERADE --random-fully",
    "-p tcp -j MASQUERADE --to-ports 40000-60000",
    "-j SNAT --to-source 192.0.2.99",
    "-j SNAT --to-source 192.0.2.99 --random-fully",
    "-j SNAT --to-source 192.0.2.99-192.0.2.101 --persistent",
    "-s 10.244.0.0/16 -j NETMAP --to 172.16.0.0/16",
];
const RAW: [&str; 4] = ["-j NOTRACK", "-j CT --notrack", "-j CT --zone 5", "-j TRACE"];

/// Every match in every place, dropping what passes; and targets.
pub(super) const SINGLE_COUNT: usize =
    (MATCHES.len() + IN_ONLY.len() + OUT_ONLY.len() + sets::MATCHES.len() + rare::MATCHES.len()) * 4
        + rare::NOT_TOLD.len()
        + 80;

impl Rules {
    /// One match, or one target, by number.
    pub(super) fn single(number: usize) -> Rules {
        let mut dice = Random::new(number as u64 * 77);
        let mut rules = Rules::default();
        let known = [&MATCHES[..], &IN_ONLY, &OUT_ONLY, &sets::MATCHES, &rare::MATCHES].concat();
        let found = known.get(number / 4).or_else(|| rare::NOT_TOLD.get(number - known.len() * 4));
        match found {
            Some(matched) => loop {
                let place = dice.pick(&PLACES);
                if fits(matched, place) {
                    let verdict = verdict(place, &mut dice);
                    rules.add(place, &mut dice, format!("{matched} {verdict}"));
                    return rules;
                }
            },
            None => {
                let place = dice.pick(&PLACES);
                let rule = target(place, &mut dice);
                rules.add(place, &mut dice, rule);
            }
        }
        rules
    }

    /// Up to six rules, some in chains of their own.
    pub(super) fn random(dice: &mut Random) -> Rules {
        let mut rules = Rules::default();
        for number in 0..=dice.below(6) {
            let place = dice.pick(&PLACES);
            if dice.one_in(3) {
                rules.add_chain(place, number, dice);
            } else {
                let rule = random_rule(place, dice);
                rules.add(place, dice, rule);
            }
        }
        rules
    }

    fn add(&mut self, (table, chain): (&'static str, &'static str), dice: &mut Random, rule: String) {
        let front = !dice.one_in(3);
        self.placed.push(Placed { table, chain: chain.to_owned(), front, rule });
    }

    fn add_chain(&mut self, place: (&'static str, &'static str), number: usize, dice: &mut Random) {
        let name = format!("FOREIGN-{number}");
        let jump = if dice.one_in(4) { "-g" } else { "-j" };
        let condition = if dice.one_in(2) { matches(place, dice) } else { String::new() };
        self.add(place, dice, format!("{condition} {jump} {name}"));
        self.chains.push((place.0, name.clone()));
        for _ in 0..=dice.below(3) {
            let rule = random_rule(place, dice);
            self.placed.push(Placed { table: place.0, chain: name.clone(), front: false, rule });
        }
    }
}

fn random_rule(place: (&'static str, &'static str), dice: &mut Random) -> String {
    let count = dice.below(3);
    let mut rule = String::new();
    for _ in 0..count {
        let next = matches(place, dice);
        // Options of the rule itself can occur only once.
        let repeats = ["-p ", "-s ", "-d ", "-i ", "-o ", "-f"].iter().any(|option| {
            format!(" {rule}").contains(&format!(" {option}"))
                && format!(" {next}").contains(&format!(" {option}"))
        });
        if !repeats && !rule.contains(module(&next)) {
            rule = format!("{rule} {next}");
        }
    }
    let target = target(place, dice);
    let clashes = (target.contains("-p ") && rule.contains("-p "))
        || (target.contains("-s ") && rule.contains("-s "))
        || (target.contains("-d ") && rule.contains("-d "));
    if clashes { target } else { format!("{rule} {target}").trim().to_owned() }
}

fn module(text: &str) -> &str {
    text.split_once("-m ").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("no module")
}

fn matches(place: (&'static str, &'static str), dice: &mut Random) -> String {
    loop {
        let list: &[&str] = match dice.below(14) {
            0 | 1 => &IN_ONLY,
            2 | 3 => &OUT_ONLY,
            4 if dice.one_in(3) => &BEFORE_ROUTING,
            5 if dice.one_in(4) => &NOT_TOLD,
            5 if dice.one_in(4) => &rare::NOT_TOLD,
            6 | 7 => &sets::MATCHES,
            8 => &rare::MATCHES,
            _ => &MATCHES,
        };
        let text = dice.pick(list);
        if fits(text, place) {
            return text.to_owned();
        }
    }
}

fn fits(text: &str, (table, chain): (&str, &str)) -> bool {
    let has_in = matches!(chain, "PREROUTING" | "INPUT" | "FORWARD");
    let has_out = matches!(chain, "OUTPUT" | "POSTROUTING" | "FORWARD");
    let asks_in =
        text.contains("-i ") || text.contains("--limit-iface-in") || text.contains("--match-set pods");
    !((asks_in && !has_in)
        || (text.contains("-o ") && !has_out)
        || (text.contains("rpfilter") && chain != "PREROUTING")
        || (text.contains("owner") && has_in)
        || (text.contains("physdev") && has_in && chain != "FORWARD"))
        && rare::fits(text, (table, chain))
}

fn verdict((table, _): (&str, &str), dice: &mut Random) -> &'static str {
    match table {
        "nat" => ["-j ACCEPT", "-j RETURN"][dice.below(2)],
        "filter" if dice.one_in(4) => "-j REJECT",
        _ => "-j DROP",
    }
}

fn target((table, chain): (&str, &str), dice: &mut Random) -> String {
    let list: &[&str] = match (table, chain, dice.below(6)) {
        ("nat", "PREROUTING" | "OUTPUT", 0..=3) => &TO_DESTINATION,
        ("nat", "POSTROUTING", 0..=3) => &TO_SOURCE,
        ("nat", "INPUT", 0..=3) => &TO_SOURCE[3..],
        ("nat", ..) => &VERDICTS[1..],
        ("raw", _, 0 | 1) => &RAW,
        ("filter", _, 0 | 1) => &REJECTING,
        ("mangle", _, 0 | 1) => &MARKING,
        ("mangle", _, 2) => &rare::CHANGING,
        ("mangle", _, 3) if dice.one_in(3) => &rare::HARMLESS,
        ("mangle", _, 3) => &HARMLESS,
        ("mangle" | "filter", _, 4) if dice.one_in(8) => &rare::HANDING_OVER,
        ("filter" | "raw" | "security", _, 2) => &HARMLESS[..2],
        ("filter", _, 3) => &MARKING[..4],
        _ => &VERDICTS,
    };
    let text = dice.pick(list);
    // The kernel only accepts TCPMSS on the way out.
    if text.contains("TCPMSS") && !matches!(chain, "FORWARD" | "OUTPUT" | "POSTROUTING")
        || !rare::fits(text, (table, chain))
        || table == "filter" && text.contains("MARK ") && text.contains("xor")
    {
        return "-j ACCEPT".to_owned();
    }
    text.to_owned()
}
