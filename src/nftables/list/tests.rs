use super::print;
use crate::nftables::ruleset::{
    BaseChain, Chain, Counter, DataType, Datum, Element, Hook, MapValue, PlacedRule, Rule, Ruleset, Set,
    Statement, Table, TableFamily, Verdict,
};

fn rule(statements: Vec<Statement>) -> PlacedRule {
    PlacedRule { rule: Rule { statements, comment: None }, origin: None }
}

fn element(key: Datum, opaque: Option<&str>, value: Option<MapValue>) -> Element {
    Element { key: vec![key], comment: None, value, opaque: opaque.map(Into::into), origin: None }
}

fn base(hook: Hook, priority: i32) -> Chain {
    Chain {
        name: "c".into(),
        comment: None,
        base: Some(BaseChain {
            kind: "filter".into(),
            hook,
            device: None,
            priority,
            drops_by_default: false,
        }),
        rules: Vec::new(),
    }
}

/// A table of another program; the text is from nft 1.0.6.
#[test]
fn foreign_objects_stand_where_nft_puts_them() {
    let set = Set {
        name: "opt".into(),
        key: vec![DataType::Ipv4Addr],
        maps_to: None,
        size: Some(100),
        flags: vec!["interval".into(), "timeout".into()],
        timeout_seconds: Some(90061),
        comment: Some("cc".into()),
        opaque: ["policy memory", "counter", "auto-merge", "gc-interval 10s"].map(Into::into).to_vec(),
        elements: vec![element(
            Datum::Range("10.0.0.0".parse().unwrap(), "11.0.0.5".parse().unwrap()),
            Some("counter packets 0 bytes 0 timeout 5m"),
            None,
        )],
    };
    let map = Set {
        name: "mm".into(),
        maps_to: Some(DataType::Verdict),
        size: None,
        flags: Vec::new(),
        timeout_seconds: None,
        comment: None,
        opaque: Vec::new(),
        elements: ["1.2.3.4", "1.2.3.5", "1.2.3.6"]
            .map(|ip| {
                element(Datum::Address(ip.parse().unwrap()), None, Some(MapValue::Verdict(Verdict::Drop)))
            })
            .to_vec(),
        ..set.clone()
    };
    let rules = vec![
        rule(vec![
            Statement::Opaque("".into()),
            Statement::Counter { packets: 1, bytes: 2 },
            Statement::Masquerade { fully_random: false },
        ]),
        rule(vec![
            Statement::Mark { mask: 1 << 31, negated: true, value: 0 },
            Statement::Verdict(Verdict::Accept),
        ]),
        rule(vec![
            Statement::Mark { mask: u32::MAX, negated: false, value: 5 },
            Statement::ConntrackState(vec!["established".into(), "related".into()]),
        ]),
    ];
    let mut chain = base(Hook::Forward, 5);
    chain.rules = rules;
    let table = Table {
        family: TableFamily::Inet,
        name: "t".into(),
        comment: Some("hello".into()),
        counters: vec![Counter { name: "c1".into(), comment: Some("seen".into()), packets: 3, bytes: 180 }],
        sets: vec![set, map],
        chains: vec![chain],
        opaque: vec!["flags dormant".into(), "quota q1 {\n\tover 25 mbytes\n}".into()],
    };
    assert_snapshot!(print(&Ruleset { tables: vec![table] }));
}

#[test]
fn priorities_are_named_as_the_hook_knows_them() {
    let line = |family, hook, priority| {
        let table = Table {
            family,
            name: "t".into(),
            comment: None,
            counters: Vec::new(),
            sets: Vec::new(),
            chains: vec![base(hook, priority)],
            opaque: Vec::new(),
        };
        let text = print(&Ruleset { tables: vec![table] });
        let (_, rest) = text.split_once("priority ").unwrap();
        rest.split_once(';').unwrap().0.to_owned()
    };
    assert_eq!(line(TableFamily::Ip, Hook::Prerouting, -110), "dstnat - 10");
    assert_eq!(line(TableFamily::Ip, Hook::Output, -110), "-110");
    assert_eq!(line(TableFamily::Inet, Hook::Input, 0), "filter");
    assert_eq!(line(TableFamily::Inet, Hook::Input, 10), "filter + 10");
    assert_eq!(line(TableFamily::Inet, Hook::Input, 11), "11");
    assert_eq!(line(TableFamily::Bridge, Hook::Input, -200), "filter");
    assert_eq!(line(TableFamily::Netdev, Hook::Ingress, -300), "-300");
}
