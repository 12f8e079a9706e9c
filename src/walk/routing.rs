//! What the kernel's routing does with a packet, as far as the node's routes and sysctls are known: whether there is a
//! route to its destination, whether its source passes the check, whether the node forwards at all.
//!
//! For IPv4 this is `ip_route_input_slow`, `__mkroute_input`, `ip_error` (net/ipv4/route.c) and `fib_validate_source`
//! (net/ipv4/fib_frontend.c), for IPv6 `ip6_forward` (net/ipv6/ip6_output.c) and `ip6_pkt_drop` (net/ipv6/route.c); for
//! the node's own packets `ip_route_output_key_hash_rcu` before the output hook and `ip_route_me_harder`
//! (net/ipv4/netfilter.c) in it. What is not known of routes and routing rules is assumed to let the packet through.

use std::net::IpAddr;

use compact_str::CompactString;

use super::evaluator::Evaluator;
use super::outcome::{Answer, Effect, Unrouted, Verdict};
use super::packet::{Interface, View};
use super::packet_state::{PacketState, Phase};
use super::rule_part::InterfaceDirection;
use super::value::Value;
use crate::iptables::foreign::WayBackTest;
use crate::net::Family;
use crate::node::{InterfaceName, Lookup, Refusal, ReversePath, Route, Routed, Routes};

/// The interface that packets of the node itself come from.
const LOOPBACK: Option<&str> = Some("lo");

/// What is known of the way back to a source.
enum WayBack {
    /// There is one, or nothing checks it.
    Passes,
    /// It is checked and not known; assumed to pass.
    Assumed,
    Fails(Unrouted),
}

impl<'w, 'r> Evaluator<'w, 'r> {
    /// Where routing sends a packet as it is now.
    pub(super) fn way(&self, view: &View, input: Option<&str>) -> Routed<'w> {
        if self.host.is_local(view.destination.ip()) {
            return Routed::Local;
        }
        let (source, destination) = (Some(view.source), view.destination.ip());
        let asked = Lookup { source, destination, mark: known_mark(view), input };
        self.host.network.route(&asked)
    }

    /// Whether an incoming packet gets past routing; ends it otherwise.
    pub(super) fn is_routed(
        &mut self,
        state: &mut PacketState<'r>,
        (way, input): (Routed<'w>, Option<InterfaceName>),
    ) -> bool {
        let family = self.family;
        let interface = input.as_ref().map(InterfaceName::as_str);
        self.note_unknown(state, way);
        let off = self.host.sysctls.forwarding_off(family, interface);
        match (way, off, family) {
            (Routed::Nowhere(_), Some(off), Family::Ipv4)
            | (Routed::By(_) | Routed::ByOneOf(_) | Routed::Unknown, Some(off), _) => {
                self.unrouted(state, Unrouted::NotForwarded(off))
            }
            (Routed::Nowhere(refusal), ..) => self.unrouted(state, Unrouted::NoWay(refusal)),
            (.., Family::Ipv6) => true,
            (.., Family::Ipv4) => match self.way_back(&state.view, interface, way) {
                WayBack::Passes => true,
                WayBack::Assumed => {
                    self.record_routing(state, Effect::SourceNotChecked);
                    true
                }
                WayBack::Fails(fault) => self.unrouted(state, fault),
            },
        }
    }

    /// Whether there is a route for a packet of the node itself before any rule sees it.
    pub(super) fn can_be_sent(&mut self, state: &mut PacketState<'r>) -> bool {
        let view = state.view;
        if view.destination.ip().is_multicast() || view.destination.ip() == IpAddr::from([255; 4]) {
            return true;
        }
        match self.way_of_process(&view) {
            Routed::Nowhere(refusal) => {
                self.record_routing(state, Effect::Unrouted(Unrouted::NoWay(refusal)));
                self.end(state, Verdict::Reject(told_to_process(refusal)), false)
            }
            way => {
                self.note_unknown(state, way);
                true
            }
        }
    }

    /// Where routing sends a packet of a process that leaves the choice of the source to the kernel. IPv4 looks up a
    /// route without a source, then with the source that it has chosen (`ip_route_connect`); IPv6 looks up with a
    /// source only if there was no route without one (net/ipv6/ip6_output.c, `ip6_dst_lookup_tail`).
    fn way_of_process(&self, view: &View) -> Routed<'w> {
        let unbound = View { source: unspecified(self.family), ..*view };
        let (first, bound) = (self.way(&unbound, LOOPBACK), self.way(view, LOOPBACK));
        let mut own = self.host.addresses.iter().filter(|ip| Family::of(**ip) == self.family);
        let has_several = own.nth(1).is_some();
        let is_chosen = || self.host.chosen_source(view.destination.ip()) == Some(view.source);
        match (first, bound, self.family) {
            (first, bound, _) if first == bound => first,
            (Routed::Nowhere(_), bound, Family::Ipv6) => bound,
            (first @ Routed::Nowhere(_), _, Family::Ipv4) | (first, _, Family::Ipv6) => first,
            // If there are several addresses, it is not always known which one the kernel chooses.
            (_, Routed::Nowhere(_), Family::Ipv4) if has_several && !is_chosen() => Routed::Unknown,
            (_, bound, Family::Ipv4) => bound,
        }
    }

    /// Whether there is a route for a packet of the node itself after rules at the output hook changed its destination
    /// or mark.
    pub(super) fn can_be_rerouted(&mut self, state: &mut PacketState<'r>) -> bool {
        match self.way(&state.view, LOOPBACK) {
            Routed::Nowhere(refusal) => {
                self.record_routing(state, Effect::Unrouted(Unrouted::NoWay(refusal)));
                self.end(state, Verdict::Drop, false)
            }
            way => {
                self.note_unknown(state, way);
                true
            }
        }
    }

    /// Notes that there are known routes, but that they do not decide the way.
    fn note_unknown(&mut self, state: &mut PacketState<'r>, way: Routed<'w>) {
        let routes = self.host.network.routes.as_ref();
        if way == Routed::Unknown && routes.is_some_and(|routes| routes.are_whole(self.family)) {
            self.record_routing(state, Effect::WayNotKnown);
        }
    }

    pub(super) fn input(&mut self, view: &View) -> Option<InterfaceName> {
        self.known_interface(view, InterfaceDirection::In, view.input).flatten()
    }

    fn unrouted(&mut self, state: &mut PacketState<'r>, fault: Unrouted) -> bool {
        let verdict = match fault {
            Unrouted::NoWay(refusal) => told(refusal, self.family),
            _ => Verdict::Drop,
        };
        let answer = self.way_of_answer(&state.view);
        let is_lost = matches!(answer, Routed::Nowhere(_) | Routed::Local | Routed::Many);
        let is_told = verdict != Verdict::Drop && !is_lost;
        if is_told {
            self.note_unknown(state, answer);
        }
        self.record_routing(state, Effect::Unrouted(fault));
        self.end(state, if is_told { verdict } else { Verdict::Drop }, false)
    }

    /// Where an ICMP message to the source is sent.
    fn way_of_answer(&self, view: &View) -> Routed<'w> {
        let asked = Lookup { source: None, destination: view.source, mark: Some(0), input: LOOPBACK };
        self.host.network.route(&asked)
    }

    /// Where the route back to a source leads. The packet's own destination is the source there, and its mark counts
    /// only if a sysctl says so.
    fn back(&self, view: &View, mark: Option<u32>, input: Option<&str>) -> Routed<'w> {
        let asked = Lookup { source: Some(view.destination.ip()), destination: view.source, mark, input };
        self.host.network.route(&asked)
    }

    fn way_back(&self, view: &View, interface: Option<&str>, way: Routed<'_>) -> WayBack {
        let sysctls = &self.host.sysctls;
        let mode = match interface {
            Some(name) => sysctls.reverse_path_of(name),
            None => sysctls.reverse_path_anywhere(),
        };
        let mark = match interface.is_some_and(|name| sysctls.heeds_mark_at(name)) {
            true => known_mark(view),
            false => Some(0),
        };
        // The route back is looked up as if the packet came in by the interface that this one leaves by.
        let reversed_input = match way {
            Routed::By(device) => Some(device),
            Routed::Local | Routed::Many => LOOPBACK,
            _ => None,
        };
        let back = self.back(view, mark, reversed_input);
        let accepts_local = interface.is_some_and(|name| sysctls.accepts_local_at(name));
        match (mode, back) {
            (_, Routed::Local) if accepts_local => WayBack::Assumed,
            (_, Routed::Local) => WayBack::Fails(Unrouted::OwnSource),
            (None | Some(ReversePath::Off), _) => WayBack::Passes,
            (_, Routed::Unknown) => WayBack::Assumed,
            (_, Routed::Many) => WayBack::Fails(Unrouted::SourceOfMany),
            (Some(mode), Routed::Nowhere(_)) => WayBack::Fails(Unrouted::NoWayBack(mode)),
            (Some(mode), _) => match interface {
                None => WayBack::Assumed,
                Some(name) if self.leads_by(back, name) => WayBack::Passes,
                Some(name) if mode == ReversePath::Strict || !self.has_address(name) => {
                    WayBack::Fails(Unrouted::BackElsewhere(mode))
                }
                Some(_) => WayBack::Passes,
            },
        }
    }

    /// Whether a packet passes `-m rpfilter`; none if routes do not say.
    pub(super) fn leads_back(&mut self, view: &View, asked: WayBackTest) -> Option<bool> {
        if view.input == Interface::Loopback {
            return Some(true);
        }
        let input = self.input(view);
        let mark = if asked.valid_mark { known_mark(view) } else { Some(0) };
        match self.back(view, mark, LOOPBACK) {
            Routed::Unknown => None,
            Routed::Nowhere(_) | Routed::Many => Some(false),
            Routed::Local if !asked.accept_local => Some(false),
            Routed::Local if asked.loose || self.family == Family::Ipv6 => Some(true),
            Routed::Local => None,
            Routed::By(_) | Routed::ByOneOf(_) if asked.loose => Some(true),
            way => self.leads_by_any(way, view.source, input?.as_str()),
        }
    }

    /// Whether a route leads to an interface. IPv6 looks for a route through that interface, whatever its metric
    /// (net/ipv6/route.c, `rt6_device_match`): if there is one, it is not known which is found.
    fn leads_by_any(&self, way: Routed<'_>, to: IpAddr, name: &str) -> Option<bool> {
        let is_by = |route: &Route| {
            route.destination.contains(to) && route.devices.iter().any(|device| device == name)
        };
        let mut routes = self.host.network.routes.iter().flat_map(Routes::iter);
        match self.leads_by(way, name) {
            true => Some(true),
            false if self.family == Family::Ipv6 && routes.any(is_by) => None,
            false => Some(false),
        }
    }

    /// The interface to which the routes for one end of a packet lead, as `fib` of nftables finds it; none if they do
    /// not say (net/ipv4/netfilter/nft_fib_ipv4.c, `nft_fib4_eval`).
    pub(super) fn fib_way(&mut self, keys: &[CompactString], view: &View, phase: Phase) -> Option<Value> {
        let has = |name: &str| keys.iter().any(|key| key == name);
        if view.input == Interface::Loopback {
            return None;
        }
        let crossed = match (has("oif"), has("iif")) {
            (true, _) => self.known_interface(view, InterfaceDirection::Out, view.output)?,
            (_, true) => self.known_interface(view, InterfaceDirection::In, view.input)?,
            _ => None,
        };
        let is_as_from_output = phase == Phase::Forward && has("saddr") && has("iif");
        let way = self.fib_lookup(keys, view, !is_as_from_output);
        let to = if has("saddr") { view.source } else { view.destination.ip() };
        match (way, crossed) {
            (Routed::Unknown | Routed::Many, _) => None,
            (Routed::Nowhere(_) | Routed::Local, _) => Some(Value::Way(None)),
            (Routed::By(device), None) => Some(Value::Way(Some(InterfaceName::new(device)?))),
            (_, None) => Some(Value::Present),
            (way, Some(name)) => {
                let leads = self.leads_by_any(way, to, name.as_str())?;
                Some(Value::Way(leads.then_some(name)))
            }
        }
    }

    /// Where routes lead for the end of a packet that `fib` asks about.
    pub(super) fn fib_lookup(&self, keys: &[CompactString], view: &View, by_loopback: bool) -> Routed<'w> {
        let has = |name: &str| keys.iter().any(|key| key == name);
        let mark = if has("mark") { known_mark(view) } else { Some(0) };
        let (source, destination) = match has("saddr") {
            true => (view.destination.ip(), view.source),
            false => (view.source, view.destination.ip()),
        };
        let input = LOOPBACK.filter(|_| by_loopback);
        self.host.network.route(&Lookup { source: Some(source), destination, mark, input })
    }

    /// Whether a route leads to an interface, or to a port of it.
    pub(super) fn leads_by(&self, way: Routed<'_>, name: &str) -> bool {
        let master = |device: &str| self.host.network.link(device).and_then(|link| link.master.as_deref());
        let is_it = |device: &str| device == name || master(device) == Some(name);
        match way {
            Routed::By(device) => is_it(device),
            Routed::ByOneOf(devices) => devices.iter().any(|device| is_it(device)),
            _ => false,
        }
    }

    /// Whether an interface has an IPv4 address: without one, a loose check is as strict as a strict one.
    fn has_address(&self, name: &str) -> bool {
        let network = &self.host.network;
        let Some(link) = network.link(name).filter(|_| network.has_addresses()) else { return true };
        link.addresses.iter().any(|address| address.ip.is_ipv4())
    }
}

fn known_mark(view: &View) -> Option<u32> {
    (view.open_mark == 0).then_some(view.mark)
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::from([0; 4]),
        Family::Ipv6 => IpAddr::from([0; 16]),
    }
}

/// What the sender of a packet gets. For a route of type `unreachable`, IPv6 says that there is no route.
fn told(refusal: Refusal, family: Family) -> Verdict {
    match (refusal, family) {
        (Refusal::NoRoute, _) | (Refusal::Unreachable, Family::Ipv6) => {
            Verdict::Reject(Answer::NetworkUnreachable)
        }
        (Refusal::Unreachable, Family::Ipv4) => Verdict::Reject(Answer::HostUnreachable),
        (Refusal::Prohibit, _) => Verdict::Reject(Answer::Prohibited),
        (Refusal::Blackhole, _) => Verdict::Drop,
    }
}

/// The error that a process on the node gets.
fn told_to_process(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NoRoute => Answer::NetworkUnreachable,
        Refusal::Unreachable => Answer::HostUnreachable,
        Refusal::Prohibit => Answer::Prohibited,
        Refusal::Blackhole => Answer::InvalidArgument,
    }
}
