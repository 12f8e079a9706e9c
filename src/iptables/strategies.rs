//! Random rulesets for property tests.

use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;
use proptest::prelude::*;
use proptest::{collection, option, sample};

use super::parse::foreign;
use super::ruleset::{
    AddressMatch, Chain, ChainName, Counters, Destination, End, InterfaceMatch, Match, Owner, PlacedRule,
    Policy, Probability, ProtocolMatch, ProtocolName, RecentAction, Rule, Ruleset, StateSet, Table,
    TableName, Target,
};
use crate::net::{Cidr, Family, Port, Protocol};

const OPAQUE_MATCHES: [&str; 6] = [
    "-m multiport --dports 1,2:3",
    "-m tcp ! --dport 80",
    "-m set ! --match-set \"a b\" dst,dst",
    "-m limit --limit 3/sec",
    "-m nth",
    "! -f",
];

const OPAQUE_TARGETS: [&str; 4] =
    ["-j LOG --log-prefix \"x -m y: \"", "-j TRACE", "-j CT --zone 7", "-j SNAT --to-source 1.2.3.4"];

pub(crate) fn families() -> impl Strategy<Value = Family> {
    sample::select(&Family::ALL[..])
}

fn addresses(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Ipv4 => any::<std::net::Ipv4Addr>().prop_map(IpAddr::V4).boxed(),
        Family::Ipv6 => any::<[u16; 8]>()
            .prop_flat_map(|groups| {
                collection::vec(any::<bool>(), 8).prop_map(move |zero| {
                    let mut groups = groups;
                    for (group, _) in groups.iter_mut().zip(&zero).filter(|(_, zero)| **zero) {
                        *group = 0;
                    }
                    IpAddr::from(groups)
                })
            })
            .boxed(),
    }
}

fn address_matches(family: Family) -> impl Strategy<Value = AddressMatch> {
    (addresses(family), 0..=family.bits(), any::<bool>()).prop_map(|(ip, length, negated)| AddressMatch {
        negated,
        net: Cidr::new(ip, length).unwrap(),
        written: None,
    })
}

fn interface_matches() -> impl Strategy<Value = Box<InterfaceMatch>> {
    (any::<bool>(), "[a-z0-9._-]{1,14}\\+?")
        .prop_map(|(negated, name)| Box::new(InterfaceMatch { negated, name: name.into() }))
}

fn protocols() -> impl Strategy<Value = Protocol> {
    sample::select(&Protocol::ALL[..])
}

fn protocol_matches() -> impl Strategy<Value = ProtocolMatch> {
    let names = prop_oneof![
        protocols().prop_map(ProtocolName::Known),
        sample::select(&["icmp", "ipv6-icmp", "esp", "99"][..]).prop_map(|n| ProtocolName::Other(n.into())),
    ];
    (any::<bool>(), names).prop_map(|(negated, protocol)| ProtocolMatch { negated, protocol })
}

pub(crate) fn chain_names() -> impl Strategy<Value = ChainName> {
    "[A-Za-z0-9][!#-~]{0,27}".prop_map(|name| ChainName::new(&name).unwrap())
}

fn states() -> impl Strategy<Value = StateSet> {
    sample::subsequence(&StateSet::NAMES[..], 1..=7).prop_map(|names| StateSet::of(&names).unwrap())
}

fn probabilities() -> impl Strategy<Value = Probability> {
    let decimals = (0..=10_000_000_000u64).prop_map(|d| {
        Probability::parse(&format!("{}.{:010}", d / 10_000_000_000, d % 10_000_000_000)).unwrap()
    });
    prop_oneof![(1..5000u32).prop_map(Probability::one_in), decimals]
}

fn opaque<T>(texts: &'static [&'static str], wrap: fn(CompactString) -> T) -> impl Strategy<Value = T>
where
    T: std::fmt::Debug,
{
    sample::select(texts).prop_map(move |text| wrap(text.into()))
}

fn matches() -> impl Strategy<Value = Match> {
    let ends = prop_oneof![Just(End::Source), Just(End::Destination)];
    let actions = prop_oneof![
        Just(RecentAction::Set),
        any::<u32>().prop_map(|seconds| RecentAction::Check { seconds }),
    ];
    let ports = option::of((1..=65535i64).prop_map(|port| Port::new(port).unwrap()));
    prop_oneof![
        "[^\\p{Cc}]{0,40}".prop_map(|text| Match::Comment(text.into())),
        (protocols(), ports)
            .prop_map(|(protocol, destination_port)| Match::Transport { protocol, destination_port }),
        (any::<bool>(), states()).prop_map(|(negated, states)| Match::ConntrackState { negated, states }),
        (any::<bool>(), any::<u32>(), prop_oneof![Just(u32::MAX), any::<u32>()])
            .prop_map(|(negated, value, mask)| Match::Mark { negated, value, mask }),
        (ends, any::<bool>()).prop_map(|(end, negated)| Match::AddressType { end, negated }),
        probabilities().prop_map(Match::Probability),
        ("[A-Z0-9-]{1,28}", actions)
            .prop_map(|(list, action)| Match::Recent { list: ChainName::new(&list).unwrap(), action }),
        "[a-z_]{1,31}".prop_map(|name| Match::Nfacct(name.into())),
        opaque(&OPAQUE_MATCHES, foreign::read_match),
    ]
}

fn targets(family: Family, chains: Vec<ChainName>) -> impl Strategy<Value = Target> {
    let chains = sample::select(chains);
    prop_oneof![
        chains.clone().prop_map(Target::Jump),
        chains.prop_map(Target::Goto),
        Just(Target::Accept),
        Just(Target::Drop),
        Just(Target::Return),
        Just(Target::Reject),
        any::<(u32, u32)>().prop_map(|(value, mask)| Target::SetMark { value, mask }),
        any::<bool>().prop_map(|random_fully| Target::Masquerade { random_fully }),
        (addresses(family), any::<u16>()).prop_map(|(ip, port)| Target::Dnat(Destination {
            address: SocketAddr::new(ip, port),
            written: None
        })),
        opaque(&OPAQUE_TARGETS, foreign::read_target),
    ]
}

fn rules(family: Family, chains: Vec<ChainName>) -> impl Strategy<Value = PlacedRule> {
    let heads = (
        option::of(address_matches(family)),
        option::of(address_matches(family)),
        option::of(interface_matches()),
        option::of(interface_matches()),
        option::of(protocol_matches()),
    );
    let counters = option::of(any::<(u64, u64)>());
    (heads, collection::vec(matches(), 0..4), option::of(targets(family, chains)), counters).prop_map(
        |((source, destination, in_interface, out_interface, protocol), matches, target, counters)| {
            PlacedRule {
                rule: Rule { source, destination, in_interface, out_interface, protocol, matches, target },
                origin: None,
                counters: counters.map(|(packets, bytes)| Counters { packets, bytes }),
            }
        },
    )
}

fn chains(
    family: Family,
    table: TableName,
    name: ChainName,
    all: Vec<ChainName>,
) -> impl Strategy<Value = Chain> {
    let owner = Owner::of(table, name.as_str());
    let policies = if owner == Owner::Kernel {
        sample::select(vec![Some(Policy::Accept), Some(Policy::Drop)])
    } else {
        sample::select(vec![None])
    };
    (policies, collection::vec(rules(family, all), 0..4)).prop_map(move |(policy, rules)| Chain {
        name,
        policy,
        rules,
        owner,
        counters: Counters::default(),
    })
}

fn tables(family: Family, name: TableName) -> impl Strategy<Value = Table> {
    collection::btree_set(chain_names(), 0..5).prop_flat_map(move |others| {
        let mut names: Vec<ChainName> = name.builtin_chains().iter().map(|c| ChainName::fixed(c)).collect();
        let others: Vec<ChainName> = others.into_iter().filter(|c| !names.contains(c)).collect();
        names.extend(others);
        let chains: Vec<_> = names.iter().map(|c| chains(family, name, *c, names.clone())).collect();
        chains.prop_map(move |chains| Table { name, chains })
    })
}

/// Rulesets as `iptables-save` can print them.
pub(crate) fn rulesets() -> impl Strategy<Value = Ruleset> {
    (families(), sample::subsequence(&TableName::ALL[..], 1..=5)).prop_flat_map(|(family, names)| {
        let tables: Vec<_> = names.into_iter().map(|name| tables(family, name)).collect();
        tables.prop_map(move |tables| Ruleset { family, tables })
    })
}
