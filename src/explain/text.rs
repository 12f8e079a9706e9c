//! An explanation for a terminal, 80 columns wide.

use std::fmt::Write;

use super::{AssumedObject, Case, Client, End, Explanation, Port, tables};
use crate::diagnostic::Inert;

const WIDTH: usize = 80;

/// Terminal codes, or none.
#[derive(Debug, Clone, Copy)]
struct Style {
    color: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn rule(self, text: &str) -> String {
        self.paint("36", text)
    }
}

/// Prints explanations.
pub fn print(explanations: &[Explanation], color: bool) -> String {
    let style = Style { color };
    let mut out = String::new();
    for (i, explanation) in explanations.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", style.heading(&inert(&tables::title(explanation))));
        wrap("", "", &inert(&tables::subtitle(explanation)), &mut out);
        explanation.ports.iter().for_each(|port| print_port(port, style, &mut out));
        assumed(&explanation.assumed, style, &mut out);
    }
    out
}

fn inert(text: &str) -> String {
    Inert(text).to_string()
}

fn print_port(port: &Port, style: Style, out: &mut String) {
    let _ = writeln!(out, "\n{}\n", style.heading(&tables::port_title(port)));
    cases(port, style, out);
    endpoints(port, style, out);
    decisions(port, style, out);
    wrap("  ", "  ", &tables::affinity(port), out);
    rules(port, style, out);
}

fn cases(port: &Port, style: Style, out: &mut String) {
    let (notes, numbers) = tables::footnotes(port);
    let _ = writeln!(out, "  {}", style.heading("What happens to a new connection"));
    for (i, address) in port.addresses.iter().enumerate() {
        let note = if address.note.is_empty() { String::new() } else { format!(" ({})", address.note) };
        let line = format!("to the {} {}{note}", address.words, address.text);
        wrap("  ", "      ", &line, out);
        for (case, numbers) in port.cases.iter().zip(&numbers).filter(|(case, _)| case.address == i) {
            case_line(case, numbers, port, style, out);
        }
    }
    for (i, note) in notes.iter().enumerate() {
        wrap(&format!("  [{}] ", i + 1), "      ", note, out);
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
    if line(&case.words).chars().count() > WIDTH {
        return wrap("    ", "        ", &format!("{client}: {}{numbers}", case.words), out);
    }
    let color = match case.end {
        End::Shared(_) | End::KubeProxy => "32",
        End::Dropped | End::Refused => "31",
        End::Other | End::Node | End::Passed => "33",
    };
    let _ = writeln!(out, "{}", line(&style.paint(color, &case.words)));
}

fn endpoints(port: &Port, style: Style, out: &mut String) {
    let _ = writeln!(out, "  {}", style.heading("Endpoints"));
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
        wrap("  ", "      ", &format!("{line}: {words}"), out);
    }
    out.push('\n');
}

fn decisions(port: &Port, style: Style, out: &mut String) {
    let _ = writeln!(out, "  {}", style.heading("Why these endpoints"));
    for decision in &port.decisions {
        wrap("  ", "      ", &format!("{}: {} ({})", decision.about, decision.words, decision.code), out);
    }
    out.push('\n');
}

fn rules(port: &Port, style: Style, out: &mut String) {
    if port.affinity_seconds.is_some() {
        out.push('\n');
    }
    let _ = writeln!(out, "  {}", style.heading("The rules, in the order in which they are evaluated"));
    for (i, rule) in port.rules.iter().enumerate() {
        let number = format!("  {:>2}. ", i + 1);
        wrap(&number, "      ", &rule.sentence, out);
        let mut lines = String::new();
        wrap("      ", "        ", &tables::rule(rule), &mut lines);
        lines.lines().for_each(|line| _ = writeln!(out, "{}", style.rule(line)));
    }
}

fn assumed(objects: &[AssumedObject], style: Style, out: &mut String) {
    if !objects.is_empty() {
        let _ = writeln!(out, "\n{}", style.heading("What was assumed, not read from a cluster"));
    }
    for object in objects {
        wrap("  ", "      ", &object.object, out);
        for rule in &object.rules {
            wrap("    ", "        ", &format!("{}: {}", rule.values.join(", "), rule.words), out);
        }
    }
}

/// Breaks a sentence into lines; an empty one gives none.
fn wrap(first: &str, others: &str, sentence: &str, out: &mut String) {
    if sentence.is_empty() {
        return;
    }
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(others)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    for line in textwrap::wrap(sentence, options).iter().map(|line| crate::markup::log_line(line)) {
        let _ = writeln!(out, "{line}");
    }
}
