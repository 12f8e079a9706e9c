//! From a plan to the ruleset: what kube-proxy's `syncProxyRules` writes (pkg/proxy/iptables/proxier.go).

mod base;
mod service;
mod sink;

use std::collections::{BTreeSet, HashMap};

pub(super) use base::{head, tail};
pub(crate) use sink::Sink;

use super::ruleset::{Chain, ChainName, Owner, PlacedRule, Policy, Rule, Ruleset, Table, TableName};
use crate::plan::origin::Origin;
use crate::plan::{Plan, ServicePortPlan};

/// The complete ruleset of a node where only kube-proxy writes, as the kernel has it.
pub fn compile(plan: &Plan<'_>) -> Ruleset {
    written(plan, |collector| services(plan, 0, plan.service_ports(), collector))
}

/// The same, but with the chains of only some Service ports, by their index in the plan: every rule in it is the same
/// as in the whole, and in the same place.
pub fn compile_around(plan: &Plan<'_>, indices: &BTreeSet<usize>) -> Ruleset {
    written(plan, |collector| {
        for (index, service_port) in plan.service_ports().iter().enumerate() {
            match indices.contains(&index) {
                true => service::rules(plan, index, service_port, collector),
                false => service::shared_rules(plan, index, service_port, collector),
            }
        }
    })
}

fn written(plan: &Plan<'_>, of_service_ports: impl FnOnce(&mut Collector)) -> Ruleset {
    let tables = TABLES.map(|name| Table { name, chains: Vec::new() }).into();
    let ruleset = Ruleset { family: plan.family(), tables };
    let mut collector = Collector { ruleset, index: HashMap::new() };
    whole_tables(&mut collector);
    head(plan, &mut collector);
    of_service_ports(&mut collector);
    tail(plan, &mut collector);
    collector.finish()
}

/// Hands all that [`compile`] collects to a sink instead, which need not keep it.
pub(crate) fn write(plan: &Plan<'_>, sink: &mut impl Sink) {
    whole_tables(sink);
    head(plan, sink);
    services(plan, 0, plan.service_ports(), sink);
    tail(plan, sink);
}

/// The tables in which kube-proxy has chains, in the order of `iptables-save`.
pub(super) const TABLES: [TableName; 3] = [TableName::Mangle, TableName::Filter, TableName::Nat];

/// What the tables have before the first sync writes anything.
pub(super) fn whole_tables(sink: &mut impl Sink) {
    for table in TABLES {
        for name in table.builtin_chains() {
            sink.chain(table, ChainName::fixed(name));
        }
    }
    base::installed(sink);
}

/// What one full sync writes for a stretch of the plan's Service ports; `first` is the index of its first.
pub(super) fn services(plan: &Plan<'_>, first: usize, ports: &[ServicePortPlan<'_>], sink: &mut impl Sink) {
    for (i, service_port) in ports.iter().enumerate() {
        service::rules(plan, first + i, service_port, sink);
    }
}

/// Collects what is written into tables.
struct Collector {
    ruleset: Ruleset,
    index: HashMap<(TableName, ChainName), (usize, usize)>,
}

impl Collector {
    fn position(&mut self, table: TableName, name: ChainName) -> Option<&mut Chain> {
        let tables = &mut self.ruleset.tables;
        let table_index = tables.iter().position(|t| t.name == table)?;
        let (table_index, chain_index) = *self.index.entry((table, name)).or_insert_with(|| {
            let builtin = table.builtin_chains().contains(&name.as_str());
            let chains = &mut tables[table_index].chains;
            chains.push(Chain {
                name,
                policy: builtin.then_some(Policy::Accept),
                rules: Vec::new(),
                owner: Owner::of(table, name.as_str()),
                counters: Default::default(),
            });
            (table_index, chains.len() - 1)
        });
        tables.get_mut(table_index)?.chains.get_mut(chain_index)
    }

    /// Built-in chains first, in hook order; the others by name.
    fn finish(mut self) -> Ruleset {
        for table in &mut self.ruleset.tables {
            let builtin = table.name.builtin_chains().len();
            table.chains[builtin..].sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        }
        self.ruleset
    }
}

impl Sink for Collector {
    fn chain(&mut self, table: TableName, chain: ChainName) {
        self.position(table, chain);
    }

    fn rule(&mut self, table: TableName, chain: ChainName, rule: Rule, origin: Origin) {
        if let Some(chain) = self.position(table, chain) {
            chain.rules.push(PlacedRule { rule, origin: Some(origin), counters: None });
        }
    }
}
