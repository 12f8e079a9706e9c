//! `-m addrtype`, `fib ... type`: what kind of address the kernel takes an address for.

use std::net::{IpAddr, Ipv4Addr};

use compact_str::CompactString;

use super::evaluator::{Evaluator, MatchResult};
use super::foreign::address;
use super::interface_case::InterfaceCase;
use super::packet::View;
use super::packet_state::{PacketState, RulePosition};
use super::rule_part::InterfaceDirection;
use super::value::{Value, type_number};
use crate::iptables::foreign::Crossing;
use crate::iptables::ruleset::End;
use crate::node::{InterfaceName, Refusal, Routed};

/// Whose address, the types, and the interface to which the address must belong.
type Asked<'r> = (End, &'r [CompactString], Option<Crossing>);

impl<'r> Evaluator<'_, 'r> {
    /// Whether an address is of one of some types.
    pub(super) fn address_type(
        &mut self,
        state: &PacketState<'r>,
        (end, types, limit): Asked<'r>,
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        let ip = address(end, &state.view);
        let is_local = self.host.is_local(ip);
        if let (true, Some(limit)) = (is_local, limit) {
            return self.local_on(state, (ip, limit), types, (text, position));
        }
        let is_broadcast = ip.is_ipv4() && self.host.network.is_broadcast(ip);
        let known = match (is_broadcast, limit) {
            (true, None) => Some(types.iter().any(|name| name == "BROADCAST")),
            // It is one only on its own interface.
            (true, Some(_)) => None,
            (false, _) => self.has_type(ip, is_local, types),
        };
        match known {
            Some(known) => MatchResult::Known(known),
            None => self.not_known(state, text, (text, position)),
        }
    }

    /// Whether an address that is not a broadcast address is of one of some types.
    fn has_type(&self, ip: IpAddr, is_local: bool, types: &[CompactString]) -> Option<bool> {
        match ip {
            IpAddr::V4(v4) => self.ipv4_type(v4, is_local).map(|of| types.iter().any(|name| name == of)),
            IpAddr::V6(v6) => ipv6_has(v6, is_local, types),
        }
    }

    /// The type; what could be the broadcast address of a network that the node is in is none where the node tells its own.
    fn ipv4_type(&self, ip: Ipv4Addr, is_local: bool) -> Option<&'static str> {
        ipv4_type(ip, is_local).or(self.host.network.links.is_some().then_some("UNICAST"))
    }

    /// A local address counts as local on its own interface only, and as any other elsewhere.
    fn local_on(
        &mut self,
        state: &PacketState<'r>,
        (ip, limit): (IpAddr, Crossing),
        types: &[CompactString],
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        let (Some(here), Some(elsewhere)) = (self.has_type(ip, true, types), self.has_type(ip, false, types))
        else {
            return self.not_known(state, text, (text, position));
        };
        if here == elsewhere {
            return MatchResult::Known(here);
        }
        let (direction, kind) = match limit {
            Crossing::In => (InterfaceDirection::In, state.view.input),
            Crossing::Out => (InterfaceDirection::Out, state.view.output),
        };
        let crossed = self.known_interface(&state.view, direction, kind);
        match (crossed, self.host.interfaces_of_address(ip)) {
            // Nothing is limited where the packet has no such interface.
            (Some(None), _) => MatchResult::Known(here),
            (Some(Some(name)), Some(own)) => {
                MatchResult::Known(if own.contains(&name) { here } else { elsewhere })
            }
            (None, Some(own)) if self.are_told(&own) => {
                let is_own = |case: &InterfaceCase<'_>| {
                    own.iter().any(|own| *case == InterfaceCase::Named(own.as_str())) == here
                };
                self.interface_that(&state.view, direction, (position, text), is_own)
            }
            _ => self.not_known(state, text, (text, position)),
        }
    }

    /// Whether each of some interfaces is a case of its own among those that a packet can have. Of `lo` it is always known
    /// whether a packet crosses it.
    fn are_told(&self, interfaces: &[InterfaceName]) -> bool {
        let is_told =
            |name: &InterfaceName| name.as_str() == "lo" || self.program.interfaces().is_named(name.as_str());
        interfaces.iter().all(is_told)
    }

    /// The type of an address as `fib` of nftables finds it (net/ipv4/netfilter/nft_fib_ipv4.c, `nft_fib4_eval_type`;
    /// net/ipv6/netfilter/nft_fib_ipv6.c, `__nft_fib6_eval_type`).
    pub(super) fn fib_type(&mut self, keys: &[CompactString], view: &View) -> Value {
        let has = |name: &str| keys.iter().any(|key| key == name);
        let ip = if has("saddr") { view.source } else { view.destination.ip() };
        let crossed = match (has("iif"), has("oif")) {
            (true, _) => Some(self.known_interface(view, InterfaceDirection::In, view.input)),
            (_, true) => Some(self.known_interface(view, InterfaceDirection::Out, view.output)),
            _ => None,
        };
        let own = || self.host.interfaces_of_address(ip);
        let is_local = match crossed {
            _ if !self.host.is_local(ip) => Some(false),
            None | Some(Some(None)) => Some(true),
            Some(Some(Some(name))) => own().map(|own| own.contains(&name)),
            // Of `lo` it is always known whether a packet crosses it.
            Some(None) => ip.is_loopback().then_some(false),
        };
        let Some(is_local) = is_local else { return Value::Open };
        let name = match ip {
            IpAddr::V4(_) if self.host.network.is_broadcast(ip) => crossed.is_none().then_some("BROADCAST"),
            IpAddr::V4(v4) => self.ipv4_type(v4, is_local),
            IpAddr::V6(_) if is_local => Some("LOCAL"),
            IpAddr::V6(v6) if v6.is_multicast() => Some("MULTICAST"),
            IpAddr::V6(v6) if v6.is_unspecified() => Some("UNSPEC"),
            IpAddr::V6(_) => Some(match self.fib_lookup(keys, view, true) {
                Routed::Nowhere(Refusal::Blackhole) => "BLACKHOLE",
                Routed::Nowhere(Refusal::Prohibit) => "PROHIBIT",
                Routed::Nowhere(Refusal::NoRoute | Refusal::Unreachable) => "UNREACHABLE",
                _ => "UNICAST",
            }),
        };
        name.map_or(Value::Open, |name| Value::number(type_number(name)))
    }
}

/// The type (net/ipv4/fib_frontend.c, `__inet_dev_addr_type`). None for what could be the broadcast address of a network
/// that the node is in.
fn ipv4_type(ip: Ipv4Addr, is_local: bool) -> Option<&'static str> {
    let [first, .., last] = ip.octets();
    Some(match () {
        () if first == 0 || ip.is_broadcast() => "BROADCAST",
        () if ip.is_multicast() => "MULTICAST",
        () if is_local => "LOCAL",
        () if last == 255 => return None,
        () => "UNICAST",
    })
}

/// All types must fit, and "local" is one beside "unicast" (net/netfilter/xt_addrtype.c, `match_type6`).
fn ipv6_has(ip: std::net::Ipv6Addr, is_local: bool, types: &[CompactString]) -> Option<bool> {
    let mut all = true;
    for name in types {
        all &= match name.as_str() {
            "MULTICAST" => ip.is_multicast(),
            "UNICAST" => !ip.is_multicast() && !ip.is_unspecified(),
            "UNSPEC" => ip.is_unspecified(),
            "LOCAL" => is_local,
            _ => return None,
        };
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_types_of_the_kernel() {
        let of = |text: &str, local| ipv4_type(text.parse().unwrap(), local);
        assert_eq!(of("0.0.0.1", false), Some("BROADCAST"));
        assert_eq!(of("224.0.0.1", false), Some("MULTICAST"));
        assert_eq!(of("192.168.0.11", true), Some("LOCAL"));
        assert_eq!(of("192.168.0.255", false), None);
        assert_eq!(of("10.0.0.1", false), Some("UNICAST"));
        let both: Vec<CompactString> = vec!["UNICAST".into(), "LOCAL".into()];
        assert_eq!(ipv6_has("fd00::1".parse().unwrap(), false, &both), Some(false));
        assert_eq!(ipv6_has("fd00::1".parse().unwrap(), true, &both), Some(true));
    }
}
