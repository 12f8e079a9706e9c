//! Whether expectations hold: every member of each is checked on the nodes, and those that are not as expected are its
//! failures. A member is a client on a node that connects to an address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::clients::{self, Sender};
use super::endings::Endings;
use super::file::{Asked, Endpoints, Expectation, On, Reach};
use super::ground::{Address, Ground};
use super::parts::Parts;
use super::probe::Probe;
use super::resolve::{Found, Question, resolve};
use super::words::{Client, Outcome, Target};
use crate::cluster::{AddressKind, ServicePort};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::net::{Family, Protocol};
use crate::parallel;
use crate::walk::Packet;

/// Whether an expectation holds.
#[derive(Debug)]
pub struct Verdict<'e> {
    /// The expectation.
    pub expectation: &'e Expectation,
    /// How many clients on how many nodes were checked.
    pub members: usize,
    /// What is not as expected; empty if it holds.
    pub failures: Vec<Failure>,
}

/// Something that is not as expected.
#[derive(Debug)]
pub enum Failure {
    /// Connections.
    Traffic(Box<Lost>),
    /// Endpoints that are not there.
    Endpoints(TooFew),
}

/// Connections from similar clients to one address that are not as expected.
#[derive(Debug)]
pub struct Lost {
    /// The client, as written.
    pub(super) client: String,
    /// The address that was found; none if the Service has none for the client.
    pub(super) address: Option<Address>,
    /// The Service or address, as written.
    pub(super) to: String,
    /// What happens instead.
    pub(super) endings: Endings,
    /// The nodes, by number.
    pub(super) nodes: Vec<usize>,
    /// One of the packets.
    pub(super) packet: Option<Packet>,
}

/// Too few endpoints.
#[derive(Debug)]
pub struct TooFew {
    /// The Service port.
    pub(super) service_port: String,
    /// The zone; none for all of them.
    pub(super) zone: Option<String>,
    pub(super) wanted: usize,
    pub(super) found: usize,
    /// Those that are not ready: text, state and place.
    pub(super) others: Vec<(String, &'static str, Option<Place>)>,
    /// Where the Service stands.
    pub(super) place: Option<Place>,
}

impl Verdict<'_> {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Evaluates expectations in a cluster.
///
/// # Errors
/// Names that do not exist, and expectations that nothing can match.
pub fn evaluate<'e>(
    expectations: &'e [Expectation],
    ground: &Ground<'_>,
) -> Result<Vec<Verdict<'e>>, Diagnostics> {
    let mut faults = Diagnostics::default();
    let mut questions = Vec::new();
    for expectation in expectations {
        match resolve(expectation, ground) {
            Ok(question) => questions.push(question),
            Err(found) => faults.append(found),
        }
    }
    if faults.has_errors() {
        return Err(faults);
    }
    let tasks: Vec<Task<'_>> = questions.iter().enumerate().flat_map(Task::of).collect();
    let asked = ask_all(&tasks, ground);
    let mut answers: Vec<Vec<(&Task<'_>, Answer)>> = questions.iter().map(|_| Vec::new()).collect();
    for (task, answer) in asked {
        if let Some(list) = answers.get_mut(task.number) {
            list.push((task, answer));
        }
    }
    let mut verdicts = Vec::new();
    for (question, found) in questions.iter().zip(answers) {
        match conclude(question, found, ground) {
            Ok(verdict) => verdicts.push(verdict),
            Err(fault) => faults.push(*fault),
        }
    }
    if faults.has_errors() { Err(faults) } else { Ok(verdicts) }
}

/// Performs all tasks, in their order; those for one address are done together, with the same rules.
fn ask_all<'t, 'q>(tasks: &'t [Task<'q>], ground: &Ground<'_>) -> Vec<(&'t Task<'q>, Answer)> {
    let mut jobs: BTreeMap<(Family, Option<IpAddr>, u16, Protocol), Vec<usize>> = BTreeMap::new();
    for (i, task) in tasks.iter().enumerate() {
        let Address { family, ip, port, protocol, .. } = task.address;
        jobs.entry((*family, *ip, *port, *protocol)).or_default().push(i);
    }
    let jobs: Vec<Vec<usize>> = jobs.into_values().collect();
    let asked = parallel::each(&jobs, |job| {
        let mut answers = Vec::new();
        let Some(first) = job.first().and_then(|i| tasks.get(*i)) else { return answers };
        let parts = Parts::of(ground, first.address);
        let mut probe = Probe::new(ground, first.address, &parts);
        for i in job {
            answers.extend(tasks.get(*i).map(|task| (*i, task.ask(ground, &parts, &mut probe))));
        }
        answers
    });
    let by_number: BTreeMap<usize, Answer> = asked.into_iter().flatten().collect();
    by_number.into_iter().filter_map(|(i, answer)| Some((tasks.get(i)?, answer))).collect()
}

/// One address of a question, and its clients.
struct Task<'q> {
    /// The question's number.
    number: usize,
    question: &'q Question<'q>,
    target: usize,
    address: &'q Address,
}

/// The answers for one address.
#[derive(Default)]
struct Answer {
    members: usize,
    /// Clients that can connect, by index.
    clients: BTreeSet<usize>,
    nodes: BTreeSet<usize>,
    failures: Vec<Member>,
}

/// A client on a node that is not as expected.
struct Member {
    client: usize,
    node: usize,
    packet: Option<Packet>,
    endings: Endings,
}

impl<'q> Task<'q> {
    fn of((number, question): (usize, &'q Question<'q>)) -> Vec<Task<'q>> {
        let targets = question.targets.iter().enumerate();
        let tasks = targets.flat_map(|(target, found)| {
            found.addresses.iter().map(move |address| Task { number, question, target, address })
        });
        tasks.collect()
    }

    fn ask(&self, ground: &Ground<'_>, parts: &Parts, probe: &mut Probe<'_>) -> Answer {
        let mut answer = Answer::default();
        let outside = [Client::Outside];
        let clients: Vec<&Client> = match &self.question.expectation.asked {
            Asked::Reach(reach) => reach.from.iter().map(|client| &client.value).collect(),
            Asked::Exposed(only) if is_allowed(self.address, only) => Vec::new(),
            Asked::Exposed(_) => outside.iter().collect(),
        };
        for (number, client) in clients.into_iter().enumerate() {
            let senders = clients::senders(client, self.address, &self.question.nodes, ground, parts);
            self.ask_all(number, &senders, probe, &mut answer);
        }
        if let Asked::Exposed(_) = &self.question.expectation.asked {
            // Clients that the source ranges admit are outside, too.
            for range in parts.source_ranges() {
                let client = Client::Network(range);
                let senders = clients::senders(&client, self.address, &self.question.nodes, ground, parts);
                let is_outside =
                    |(_, sender): &(usize, Sender)| sender.kind == crate::walk::ClientKind::Outside;
                let senders: Vec<_> = senders.into_iter().filter(is_outside).collect();
                let members = if is_allowed_in(self) { Vec::new() } else { senders };
                self.ask_all(0, &members, probe, &mut answer);
            }
        }
        answer
    }

    fn ask_all(
        &self,
        client: usize,
        senders: &[(usize, Sender)],
        probe: &mut Probe<'_>,
        answer: &mut Answer,
    ) {
        for (node, sender) in senders {
            let (packet, endings) = probe.ask(*node, sender);
            answer.members += 1;
            answer.clients.insert(client);
            answer.nodes.insert(*node);
            if !self.is_expected(client, endings) {
                answer.failures.push(Member { client, node: *node, packet, endings });
            }
        }
    }
}

impl Task<'_> {
    fn is_expected(&self, client: usize, endings: Endings) -> bool {
        let reach = match &self.question.expectation.asked {
            Asked::Reach(reach) => reach,
            Asked::Exposed(_) => return !endings.may_work(),
        };
        // Among all Pods of a namespace some may be the only endpoint: the expectation does not mean those.
        let of_group = reach.from.get(client).is_some_and(|from| matches!(from.value, Client::Namespace(_)));
        let client_ip = reach.client_ip.filter(|_| !(of_group && endings.is_hairpin()));
        endings.are(reach.outcome.or(reach.client_ip.map(|_| Outcome::Works)), client_ip)
    }
}

fn is_allowed_in(task: &Task<'_>) -> bool {
    matches!(&task.question.expectation.asked, Asked::Exposed(only) if is_allowed(task.address, only))
}

/// Whether a Service may answer from outside.
fn is_allowed(address: &Address, only: &[super::fields::Written<Target>]) -> bool {
    let Some(service_port) = &address.service_port else { return false };
    let (service, port) = service_port.split_once(':').unwrap_or((service_port, ""));
    only.iter().any(|allowed| match &allowed.value {
        Target::Service { namespace, name, port: wanted, protocol } => {
            service.split_once('/') == Some((namespace, name))
                && wanted.as_ref().is_none_or(|wanted| port == wanted || address.port.to_string() == *wanted)
                && protocol.is_none_or(|protocol| protocol == address.protocol)
        }
        _ => false,
    })
}

fn conclude<'e>(
    question: &Question<'e>,
    answers: Vec<(&Task<'_>, Answer)>,
    ground: &Ground<'_>,
) -> Result<Verdict<'e>, Box<Diagnostic>> {
    let members = answers.iter().map(|(_, answer)| answer.members).sum();
    let mut failures = match &question.expectation.asked {
        Asked::Reach(reach) => nothing_there(question, reach, &answers, ground)?,
        Asked::Exposed(_) => Vec::new(),
    };
    let nodes: BTreeSet<usize> =
        answers.iter().flat_map(|(_, answer)| answer.nodes.iter().copied()).collect();
    let lost = answers.iter().flat_map(|(_, answer)| &answer.failures);
    let failing: BTreeSet<usize> = lost.map(|member| member.node).collect();
    // If one node is enough, another that is not as expected is not a failure.
    let is_saved = question.any && nodes.iter().any(|node| !failing.contains(node));
    if !is_saved {
        failures.extend(folded(question, &answers).into_iter().map(|lost| Failure::Traffic(Box::new(lost))));
    }
    if let Asked::Reach(Reach { endpoints: Some(wanted), .. }) = &question.expectation.asked {
        failures.extend(too_few(question, *wanted, ground)?.into_iter().map(Failure::Endpoints));
    }
    Ok(Verdict { expectation: question.expectation, members, failures })
}

/// A client without anything to connect to: for clients outside this is what "not served" means, for any other it is an
/// error.
fn nothing_there(
    question: &Question<'_>,
    reach: &Reach,
    answers: &[(&Task<'_>, Answer)],
    ground: &Ground<'_>,
) -> Result<Vec<Failure>, Box<Diagnostic>> {
    let mut failures = Vec::new();
    for (target, found) in question.targets.iter().enumerate() {
        let of_target = || answers.iter().filter(|(task, _)| task.target == target).map(|(_, answer)| answer);
        for (number, client) in reach.from.iter().enumerate() {
            if of_target().any(|answer| answer.clients.contains(&number)) {
                continue;
            }
            if !has_no_door(&client.value, found, ground) {
                return Err(cannot_match(client, found, question).into());
            }
            let endings = Endings::NOTHING_THERE;
            if !endings.are(reach.outcome, reach.client_ip) {
                failures.push(Failure::Traffic(Box::new(Lost {
                    client: client.text.clone(),
                    address: None,
                    to: found.text.clone(),
                    endings,
                    nodes: Vec::new(),
                    packet: None,
                })));
            }
        }
    }
    Ok(failures)
}

/// Whether a client is outside and the Service has no address for such clients.
fn has_no_door(client: &Client, found: &Found, ground: &Ground<'_>) -> bool {
    let external = found.addresses.iter().any(|address| address.kind.is_none_or(AddressKind::is_external));
    let families: BTreeSet<_> = found.addresses.iter().map(|address| address.family).collect();
    match client {
        Client::Outside => !external && families.iter().any(|family| ground.outside(*family).is_some()),
        Client::Network(network) => {
            !external
                && (found.addresses.is_empty() || families.contains(&network.family()))
                && ground.is_outside(*network)
        }
        _ => false,
    }
}

fn cannot_match(
    client: &super::fields::Written<Client>,
    found: &Found,
    question: &Question<'_>,
) -> Diagnostic {
    let (from, to) = (&client.text, &found.text);
    let help = match (&client.value, &question.expectation.on) {
        (Client::Pods, _) => "no address of a Pod is known: give --cluster-cidr, or Nodes with podCIDRs",
        (Client::Pod { .. } | Client::Namespace(_), On::These(_)) => {
            "a Pod's packets meet the rules of its own node, which is not among those of on"
        }
        (Client::Pod { .. } | Client::Namespace(_) | Client::Network(_), _) => {
            "their addresses are of another family, or their node is not in the input"
        }
        (Client::Nodes, _) => "no node has an address of the family",
        (Client::Outside, _) => "no address outside is free of rules: name one as a network",
    };
    let message = format!("from: nothing can match: {from} has no way to {to} on these nodes");
    Diagnostic::error(message).at(Some(client.place.clone())).help(help)
}

/// Merges failures that differ only in the node.
fn folded(question: &Question<'_>, answers: &[(&Task<'_>, Answer)]) -> Vec<Lost> {
    let mut folded: BTreeMap<(usize, usize, Endings), Lost> = BTreeMap::new();
    let client_of = |number: usize| match &question.expectation.asked {
        Asked::Reach(reach) => reach.from.get(number).map(|client| client.text.clone()).unwrap_or_default(),
        Asked::Exposed(_) => "outside".to_owned(),
    };
    for (i, (task, answer)) in answers.iter().enumerate() {
        for member in &answer.failures {
            let lost = folded.entry((i, member.client, member.endings)).or_insert_with(|| Lost {
                client: client_of(member.client),
                address: Some(task.address.clone()),
                to: question.targets.get(task.target).map(|found| found.text.clone()).unwrap_or_default(),
                endings: member.endings,
                nodes: Vec::new(),
                packet: member.packet,
            });
            if lost.nodes.last() != Some(&member.node) && !lost.nodes.contains(&member.node) {
                lost.nodes.push(member.node);
            }
        }
    }
    folded.into_values().collect()
}

/// Service ports with too few ready endpoints, in all or in a zone.
fn too_few(
    question: &Question<'_>,
    wanted: Endpoints,
    ground: &Ground<'_>,
) -> Result<Vec<TooFew>, Box<Diagnostic>> {
    let mut found = Vec::new();
    let zones: BTreeSet<&str> =
        (question.nodes.iter()).filter_map(|node| ground.nodes.get(*node)?.node.zone.as_deref()).collect();
    if wanted.per_zone.is_some() && zones.is_empty() {
        let message =
            "endpoints.perZone: no Node has the label topology.kubernetes.io/zone, so nothing can match";
        return Err(Diagnostic::error(message).at(Some(question.expectation.place.clone())).into());
    }
    for target in &question.targets {
        let names: BTreeSet<&str> =
            target.addresses.iter().filter_map(|a| a.service_port.as_deref()).collect();
        if names.is_empty() {
            let message =
                format!("endpoints: no Service has the address {}, so nothing can match", target.text);
            return Err(Diagnostic::error(message).at(Some(question.expectation.place.clone())).into());
        }
        let is_meant = |port: &&ServicePort| {
            names.contains(port.name.to_string().as_str())
                && target.addresses.iter().any(|a| {
                    a.protocol == port.name.protocol()
                        && a.family == crate::net::Family::of(port.cluster_ip)
                        && a.service_port.as_deref() == Some(port.name.to_string().as_str())
                })
        };
        for port in ground.service_ports().filter(is_meant) {
            let counts = wanted.at_least.map(|count| (None, count)).into_iter();
            let per_zone = wanted.per_zone.into_iter();
            let per_zone = per_zone.flat_map(|count| zones.iter().map(move |zone| (Some(*zone), count)));
            found.extend(
                counts.chain(per_zone).filter_map(|(zone, count)| lacking(port, zone, count, ground)),
            );
        }
    }
    Ok(found)
}

fn lacking(port: &ServicePort, zone: Option<&str>, wanted: usize, ground: &Ground<'_>) -> Option<TooFew> {
    let zone_of = |node: &str| ground.nodes.iter().find(|here| here.node.name == node)?.node.zone.as_deref();
    let is_there = |endpoint: &&crate::cluster::Endpoint| {
        zone.is_none() || endpoint.node_name.as_deref().and_then(zone_of) == zone
    };
    let there = || port.endpoints.iter().filter(is_there);
    let ready: BTreeSet<&str> = there().filter(|e| e.ready).map(|e| e.text.as_str()).collect();
    let sources = &ground.snapshot.sources;
    let others = there().filter(|endpoint| !endpoint.ready).map(|endpoint| {
        let path = format!("endpoints[{}].conditions", endpoint.place.index);
        let state = match (endpoint.terminating, endpoint.serving) {
            (true, true) => "terminating, still serving",
            (true, false) => "terminating",
            (false, _) => "not ready",
        };
        (endpoint.text.to_string(), state, sources.field_place(endpoint.place.slice, &path))
    });
    (ready.len() < wanted).then(|| TooFew {
        service_port: port.name.to_string(),
        zone: zone.map(str::to_owned),
        wanted,
        found: ready.len(),
        others: others.collect(),
        place: sources.place(port.position),
    })
}
