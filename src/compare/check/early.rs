//! Foreign base chains that packets to Services meet before kube-proxy translates them.

use std::collections::BTreeSet;

use super::Lines;
use crate::compare::rules_change::LineChange;
use crate::compare::subject::is_own_jump;
use crate::iptables::ruleset as ipt;
use crate::iptables::save::rule_text;
use crate::nftables::{TABLE, ruleset as nft};
use crate::ruleset::Ruleset;
use crate::ruleset::writer::Writer;

/// Where kube-proxy in nftables mode translates, and where every nat chain of iptables does (NF_IP_PRI_NAT_DST).
const TRANSLATES: i32 = -100;

/// The foreign rules that come first, and whose they are.
#[derive(Default)]
pub(super) struct Early {
    pub(super) places: Vec<Lines>,
    pub(super) writers: BTreeSet<Writer>,
}

impl Early {
    /// Adds a rule that comes first.
    fn add(&mut self, table: String, chain: &str, text: String, writer: Writer) {
        self.writers.insert(writer);
        let line = LineChange { op: '+', text };
        match self.places.iter_mut().find(|place| place.table == table && place.name == chain) {
            Some(place) => place.lines.push(line),
            None => self.places.push(Lines { table, name: chain.to_owned(), lines: vec![line] }),
        }
    }

    /// Whose the rules are, in words.
    pub(super) fn whose(&self) -> String {
        let named: Vec<String> =
            self.writers.iter().filter(|writer| **writer != Writer::Unnamed).map(Writer::to_string).collect();
        if named.is_empty() { String::new() } else { format!(": rules of {}", named.join(", ")) }
    }

    /// Whether a ruleset has anything that comes first: see [`Early::without`].
    pub(super) fn is_in(ruleset: &Ruleset, is_main: bool) -> bool {
        match ruleset {
            Ruleset::Iptables(rules) => {
                rules.tables.iter().filter(|table| is_early(table, is_main)).any(|table| {
                    let entries = table.chains.iter().filter(|chain| is_entry(chain.name.as_str()));
                    entries.flat_map(|chain| &chain.rules).any(|placed| !is_own_jump(&placed.rule))
                })
            }
            Ruleset::Nftables(rules, family) => {
                let tables =
                    rules.tables.iter().filter(|table| table.name != TABLE && table.family.sees(*family));
                tables.flat_map(|table| &table.chains).filter(|chain| comes_first(chain)).any(|chain| {
                    !chain.rules.is_empty() || chain.base.as_ref().is_some_and(|base| base.drops_by_default)
                })
            }
        }
    }

    /// The same ruleset without the foreign rules that come first; if it is not kube-proxy's, also without those that
    /// translate destinations.
    pub(super) fn without(&mut self, ruleset: &Ruleset, is_main: bool) -> Ruleset {
        match ruleset {
            _ if !Early::is_in(ruleset, is_main) => ruleset.clone(),
            Ruleset::Iptables(rules) => self.without_iptables(rules, is_main).into(),
            Ruleset::Nftables(rules, family) => {
                let mut rules = nft::Ruleset::clone(rules);
                for table in rules.tables.iter_mut().filter(|table| table.name != TABLE) {
                    if table.family.sees(*family) {
                        self.without_nftables(table);
                    }
                }
                Ruleset::nftables(rules, *family)
            }
        }
    }

    fn without_iptables(&mut self, rules: &ipt::Ruleset, is_main: bool) -> ipt::Ruleset {
        let mut rules = ipt::Ruleset::clone(rules);
        for i in 0..rules.tables.len() {
            let Some(table) = rules.tables.get(i).filter(|table| is_early(table, is_main)).cloned() else {
                continue;
            };
            for chain in table.chains.iter().filter(|chain| is_entry(chain.name.as_str())) {
                for placed in chain.rules.iter().filter(|placed| !is_own_jump(&placed.rule)) {
                    let text = rule_text(&chain.name, &placed.rule, rules.family);
                    let writer = writer_of(&table, chain, &placed.rule);
                    self.add(table.name.name().to_owned(), chain.name.as_str(), text, writer);
                }
            }
            let kept = rules.tables.get_mut(i).into_iter().flat_map(|table| &mut table.chains);
            for chain in kept.filter(|chain| is_entry(chain.name.as_str())) {
                chain.rules.retain(|placed| is_own_jump(&placed.rule));
            }
        }
        rules
    }

    fn without_nftables(&mut self, table: &mut nft::Table) {
        let whole = table.clone();
        for chain in &mut table.chains {
            if !comes_first(chain) {
                continue;
            }
            let name = format!("{} {}", whole.family.name(), whole.name);
            for placed in &chain.rules {
                let writer = Writer::of_nftables(&whole, chain, Some(&placed.rule));
                self.add(name.clone(), &chain.name, placed.rule.to_string(), writer);
            }
            chain.rules.clear();
            if let Some(base) = chain.base.as_mut().filter(|base| base.drops_by_default) {
                base.drops_by_default = false;
            }
        }
    }
}

/// Whether a table's rules come first: if the ruleset is not kube-proxy's, those that translate do, too.
fn is_early(table: &ipt::Table, is_main: bool) -> bool {
    match table.name {
        ipt::TableName::Raw | ipt::TableName::Mangle => true,
        ipt::TableName::Nat => !is_main,
        _ => false,
    }
}

fn comes_first(chain: &nft::Chain) -> bool {
    chain.base.as_ref().is_some_and(|base| {
        matches!(base.hook, nft::Hook::Prerouting | nft::Hook::Output)
            && (base.priority < TRANSLATES || base.kind == "nat")
    })
}

fn is_entry(chain: &str) -> bool {
    matches!(chain, "PREROUTING" | "OUTPUT")
}

/// Who wrote a rule, or the chain that it leads to.
pub(super) fn writer_of(table: &ipt::Table, chain: &ipt::Chain, rule: &ipt::Rule) -> Writer {
    let target = match &rule.target {
        Some(ipt::Target::Jump(to) | ipt::Target::Goto(to)) => table.chain(to.as_str()),
        _ => None,
    };
    match target {
        Some(target) => Writer::of_iptables(table.name, target, None),
        None => Writer::of_iptables(table.name, chain, Some(rule)),
    }
}
