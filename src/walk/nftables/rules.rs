//! Some of the rules of nftables: those that routed packets can meet, those of other programs.

use foldhash::{HashSet, HashSetExt};

use super::{Program, interface_name, interface_names};
use crate::net::Family;
use crate::nftables::TABLE;
use crate::nftables::ruleset::{Element, Expression, MapValue, Rule, Statement, Verdict};
use crate::walk::asked_beside::AskedBeside;
use crate::walk::outcome::Hook;
use crate::walk::rule_part::ChainId;

/// Called with a rule, and with a function for the elements of the sets of its table.
type See<'s, 'r> = &'s mut dyn FnMut(&'r Rule, &dyn Fn(&str) -> &'r [Element]);

impl<'r> Program<'r> {
    /// Shows the rules that packets can meet once they are routed: those of prerouting, too, over `lo`, except for its
    /// nat chains.
    pub(in crate::walk) fn each_rule_from_routing_on(
        &self,
        family: Family,
        mut see: impl FnMut(&'r Rule, &dyn Fn(&str) -> &'r [Element]),
    ) {
        let hooks = [Hook::Input, Hook::Forward, Hook::Postrouting, Hook::Prerouting];
        let bases = hooks.into_iter().flat_map(|hook| {
            let meets = move |nat: bool| hook != Hook::Prerouting || !nat;
            self.bases(family).at(hook).iter().filter(move |base| meets(base.nat)).map(|base| base.chain)
        });
        for chain in self.reached_from(bases) {
            self.show(chain, &mut see);
        }
    }

    /// Shows the rules of other programs.
    pub(in crate::walk) fn each_rule_of_others(
        &self,
        mut see: impl FnMut(&'r Rule, &dyn Fn(&str) -> &'r [Element]),
    ) {
        for chain in (0..).map(ChainId).take(self.chains.len()).filter(|chain| self.is_foreign(*chain)) {
            self.show(chain, &mut see);
        }
    }

    /// How many rules other programs have.
    pub(in crate::walk) fn foreign_rules(&self) -> usize {
        *self.foreign.get_or_init(|| {
            let of_others = (0..).map(ChainId).zip(&self.chains).filter(|(chain, _)| self.is_foreign(*chain));
            of_others.map(|(_, (_, chain))| chain.rules.len()).sum()
        })
    }

    /// What rules ask about interfaces besides their names.
    pub(in crate::walk) fn asked_beside(&self) -> AskedBeside {
        *self.asked_beside.get_or_init(|| {
            let rules = self.chains.iter().flat_map(|(_, chain)| &chain.rules);
            let mut asked = AskedBeside::default();
            let statements = rules.flat_map(|placed| &placed.rule.statements);
            statements.for_each(|statement| asked.learn_nftables(statement));
            asked
        })
    }

    /// Names and patterns of interfaces that rules at some hooks match on; none if they ask more about an interface.
    pub(in crate::walk) fn interfaces_asked_at(
        &self,
        hooks: &[Hook],
        family: Family,
    ) -> Option<Vec<&'r str>> {
        let bases = hooks.iter().flat_map(|hook| self.bases(family).at(*hook)).map(|base| base.chain);
        let mut names = Vec::new();
        for chain in self.reached_from(bases) {
            let Some((_, found)) = self.chains.get(chain.index()) else { continue };
            for statement in found.rules.iter().flat_map(|placed| &placed.rule.statements) {
                names.extend(interface_names(statement));
                for expression in statement.expressions() {
                    expression.visit(&mut |part| {
                        if let Expression::Named(set) = part {
                            let elements = self.elements(chain, set).unwrap_or_default();
                            names.extend(elements.iter().flat_map(|e| &e.key).filter_map(interface_name));
                        }
                    });
                }
                let mut beside = AskedBeside::default();
                beside.learn_nftables(statement);
                if beside.across || beside.owners {
                    return None;
                }
            }
        }
        Some(names)
    }

    /// Whether a chain is not kube-proxy's.
    pub(in crate::walk) fn is_foreign(&self, chain: ChainId) -> bool {
        let table = self.chains.get(chain.index()).and_then(|(table, _)| self.tables.get(*table));
        table.is_some_and(|table| table.name != TABLE)
    }

    fn show(&self, chain: ChainId, see: See<'_, 'r>) {
        let Some((_, found)) = self.chains.get(chain.index()) else { return };
        let elements = |set: &str| self.elements(chain, set).unwrap_or_default();
        found.rules.iter().for_each(|placed| see(&placed.rule, &elements));
    }

    /// These chains, and all chains that they lead to.
    pub(in crate::walk) fn reached_from(&self, from: impl Iterator<Item = ChainId>) -> Vec<ChainId> {
        let mut reached: Vec<ChainId> = Vec::new();
        let mut met = HashSet::new();
        let mut open: Vec<ChainId> = from.filter(|chain| met.insert(*chain)).collect();
        while let Some(chain) = open.pop() {
            reached.push(chain);
            let Some((_, found)) = self.chains.get(chain.index()) else { continue };
            for statement in found.rules.iter().flat_map(|placed| &placed.rule.statements) {
                let targets = self.targets(chain, statement).into_iter();
                open.extend(targets.filter_map(|to| self.find(chain, to)).filter(|to| met.insert(*to)));
            }
        }
        reached
    }

    /// Names of the chains that a statement can lead to.
    pub(in crate::walk) fn targets(&self, chain: ChainId, statement: &'r Statement) -> Vec<&'r str> {
        let of_map = |elements: &'r [Element]| elements.iter().filter_map(leads_to).collect();
        match statement {
            Statement::Verdict(verdict) => target(verdict).into_iter().collect(),
            Statement::VerdictMap { map, .. } => of_map(self.elements(chain, map).unwrap_or_default()),
            Statement::RandomVerdict { verdicts, .. } => {
                verdicts.iter().filter_map(|(_, verdict)| target(verdict)).collect()
            }
            Statement::LookUp(lookup) => match &lookup.1 {
                Expression::Set(elements) => of_map(elements),
                Expression::Named(map) => of_map(self.elements(chain, map).unwrap_or_default()),
                _ => Vec::new(),
            },
            Statement::Spelled(_, meaning) => self.targets(chain, meaning),
            _ => Vec::new(),
        }
    }
}

fn leads_to(element: &Element) -> Option<&str> {
    match element.value.as_ref()? {
        MapValue::Verdict(verdict) => target(verdict),
        MapValue::Data(_) | MapValue::Opaque(_) => None,
    }
}

fn target(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
        Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Continue => None,
    }
}
