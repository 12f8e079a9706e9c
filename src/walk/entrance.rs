//! What rules before routing can tell of where a packet comes in.
//!
//! Every Pod has an interface of its own, and rules behind routing that ask for it. Those before ask less: whether it is a
//! Pod's at all. Packets of which they cannot tell more have the same beginning.

use super::hooks;
use super::interface_case::fits;
use super::packet::{Interface, Packet};
use super::rule_part::InterfaceDirection;
use super::walker::Walker;
use crate::node::InterfaceName;

/// What rules before routing, and routing itself, can see of where a packet comes in, beside the addresses that they ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entrance {
    interface: Interface,
    seen: SeenEarly,
    /// None where routing makes the same of all.
    routing: Option<RoutedSource>,
}

/// An interface, as rules before routing can tell it from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum SeenEarly {
    /// The name is not known.
    Unknown,
    /// Which of the names and patterns that rules ask for it fits.
    Fits(Vec<bool>),
    /// All that there is to know of an interface; none inside where there is none.
    Itself(Option<InterfaceName>),
}

/// What routing can tell of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RoutedSource {
    /// [`Host::routing_place`](crate::node::Host::routing_place)
    place: u64,
    /// Whether it comes by the interface by which the way back leads, where that is known.
    comes_by_its_route: Option<bool>,
    /// [`Host::interface_settings`](crate::node::Host::interface_settings) of the interface by which it comes in, where that is
    /// known.
    settings: Option<u64>,
}

impl Walker<'_> {
    /// Where a packet comes in; none where its source is of a kind of its own, or where rules of other programs are few.
    pub fn entrance(&self, packet: &Packet) -> Option<Entrance> {
        if !self.has_many_foreign_rules() || !self.onward.is_plain(packet.source, self.host) {
            return None;
        }
        let mut evaluator = self.evaluator(packet).ok()?;
        let view = hooks::entry(packet, self.host).view;
        let known = evaluator.known_interface(&view, InterfaceDirection::In, view.input);
        let seen = match (known, self.early_names.of(&self.program, packet.family())) {
            (None, _) => SeenEarly::Unknown,
            (Some(interface), None) => SeenEarly::Itself(interface),
            (Some(interface), Some(names)) => {
                let interface = interface.as_ref().map_or("", InterfaceName::as_str);
                SeenEarly::Fits(names.iter().map(|name| fits(interface, name)).collect())
            }
        };
        let input = known.flatten();
        let routing = self.host.routing_place(packet.source).map(|place| {
            let toward = self.host.interface_toward(packet.source);
            let settings =
                |input: InterfaceName| self.host.interface_settings(Some(input.as_str()), packet.family());
            RoutedSource {
                place,
                comes_by_its_route: input.map(|input| Some(input) == toward),
                settings: input.map(settings),
            }
        });
        Some(Entrance { interface: view.input, seen, routing })
    }
}
