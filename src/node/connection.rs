//! Connections that a node tracks.

use std::net::SocketAddr;

use crate::net::{Family, Protocol};

/// A connection, as `conntrack -L` lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Its protocol.
    pub protocol: Protocol,
    /// Who opened it.
    pub source: SocketAddr,
    /// Where to, before any translation.
    pub destination: SocketAddr,
    /// Who replies: the endpoint that it is pinned to.
    pub reply_source: SocketAddr,
    /// Where replies go: the client, or the address that it is masqueraded to.
    pub reply_destination: SocketAddr,
    /// How far it is.
    pub state: ConnectionState,
    /// The conntrack zone.
    pub zone: u16,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Nothing has come back.
    Unreplied,
    /// Packets go both ways.
    Open,
    /// It is over, or about to be.
    Closing,
}

impl Connection {
    /// The family of its addresses.
    pub fn family(&self) -> Family {
        Family::of(self.destination.ip())
    }

    /// Whether its destination was translated.
    pub fn is_translated(&self) -> bool {
        self.reply_source != self.destination
    }
}

/// The command that deletes connections to a destination that are sent to one target (conntrack(8)).
pub fn ending_command(protocol: Protocol, destination: SocketAddr, target: SocketAddr) -> String {
    let family = if destination.is_ipv6() { " -f ipv6" } else { "" };
    format!(
        "conntrack -D{family} -p {protocol} --orig-dst {} --orig-port-dst {} --reply-src {} --reply-port-src {}",
        destination.ip(),
        destination.port(),
        target.ip(),
        target.port()
    )
}
