//! What is what in a part of the Services: packets and outcomes of one part, described by what they are to it, are also
//! those of every other part of the same shape.

use std::net::{IpAddr, SocketAddr};

use foldhash::HashMap;

use super::ground::Ground;
use super::space::{Range, number};
use crate::net::{Cidr, Protocol};
use crate::walk::{ClientKind, Packet};

/// The addresses and node ports of a part, by number.
#[derive(Debug)]
pub(in crate::compare) struct Members {
    addresses: Vec<IpAddr>,
    numbers: HashMap<IpAddr, usize>,
    node_ports: Vec<u16>,
    /// Networks that the rules of every part of the shape match on.
    networks: Vec<Cidr>,
}

/// A packet, by what its ends are to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PacketPlace {
    protocol: Protocol,
    from: SourcePlace,
    to: Place,
    clients: (ClientKind, ClientKind),
}

/// Where a packet comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum SourcePlace {
    Known(AddressPlace),
    /// An address that no rule of the part matches on by itself; which networks it is in.
    Other(u64),
}

/// An address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    address: AddressPlace,
    port: PortPlace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum AddressPlace {
    Member(usize),
    /// One of the node, the same for all parts.
    OfNode(IpAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum PortPlace {
    NodePort(usize),
    Number(u16),
}

/// Which of some networks an address is in; none if there are too many to say.
pub(super) fn lies_in(networks: &[Cidr], ip: IpAddr) -> Option<u64> {
    let bit = |(i, net): (u32, &Cidr)| u64::from(net.contains(ip)) << i;
    (networks.len() <= 64).then(|| (0..).zip(networks).map(bit).sum())
}

impl Members {
    pub(super) fn new(addresses: Vec<IpAddr>, node_ports: Vec<u16>, networks: Vec<Cidr>) -> Members {
        let numbers = addresses.iter().enumerate().map(|(number, ip)| (*ip, number)).collect();
        Members { addresses, numbers, node_ports, networks }
    }

    /// What a packet is to the part. The old side's packet and the new side's differ only in what the nodes consider
    /// its source to be. None if it is a packet like no other.
    pub(super) fn packet(&self, (old, new): (&Packet, &Packet), ground: &Ground<'_>) -> Option<PacketPlace> {
        let Packet { protocol, source, destination, client, .. } = *new;
        let is_plain = *new == Packet::plain(protocol, source, destination, client)
            && *old == Packet { client: old.client, ..*new };
        let from = match self.address(source, ground) {
            Some(known) => SourcePlace::Known(known),
            None => SourcePlace::Other(lies_in(&self.networks, source)?),
        };
        let to = self.place(destination, ground)?;
        is_plain.then_some(PacketPlace { protocol, from, to, clients: (old.client, client) })
    }

    /// The destination in this part that corresponds to another part's.
    pub(super) fn in_place_of(
        &self,
        other: &Members,
        destination: SocketAddr,
        ground: &Ground<'_>,
    ) -> Option<SocketAddr> {
        let place = other.place(destination, ground)?;
        let ip = match place.address {
            AddressPlace::Member(number) => *self.addresses.get(number)?,
            AddressPlace::OfNode(ip) => ip,
        };
        let port = match place.port {
            PortPlace::NodePort(number) => *self.node_ports.get(number)?,
            PortPlace::Number(port) => port,
        };
        Some(SocketAddr::new(ip, port))
    }

    fn place(&self, at: SocketAddr, ground: &Ground<'_>) -> Option<Place> {
        let node_port = self.node_ports.iter().position(|port| *port == at.port());
        let port = node_port.map_or(PortPlace::Number(at.port()), PortPlace::NodePort);
        Some(Place { address: self.address(at.ip(), ground)?, port })
    }

    fn address(&self, ip: IpAddr, ground: &Ground<'_>) -> Option<AddressPlace> {
        let member = self.numbers.get(&ip).copied().map(AddressPlace::Member);
        member.or_else(|| ground.is_own(ip).then_some(AddressPlace::OfNode(ip)))
    }

    /// Whether the place of an address decides what rules ask about it.
    pub(super) fn tells(&self, (first, last): Range, ground: &Ground<'_>) -> bool {
        let is_network = |net: &Cidr| (number(net.network()), number(net.last())) == (first, last);
        let is_known = || {
            let ip = super::space::address(ground.family, first);
            first == last && self.address(ip, ground).is_some()
        };
        is_known() || self.networks.iter().any(is_network)
    }
}
