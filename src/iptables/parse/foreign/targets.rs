//! Reads targets.

use super::options::{Given, Options};
use super::values;
use crate::iptables::foreign::{Alteration, MarkOf, Means, RejectAnswer, Translation};

/// Targets that let a packet go on and change nothing that rules can match on (iptables-extensions(8)).
const HARMLESS: [&str; 16] = [
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNSECMARK",
    "IDLETIMER",
    "LED",
    "LOG",
    "NFLOG",
    "RATEEST",
    "SECMARK",
    "TCPMSS",
    "TEE",
    "TRACE",
    "ULOG",
    "ECN",
    "TCPOPTSTRIP",
];

/// Targets that change something that is only matched by matches that are not known in any case.
const ALTERING: [&str; 4] = ["DSCP", "HL", "TOS", "TTL"];

/// Reads a target from `-j` on.
pub(super) fn read(text: &str) -> Means {
    let mut options = Options::of(text);
    let jump = options.word().is_some_and(|word| word == "-j" || word == "--jump");
    let Some(name) = options.word().filter(|_| jump) else { return Means::Unknown };
    let mut given = Vec::new();
    while let Some(option) = options.option() {
        given.push(option);
    }
    if given.iter().any(|option| option.negated) {
        return Means::Unknown;
    }
    known(&name, &given).unwrap_or(Means::Unknown)
}

fn known(name: &str, given: &[Given]) -> Option<Means> {
    Some(match name {
        name if HARMLESS.contains(&name) => Means::Nothing,
        "TTL" | "HL" if expires(given) => Means::Expires,
        name if ALTERING.contains(&name) => Means::Alters,
        "REJECT" => Means::Reject(reject(given)?),
        "MARK" => Means::Mark(mark(MarkOf::Packet, given)?),
        "CONNMARK" => connection_mark(given)?,
        "SNAT" => Means::Source(translation(given, "--to-source")?),
        "DNAT" => Means::Destination(translation(given, "--to-destination")?),
        "MASQUERADE" => masquerade(given)?,
        "REDIRECT" => redirect(given)?,
        "NETMAP" => match given {
            [to] if to.name == "--to" => Means::Netmap(values::network(to.value()?)?),
            _ => return None,
        },
        "NOTRACK" if given.is_empty() => Means::Untrack,
        "CT" => conntrack(given)?,
        "SET" => changed_set(given)?,
        "HMARK" => Means::SetsMark,
        "DNPT" | "SNPT" => Means::Rewrites,
        "TPROXY" => Means::ToSocket,
        "NFQUEUE" | "QUEUE" => Means::Queue,
        _ => return None,
    })
}

fn reject(given: &[Given]) -> Option<RejectAnswer> {
    match given {
        [] => Some(RejectAnswer::PortUnreachable),
        [with] if with.name == "--reject-with" => Some(match with.value()? {
            "icmp-port-unreachable" | "icmp6-port-unreachable" | "port-unreach" => {
                RejectAnswer::PortUnreachable
            }
            "tcp-reset" | "tcp-rst" => RejectAnswer::TcpReset,
            answer if answer.starts_with("icmp") => RejectAnswer::OtherIcmp,
            _ => return None,
        }),
        _ => None,
    }
}

/// `--set-mark`, `--set-xmark`, `--and-mark`, `--or-mark`, `--xor-mark` of either target.
fn mark(of: MarkOf, given: &[Given]) -> Option<Alteration> {
    let [option] = given else { return None };
    let (value, mask) = values::masked(option.value()?)?;
    let (keep, flip) = match (option.name.as_str(), mask) {
        ("--set-xmark", mask) => (!mask.unwrap_or(u32::MAX), value),
        ("--set-mark", mask) => (!(value | mask.unwrap_or(u32::MAX)), value),
        ("--or-mark", None) => (!value, value),
        ("--xor-mark", None) => (u32::MAX, value),
        ("--and-mark", None) => (value, 0),
        _ => return None,
    };
    Some(Alteration { of, keep, other: 0, flip })
}

fn connection_mark(given: &[Given]) -> Option<Means> {
    let [does, masks @ ..] = given else { return None };
    let of = match does.name.as_str() {
        "--save-mark" if does.is_bare() => MarkOf::Connection,
        "--restore-mark" if does.is_bare() => MarkOf::Packet,
        _ => return mark(MarkOf::Connection, given).map(Means::Mark),
    };
    let (mut of_packet, mut of_connection) = (u32::MAX, u32::MAX);
    // A mark that is moved by some bits is not followed.
    if of == MarkOf::Packet && masks.iter().any(|option| option.name.ends_with("-shift-mark")) {
        return Some(Means::SetsMark);
    }
    for option in masks {
        let mask = values::number(option.value()?)?;
        match option.name.as_str() {
            "--nfmask" => of_packet = mask,
            "--ctmask" => of_connection = mask,
            "--mask" => (of_packet, of_connection) = (mask, mask),
            _ => return None,
        }
    }
    Some(Means::Mark(match of {
        MarkOf::Connection => Alteration { of, keep: !of_connection, other: of_packet, flip: 0 },
        MarkOf::Packet => Alteration { of, keep: !of_packet, other: of_connection, flip: 0 },
    }))
}

/// Whether a packet may have no lifetime left: packets begin with 64 or more.
fn expires(given: &[Given]) -> bool {
    const MOST_TAKEN: u32 = 32;
    given.iter().any(|option| {
        let number = option.value().and_then(values::number).unwrap_or_default();
        match option.name.as_str() {
            "--ttl-set" | "--hl-set" => number <= 1,
            "--ttl-dec" | "--hl-dec" => number > MOST_TAKEN,
            _ => false,
        }
    })
}

fn masquerade(given: &[Given]) -> Option<Means> {
    let (mut ports, mut random) = (None, false);
    for option in given {
        match option.name.as_str() {
            "--to-ports" => ports = Some(values::port_range(option.value()?, '-')?),
            _ if is_random(option) => random = true,
            _ => return None,
        }
    }
    Some(Means::Masquerade { ports, random })
}

fn redirect(given: &[Given]) -> Option<Means> {
    match given {
        [] => Some(Means::Redirect),
        // The port of a destination is chosen from a range alone.
        random if random.iter().all(is_random) => Some(Means::Redirect),
        [to, random @ ..] if to.name == "--to-ports" && random.iter().all(is_random) => {
            let (first, last) = values::port_range(to.value()?, '-')?;
            Some(Means::RedirectTo { first, last, random: !random.is_empty() })
        }
        _ => None,
    }
}

/// Which port of a range it is: any may be.
fn is_random(option: &Given) -> bool {
    option.is_bare() && matches!(option.name.as_str(), "--random" | "--random-fully")
}

fn translation(given: &[Given], option: &str) -> Option<Translation> {
    let [to, flags @ ..] = given else { return None };
    if to.name != option {
        return None;
    }
    let known = |flag: &Given| {
        flag.is_bare() && matches!(flag.name.as_str(), "--random" | "--random-fully" | "--persistent")
    };
    if !flags.iter().all(known) {
        return None;
    }
    let random = flags.iter().any(|flag| flag.name != "--persistent");
    let (addresses, ports) = ends(to.value()?)?;
    // With a base, the port is counted from it (`--to-destination 10.0.0.1:1000-1099/80`).
    let (ports, base) = match ports {
        Some(ports) => match ports.split_once('/') {
            Some((ports, base)) => (Some(ports), Some(base.parse::<u16>().ok()?)),
            None => (Some(ports), None),
        },
        None => (None, None),
    };
    let ports = match ports {
        Some(ports) => Some(values::port_range(ports, '-').filter(|(first, _)| *first > 0)?),
        None => None,
    };
    let addresses = match addresses {
        "" => None,
        addresses => {
            let (first, last) = addresses.split_once('-').unwrap_or((addresses, addresses));
            Some((values::address(first)?, values::address(last)?))
        }
    };
    (addresses.is_some() || ports.is_some()).then_some(Translation { addresses, ports, base, random })
}

/// The addresses and the ports of `10.0.0.1-10.0.0.9:80-90`, `[fd00::1]:80`, `fd00::1`, `:80`.
fn ends(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (addresses, ports) = rest.split_once(']')?;
        return match ports {
            "" => Some((addresses, None)),
            ports => Some((addresses, Some(ports.strip_prefix(':')?))),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Some((text, None)),
        Some((addresses, ports)) => Some((addresses, Some(ports))),
        None => Some((text, None)),
    }
}

fn conntrack(given: &[Given]) -> Option<Means> {
    let known = |option: &Given| {
        matches!(
            option.name.as_str(),
            "--helper"
                | "--timeout"
                | "--ctevents"
                | "--expevents"
                | "--zone"
                | "--zone-orig"
                | "--zone-reply"
        ) && option.value().is_some()
    };
    match given {
        [only] if only.name == "--notrack" && only.is_bare() => Some(Means::Untrack),
        options if options.iter().all(known) => Some(Means::Template),
        _ => None,
    }
}

fn changed_set(given: &[Given]) -> Option<Means> {
    let [change, rest @ ..] = given else { return None };
    let known = |option: &Given| matches!(option.name.as_str(), "--exist" | "--timeout");
    match (change.name.as_str(), change.values.as_slice()) {
        ("--add-set" | "--del-set", [name, _]) if rest.iter().all(known) => {
            Some(Means::ChangesSet(name.clone()))
        }
        ("--map-set", [_, _]) => match rest.iter().any(|option| option.name == "--map-mark") {
            true => Some(Means::SetsMark),
            false => Some(Means::Nothing),
        },
        _ => None,
    }
}
