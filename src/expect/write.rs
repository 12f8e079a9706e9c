//! Makes a file of expectations from what holds in a cluster today. Services with the same answer share an entry, and
//! ports and addresses are named only if they differ, so that the file is short enough to read and does not depend on
//! the order of the input.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::clients::{self, Sender};
use super::endings::Endings;
use super::ground::{Address, Ground};
use super::parts::Parts;
use super::probe::Probe;
use super::words::{Client, ClientIp, Outcome};
use crate::cluster::{AddressKind, ServicePort};
use crate::net::{Family, Protocol};
use crate::parallel;
use crate::walk::ClientKind;

/// At most this many nodes are named; if more have the same answer, and others do not, one of them is enough.
const NAMED: usize = 8;

/// The clients that are written, and how.
const CLIENTS: [(Client, &str); 3] =
    [(Client::Pods, "pods"), (Client::Nodes, "nodes"), (Client::Outside, "outside")];

/// The text of the file, and how many entries it has.
pub fn write(ground: &Ground<'_>) -> (String, usize) {
    let ports = ports(ground);
    let asked = parallel::each(&ports, |port| port.ask(ground));
    let mut services: BTreeMap<String, Vec<(&Port<'_>, &Asked)>> = BTreeMap::new();
    for (port, asked) in ports.iter().zip(&asked) {
        services.entry(port.service()).or_default().push((port, asked));
    }
    let mut entries: BTreeMap<Answer, BTreeSet<String>> = BTreeMap::new();
    for (service, ports) in &services {
        for (answer, to) in of_service(service, ports, ground) {
            entries.entry(answer).or_default().insert(to);
        }
    }
    let redundant = services.iter().filter(|(_, ports)| ports.iter().all(|(port, _)| port.is_redundant()));
    let redundant: BTreeSet<String> = redundant.map(|(service, _)| service.clone()).collect();
    let exposed = services.iter().filter(|(_, ports)| ports.iter().any(|(_, asked)| asked.is_exposed));
    let exposed: BTreeSet<String> = exposed.map(|(service, _)| service.clone()).collect();
    print(&entries, &redundant, &exposed)
}

/// A port of a Service, in both families.
struct Port<'c> {
    own: Vec<&'c ServicePort>,
    /// What distinguishes it from the Service's other ports.
    name: String,
}

/// What was found about a port.
struct Asked {
    /// By client and kind of address: what happens on each node.
    answers: BTreeMap<(usize, AddressKind), ByNode>,
    is_exposed: bool,
}

/// What happens to every connection, and whether the client's IP is preserved.
type What = (Outcome, Option<ClientIp>);

/// What happens on each node, if it is one thing.
type ByNode = BTreeMap<usize, Option<What>>;

/// On which nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Where {
    All,
    Any,
    These(Vec<String>),
}

/// What Services can have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Answer {
    outcome: Outcome,
    from: BTreeSet<usize>,
    at: Vec<AddressKind>,
    on: Where,
    client_ip: Option<ClientIp>,
}

/// All ports, by Service, name and protocol.
fn ports<'c>(ground: &Ground<'c>) -> Vec<Port<'c>> {
    let mut ports: BTreeMap<(String, String, Protocol, u16), Vec<&'c ServicePort>> = BTreeMap::new();
    let looked_at = ground.service_ports().filter(|p| ground.families.contains(&Family::of(p.cluster_ip)));
    for port in looked_at {
        let name = &port.name;
        let key = (name.service_name().to_string(), name.port().to_owned(), name.protocol(), port.port.get());
        ports.entry(key).or_default().push(port);
    }
    let is_ambiguous = |service: &str, text: &str, protocol: Protocol| {
        ports.keys().any(|(other, name, its, number)| {
            other == service && *its != protocol && (name == text || number.to_string() == text)
        })
    };
    let named = ports.iter().map(|((service, name, protocol, number), own)| {
        let text = if name.is_empty() { number.to_string() } else { name.clone() };
        let protocol =
            if is_ambiguous(service, &text, *protocol) { format!("/{protocol}") } else { String::new() };
        Port { own: own.clone(), name: format!("{text}{protocol}") }
    });
    named.collect()
}

impl Port<'_> {
    fn service(&self) -> String {
        self.own.first().map(|port| port.name.service_name().to_string()).unwrap_or_default()
    }

    /// Whether it can lose one endpoint, in each family.
    fn is_redundant(&self) -> bool {
        self.own.iter().all(|port| {
            let ready = port.endpoints.iter().filter(|endpoint| endpoint.ready);
            ready.map(|endpoint| endpoint.text.as_str()).collect::<BTreeSet<_>>().len() >= 2
        })
    }

    fn ask(&self, ground: &Ground<'_>) -> Asked {
        let nodes: Vec<usize> = (0..ground.nodes.len()).collect();
        let mut asked = Asked { answers: BTreeMap::new(), is_exposed: false };
        for address in self.own.iter().flat_map(|port| Address::of(port)) {
            let parts = Parts::of(ground, &address);
            let mut probe = Probe::new(ground, &address, &parts);
            for (number, (client, _)) in CLIENTS.iter().enumerate() {
                let senders = clients::senders(client, &address, &nodes, ground, &parts);
                asked.take((number, &address), &senders, &mut probe);
            }
            for range in parts.source_ranges() {
                let senders = clients::senders(&Client::Network(range), &address, &nodes, ground, &parts);
                let outside = senders.iter().filter(|(_, sender)| sender.kind == ClientKind::Outside);
                asked.is_exposed |=
                    outside.into_iter().any(|(node, sender)| probe.ask(*node, sender).1.may_work());
            }
        }
        asked
    }
}

impl Asked {
    fn take(
        &mut self,
        (client, address): (usize, &Address),
        senders: &[(usize, Sender)],
        probe: &mut Probe<'_>,
    ) {
        let Some(kind) = address.kind else { return };
        let is_outside = CLIENTS.get(client).is_some_and(|(client, _)| *client == Client::Outside);
        let answers = self.answers.entry((client, kind)).or_default();
        for (node, sender) in senders {
            let (_, endings) = probe.ask(*node, sender);
            let what = what(endings, is_outside);
            self.is_exposed |= is_outside && endings.may_work();
            let known = answers.entry(*node).or_insert(what);
            if *known != what {
                *known = None;
            }
        }
    }
}

/// What can be expected, if it is one thing. For clients outside also that their IP is preserved, since it may matter
/// there.
fn what(endings: Endings, is_outside: bool) -> Option<What> {
    let outcome = endings.outcome().filter(|_| !endings.is_unknown())?;
    let preserved = endings.client_ip() == Some(ClientIp::Preserved) && outcome == Outcome::Works;
    Some((outcome, (preserved && is_outside).then_some(ClientIp::Preserved)))
}

/// What is written about a client at some addresses.
type Line = (usize, Vec<AddressKind>, Where, What);

fn of_service(service: &str, ports: &[(&Port<'_>, &Asked)], ground: &Ground<'_>) -> Vec<(Answer, String)> {
    let lines: Vec<Vec<Line>> = ports.iter().map(|(_, asked)| lines(asked, ground)).collect();
    let are_alike = lines.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    let named = ports.iter().map(|(port, _)| format!("{service}:{}", port.name));
    let told: Vec<(String, &Vec<Line>)> = match are_alike {
        true => lines.first().map(|lines| (service.to_owned(), lines)).into_iter().collect(),
        false => named.zip(&lines).collect(),
    };
    told.into_iter().flat_map(|(to, lines)| merged(lines).into_iter().map(move |a| (a, to.clone()))).collect()
}

/// Clients with the same outcomes at the same addresses are written together.
fn merged(lines: &[Line]) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    for (client, at, on, (outcome, client_ip)) in lines {
        let like = answers
            .iter_mut()
            .find(|a| (&a.at, &a.on, &a.outcome, &a.client_ip) == (at, on, outcome, client_ip));
        match like {
            Some(answer) => _ = answer.from.insert(*client),
            None => answers.push(Answer {
                outcome: *outcome,
                from: BTreeSet::from([*client]),
                at: at.clone(),
                on: on.clone(),
                client_ip: *client_ip,
            }),
        }
    }
    answers
}

fn lines(asked: &Asked, ground: &Ground<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    for client in 0..CLIENTS.len() {
        let of_client =
            asked.answers.iter().filter(|((its, _), by_node)| *its == client && !by_node.is_empty());
        let mut by_answer: Vec<(Vec<AddressKind>, &ByNode)> = Vec::new();
        for ((_, kind), by_node) in of_client {
            match by_answer.iter_mut().find(|(_, known)| known == &by_node) {
                Some((kinds, _)) => kinds.push(*kind),
                None => by_answer.push((vec![*kind], by_node)),
            }
        }
        let is_one = by_answer.len() == 1;
        for (kinds, by_node) in by_answer {
            let at = if is_one { Vec::new() } else { kinds };
            lines
                .extend(places(by_node, ground).into_iter().map(|(on, what)| (client, at.clone(), on, what)));
        }
    }
    lines
}

/// Where what happens.
fn places(by_node: &ByNode, ground: &Ground<'_>) -> Vec<(Where, What)> {
    let mut groups: BTreeMap<What, Vec<usize>> = BTreeMap::new();
    for (node, what) in by_node {
        if let Some(what) = what {
            groups.entry(*what).or_default().push(*node);
        }
    }
    let name = |node: &usize| ground.nodes.get(*node).map(|here| here.node.name.to_string());
    let place = |(what, nodes): (What, Vec<usize>)| {
        let on = match nodes.len() {
            count if count == by_node.len() => Where::All,
            count if count <= NAMED => Where::These(nodes.iter().filter_map(name).collect()),
            _ if what.0 == Outcome::Works => Where::Any,
            _ => return None,
        };
        Some((on, what))
    };
    groups.into_iter().filter_map(place).collect()
}

/// Where editors find what the file may contain.
const SCHEMA: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/raw/main/docs/schemas/expectations.json");

fn print(
    entries: &BTreeMap<Answer, BTreeSet<String>>,
    redundant: &BTreeSet<String>,
    exposed: &BTreeSet<String>,
) -> (String, usize) {
    let mut out = format!(
        "# yaml-language-server: $schema={SCHEMA}\n# What holds today, written by kuberules test --write.\n\
         apiVersion: {}\nexpectations:\n",
        super::file::API_VERSION
    );
    for (answer, to) in entries {
        print_to(&mut out, to);
        let from: Vec<&str> =
            answer.from.iter().filter_map(|i| CLIENTS.get(*i)).map(|(_, word)| *word).collect();
        print_list(&mut out, "from", &from);
        let at: Vec<&str> = answer.at.iter().map(|kind| kind.name()).collect();
        if !at.is_empty() {
            print_list(&mut out, "at", &at);
        }
        match &answer.on {
            Where::All => {}
            Where::Any => out.push_str("  on: any\n"),
            Where::These(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(|node| node_name(node)).collect();
                print_list(&mut out, "on", &nodes.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        let _ = writeln!(out, "  expect: {}", answer.outcome.name());
        if let Some(ip) = answer.client_ip {
            let _ = writeln!(out, "  clientIP: {}", ip.name());
        }
    }
    if !redundant.is_empty() {
        print_to(&mut out, redundant);
        out.push_str("  endpoints: {atLeast: 2}\n");
    }
    out.push_str("- exposed:\n");
    if exposed.is_empty() {
        out.push_str("    only: []\n");
    } else {
        out.push_str("    only:\n");
        exposed.iter().for_each(|service| _ = writeln!(out, "    - {service}"));
    }
    (out, entries.len() + usize::from(!redundant.is_empty()) + 1)
}

fn print_to(out: &mut String, to: &BTreeSet<String>) {
    let mut names = to.iter();
    if let (Some(only), 1) = (to.first(), to.len()) {
        let _ = writeln!(out, "- to: {only}");
        return;
    }
    out.push_str("- to:\n");
    names.by_ref().for_each(|name| _ = writeln!(out, "  - {name}"));
}

fn print_list(out: &mut String, field: &str, words: &[&str]) {
    match words {
        [one] if field != "on" => _ = writeln!(out, "  {field}: {one}"),
        _ => _ = writeln!(out, "  {field}: [{}]", words.join(", ")),
    }
}

/// A node's name, written so that YAML reads it as a text and no word of the language is meant.
fn node_name(name: &str) -> String {
    match name {
        "all" | "any" => format!("node/{name}"),
        _ => format!("{name:?}"),
    }
}
