//! A journey as a sequence diagram that GitHub renders.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::document::{Addresses, Document, Hop, Outcome, Step};
use super::{Told, document};
use crate::markup::mermaid as escaped;

/// At most this many outcomes are drawn: a diagram with more is unreadable.
const DRAWN: usize = 6;

/// The diagram, without a fence around it.
pub fn mermaid(told: &Told<'_, '_, '_, '_>) -> String {
    let document = document(told);
    let mut out = "sequenceDiagram\n    autonumber\n".to_owned();
    let participants = Participants::of(&document);
    participants.declare(&document, &mut out);
    let many = document.outcomes.len() > 1;
    for (number, (outcome, way)) in document.outcomes.iter().zip(&told.journey.ways).enumerate().take(DRAWN) {
        if many {
            let word = if number == 0 { "alt" } else { "else" };
            let given: String = outcome.given.iter().map(|given| format!(", {given}")).collect();
            let _ = writeln!(out, "    {word} {}", escaped(&format!("{}{given}", way.chance)));
        }
        participants.draw(outcome, &document, &mut out);
    }
    if many {
        out.push_str("    end\n");
    }
    if document.outcomes.len() > DRAWN {
        let _ = writeln!(out, "    Note over client: and {} more outcomes", document.outcomes.len() - DRAWN);
    }
    out
}

/// Identifiers of nodes and servers, of letters and digits.
struct Participants {
    nodes: BTreeMap<String, String>,
    servers: BTreeMap<String, String>,
    /// In the order of the journey's ways.
    order: Vec<(String, String)>,
}

impl Participants {
    fn of(document: &Document) -> Participants {
        let mut all = Participants { nodes: BTreeMap::new(), servers: BTreeMap::new(), order: Vec::new() };
        for outcome in document.outcomes.iter().take(DRAWN) {
            let back = outcome.back.iter().map(|hop| &hop.node);
            for node in outcome.there.iter().map(|hop| &hop.node).chain(back) {
                all.add_node(node);
            }
            if let Some(server) = &outcome.server {
                all.add_server(&server.address, server.pod.as_deref());
            }
        }
        all
    }

    fn add_node(&mut self, name: &str) {
        if !self.nodes.contains_key(name) {
            let id = format!("node{}", self.nodes.len() + 1);
            self.order.push((id.clone(), format!("node {}", escaped(name))));
            self.nodes.insert(name.to_owned(), id);
        }
    }

    fn add_server(&mut self, address: &str, pod: Option<&str>) {
        if !self.servers.contains_key(address) {
            let id = format!("server{}", self.servers.len() + 1);
            let name = pod.map(|pod| format!("pod {}<br/>", escaped(pod))).unwrap_or_default();
            self.order.push((id.clone(), format!("{name}{}", escaped(address))));
            self.servers.insert(address.to_owned(), id);
        }
    }

    fn declare(&self, document: &Document, out: &mut String) {
        let connection = &document.connection;
        let client = format!("{}<br/>{}", escaped(&connection.client), escaped(&connection.source));
        let _ = writeln!(out, "    participant client as {client}");
        for (id, words) in &self.order {
            let _ = writeln!(out, "    participant {id} as {words}");
        }
    }

    fn node(&self, name: &str) -> &str {
        self.nodes.get(name).map_or("client", String::as_str)
    }

    fn draw(&self, outcome: &Outcome, document: &Document, out: &mut String) {
        let mut from = "client";
        for hop in &outcome.there {
            let to = self.node(&hop.node);
            message(from, "->>", to, &arrow(&hop.arrives), out);
            for step in hop.steps.iter().filter(|step| is_drawn(step, hop)) {
                let place = match (&step.table, &step.chain) {
                    (Some(table), Some(chain)) => format!("{} {table} {chain}: ", step.hook),
                    _ => String::new(),
                };
                message(to, "->>", to, &format!("{place}{}", step.effect), out);
            }
            from = to;
        }
        let server = outcome.server.as_ref().and_then(|server| self.servers.get(&server.address));
        if let (Some(server), Some(last)) = (server, outcome.there.last()) {
            message(from, "->>", server, &arrow(&last.leaves), out);
            self.draw_back(server, outcome, document, out);
        } else if outcome.result == "refused" {
            message(from, "-->>", "client", &outcome.meaning, out);
        } else if from != "client" && outcome.result == "times-out" {
            message(from, "-x", from, &outcome.meaning, out);
        } else {
            let _ = writeln!(out, "    Note over {from}: {}", escaped(&outcome.meaning));
        }
    }

    fn draw_back(&self, server: &str, outcome: &Outcome, document: &Document, out: &mut String) {
        let mut from = server;
        for hop in &outcome.back {
            let to = self.node(&hop.node);
            message(from, "-->>", to, &arrow(&hop.arrives), out);
            if hop.translated {
                message(to, "->>", to, "connection tracking translates the reply back", out);
            }
            from = to;
        }
        let seen = outcome.client_sees.clone().unwrap_or_default();
        let works = seen == document.connection.destination;
        let (sign, words) = match works {
            true => ("-->>", format!("answer from {seen}")),
            false => ("--x", format!("answer from {seen}, not from {}", document.connection.destination)),
        };
        message(from, sign, "client", &words, out);
    }
}

/// What readers look for: where the packet is translated, marked, masqueraded or stopped. Other forms have the jumps
/// between.
fn is_drawn(step: &Step, hop: &Hop) -> bool {
    let decides = ["dnat", "masquerade", "snat", "drop", "reject"];
    let changes = decides
        .iter()
        .any(|word| step.effect.starts_with(word) || step.effect.contains(&format!("; {word}")));
    changes || step.packet == hop.leaves && step.hook == "routing"
}

fn message(from: &str, sign: &str, to: &str, text: &str, out: &mut String) {
    let _ = writeln!(out, "    {from}{sign}{to}: {}", escaped(text));
}

fn arrow(addresses: &Addresses) -> String {
    format!("{} to {}", addresses.source, addresses.destination)
}
