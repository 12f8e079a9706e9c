//! Packets that are followed together with all like them end as if each were followed separately.

use std::fmt::Write;

use super::{from_node, host, line, tcp};
use crate::iptables::parse::parse;
use crate::net::Family;
use crate::ruleset::Ruleset;
use crate::walk::evaluator::Evaluator;
use crate::walk::{Condition, Outcome, Packet, Walker, hooks, merge};

/// Two Services, one of which remembers its clients, behind another program's rules for some Pods: one rule asks for an
/// endpoint, one for a range with two of them, one for the address before translation.
fn rules() -> String {
    let mut text =
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POD-ANY - [0:0]\n"
            .to_owned();
    (0..40).for_each(|pod| _ = writeln!(text, ":POD-{pod} - [0:0]"));
    (0..40).for_each(|pod| _ = writeln!(text, "-A FORWARD -i cali{pod} -g POD-{pod}"));
    text += "-A FORWARD -i cali+ -j DROP\n-A FORWARD -d 10.244.2.5/32 -m ttl --ttl-gt 3 -j REJECT\n\
        -A FORWARD -m conntrack --ctorigdst 10.96.0.13 -m dscp --dscp 0x0a -j DROP\n\
        -A FORWARD -m iprange --dst-range 10.244.3.0-10.244.3.9 -m limit --limit 5/sec -j ACCEPT\n\
        -A FORWARD -d 10.244.3.0/24 -j DROP\n\
        -A OUTPUT -m owner --uid-owner 7 -j DROP\n";
    for pod in 0..40 {
        _ = writeln!(text, "-A POD-{pod} -m set --match-set peers{} dst -j ACCEPT", pod % 7);
        _ = writeln!(text, "-A POD-{pod} -m set --match-set all{} src,dst -j DROP", pod % 3);
    }
    text += "COMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:SVC - [0:0]\n:AFF - [0:0]\n";
    (0..6).for_each(|n| _ = writeln!(text, ":SEP-{n} - [0:0]"));
    for hook in ["PREROUTING", "OUTPUT"] {
        _ = writeln!(text, "-A {hook} -d 10.96.0.12/32 -p tcp -m tcp --dport 80 -j SVC");
        _ = writeln!(text, "-A {hook} -d 10.96.0.13/32 -p tcp -m tcp --dport 80 -j AFF");
    }
    text += "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE\n\
        -A SVC ! -s 10.244.0.0/16 -j MARK --set-xmark 0x4000/0x4000\n";
    for n in 0..6 {
        let left = 6 - n;
        let chance = format!("-m statistic --mode random --probability {:.11}", 1.0 / f64::from(left));
        let chance = if left == 1 { "" } else { &chance };
        _ = writeln!(text, "-A SVC {chance} -j SEP-{n}");
        let recent = format!(
            "-m recent --rcheck --seconds 100 --reap --name SEP-{n} --mask 255.255.255.255 --rsource"
        );
        _ = writeln!(text, "-A AFF {recent} -j SEP-{n}");
    }
    for n in 0..6 {
        let to = ["10.244.2.4", "10.244.2.5", "10.244.2.6", "10.244.3.7", "10.244.3.8", "10.244.3.77"];
        let left = 6 - n;
        let chance = format!("-m statistic --mode random --probability {:.11}", 1.0 / left as f64);
        let chance = if left == 1 { "" } else { &chance };
        _ = writeln!(text, "-A AFF {chance} -j SEP-{n}");
        _ = writeln!(text, "-A SEP-{n} -s {}/32 -j MARK --set-xmark 0x4000/0x4000", to[n]);
        _ = writeln!(
            text,
            "-A SEP-{n} -p tcp -m recent --set --name SEP-{n} --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination {}:8080",
            to[n]
        );
    }
    text + "COMMIT\n"
}

/// What can be compared of outcomes, sorted: how several questions are counted depends on how packets are followed.
fn told(outcomes: &[Outcome<'_>]) -> Vec<String> {
    let of = |outcome: &Outcome<'_>| {
        let several = outcome.given.iter().any(|condition| matches!(condition, Condition::Several { .. }));
        let steps: Vec<String> =
            outcome.steps.iter().map(|step| format!("{:?} {:?}", step.effects, step.seen)).collect();
        // One of many ways stands for all, and it does not matter which.
        let steps = if several { String::new() } else { steps.join(" ") };
        format!("{} {steps}", line(outcome))
    };
    let mut told: Vec<String> = outcomes.iter().map(of).collect();
    told.sort();
    told
}

fn one_by_one<'r>(walker: &Walker<'r>, packet: &Packet) -> Vec<Outcome<'r>> {
    let mut evaluator = Evaluator::new(&walker.program, walker.host, packet.family());
    evaluator.client = packet.client;
    evaluator.run(hooks::entry(packet, walker.host)).unwrap();
    merge::outcomes(evaluator)
}

#[test]
fn packets_that_are_alike_end_alike() {
    let capture = parse(&rules(), Some(Family::Ipv4)).unwrap();
    let host = host();
    let ruleset: Ruleset = capture.parts[0].ruleset.clone().into();
    let walker = Walker::new(&ruleset, &host);
    let sources =
        ["10.244.1.9", "10.244.1.10", "10.244.2.4", "10.244.2.5", "10.244.3.7", "10.244.9.9", "198.51.100.7"];
    let destinations = [
        "10.96.0.12:80",
        "10.96.0.13:80",
        "10.244.2.4:8080",
        "10.244.3.8:8080",
        "192.168.0.11:22",
        "192.0.2.255:9",
    ];
    for to in destinations {
        for packet in sources.iter().map(|from| tcp(from, to)).chain([from_node(to)]) {
            let outcomes = walker.walk(&packet).unwrap();
            assert_eq!(told(&outcomes), told(&one_by_one(&walker, &packet)), "{packet:?}");
        }
    }
}
