//! A journey for people: first what happens, then the way there and back.

use std::fmt::Write;

use super::document::{Addresses, Document, Outcome};
use super::{Told, document};
use crate::report::trace::SCOPE;
use crate::style::Style;

/// At most this many outcomes are shown with their ways; others only with their meaning.
const DETAILED: usize = 6;

/// At most this many outcomes are listed.
const LISTED: usize = 24;

/// The whole journey.
pub fn text(told: &Told<'_, '_, '_, '_>, style: Style) -> String {
    style.fit(&lines(told))
}

fn lines(told: &Told<'_, '_, '_, '_>) -> String {
    let document = document(told);
    let mut out = String::new();
    let many = document.outcomes.len() > 1;
    for (outcome, way) in document.outcomes.iter().zip(&told.journey.ways).take(LISTED) {
        let chance = if many { format!("{:>16}  ", way.chance.to_string()) } else { String::new() };
        let given = if outcome.given.is_empty() {
            String::new()
        } else {
            format!(", {}", outcome.given.join(" and "))
        };
        let _ = writeln!(out, "{chance}{}{given}", outcome.meaning);
    }
    if let Some(more) = document.outcomes.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let _ = writeln!(out, "{:>16}  and {more} more", "...");
    }
    heading(&document, &mut out);
    for (number, outcome) in document.outcomes.iter().enumerate().take(DETAILED) {
        if many {
            let _ = writeln!(out, "\nOutcome {}: {}", number + 1, outcome.meaning);
        }
        detail(outcome, &document, &mut out);
    }
    if let Some(more) = document.outcomes.len().checked_sub(DETAILED).filter(|more| *more > 0) {
        let _ = writeln!(out, "\n... and {more} more outcomes: --output json has them all");
    }
    let _ = writeln!(out, "\n{}\n{SCOPE}", document.assumed_of_network);
    out
}

fn heading(document: &Document, out: &mut String) {
    let connection = &document.connection;
    let name = connection.destination_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let _ = writeln!(
        out,
        "\n{} from {} ({}) to {}{name}, the whole way",
        connection.protocol.to_uppercase(),
        connection.source,
        connection.client,
        connection.destination
    );
    let _ = writeln!(out, "first node: {}", document.entry.words);
}

fn detail(outcome: &Outcome, document: &Document, out: &mut String) {
    if outcome.there.is_empty() {
        return;
    }
    let sent = Addresses {
        source: document.connection.source.clone(),
        destination: document.connection.destination.clone(),
    };
    let _ = writeln!(out, "\n  There");
    let _ = writeln!(out, "  {} sends {}", document.connection.client, arrow(&sent));
    for hop in &outcome.there {
        let _ = writeln!(out, "  {}", hop.node);
        let mut before = &hop.arrives;
        for step in &hop.steps {
            let place = match (&step.table, &step.chain) {
                (Some(table), Some(chain)) => format!("{} {table} {chain}", step.hook),
                _ => step.hook.to_owned(),
            };
            let _ = writeln!(out, "    {place}: {}", step.effect);
            if step.packet != *before {
                let _ = writeln!(out, "      now {}", arrow(&step.packet));
            }
            before = &step.packet;
        }
        let _ = writeln!(out, "    leaves as {}", arrow(&hop.leaves));
    }
    if let (Some(server), Some(sees)) = (&outcome.server, &outcome.server_sees) {
        let name = server.pod.as_ref().map(|pod| format!(" (pod {pod})")).unwrap_or_default();
        let _ = writeln!(out, "  {}{name} sees {sees}", server.address);
    }
    way_back(outcome, document, out);
    for note in &outcome.notes {
        let _ = writeln!(out, "  Note: {note}");
    }
}

fn way_back(outcome: &Outcome, document: &Document, out: &mut String) {
    let Some(seen) = &outcome.client_sees else { return };
    let _ = writeln!(out, "\n  Back");
    for hop in &outcome.back {
        match hop.translated {
            true => {
                let _ = writeln!(out, "  {}: {}", hop.node, arrow(&hop.arrives));
                let _ =
                    writeln!(out, "    connection tracking translates it back: now {}", arrow(&hop.leaves));
            }
            false => _ = writeln!(out, "  {}: {}, as it is", hop.node, arrow(&hop.leaves)),
        }
    }
    let asked = &document.connection.destination;
    let verdict = match seen == asked {
        true => "which it asked".to_owned(),
        false => format!("but it asked {asked}"),
    };
    let _ = writeln!(out, "  {}: the answer is from {seen}, {verdict}", document.connection.client);
}

fn arrow(addresses: &Addresses) -> String {
    format!("{} -> {}", addresses.source, addresses.destination)
}
