//! An explanation as GitHub-flavoured Markdown.

use std::fmt::Write;

use super::tables::Shown;
use super::{AssumedObject, Explanation, Port, Rule, tables};
use crate::diagnostic::Inert;
use crate::markup::markdown as escaped;

/// Prints explanations.
pub fn print(explanations: &[Explanation]) -> String {
    let mut out = String::new();
    for explanation in explanations {
        let _ = writeln!(
            out,
            "# {}\n\n{}.\n",
            escaped(&tables::title(explanation)),
            escaped(&tables::subtitle(explanation))
        );
        explanation.ports.iter().for_each(|port| print_port(port, &mut out));
        assumed(&explanation.assumed, &mut out);
    }
    out
}

fn print_port(port: &Port, out: &mut String) {
    let _ = writeln!(out, "## {}\n", escaped(&tables::port_title(port)));
    cases(port, out);
    endpoints(port, out);
    for decision in &port.decisions {
        let _ = writeln!(out, "- {}: {} (`{}`)", decision.about, decision.words, decision.code);
    }
    let affinity = tables::affinity(port);
    if !affinity.is_empty() {
        let _ = writeln!(out, "\n{affinity}");
    }
    rules(port, out);
}

fn cases(port: &Port, out: &mut String) {
    let (notes, numbers) = tables::footnotes(port);
    out.push_str("| Address | Client | What happens to a new connection |\n|---|---|---|\n");
    for (case, numbers) in port.cases.iter().zip(&numbers) {
        let Some((address, client)) = port.addresses.get(case.address).zip(port.clients.get(case.client))
        else {
            continue;
        };
        let numbers: String = numbers.iter().map(|number| format!(" <sup>{number}</sup>")).collect();
        let _ = writeln!(
            out,
            "| {} {} | {} ({}) | {}{numbers} |",
            address.words,
            address.text,
            client.words,
            escaped(&tables::client(client)),
            escaped(&case.words)
        );
    }
    out.push('\n');
    for (i, note) in notes.iter().enumerate() {
        let _ = writeln!(out, "{}. {}", i + 1, escaped(note));
    }
}

fn endpoints(port: &Port, out: &mut String) {
    let _ = writeln!(out, "\n### Endpoints\n");
    if port.endpoints.is_empty() {
        out.push_str("None.\n\n");
        return;
    }
    out.push_str("| Endpoint | Pod | Node | State | Chance |\n|---|---|---|---|---|\n");
    for endpoint in &port.endpoints {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            escaped(&endpoint.text),
            escaped(&endpoint.pod),
            escaped(&tables::node(endpoint)),
            endpoint.state,
            tables::chance_words(endpoint, port)
        );
    }
    out.push('\n');
    for more in &port.more_endpoints {
        let _ = writeln!(out, "{}.\n", tables::more_words(more, port));
    }
}

fn rules(port: &Port, out: &mut String) {
    out.push_str("\n### The rules, in the order in which they are evaluated\n\n");
    match tables::left_out_rules(port).as_str() {
        "" => {}
        words => _ = writeln!(out, "{words}\n"),
    }
    for stretch in tables::by_client(port) {
        let _ = writeln!(out, "For {}:\n", escaped(&stretch.who));
        for shown in &stretch.rules {
            match shown {
                Shown::New(number, rule) => item(*number, rule, out),
                Shown::Before(numbers) => _ = writeln!(out, "{}.\n", tables::as_above(numbers)),
            }
        }
    }
}

fn item(number: usize, rule: &Rule, out: &mut String) {
    let (sentence, text) = (escaped(&rule.sentence), fenced(&tables::rule(rule)));
    // Whatever belongs to an item is indented as far as the item's text.
    let number = format!("{number}. ");
    let indent = " ".repeat(number.len());
    let _ = writeln!(out, "{number}{sentence}\n\n{indent}```\n{indent}{text}\n{indent}```\n");
}

fn assumed(objects: &[AssumedObject], out: &mut String) {
    if objects.is_empty() {
        return;
    }
    out.push_str("## What was assumed, not read from a cluster\n\n| Object | Values | By which rule |\n|---|---|---|\n");
    for object in objects {
        for rule in &object.rules {
            let values: Vec<String> = rule.values.iter().map(|value| escaped(value)).collect();
            let _ =
                writeln!(out, "| {} | {} | {} |", escaped(&object.object), values.join("<br>"), rule.words);
        }
    }
    out.push('\n');
}

/// Text in a fenced block, which it cannot end.
fn fenced(text: &str) -> String {
    Inert(text).to_string().replace("```", "'''")
}
