use std::path::Path;
use std::sync::LazyLock;

use compact_str::CompactString;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::net::Family;
use crate::nftables::json::table_objects;
use crate::nftables::list::version::NftVersion;
use crate::nftables::ruleset::{Statement, Table, TableFamily};
use crate::nftables::{list, strategies};
use crate::testing::corpus;

fn assert_all_typed(ruleset: &Ruleset, path: &Path) {
    let rules = ruleset.tables.iter().flat_map(|t| &t.chains).flat_map(|c| &c.rules);
    for statement in rules.flat_map(|placed| &placed.rule.statements) {
        assert!(!matches!(statement, Statement::Opaque(_)), "{} {statement:?}", path.display());
    }
}

#[test]
fn what_kube_proxy_left_on_nodes_prints_again() {
    for path in corpus("nft-ip.txt", 15).into_iter().chain(corpus("nft-ip6.txt", 15)) {
        let text = std::fs::read_to_string(&path).unwrap();
        let ruleset = parse_listing(&text).unwrap();
        assert_eq!(ruleset.tables.len(), 1);
        assert_all_typed(&ruleset, &path);
        assert!(list::print(&ruleset) == text, "{}", path.display());
    }
}

#[test]
fn a_whole_node_with_rules_of_others_prints_again() {
    let text = std::fs::read_to_string("testdata/captures/shop-worker-1.nft-list-ruleset.txt").unwrap();
    let ruleset = parse_listing(&text).unwrap();
    let names: Vec<_> = ruleset.tables.iter().map(|t| (t.family, t.name.as_str())).collect();
    let expected = [
        (TableFamily::Ip, "kube-proxy"),
        (TableFamily::Ip6, "kube-proxy"),
        (TableFamily::Ip, "nat"),
        (TableFamily::Ip, "filter"),
        (TableFamily::Inet, "firewalld"),
    ];
    assert_eq!(names, expected);
    assert_eq!(list::print(&ruleset), text);
}

/// nft 1.0.6 omits comments of tables and chains from its JSON.
fn without_comments(mut ruleset: Ruleset) -> Ruleset {
    for table in &mut ruleset.tables {
        table.comment = None;
        table.chains.iter_mut().for_each(|chain| chain.comment = None);
    }
    ruleset
}

#[test]
fn json_is_read_as_the_listing_is() {
    for path in corpus("nft-ip.json", 15).into_iter().chain(corpus("nft-ip6.json", 15)) {
        let json = parse_json(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let listing = parse_listing(&std::fs::read_to_string(path.with_extension("txt")).unwrap()).unwrap();
        assert_all_typed(&json, &path);
        assert!(json == without_comments(listing), "{}", path.display());
    }
}

#[test]
fn kube_proxys_tables_among_others_are_read_from_json() {
    let read =
        |name: &str| std::fs::read_to_string(format!("testdata/captures/shop-worker-1.{name}")).unwrap();
    let listing = without_comments(parse_listing(&read("nft-list-ruleset.txt")).unwrap());
    let json = parse_json(&read("nft-j-list-ruleset.json")).unwrap();
    assert_eq!(json.tables.len(), 5);
    assert_eq!(json.tables[..2], listing.tables[..2]);
    assert_eq!(json.tables[4].sets, listing.tables[4].sets);
    let bases = |ruleset: &Ruleset| -> Vec<_> {
        ruleset.tables.iter().flat_map(|t| &t.chains).map(|c| (c.name.clone(), c.base.clone())).collect()
    };
    assert_eq!(bases(&json), bases(&listing));
}

fn capture(name: &str) -> String {
    std::fs::read_to_string(format!("testdata/captures/{name}")).unwrap()
}

#[test]
fn whatever_nft_can_say_prints_again() {
    let text = capture("foreign.nft-list-ruleset.txt");
    let ruleset = parse_listing(&text).unwrap();
    assert_same_text(&list::print(&ruleset), &text);
    let with_handles = parse_listing(&capture("foreign.nft-a-list-ruleset.txt")).unwrap();
    assert_same_text(&list::print(&with_handles), &text);
    assert_eq!(with_handles, ruleset);
}

fn assert_same_text(printed: &str, expected: &str) {
    for (a, b) in printed.lines().zip(expected.lines()) {
        assert_eq!(a, b);
    }
    assert_eq!(printed.len(), expected.len());
}

fn json_text(ruleset: &Ruleset) -> String {
    let family = |table: TableFamily| if table == TableFamily::Ip6 { Family::Ipv6 } else { Family::Ipv4 };
    let objects: Vec<Value> =
        ruleset.tables.iter().flat_map(|table| table_objects(table, family(table.family))).collect();
    json!({ "nftables": objects }).to_string()
}

/// Leaves out what JSON cannot express: the answer of REJECT is of an IP family, and an update implies a flag.
fn without_what_json_lacks(mut ruleset: Ruleset) -> Ruleset {
    ruleset.tables.retain(|table| table.family != TableFamily::Bridge);
    for Table { sets, chains, .. } in &mut ruleset.tables {
        let lists = |name: &CompactString| sets.iter().any(|set| set.name == *name);
        for placed in chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            let statements = &mut placed.rule.statements;
            statements.retain(|s| !matches!(s, Statement::UpdateSet { set, .. } if lists(set)));
        }
    }
    ruleset
}

proptest! {
    #![proptest_config(crate::testing::cases(100))]

    #[test]
    fn listed_rulesets_read_as_they_were(ruleset in strategies::rulesets()) {
        let text = list::print(&ruleset);
        prop_assert_eq!(parse_listing(&text).unwrap(), ruleset, "{}", text);
    }

    #[test]
    fn listings_with_foreign_statements_print_again(ruleset in strategies::foreign_rulesets()) {
        let text = list::print(&ruleset);
        prop_assert_eq!(list::print(&parse_listing(&text).unwrap()), text);
    }

    #[test]
    fn json_reads_as_it_was(ruleset in strategies::rulesets()) {
        let ruleset = without_what_json_lacks(ruleset);
        let text = json_text(&ruleset);
        prop_assert_eq!(parse_json(&text).unwrap(), ruleset, "{}", text);
    }

    #[test]
    fn no_listing_breaks_the_reader(text in "(table ip x \\{\n|\t?chain c[0-9] \\{\n|\tset s \\{\n|\telements = \\{ |[ \t\n\",{}:.@!|&^#-]|ip saddr |vmap |meta mark |set |numgen random mod 2 |dnat |to |0 : |10.0.0.1|counter packets |type filter hook input priority |policy drop;|\\PC){0,60}") {
        if let Ok(ruleset) = parse_listing(&text) {
            let _ = list::print(&ruleset);
        }
    }
}

fn fault(text: &str) -> String {
    parse_listing(text).unwrap_err().to_string()
}

#[test]
fn faults_of_listings_name_the_line() {
    for (text, expected) in [
        ("hello\u{1b}", "line 1: 'hello\\u{1b}' does not begin a table of 'nft list ruleset'"),
        ("table ip x {\n", "line 1: the text ends within a block; it is cut off"),
        ("table foo x {\n}\n", "line 1: 'foo' is not a table family"),
        ("table ip x {\n}\ntable ip x {\n}\n", "line 3: table ip 'x' occurs twice"),
        ("table ip x {\n\tchain c {\n\t}\n\tchain c {\n\t}\n}\n", "line 4: 'c' occurs twice in the table"),
        (
            "table ip x {\n\tset c {\n\t\telements = { a,\n",
            "line 3: the text ends within the elements of a set",
        ),
        ("table ip x {\n\tquota q {\n", "line 2: the text ends within an object"),
        ("table ip x {\n\tchain c {\n\t\tip saddr {\n", "line 3: the text ends within braces"),
        (
            "table ip x {\n\tchain c {\n\t\ttype filter hook nowhere priority 0; policy accept;\n",
            "line 3: 'type filter hook nowhere priority 0; policy accept;' is not a line of a base chain",
        ),
    ] {
        assert!(fault(text).starts_with(expected), "{}\n{expected}", fault(text));
    }
}

#[test]
fn faults_of_json_name_the_item() {
    let fault = |text: &str| parse_json(text).unwrap_err().to_string();
    assert!(fault("{").starts_with("line 1: not JSON of nft: "));
    let rule = "{\"nftables\": [\n{\"table\": {\"family\": \"ip\", \"name\": \"x\"}},\n\
                {\"rule\": {\"family\": \"ip\", \"table\": \"x\", \"chain\": \"c\", \"expr\": []}}]}";
    assert_eq!(fault(rule), "line 3: item 1 of nftables: chain 'c' is missing");
}

#[test]
fn deep_json_is_refused() {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let fault = |item: &str| {
        let text =
            format!("{{\"nftables\": [{{\"table\": {{\"family\": \"ip\", \"name\": \"x\"}}}}, {item}]}}");
        parse_json(&text).unwrap_err().to_string()
    };
    for item in [
        format!("{{\"table\": {{\"family\": \"ip\", \"name\": \"y\", \"flags\": {open}{close}}}}}"),
        format!(
            "{{\"set\": {{\"family\": \"ip\", \"table\": \"x\", \"name\": \"s\", \"type\": \"mark\", \
             \"elem\": [{open}{close}]}}}}"
        ),
        format!(
            "{{\"chain\": {{\"family\": \"ip\", \"table\": \"x\", \"name\": \"c\"}}, \
             \"rule\": {{\"family\": \"ip\", \"table\": \"x\", \"chain\": \"c\", \"expr\": [{open}{close}]}}}}"
        ),
    ] {
        let fault = fault(&item);
        assert!(fault.starts_with("line 1: item 1 of nftables: recursion limit exceeded"), "{fault}");
    }
    let unclosed = parse_json(&format!("{{\"nftables\": {open}")).unwrap_err().to_string();
    assert!(unclosed.starts_with("line 1: not JSON of nft: EOF while parsing a list"), "{unclosed}");
}

/// The statements of a table with one rule.
fn statements(ruleset: &Ruleset) -> &[Statement] {
    &rules(ruleset)[0].statements
}

/// Nesting deeper than in any sensible rule: following it would take time that grows with the cube of its length.
#[test]
fn deep_expressions_are_kept_as_text() {
    let of_text = |expression: &str| {
        let text = format!("table ip x {{\n\tchain c {{\n\t\t{expression} == 0x00000001 drop\n\t}}\n}}\n");
        let ruleset = parse_listing(&text).unwrap();
        assert_same_text(&list::print(&ruleset), &text);
        matches!(statements(&ruleset), [Statement::Opaque(_), ..])
    };
    assert!(!of_text(&format!("meta mark {}", ["& 0x000000ff"; 6].join(" "))));
    assert!(of_text(&format!("meta mark {}", vec!["& 0x000000ff"; 100_000].join(" "))));
    assert!(of_text(&format!("{}meta mark{}", "(".repeat(100_000), " | 0x00000001)".repeat(100_000))));
    let of_json = |expression: &str| {
        let json = format!(
            "{{\"nftables\": [{{\"table\": {{\"family\": \"ip\", \"name\": \"x\"}}}}, \
             {{\"chain\": {{\"family\": \"ip\", \"table\": \"x\", \"name\": \"c\"}}}}, \
             {{\"rule\": {{\"family\": \"ip\", \"table\": \"x\", \"chain\": \"c\", \"expr\": \
             [{{\"match\": {{\"op\": \"==\", \"left\": {expression}, \"right\": 1}}}}]}}}}]}}"
        );
        matches!(statements(&parse_json(&json).unwrap()), [Statement::Opaque(_), ..])
    };
    let mark = "{\"meta\": {\"key\": \"mark\"}}";
    assert!(!of_json(&format!("{{\"&\": [{mark}, 255, 255]}}")));
    assert!(of_json(&format!("{{\"&\": [{mark}{}]}}", ", 255".repeat(100_000))));
    assert!(of_json(&format!("{}{mark}{}", "{\"&\": [".repeat(20), ", 255]}".repeat(20))));
}

/// Listings of the real nft: every statement that it loads in a namespace without more modules, and what other programs
/// write. The first version's texts are printed again to the letter; all are read.
const LISTED: [&str; 9] = [
    "nft-statements/more",
    "nft-statements/nft",
    "nft-statements/nat",
    "calico-nft/nft",
    "kube-router-nft/nft",
    "aws-vpc-cni-nft/nft",
    "flannel-nft/nft",
    "portmap-nft/nft",
    "firewalld-nft/nft",
];

fn rules(ruleset: &Ruleset) -> Vec<&crate::nftables::ruleset::Rule> {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    chains.flat_map(|chain| &chain.rules).map(|placed| &placed.rule).collect()
}

#[test]
fn every_statement_that_nft_lists_is_a_typed_value() {
    let mut lost: Vec<String> = Vec::new();
    for name in LISTED {
        for (version, form) in [("1.0.6", "txt"), ("1.1.3", "txt"), ("1.0.6", "json"), ("1.1.3", "json")] {
            let path = format!("{name}-{version}.{form}");
            let text = capture(&path);
            let ruleset = match form {
                "txt" => parse_listing(&text).unwrap(),
                _ => parse_json(&text).unwrap(),
            };
            if (version, form) == ("1.0.6", "txt") {
                assert_same_text(&list::print(&ruleset), &text);
            }
            for rule in rules(&ruleset) {
                for statement in &rule.statements {
                    if matches!(statement, Statement::Opaque(_)) {
                        lost.push(format!("{path}: {statement:?}"));
                    }
                }
            }
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

/// What a statement means, however a version spells it.
fn meant(statement: &Statement) -> Statement {
    use crate::nftables::ruleset::{Datum, Expression, Limit, Operator};
    match statement {
        Statement::Spelled(_, meaning) => meant(meaning),
        // Every limit on packets has this burst unless another is given.
        Statement::Limit(Limit::Rate { over, rate, burst }) => {
            let burst = burst.clone().filter(|burst| burst != "5 packets");
            Statement::Limit(Limit::Rate { over: *over, rate: rate.clone(), burst })
        }
        // JSON does not distinguish a sign from none.
        Statement::Compare(comparison) => {
            let mut comparison = comparison.clone();
            if comparison.operator == Operator::Equal && matches!(comparison.right, Expression::Set(_)) {
                comparison.operator = Operator::Implied;
            }
            Statement::Compare(comparison)
        }
        Statement::ChangeSet(change) => {
            let mut change = change.clone();
            change.statements = change.statements.iter().map(meant).collect();
            // Only the map says what type the value has.
            if let Some(Expression::Datum(Datum::Word(word))) = &change.value
                && let Some(number) = word.strip_prefix("0x")
            {
                let number = u64::from_str_radix(number, 16).unwrap();
                change.value = Some(Expression::Datum(Datum::Number(number)));
            }
            Statement::ChangeSet(change)
        }
        other => other.clone(),
    }
}

#[test]
fn text_and_json_of_others_mean_the_same() {
    let mut different: Vec<String> = Vec::new();
    for name in LISTED {
        for version in ["1.0.6", "1.1.3"] {
            let text = parse_listing(&capture(&format!("{name}-{version}.txt"))).unwrap();
            let json = parse_json(&capture(&format!("{name}-{version}.json"))).unwrap();
            let (text, json) = (rules(&text), rules(&json));
            assert_eq!(text.len(), json.len());
            for (text, json) in text.into_iter().zip(json) {
                let of_text: Vec<_> = text.statements.iter().map(meant).collect();
                let of_json: Vec<_> = json.statements.iter().map(meant).collect();
                if of_text != of_json {
                    different.push(format!("{name}-{version}: {text}\n  {of_text:?}\n  {of_json:?}"));
                }
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn rules_read_from_json_print_as_nft_lists_them() {
    let mut different: Vec<String> = Vec::new();
    for name in LISTED {
        // The version that rules are printed for by default.
        let mut json = parse_json(&capture(&format!("{name}-1.0.6.json"))).unwrap();
        for table in &mut json.tables {
            table.sets.clear();
            table.counters.clear();
            table.opaque.clear();
        }
        let printed = list::text(&json, NftVersion::default()).to_string();
        let listed = parse_listing(&capture(&format!("{name}-1.0.6.txt"))).unwrap();
        let listed = rules(&listed).into_iter().map(ToString::to_string);
        let printed = printed.lines().filter(|line| line.starts_with("\t\t") && !line.contains(" hook "));
        for (listed, printed) in listed.zip(printed) {
            if listed != printed.trim_start() {
                different.push(format!("{name}-1.0.6: {listed}\n    {}", printed.trim_start()));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Statements as the versions print them, with the JSON of each.
static FRAGMENTS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let mut found = Vec::new();
    for name in LISTED {
        for version in ["1.0.6", "1.1.3"] {
            let listing = parse_listing(&capture(&format!("{name}-{version}.txt"))).unwrap();
            let json: Value = serde_json::from_str(&capture(&format!("{name}-{version}.json"))).unwrap();
            let objects = json["nftables"].as_array().unwrap().iter().filter_map(|object| object.get("rule"));
            for (rule, object) in rules(&listing).into_iter().zip(objects) {
                let expressions = object["expr"].as_array().unwrap();
                let texts = rule.statements.iter().map(ToString::to_string);
                found.extend(texts.zip(expressions.iter().cloned()));
            }
        }
    }
    found
});

proptest! {
    #![proptest_config(crate::testing::cases(200))]

    /// No word is lost between the text of a rule, its value and its text, nor any object of its JSON: each is a typed
    /// statement, or text that the walk does not ignore.
    #[test]
    fn no_statement_is_lost(
        chosen in proptest::collection::vec((any::<proptest::sample::Index>(), 0..12u8), 1..6),
    ) {
        let mut texts = Vec::new();
        let mut objects = Vec::new();
        for (index, odd) in chosen {
            let (text, object) = index.get(&FRAGMENTS);
            match odd {
                0 => {
                    texts.push(format!("frob {text}"));
                    objects.push(json!({ "frob": object }));
                }
                _ => {
                    texts.push(text.clone());
                    objects.push(object.clone());
                }
            }
        }
        let line = texts.join(" ");
        let listing = format!("table inet t {{\n\tchain c {{\n\t\t{line}\n\t}}\n}}\n");
        let read = parse_listing(&listing).unwrap();
        prop_assert_eq!(list::print(&read), listing);
        let rule = json!({ "family": "inet", "table": "t", "chain": "c", "expr": objects });
        let document = json!({ "nftables": [
            { "table": { "family": "inet", "name": "t" } },
            { "chain": { "family": "inet", "table": "t", "name": "c" } },
            { "rule": rule },
        ] });
        let read = parse_json(&document.to_string()).unwrap();
        let statements = &rules(&read)[0].statements;
        prop_assert_eq!(statements.len(), objects.len());
        for (statement, object) in statements.iter().zip(&objects) {
            if let Statement::Opaque(text) = statement {
                prop_assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), object);
            }
        }
    }
}
