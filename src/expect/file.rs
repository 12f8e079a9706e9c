//! The file of expectations as it is written, not yet looked up in a cluster.

use std::sync::Arc;

use super::fields::{Faults, Fields, Written};
use super::selector;
use super::words::{Client, ClientIp, NodeChoice, Outcome, Target, pick};
use crate::cluster::AddressKind;
use crate::diagnostic::{Checked, Diagnostic, Diagnostics, Place};
use crate::input::tree::{Fault, Tree, Value, read_documents};

/// The only `apiVersion`.
pub(super) const API_VERSION: &str = "kuberules/v1";

/// One entry of `expectations`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Where it stands.
    pub place: Place,
    /// What is expected.
    pub asked: Asked,
    /// On which nodes.
    pub on: On,
}

/// What an entry expects.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// Who reaches what.
    Reach(Reach),
    /// Only these Services answer from outside.
    Exposed(Vec<Written<Target>>),
}

/// Who reaches what, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Reach {
    /// Where to.
    pub to: Vec<Written<Target>>,
    /// Which of the addresses; empty for all.
    pub at: Vec<AddressKind>,
    /// Where from; empty if only endpoints are counted.
    pub from: Vec<Written<Client>>,
    /// What happens.
    pub outcome: Option<Outcome>,
    /// Which source the Pod sees.
    pub client_ip: Option<ClientIp>,
    /// How many endpoints there are.
    pub endpoints: Option<Endpoints>,
}

/// The minimum number of ready endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// In all.
    pub at_least: Option<usize>,
    /// In each zone that has nodes.
    pub per_zone: Option<usize>,
}

/// On which nodes.
#[derive(Debug, Clone, PartialEq)]
pub enum On {
    /// On every node.
    All,
    /// On one node at least.
    Any,
    /// On each of these.
    These(Vec<Written<NodeChoice>>),
}

/// Reads a file with any number of documents.
///
/// # Errors
/// Everything that is wrong, each with its line.
pub fn read(name: &str, text: &str) -> Checked<Vec<Expectation>> {
    let mut faults = Faults { file: Arc::from(name), found: Diagnostics::default() };
    let mut all = Vec::new();
    match read_documents(text) {
        Ok(documents) => {
            let written = documents.iter().filter(|document| document.value != Value::Null);
            written.for_each(|document| read_document(document, &mut all, &mut faults));
        }
        Err(Fault { message, line }) => faults.tell(line, message, ""),
    }
    if all.is_empty() && !faults.found.has_errors() {
        let help = format!("it begins with apiVersion: {API_VERSION} and expectations:");
        let fault = Diagnostic::error("the file holds no expectations").at(Some(faults.place(1)));
        faults.found.push(fault.help(help));
    }
    faults.found.check(all)
}

/// Whether a text is a file of expectations, right or wrong.
pub fn is_expectations(text: &str) -> bool {
    let documents = read_documents(text).unwrap_or_default();
    let says = |document: &Tree| document.get("apiVersion").and_then(Tree::as_text) == Some(API_VERSION);
    documents.iter().any(says)
}

fn read_document(document: &Tree, all: &mut Vec<Expectation>, faults: &mut Faults) {
    let Some(mut fields) = Fields::new("", document, faults) else { return };
    let version = fields.take("apiVersion");
    if version.and_then(Tree::as_text) != Some(API_VERSION) {
        let line = version.map_or(document.line, |tree| tree.line);
        let help = "give EXPECTATIONS first, then the cluster: kuberules test expectations.yaml cluster.yaml";
        faults.tell(line, format!("apiVersion: expect {API_VERSION}"), help);
        return;
    }
    match fields.take("expectations").map(|tree| (&tree.value, tree.line)) {
        Some((Value::List(items), _)) => {
            all.extend(items.iter().enumerate().filter_map(|(i, item)| entry(i, item, faults)));
        }
        Some((_, line)) => faults.tell(line, "expectations: expect a list", ""),
        None => {}
    }
    fields.finish(faults);
}

fn entry(index: usize, tree: &Tree, faults: &mut Faults) -> Option<Expectation> {
    let mut fields = Fields::new(&format!("expectations[{index}]"), tree, faults)?;
    let before = faults.found.iter().count();
    let exposed = fields.take("exposed");
    let on = on(&mut fields, faults);
    let asked = match exposed {
        Some(exposed) => only(&fields.path_of("exposed"), exposed, faults).map(Asked::Exposed),
        None => Some(Asked::Reach(reach(&mut fields, faults))),
    };
    let place = faults.place(fields.line());
    fields.finish(faults);
    let is_sound = faults.found.iter().count() == before;
    Some(Expectation { place, asked: asked?, on }).filter(|_| is_sound)
}

fn only(path: &str, tree: &Tree, faults: &mut Faults) -> Option<Vec<Written<Target>>> {
    let mut fields = Fields::new(path, tree, faults)?;
    let only = fields.take("only");
    let listed = match only.map(|tree| &tree.value) {
        Some(Value::List(items)) if items.is_empty() => Vec::new(),
        Some(_) => {
            let service = |text: &str| match Target::read(text)? {
                target @ Target::Service { .. } => Ok(target),
                _ => Err("expect NAMESPACE/SERVICE, with :PORT or without".to_owned()),
            };
            only.map(|tree| faults.one_or_several(&fields.path_of("only"), tree, service))?
        }
        None => {
            faults.tell(fields.line(), format!("{path}: only is missing"), "only: [] means that nothing is");
            Vec::new()
        }
    };
    fields.finish(faults);
    Some(listed)
}

fn reach(fields: &mut Fields<'_>, faults: &mut Faults) -> Reach {
    let (path, to) = fields.take_with_path("to");
    let to_written = to.map(|tree| faults.one_or_several(&path, tree, Target::read)).unwrap_or_default();
    let (path, at) = fields.take_with_path("at");
    let kind = |text: &str| pick(text, &AddressKind::ALL, AddressKind::name);
    let at = at.map(|tree| faults.one_or_several(&path, tree, kind)).unwrap_or_default();
    let (path, from) = fields.take_with_path("from");
    let from_written = from.map(|tree| faults.one_or_several(&path, tree, Client::read)).unwrap_or_default();
    let (path, outcome) = fields.take_with_path("expect");
    let read = |text: &str| pick(text, &Outcome::ALL, Outcome::name);
    let outcome = outcome.and_then(|tree| faults.written(&path, tree, read)).map(|written| written.value);
    let (path, ip) = fields.take_with_path("clientIP");
    let read = |text: &str| pick(text, &ClientIp::ALL, ClientIp::name);
    let client_ip = ip.and_then(|tree| faults.written(&path, tree, read)).map(|written| written.value);
    let endpoints = endpoints(fields, faults);
    let reach = Reach {
        to: to_written,
        at: at.into_iter().map(|written| written.value).collect(),
        from: from_written,
        outcome,
        client_ip,
        endpoints,
    };
    if let Some((message, help)) = missing(&reach, to.is_some(), from.is_some()) {
        faults.tell(fields.line(), format!("{}: {message}", fields.path_of("").trim_end_matches('.')), help);
    }
    reach
}

/// What is missing from an entry, if anything, and what to write.
fn missing(reach: &Reach, has_to: bool, has_from: bool) -> Option<(&'static str, &'static str)> {
    let asks_traffic = reach.outcome.is_some() || reach.client_ip.is_some();
    if !has_to {
        return Some(("to is missing", "to: NAMESPACE/SERVICE, IP:PORT, node:PORT or external"));
    }
    if !asks_traffic && reach.endpoints.is_none() {
        return Some((
            "nothing is expected",
            "give expect: works, clientIP: preserved or endpoints: {atLeast: 2}",
        ));
    }
    if asks_traffic && !has_from {
        return Some((
            "from is missing",
            "from: [pods, nodes, outside], pod:NAMESPACE/NAME, namespace:NAME or a network",
        ));
    }
    if !asks_traffic && has_from {
        return Some(("from needs expect or clientIP", "endpoints are the same from everywhere"));
    }
    match (reach.client_ip, reach.outcome) {
        (Some(_), Some(Outcome::Refused | Outcome::TimesOut | Outcome::NotServed)) => {
            Some(("clientIP is of connections that work", "leave it out, or expect: works"))
        }
        _ => None,
    }
}

fn endpoints(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Endpoints> {
    let path = fields.path_of("endpoints");
    let tree = fields.take("endpoints")?;
    let mut inner = Fields::new(&path, tree, faults)?;
    let at_least = inner.take("atLeast");
    let at_least = at_least.and_then(|tree| faults.count(&inner.path_of("atLeast"), tree));
    let per_zone = inner.take("perZone");
    let per_zone = per_zone.and_then(|tree| faults.count(&inner.path_of("perZone"), tree));
    if at_least.is_none() && per_zone.is_none() {
        faults.tell(tree.line, format!("{path}: expect atLeast or perZone"), "");
    }
    inner.finish(faults);
    Some(Endpoints { at_least, per_zone })
}

fn on(fields: &mut Fields<'_>, faults: &mut Faults) -> On {
    let path = fields.path_of("on");
    let Some(tree) = fields.take("on") else { return On::All };
    match (&tree.value, tree.as_text()) {
        (_, Some("all")) => On::All,
        (_, Some("any")) => On::Any,
        (Value::Map(_), _) => {
            let selector = selector::of_mapping(&path, tree, faults);
            On::These(selector.map(|written| written.map(NodeChoice::Labels)).into_iter().collect())
        }
        // In YAML 1.1 the names on, yes and no are booleans.
        _ => {
            let read = |text: &str| match text {
                "all" | "any" => Err(format!("write only that: on: {text}")),
                _ => NodeChoice::read(text),
            };
            On::These(faults.one_or_several(&path, tree, read))
        }
    }
}
