//! An explanation as one page without external references: the whole path of a connection, step by step.

use serde::Serialize;

use super::lecture::Question;
use super::stage::{Stage, compact};
use super::{
    Address, AssumedObject, Client, ClientOutcome, Decision, End, Endpoint, Explanation, Port, Share, tables,
    text,
};
use crate::markup::html as escaped;
use crate::style::Style;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");
const BODY: &str = include_str!("page/body.html");

/// Nothing may be fetched, whatever gets into the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Texts with more rules are omitted from the page.
const MOST_RULES: usize = 2_000;

/// What a page shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Page<'p> {
    /// Services, in one or both modes. Both modes of one Service are adjacent.
    pub explanations: &'p [Explanation],
    /// What is played.
    pub stages: &'p [Stage],
    /// Questions for a class, each with the state of the page that answers it.
    pub questions: &'p [Question],
    /// Comes first, if it is not empty.
    pub banner: &'p str,
}

/// All that the script reads.
#[derive(Serialize)]
struct Data<'p> {
    entries: Vec<Entry<'p>>,
    stages: Vec<serde_json::Value>,
    questions: &'p [Question],
}

/// A Service with its explanations in one or both modes.
#[derive(Serialize)]
struct Entry<'p> {
    service: &'p str,
    variant: &'p str,
    modes: Vec<Told<'p>>,
}

/// What a page shows of an explanation, besides what is played: each sentence once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'p> {
    node: &'p str,
    mode: &'static str,
    release: &'p str,
    place: &'p Option<String>,
    ports: Vec<ToldPort<'p>>,
    assumed: &'p [AssumedObject],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldPort<'p> {
    title: String,
    protocol: &'static str,
    addresses: &'p [Address],
    clients: &'p [Client],
    endpoints: &'p [Endpoint],
    more_endpoints: Vec<String>,
    decisions: &'p [Decision],
    affinity_seconds: Option<u32>,
    shares: &'p [Share],
    notes: Vec<&'p str>,
    cases: Vec<ToldCase<'p>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldCase<'p> {
    client: usize,
    address: usize,
    end: End,
    words: &'p str,
    why: Vec<usize>,
    outcomes: &'p [ClientOutcome],
    more_outcomes: usize,
}

/// Prints the page.
pub fn print(page: &Page<'_>) -> String {
    let entries = entries(page.explanations);
    let title = match entries.as_slice() {
        [only] => format!("Service {}", only.service),
        _ => "Services".to_owned(),
    };
    let stages = page.stages.iter().map(compact).collect();
    let data = Data { entries, stages, questions: page.questions };
    let data = serde_json::to_string(&data).unwrap_or_default();
    let (comment, note) = match escaped(page.banner) {
        empty if empty.is_empty() => (String::new(), String::new()),
        text => (format!("<!-- {text} -->\n"), format!("<p class=\"note\">{text}</p>\n")),
    };
    let plain = escaped(&without_script(page.explanations));
    [
        "<!DOCTYPE html>\n",
        &comment,
        "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        &format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n"),
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n",
        &format!("<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{note}", escaped(&title)),
        &format!("<noscript><pre>{plain}</pre></noscript>\n"),
        BODY,
        "<script type=\"application/json\" id=\"data\">",
        &in_script(&data),
        "</script>\n<script>\n",
        SCRIPT,
        "</script>\n</body>\n</html>\n",
    ]
    .concat()
}

/// For readers whose browser runs no scripts: the text, unless it is so long that it would double the page.
fn without_script(explanations: &[Explanation]) -> String {
    let ports = explanations.iter().flat_map(|explanation| &explanation.ports);
    match ports.map(|port| port.rules.len()).sum::<usize>() > MOST_RULES {
        true => "This page needs JavaScript. The same as text: kuberules explain".to_owned(),
        false => text::print(explanations, Style::default()),
    }
}

fn entries(explanations: &[Explanation]) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for explanation in explanations.iter().filter(|explanation| !explanation.ports.is_empty()) {
        let is_it = |entry: &&mut Entry<'_>| {
            entry.service == explanation.service && entry.variant == explanation.variant
        };
        match entries.iter_mut().find(is_it) {
            Some(entry) => entry.modes.push(told(explanation)),
            None => entries.push(Entry {
                service: &explanation.service,
                variant: explanation.variant,
                modes: vec![told(explanation)],
            }),
        }
    }
    entries
}

fn told(explanation: &Explanation) -> Told<'_> {
    Told {
        node: &explanation.node,
        mode: explanation.mode,
        release: &explanation.release,
        place: &explanation.place,
        ports: explanation.ports.iter().map(told_port).collect(),
        assumed: &explanation.assumed,
    }
}

fn told_port(port: &Port) -> ToldPort<'_> {
    let (notes, numbers) = tables::footnotes(port);
    let cases = port.cases.iter().zip(numbers).map(|(case, numbers)| ToldCase {
        client: case.client,
        address: case.address,
        end: case.end,
        words: &case.words,
        why: numbers.iter().filter_map(|number| number.checked_sub(1)).collect(),
        outcomes: &case.outcomes,
        more_outcomes: case.more_outcomes,
    });
    ToldPort {
        title: tables::port_title(port),
        protocol: port.protocol,
        addresses: &port.addresses,
        clients: &port.clients,
        endpoints: &port.endpoints,
        more_endpoints: port.more_endpoints.iter().map(|more| tables::more_words(more, port)).collect(),
        decisions: &port.decisions,
        affinity_seconds: port.affinity_seconds,
        shares: &port.shares,
        cases: cases.collect(),
        notes,
    }
}

/// JSON that cannot end the script that contains it.
fn in_script(json: &str) -> String {
    crate::markup::inert_json(json.to_owned())
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::tests::{example, explained, hostile};
    use crate::settings::ProxyMode;

    #[test]
    fn the_page_stands_alone() {
        let both = [example(ProxyMode::Iptables), example(ProxyMode::Nftables)].concat();
        let page = print(&Page { explanations: &both, ..Page::default() });
        for outside in ["http://", "https://", "src=", "@import", "url(", "//cdn"] {
            let known = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!known.contains(outside), "the page refers to {outside}");
        }
        assert_eq!(page.matches("\"mode\":\"nftables\"").count(), 2);
    }

    #[test]
    fn nothing_of_the_input_is_markup() {
        let explanations = explained(&hostile(), None, "node-1", ProxyMode::Iptables);
        let page = print(&Page { explanations: &explanations, banner: "<b>", ..Page::default() });
        assert!(!page.contains("<script>alert") && !page.contains("</script><script>alert"));
        assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("\\u003cscript\\u003ealert(1)"));
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}') && page.contains("&lt;b&gt;"));
        let (_, data) = page.split_once("id=\"data\">").unwrap();
        let (json, _) = data.split_once("</script>").unwrap();
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(value["entries"][0]["service"], "default/db");
    }
}
