//! From clusters to the stages of a Service.

use std::net::SocketAddr;

use super::cast::{self, Asker};
use super::rows::Rows;
use super::{
    Play, PlayBack, PlayHop, PlayStep, PlayWay, Policy, Stage, StageAddress, StageCase, StageEndpoint,
    StageNode,
};
use crate::cluster::{Cluster, Node, ServicePort};
use crate::diagnostic::Inert;
use crate::explain::build::{chance, state};
use crate::explain::tables::port_words;
use crate::input::Sources;
use crate::journey::{self, ClientPlace, Connection, Journey, Limits, Network, NodeIndex};
use crate::names::ServiceName;
use crate::net::Family;
use crate::node::{NodePlan, NodeRules};
use crate::parallel;
use crate::report::journey::{Addresses, BackHop, Document, Hop, Outcome, Told, document};
use crate::settings::{HostFacts, Settings};

/// A cluster as a page shows it: in one mode, with the traffic policies as they are or switched.
#[derive(Clone, Copy)]
pub struct View<'c> {
    /// The cluster.
    pub cluster: &'c Cluster,
    /// The settings that its rules are made with.
    pub settings: &'c Settings,
    /// The input, for places.
    pub sources: &'c Sources,
    /// Whether policies are turned.
    pub turned: bool,
}

/// At most this many endpoints are drawn.
const MOST_ENDPOINTS: usize = 12;
/// Limits, so that a page shows no more than one can look at.
const LIMITS: Limits = Limits { nodes: 6, ways: 12 };

/// The stages of the named Services, as seen from the node `home`: the Services of the first view, played in all views.
pub fn stages(views: &[View<'_>], home: &Node, services: &[ServiceName]) -> Vec<Stage> {
    let mut stages = Vec::new();
    for family in Family::ALL {
        let compile = |view: View<'_>| {
            // Flags about the host are about the requested node.
            let settings = view.settings.clone();
            let others = Settings {
                host: HostFacts { addresses: Vec::new(), ..settings.host.clone() },
                ..settings.clone()
            };
            (settings, others)
        };
        let settings: Vec<(Settings, Settings)> = views.iter().map(|view| compile(*view)).collect();
        let networks: Vec<Network<'_, '_>> = views
            .iter()
            .zip(&settings)
            .map(|(view, settings)| network(*view, settings, home, family))
            .collect();
        let Some(first) = views.first() else { return stages };
        for port in &first.cluster.family(family).service_ports {
            if services.contains(&port.name.service_name()) {
                stages.extend(Builder { views, networks: &networks, home }.stage(port));
            }
        }
    }
    stages
}

fn network<'n, 'c: 'n>(
    view: View<'c>,
    (settings, others): &'n (Settings, Settings),
    home: &'n Node,
    family: Family,
) -> Network<'n, 'c> {
    let compile = move |node: &Node| -> Option<NodeRules<'c>> {
        let settings = if node.name == home.name { settings } else { others };
        let plan = NodePlan::new(view.cluster, settings, view.sources, node, family).ok()?.0;
        Some(plan.compile())
    };
    Network::new(view.cluster, family, compile).with_limits(LIMITS)
}

struct Builder<'b, 'n, 'c> {
    views: &'b [View<'c>],
    networks: &'b [Network<'n, 'c>],
    home: &'b Node,
}

/// A connection that was followed, and what is said about it.
struct Followed<'r> {
    journey: Journey<'r>,
    told: Document,
}

/// The cases of one view: the client, the index of the address, and the index of the connection to follow for it.
#[derive(Default)]
struct Asked {
    cases: Vec<(Asker, usize, usize)>,
    connections: Vec<(Connection, Option<NodeIndex>)>,
}

/// What is collected while cases are played.
#[derive(Default)]
struct Filled<'r> {
    rows: Rows<'r>,
    journeys: Vec<Play>,
    cases: Vec<StageCase>,
    policies: Vec<Policy>,
}

impl Builder<'_, '_, '_> {
    fn stage(&self, port: &ServicePort) -> Option<Stage> {
        let network = self.networks.first()?;
        let nodes = cast::nodes(network, &self.home.name, port);
        let addresses = cast::addresses(network, &nodes, port);
        let mut filled = Filled::default();
        let views: Vec<_> = self.views.iter().zip(self.networks).collect();
        let policies = views.iter().map(|(view, network)| policy(view, network, port, &mut filled.policies));
        let policies: Vec<usize> = policies.collect::<Option<_>>()?;
        // Each view has a network of its own.
        let asked: Vec<Asked> =
            (views.iter()).map(|(_, network)| ask(network, &nodes, &addresses, port)).collect();
        let connections: Vec<_> = (views.iter().zip(&asked))
            .flat_map(|((_, network), asked)| asked.connections.iter().map(move |of| (*network, of)))
            .collect();
        let mut followed = parallel::each(&connections, |(network, of)| follow(network, of)).into_iter();
        for (((view, network), policy), asked) in views.into_iter().zip(policies).zip(asked) {
            let followed = followed.by_ref().take(asked.connections.len()).collect();
            filled.play((view, network), policy, asked.cases, followed);
        }
        let endpoints = endpoints(network, &nodes, port, self.home);
        Some(Stage {
            service: port.name.service_name().to_string(),
            variant: "",
            variant_words: "",
            title: port_words(port, network.family()),
            protocol: port.name.protocol().lower_name(),
            more_nodes: network.nodes().count() - nodes.len(),
            nodes: nodes.iter().map(|node| stage_node(network, *node)).collect(),
            more_endpoints: port.endpoints.len() - endpoints.len(),
            endpoints,
            addresses: addresses.into_iter().map(|(address, _)| address).collect(),
            policies: filled.policies,
            rows: filled.rows.into_rows(),
            journeys: filled.journeys,
            cases: filled.cases,
        })
    }
}

/// The connections of every client on some nodes; those that take the same way are to be followed only once.
fn ask(
    network: &Network<'_, '_>,
    nodes: &[NodeIndex],
    addresses: &[(StageAddress, SocketAddr)],
    port: &ServicePort,
) -> Asked {
    let mut asked = Asked::default();
    for asker in cast::askers(network, nodes, port) {
        for (number, (_, to)) in addresses.iter().enumerate() {
            if cast::may_ask(&asker, *to) {
                let connection = connection(network, &asker, port, *to);
                let index = asked.index((connection, nodes.get(asker.node).copied()));
                asked.cases.push((asker, number, index));
            }
        }
    }
    asked
}

impl Asked {
    /// The index of a connection, which is added unless it is known.
    fn index(&mut self, connection: (Connection, Option<NodeIndex>)) -> usize {
        let known = self.connections.iter().position(|known| *known == connection);
        known.unwrap_or_else(|| {
            self.connections.push(connection);
            self.connections.len() - 1
        })
    }
}

fn follow<'r>(
    network: &'r Network<'_, '_>,
    (connection, chosen): &(Connection, Option<NodeIndex>),
) -> Followed<'r> {
    let journey = network.follow(*connection, *chosen);
    let told = document(&Told { journey: &journey, network, with_texts: false });
    Followed { journey, told }
}

impl<'r> Filled<'r> {
    fn play(
        &mut self,
        (view, network): (&View<'_>, &Network<'_, '_>),
        policy: usize,
        cases: Vec<(Asker, usize, usize)>,
        followed: Vec<Followed<'r>>,
    ) {
        let plays = followed.into_iter().map(|followed| play(followed, network, view, &mut self.rows));
        let plays: Vec<Play> = plays.collect();
        let numbers: Vec<usize> = plays.into_iter().map(|play| self.number(play)).collect();
        for (asker, address, followed) in cases {
            let Some(journey) = numbers.get(followed).copied() else { continue };
            self.cases.push(StageCase {
                mode: view.settings.mode.name(),
                policy,
                client: asker.id,
                node: asker.node,
                address,
                journey,
            });
        }
    }

    fn number(&mut self, journey: Play) -> usize {
        let known = self.journeys.iter().position(|known| *known == journey);
        known.unwrap_or_else(|| {
            self.journeys.push(journey);
            self.journeys.len() - 1
        })
    }
}

/// The index of a view's policy for a port.
fn policy(
    view: &View<'_>,
    network: &Network<'_, '_>,
    port: &ServicePort,
    known: &mut Vec<Policy>,
) -> Option<usize> {
    let own = network.ports().find(|own| own.name == port.name)?;
    let policy = Policy { given: !view.turned, ..cast::policy(own) };
    let number = known.iter().position(|known| *known == policy);
    Some(number.unwrap_or_else(|| {
        known.push(policy);
        known.len() - 1
    }))
}

fn stage_node(network: &Network<'_, '_>, node: NodeIndex) -> StageNode {
    let host = network.rules(node).map(|rules| &rules.host);
    let ip = host.and_then(|host| host.primary_address(network.family()));
    StageNode {
        name: Inert(network.name(node)).to_string(),
        ip: ip.map(|ip| ip.to_string()).unwrap_or_default(),
    }
}

/// Endpoints on the nodes that are drawn; the requested node decides why one is left out.
fn endpoints(
    network: &Network<'_, '_>,
    nodes: &[NodeIndex],
    port: &ServicePort,
    home: &Node,
) -> Vec<StageEndpoint> {
    let rules = network.find(&home.name).and_then(|node| network.rules(node));
    let plan = rules.and_then(|rules| rules.plan.as_ref());
    let planned =
        plan.and_then(|plan| plan.service_ports().iter().find(|own| own.service_port().name == port.name));
    let left_out = planned.map(|planned| planned.left_out()).unwrap_or_default();
    let row = |endpoint: &crate::cluster::Endpoint| {
        let node = network.find(endpoint.node_name.as_deref()?)?;
        let why = left_out.iter().find(|(left, _)| left.text == endpoint.text && !endpoint.is_usable());
        Some(StageEndpoint {
            address: Inert(&endpoint.text).to_string(),
            pod: endpoint.pod.as_ref().map(|pod| Inert(pod).to_string()).unwrap_or_default(),
            node: nodes.iter().position(|known| *known == node)?,
            state: state(endpoint),
            left_out: why.map(|(_, why)| why.words()),
        })
    };
    port.endpoints.iter().filter_map(row).take(MOST_ENDPOINTS).collect()
}

fn connection(network: &Network<'_, '_>, asker: &Asker, port: &ServicePort, to: SocketAddr) -> Connection {
    let mut client = asker.client;
    if let ClientPlace::Node(node) = client.place
        && let Some(rules) = network.rules(node)
    {
        client.ip = rules.host.source_to(to);
    }
    Connection { protocol: port.name.protocol(), client, destination: to }
}

fn play<'r>(
    Followed { journey, told, .. }: Followed<'r>,
    network: &Network<'_, '_>,
    view: &View<'_>,
    rows: &mut Rows<'r>,
) -> Play {
    let unconditional = told.outcomes.into_iter().zip(&journey.ways).filter(|(_, way)| way.given.is_empty());
    let ways = unconditional.map(|(outcome, way)| {
        let there = outcome.there.iter().zip(&way.hops);
        let there = there.filter_map(|(hop, walked)| play_hop(hop, walked, network, view, rows)).collect();
        play_way(outcome, chance(way.chance).text, there)
    });
    let ways = ways.collect();
    Play {
        client: told.connection.client,
        source: told.connection.source,
        node: told.connection.node,
        destination: told.connection.destination,
        entry: told.entry.words,
        ways,
    }
}

fn play_hop<'r>(
    hop: &Hop,
    walked: &journey::Hop<'r>,
    network: &Network<'_, '_>,
    view: &View<'_>,
    rows: &mut Rows<'r>,
) -> Option<PlayHop> {
    let plan = network.rules(walked.node)?.plan.as_ref()?;
    let mut before = &hop.arrives;
    let mut steps = Vec::new();
    for (step, walked) in hop.steps.iter().zip(&walked.outcome.steps) {
        let changed = step.packet != *before;
        before = &step.packet;
        let row = rows.number(walked, plan, view.sources);
        steps.push(PlayStep { row, hook: step.hook, packet: changed.then(|| pair(&step.packet)) });
    }
    Some(PlayHop { node: hop.node.clone(), packet: pair(&hop.arrives), steps })
}

fn play_way(outcome: Outcome, chance: String, there: Vec<PlayHop>) -> PlayWay {
    let back = |hop: &BackHop| PlayBack {
        node: hop.node.clone(),
        packet: pair(&hop.arrives),
        translated: hop.translated.then(|| pair(&hop.leaves)),
    };
    let back = outcome.back.iter().map(back).collect();
    let (server, pod, server_node) = match outcome.server {
        Some(server) => (server.address, server.pod.unwrap_or_default(), server.node.unwrap_or_default()),
        None => Default::default(),
    };
    PlayWay {
        result: outcome.result,
        meaning: outcome.meaning,
        chance,
        server,
        pod,
        server_node,
        client_sees: outcome.client_sees,
        there,
        back,
        notes: outcome.notes,
    }
}

fn pair(packet: &Addresses) -> [String; 2] {
    [packet.source.clone(), packet.destination.clone()]
}
