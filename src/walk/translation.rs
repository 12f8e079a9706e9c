//! Translations of other programs: to ranges of addresses and ports.

use std::net::{IpAddr, SocketAddr};

use super::assumed_verdict::AssumedVerdict;
use super::evaluator::{Evaluator, Next, Walked};
use super::outcome::{Effect, Verdict};
use super::packet::Interface;
use super::packet_state::{PacketState, RulePosition};
use super::questions::Question;
use super::rule_part::Action;
use crate::iptables::foreign::Translation;
use crate::net::Family;

/// The most destinations that are followed separately.
const MOST: usize = 64;

impl<'r> Evaluator<'_, 'r> {
    /// DNAT to one of some addresses and ports: each is equally likely, over all clients (net/netfilter/nf_nat_core.c,
    /// `find_best_ips_proto`, `nf_nat_l4proto_unique_tuple`).
    pub(super) fn dnat_to(
        &mut self,
        state: &mut PacketState<'r>,
        to: &'r Translation,
        position: RulePosition,
    ) -> Walked<Next> {
        let was = state.view.destination;
        let (first, last) = to.addresses.unwrap_or((was.ip(), was.ip()));
        let ports = to.ports.unwrap_or((was.port(), was.port()));
        if let Some(base) = to.base {
            let count = u32::from(ports.1.saturating_sub(ports.0)) + 1;
            let nth = u32::from(was.port().wrapping_sub(base)) % count;
            let port = ports.0.saturating_add(u16::try_from(nth).unwrap_or_default());
            return match destinations((first, last), (port, port)) {
                Some(all) => self.one_destination(state, all, position),
                None => Err(self.no_destination(position)),
            };
        }
        // A port that fits is kept.
        let keeps = !to.random && (ports.0..=ports.1).contains(&was.port());
        let ports = if keeps { (was.port(), was.port()) } else { ports };
        match destinations((first, last), ports) {
            Some(all) => self.one_destination(state, all, position),
            None => Err(self.no_destination(position)),
        }
    }

    /// DNAT to one of some ports of this node.
    pub(super) fn redirect_to(
        &mut self,
        state: &mut PacketState<'r>,
        (first, last, random): (u16, u16, bool),
        position: RulePosition,
    ) -> Walked<Next> {
        let Some(ip) = self.own_address(state, position) else { return Ok(Next::Gone) };
        let port = state.view.destination.port();
        let ports = if !random && (first..=last).contains(&port) { (port, port) } else { (first, last) };
        match (ip, ip.and_then(|ip| destinations((ip, ip), ports))) {
            (None, _) => {
                Ok(self.finish(state, position, Effect::Unknown(AssumedVerdict::Drop), Verdict::Drop))
            }
            (_, Some(all)) => self.one_destination(state, all, position),
            (_, None) => Err(self.no_destination(position)),
        }
    }

    /// DNAT to this node, at the same port or another.
    pub(super) fn redirect(
        &mut self,
        state: &mut PacketState<'r>,
        port: Option<u16>,
        position: RulePosition,
    ) -> Next {
        let port = port.unwrap_or(state.view.destination.port());
        match self.own_address(state, position) {
            None => Next::Gone,
            Some(None) => self.finish(state, position, Effect::Unknown(AssumedVerdict::Drop), Verdict::Drop),
            Some(Some(ip)) => self.dnat(state, SocketAddr::new(ip, port), position),
        }
    }

    /// Where REDIRECT leads: to the first address of the interface that the packet came in by; for the node's own
    /// packets, to a loopback address. If the interface has no address the kernel drops the packet
    /// (net/netfilter/nf_nat_redirect.c); whether a Pod's interface has one is only known if the node's addresses are.
    /// None outside if branches for both cases are pending.
    fn own_address(&mut self, state: &mut PacketState<'r>, position: RulePosition) -> Option<Option<IpAddr>> {
        let primary = self.host.primary_address(self.family);
        let known = self.address_of_input(state);
        match state.view.input {
            Interface::None | Interface::Loopback => return Some(Some(self.family.loopback())),
            Interface::External | Interface::PodSide if known.is_some() => return known,
            Interface::External => return Some(Some(primary.unwrap_or(state.view.destination.ip()))),
            Interface::PodSide => {}
        }
        let of_pods = |ip: &&IpAddr| self.host.pod_networks.iter().any(|net| net.contains(**ip));
        if let Some(bridge) = self.host.addresses.iter().find(of_pods) {
            return Some(Some(*bridge));
        }
        // With IPv6 each interface has an address, if only a link-local one, which is not known: the node's address
        // stands for it, even where the packet went to that.
        if self.family == Family::Ipv6 {
            state.view.translated = true;
            return Some(Some(primary.unwrap_or(state.view.destination.ip())));
        }
        let text = "an address on the interface of the Pods, to redirect to";
        let has_one = self.asked(state, Question::InterfaceHasAddress, text, position)?;
        Some(has_one.then(|| primary.unwrap_or(state.view.destination.ip())))
    }

    /// The first address of the interface by which a packet came in; none inside if it has none, which is never said
    /// for IPv6.
    fn address_of_input(&mut self, state: &PacketState<'r>) -> Option<Option<IpAddr>> {
        let (input, network) = (self.input(&state.view)?, &self.host.network);
        let link = network.link(input.as_str()).filter(|_| network.has_addresses())?;
        let first = link.addresses.iter().map(|own| own.ip).find(|ip| Family::of(*ip) == self.family);
        (first.is_some() || self.family == Family::Ipv4).then_some(first)
    }

    fn one_destination(
        &mut self,
        state: &mut PacketState<'r>,
        all: Vec<SocketAddr>,
        position: RulePosition,
    ) -> Walked<Next> {
        if let [only] = all.as_slice() {
            return Ok(self.dnat(state, *only, position));
        }
        let modulus = u32::try_from(all.len()).unwrap_or(u32::MAX);
        self.one_of(state, modulus, (0..).zip(all).map(|(number, to)| (number, Action::Dnat(to))), position)
    }
}

/// Every pair of an address and a port; none where there are too many.
fn destinations((first, last): (IpAddr, IpAddr), ports: (u16, u16)) -> Option<Vec<SocketAddr>> {
    let addresses = addresses(first, last)?;
    let count = usize::from(ports.1.checked_sub(ports.0)?) + 1;
    if addresses.len() * count > MOST {
        return None;
    }
    let pairs = addresses.iter().flat_map(|ip| (ports.0..=ports.1).map(|port| SocketAddr::new(*ip, port)));
    Some(pairs.collect())
}

fn addresses(first: IpAddr, last: IpAddr) -> Option<Vec<IpAddr>> {
    let (from, to) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (u128::from(u32::from(first)), u128::from(u32::from(last))),
        (IpAddr::V6(first), IpAddr::V6(last)) => (u128::from(first), u128::from(last)),
        _ => return None,
    };
    if to < from || to - from >= MOST as u128 {
        return None;
    }
    let address = |n: u128| match first {
        IpAddr::V4(_) => u32::try_from(n).ok().map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(_) => Some(IpAddr::V6(n.into())),
    };
    (from..=to).map(address).collect()
}
