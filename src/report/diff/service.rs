//! What happens to a Service, in words.

use std::collections::{BTreeMap, BTreeSet};

use super::nodes;
use crate::compare::consequence::{
    Client, Effect, EntryKind, EntryPoint, ServiceConsequence, Statement, Target,
};
use crate::compare::diff::ServiceReport;
use crate::compare::rules::Presence;
use crate::compare::traffic::ConnectionVerdict;
use crate::net::Family;

/// At most this many endpoints are named.
const NAMED: usize = 3;

/// How bad it is, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Bad,
    Good,
    Plain,
}

/// The word at the beginning of a Service's line, and how bad it is.
pub(super) fn label(effect: Effect) -> (&'static str, Weight) {
    match effect {
        Effect::Refused => ("REFUSED", Weight::Bad),
        Effect::TimesOut => ("TIMES OUT", Weight::Bad),
        Effect::Closed => ("CLOSED", Weight::Bad),
        Effect::Unknown => ("UNKNOWN", Weight::Bad),
        Effect::LosesEndpoints | Effect::GainsEndpoints => ("ENDPOINTS", Weight::Plain),
        Effect::ClientIpHidden | Effect::ClientIpPreserved => ("CLIENT IP", Weight::Plain),
        Effect::Affinity => ("AFFINITY", Weight::Plain),
        Effect::Shares => ("SHARES", Weight::Plain),
        Effect::Works => ("WORKS", Weight::Good),
        Effect::FailsOtherwise => ("FAILS", Weight::Plain),
        Effect::SomeConnections => ("OTHER", Weight::Plain),
        Effect::New => ("NEW", Weight::Good),
        Effect::Gone => ("GONE", Weight::Bad),
        Effect::OnlyRules => ("RULES", Weight::Plain),
    }
}

/// What is said about a Service, most important sentence first.
pub(super) struct Said {
    /// The ports that the first sentence is about, as `, port http`; empty for all.
    pub(super) ports: String,
    /// What happens first.
    pub(super) first: String,
    /// What else happens.
    pub(super) also: Vec<String>,
    /// Who served before, if no one does now.
    pub(super) was: Option<String>,
}

/// Says what happens to a Service.
pub(super) fn say(report: &ServiceReport, all: &[String]) -> Said {
    let consequence = &report.consequence;
    let statements = told(report);
    let Some(first) = statements.first() else {
        let first = without_statement(consequence);
        return Said { ports: String::new(), first, also: Vec::new(), was: None };
    };
    let words = Words { consequence, all };
    let also = statements.iter().skip(1).map(|statement| words.beside(first, statement)).collect();
    let loses_all = first.all_fail || first.effect == Effect::Gone;
    Said {
        ports: ports(first),
        first: words.sentence(first),
        also,
        was: loses_all.then(|| words.was(first)).flatten(),
    }
}

/// Whether known differences explain only a part of what happens.
fn report_is_mixed(report: &ServiceReport) -> bool {
    report.consequence.statements.iter().any(|statement| statement.reason.is_none())
}

/// If the ports now fail completely, what still fails, but in another way, need not be said.
fn leave_out_what_follows(statements: &mut Vec<&Statement>) {
    let dead: Vec<&Statement> =
        statements.iter().copied().filter(|s| s.all_fail && s.effect.loses()).collect();
    let is_covered = |statement: &&Statement| {
        let fails = |known: &&Statement| {
            statement.service_ports.iter().all(|port| known.service_ports.contains(port))
                && statement.nodes.iter().all(|node| known.nodes.binary_search(node).is_ok())
        };
        let same =
            |known: &&Statement| statement.effect == known.effect && !statement.all_fail && fails(known);
        let otherwise = statement.effect == Effect::FailsOtherwise;
        dead.iter().any(|known| same(known) || (otherwise && fails(known)))
    };
    statements.retain(|statement| !is_covered(statement));
}

/// The statements about a Service that are reported.
pub(super) fn told(report: &ServiceReport) -> Vec<&Statement> {
    // What a known difference causes is reported with it.
    let own = |statement: &&Statement| statement.reason.is_none() || !report_is_mixed(report);
    let mut statements: Vec<&Statement> = report.consequence.statements.iter().filter(own).collect();
    leave_out_what_follows(&mut statements);
    statements
}

fn without_statement(consequence: &ServiceConsequence) -> String {
    match (consequence.effect, consequence.presence) {
        (Effect::SomeConnections, _) => {
            "connections of a Pod to itself, or of single addresses, have another outcome; see below"
                .to_owned()
        }
        (_, Presence::NewOnly) => "the Service is new".to_owned(),
        (_, Presence::OldOnly) => "the Service is gone".to_owned(),
        _ => "the rules change, no connection has another outcome".to_owned(),
    }
}

struct Words<'a> {
    consequence: &'a ServiceConsequence,
    all: &'a [String],
}

impl Words<'_> {
    /// What else happens, with its ports if they are different ones.
    fn beside(&self, first: &Statement, statement: &Statement) -> String {
        let same = first.service_ports == statement.service_ports;
        let ports = if same { String::new() } else { ports(statement) };
        let sentence = self.sentence(statement);
        let label = match statement.effect {
            Effect::Refused => "refused: ",
            Effect::TimesOut => "times out: ",
            _ => "",
        };
        match ports.strip_prefix(", ") {
            Some(ports) => format!("{ports}: {label}{sentence}"),
            None => format!("{label}{sentence}"),
        }
    }

    /// What happens, to which clients, and on which nodes.
    fn sentence(&self, statement: &Statement) -> String {
        let nodes = nodes::on(&statement.nodes, self.all);
        let way = self.way(statement);
        match statement.effect {
            Effect::Refused | Effect::TimesOut => format!("{way}, {nodes}"),
            Effect::Closed if statement.all_fail => format!("{way}, {nodes}"),
            Effect::Closed => format!("no longer served ({}): {way}, {nodes}", statement.after.words()),
            Effect::Unknown => format!("what happens is not known: {way}, {nodes}"),
            Effect::LosesEndpoints => format!("{}; {way}, {nodes}", self.endpoints_lost()),
            Effect::GainsEndpoints => format!("{}; {way}, {nodes}", self.endpoints_gained()),
            Effect::ClientIpHidden => {
                format!(
                    "client IP no longer preserved, the Pod sees the node's IP (masqueraded); {way}, {nodes}"
                )
            }
            Effect::ClientIpPreserved => format!("client IP preserved from now on; {way}, {nodes}"),
            Effect::Affinity => format!("other session affinity; {way}, {nodes}"),
            Effect::Shares => format!("other shares of the endpoints; {way}, {nodes}"),
            Effect::Works if statement.before == ConnectionVerdict::NotAServicePort => {
                format!("works from now on: {way}, {nodes}")
            }
            Effect::Works => {
                format!("works from now on (before: {}): {way}, {nodes}", statement.before.words())
            }
            Effect::FailsOtherwise => {
                format!("{} (before: {}): {way}, {nodes}", statement.after.words(), statement.before.words())
            }
            Effect::New => {
                format!("new Service, {}: {way}, {nodes}{}", self.new_verdict(statement), self.now())
            }
            Effect::Gone => {
                format!("the Service is gone; it {}: {way}, {nodes}", was_verdict(statement.before))
            }
            Effect::SomeConnections | Effect::OnlyRules => without_statement(self.consequence),
        }
    }

    fn new_verdict(&self, statement: &Statement) -> &'static str {
        statement.after.words()
    }

    fn now(&self) -> String {
        let now = self.consequence.endpoints_after.iter().collect::<Vec<_>>();
        if now.is_empty() { String::new() } else { format!("; {}", targets(&now)) }
    }

    /// At which addresses, and for which clients.
    fn way(&self, statement: &Statement) -> String {
        if statement.effect.loses() && statement.every {
            return "every connection, from everywhere".to_owned();
        }
        if statement.all_fail && statement.effect.loses() {
            return "every connection fails, from everywhere".to_owned();
        }
        let entries = entries(&statement.entry_points, &self.consequence.families);
        if statement.every {
            return format!("from everywhere, at {entries}");
        }
        format!("from {}, at {entries}", clients(statement))
    }

    fn was(&self, statement: &Statement) -> Option<String> {
        let before: Vec<&Target> = self.consequence.endpoints_before.iter().collect();
        let lost = self.consequence.losing().filter(|other| other.service_ports == statement.service_ports);
        let mut points: Vec<EntryPoint> = lost.flat_map(|other| &other.entry_points).cloned().collect();
        points.sort();
        points.dedup();
        let entries = entries(&points, &self.consequence.families);
        // Endpoints of other ports, which still work, are among those of the Service.
        (!before.is_empty()).then(|| format!("was: {} at {entries}", targets(&before)))
    }

    fn endpoints_lost(&self) -> String {
        let (before, after) = (&self.consequence.endpoints_before, &self.consequence.endpoints_after);
        let lost: Vec<&Target> = before.difference(after).collect();
        if lost.is_empty() {
            return "fewer endpoints are reached".to_owned();
        }
        if let Some(words) = same_pods(before, after) {
            return words;
        }
        let gained = after.difference(before).count();
        let more = if gained == 0 { String::new() } else { format!(", {} new", count(gained, "endpoint")) };
        format!("{} of {} lost ({}){more}", lost.len(), count(before.len(), "endpoint"), named(&lost))
    }

    fn endpoints_gained(&self) -> String {
        let (before, after) = (&self.consequence.endpoints_before, &self.consequence.endpoints_after);
        let gained: Vec<&Target> = after.difference(before).collect();
        if gained.is_empty() {
            return "more endpoints are reached".to_owned();
        }
        format!("{} more ({})", count(gained.len(), "endpoint"), named(&gained))
    }
}

fn was_verdict(before: ConnectionVerdict) -> &'static str {
    match before {
        ConnectionVerdict::Works => "worked",
        ConnectionVerdict::Refused => "was refused",
        ConnectionVerdict::TimesOut => "timed out",
        _ => "was not served",
    }
}

/// The same Pods at another port.
fn same_pods(before: &BTreeSet<Target>, after: &BTreeSet<Target>) -> Option<String> {
    let hosts = |targets: &BTreeSet<Target>| -> BTreeSet<String> {
        targets.iter().map(|target| target.address.to_string()).collect()
    };
    let ports = |targets: &BTreeSet<Target>| -> BTreeSet<u16> { targets.iter().map(|t| t.port).collect() };
    let (was, is) = (ports(before), ports(after));
    let is_same = hosts(before) == hosts(after) && was != is;
    let list = |ports: BTreeSet<u16>| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let pods: Vec<&Target> = after.iter().collect();
    is_same.then(|| format!("the same {} at port {} instead of {}", targets(&pods), list(is), list(was)))
}

/// `2 Pods (a, b)`, or endpoints if no Pod is known.
fn targets(all: &[&Target]) -> String {
    let pods: BTreeSet<&str> = all.iter().filter_map(|target| target.pod.as_deref()).collect();
    if !pods.is_empty() && all.iter().all(|target| target.pod.is_some()) {
        let mut unique: BTreeMap<&str, &Target> = BTreeMap::new();
        all.iter()
            .for_each(|target| _ = unique.entry(target.pod.as_deref().unwrap_or_default()).or_insert(target));
        let unique: Vec<&Target> = unique.into_values().collect();
        return format!("{} ({})", count(unique.len(), "Pod"), named_hosts(&unique));
    }
    format!("{} ({})", count(all.len(), "endpoint"), named(all))
}

fn named(all: &[&Target]) -> String {
    cut(all.iter().map(|target| name(target)).collect())
}

fn named_hosts(all: &[&Target]) -> String {
    let host = |target: &&Target| match (&target.pod, target.assumed) {
        (Some(pod), true) => pod.to_string(),
        (Some(pod), false) => format!("{pod}, {}", target.address),
        (None, _) => target.address.to_string(),
    };
    let separator = if all.iter().all(|target| target.assumed) { ", " } else { "; " };
    let mut named: Vec<String> = all.iter().take(NAMED).map(host).collect();
    let more = all.len().saturating_sub(NAMED);
    named.extend((more > 0).then(|| format!("{more} more")));
    named.join(separator)
}

fn cut(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

/// An endpoint: the Pod by its name, with the address unless that is assumed.
fn name(target: &Target) -> String {
    let address = std::net::SocketAddr::new(target.address, target.port);
    match &target.pod {
        Some(pod) if target.assumed => pod.to_string(),
        Some(pod) => format!("{pod} at {address}"),
        None => address.to_string(),
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `, port http`; empty if it is about all ports.
fn ports(statement: &Statement) -> String {
    if statement.all_ports && statement.service_ports.len() > 1 {
        return String::new();
    }
    let mut names: Vec<&str> = statement.service_ports.iter().map(|port| port.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let noun = if names.len() == 1 { "port" } else { "ports" };
    if names.is_empty() { String::new() } else { format!(", {noun} {}", names.join(", ")) }
}

/// Entry points: those on other addresses of a node are named only if there are no others.
fn entries(all: &[EntryPoint], families: &BTreeSet<Family>) -> String {
    let of: BTreeSet<Family> = all.iter().map(|entry| entry.family).collect();
    let family = match of.first() {
        Some(family) if of.len() == 1 && (families.len() > 1 || *family == Family::Ipv6) => {
            format!("{family} ")
        }
        _ => String::new(),
    };
    let has_node_port = |port| all.iter().any(|e| e.kind == EntryKind::NodePort && e.port == port);
    let mut words: Vec<String> = Vec::new();
    let mut put = |text: String| {
        if !words.contains(&text) {
            words.push(text);
        }
    };
    for entry in all {
        let port = entry.port;
        let address = entry.address.map(|ip| ip.to_string()).unwrap_or_default();
        match entry.kind {
            EntryKind::ClusterIp => put(format!("{family}cluster IP")),
            EntryKind::NodePort => put(format!("{family}node port {port}")),
            EntryKind::ExternalIp => put(format!("external IP {address}")),
            EntryKind::LoadBalancerIp => put(format!("load-balancer IP {address}")),
            EntryKind::NodePortOnOtherAddress | EntryKind::NodePortOnLoopback if has_node_port(port) => {}
            EntryKind::NodePortOnOtherAddress => {
                put(format!("{family}node port {port} on other addresses of the node"));
            }
            EntryKind::NodePortOnLoopback => put(format!("{family}node port {port} on loopback addresses")),
        }
    }
    and(words)
}

/// `a, b and c`
fn and(mut words: Vec<String>) -> String {
    match words.pop() {
        None => String::new(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} and {last}", words.join(", ")),
    }
}

/// Who connects.
fn clients(statement: &Statement) -> String {
    let has = |client| statement.clients.contains(&client);
    let ranges: Vec<String> = statement.clients.iter().filter_map(range).collect();
    let spared: Vec<String> = statement.spared.iter().filter_map(range).collect();
    let (pods, outside) = ((has(Client::PodsHere), has(Client::PodsElsewhere)), has(Client::Outside));
    if pods.0 && has(Client::Node) && outside && spared.is_empty() {
        return "everywhere".to_owned();
    }
    let mut words = Vec::new();
    match pods {
        (true, true) => words.push("Pods".to_owned()),
        (true, false) => words.push("Pods on the node".to_owned()),
        (false, true) => words.push("Pods on other nodes".to_owned()),
        (false, false) => {}
    }
    if has(Client::Node) {
        words.push("the node itself".to_owned());
    }
    match (outside, spared.is_empty()) {
        (true, true) => words.push("clients outside the cluster".to_owned()),
        (true, false) => words.push(format!("clients outside the cluster but for {}", and(spared))),
        (false, _) if !ranges.is_empty() => words.push(format!("clients in {}", and(ranges))),
        (false, _) => {}
    }
    and(words)
}

fn range(client: &Client) -> Option<String> {
    match client {
        Client::OutsideFrom(range) => Some(range.to_string()),
        _ => None,
    }
}
