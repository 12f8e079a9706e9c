//! What a way means, in words.

use std::net::IpAddr;

use super::Told;
use super::names::{name, party};
use crate::diagnostic::Inert;
use crate::journey::{
    Client, ClientPlace, End, Entry, EntryBy, NodeIndex, NotFollowed, Note, Party, ServerPlace, Silence, Way,
    WayResult,
};

impl Told<'_, '_, '_, '_> {
    /// A node's name, safe to print.
    pub(super) fn node(&self, node: NodeIndex) -> String {
        Inert(self.network.name(node)).to_string()
    }

    /// An address, with its owner in brackets.
    pub(super) fn address(&self, text: &str, ip: IpAddr) -> String {
        match name(self.network, ip) {
            Some(name) => format!("{text} ({name})"),
            None => text.to_owned(),
        }
    }

    /// Who the client is.
    pub(super) fn client(&self) -> String {
        let Client { ip, place } = self.journey.connection.client;
        match (place, self.network.pod_name(ip)) {
            (ClientPlace::Pod(node), Some(name)) => format!("pod {} on {}", Inert(name), self.node(node)),
            (ClientPlace::Pod(node), None) => format!("a pod on {}", self.node(node)),
            (ClientPlace::Node(node), _) => format!("{} itself", self.node(node)),
            (ClientPlace::Outside, _) => "a client outside the cluster".to_owned(),
        }
    }

    /// Headline and clause: `works: 10.32.0.15:3306 answers, ...`.
    pub(super) fn meaning(&self, way: &Way<'_>) -> String {
        format!("{}: {}", headline(&way.result()), self.clause(way))
    }

    /// What follows the headline.
    pub(super) fn clause(&self, way: &Way<'_>) -> String {
        let destination = self.journey.connection.destination;
        let last = way.hops.last().map(|hop| self.node(hop.node)).unwrap_or_default();
        match way.result() {
            WayResult::Works => {
                format!("{} answers, and sees {}", self.server(way), self.server_sees(way))
            }
            WayResult::AnsweredByKubeProxy => {
                format!(
                    "kube-proxy itself answers on {last} and connects to an endpoint, which sees the node's IP"
                )
            }
            WayResult::Refused(_) => format!("{last} refuses the packet (\"connection refused\")"),
            WayResult::TimesOut(silence) => self.silence(silence, way),
            WayResult::NotServicePort => match way.end {
                End::NodeItself(node) => format!(
                    "reaches {} itself at {destination}, where it is refused unless a process listens on that port",
                    self.node(node)
                ),
                _ => format!("leaves the cluster, to {destination}"),
            },
            WayResult::Unknown => self.unknown(way),
        }
    }

    fn silence(&self, silence: Silence, way: &Way<'_>) -> String {
        let destination = self.journey.connection.destination;
        let last = way.hops.last().map(|hop| self.node(hop.node)).unwrap_or_default();
        match silence {
            Silence::Dropped => format!("{last} drops the packet, and the client hears nothing"),
            Silence::OwnAddress => {
                "the Pod gets its own packet back, from its own address, and drops it".to_owned()
            }
            Silence::ReplyFromElsewhere(from) => format!(
                "{} answers, but its reply does not pass {}, which translated the destination: it comes from {from}, not \
                 from {destination}, and is dropped",
                self.server(way),
                self.translator(way)
            ),
            Silence::ReplyStranded(node) => {
                format!("the reply stops at {}, which does not know the connection", self.node(node))
            }
            Silence::Nowhere => {
                format!("no rule takes {destination}, and nothing in the network has a cluster IP")
            }
        }
    }

    /// The node that translated the destination.
    fn translator(&self, way: &Way<'_>) -> String {
        let hop = way.hops.iter().find(|hop| hop.arrives.destination != hop.leaves.destination);
        hop.map_or_else(|| "the node".to_owned(), |hop| self.node(hop.node))
    }

    pub(super) fn unknown(&self, way: &Way<'_>) -> String {
        match &way.end {
            End::NotFollowed(NotFollowed::ManyEntries(count)) => {
                format!("{count} more nodes are as likely to be the first, and are not followed one by one")
            }
            End::NotFollowed(NotFollowed::ManyWays(count)) => {
                format!("{count} more ways are like those shown, and are not followed one by one")
            }
            End::NotFollowed(NotFollowed::NoRules(node)) => {
                format!("the rules of {} are not made here", self.node(*node))
            }
            End::NotFollowed(NotFollowed::NoInterface(node, ip)) => format!(
                "{ip} is an address of {}, but on none of its interfaces as far as is known: a cloud may translate it on \
                 the way (--host-ip tells that an interface has it)",
                self.node(*node)
            ),
            End::NotFollowed(NotFollowed::Circle) => {
                "the packet goes from node to node without end".to_owned()
            }
            End::NotFollowed(NotFollowed::Walk(node, error)) => {
                format!("the rules of {} cannot be followed: {}", self.node(*node), Inert(&error.to_string()))
            }
            _ => "the source that the server sees is chosen by a rule that is not kube-proxy's".to_owned(),
        }
    }

    /// `10.32.0.15:3306 (pod default/db-0 on node-2)`
    pub(super) fn server(&self, way: &Way<'_>) -> String {
        let Some(server) = way.server() else { return String::new() };
        let text = server.address.to_string();
        match (server.place, self.network.pod_name(server.address.ip())) {
            (ServerPlace::Node(node), Some(pod)) => {
                format!("{text} (pod {} in the network of {})", Inert(pod), self.node(node))
            }
            (ServerPlace::Pod(node), None) => format!("{text} (a pod on {})", self.node(node)),
            _ => self.address(&text, server.address.ip()),
        }
    }

    /// Which source the server sees, and what that means.
    pub(super) fn server_sees(&self, way: &Way<'_>) -> String {
        let Some(source) = way.server_sees() else { return String::new() };
        let client = self.journey.connection.client;
        let text = party(source, self.network);
        match source == Party::Ip(client.ip) && !way.hops.iter().any(|hop| hop.outcome.snat) {
            true => format!("{text} (client IP preserved)"),
            false => format!("{text} (masqueraded)"),
        }
    }
}

/// The words at the beginning of an answer.
pub(super) fn headline(result: &WayResult) -> &'static str {
    match result {
        WayResult::Works | WayResult::AnsweredByKubeProxy => "works",
        WayResult::Refused(_) => "refused",
        WayResult::TimesOut(_) => "times out",
        WayResult::NotServicePort => "not a Service port",
        WayResult::Unknown => "unknown",
    }
}

/// The code and the words for what decides the first node.
pub(super) fn entry(entry: &Entry, told: &Told<'_, '_, '_, '_>) -> (&'static str, String) {
    let count = entry.nodes.len() + entry.not_followed;
    let names: Vec<String> = entry.nodes.iter().map(|node| told.node(*node)).collect();
    let first = names.first().cloned().unwrap_or_default();
    let to = told.journey.connection.destination.ip();
    match entry.by {
        EntryBy::ClientsNode => ("clients-node", format!("the client is on {first}")),
        EntryBy::Address => ("address", format!("{to} is on {first}")),
        EntryBy::Chosen => {
            ("chosen", format!("assumed: a load balancer or a route leads to {first} (--node)"))
        }
        EntryBy::AllNodes => (
            "all-nodes",
            format!(
                "assumed: whatever routes {to} spreads connections evenly over {}",
                counted(count, "node of the cluster", "nodes of the cluster")
            ),
        ),
        EntryBy::HealthyNodes => (
            "healthy-nodes",
            format!(
                "externalTrafficPolicy is Local; assumed: the load balancer spreads connections evenly over the {} whose \
                 health check answers ({})",
                if count == 1 { "node".to_owned() } else { format!("{count} nodes") },
                names.join(", ")
            ),
        ),
        EntryBy::NoHealthyNode => (
            "no-healthy-node",
            "externalTrafficPolicy is Local and no node's health check answers: a load balancer sends nowhere; assumed: \
             evenly over all nodes"
                .to_owned(),
        ),
        EntryBy::NoNode => ("no-node", format!("{to} leads to no node of the cluster")),
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("the only {one}"),
        _ => format!("all {count} {many}"),
    }
}

/// What is assumed about the network on a way.
pub(super) fn note(note: Note, told: &Told<'_, '_, '_, '_>) -> String {
    match note {
        Note::SameBridge(node) => format!(
            "Client and server are Pods on {}: where a bridge joins them, the reply is translated back only with the \
             sysctl net.bridge.bridge-nf-call-iptables (module br_netfilter).",
            told.node(node)
        ),
        Note::PluginMasquerade(node, to) => format!(
            "{to} is no Pod's address: many network plugins masquerade what a Pod sends there, so that {}'s IP is seen \
             in place of the Pod's and replies return through it. That is not kube-proxy's doing and is not assumed here.",
            told.node(node)
        ),
        Note::ReversePath(node, ip) => format!(
            "{} gets a packet from the network with the address of its own Pod {ip}: with the sysctl rp_filter it drops \
             that.",
            told.node(node)
        ),
    }
}
