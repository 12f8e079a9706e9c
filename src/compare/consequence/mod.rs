//! What a change does to each Service: who was served and no longer is, at which address, on which nodes; then what
//! changes for those who still are.
//!
//! One client of each kind (a Pod on the node, a Pod elsewhere, the node, somebody outside, somebody from each source
//! range) is walked to every entry point of a changed Service, through the old rules and through the new ones, so this
//! says what `trace` says. What affects only certain addresses (an endpoint that connects to itself, loopback addresses
//! as sources) shows in the kinds of connections of [`super::traffic`], which are complete.

mod effect;
mod entry_point;
mod neighbours;
mod statement;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use compact_str::CompactString;
use serde::Serialize;

pub use effect::Effect;
pub use entry_point::{Client, EntryKind, EntryPoint};
pub use neighbours::Neighbours;
pub use statement::{Consequences, ServiceConsequence, Statement};

use super::traffic::{
    ConnectionVerdict, Difference, From, Known, Names, OutcomeSet, Outcomes, Reason, SideFacts, To, explain,
};
use crate::names::ServiceName;
use crate::net::Cidr;
use crate::nftables::ruleset::Interval;
use crate::node::Host;
use crate::plan::Plan;
use crate::walk::{Packet, Walker};
use effect::Seen;
use entry_point::{Probe, clients, probes};

/// What happens to the connections of one kind of client to one entry point, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The name of the Service port, or its number.
    pub service_port: CompactString,
    /// Where they enter.
    pub entry: EntryPoint,
    /// Who connects.
    pub client: Client,
    /// The packet that was followed.
    pub packet: Example,
    /// What happens with the old rules.
    pub before: ConnectionVerdict,
    /// What happens with the new rules.
    pub after: ConnectionVerdict,
    /// The known difference between modes or releases that explains a change.
    pub reason: Option<Reason>,
    effects: Vec<Effect>,
}

/// A packet that represents others. Nodes with different examples can still be of one kind, so all examples are equal.
#[derive(Debug, Clone, Copy)]
pub struct Example(pub Packet);

impl PartialEq for Example {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Example {}

/// An endpoint, as shown to people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The Pod's name, if it is known.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub pod: Option<CompactString>,
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Whether the address is assumed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// A Service on one node, in one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOnNode {
    /// The Service.
    pub service: ServiceName,
    /// For each entry point and client.
    pub cells: Vec<Cell>,
    /// The endpoints that connections reach before and after.
    pub endpoints: (BTreeSet<Target>, BTreeSet<Target>),
}

/// What happens to the connections of some Services on a node, before and after.
pub fn on_node<'r, 'o, 'n>(
    services: &BTreeSet<ServiceName>,
    plans: (Option<&'r Plan<'_>>, Option<&'r Plan<'_>>),
    (hosts, neighbours): ((&'r Host, &'r Host), &'r Neighbours<'r>),
    walkers: (&'r Walker<'o>, &'r Walker<'n>),
    known: Option<&Known<'_>>,
    assumed: &Arc<BTreeSet<IpAddr>>,
) -> Vec<ServiceOnNode> {
    let (Some(old), Some(new)) = plans else { return Vec::new() };
    if services.is_empty() {
        return Vec::new();
    }
    let mut names = Names::with_assumed(assumed.clone());
    [new, old].into_iter().for_each(|plan| names.learn(plan));
    let node = OnNode {
        plans: (old, new),
        hosts,
        neighbours,
        walkers,
        known,
        facts: (SideFacts::new(old), SideFacts::new(new)),
        names,
        assumed,
    };
    services.iter().map(|service| node.service(service)).collect()
}

struct OnNode<'a, 'r, 'o, 'n> {
    plans: (&'r Plan<'r>, &'r Plan<'r>),
    hosts: (&'r Host, &'r Host),
    /// The Pods around the new side's node.
    neighbours: &'r Neighbours<'r>,
    walkers: (&'r Walker<'o>, &'r Walker<'n>),
    known: Option<&'a Known<'a>>,
    facts: (SideFacts<'r>, SideFacts<'r>),
    names: Names,
    assumed: &'a BTreeSet<IpAddr>,
}

impl OnNode<'_, '_, '_, '_> {
    fn service(&self, service: &ServiceName) -> ServiceOnNode {
        let (old, new) = (self.plans.0.ports_of(service), self.plans.1.ports_of(service));
        let both = || old.iter().chain(new).map(|port| port.service_port());
        let mut ranges: Vec<Cidr> = both().flat_map(|port| &port.source_ranges).map(|r| r.value).collect();
        ranges.sort_unstable_by_key(|range| (range.network(), range.length()));
        ranges.dedup();
        let endpoints: Vec<IpAddr> = both().flat_map(|port| &port.endpoints).map(|e| e.ip).collect();
        let host = self.hosts.1;
        // If an address has a port with two names, the new side's counts.
        let mut entries: BTreeMap<(EntryPoint, SocketAddr), Probe> = BTreeMap::new();
        for probe in both().flat_map(|port| probes(port, host)) {
            entries.insert((probe.entry.clone(), probe.to), probe);
        }
        let mut found =
            ServiceOnNode { service: service.clone(), cells: Vec::new(), endpoints: Default::default() };
        for probe in entries.values() {
            for (client, source) in clients(probe, (host, self.neighbours), &ranges, &endpoints) {
                self.cell(probe, client, source, &mut found);
            }
        }
        found
    }

    fn cell(&self, probe: &Probe, client: Client, source: IpAddr, found: &mut ServiceOnNode) {
        let hosts = self.hosts;
        let packet =
            |host: &Host| Packet::plain(probe.entry.protocol, source, probe.to, host.client_kind(source));
        let packets = (&packet(hosts.0), &packet(hosts.1));
        let outcomes = match self.known {
            Some(known) => known.outcomes(self.walkers, packets),
            None => Outcomes::of(self.walkers, packets),
        };
        let Outcomes { old, new, .. } = &outcomes;
        let own = (hosts.0.is_local(probe.to.ip()), hosts.1.is_local(probe.to.ip()));
        let before = Seen::new(old, verdict(old, probe, own.0, self.plans.0));
        let after = Seen::new(new, verdict(new, probe, own.1, self.plans.1));
        found.endpoints.0.extend(before.endpoints.iter().map(|to| self.target(*to)));
        found.endpoints.1.extend(after.endpoints.iter().map(|to| self.target(*to)));
        let packet = *packets.1;
        let effects = before.effects(&after);
        let reason = (!effects.is_empty()).then(|| self.reason(packet, outcomes, own.1)).flatten();
        found.cells.push(Cell {
            service_port: probe.service_port.clone(),
            entry: probe.entry.clone(),
            client,
            packet: Example(packet),
            before: before.verdict,
            after: after.verdict,
            reason,
            effects,
        });
    }

    fn target(&self, to: SocketAddr) -> Target {
        let pod = self.names.pod(to).map(CompactString::from);
        Target { pod, address: to.ip(), port: to.port(), assumed: self.assumed.contains(&to.ip()) }
    }

    fn reason(&self, packet: Packet, outcomes: Outcomes, own: bool) -> Option<Reason> {
        let Outcomes { old, new, contrast } = outcomes;
        let to = packet.destination;
        let single = |ip| Interval { first: ip, last: ip };
        let contrast = contrast?;
        let difference = Difference {
            packet,
            to: To {
                address: Some(to.ip()),
                addresses: [single(to.ip())].into(),
                ports: [(to.port(), to.port())].into(),
                protocol: packet.protocol,
                port: Some(to.port()),
                own,
                representative: to,
                alike: [].into(),
            },
            from: From {
                client: packet.client,
                address: None,
                addresses: [single(packet.source)].into(),
                alike: [].into(),
                not_followed: 0,
            },
            old,
            new,
            contrast,
        };
        explain(&difference, &self.names, (&self.facts.0, &self.facts.1))
    }
}

/// What happens, including kube-proxy's own sockets: it can serve node ports on loopback addresses itself.
fn verdict(outcomes: &OutcomeSet, probe: &Probe, own: bool, plan: &Plan<'_>) -> ConnectionVerdict {
    let verdict = ConnectionVerdict::of(outcomes, probe.to, own);
    let listens = || plan.listener(probe.to, probe.entry.protocol).is_some_and(|l| !l.endpoints.is_empty());
    if verdict == ConnectionVerdict::NodeItself && listens() { ConnectionVerdict::Works } else { verdict }
}
