//! The first packet of a new connection.

use std::net::{IpAddr, SocketAddr};

use crate::net::{Family, Protocol};

use crate::node::ClientKind;
use crate::node::{Host, InterfaceName};

/// The first packet of a new connection, as it reaches the node or leaves one of its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packet {
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// The source address; the port can be any.
    pub source: IpAddr,
    /// The destination before any translation.
    pub destination: SocketAddr,
    /// Where it comes from.
    pub client: ClientKind,
    /// Its firewall mark when it comes in; usually 0.
    pub mark: u32,
    /// Its source port, if the caller gives it; else one from 1024 on.
    pub source_port: Option<u16>,
    /// The interface by which it comes in, if the caller gives it.
    pub in_interface: Option<InterfaceName>,
    /// The interface by which it leaves the node, if the caller gives it.
    pub out_interface: Option<InterfaceName>,
}

/// What is known of an interface that a packet crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Interface {
    /// None: the packet was made on the node, or stays there.
    None,
    /// `lo`
    Loopback,
    /// One of a Pod on this node; see [`super::Host::pod_interface`].
    PodSide,
    /// One of the network, which leads to other nodes and the outside.
    External,
}

/// Source and destination are of different IP families.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the source {from} is {}, the destination {to} is {}", Family::of(*.from), Family::of(*.to))]
pub struct FamilyMismatch {
    /// The source.
    pub from: IpAddr,
    /// The destination.
    pub to: IpAddr,
}

impl Packet {
    /// A packet whose kind of client follows from its source address.
    ///
    /// # Errors
    /// Source and destination are of different families.
    pub fn new(
        host: &Host,
        protocol: Protocol,
        source: IpAddr,
        destination: SocketAddr,
    ) -> Result<Packet, FamilyMismatch> {
        if Family::of(source) != Family::of(destination.ip()) {
            return Err(FamilyMismatch { from: source, to: destination.ip() });
        }
        Ok(Packet::plain(protocol, source, destination, host.client_kind(source)))
    }

    /// A packet without a mark, with nothing more given.
    pub fn plain(protocol: Protocol, source: IpAddr, destination: SocketAddr, client: ClientKind) -> Packet {
        Packet {
            protocol,
            source,
            destination,
            client,
            mark: 0,
            source_port: None,
            in_interface: None,
            out_interface: None,
        }
    }

    /// A packet that the node itself sends, from the address that its kernel would choose.
    pub fn from_node(host: &Host, protocol: Protocol, destination: SocketAddr) -> Packet {
        Packet::plain(protocol, host.source_to(destination), destination, ClientKind::Node)
    }

    /// Its IP family.
    pub fn family(&self) -> Family {
        Family::of(self.destination.ip())
    }

    /// What kind of interface it comes in by.
    pub fn entry(&self) -> Interface {
        match self.client {
            ClientKind::LocalPod => Interface::PodSide,
            ClientKind::RemotePod | ClientKind::Outside => Interface::External,
            ClientKind::Node => Interface::None,
        }
    }
}

/// What rules can see of a packet at one point of its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its source at this point.
    pub source: IpAddr,
    /// Its destination at this point.
    pub destination: SocketAddr,
    /// Its firewall mark.
    pub mark: u32,
    /// The bits of its mark that are not known; they are 0 in `mark`.
    pub open_mark: u32,
    /// The mark of its connection.
    pub connection_mark: u32,
    /// The bits of the connection's mark that are not known.
    pub open_connection_mark: u32,
    /// The interface it came in by.
    pub input: Interface,
    /// The interface it will go out by, once that is known.
    pub output: Interface,
    /// The destination that this interface was chosen for: at the output hook always the first one, as a translation
    /// there changes the route only for later hooks.
    pub routed: IpAddr,
    /// What connection tracking says of it.
    pub tracking: Tracking,
    /// Whether its destination was translated (conntrack status `DNAT`).
    pub translated: bool,
    /// Whether its source was translated (conntrack status `SNAT`).
    pub source_translated: bool,
    /// The packet as it came: the original direction of its connection.
    pub original: Original,
    /// Its source port at this point.
    pub source_port: SourcePort,
    /// Whether a rule wrote other addresses or ports into it, past connection tracking, so that those of its connection
    /// are not known.
    pub rewritten: bool,
}

/// The source port of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourcePort {
    /// As its sender chose it.
    Own,
    /// One of these, the first to the last, which a translation or another rule gave it.
    Given(u16, u16),
}

impl SourcePort {
    /// Nothing is known of it.
    pub const ANY: SourcePort = SourcePort::Given(0, u16::MAX);

    /// This one.
    pub fn only(port: u16) -> SourcePort {
        SourcePort::Given(port, port)
    }
}

/// Both ends of a packet before any translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Original {
    /// The source.
    pub source: IpAddr,
    /// The destination.
    pub destination: SocketAddr,
}

impl View {
    /// A packet that nothing has happened to yet, on no interface.
    pub fn new(protocol: Protocol, source: IpAddr, destination: SocketAddr) -> View {
        View {
            protocol,
            source,
            destination,
            mark: 0,
            open_mark: 0,
            connection_mark: 0,
            open_connection_mark: 0,
            input: Interface::None,
            output: Interface::None,
            routed: destination.ip(),
            tracking: Tracking::NotYet,
            translated: false,
            source_translated: false,
            original: Original { source, destination },
            source_port: SourcePort::Own,
            rewritten: false,
        }
    }

    /// Whether rules see a template in place of the packet's connection.
    pub fn has_template(&self) -> bool {
        self.tracking == Tracking::Template
    }

    /// Whether connection tracking knows the packet: if not, matches on the connection fail, negated or not.
    pub fn is_tracked(&self) -> bool {
        self.tracking == Tracking::New
    }
}

/// What connection tracking says of the first packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tracking {
    /// It has not been looked at yet (hooks before priority -200), which matches as "invalid".
    NotYet,
    /// The same, but a rule already said what its connection is to have (`CT --zone`, `ct zone set`): the kernel attaches a
    /// template to it, which rules take for a new connection, without the packet's addresses (net/netfilter/xt_CT.c).
    Template,
    /// It begins a connection.
    New,
    /// A rule took it out of tracking.
    Untracked,
}

impl Tracking {
    /// The name of the state in rules of nftables; upper-cased in rules of iptables.
    pub fn state_name(self) -> &'static str {
        match self {
            Tracking::NotYet => "invalid",
            Tracking::New | Tracking::Template => "new",
            Tracking::Untracked => "untracked",
        }
    }
}
