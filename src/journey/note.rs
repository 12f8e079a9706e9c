//! What is assumed about the network on a way, and would change the way if it were wrong.

use std::net::IpAddr;

use super::connection::{ClientPlace, Connection};
use super::network::{Network, NodeIndex, Place};
use super::way::{Party, ServerPlace, Way};

/// Something that is assumed about the network. Reasons are data; their words are in `report::journey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Client and server are Pods on one node: if they are on a bridge, the reply passes the node's connection tracking
    /// only with `bridge-nf-call-iptables`.
    SameBridge(NodeIndex),
    /// A Pod's packet leaves this node for an address that is not a Pod's: network plugins often masquerade that.
    PluginMasquerade(NodeIndex, IpAddr),
    /// This node gets a packet from the network with the address of one of its own Pods: `rp_filter` would drop it.
    ReversePath(NodeIndex, IpAddr),
}

impl Way<'_> {
    /// What is assumed about the network on this way.
    pub fn notes(&self, network: &Network<'_, '_>, connection: &Connection) -> Vec<Note> {
        let mut notes = Vec::new();
        notes.extend(self.same_bridge(network, connection));
        notes.extend(self.plugin(network, connection));
        notes.extend(self.reverse_path(network));
        notes
    }

    /// If the sysctl is known to be on, there is nothing to assume.
    fn same_bridge(&self, network: &Network<'_, '_>, connection: &Connection) -> Option<Note> {
        let ClientPlace::Pod(node) = connection.client.place else { return None };
        let translated = self.reply.as_ref().is_some_and(|reply| reply.hops.iter().any(|h| h.translates()));
        let unmasqueraded = self.server_sees() == Some(Party::Ip(connection.client.ip));
        let same = self.server().is_some_and(|server| server.place == ServerPlace::Pod(node));
        let is_certain =
            network.rules(node).is_some_and(|rules| rules.host.sysctls.bridge_calls_iptables == Some(true));
        (same && translated && unmasqueraded && !is_certain).then_some(Note::SameBridge(node))
    }

    fn plugin(&self, network: &Network<'_, '_>, connection: &Connection) -> Option<Note> {
        let ClientPlace::Pod(node) = connection.client.place else { return None };
        let first = self.hops.first().filter(|hop| !hop.outcome.snat)?;
        let to = first.leaves.destination.ip();
        let crosses = self.hops.len() > 1 || self.server().is_some_and(|s| s.place == ServerPlace::Elsewhere);
        let leaves_pods = matches!(network.place(to), Place::Node(_) | Place::Outside);
        (crosses && leaves_pods).then_some(Note::PluginMasquerade(node, to))
    }

    fn reverse_path(&self, network: &Network<'_, '_>) -> Option<Note> {
        self.hops.iter().skip(1).find_map(|hop| {
            let Party::Ip(ip) = hop.arrives.source else { return None };
            let own = network.rules(hop.node).is_some_and(|rules| rules.host.is_local_pod(ip));
            own.then_some(Note::ReversePath(hop.node, ip))
        })
    }
}
