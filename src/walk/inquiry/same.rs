//! Chains that another ruleset has unchanged: packets that reach no other chains meet the same rules there.
//!
//! There is usually little difference between what a node should have and what it has. So which rules packets for a
//! destination can reach is asked of one ruleset, and of the other only if they reach a chain that differs there.

use compact_str::CompactString;
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::{Inquiry, chain_id, key_of};
use crate::nftables::ruleset::{Element, Set, Table};
use crate::walk::outcome::{Hook, RuleRef};
use crate::walk::program::BaseChain;
use crate::walk::rule_part::ChainId;
use crate::walk::walker::Walker;

/// Chains that another ruleset does not have, or has with other rules.
pub(super) enum Differing {
    /// Any chain may be one, as far as is known.
    Any,
    /// These.
    Some(HashSet<ChainId>),
}

/// A chain by its table and name, and by how many of the same name come before it: a node can have both variants of
/// iptables.
type ChainKey<'r> = (CompactString, &'r str, usize);

type Chains<'r> = HashMap<ChainKey<'r>, (ChainId, RuleRef<'r>)>;

impl Differing {
    pub(super) fn contains(&self, chain: ChainId) -> bool {
        match self {
            Differing::Any => true,
            Differing::Some(chains) => chains.contains(&chain),
        }
    }
}

impl<'w, 'r> Inquiry<'w, 'r> {
    /// The same, with each answer saying whether packets reach a chain that differs in another ruleset.
    #[must_use]
    pub fn beside(self, other: &Walker<'_>) -> Inquiry<'w, 'r> {
        // If a base chain differs, every packet meets the difference.
        let differing = match self.has_same_bases(other) {
            true => Differing::Some(differing(&chains(self.walker), &chains(other))),
            false => Differing::Any,
        };
        Inquiry { differing, ..self }
    }

    fn has_same_bases(&self, other: &Walker<'_>) -> bool {
        let (own, found) = (&self.walker.program, &other.program);
        let is_same = |(a, b): (&BaseChain, &BaseChain)| {
            let chains = (own.rule_ref(a.chain, None), found.rule_ref(b.chain, None));
            (a.priority, a.own_priority, a.nat, a.drops) == (b.priority, b.own_priority, b.nat, b.drops)
                && matches!(chains, (Some(a), Some(b)) if is_same_chain(&a, &b))
        };
        [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting].into_iter().all(
            |hook| {
                let (own, found) = (own.bases(self.family).at(hook), found.bases(self.family).at(hook));
                own.len() == found.len() && own.iter().zip(found).all(is_same)
            },
        )
    }
}

fn chains<'r>(walker: &Walker<'r>) -> Chains<'r> {
    let mut found = Chains::new();
    for id in (0..walker.program.chain_count()).map(chain_id) {
        let Some(chain) = walker.program.rule_ref(id, None) else { continue };
        let mut key = (chain.table_name(), chain.chain_name(), 0);
        while found.contains_key(&key) {
            key.2 += 1;
        }
        found.insert(key, (id, chain));
    }
    found
}

#[allow(clippy::iter_over_hash_type, reason = "a set is made of it")]
fn differing(own: &Chains<'_>, others: &Chains<'_>) -> HashSet<ChainId> {
    let mut tables: HashMap<usize, bool> = HashMap::new();
    let mut differing = HashSet::new();
    for (key, (id, chain)) in own {
        let is_like = others.get(key).is_some_and(|(_, other)| match (chain, other) {
            (RuleRef::Nftables { table, .. }, RuleRef::Nftables { table: other_table, .. }) => {
                let asks_same =
                    tables.entry(key_of(table)).or_insert_with(|| have_same_sets(table, other_table));
                *asks_same && is_same_chain(chain, other)
            }
            _ => is_same_chain(chain, other),
        });
        if !is_like {
            differing.insert(*id);
        }
    }
    differing
}

fn is_same_chain(a: &RuleRef<'_>, b: &RuleRef<'_>) -> bool {
    match (a, b) {
        (
            RuleRef::Iptables { table, chain, .. },
            RuleRef::Iptables { table: other_table, chain: other, .. },
        ) => table == other_table && chain == other,
        (
            RuleRef::Nftables { table, chain, .. },
            RuleRef::Nftables { table: other_table, chain: other, .. },
        ) => (table.family, &table.name) == (other_table.family, &other_table.name) && chain == other,
        _ => false,
    }
}

/// Whether the rules of two tables use the same sets, maps and other objects.
fn have_same_sets(one: &Table, other: &Table) -> bool {
    let by_name = |table: &'_ Table| -> HashMap<CompactString, usize> {
        (0..).zip(&table.sets).map(|(at, set)| (set.name.clone(), at)).collect()
    };
    let places = by_name(other);
    let is_there = |set: &Set| {
        let like = places.get(&set.name).and_then(|at| other.sets.get(*at));
        like.is_some_and(|like| is_same_set(set, like))
    };
    one.opaque == other.opaque && one.sets.len() == places.len() && one.sets.iter().all(is_there)
}

fn is_same_set(one: &Set, other: &Set) -> bool {
    let properties =
        |set: &Set| (set.key.clone(), set.maps_to.clone(), set.flags.clone(), set.timeout_seconds);
    let elements = |set: &'_ Set| -> HashSet<Element> { set.elements.iter().cloned().collect() };
    properties(one) == properties(other)
        && one.elements.len() == other.elements.len()
        && (one.elements == other.elements || elements(one) == elements(other))
}
