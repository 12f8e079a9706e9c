//! From a plan and its walk to the explanation of a Service port.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use super::clients::{self, Source};
use super::few::{Few, LeftOutOf};
use super::rules::{Happens, Rules};
use super::why::Why;
use super::{
    Address, AddressKind, Case, Chance, ClientOutcome, Decision, End, Endpoint, Masqueraded, MoreEndpoints,
    Port, Share, client_ip, describe,
};
use crate::cluster;
use crate::diagnostic::Inert;
use crate::input::Sources;
use crate::parallel;
use crate::plan::reasons::LeftOut;
use crate::plan::{Listener, NodePorts, Plan, ServicePortPlan};
use crate::report::trace::remark::Remark;
use crate::report::trace::{Names, RulesSource, Trace, remarks};
use crate::settings::ProxyMode;
use crate::walk::{self, Host, Outcome, Packet, Verdict, WalkError, Walker};

/// What is needed to explain the Service ports of one family.
pub(super) struct Builder<'s> {
    pub(super) mode: ProxyMode,
    pub(super) sources: &'s Sources,
    pub(super) plan: &'s Plan<'s>,
    pub(super) walker: Walker<'s>,
    pub(super) host: &'s Host,
}

/// A Service with at least this many endpoints has its walks done by several threads.
const WORTH_THREADS: usize = 256;

/// Endpoints with their chances, sorted.
type Sharing = Vec<(SocketAddr, walk::Chance)>;

/// What the cases of a port refer to.
struct Shared<'b, 's> {
    shares: &'b [Sharing],
    servers: &'b HashMap<SocketAddr, &'s cluster::Endpoint>,
}

/// The endpoints of a port by their addresses; if several have one address, the first.
fn servers<'s>(port: &'s ServicePortPlan<'s>) -> HashMap<SocketAddr, &'s cluster::Endpoint> {
    let all = port.service_port().endpoints.iter().rev();
    all.map(|endpoint| (SocketAddr::new(endpoint.ip, endpoint.port.get()), endpoint)).collect()
}

/// An address that packets can be sent to.
struct Target {
    kind: AddressKind,
    to: SocketAddr,
    note: String,
}

/// A packet, with what can happen to a client that connects for the first time.
struct Walked<'s> {
    client: usize,
    address: usize,
    packet: Packet,
    /// Where it goes, over all outcomes.
    sharing: Sharing,
    masqueraded: Masqueraded,
    /// How many outcomes there are.
    count: usize,
    /// Some of each kind.
    outcomes: Vec<Outcome<'s>>,
    /// What happens to a client that has connected before (session affinity).
    conditional: Vec<Outcome<'s>>,
}

impl<'s> Walked<'s> {
    fn of((client, address): (usize, usize), packet: Packet, all: Vec<Outcome<'s>>, few: &Few) -> Walked<'s> {
        let (outcomes, conditional): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|outcome| outcome.given.is_empty());
        let mut sharing: BTreeMap<SocketAddr, walk::Chance> = BTreeMap::new();
        for outcome in &outcomes {
            let chance = sharing.entry(outcome.destination);
            chance.and_modify(|chance| *chance = chance.plus(outcome.chance)).or_insert(outcome.chance);
        }
        let masqueraded = match outcomes.iter().filter(|outcome| outcome.snat).count() {
            0 => Masqueraded::None,
            n if n == outcomes.len() => Masqueraded::All,
            _ => Masqueraded::Some,
        };
        Walked {
            client,
            address,
            packet,
            sharing: sharing.into_iter().collect(),
            masqueraded,
            count: outcomes.len(),
            outcomes: few.thinned(outcomes),
            conditional: few.thinned(conditional),
        }
    }

    fn happens(&self) -> impl Iterator<Item = Happens<'_, 's>> {
        let first = self.outcomes.iter().map(|outcome| (Some(self.client), outcome));
        first.chain(self.conditional.iter().map(|outcome| (None, outcome)))
    }
}

impl<'s> Builder<'s> {
    pub(super) fn port(&self, port: &'s ServicePortPlan<'s>) -> Result<Port, WalkError> {
        let sources = clients::sources(self.plan, port, self.host);
        let targets = self.targets(port);
        let left_out: LeftOutOf =
            port.left_out().into_iter().map(|(endpoint, why)| (std::ptr::from_ref(endpoint), why)).collect();
        let few = Few::of(port, &left_out, self.plan.node_name());
        let walked = self.walk(port, &sources, &targets, &few)?;
        let mut shares: Vec<Sharing> = Vec::new();
        let rules = Rules::reached_by(walked.iter().flat_map(Walked::happens));
        let ends: Vec<End> = walked.iter().map(|walked| self.end(walked, port, &mut shares)).collect();
        let servers = servers(port);
        let shared = Shared { shares: &shares, servers: &servers };
        let case = |(walked, end): (&Walked<'s>, End)| self.case(walked, end, port, &shared);
        let cases = walked.iter().zip(ends).map(case).collect();
        let family = self.plan.family();
        let (endpoints, more_endpoints) = self.endpoints(port, &shares, &left_out, &few);
        Ok(Port {
            name: port.service_port().name.port().to_owned(),
            family: family.api_name(),
            protocol: port.service_port().name.protocol().lower_name(),
            port: port.service_port().port.get(),
            addresses: targets.into_iter().map(Target::into_address).collect(),
            clients: sources.iter().map(|source| source.client(self.host, self.plan)).collect(),
            endpoints,
            more_endpoints,
            decisions: decisions(port),
            affinity_seconds: port.service_port().affinity_seconds,
            shares: shares.iter().enumerate().map(share).collect(),
            cases,
            rules: rules.rows(self.plan, self.sources),
            met: rules.met(),
        })
    }

    fn targets(&self, port: &ServicePortPlan<'_>) -> Vec<Target> {
        let service_port = port.service_port();
        let at = |kind, ip: IpAddr| Target {
            kind,
            to: SocketAddr::new(ip, service_port.port.get()),
            note: String::new(),
        };
        let mut targets = vec![at(AddressKind::ClusterIp, service_port.cluster_ip)];
        if let Some(external) = port.external() {
            let external_ips = external.external_ips().iter();
            targets.extend(external_ips.map(|ip| at(AddressKind::ExternalIp, ip.value)));
            let load_balancer_ips = external.load_balancer_ips().iter();
            targets.extend(load_balancer_ips.map(|ip| at(AddressKind::LoadBalancerIp, ip.value)));
        }
        targets.extend(self.node_ports(port));
        targets
    }

    fn node_ports(&self, port: &ServicePortPlan<'_>) -> Vec<Target> {
        let Some(number) = port.node_port() else { return Vec::new() };
        let family = self.plan.family();
        let served = match self.plan.node_ports() {
            NodePorts::AllLocal => None,
            NodePorts::Addresses(addresses) => addresses.iter().find(|ip| !ip.is_loopback()).copied(),
        };
        let note = match self.plan.node_ports() {
            NodePorts::AllLocal => "on every address of the node".to_owned(),
            NodePorts::Addresses(addresses) => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                format!(
                    "on {}",
                    if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") }
                )
            }
        };
        let ip = served.or_else(|| self.host.primary_address(family));
        let on_node =
            ip.map(|ip| Target { kind: AddressKind::NodePort, to: SocketAddr::new(ip, number.get()), note });
        let loopback = Target {
            kind: AddressKind::LoopbackNodePort,
            to: SocketAddr::new(family.loopback(), number.get()),
            note: "for the node itself only".to_owned(),
        };
        on_node.into_iter().chain([loopback]).collect()
    }

    fn walk(
        &self,
        port: &ServicePortPlan<'_>,
        sources: &[Source],
        targets: &[Target],
        few: &Few,
    ) -> Result<Vec<Walked<'s>>, WalkError> {
        let mut packets = Vec::new();
        for (address, target) in targets.iter().enumerate() {
            for (client, source) in sources.iter().enumerate() {
                let packet = self.packet(port, source, target);
                packets.extend(packet.map(|packet| ((client, address), packet)));
            }
        }
        let walk = |(at, packet): &((usize, usize), Packet)| {
            Ok(Walked::of(*at, *packet, self.walker.walk(packet)?, few))
        };
        match port.service_port().endpoints.len() < WORTH_THREADS {
            true => packets.iter().map(walk).collect(),
            false => parallel::each(&packets, walk).into_iter().collect(),
        }
    }

    /// Packets to a loopback address only exist on the sender's own host.
    fn packet(&self, port: &ServicePortPlan<'_>, source: &Source, target: &Target) -> Option<Packet> {
        let protocol = port.service_port().name.protocol();
        let Some(ip) = source.ip else {
            let known =
                self.host.primary_address(self.plan.family()).is_some() || target.to.ip().is_loopback();
            return known.then(|| Packet::from_node(self.host, protocol, target.to));
        };
        let sent = target.kind != AddressKind::LoopbackNodePort;
        sent.then_some(Packet::plain(protocol, ip, target.to, source.kind))
    }

    fn case(
        &self,
        walked: &Walked<'s>,
        end: End,
        port: &'s ServicePortPlan<'s>,
        shared: &Shared<'_, 's>,
    ) -> Case {
        Case {
            client: walked.client,
            address: walked.address,
            end,
            words: self.case_words(
                walked,
                end,
                shared.shares,
                self.other_service(walked, port).map(service_name),
            ),
            why: self.why(walked, port),
            masqueraded: walked.masqueraded,
            outcomes: walked.outcomes.iter().map(|outcome| client_outcome(outcome, shared)).collect(),
            more_outcomes: walked.count - walked.outcomes.len(),
        }
    }

    /// The result of a case; a new way of sharing is added.
    fn end(&self, walked: &Walked<'s>, port: &ServicePortPlan<'s>, shares: &mut Vec<Sharing>) -> End {
        match self.other_service(walked, port) {
            Some(_) => End::Other,
            None => match end(walked, shares) {
                End::Node if self.listener(walked).is_some() => End::KubeProxy,
                end => end,
            },
        }
    }

    /// kube-proxy's own listener at the address of a packet.
    fn listener(&self, walked: &Walked<'_>) -> Option<Listener<'s>> {
        self.plan.listener(walked.packet.destination, walked.packet.protocol)
    }

    /// The Service port whose rules took the packet.
    fn taken_by(&self, outcome: &Outcome<'_>) -> Option<&'s ServicePortPlan<'s>> {
        let origins = outcome.steps.iter().rev().filter_map(describe::origin);
        origins.filter_map(|origin| origin.service_port(self.plan)).next()
    }

    /// Another Service port that has the same address, and whose rules took the packet.
    fn other_service(
        &self,
        walked: &Walked<'_>,
        port: &ServicePortPlan<'_>,
    ) -> Option<&'s ServicePortPlan<'s>> {
        let taken = walked.outcomes.iter().find_map(|outcome| self.taken_by(outcome))?;
        (taken.service_port().name != port.service_port().name).then_some(taken)
    }

    fn why(&self, walked: &Walked<'s>, port: &'s ServicePortPlan<'s>) -> Vec<String> {
        let (names, rules) =
            (Names::default(), RulesSource { language: self.mode.name(), ..RulesSource::default() });
        let trace = Trace {
            existing: Vec::new(),
            packet: walked.packet,
            outcomes: Vec::new(),
            rules: &rules,
            names: &names,
            plan: Some(self.plan),
        };
        let mut why: Vec<Why> = Vec::new();
        if let Some(other) = self.other_service(walked, port) {
            why.push(Why::other_service(walked.packet.destination, other, port));
        }
        for outcome in &walked.outcomes {
            let translated = outcome.destination != walked.packet.destination;
            if outcome.verdict == Verdict::Accept && translated {
                let port = self.taken_by(outcome).unwrap_or(port);
                why.push(Why::ClientIp(client_ip::why(outcome, &walked.packet, self.plan, port)));
            }
            let remarks = remarks::remarks(outcome, &trace).into_iter();
            // Why it is masqueraded has already been said.
            let new = remarks.filter(|remark| *remark != Remark::Hairpin { masqueraded: true });
            why.extend(new.map(Why::Remark));
        }
        let mut once: Vec<Why> = Vec::new();
        why.into_iter().for_each(|reason| {
            if !once.contains(&reason) {
                once.push(reason)
            }
        });
        once.iter().map(Why::to_string).collect()
    }

    fn case_words(&self, walked: &Walked<'s>, end: End, shares: &[Sharing], other: Option<String>) -> String {
        match end {
            End::Dropped => "times out (dropped)".to_owned(),
            End::Refused => "refused".to_owned(),
            End::KubeProxy => {
                let count = self.listener(walked).map_or(0, |listener| listener.endpoints.len());
                format!("{}, by kube-proxy itself: the Pod sees the node's IP", endpoints_words(count))
            }
            End::Node => "not served: reaches the node itself".to_owned(),
            End::Passed => "not served: goes on to the network".to_owned(),
            End::Other => other_words(walked, &other.unwrap_or_default()),
            End::Shared(i) => {
                let letter = if shares.len() > 1 { format!("{}: ", letter(i)) } else { String::new() };
                let count = shares.get(i).map_or(0, Vec::len);
                format!("{letter}{}, {}", endpoints_words(count), client_ip_words(walked.masqueraded))
            }
        }
    }

    fn endpoints(
        &self,
        port: &ServicePortPlan<'_>,
        shares: &[Sharing],
        left_out: &LeftOutOf,
        few: &Few,
    ) -> (Vec<Endpoint>, Vec<MoreEndpoints>) {
        let row = |endpoint: &cluster::Endpoint| {
            let at = SocketAddr::new(endpoint.ip, endpoint.port.get());
            let chance_in = |share: &Sharing| {
                let found = share.binary_search_by_key(&at, |(to, _)| *to).ok()?;
                share.get(found).map(|(_, c)| chance(*c))
            };
            let chances: Vec<Option<Chance>> = shares.iter().map(chance_in).collect();
            let why = left_out.get(&std::ptr::from_ref(endpoint)).copied();
            let used = chances.iter().any(Option::is_some) && why != Some(LeftOut::Duplicate);
            Endpoint {
                text: Inert(&endpoint.text).to_string(),
                pod: endpoint.pod.as_ref().map(|pod| Inert(pod).to_string()).unwrap_or_default(),
                node: endpoint.node_name.as_ref().map(|node| Inert(node).to_string()).unwrap_or_default(),
                here: endpoint.node_name.as_ref() == Some(self.plan.node_name()),
                state: state(endpoint),
                chances,
                left_out: why.filter(|_| !used).map(|why| Decision {
                    about: "endpoint",
                    code: why.code(),
                    words: why.words(),
                }),
            }
        };
        let (mut listed, mut more) = (Vec::new(), Vec::<MoreEndpoints>::new());
        for (index, endpoint) in port.service_port().endpoints.iter().enumerate() {
            let like = row(endpoint);
            let is_alike = |other: &&mut MoreEndpoints| {
                let other = &other.like;
                (other.state, &other.chances, &other.left_out) == (like.state, &like.chances, &like.left_out)
            };
            match more.iter_mut().find(is_alike) {
                _ if few.shows(index) => listed.push(like),
                Some(known) => known.count += 1,
                None => more.push(MoreEndpoints { count: 1, like }),
            }
        }
        (listed, more)
    }
}

fn client_outcome(outcome: &Outcome<'_>, shared: &Shared<'_, '_>) -> ClientOutcome {
    let to = shared.servers.get(&outcome.destination);
    let pod = to.and_then(|endpoint| endpoint.pod.as_ref());
    ClientOutcome {
        verdict: outcome.verdict.name(),
        chance: chance(outcome.chance),
        destination: outcome.destination.to_string(),
        pod: pod.map(|pod| Inert(pod).to_string()).unwrap_or_default(),
        snat: outcome.snat,
    }
}

impl Target {
    fn into_address(self) -> Address {
        Address { kind: self.kind, words: self.kind.words(), text: self.to.to_string(), note: self.note }
    }
}

pub(super) fn state(endpoint: &cluster::Endpoint) -> &'static str {
    match endpoint {
        cluster::Endpoint { ready: true, terminating: false, .. } => "ready",
        cluster::Endpoint { ready: true, .. } => "ready, terminating",
        cluster::Endpoint { terminating: true, serving: true, .. } => "terminating, serving",
        cluster::Endpoint { terminating: true, .. } => "terminating",
        _ => "not ready",
    }
}

fn decisions(port: &ServicePortPlan<'_>) -> Vec<Decision> {
    let internal = port.internal_reasons().into_iter().map(|reason| ("cluster IP", reason));
    let external = port.external_reasons().into_iter().map(|reason| ("from outside", reason));
    internal
        .chain(external)
        .map(|(about, reason)| Decision { about, code: reason.code(), words: reason.words() })
        .collect()
}

/// The result of a case; a new way of sharing is added.
fn end(walked: &Walked<'_>, shares: &mut Vec<Sharing>) -> End {
    let Some(first) = walked.outcomes.first() else { return End::Passed };
    match first.verdict {
        Verdict::Drop => return End::Dropped,
        Verdict::Reject(_) => return End::Refused,
        Verdict::Accept => {}
    }
    if first.destination == walked.packet.destination {
        return if first.delivered_locally { End::Node } else { End::Passed };
    }
    let known = shares.iter().position(|known| *known == walked.sharing);
    End::Shared(known.unwrap_or_else(|| {
        shares.push(walked.sharing.clone());
        shares.len() - 1
    }))
}

fn client_ip_words(masqueraded: Masqueraded) -> &'static str {
    match masqueraded {
        Masqueraded::None => "client IP preserved",
        Masqueraded::All => "masqueraded",
        Masqueraded::Some => "masqueraded in part",
    }
}

/// What happens at an address that another Service also has, and whose rules come first.
fn other_words(walked: &Walked<'_>, other: &str) -> String {
    let other = Inert(other);
    match walked.outcomes.first().map(|outcome| outcome.verdict) {
        Some(Verdict::Drop) => {
            format!("times out: Service {other} has the same address and port, and drops it")
        }
        Some(Verdict::Reject(_)) => {
            format!("refused: Service {other} has the same address and port, and refuses it")
        }
        Some(Verdict::Accept) | None => {
            format!("taken by Service {other}: {} of it", endpoints_words(walked.sharing.len()))
        }
    }
}

fn service_name(port: &ServicePortPlan<'_>) -> String {
    port.service_port().name.to_string()
}

fn endpoints_words(count: usize) -> String {
    format!("{count} {}", if count == 1 { "endpoint" } else { "endpoints" })
}

/// The letter of a share.
fn letter(i: usize) -> char {
    u8::try_from(i).ok().and_then(|i| b'A'.checked_add(i)).map_or('?', char::from)
}

fn share((i, share): (usize, &Sharing)) -> Share {
    let count = share.len();
    let first = share.first().map(|(_, chance)| *chance);
    let equal = share.iter().all(|(_, chance)| Some(*chance) == first);
    let words = match (count, first) {
        (1, _) => "1 endpoint".to_owned(),
        (_, Some(first)) if equal => format!("{count} endpoints, {} each", chance(first).text),
        _ => format!("{count} endpoints"),
    };
    Share { letter: letter(i), words }
}

pub(super) fn chance(chance: walk::Chance) -> Chance {
    let text = match chance.fraction() {
        Some((n, 1)) => n.to_string(),
        Some((n, d)) if d < 100_000 => format!("{n}/{d}"),
        _ => format!("{:.5}", chance.as_f64()),
    };
    Chance { text, value: chance.as_f64() }
}
