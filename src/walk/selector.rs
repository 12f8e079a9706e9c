//! The value that a packet has for a selector of nftables.

use std::net::IpAddr;

use crate::net::{Family, Protocol};
use crate::nftables::ruleset::{
    Comparison, Datum, Direction, Expression, Header, Selector, is_extension_field,
};

use super::packet::{Interface, SourcePort, Tracking, View};
use super::packet_state::{PacketState, Phase};
use super::rule_part::InterfaceDirection;
use super::value::Value;

/// The value; none if the packet has no such thing, so that the rule ends (`NFT_BREAK` in the kernel).
pub(super) fn value(selector: &Selector, state: &PacketState<'_>) -> Option<Value> {
    let view = &state.view;
    match selector {
        Selector::Payload(header, field) => payload(*header, field, view),
        Selector::Meta(key) => meta(key, state),
        Selector::Conntrack(direction, key) => conntrack(*direction, key, state),
        Selector::Fib(keys, _) => Some(way(keys)),
        Selector::Other(words) => other(words, view),
    }
}

fn payload(header: Header, field: &str, view: &View) -> Option<Value> {
    let family = Family::of(view.source);
    let of = |wanted, value| (family == wanted).then_some(value);
    let with = |protocol: Protocol| (view.protocol == protocol).then(|| transport(field, view));
    let protocol = Value::number(u64::from(view.protocol.number()));
    match (header, field) {
        (Header::Ip, "saddr") => of(Family::Ipv4, Value::Address(view.source)),
        (Header::Ip, "daddr") => of(Family::Ipv4, Value::Address(view.destination.ip())),
        (Header::Ip6, "saddr") => of(Family::Ipv6, Value::Address(view.source)),
        (Header::Ip6, "daddr") => of(Family::Ipv6, Value::Address(view.destination.ip())),
        (Header::Ip, "protocol") => of(Family::Ipv4, protocol),
        (Header::Ip6, "nexthdr") => of(Family::Ipv6, protocol),
        (Header::Ip, "version") => of(Family::Ipv4, Value::number(4)),
        (Header::Ip6, "version") => of(Family::Ipv6, Value::number(6)),
        (Header::Ip, _) => of(Family::Ipv4, Value::Open),
        (Header::Ip6, _) => of(Family::Ipv6, Value::Open),
        (Header::Tcp, _) => with(Protocol::Tcp),
        (Header::Udp, _) => with(Protocol::Udp),
        (Header::Sctp, _) => with(Protocol::Sctp),
        (Header::Transport, _) => Some(transport(field, view)),
        // nft asks for the kind of the in interface first (`meta iiftype ether`).
        (Header::Ether, _) => {
            (!matches!(view.input, Interface::None | Interface::Loopback)).then_some(Value::Open)
        }
        // No connection that is followed has any of these.
        (
            Header::Vlan
            | Header::Arp
            | Header::Icmp
            | Header::Icmpv6
            | Header::Igmp
            | Header::Ah
            | Header::Esp
            | Header::Comp
            | Header::Udplite
            | Header::Dccp,
            _,
        ) => None,
    }
}

fn transport(field: &str, view: &View) -> Value {
    const SYN: u64 = 2;
    match field {
        "dport" => Value::number(u64::from(view.destination.port())),
        "sport" => Value::SourcePort(view.source_port),
        "flags" if view.protocol == Protocol::Tcp => Value::number(SYN),
        _ => Value::Open,
    }
}

fn meta(key: &str, state: &PacketState<'_>) -> Option<Value> {
    let view = &state.view;
    let is_v4 = view.source.is_ipv4();
    let crosses = |interface, value| (interface != Interface::None).then_some(value);
    Some(match key {
        "mark" => Value::Number { known: u64::from(view.mark), open: u64::from(view.open_mark) },
        "l4proto" => Value::number(u64::from(view.protocol.number())),
        "nfproto" => Value::number(if is_v4 { 2 } else { 10 }),
        "protocol" => Value::number(if is_v4 { 0x0800 } else { 0x86dd }),
        "iif" | "iifname" => Value::Interface(InterfaceDirection::In),
        "oif" | "oifname" => Value::Interface(InterfaceDirection::Out),
        // Newer kernels look at the device that the packet is at, which in postrouting is the one that it leaves by
        // (net/netfilter/nft_meta.c, `NFT_META_IFTYPE`).
        "iiftype" if state.phase == Phase::Postrouting => Value::Open,
        "iifgroup" | "iiftype" => return crosses(view.input, Value::Open),
        "oifgroup" | "oiftype" => return crosses(view.output, Value::Open),
        "pkttype" if !is_for_many(view.destination.ip()) => Value::number(0),
        // No socket of this node sends it.
        "skuid" | "skgid" | "cgroup" if view.input != Interface::None => return None,
        _ => Value::Open,
    })
}

fn is_for_many(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::from([255; 4])
}

/// Bits of a connection's status (linux/netfilter/nf_conntrack_common.h).
mod status {
    pub(super) const CONFIRMED: u64 = 8;
    pub(super) const SNAT: u64 = 16;
    pub(super) const DNAT: u64 = 32;
    /// Whether a translation was looked up, which depends on other programs' chains.
    pub(super) const LOOKED_FOR: u64 = 128 | 256;
}

fn conntrack(direction: Option<Direction>, key: &str, state: &PacketState<'_>) -> Option<Value> {
    let view = &state.view;
    if key == "state" {
        return Some(Value::number(match view.tracking {
            Tracking::NotYet => 1,
            Tracking::New | Tracking::Template => 8,
            Tracking::Untracked => 64,
        }));
    }
    match view.tracking {
        Tracking::New => {}
        Tracking::Template => return Some(Value::Open),
        Tracking::NotYet | Tracking::Untracked => return None,
    }
    let is_end = key.ends_with("addr") || key.starts_with("proto-");
    if view.rewritten && is_end {
        return Some(Value::Open);
    }
    let family = Family::of(view.source);
    let bit = |set: bool, bit: u64| if set { bit } else { 0 };
    let (source, destination) = match direction {
        Some(Direction::Reply) => (Some(view.destination.ip()), (!state.snat).then_some(view.source)),
        _ => (Some(view.original.source), Some(view.original.destination.ip())),
    };
    let address = |wanted: Option<Family>, ip: Option<IpAddr>| {
        (wanted.is_none_or(|wanted| wanted == family)).then(|| ip.map_or(Value::Open, Value::Address))
    };
    match key {
        "direction" => Some(Value::number(0)),
        "mark" => Some(Value::Number {
            known: u64::from(view.connection_mark),
            open: u64::from(view.open_connection_mark),
        }),
        "status" => {
            let confirmed = matches!(state.phase, Phase::LoopPrerouting | Phase::LoopInput);
            let known = bit(view.translated, status::DNAT)
                | bit(view.source_translated, status::SNAT)
                | bit(confirmed, status::CONFIRMED);
            Some(Value::Number { known, open: status::LOOKED_FOR })
        }
        "protocol" => Some(Value::number(u64::from(view.protocol.number()))),
        "l3proto" => Some(Value::number(if family == Family::Ipv4 { 2 } else { 10 })),
        "saddr" => address(None, source),
        "daddr" => address(None, destination),
        "ip saddr" => address(Some(Family::Ipv4), source),
        "ip daddr" => address(Some(Family::Ipv4), destination),
        "ip6 saddr" => address(Some(Family::Ipv6), source),
        "ip6 daddr" => address(Some(Family::Ipv6), destination),
        "proto-dst" if direction != Some(Direction::Reply) => {
            Some(Value::number(u64::from(view.original.destination.port())))
        }
        "proto-src" if direction != Some(Direction::Reply) => Some(Value::SourcePort(SourcePort::Own)),
        "proto-src" => Some(Value::number(u64::from(view.destination.port()))),
        _ => Some(Value::Open),
    }
}

/// What is named by several words. nft makes rules ask for the family of a header first.
fn other(words: &str, view: &View) -> Option<Value> {
    let family = Family::of(view.source);
    let mut parts = words.split(' ');
    let is_there = match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) {
        ("tcp", "option") => view.protocol == Protocol::Tcp,
        ("sctp", "chunk") => view.protocol == Protocol::Sctp,
        ("ip", "option") | ("rt", "ip") => family == Family::Ipv4,
        ("rt", "ip6") => family == Family::Ipv6,
        ("exthdr", _) => family == Family::Ipv6,
        (header, field) if is_extension_field(header, field) => family == Family::Ipv6,
        _ => true,
    };
    is_there.then_some(Value::Open)
}

/// Whether a comparison is `missing` for a packet of another protocol: old kernels end the rule, newer ones find that the
/// packet has no such thing (net/netfilter/nft_exthdr.c, `nft_exthdr_tcp_eval`, `nft_exthdr_sctp_eval`).
pub(super) fn is_missing_elsewhere(of: &Comparison, protocol: Protocol) -> bool {
    let Expression::Selector(Selector::Other(words)) = &of.left else { return false };
    let elsewhere = words.starts_with("tcp option ") && protocol != Protocol::Tcp
        || words.starts_with("sctp chunk ") && protocol != Protocol::Sctp;
    elsewhere && matches!(&of.right, Expression::Datum(Datum::Word(word)) if word == "missing")
}

/// The interface to which the routes for an address lead, if those are not known.
fn way(keys: &[compact_str::CompactString]) -> Value {
    // A source is assumed to be reached the way that its packet came.
    if keys.iter().any(|key| key == "saddr") { Value::Present } else { Value::Open }
}
