//! Whether a packet passes a test.

use std::net::IpAddr;

use crate::net::{Cidr, Family};
use crate::nftables::ruleset::{Addresses, Field};

use super::error::WalkError;
use super::machine::{Machine, Passing};
use super::op::{End, InterfaceEnd, States, TestKind};
use super::packet::{Interface, View};
use super::program::Program;
use super::set_index::Lookup;
use super::thread::{Place, Predicate, Thread};
use super::{opaque, opaque_nft};
use crate::node::PodInterface;

impl<'r> Machine<'_, 'r> {
    pub(super) fn passing(
        &self,
        thread: &Thread<'r>,
        test: TestKind<'r>,
        place: Place,
    ) -> Result<Passing<'r>, WalkError> {
        let view = &thread.view;
        let known = match test {
            TestKind::Network(end, net) => contains(net, address(end, view)),
            TestKind::Addresses(end, family, addresses) => {
                return self.in_addresses(view, (end, family), addresses, place);
            }
            TestKind::InSet(key, set) => return self.in_set(view, key, set, place),
            TestKind::Interface(end, name) => return Ok(self.interface(view, end, name)),
            TestKind::Protocol(protocol) => view.protocol == protocol,
            TestKind::OtherProtocol(name) => opaque::is_protocol(name, view.protocol),
            TestKind::Port(protocol, port) => {
                view.protocol == protocol && view.destination.port() == port.get()
            }
            TestKind::State(states) => is_in(states, view),
            TestKind::Translated => view.translated,
            TestKind::Mark { value, mask } => view.mark & mask == value,
            TestKind::Local(end) => self.host.is_local(address(end, view)),
            TestKind::Random(chance) => return Ok(Passing::Random(chance)),
            TestKind::Remembered(list) => return Ok(Passing::Remembered(list)),
            TestKind::Opaque(text) => return Ok(self.opaque(view, text, place)),
        };
        Ok(Passing::Known(known))
    }

    fn in_addresses(
        &self,
        view: &View,
        (end, family): (End, Family),
        addresses: &'r Addresses,
        place: Place,
    ) -> Result<Passing<'r>, WalkError> {
        let ip = address(end, view);
        match addresses {
            Addresses::One(net) => Ok(Passing::Known(contains(*net, ip))),
            Addresses::Anonymous(intervals) => {
                Ok(Passing::Known(intervals.iter().any(|i| (i.first..=i.last).contains(&ip))))
            }
            Addresses::Named(set) => {
                let key = match end {
                    End::Source => Field::SourceAddress(family),
                    End::Destination => Field::DestinationAddress(family),
                };
                self.in_set(view, &[key], set, place)
            }
        }
    }

    fn in_set(
        &self,
        view: &View,
        key: &[Field],
        set: &'r str,
        place: Place,
    ) -> Result<Passing<'r>, WalkError> {
        match self.program.look_up(place.chain, set, key, view) {
            Lookup::Hit(_) => Ok(Passing::Known(true)),
            Lookup::Miss => Ok(Passing::Known(false)),
            Lookup::Maybe(_) => Ok(Passing::Unknown(Predicate::Part(place), set)),
            Lookup::NoSuchSet => Err(self.no_such_set(place, set)),
        }
    }

    fn interface(&self, view: &View, end: InterfaceEnd, name: &'r str) -> Passing<'r> {
        let interface = match end {
            InterfaceEnd::In => view.input,
            InterfaceEnd::Out => view.output,
        };
        match has_name(interface, name, self.host.pod_interface.as_ref()) {
            Some(holds) => Passing::Known(holds),
            None => Passing::Unknown(Predicate::Interface(end, name), name),
        }
    }

    fn opaque(&self, view: &View, text: &'r str, place: Place) -> Passing<'r> {
        let known = match self.program {
            Program::Iptables(_) => opaque::iptables_match(text, view, self.host),
            Program::Nftables(_) => opaque_nft::matches(text, view),
        };
        match known {
            Some(holds) => Passing::Known(holds),
            None if changes_by_itself(text) => Passing::Unknown(Predicate::Part(place), text),
            None => Passing::Unknown(Predicate::Text(text), text),
        }
    }
}

/// Whether a match can have another answer for the same packet a moment later, so that two of the same text may differ.
fn changes_by_itself(text: &str) -> bool {
    ["limit", "quota", "statistic", "random", "numgen"].iter().any(|word| text.contains(word))
}

fn address(end: End, view: &View) -> IpAddr {
    match end {
        End::Source => view.source,
        End::Destination => view.destination.ip(),
    }
}

fn contains(net: Cidr, ip: IpAddr) -> bool {
    net.contains(ip)
}

fn is_in(states: States<'_>, view: &View) -> bool {
    let state = view.tracking.state_name();
    match states {
        States::Iptables(set) => {
            (view.translated && set.contains("DNAT"))
                || set.names().any(|name| name.eq_ignore_ascii_case(state))
        }
        States::Nftables(names) => names.iter().any(|name| name == state),
    }
}

/// Whether an interface has a name or fits a pattern (`cali+` of iptables, `cali*` of nftables), where that is certain.
fn has_name(interface: Interface, name: &str, pods: Option<&PodInterface>) -> Option<bool> {
    let prefix = name.strip_suffix(['+', '*']);
    if prefix == Some("") {
        return Some(true);
    }
    match interface {
        Interface::None => Some(false),
        Interface::Loopback => Some(prefix.map_or(name == "lo", |prefix| "lo".starts_with(prefix))),
        _ if name == "lo" => Some(false),
        Interface::PodSide => is_pods(pods?, name, prefix),
        Interface::External => is_pods(pods?, name, prefix).filter(|is| *is).map(|_| false),
    }
}

/// Whether the pods' interface has a name or fits a pattern.
fn is_pods(pods: &PodInterface, name: &str, prefix: Option<&str>) -> Option<bool> {
    match (pods, prefix) {
        (PodInterface::Name(pods), None) => Some(pods == name),
        (PodInterface::Name(pods), Some(prefix)) => Some(pods.starts_with(prefix)),
        (PodInterface::Prefix(pods), None) => (!name.starts_with(pods.as_str())).then_some(false),
        (PodInterface::Prefix(pods), Some(prefix)) if pods.starts_with(prefix) => Some(true),
        (PodInterface::Prefix(pods), Some(prefix)) => (!prefix.starts_with(pods.as_str())).then_some(false),
    }
}
