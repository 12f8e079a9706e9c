//! How captured rules differ from expected ones, one chain or set and one Service at a time.

use std::collections::HashSet;

use compact_str::format_compact;

use super::{Finding, Kind, Lines, Pair};
use crate::compare::rules::{self, PlaceChange, Presence};
use crate::compare::rules_change::LineChange;
use crate::compare::subject;
use crate::iptables::ruleset as ipt;
use crate::names::ServiceName;
use crate::nftables::ruleset as nft;
use crate::nftables::{TABLE, is_loopback_object};
use crate::ruleset::Ruleset;
use crate::ruleset::listing::{Line, Place};

/// A difference in one place that concerns one Service, or what every node has.
#[derive(Debug)]
pub(super) struct Delta<'r> {
    /// None for what every node has.
    pub(super) service: Option<ServiceName>,
    /// Whether the cluster has that Service.
    pub(super) is_known: bool,
    /// An object for node ports on loopback that no rule uses: left over from a kube-proxy with the feature gate.
    is_unused_for_loopback: bool,
    /// Whether a captured rule or element leads to the chain or looks into the set.
    is_used: bool,
    pub(super) change: PlaceChange<'r>,
}

/// All differences, except foreign ones.
pub(super) fn deltas(of: Pair<'_>) -> Vec<Delta<'_>> {
    let known = rules::services(of.expected.plan.as_ref());
    let loopback_is_used = of.captured.ruleset.as_nftables().is_some_and(uses_loopback_node_ports);
    let used = used(&of.captured.ruleset);
    let mut deltas = Vec::new();
    for group in rules::compare(of.expected, of.captured).groups {
        let service = match group.subject {
            subject::Subject::Foreign => continue,
            subject::Subject::Base => None,
            subject::Subject::Service(name) => Some(name),
        };
        let is_known = service.as_ref().is_none_or(|name| known.contains(name));
        let places = group.places.into_iter().filter(|change| !is_kubelets(change));
        deltas.extend(places.map(|change| Delta {
            service: service.clone(),
            is_known,
            is_unused_for_loopback: !loopback_is_used && is_for_loopback(&change),
            is_used: used.contains(change.place.name()),
            change,
        }));
    }
    deltas
}

/// Names of the chains that rules and elements lead to, and of the sets that rules look into or fill, in any table.
fn used(ruleset: &Ruleset) -> HashSet<&str> {
    match ruleset {
        Ruleset::Iptables(ruleset) => {
            let rules = ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
            let target = |placed: &'_ ipt::PlacedRule| match &placed.rule.target {
                Some(ipt::Target::Jump(to) | ipt::Target::Goto(to)) => Some(*to),
                _ => None,
            };
            let names: HashSet<ipt::ChainName> = rules.filter_map(target).collect();
            let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
            chains.filter(|chain| names.contains(&chain.name)).map(|chain| chain.name.as_str()).collect()
        }
        Ruleset::Nftables(ruleset, _) => {
            let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
            let statements = chains.flat_map(|chain| &chain.rules).flat_map(|placed| &placed.rule.statements);
            let elements = ruleset.tables.iter().flat_map(|table| &table.sets).flat_map(|set| &set.elements);
            statements.flat_map(used_by).chain(elements.filter_map(led_to)).collect()
        }
    }
}

fn used_by(statement: &nft::Statement) -> Vec<&str> {
    match statement {
        nft::Statement::Address { addresses: nft::Addresses::Named(set), .. }
        | nft::Statement::InSet { set, .. }
        | nft::Statement::UpdateSet { set, .. } => vec![set],
        nft::Statement::VerdictMap { map, .. } => vec![map],
        nft::Statement::Verdict(verdict) => chain_of(verdict).into_iter().collect(),
        nft::Statement::RandomVerdict { verdicts, .. } => {
            verdicts.iter().filter_map(|(_, verdict)| chain_of(verdict)).collect()
        }
        nft::Statement::LookUp(lookup) => match &lookup.1 {
            nft::Expression::Set(elements) => elements.iter().filter_map(led_to).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn led_to(element: &nft::Element) -> Option<&str> {
    match element.value.as_ref()? {
        nft::MapValue::Verdict(verdict) => chain_of(verdict),
        nft::MapValue::Data(_) | nft::MapValue::Opaque(_) => None,
    }
}

fn chain_of(verdict: &nft::Verdict) -> Option<&str> {
    match verdict {
        nft::Verdict::Jump(chain) | nft::Verdict::Goto(chain) => Some(chain),
        _ => None,
    }
}

/// Whether some rule looks up which node ports are rejected on loopback.
fn uses_loopback_node_ports(ruleset: &nft::Ruleset) -> bool {
    let own = ruleset.tables.iter().filter(|table| table.name == TABLE);
    let rules = own.flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    rules.flat_map(|placed| &placed.rule.statements).any(|statement| match statement {
        nft::Statement::VerdictMap { map, .. } => is_loopback_object(map),
        _ => false,
    })
}

/// An object for node ports on loopback that should not be there.
fn is_for_loopback(change: &PlaceChange<'_>) -> bool {
    let own = match change.place {
        Place::Chain(table, _) | Place::Counter(table, _) | Place::Set(table, _) => table.name == TABLE,
        Place::IptablesChain(..) => false,
    };
    own && change.presence == Presence::NewOnly && is_loopback_object(change.place.name())
}

/// What the kubelet makes by itself: its canaries, its hint, and its rule in KUBE-FIREWALL. kube-proxy's canary counts,
/// too, as no packet meets it.
fn is_kubelets(change: &PlaceChange<'_>) -> bool {
    let Place::IptablesChain(_, _, chain) = change.place else { return false };
    if is_kubelets_alone(chain) {
        return true;
    }
    let guard = |line: &rules::LineChange<'_>| match line.line {
        Line::IptablesRule(_, _, placed) => {
            line.added && subject::comment(&placed.rule) == Some("block incoming localnet connections")
        }
        _ => false,
    };
    chain.owner == ipt::Owner::Kubelet && change.rewritten == 0 && change.lines.iter().all(guard)
}

fn is_kubelets_alone(chain: &ipt::Chain) -> bool {
    chain.name.as_str().ends_with("-CANARY") || chain.name.as_str() == "KUBE-IPTABLES-HINT"
}

/// Whether a missing line of kube-proxy's counts as a difference in this place.
pub(super) fn counts(place: &Place<'_>) -> bool {
    match place {
        Place::IptablesChain(_, _, chain) => {
            chain.owner == ipt::Owner::KubeProxy && !is_kubelets_alone(chain)
        }
        _ => true,
    }
}

impl<'r> Delta<'r> {
    pub(super) fn missing(&self) -> impl Iterator<Item = &Line<'r>> {
        self.change.lines.iter().filter(|line| !line.added).map(|line| &line.line)
    }

    pub(super) fn extra(&self) -> impl Iterator<Item = &Line<'r>> {
        self.change.lines.iter().filter(|line| line.added).map(|line| &line.line)
    }

    pub(super) fn is_missing(&self) -> bool {
        self.missing().next().is_some() || self.change.presence == Presence::OldOnly
    }

    pub(super) fn is_extra(&self) -> bool {
        self.extra().next().is_some() || self.change.presence == Presence::NewOnly
    }

    /// A built-in chain of iptables.
    pub(super) fn is_builtin(&self) -> bool {
        matches!(self.change.place, Place::IptablesChain(_, _, chain) if chain.owner == ipt::Owner::Kernel)
    }

    /// Empty chains and sets that kube-proxy has not deleted yet, or never deletes after an upgrade, and that no rule
    /// leads to: no packet meets them.
    pub(super) fn is_harmless(&self) -> bool {
        if self.is_unused_for_loopback {
            return true;
        }
        if self.is_used {
            return false;
        }
        match &self.change.place {
            Place::Counter(..) => false,
            Place::Chain(table, chain) => {
                let named = |name: &str| chain.name.as_str() == name;
                let unused = chain.base.is_none() && (chain.rules.is_empty() || named("mark-for-masquerade"));
                table.name == TABLE && unused && self.change.presence == Presence::NewOnly
            }
            Place::Set(table, set) => {
                let unused = set.name.starts_with("affinity-") || set.elements.is_empty();
                table.name == TABLE && unused && self.change.presence == Presence::NewOnly
            }
            Place::IptablesChain(_, _, chain) => {
                chain.rules.is_empty()
                    && self.change.lines.is_empty()
                    && self.change.rewritten == 0
                    && self.change.presence == Presence::NewOnly
            }
        }
    }

    pub(super) fn note(&self) -> String {
        let place = &self.change.place;
        format!("{} {} {} is left over and unused", place.table(), place.kind(), place.name())
    }

    pub(super) fn weight(&self) -> usize {
        self.change.lines.len() + self.change.rewritten + usize::from(self.change.presence != Presence::Both)
    }

    fn lines(&self) -> Lines {
        let line = |line: &rules::LineChange<'_>| LineChange {
            op: if line.added { '+' } else { '-' },
            text: line.line.text(),
        };
        Lines {
            table: self.change.place.table().into(),
            name: self.change.place.name().to_owned(),
            lines: self.change.lines.iter().map(line).collect(),
        }
    }
}

/// One finding for each Service among some differences.
pub(super) fn by_service<'d, 'r: 'd>(
    kind: Kind,
    deltas: impl Iterator<Item = &'d Delta<'r>>,
    message: impl Fn(&str, &[&'d Delta<'r>]) -> String,
) -> Vec<Draft<'d, 'r>> {
    let mut groups: std::collections::BTreeMap<Option<ServiceName>, Vec<&'d Delta<'r>>> = Default::default();
    for delta in deltas {
        groups.entry(delta.service.clone()).or_default().push(delta);
    }
    let finding = |(service, deltas): (Option<ServiceName>, Vec<&'d Delta<'r>>)| {
        let name =
            service.as_ref().map_or("what every node has".into(), |name| format_compact!("Service {name}"));
        let finding = Finding {
            service: service.map(|name| name.to_string()),
            places: deltas.iter().map(|delta| delta.lines()).collect(),
            ..Finding::general(kind, message(&name, &deltas))
        };
        Draft { finding, deltas }
    };
    groups.into_iter().map(finding).collect()
}

/// How many lines there are, in words.
pub(super) fn count<'d, 'r: 'd>(lines: impl Iterator<Item = &'d Line<'r>>) -> String {
    let (mut rules, mut elements, mut counters) = (0, 0, 0);
    for line in lines {
        match line {
            Line::Element(..) => elements += 1,
            Line::Counter(_) => counters += 1,
            _ => rules += 1,
        }
    }
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let counted = [(rules, "rule"), (elements, "element"), (counters, "counter")];
    let parts: Vec<String> = (counted.into_iter())
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| plural(count, what))
        .collect();
    match parts.split_last() {
        None => "an empty chain or set".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// A finding, and what it was made of.
#[derive(Debug)]
pub(super) struct Draft<'d, 'r> {
    pub(super) finding: Finding,
    pub(super) deltas: Vec<&'d Delta<'r>>,
}
