//! An explanation as a flowchart that GitHub renders.

use std::fmt::Write;

use super::{Case, End, Endpoint, Explanation, Masqueraded, Port, tables};
use crate::markup::mermaid as escaped;

/// Prints the chart of each port, without fences: one chart with a subgraph for each.
pub fn print(explanations: &[Explanation]) -> String {
    let mut out = "flowchart LR\n".to_owned();
    let mut number = 0;
    for explanation in explanations {
        for port in &explanation.ports {
            let title = format!("{}: {}", tables::title(explanation), tables::port_title(port));
            // A subgraph does not inherit the direction if an edge crosses its border.
            let _ = writeln!(out, "  subgraph p{number}[\"{}\"]\n    direction LR", escaped(&title));
            chart(number, port, &mut out);
            out.push_str("  end\n");
            number += 1;
        }
    }
    out
}

fn chart(p: usize, port: &Port, out: &mut String) {
    for (i, client) in port.clients.iter().enumerate() {
        let (words, who) = (escaped(&client.words), escaped(&tables::client(client)));
        let _ = writeln!(out, "    p{p}c{i}([\"{words}<br/>{who}\"])");
    }
    for (i, endpoint) in port.endpoints.iter().enumerate() {
        let pod =
            if endpoint.pod.is_empty() { String::new() } else { format!("{}<br/>", escaped(&endpoint.pod)) };
        let node = escaped(&tables::node(endpoint));
        let why = match &endpoint.left_out {
            Some(why) => format!("<br/>{}, left out: {}", endpoint.state, escaped(why.words)),
            None => String::new(),
        };
        let _ = writeln!(out, "    p{p}e{i}[\"{pod}{}<br/>{node}{why}\"]", escaped(&endpoint.text));
    }
    for (i, more) in port.more_endpoints.iter().enumerate() {
        let _ = writeln!(out, "    p{p}m{i}[\"{}\"]", escaped(&tables::more_words(more, port)));
    }
    for (address, _) in port.addresses.iter().enumerate() {
        address_edges(p, address, port, out);
    }
    endpoint_edges(p, port, out);
}

/// Edges from clients through the address to the result.
fn address_edges(p: usize, address: usize, port: &Port, out: &mut String) {
    let mut ends: Vec<End> = Vec::new();
    for case in port.cases.iter().filter(|case| case.address == address) {
        let label = label(case);
        let _ =
            writeln!(out, "    p{p}c{} -- \"{label}\" --> p{p}a{address}{}", case.client, end_name(case.end));
        if !ends.contains(&case.end) {
            ends.push(case.end);
        }
    }
    let (kind, text) = port.addresses.get(address).map_or(("", ""), |a| (a.words, a.text.as_str()));
    for end in ends {
        let name = format!("p{p}a{address}{}", end_name(end));
        let _ = match end {
            End::Shared(share) => {
                let words = port.shares.get(share).map_or("", |share| share.words.as_str());
                writeln!(
                    out,
                    "    {name}{{{{\"{kind}<br/>{}<br/>{words}\"}}}} --> p{p}s{share}",
                    escaped(text)
                )
            }
            End::Dropped => writeln!(out, "    {name}[/\"dropped\"/]"),
            End::Refused => writeln!(out, "    {name}[/\"refused\"/]"),
            End::Other => writeln!(out, "    {name}[/\"taken by another Service\"/]"),
            End::KubeProxy => writeln!(out, "    {name}[/\"kube-proxy itself\"/]"),
            End::Node | End::Passed => writeln!(out, "    {name}[/\"not served\"/]"),
        };
    }
}

fn end_name(end: End) -> String {
    match end {
        End::Shared(share) => format!("s{share}"),
        End::Dropped => "drop".to_owned(),
        End::Refused => "reject".to_owned(),
        End::Other => "other".to_owned(),
        End::KubeProxy => "proxy".to_owned(),
        End::Node => "node".to_owned(),
        End::Passed => "pass".to_owned(),
    }
}

fn label(case: &Case) -> &'static str {
    match case.end {
        End::Shared(_) if case.masqueraded == Masqueraded::All => "masqueraded",
        End::Shared(_) if case.masqueraded == Masqueraded::Some => "masqueraded in part",
        End::Shared(_) => "client IP preserved",
        End::Dropped => "dropped",
        End::Refused => "refused",
        End::Other => "taken by another Service",
        End::KubeProxy => "the Pod sees the node's IP",
        End::Node | End::Passed => "passes",
    }
}

fn endpoint_edges(p: usize, port: &Port, out: &mut String) {
    for (s, share) in port.shares.iter().enumerate() {
        let _ = writeln!(out, "    p{p}s{s}((\"{}\"))", share.letter);
        let chance = |endpoint: &Endpoint| endpoint.chances.get(s).cloned().flatten();
        for (e, endpoint) in port.endpoints.iter().enumerate() {
            if let Some(chance) = chance(endpoint) {
                let _ = writeln!(out, "    p{p}s{s} -- \"{}\" --> p{p}e{e}", chance.text);
            }
        }
        for (m, more) in port.more_endpoints.iter().enumerate() {
            if let Some(chance) = chance(&more.like) {
                let _ = writeln!(out, "    p{p}s{s} -- \"{} each\" --> p{p}m{m}", chance.text);
            }
        }
    }
}
