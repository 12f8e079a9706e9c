//! An explanation for a terminal.

use std::fmt::Write;

use super::tables::Shown;
use super::{AssumedObject, Case, Client, End, Explanation, Port, Rule, tables};
use crate::diagnostic::Inert;
use crate::style::{Style, Tone};

/// Prints explanations.
pub fn print(explanations: &[Explanation], style: Style) -> String {
    let mut out = String::new();
    for (i, explanation) in explanations.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", style.bold(&inert(&tables::title(explanation))));
        out.push_str(&style.wrap("", "", &inert(&tables::subtitle(explanation))));
        explanation.ports.iter().for_each(|port| print_port(port, style, &mut out));
        assumed(&explanation.assumed, style, &mut out);
    }
    out
}

fn inert(text: &str) -> String {
    Inert(text).to_string()
}

fn print_port(port: &Port, style: Style, out: &mut String) {
    let _ = writeln!(out, "\n{}\n", style.bold(&tables::port_title(port)));
    cases(port, style, out);
    endpoints(port, style, out);
    decisions(port, style, out);
    out.push_str(&style.wrap("  ", "  ", &tables::affinity(port)));
    rules(port, style, out);
}

fn cases(port: &Port, style: Style, out: &mut String) {
    let (notes, numbers) = tables::footnotes(port);
    let _ = writeln!(out, "  {}", style.bold("What happens to a new connection"));
    for (i, address) in port.addresses.iter().enumerate() {
        let note = if address.note.is_empty() { String::new() } else { format!(" ({})", address.note) };
        let line = format!("to the {} {}{note}", address.words, address.text);
        out.push_str(&style.wrap("  ", "      ", &line));
        for (case, numbers) in port.cases.iter().zip(&numbers).filter(|(case, _)| case.address == i) {
            case_line(case, numbers, port, style, out);
        }
    }
    for (i, note) in notes.iter().enumerate() {
        out.push_str(&style.wrap(&format!("  [{}] ", i + 1), "      ", note));
    }
    out.push('\n');
}

fn case_line(case: &Case, numbers: &[usize], port: &Port, style: Style, out: &mut String) {
    let shown = |client: &Client| format!("{} ({})", client.words, client.ip);
    let client = port.clients.get(case.client).map(shown).unwrap_or_default();
    let width = port.clients.iter().map(|client| shown(client).len()).max().unwrap_or_default();
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let numbers = if numbers.is_empty() { String::new() } else { format!(" [{}]", numbers.join(",")) };
    let line = |words: &str| format!("    {client:<width$}  {words}{numbers}");
    if line(&case.words).chars().count() > style.width {
        return out.push_str(&style.wrap("    ", "        ", &format!("{client}: {}{numbers}", case.words)));
    }
    let tone = match case.end {
        End::Shared(_) | End::KubeProxy => Tone::Good,
        End::Dropped | End::Refused => Tone::Bad,
        End::Other | End::Node | End::Passed => Tone::Mixed,
    };
    let _ = writeln!(out, "{}", line(&style.tone(tone, &case.words)));
}

fn endpoints(port: &Port, style: Style, out: &mut String) {
    let _ = writeln!(out, "  {}", style.bold("Endpoints"));
    if port.shares.len() > 1 {
        let shares: Vec<String> =
            port.shares.iter().map(|share| format!("{}: {}", share.letter, share.words)).collect();
        let _ = writeln!(out, "  {}", shares.join("; "));
    }
    if port.endpoints.is_empty() {
        let _ = writeln!(out, "  none");
    }
    for endpoint in &port.endpoints {
        let pod = if endpoint.pod.is_empty() { "-" } else { &endpoint.pod };
        let line = format!("{}  {pod} on {}, {}", endpoint.text, tables::node(endpoint), endpoint.state);
        let words = tables::chance_words(endpoint, port);
        out.push_str(&style.wrap("  ", "      ", &format!("{line}: {words}")));
    }
    for more in &port.more_endpoints {
        out.push_str(&style.wrap("  ", "      ", &tables::more_words(more, port)));
    }
    out.push('\n');
}

fn decisions(port: &Port, style: Style, out: &mut String) {
    let _ = writeln!(out, "  {}", style.bold("Why these endpoints"));
    for decision in &port.decisions {
        out.push_str(&style.wrap(
            "  ",
            "      ",
            &format!("{}: {} ({})", decision.about, decision.words, decision.code),
        ));
    }
    out.push('\n');
}

fn rules(port: &Port, style: Style, out: &mut String) {
    if port.affinity_seconds.is_some() {
        out.push('\n');
    }
    let _ = writeln!(out, "  {}", style.bold("The rules, in the order in which they are evaluated"));
    out.push_str(&style.wrap("  ", "  ", &tables::left_out_rules(port)));
    for stretch in tables::by_client(port) {
        out.push_str(&style.wrap("  ", "    ", &format!("For {}:", stretch.who)));
        for shown in &stretch.rules {
            match shown {
                Shown::New(number, rule) => numbered(*number, rule, style, out),
                Shown::Before(numbers) => {
                    out.push_str(&style.wrap("      ", "      ", &tables::as_above(numbers)));
                }
            }
        }
    }
}

fn numbered(number: usize, rule: &Rule, style: Style, out: &mut String) {
    out.push_str(&style.wrap(&format!("  {number:>2}. "), "      ", &rule.sentence));
    let lines = style.wrap("      ", "        ", &tables::rule(rule));
    lines.lines().for_each(|line| _ = writeln!(out, "{}", style.tone(Tone::Rule, line)));
}

fn assumed(objects: &[AssumedObject], style: Style, out: &mut String) {
    if !objects.is_empty() {
        let _ = writeln!(out, "\n{}", style.bold("What was assumed, not read from a cluster"));
    }
    for object in objects {
        out.push_str(&style.wrap("  ", "      ", &object.object));
        for rule in &object.rules {
            out.push_str(&style.wrap(
                "    ",
                "        ",
                &format!("{}: {}", rule.values.join(", "), rule.words),
            ));
        }
    }
}
