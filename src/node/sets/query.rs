//! What a set of ipset sees of a packet.

use std::net::{IpAddr, SocketAddr};

use crate::iptables::ruleset::End;
use crate::net::Protocol;

/// What a set sees of a packet.
#[derive(Debug, Clone, Copy)]
pub struct SetQuery<'a> {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its source.
    pub source: IpAddr,
    /// Its source port, if known.
    pub source_port: Option<u16>,
    /// Its destination.
    pub destination: SocketAddr,
    /// Its mark.
    pub mark: u32,
    /// The interface by which it came in.
    pub input: AskedInterface<'a>,
    /// The interface by which it goes out.
    pub output: AskedInterface<'a>,
    /// Whether to match exceptions instead of members (`--return-nomatch`).
    pub exceptions: bool,
}

/// An interface of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedInterface<'a> {
    /// The packet has none at this hook.
    None,
    /// This one.
    Is(&'a str),
    /// One that is not known.
    Unknown,
}

impl SetQuery<'_> {
    pub(super) fn address(&self, end: End) -> IpAddr {
        match end {
            End::Source => self.source,
            End::Destination => self.destination.ip(),
        }
    }

    pub(super) fn port(&self, end: End) -> Option<u16> {
        match end {
            End::Source => self.source_port,
            End::Destination => Some(self.destination.port()),
        }
    }

    pub(super) fn interface(&self, end: End) -> AskedInterface<'_> {
        match end {
            End::Source => self.input,
            End::Destination => self.output,
        }
    }
}
