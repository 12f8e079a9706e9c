//! Interfaces of one kind, at random: packets that cross one or the other have the same outcomes.

use super::kinds_of;
use crate::capture;
use crate::testing::random::Random;
use crate::testing::scope::{part, share};
use crate::walk::rule_part::InterfaceDirection;
use crate::walk::tests::{host, lines, tcp};
use crate::walk::{InterfaceName, Packet, Walker};

const NAMES: [&str; 7] = ["cali1", "cali2", "cali3", "cali12", "eth0", "eth1", "veth7"];

/// Rules that dispatch by interface, to chains of few kinds.
fn iptables(random: &mut Random) -> String {
    let (mut chains, mut rules) = (String::new(), String::new());
    for name in NAMES {
        chains += &format!(":to-{name} - [0:0]\n");
        for _ in 0..1 + random.below(2) {
            let does = random.pick(&["-j RETURN", "-j DROP", "-j MARK --set-xmark 0x1/0x1", "-j shared"]);
            let comment =
                if random.below(2) == 0 { format!("-m comment --comment {name} ") } else { String::new() };
            rules += &format!("-A to-{name} {comment}{does}\n");
        }
    }
    for _ in 0..14 {
        let chain = random.pick(&["FORWARD", "FORWARD", "dispatch"]);
        let (name, way) = (random.pick(&NAMES), random.pick(&["-i", "-i", "-o"]));
        let target = match random.below(4) {
            0 => random.pick(&["-j DROP", "-j ACCEPT", "-j RETURN"]).to_owned(),
            at => format!("{} to-{name}", ["-j", "-g"][at % 2]),
        };
        rules += &match random.below(12) {
            0 => format!("-A {chain} ! {way} {name} {target}\n"),
            1 => format!("-A {chain} {way} cali1+ {target}\n"),
            2 => format!("-A {chain} -m mark --mark 0x1/0x1 -j ACCEPT\n"),
            3 => format!("-A {chain} -i {name} -o {} {target}\n", random.pick(&NAMES)),
            _ => format!("-A {chain} {way} {name} {target}\n"),
        };
    }
    format!(
        "*filter\n:FORWARD ACCEPT [0:0]\n:dispatch - [0:0]\n:shared - [0:0]\n{chains}{rules}-A FORWARD -j dispatch\n\
         -A FORWARD -m mark --mark 0x1/0x1 -j REJECT\n-A shared -i eth0 -j DROP\n-A shared -j MARK --set-xmark 0x1/0x1\nCOMMIT\n"
    )
}

/// The same with maps and sets of nftables.
fn nftables(random: &mut Random) -> String {
    let (mut chains, mut rules) = (String::new(), String::new());
    for name in NAMES {
        let does = random.pick(&["return", "drop", "meta mark set 0x1 return", "jump shared"]);
        let counter = if random.below(2) == 0 { "counter packets 5 bytes 300 " } else { "" };
        chains += &format!("\tchain to-{name} {{\n\t\t{counter}{does} comment \"{name}\"\n\t}}\n");
    }
    let verdicts = |random: &mut Random| {
        let some: Vec<String> = NAMES
            .iter()
            .filter_map(|name| match random.below(4) {
                0 => None,
                1 => Some(format!("\"{name}\" : {}", random.pick(&["drop", "accept", "return"]))),
                at => Some(format!("\"{name}\" : {} to-{name}", ["jump", "goto"][at % 2])),
            })
            .collect();
        if some.is_empty() { "\"eth1\" : drop".to_owned() } else { some.join(", ") }
    };
    for _ in 0..5 {
        let (name, other) = (random.pick(&NAMES), random.pick(&NAMES));
        let key = random.pick(&["iifname", "oifname"]);
        rules += &match random.below(10) {
            0 => format!("\t\t{key} != \"{name}\" jump to-{name}\n"),
            1 => format!("\t\t{key} {{ \"{name}\", \"cali1*\" }} jump to-{name}\n"),
            2 => format!("\t\t{key} != {{ \"{name}\", \"{other}x\" }} drop\n"),
            3 => format!("\t\tiifname \"{name}\" oifname \"{other}\" goto to-{name}\n"),
            4 => format!("\t\tmeta mark set 0x1 {key} \"{name}\" accept\n"),
            5 => format!("\t\tiifname . oifname vmap {{ \"{name}\" . \"{other}\" : drop }}\n"),
            6 => format!("\t\tmeta mark set {key} map {{ \"{name}\" : 0x1, \"{other}x\" : 0x0 }}\n"),
            7 => format!("\t\t{key} \"{name}\" goto to-{name}\n"),
            _ => format!("\t\t{key} vmap {{ {} }}\n", verdicts(random)),
        };
    }
    let elements = verdicts(random);
    format!(
        "table ip other {{\n\tmap dispatch {{\n\t\ttype ifname : verdict\n\t\telements = {{ {elements} }}\n\t}}\n\
         \tchain shared {{\n\t\tiifname \"eth0\" drop\n\t\tmeta mark set 0x1\n\t}}\n{chains}\
         \tchain c {{\n\t\ttype filter hook forward priority 0; policy accept;\n{rules}\t\tiifname vmap @dispatch\n\
         \t\tmeta mark 0x1 reject\n\t}}\n}}\n"
    )
}

/// What happens to a packet that crosses two interfaces.
fn outcomes(walker: &Walker<'_>, (input, output): (&str, &str)) -> Vec<String> {
    let packet = Packet {
        in_interface: InterfaceName::new(input),
        out_interface: InterfaceName::new(output),
        ..tcp("203.0.113.7", "10.244.1.5:80")
    };
    lines(&walker.ends(&packet).unwrap())
}

/// How many pairs are of one kind, and how many outcomes there are.
fn judged(text: &str) -> (usize, std::collections::BTreeSet<Vec<String>>) {
    let captured = capture::read(text, None).unwrap();
    let rules = captured.node_rules(|_| host());
    let walker = Walker::of(rules.ipv4.as_ref().unwrap()).one_by_one();
    let kinds = kinds_of(&walker.program);
    let interfaces = walker.program.interfaces();
    let kind = |name: &str, direction| kinds.number(&interfaces.case_of(name), direction);
    let (mut pairs, mut all) = (0, std::collections::BTreeSet::new());
    for (at, one) in NAMES.iter().enumerate() {
        for other in &NAMES[at + 1..] {
            for direction in [InterfaceDirection::In, InterfaceDirection::Out] {
                if kind(one, direction) != kind(other, direction) {
                    continue;
                }
                pairs += 1;
                for third in NAMES.iter().chain(&["wlan0"]) {
                    let ways = |name| match direction {
                        InterfaceDirection::In => (name, *third),
                        InterfaceDirection::Out => (*third, name),
                    };
                    let found = outcomes(&walker, ways(one));
                    assert_eq!(
                        found,
                        outcomes(&walker, ways(other)),
                        "{one}, {other}, {third} {direction:?}\n{text}"
                    );
                    all.insert(found);
                }
            }
        }
    }
    (pairs, all)
}

#[test]
fn packets_on_interfaces_of_one_kind_have_the_same_outcomes() {
    for rules in [iptables, nftables] {
        let (mut pairs, mut all) = (0, std::collections::BTreeSet::new());
        for seed in share("walk::interface_rules", 10, (0..300).collect()) {
            let (found, outcomes) = judged(&rules(&mut Random::new(seed)));
            pairs += found;
            all.extend(outcomes);
        }
        assert!(pairs > part(500, 10) && all.len() > 2, "{pairs} pairs, {all:?}");
    }
}

/// The kinds of some interfaces, by the first that is of each.
fn kinds<const N: usize>(text: &str, names: [&str; N], direction: InterfaceDirection) -> [usize; N] {
    let captured = capture::read(text, None).unwrap();
    let rules = captured.node_rules(|_| host());
    let walker = Walker::of(rules.ipv4.as_ref().unwrap());
    let kinds = kinds_of(&walker.program);
    let numbers = names.map(|name| kinds.number(&walker.program.interfaces().case_of(name), direction));
    numbers.map(|number| numbers.iter().position(|other| *other == number).unwrap())
}

const THREE: [&str; 4] = ["cali1", "cali2", "cali3", "eth0"];

#[test]
fn chains_that_do_the_same_make_interfaces_alike() {
    let iptables = "*filter\n:FORWARD ACCEPT [0:0]\n:fw1 - [0:0]\n:fw2 - [0:0]\n:fw3 - [0:0]\n\
         -A FORWARD -i cali1 -g fw1\n-A FORWARD -i cali2 -g fw2\n-A FORWARD -i cali3 -g fw3\n\
         -A fw1 -m comment --comment one -p tcp -j DROP\n-A fw2 -m comment --comment two -p tcp -j DROP\n-A fw3 -p udp -j DROP\n\
         COMMIT\n";
    assert_eq!(kinds(iptables, THREE, InterfaceDirection::In), [0, 0, 2, 3]);
    assert_eq!(kinds(iptables, THREE, InterfaceDirection::Out), [0, 0, 0, 0]);
    let nftables = "table ip other {\n\tmap m {\n\t\ttype ifname : verdict\n\
         \t\telements = { \"cali1\" : goto fw1, \"cali2\" : goto fw2, \"cali3\" : goto fw3 }\n\t}\n\
         \tchain fw1 {\n\t\tcounter packets 7 bytes 420 drop\n\t}\n\tchain fw2 {\n\t\tcounter packets 0 bytes 0 drop\n\t}\n\
         \tchain fw3 {\n\t\tdrop\n\t}\n\tchain c {\n\t\ttype filter hook forward priority 0; policy accept;\n\
         \t\toifname vmap @m\n\t}\n}\n";
    assert_eq!(kinds(nftables, THREE, InterfaceDirection::Out), [0, 0, 2, 3]);
    assert_eq!(kinds(nftables, THREE, InterfaceDirection::In), [0, 0, 0, 0]);
}

#[test]
fn chains_by_the_beginnings_of_names_make_none_differ() {
    let names = ["cali1a", "cali2a", "cali1b", "cali2b", "cali1x", "cali2y", "cali3"];
    let iptables = "*filter\n:FORWARD ACCEPT [0:0]\n:by1 - [0:0]\n:by2 - [0:0]\n:fw1a - [0:0]\n:fw2a - [0:0]\n\
         -A FORWARD -i cali+ -j MARK --set-xmark 0x1/0x1\n-A FORWARD -i cali1+ -g by1\n-A FORWARD -i cali2+ -g by2\n\
         -A by1 -i cali1a -g fw1a\n-A by1 -i cali1b -j ACCEPT\n-A by1 -j DROP\n\
         -A by2 -i cali2b -j ACCEPT\n-A by2 -i cali2a -g fw2a\n-A by2 -j DROP\n\
         -A fw1a -p tcp -j DROP\n-A fw2a -p tcp -j DROP\nCOMMIT\n";
    assert_eq!(kinds(iptables, names, InterfaceDirection::In), [0, 0, 2, 2, 4, 4, 6]);
    let nftables = "table ip other {\n\tchain fw1a {\n\t\tdrop\n\t}\n\tchain fw2a {\n\t\tdrop\n\t}\n\
         \tchain by1 {\n\t\tiifname vmap { \"cali1a\" : goto fw1a, \"cali1b\" : accept }\n\t\treject\n\t}\n\
         \tchain by2 {\n\t\tiifname vmap { \"cali2b\" : accept, \"cali2a\" : goto fw2a }\n\t\treject\n\t}\n\
         \tchain c {\n\t\ttype filter hook forward priority 0; policy accept;\n\
         \t\tiifname \"cali1*\" goto by1\n\t\tiifname \"cali2*\" goto by2\n\t}\n}\n";
    assert_eq!(kinds(nftables, names, InterfaceDirection::In), [0, 0, 2, 2, 4, 4, 6]);
}
