//! What rules of nftables write into packets themselves, past connection tracking.

use std::net::SocketAddr;

use super::error::WalkError;
use super::evaluator::{Evaluator, Next};
use super::expression::{Found, Stop};
use super::outcome::{Effect, Hook};
use super::packet::SourcePort;
use super::packet_state::{PacketState, Phase, RulePosition};
use super::questions::{Question, RuleText};
use super::selector;
use super::value::Value;
use crate::net::{Family, Protocol};
use crate::nftables::ruleset::{Header, Selector};

/// What a rule writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    /// How many routers the packet may still pass.
    Lifetime,
    /// What neither rules that are followed nor the kernel ask for on the way.
    Aside,
    /// What is not there in every packet: link-layer headers, options, payload.
    PerhapsAbsent,
    /// Addresses or ports, but not one of them by itself.
    PartOfEnds,
    /// What the kernel reads to tell what kind of packet it is, or whether it is intact.
    Structure,
}

impl<'r> Evaluator<'_, 'r> {
    /// Changes a field of the packet. The rule ends where the packet has no such field: nft makes rules ask for the
    /// protocol first.
    pub(super) fn rewrite(
        &mut self,
        state: &mut PacketState<'r>,
        target: &'r Selector,
        value: Value,
        position: RulePosition,
    ) -> Found<Next> {
        if selector::value(target, state).is_none() {
            return Err(Stop::Absent);
        }
        let written = match target {
            Selector::Payload(header, field) => field_of(*header, field),
            Selector::Other(words) => raw_bits(words, Family::of(state.view.source), state.view.protocol),
            _ => return Ok(Next::Part),
        };
        let text = RuleText::WritesTo(target);
        // Where the protocol is left out, a field of ICMP can be meant: nft lists `icmp type set echo-reply` as a change of
        // `th sport`.
        if matches!(target, Selector::Payload(Header::Transport, _)) {
            self.ask_presence(state, target, position)?;
        }
        match (written, value) {
            (Written::Aside, _) => Ok(Next::Part),
            (Written::Destination, Value::Address(ip)) if Family::of(ip) == self.family => {
                let to = SocketAddr::new(ip, state.view.destination.port());
                Ok(self.readdress(state, to, position))
            }
            (Written::DestinationPort, Value::Number { known, open: 0 }) => {
                let port = u16::try_from(known).unwrap_or_default();
                let to = SocketAddr::new(state.view.destination.ip(), port);
                Ok(self.readdress(state, to, position))
            }
            (Written::Source, Value::Address(ip)) if ip == state.view.source => Ok(Next::Part),
            (Written::Source, Value::Address(ip)) if Family::of(ip) == self.family => {
                state.view.source = ip;
                (state.snat, state.view.rewritten) = (true, true);
                Ok(self.note_on(state, position, Effect::Snat))
            }
            (Written::SourcePort, value) => {
                let known = match value {
                    Value::Number { known, open: 0 } => u16::try_from(known).ok(),
                    _ => None,
                };
                let before = match state.view.source_port {
                    SourcePort::Own => self.source_port,
                    SourcePort::Given(first, last) => (first == last).then_some(first),
                };
                state.view.rewritten |= known.is_none() || known != before;
                state.view.source_port = known.map_or(SourcePort::ANY, SourcePort::only);
                Ok(Next::Part)
            }
            (Written::Lifetime, Value::Number { known: 2.., open: 0 }) => Ok(Next::Part),
            (Written::Lifetime, _) => self.expire(state, text, position).map_err(Stop::Failed),
            (Written::PerhapsAbsent, _) => {
                self.ask_presence(state, target, position)?;
                Ok(Next::Part)
            }
            (Written::Structure, _) => self.unknown_target(state, text, position).map_err(Stop::Failed),
            (Written::PartOfEnds | Written::Destination | Written::DestinationPort | Written::Source, _) => {
                Err(Stop::Failed(self.no_rewrite(position)))
            }
        }
    }

    /// Goes on only where the packet has what a rule writes to, of which nothing tells whether it has it.
    pub(super) fn ask_presence(
        &mut self,
        state: &mut PacketState<'r>,
        target: &'r Selector,
        position: RulePosition,
    ) -> Found<()> {
        match self.asked(state, Question::Part(position), RuleText::WritesTo(target), position) {
            Some(true) => Ok(()),
            Some(false) => Err(Stop::Absent),
            None => Err(Stop::Forked),
        }
    }

    /// The error that it is not known what a rule makes of a packet.
    pub(super) fn no_rewrite(&self, position: RulePosition) -> WalkError {
        let (table, chain) = self.names(position);
        WalkError::UnknownRewrite { table, chain }
    }

    fn readdress(&mut self, state: &mut PacketState<'r>, to: SocketAddr, position: RulePosition) -> Next {
        if to == state.view.destination {
            return Next::Part;
        }
        // Only a chain of type `route` has the packet routed again (net/netfilter/nft_chain_route.c).
        state.routed_for = match (state.phase, state.before) {
            (Phase::Output, None) => state.routed_for.or(Some(state.view.destination.ip())),
            _ => None,
        };
        state.view.destination = to;
        state.view.rewritten = true;
        state.class = self.class_of(to);
        self.note_on(state, position, Effect::Dnat(to))
    }

    /// Leaves the packet a lifetime with which the node may not forward it (net/ipv4/ip_forward.c, `ip_forward`); behind
    /// routing nothing asks for it.
    pub(super) fn expire(
        &mut self,
        state: &mut PacketState<'r>,
        text: impl Into<RuleText<'r>>,
        position: RulePosition,
    ) -> Result<Next, WalkError> {
        match state.phase.hook() {
            Hook::Prerouting => self.unknown_target(state, text, position),
            _ => Ok(Next::Part),
        }
    }
}

fn field_of(header: Header, field: &str) -> Written {
    let is_transport = matches!(header, Header::Tcp | Header::Udp | Header::Sctp | Header::Transport);
    match (header, field) {
        (Header::Ether, _) => Written::PerhapsAbsent,
        (Header::Ip | Header::Ip6, "saddr") => Written::Source,
        (Header::Ip | Header::Ip6, "daddr") => Written::Destination,
        (Header::Ip, "ttl") | (Header::Ip6, "hoplimit") => Written::Lifetime,
        (Header::Ip | Header::Ip6, "dscp" | "ecn" | "flowlabel" | "id") => Written::Aside,
        (Header::Tcp, "window" | "urgptr") => Written::Aside,
        (_, "sport") if is_transport => Written::SourcePort,
        (_, "dport") if is_transport => Written::DestinationPort,
        _ => Written::Structure,
    }
}

/// Where bits lie that a rule names by their place, as `@nh,128,32` does: in the network header (`nh`), the transport
/// header (`th`), the link-layer header (`ll`) or the payload (`ih`).
fn raw_bits(words: &str, family: Family, protocol: Protocol) -> Written {
    let mut parts = words.trim_start_matches('@').split(',');
    let base = parts.next().unwrap_or_default();
    let (Some(first), Some(count)) = (number(parts.next()), number(parts.next())) else {
        return Written::Structure;
    };
    let end = first.saturating_add(count);
    let overlaps = |from: u32, to: u32| first < to && end > from;
    // Source and destination are the last fields of a network header, and the first of a transport header.
    let (addresses, header_end) = match family {
        Family::Ipv4 => (96, 160),
        Family::Ipv6 => (64, 320),
    };
    let transport_end = match protocol {
        Protocol::Tcp => 160,
        Protocol::Udp => 64,
        Protocol::Sctp => 96,
    };
    match base {
        "nh" if end > header_end || overlaps(addresses, header_end) => Written::PartOfEnds,
        "th" if overlaps(0, 32) => Written::PartOfEnds,
        "th" if end <= transport_end => Written::Structure,
        "nh" => Written::Structure,
        _ => Written::PerhapsAbsent,
    }
}

fn number(text: Option<&str>) -> Option<u32> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bits_of_addresses_and_ports_are_told_from_others() {
        let of = |words| raw_bits(words, Family::Ipv4, Protocol::Udp);
        for words in ["@nh,128,32", "@nh,96,8", "@nh,72,40", "@nh,160,16", "@th,16,16", "@th,24,32"] {
            assert_eq!(of(words), Written::PartOfEnds, "{words}");
        }
        for words in ["@nh,64,8", "@th,32,16", "@nh,x,1"] {
            assert_eq!(of(words), Written::Structure, "{words}");
        }
        for words in ["@th,64,8", "@ll,48,48", "@ih,0,8"] {
            assert_eq!(of(words), Written::PerhapsAbsent, "{words}");
        }
        assert_eq!(raw_bits("@nh,128,32", Family::Ipv6, Protocol::Tcp), Written::PartOfEnds);
        assert_eq!(raw_bits("@nh,56,8", Family::Ipv6, Protocol::Tcp), Written::Structure);
    }
}
