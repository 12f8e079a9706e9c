//! Matches and targets that kube-proxy never writes and that rulesets keep as text: as far as they can be understood,
//! so that a foreign rule is not called unknown without need.

use std::net::IpAddr;

use crate::net::{Cidr, Port, Protocol};

use super::outcome::Answer;
use super::packet::View;
use super::rule_part::{Action, Match, MatchKind, RulePart};
use crate::node::Host;

/// Targets that let a packet go on to the next rule and change nothing that the walk follows
/// (iptables-extensions(8)).
const HARMLESS: [&str; 22] = [
    "LOG",
    "NFLOG",
    "ULOG",
    "TCPMSS",
    "TRACE",
    "AUDIT",
    "CHECKSUM",
    "DSCP",
    "TOS",
    "CLASSIFY",
    "TTL",
    "HL",
    "CONNMARK",
    "CONNSECMARK",
    "SECMARK",
    "SET",
    "IDLETIMER",
    "RATEEST",
    "LED",
    "TEE",
    "TCPOPTSTRIP",
    "ECN",
];

/// Whether a target of iptables lets a packet go on unchanged.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
}

/// What an opaque target of iptables does; `text` begins with `-j` or `-g`.
pub(super) fn iptables_target(text: &str) -> RulePart<'_> {
    let mut words = text.split_whitespace();
    let jump = words.next().unwrap_or_default();
    let name = words.next().unwrap_or_default();
    if is_harmless(name) {
        return connmark(name, text);
    }
    RulePart::Action(match name {
        "REJECT" => Action::Reject(reject_answer(text)),
        "SNAT" if jump == "-j" => Action::Snat,
        "NETMAP" if jump == "-j" => match option(text, "--to").and_then(Cidr::parse_lenient) {
            Some(net) => Action::Netmap(net),
            None => Action::Unknown(text),
        },
        "MASQUERADE" => Action::Masquerade,
        "REDIRECT" => Action::Redirect(option(text, "--to-ports").and_then(Port::parse)),
        "DNAT" => dnat(text),
        "NOTRACK" => Action::Untrack,
        "CT" if text.contains("--notrack") => Action::Untrack,
        "CT" => return RulePart::Nothing,
        _ => Action::Unknown(text),
    })
}

/// A new connection's mark is 0, so that restoring it clears the packet's.
fn connmark<'r>(name: &str, text: &'r str) -> RulePart<'r> {
    if name != "CONNMARK" || !text.contains("--restore-mark") {
        return RulePart::Nothing;
    }
    let mask =
        option(text, "--nfmask").or_else(|| option(text, "--mask")).and_then(number).unwrap_or(u32::MAX);
    RulePart::Action(Action::SetMark { keep: !mask, flip: 0 })
}

fn dnat(text: &str) -> Action<'_> {
    let to = option(text, "--to-destination").unwrap_or_default();
    if let Ok(address) = to.parse() {
        return Action::Dnat(address);
    }
    Action::Unknown(text)
}

fn reject_answer(text: &str) -> Answer {
    match option(text, "--reject-with") {
        None | Some("icmp-port-unreachable" | "icmp6-port-unreachable" | "port-unreach") => {
            Answer::PortUnreachable
        }
        Some("tcp-reset") => Answer::TcpReset,
        Some(_) => Answer::OtherIcmp,
    }
}

/// Whether a packet passes an opaque match of iptables; none where that is not known. `text` begins with `-m`.
pub(super) fn iptables_match(text: &str, view: &View, host: &Host) -> Option<bool> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (module, options) = match words.as_slice() {
        ["-m", module, options @ ..] | ["!", "-m", module, options @ ..] => (*module, options),
        _ => return None,
    };
    let mut passes = true;
    let mut options = options;
    while !options.is_empty() {
        let negated = options.first() == Some(&"!");
        let rest = options.get(usize::from(negated)..)?;
        let (name, arguments) = rest.split_first()?;
        let length = arguments
            .iter()
            .position(|word| word.starts_with("--") || *word == "!")
            .unwrap_or(arguments.len());
        let (arguments, after) = arguments.split_at_checked(length)?;
        passes &= iptables_option(module, name, arguments, view, host)? != negated;
        options = after;
    }
    Some(passes)
}

fn iptables_option(module: &str, name: &str, arguments: &[&str], view: &View, host: &Host) -> Option<bool> {
    let first = arguments.first().copied().unwrap_or_default();
    match (module, name) {
        ("comment", _) => Some(true),
        ("multiport", "--dports" | "--destination-ports") => port_in(first, view.destination.port()),
        ("tcp" | "udp" | "sctp", "--dport") => {
            let protocol = Protocol::from_lower_name(module)?;
            Some(protocol == view.protocol && port_in(first, view.destination.port())?)
        }
        ("tcp", "--syn") => Some(view.protocol == Protocol::Tcp),
        ("tcp", "--tcp-flags") => {
            Some(view.protocol == Protocol::Tcp && first_packet_has(first, arguments.get(1).copied()?))
        }
        ("tcp" | "udp" | "sctp", _) if module != view.protocol.lower_name() => Some(false),
        ("icmp" | "icmp6" | "icmpv6", _) => Some(false),
        ("state" | "conntrack", "--state" | "--ctstate") => Some(has_state(first, view)),
        ("addrtype", "--src-type") => address_type(first, view.source, host),
        ("addrtype", "--dst-type") => address_type(first, view.destination.ip(), host),
        _ => None,
    }
}

/// Whether the flags of a first packet, SYN alone, are those of `--tcp-flags EXAMINED SET`.
fn first_packet_has(examined: &str, set: &str) -> bool {
    let holds_syn = |list: &str| list.split(',').any(|flag| flag == "SYN" || flag == "ALL");
    let others_set = set.split(',').any(|flag| {
        !matches!(flag, "SYN" | "NONE") && (flag == "ALL" || examined.contains(flag) || examined == "ALL")
    });
    !others_set && holds_syn(set) == holds_syn(examined)
}

pub(super) fn has_state(list: &str, view: &View) -> bool {
    list.split(',').any(|name| {
        name.eq_ignore_ascii_case(view.tracking.state_name())
            || (name.eq_ignore_ascii_case("DNAT") && view.translated)
    })
}

fn address_type(list: &str, ip: IpAddr, host: &Host) -> Option<bool> {
    let mut known = true;
    for kind in list.split(',') {
        let holds = match kind {
            "LOCAL" => host.is_local(ip),
            "MULTICAST" => ip.is_multicast(),
            "UNICAST" => !host.is_local(ip) && !ip.is_multicast(),
            "UNSPEC" => ip.is_unspecified(),
            _ => {
                known = false;
                continue;
            }
        };
        if holds {
            return Some(true);
        }
    }
    known.then_some(false)
}

/// Whether a port is one of a comma list of ports and of ranges `a:b` or `a-b`.
pub(super) fn port_in(list: &str, port: u16) -> Option<bool> {
    let mut found = false;
    for item in list.split(',').map(str::trim) {
        let (low, high) = item.split_once([':', '-']).unwrap_or((item, item));
        let low = if low.is_empty() { 0 } else { low.parse().ok()? };
        let high = if high.is_empty() { u16::MAX } else { high.parse().ok()? };
        found |= (low..=high).contains(&port);
    }
    Some(found)
}

fn option<'r>(text: &'r str, name: &str) -> Option<&'r str> {
    let mut words = text.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()
}

pub(super) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Names and numbers of the protocol of a packet.
pub(super) fn is_protocol(name: &str, protocol: Protocol) -> bool {
    name == "all" || name == protocol.lower_name() || name.parse() == Ok(protocol.number())
}

/// An opaque match of iptables or statement of nftables as a test.
pub(super) fn unknown(text: &str) -> RulePart<'_> {
    RulePart::Match(Match { negated: false, kind: MatchKind::Opaque(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View::from_outside("10.0.0.1:9101")
    }

    #[test]
    fn common_foreign_matches_are_understood() {
        let host = Host { addresses: vec!["10.0.0.1".parse().unwrap()], ..Host::default() };
        let matches = |text| iptables_match(text, &view(), &host);
        assert_eq!(matches("-m multiport --dports 9100,9101"), Some(true));
        assert_eq!(matches("-m multiport ! --dports 9100:9200"), Some(false));
        assert_eq!(matches("-m udp --dport 1:65535"), Some(false));
        assert_eq!(matches("-m tcp --tcp-flags SYN,RST SYN"), Some(true));
        assert_eq!(matches("-m tcp --tcp-flags FIN,SYN,RST,ACK RST"), Some(false));
        assert_eq!(matches("-m state --state RELATED,ESTABLISHED"), Some(false));
        assert_eq!(matches("-m addrtype --dst-type MULTICAST,LOCAL"), Some(true));
        assert_eq!(matches("-m addrtype --dst-type BROADCAST"), None);
        assert_eq!(matches("-m limit --limit 10/min"), None);
        assert_eq!(matches("-m set --match-set x src"), None);
    }

    #[test]
    fn common_foreign_targets_are_understood() {
        let is = |text, expected: &str| {
            let part = format!("{:?}", iptables_target(text));
            assert!(part.starts_with(expected), "{text}: {part}");
        };
        is("-j LOG --log-prefix \"ssh: \"", "Nothing");
        is("-j REJECT --reject-with tcp-reset", "Action(Reject(TcpReset))");
        is("-j SNAT --to-source 10.0.0.1", "Action(Snat)");
        is("-j NOTRACK", "Action(Untrack)");
        is("-j DNAT --to-destination :0", "Action(Unknown");
        is("-j NFQUEUE --queue-num 1", "Action(Unknown");
        is("-j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xf0", "Action(SetMark { keep: 4294967055");
    }
}
