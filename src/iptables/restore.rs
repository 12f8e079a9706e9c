//! Prints what kube-proxy hands to `iptables-restore --noflush --counters` in one full sync.

use std::fmt::Write;
use std::iter;
use std::sync::Arc;

use super::compile::{self, Sink};
use super::ruleset::{
    AddressMatch, ChainName, Destination, End, InterfaceMatch, Match, ProtocolName, RecentAction, Rule,
    TableName, Target,
};
use super::stretches::Stretches;
use crate::net::AddressText;
use crate::plan::Plan;
use crate::plan::origin::Origin;
use crate::text::Text;

/// The text of one full sync on a node that has nothing yet.
pub fn print(plan: &Plan<'_>) -> Text {
    Model::new(plan).text()
}

/// The text of one node, from which others copy whatever is the same.
pub struct Model<'p, 'c> {
    plan: &'p Plan<'c>,
    services: Stretches<'p, 'c, Printed>,
}

impl<'p, 'c> Model<'p, 'c> {
    /// Prints the rules of a node.
    pub fn new(plan: &'p Plan<'c>) -> Self {
        Model::like(None, plan)
    }

    /// The text of another node of the cluster.
    pub fn print(&self, plan: &Plan<'c>) -> Text {
        Model::like(Some(&self.services), plan).text()
    }

    fn like(like: Option<&Stretches<'_, 'c, Printed>>, plan: &'p Plan<'c>) -> Self {
        let services = Stretches::print(plan, like, |first, ports| {
            RestoreText::of(|sink| compile::services(plan, first, ports, sink))
        });
        Model { plan, services }
    }

    fn text(&self) -> Text {
        let head = RestoreText::of(|sink| compile::head(self.plan, sink));
        let tail = RestoreText::of(|sink| compile::tail(self.plan, sink));
        let all = || iter::once(&head).chain(self.services.printed()).chain(iter::once(&tail));
        let mut text = Text::default();
        for (table, name) in [TableName::Filter, TableName::Nat].into_iter().enumerate() {
            text.push(format!("*{}\n", name.name()));
            let documents = || all().filter_map(|printed| printed.tables.get(table));
            let (chains, rules) = (documents().map(|d| &d.chains), documents().map(|d| &d.rules));
            chains.chain(rules).filter(|piece| !piece.is_empty()).for_each(|piece| text.share(piece));
            text.push("COMMIT\n");
        }
        text
    }
}

/// What a part of the plan writes to the tables filter and nat.
#[derive(Clone)]
struct Printed {
    tables: [SharedDocument; 2],
}

#[derive(Clone)]
struct SharedDocument {
    chains: Arc<String>,
    rules: Arc<String>,
}

#[derive(Default)]
struct RestoreText {
    filter: Document,
    nat: Document,
}

#[derive(Default)]
struct Document {
    chains: String,
    rules: String,
}

impl RestoreText {
    fn of(write: impl FnOnce(&mut RestoreText)) -> Printed {
        let mut text = RestoreText::default();
        write(&mut text);
        let share = |d: Document| SharedDocument { chains: Arc::new(d.chains), rules: Arc::new(d.rules) };
        Printed { tables: [share(text.filter), share(text.nat)] }
    }

    fn document(&mut self, table: TableName) -> &mut Document {
        if table == TableName::Filter { &mut self.filter } else { &mut self.nat }
    }
}

impl Sink for RestoreText {
    fn chain(&mut self, table: TableName, chain: ChainName) {
        let out = &mut self.document(table).chains;
        append(out, &[":", chain.as_str(), " - [0:0]\n"]);
    }

    fn rule(&mut self, table: TableName, chain: ChainName, rule: Rule, _: Origin) {
        rule_line(&chain, &rule, &mut self.document(table).rules);
    }
}

/// One rule, with its parts in the order in which kube-proxy writes them: comment, address type and `recent`, protocol,
/// destination, port, source, and the rest.
fn rule_line(chain: &ChainName, rule: &Rule, out: &mut String) {
    append(out, &["-A ", chain.as_str()]);
    for matched in rule.matches.iter().filter(|m| precedes_addresses(m)) {
        matching(matched, out);
    }
    if let Some(ProtocolName::Known(protocol)) = rule.protocol.as_ref().map(|p| &p.protocol) {
        append(out, &[" -m ", protocol.lower_name(), " -p ", protocol.lower_name()]);
    }
    address(" -d ", rule.destination.as_ref(), out);
    for matched in &rule.matches {
        if let Match::Transport { destination_port: Some(port), .. } = matched {
            let _ = write!(out, " --dport {port}");
        }
    }
    address(" -s ", rule.source.as_ref(), out);
    interface(rule.in_interface.as_deref(), out);
    for matched in rule.matches.iter().filter(|m| !precedes_addresses(m)) {
        matching(matched, out);
    }
    if let Some(target) = &rule.target {
        append_target(target, out);
    }
    out.push('\n');
}

fn precedes_addresses(matched: &Match) -> bool {
    matches!(matched, Match::Comment(_) | Match::AddressType { .. } | Match::Recent { .. })
}

fn append(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

fn address(option: &str, address: Option<&AddressMatch>, out: &mut String) {
    let Some(address) = address else { return };
    append(out, &[if address.negated { " !" } else { "" }, option]);
    let _ = match &address.written {
        Some(text) => out.write_str(text),
        None if address.net.is_host() => out.write_str(AddressText::ip(address.net.network()).as_str()),
        None => write!(out, "{}", address.net),
    };
}

fn interface(interface: Option<&InterfaceMatch>, out: &mut String) {
    if let Some(interface) = interface {
        append(out, &[if interface.negated { " !" } else { "" }, " -i ", &interface.name]);
    }
}

fn matching(matched: &Match, out: &mut String) {
    let _ = match matched {
        Match::Comment(text) => return comment(text, out),
        Match::ConntrackState { negated, states } => {
            let names: Vec<&str> = states.names().collect();
            write!(out, " -m conntrack {}--ctstate {}", bang(*negated), names.join(","))
        }
        Match::Mark { negated, value, mask } => {
            write!(out, " -m mark {}--mark {value:#010x}/{mask:#010x}", bang(*negated))
        }
        Match::AddressType { end: End::Source, .. } => out.write_str(" -m addrtype --src-type LOCAL"),
        Match::AddressType { end: End::Destination, .. } => out.write_str(" -m addrtype --dst-type LOCAL"),
        Match::Probability(probability) => {
            let text = probability.restore_text();
            return append(out, &[" -m statistic --mode random --probability ", &text]);
        }
        Match::Recent { list, action: RecentAction::Set } => write!(out, " -m recent --name {list} --set"),
        Match::Recent { list, action: RecentAction::Check { seconds } } => {
            write!(out, " -m recent --name {list} --rcheck --seconds {seconds} --reap")
        }
        Match::Nfacct(name) => write!(out, " -m nfacct --nfacct-name {name}"),
        Match::Transport { .. } | Match::Foreign(_) => Ok(()),
    };
}

fn bang(negated: bool) -> &'static str {
    if negated { "! " } else { "" }
}

/// kube-proxy quotes a comment only if it contains a blank.
fn comment(text: &str, out: &mut String) {
    let quote = if text.contains(' ') { "\"" } else { "" };
    append(out, &[" -m comment --comment ", quote, text, quote]);
}

fn append_target(target: &Target, out: &mut String) {
    let _ = match target {
        Target::Jump(chain) => return append(out, &[" -j ", chain.as_str()]),
        Target::Goto(chain) => return append(out, &[" -g ", chain.as_str()]),
        Target::Accept => out.write_str(" -j ACCEPT"),
        Target::Drop => out.write_str(" -j DROP"),
        Target::Return => out.write_str(" -j RETURN"),
        Target::Reject => out.write_str(" -j REJECT"),
        Target::SetMark { value, mask: 0 } => write!(out, " -j MARK --xor-mark {value:#010x}"),
        Target::SetMark { value, .. } => write!(out, " -j MARK --or-mark {value:#010x}"),
        Target::Masquerade { random_fully: true } => out.write_str(" -j MASQUERADE --random-fully"),
        Target::Masquerade { random_fully: false } => out.write_str(" -j MASQUERADE"),
        Target::Dnat(Destination { address, written }) => {
            let canonical = AddressText::socket(*address);
            let text = written.as_ref().map_or(canonical.as_str(), |text| text.as_str());
            return append(out, &[" -j DNAT --to-destination ", text]);
        }
        Target::Foreign(_) => Ok(()),
    };
}
