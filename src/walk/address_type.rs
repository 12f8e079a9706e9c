//! `-m addrtype`: what kind of address the kernel takes an address for.

use std::net::IpAddr;

use compact_str::CompactString;

use super::evaluator::{Evaluator, MatchResult};
use super::foreign::address;
use super::interfaces::InterfaceCase;
use super::packet_state::{PacketState, RulePosition};
use super::rule_part::InterfaceDirection;
use crate::iptables::foreign::Crossing;
use crate::iptables::ruleset::End;

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
        let has = |name: &str| types.iter().any(|t| t == name);
        let is_local = self.host.is_local(ip);
        if let (true, Some(limit)) = (is_local, limit) {
            return self.local_on(state, (ip, limit), (has("LOCAL"), has("UNICAST")), (text, position));
        }
        let known = match ip {
            IpAddr::V4(_) if self.host.network.is_broadcast(ip) => Some(has("BROADCAST")),
            IpAddr::V4(v4) if self.host.network.links.is_some() => {
                Some(has(ipv4_type(v4, is_local).unwrap_or("UNICAST")))
            }
            IpAddr::V4(ip) => ipv4_type(ip, is_local).map(has),
            IpAddr::V6(ip) => ipv6_has(ip, is_local, types),
        };
        match known {
            Some(known) => MatchResult::Known(known),
            None => self.not_known(state, text, (text, position)),
        }
    }

    /// A local address counts as local on its own interface only, and as any other elsewhere.
    fn local_on(
        &mut self,
        state: &PacketState<'r>,
        (ip, limit): (IpAddr, Crossing),
        (local, unicast): (bool, bool),
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        if local == unicast && ip.is_ipv4() {
            return MatchResult::Known(local);
        }
        let (direction, kind) = match limit {
            Crossing::In => (InterfaceDirection::In, state.view.input),
            Crossing::Out => (InterfaceDirection::Out, state.view.output),
        };
        if ip.is_loopback() {
            let is_lo = |case: &InterfaceCase<'_>| *case == InterfaceCase::Named("lo");
            return match self.interface_that(&state.view, direction, (position, text), is_lo) {
                MatchResult::Known(on_lo) => MatchResult::Known(if on_lo { local } else { unicast }),
                other => other,
            };
        }
        match self.known_interface(&state.view, direction, kind) {
            // Nothing is limited where the packet has no such interface.
            Some(None) => MatchResult::Known(local),
            Some(Some(name)) => match self.host.interface_of_address(ip) {
                Some(own) => MatchResult::Known(if own == name { local } else { unicast }),
                None if name.as_str() == "lo" => MatchResult::Known(unicast),
                None => self.not_known(state, text, (text, position)),
            },
            None => match self.host.interface_of_address(ip) {
                Some(own) => {
                    let own = own.as_str().to_owned();
                    self.interface_that(&state.view, direction, (position, text), move |case| {
                        if *case == InterfaceCase::Named(&own) { local } else { unicast }
                    })
                }
                None => self.not_known(state, text, (text, position)),
            },
        }
    }
}

/// The type (net/ipv4/fib_frontend.c, `__inet_dev_addr_type`). None for what could be the broadcast address of a network
/// that the node is in.
fn ipv4_type(ip: std::net::Ipv4Addr, is_local: bool) -> Option<&'static str> {
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
