//! Random rulesets for property tests.

use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;
use proptest::prelude::*;
use proptest::{collection, option, sample};

use super::ruleset::{
    Addresses, BaseChain, Chain, Counter, DataType, Datum, Diversion, Element, FibEnd, Field, Hook, Interval,
    MapValue, PlacedRule, Rule, Ruleset, Set, Statement, Table, TableFamily, Verdict,
};
use crate::net::{Cidr, Family, Port, Protocol};

/// Statements that are kept as text.
const OPAQUE: [&str; 5] = [
    "something new",
    "sctp chunk data exists",
    "vlan type { 1, 2-3 } of a new kind",
    "ip saddr @x counter of",
    "",
];

/// Statements that send a packet elsewhere, and others that are kept as text.
const DIVERTING: [(Diversion, &str); 13] = [
    (Diversion::Program, "queue"),
    (Diversion::Program, "queue to 3"),
    (Diversion::Program, "queue flags bypass to 0-3"),
    (Diversion::Program, "queue flags bypass,fanout to 1-65535"),
    (Diversion::Socket, "tproxy to :50080"),
    (Diversion::Socket, "tproxy to 127.0.0.1:50080"),
    (Diversion::Socket, "tproxy ip to 127.0.0.1"),
    (Diversion::Socket, "tproxy ip6 to [2001:db8::1]:50080"),
    (Diversion::Interface, "fwd to \"eth0\""),
    (Diversion::Interface, "fwd ip6 to 2001:db8::1 device \"eth0\""),
    (Diversion::Proxy, "synproxy mss 1460 wscale 7 timestamp sack-perm"),
    (Diversion::Proxy, "synproxy name \"web\""),
    (Diversion::Proxy, "synproxy"),
];
const ASIDE: [&str; 6] = [
    "dup to 10.0.0.1 device \"lo\"",
    "dup to 2001:db8::1",
    "flow add @offload",
    "last used never",
    "last used 1d1m3s372ms",
    "reset tcp option fastopen",
];

fn elsewhere() -> impl Strategy<Value = Statement> {
    prop_oneof![
        sample::select(&DIVERTING[..]).prop_map(|(way, text)| Statement::Divert(way, text.into())),
        sample::select(&ASIDE[..]).prop_map(|text| Statement::Aside(text.into())),
    ]
}

fn addresses(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Ipv4 => any::<u32>().prop_map(|n| IpAddr::V4(n.into())).boxed(),
        Family::Ipv6 => (any::<u128>(), 0..=128u32)
            .prop_map(|(n, shift)| IpAddr::V6(n.checked_shr(shift).unwrap_or(0).into()))
            .boxed(),
    }
}

fn families() -> impl Strategy<Value = Family> {
    sample::select(&Family::ALL[..])
}

fn networks(family: Family) -> impl Strategy<Value = Cidr> {
    (addresses(family), 0..=family.bits()).prop_map(|(ip, length)| Cidr::new(ip, length).unwrap())
}

fn intervals(family: Family) -> impl Strategy<Value = Interval> {
    let ranges = (addresses(family), addresses(family))
        .prop_map(|(a, b)| Interval { first: a.min(b), last: a.max(b) });
    prop_oneof![networks(family).prop_map(Interval::from), ranges]
}

/// Names of chains and sets, as kube-proxy and others choose them.
fn names() -> impl Strategy<Value = CompactString> {
    "[A-Za-z][A-Za-z0-9/._-]{0,40}".prop_map(CompactString::from)
}

fn comments() -> impl Strategy<Value = Option<CompactString>> {
    option::of("[^\"\\p{Cc}]{0,40}".prop_map(CompactString::from))
}

fn protocols() -> impl Strategy<Value = Protocol> {
    sample::select(&Protocol::ALL[..])
}

fn ports() -> impl Strategy<Value = Port> {
    (1..=65535i64).prop_map(|port| Port::new(port).unwrap())
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Accept),
        Just(Verdict::Drop),
        Just(Verdict::Return),
        Just(Verdict::Continue),
        names().prop_map(Verdict::Jump),
        names().prop_map(Verdict::Goto),
    ]
}

fn address_fields() -> impl Strategy<Value = (Family, Field)> {
    (families(), any::<bool>()).prop_map(|(family, source)| {
        (family, if source { Field::SourceAddress(family) } else { Field::DestinationAddress(family) })
    })
}

fn fields() -> impl Strategy<Value = Field> {
    prop_oneof![
        address_fields().prop_map(|(_, field)| field),
        Just(Field::L4Protocol),
        Just(Field::DestinationPort),
    ]
}

fn address_matches() -> impl Strategy<Value = Statement> {
    (address_fields(), any::<bool>()).prop_flat_map(|((family, field), negated)| {
        let addresses = prop_oneof![
            networks(family).prop_map(Addresses::One),
            collection::vec(intervals(family), 1..4).prop_map(Addresses::Anonymous),
            names().prop_map(Addresses::Named),
        ];
        addresses.prop_map(move |addresses| Statement::Address { field, negated, addresses })
    })
}

fn lookups() -> impl Strategy<Value = Statement> {
    // A single address in a named set is a match on that address.
    let single = prop_oneof![Just(vec![Field::L4Protocol]), Just(vec![Field::DestinationPort])];
    let keys = prop_oneof![single, collection::vec(fields(), 2..5)];
    let any_keys = collection::vec(fields(), 1..5);
    prop_oneof![
        (keys, any::<bool>(), names()).prop_map(|(key, negated, set)| Statement::InSet { key, negated, set }),
        (any_keys, names()).prop_map(|(key, map)| Statement::VerdictMap { key, map }),
        (fields(), names()).prop_map(|(field, set)| Statement::UpdateSet { set, field }),
    ]
}

fn destinations(family: Family) -> impl Strategy<Value = SocketAddr> {
    (addresses(family), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn random_choices() -> impl Strategy<Value = Statement> {
    let verdicts = collection::vec((any::<u32>(), verdicts()), 1..4);
    prop_oneof![
        (any::<u32>(), verdicts)
            .prop_map(|(modulus, verdicts)| Statement::RandomVerdict { modulus, verdicts }),
        (any::<u32>(), families()).prop_flat_map(|(modulus, family)| {
            let choices = collection::vec((any::<u32>(), destinations(family)), 1..4);
            choices.prop_map(move |destinations| Statement::RandomDnat { family, modulus, destinations })
        }),
    ]
}

fn packet_matches() -> impl Strategy<Value = Statement> {
    let states = sample::subsequence(vec!["invalid", "established", "related", "new", "untracked"], 1..=5);
    let masks = prop_oneof![any::<u32>(), Just(u32::MAX), Just(1 << 31)];
    prop_oneof![
        address_matches(),
        lookups(),
        ("[a-z0-9.]{1,14}\\*?", any::<bool>(), any::<bool>()).prop_map(|(name, by_name, negated)| {
            Statement::InInterface { by_name, negated, name: name.into() }
        }),
        states.prop_map(|s| Statement::ConntrackState(s.into_iter().map(Into::into).collect())),
        Just(Statement::ConntrackStatusDnat),
        protocols().prop_map(Statement::L4Protocol),
        (protocols(), ports()).prop_map(|(protocol, port)| Statement::DestinationPort(protocol, port)),
        (masks, any::<bool>(), any::<u32>()).prop_map(|(mask, negated, value)| Statement::Mark {
            mask,
            negated,
            value
        }),
        sample::select(vec![FibEnd::Source, FibEnd::Destination]).prop_map(Statement::FibLocal),
    ]
}

fn actions() -> impl Strategy<Value = Statement> {
    prop_oneof![
        any::<u32>().prop_map(Statement::SetMarkOr),
        any::<u32>().prop_map(Statement::SetMarkXor),
        random_choices(),
        families().prop_flat_map(destinations).prop_map(Statement::Dnat),
        any::<bool>().prop_map(|fully_random| Statement::Masquerade { fully_random }),
        Just(Statement::Reject),
        any::<(u64, u64)>().prop_map(|(packets, bytes)| Statement::Counter { packets, bytes }),
        names().prop_map(Statement::NamedCounter),
        verdicts().prop_map(Statement::Verdict),
    ]
}

fn statements(with_opaque: bool) -> BoxedStrategy<Statement> {
    let opaque = sample::select(&OPAQUE[..]).prop_map(|text| Statement::Opaque(text.into()));
    let weight = u32::from(with_opaque);
    let typed = prop_oneof![4 => packet_matches(), 4 => actions(), 1 => elsewhere()];
    if with_opaque { prop_oneof![3 => typed, weight => opaque].boxed() } else { typed.boxed() }
}

fn rules(with_opaque: bool) -> impl Strategy<Value = PlacedRule> {
    (collection::vec(statements(with_opaque), 1..5), comments())
        .prop_map(|(statements, comment)| PlacedRule { rule: Rule { statements, comment }, origin: None })
}

fn bases() -> impl Strategy<Value = BaseChain> {
    let hooks = sample::select(&Hook::ALL[..]);
    let priorities = prop_oneof![-320..320i32, any::<i32>()];
    (sample::select(vec!["filter", "nat", "route"]), hooks, priorities, any::<bool>()).prop_map(
        |(kind, hook, priority, drops_by_default)| BaseChain {
            kind: kind.into(),
            hook,
            device: None,
            priority,
            drops_by_default,
        },
    )
}

fn chains(name: CompactString, with_opaque: bool) -> impl Strategy<Value = Chain> {
    (comments(), option::of(bases()), collection::vec(rules(with_opaque), 0..4))
        .prop_map(move |(comment, base, rules)| Chain { name: name.clone(), comment, base, rules })
}

fn data(kind: &DataType) -> BoxedStrategy<Datum> {
    let of = |family| {
        prop_oneof![addresses(family).prop_map(Datum::Address), intervals(family).prop_map(Datum::from)]
            .boxed()
    };
    match kind {
        DataType::Ipv4Addr => of(Family::Ipv4),
        DataType::Ipv6Addr => of(Family::Ipv6),
        DataType::InetProto => protocols().prop_map(Datum::Protocol).boxed(),
        DataType::InetService => ports().prop_map(Datum::Port).boxed(),
        DataType::Mark => any::<u32>().prop_map(Datum::Mark).boxed(),
        DataType::InterfaceName => "[a-z][a-z0-9]{0,9}\\*?".prop_map(|t| Datum::Name(t.into())).boxed(),
        _ => "[a-z][a-z0-9]{0,8}".prop_map(|t| Datum::Word(t.into())).boxed(),
    }
}

fn elements(key: &[DataType], is_map: bool) -> impl Strategy<Value = Element> + use<> {
    let key: Vec<_> = key.iter().map(data).collect();
    (key, comments(), verdicts()).prop_map(move |(key, comment, verdict)| Element {
        key,
        comment,
        value: is_map.then_some(MapValue::Verdict(verdict)),
        opaque: None,
        origin: None,
    })
}

fn sets(name: CompactString) -> impl Strategy<Value = Set> {
    let kinds = ["ipv4_addr", "ipv6_addr", "inet_proto", "inet_service", "mark", "ifname", "ct_state"]
        .map(DataType::from_name);
    let keys = collection::vec(sample::select(kinds.to_vec()), 1..4);
    let flags = sample::subsequence(vec!["constant", "interval", "timeout"], 0..=3);
    let properties = (option::of(any::<u32>()), flags, option::of(1..u32::MAX), comments());
    (keys, any::<bool>(), properties).prop_flat_map(move |(key, is_map, properties)| {
        let name = name.clone();
        collection::vec(elements(&key, is_map), 0..8).prop_map(move |elements| {
            let (size, flags, timeout_seconds, comment) = properties.clone();
            Set {
                name: name.clone(),
                key: key.clone(),
                maps_to: is_map.then_some(DataType::Verdict),
                size,
                flags: flags.into_iter().map(Into::into).collect(),
                timeout_seconds,
                comment,
                opaque: Vec::new(),
                elements,
            }
        })
    })
}

fn tables(family: TableFamily, with_opaque: bool) -> impl Strategy<Value = Table> {
    let chain_names = collection::btree_set(names(), 0..4);
    let set_names = collection::btree_set(names(), 0..4);
    (names(), comments(), chain_names, set_names).prop_flat_map(
        move |(name, comment, chain_names, set_names)| {
            let chains: Vec<_> = chain_names.into_iter().map(|name| chains(name, with_opaque)).collect();
            let sets: Vec<_> = set_names.into_iter().map(sets).collect();
            let counters = collection::btree_map(names(), (comments(), any::<(u64, u64)>()), 0..3);
            (counters, chains, sets).prop_map(move |(counters, chains, sets)| Table {
                family,
                name: name.clone(),
                comment: comment.clone(),
                counters: (counters.into_iter())
                    .map(|(name, (comment, (packets, bytes)))| Counter { name, comment, packets, bytes })
                    .collect(),
                sets,
                chains,
                opaque: Vec::new(),
            })
        },
    )
}

/// Rulesets as nft can list them, with only statements that kube-proxy writes.
pub(crate) fn rulesets() -> impl Strategy<Value = Ruleset> {
    rulesets_with(false)
}

/// Rulesets that also have statements of others.
pub(crate) fn foreign_rulesets() -> impl Strategy<Value = Ruleset> {
    rulesets_with(true)
}

fn rulesets_with(with_opaque: bool) -> impl Strategy<Value = Ruleset> {
    sample::subsequence(vec![TableFamily::Ip, TableFamily::Ip6, TableFamily::Bridge], 1..=3).prop_flat_map(
        move |families| {
            let tables: Vec<_> = families.into_iter().map(|family| tables(family, with_opaque)).collect();
            tables.prop_map(|tables| Ruleset { tables })
        },
    )
}
