//! Reads matches.

use compact_str::CompactString;

use super::options::{Given, Options};
use super::{conntrack, values};
use crate::iptables::foreign::{Crossing, RecentDoes, RecentList, Test, TestKind, WayBackTest};
use crate::iptables::probability::Probability;
use crate::iptables::values::End;
use crate::net::Protocol;

/// Modules that match on something that is not known of the packet and is the same on all of its way.
const CONSTANT: [&str; 10] =
    ["cgroup", "connlabel", "cpu", "helper", "length", "mac", "osf", "policy", "string", "time"];

/// Modules that ask for a header behind that of IPv6, which no packet that is followed has.
const OF_EXTENSION_HEADERS: [&str; 5] = ["dst", "frag", "hbh", "mh", "rt"];

/// What must hold, all of it; a text that is not a match is one thing that is not known.
pub(super) fn read(text: &str) -> Vec<Test> {
    let mut options = Options::of(text);
    let Some(module) = module(&mut options) else { return vec![not_known(text.into())] };
    let Some(module) = module else {
        let negated = text.trim_start().starts_with('!');
        return vec![Test { negated, kind: TestKind::Fragment }];
    };
    let mut given = Vec::new();
    while let Some(option) = options.option() {
        given.push(option);
    }
    whole(&module, text, &given).unwrap_or_else(|| {
        let test = |given: &Given| {
            one(&module, given).unwrap_or_else(|| Test {
                negated: given.negated,
                kind: TestKind::Unknown(given.text(&module)),
            })
        };
        let protocol = is_protocol(&module).then(|| yes(TestKind::Protocol(module.clone())));
        let tests: Vec<Test> = protocol.into_iter().chain(given.iter().map(test)).collect();
        if tests.is_empty() { vec![not_known(text.into())] } else { tests }
    })
}

/// The name of the module; none inside for `-f`, none outside for what is not a match.
fn module(options: &mut Options) -> Option<Option<CompactString>> {
    let mut word = options.word()?;
    if word == "!" {
        word = options.word()?;
    }
    match word.as_str() {
        "-m" | "--match" => options.word().map(Some),
        "-f" | "--fragment" => options.word().is_none().then_some(None),
        _ => None,
    }
}

fn yes(kind: TestKind) -> Test {
    Test { negated: false, kind }
}

fn not_known(text: CompactString) -> Test {
    yes(TestKind::Unknown(text))
}

fn is_protocol(module: &str) -> bool {
    matches!(module, "tcp" | "udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmp6" | "icmpv6" | "ah" | "esp")
}

/// Modules whose options together make one question.
fn whole(module: &str, text: &str, given: &[Given]) -> Option<Vec<Test>> {
    let kind = match module {
        "comment" => return Some(Vec::new()),
        "limit" => limit(text, given, ("--limit", "--limit"), &["--limit-burst"]),
        "hashlimit" => limit(text, given, ("--hashlimit-upto", "--hashlimit-above"), &OF_HASHLIMIT),
        "connlimit" => limit(text, given, ("--connlimit-upto", "--connlimit-above"), &OF_CONNLIMIT),
        "quota" => limit(text, given, ("--quota", "--quota"), &[]),
        "rpfilter" => return reverse_path(given),
        "statistic" => return statistic(given),
        "recent" => return recent(text, given),
        "addrtype" => return address_types(given),
        "set" => return set(given),
        module if OF_EXTENSION_HEADERS.contains(&module) => Some(TestKind::Protocol(module.into())),
        module if CONSTANT.contains(&module) => Some(TestKind::Constant(text.into())),
        _ => None,
    };
    kind.map(|kind| vec![yes(kind)])
}

/// What a limit counts and remembers: the first packet is within it whatever these are.
const OF_HASHLIMIT: [&str; 11] = [
    "--hashlimit-burst",
    "--hashlimit-mode",
    "--hashlimit-name",
    "--hashlimit-srcmask",
    "--hashlimit-dstmask",
    "--hashlimit-htable-size",
    "--hashlimit-htable-max",
    "--hashlimit-htable-expire",
    "--hashlimit-htable-gcinterval",
    "--hashlimit-rate-match",
    "--hashlimit-rate-interval",
];
const OF_CONNLIMIT: [&str; 3] = ["--connlimit-mask", "--connlimit-saddr", "--connlimit-daddr"];

/// `until` passes until the limit is reached, `above` from then on.
fn limit(text: &str, given: &[Given], (until, above): (&str, &str), beside: &[&str]) -> Option<TestKind> {
    let (bounds, others): (Vec<&Given>, Vec<&Given>) =
        given.iter().partition(|option| option.name == until || option.name == above);
    let [option] = bounds.as_slice() else { return None };
    if others.iter().any(|option| option.negated || !beside.contains(&option.name.as_str())) {
        return None;
    }
    let number = option.value()?;
    let passes = (option.name == until) != option.negated;
    // One connection is above none.
    let is_never_kept = option.name.starts_with("--connlimit") && values::number(number) == Some(0);
    Some(TestKind::Limit { text: text.into(), until: passes != is_never_kept })
}

fn reverse_path(given: &[Given]) -> Option<Vec<Test>> {
    const OPTIONS: [&str; 4] = ["--loose", "--validmark", "--accept-local", "--invert"];
    let known =
        |option: &Given| option.is_bare() && !option.negated && OPTIONS.contains(&option.name.as_str());
    if !given.iter().all(known) {
        return None;
    }
    let has = |name: &str| given.iter().any(|option| option.name == name);
    let asked = WayBackTest {
        loose: has("--loose"),
        valid_mark: has("--validmark"),
        accept_local: has("--accept-local"),
    };
    Some(vec![Test { negated: has("--invert"), kind: TestKind::ReversePath(asked) }])
}

fn statistic(given: &[Given]) -> Option<Vec<Test>> {
    let value = |name: &str| given.iter().find(|option| option.name == name && !option.negated)?.value();
    let test = |negated, units, of| vec![Test { negated, kind: TestKind::Chance { units, of } }];
    match (value("--mode")?, given) {
        ("random", [_, chance]) if chance.name == "--probability" => {
            let units = Probability::parse(chance.value()?)?.units();
            Some(test(chance.negated, u64::from(units), 1 << 31))
        }
        ("nth", [_, every, rest @ ..]) if every.name == "--every" => {
            let n: u32 = every.value()?.parse().ok()?;
            let packet = rest.iter().all(|option| option.name == "--packet" && option.value().is_some());
            (packet && n > 0).then(|| test(every.negated, 1, u64::from(n)))
        }
        _ => None,
    }
}

fn recent(text: &str, given: &[Given]) -> Option<Vec<Test>> {
    let mut list = RecentList { name: "DEFAULT".into(), end: End::Source, mask: None };
    let (mut does, mut sets, mut negated, mut hits) = (None, false, false, 1);
    for option in given {
        match (option.name.as_str(), option.value()) {
            ("--name", Some(name)) => list.name = name.into(),
            ("--mask", Some(mask)) => list.mask = Some(values::address(mask)?),
            ("--rsource", None) => list.end = End::Source,
            ("--rdest", None) => list.end = End::Destination,
            ("--set", None) => (sets, negated) = (true, option.negated),
            ("--rcheck", None) => (does, negated) = (Some(RecentDoes::Check), option.negated),
            ("--update", None) => (does, negated) = (Some(RecentDoes::Update), option.negated),
            ("--remove", None) => (does, negated) = (Some(RecentDoes::Remove), option.negated),
            ("--hitcount", Some(count)) => hits = count.parse().ok()?,
            ("--seconds", Some(_)) | ("--reap", None) => {}
            // Other options (`--rttl`) ask for more than who was seen.
            _ => return Some(vec![not_known(text.into())]),
        }
    }
    match (does, sets) {
        (None, true) => Some(vec![Test { negated, kind: TestKind::RecentSet(list) }]),
        (Some(does), false) => Some(vec![Test { negated, kind: TestKind::Recent { list, hits, does } }]),
        _ => None,
    }
}

fn address_types(given: &[Given]) -> Option<Vec<Test>> {
    let is_limit = |option: &&Given| option.is_bare() && option.name.starts_with("--limit-iface-");
    let limits: Vec<&Given> = given.iter().filter(is_limit).collect();
    let limit = match limits.as_slice() {
        [] => None,
        [only] if only.name == "--limit-iface-in" && !only.negated => Some(Crossing::In),
        [only] if only.name == "--limit-iface-out" && !only.negated => Some(Crossing::Out),
        _ => return None,
    };
    let test = |option: &Given| {
        let end = match option.name.as_str() {
            "--src-type" => End::Source,
            "--dst-type" => End::Destination,
            _ => return None,
        };
        let types = option.value()?.split(',').map(CompactString::from).collect();
        Some(Test { negated: option.negated, kind: TestKind::AddressType { end, types, limit } })
    };
    given.iter().filter(|option| !is_limit(option)).map(test).collect()
}

fn set(given: &[Given]) -> Option<Vec<Test>> {
    // Updating or comparing counters makes it a different question.
    const EXCEPTIONS: &str = "--return-nomatch";
    const PLAIN: [&str; 3] = [EXCEPTIONS, "--update-counters", "--update-subcounters"];
    let [option, rest @ ..] = given else { return None };
    let harmless = |option: &Given| option.is_bare() && PLAIN.contains(&option.name.as_str());
    let [name, ends] = option.values.as_slice() else { return None };
    if option.name != "--match-set" || !rest.iter().all(harmless) {
        return None;
    }
    let end = |text: &str| match text {
        "src" => Some(End::Source),
        "dst" => Some(End::Destination),
        _ => None,
    };
    let ends = ends.split(',').map(end).collect::<Option<Vec<_>>>()?;
    let exceptions = rest.iter().any(|option| option.name == EXCEPTIONS);
    Some(vec![Test { negated: option.negated, kind: TestKind::Set { name: name.clone(), ends, exceptions } }])
}

/// One option of a module whose options are independent.
fn one(module: &str, given: &Given) -> Option<Test> {
    let kind = match module {
        "conntrack" => return conntrack::option(given),
        "state" if given.name == "--state" => conntrack::state(given)?,
        "connmark" if given.name == "--mark" => {
            let (value, mask) = values::masked(given.value()?)?;
            TestKind::ConnectionMark { value, mask: mask.unwrap_or(u32::MAX) }
        }
        "multiport" => ports(given, None)?,
        "tcp" if given.name == "--syn" && given.is_bare() => TestKind::TcpFlags { examined: 0x17, set: 0x02 },
        "tcp" if given.name == "--tcp-flags" => {
            let [examined, set] = given.values.as_slice() else { return None };
            TestKind::TcpFlags { examined: flags(examined)?, set: flags(set)? }
        }
        "tcp" | "udp" | "sctp" => ports(given, Protocol::from_lower_name(module))?,
        // They come after their protocol, and no packet that is followed has that.
        "icmp" | "icmp6" | "icmpv6" | "ah" | "esp" | "dccp" | "udplite" => TestKind::Protocol(module.into()),
        "iprange" => address_range(given)?,
        "pkttype" if given.name == "--pkt-type" => TestKind::PacketType(given.value()?.into()),
        "owner" => TestKind::Owner(given.text(module)),
        _ => return None,
    };
    Some(Test { negated: given.negated, kind })
}

fn ports(given: &Given, protocol: Option<Protocol>) -> Option<TestKind> {
    let end = match given.name.as_str() {
        "--dport" | "--destination-port" | "--dports" | "--destination-ports" => Some(End::Destination),
        "--sport" | "--source-port" | "--sports" | "--source-ports" => Some(End::Source),
        "--ports" | "--port" if protocol.is_none() => None,
        _ => return None,
    };
    let several = protocol.is_none();
    let ranges = match several {
        true => values::ports(given.value()?)?,
        false => vec![values::port_range(given.value()?, ':')?],
    };
    Some(TestKind::Ports { end, protocol, ranges })
}

/// Bits of the TCP header, by their names.
fn flags(names: &str) -> Option<u8> {
    names.split(',').try_fold(0, |bits, name| {
        Some(
            bits | match name {
                "FIN" => 0x01,
                "SYN" => 0x02,
                "RST" => 0x04,
                "PSH" => 0x08,
                "ACK" => 0x10,
                "URG" => 0x20,
                "ALL" => 0x3f,
                "NONE" => 0,
                _ => return None,
            },
        )
    })
}

fn address_range(given: &Given) -> Option<TestKind> {
    let end = match given.name.as_str() {
        "--src-range" => End::Source,
        "--dst-range" => End::Destination,
        _ => return None,
    };
    let value = given.value()?;
    let (first, last) = value.split_once('-').unwrap_or((value, value));
    Some(TestKind::AddressRange { end, first: values::address(first)?, last: values::address(last)? })
}
