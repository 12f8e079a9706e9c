//! Packets that routing ends, in words: what the client sees, what decides, what to do.

use std::fmt;
use std::net::IpAddr;

use crate::net::Family;
use crate::node::{ForwardingOff, Refusal, ReversePath};
use crate::walk::Unrouted;

/// A packet that routing ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unroutable {
    pub(crate) fault: Unrouted,
    /// Its source at that point.
    pub(crate) source: IpAddr,
    /// Its destination at that point.
    pub(crate) to: IpAddr,
    /// Whether the node itself sends it.
    pub(crate) is_own: bool,
    /// Whether a rule gave it that destination.
    pub(crate) is_translated: bool,
    /// Whether the client is told.
    pub(crate) is_told: bool,
}

impl Unroutable {
    /// What decides.
    fn what_decides(&self) -> String {
        let Unroutable { fault, source, to, .. } = self;
        match fault {
            Unrouted::NoWay(Refusal::NoRoute) => format!("the node has no route to {to}"),
            Unrouted::NoWay(refusal) => {
                format!("{to} falls under a route or routing rule of type {}", refusal.name())
            }
            Unrouted::NotForwarded(off @ ForwardingOff::Node) => {
                format!("the node does not forward packets ({} is 0)", off.setting(Family::of(*to)))
            }
            Unrouted::NotForwarded(off @ ForwardingOff::Interface) => format!(
                "the node does not forward packets that come in by that interface ({} is 0)",
                off.setting(Family::of(*to))
            ),
            Unrouted::NoWayBack(mode) => {
                format!(
                    "the node has no route back to {source}, and rp_filter asks for one ({})",
                    words(*mode)
                )
            }
            Unrouted::BackElsewhere(mode) => format!(
                "the node would answer {source} by another interface than the packet came in by, which rp_filter \
                 forbids ({})",
                words(*mode)
            ),
            Unrouted::OwnSource => {
                format!(
                    "the packet comes from the network, and its source {source} is the node's own address"
                )
            }
            Unrouted::SourceOfMany => format!("its source {source} is a broadcast address"),
        }
    }

    /// The reason in a few words.
    pub(super) fn short(&self) -> String {
        match self.fault {
            Unrouted::BackElsewhere(_) => {
                format!("the way back to {} leaves by another interface (rp_filter)", self.source)
            }
            Unrouted::NoWayBack(_) => format!("the node has no route back to {} (rp_filter)", self.source),
            Unrouted::NotForwarded(_) => "the node does not forward packets".to_owned(),
            _ => self.what_decides(),
        }
    }

    /// What to do about it.
    pub(super) fn remedy(&self) -> Option<String> {
        let Unroutable { fault, source, to, .. } = self;
        Some(match fault {
            Unrouted::NoWay(Refusal::NoRoute) if self.is_own && !self.is_translated => format!(
                "give the node a default route, or one to {to}; its interface does not matter, since the rules change \
                 the destination afterwards"
            ),
            Unrouted::NoWay(_) => format!(
                "see ip route get {to} on the node; routes to Pods are made by the CNI plugin, others by the network's \
                 configuration"
            ),
            Unrouted::NotForwarded(off) => {
                format!("sysctl -w {}=1, and the same in /etc/sysctl.d", off.setting(Family::of(*to)))
            }
            Unrouted::NoWayBack(_) => format!("give the node a route to {source}"),
            Unrouted::BackElsewhere(ReversePath::Loose) => {
                format!(
                    "route {source} by the interface that it comes in by, or set rp_filter to 0 there and in \
                     net.ipv4.conf.all"
                )
            }
            Unrouted::BackElsewhere(_) => format!(
                "route {source} by the interface that it comes in by, or set rp_filter to 2 (loose) there"
            ),
            Unrouted::OwnSource => format!("find out which host on the network uses {source} as well"),
            Unrouted::SourceOfMany => return None,
        })
    }
}

impl fmt::Display for Unroutable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decides = self.what_decides();
        let mut letters = decides.chars();
        let first = letters.next().unwrap_or_default().to_ascii_uppercase();
        write!(f, "{first}{}.", letters.as_str())?;
        match self.fault {
            Unrouted::NoWay(_) if self.is_own && !self.is_translated => f.write_str(
                " Routing comes before the rules that would send the connection to an endpoint, so it fails in the process \
                 that makes it.",
            ),
            Unrouted::NoWay(_) if self.is_translated && !self.is_told => {
                f.write_str(" That is where a rule sends the packet; it is dropped silently.")
            }
            Unrouted::NoWay(_) if self.is_translated => f.write_str(" That is where a rule sends the packet."),
            Unrouted::NoWay(_) if !self.is_told => f.write_str(" The packet is dropped silently."),
            Unrouted::NotForwarded(ForwardingOff::Node) => {
                f.write_str(" Pods and clients outside reach the node itself, but nothing behind it.")
            }
            Unrouted::NotForwarded(ForwardingOff::Interface) => {
                f.write_str(" What comes in there reaches the node itself, but nothing behind it.")
            }
            Unrouted::NoWayBack(_) | Unrouted::BackElsewhere(_) | Unrouted::SourceOfMany => {
                f.write_str(" The kernel drops it at routing, before any rule for forwarding sees it.")
            }
            _ => Ok(()),
        }
    }
}

fn words(mode: ReversePath) -> &'static str {
    match mode {
        ReversePath::Off => "0, off",
        ReversePath::Strict => "1, strict",
        ReversePath::Loose => "2, loose",
    }
}
