//! A ruleset as JSON in the schema of libnftables, which `nft -j -f` loads on a fresh host, with a second key that says
//! what made each rule and element.
//!
//! Chains come before sets, because nft 1.0.6 loads the objects one after the other, and the chain of a verdict in a
//! map must already exist. nft 1.0.6 does not read comments of tables, chains and sets from JSON; newer versions do.

mod datum;
mod elsewhere;
mod expression;
mod statement;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ruleset::{Chain, Counter, DataType, Rule, Ruleset, Set, Table};
use super::script::keeping_braces;
use crate::input::Sources;
use crate::net::Family;
use crate::plan::Plan;
use crate::plan::json::{Origins, RuleOrigin, ServicePortDecisions};

/// Name and version of the schema of the key `kuberules`; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.nftables/v1";

/// What `nft -j -f` loads, and next to it, under its own key, what nft ignores.
#[derive(Debug, Serialize)]
pub struct Rulesets<E> {
    /// Objects in the schema of libnftables.
    pub nftables: Vec<Value>,
    /// What made the rules: an [`Explanation`], or one with more in it.
    pub kuberules: E,
}

/// The rulesets of a node, one per family, with the plans they were made from.
pub fn print<'r>(rulesets: &[(&'r Plan<'r>, &'r Ruleset)], sources: &Sources) -> Rulesets<Explanation<'r>> {
    let metainfo = json!({ "metainfo": { "json_schema_version": 1 } });
    let objects = rulesets.iter().flat_map(|(plan, ruleset)| {
        let tables = keeping_braces(ruleset).tables;
        tables.into_iter().flat_map(|table| table_objects(&table, plan.family()))
    });
    let explained = rulesets.iter().map(|(plan, ruleset)| explanation(plan, ruleset, sources));
    Rulesets {
        nftables: std::iter::once(metainfo).chain(objects).collect(),
        kuberules: Explanation { schema: SCHEMA, rulesets: explained.collect() },
    }
}

pub(super) fn table_objects(table: &Table, family: Family) -> Vec<Value> {
    let word = table.family.name();
    let header = object(
        "table",
        [("family", json!(word)), ("name", json!(table.name)), ("comment", json!(table.comment))],
    );
    let mut objects = vec![header];
    // A counter must exist before a rule that uses it.
    objects.extend(table.counters.iter().map(|counter| counter_object(table, counter)));
    objects.extend(table.chains.iter().map(|chain| chain_object(table, chain)));
    objects.extend(table.sets.iter().map(|set| set_object(table, set)));
    for chain in &table.chains {
        let rules = chain.rules.iter();
        objects.extend(rules.map(|placed| rule_object(table, chain, &placed.rule, family)));
    }
    objects
}

/// An object of one kind; fields without a value are left out.
fn object<const N: usize>(kind: &str, fields: [(&str, Value); N]) -> Value {
    let fields: Map<String, Value> = (fields.into_iter())
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    json!({ kind: fields })
}

fn chain_object(table: &Table, chain: &Chain) -> Value {
    let base = chain.base.as_ref();
    let policy = |drops| if drops { "drop" } else { "accept" };
    object(
        "chain",
        [
            ("family", json!(table.family.name())),
            ("table", json!(table.name)),
            ("name", json!(chain.name)),
            ("comment", json!(chain.comment)),
            ("type", json!(base.map(|b| &b.kind))),
            ("hook", json!(base.map(|b| b.hook.name()))),
            ("prio", json!(base.map(|b| b.priority))),
            ("policy", json!(base.map(|b| policy(b.drops_by_default)))),
        ],
    )
}

fn counter_object(table: &Table, counter: &Counter) -> Value {
    object(
        "counter",
        [
            ("family", json!(table.family.name())),
            ("name", json!(counter.name)),
            ("table", json!(table.name)),
            ("comment", json!(counter.comment)),
            ("packets", json!(counter.packets)),
            ("bytes", json!(counter.bytes)),
        ],
    )
}

fn set_object(table: &Table, set: &Set) -> Value {
    // nft 1.0.6 neither lists nor reads `dynamic`; a rule that updates the set implies it.
    let flags: Vec<_> = set.flags.iter().filter(|flag| *flag != "dynamic").collect();
    let elements: Vec<Value> = set.elements.iter().map(expression::element).collect();
    object(
        if set.maps_to.is_some() { "map" } else { "set" },
        [
            ("family", json!(table.family.name())),
            ("name", json!(set.name)),
            ("table", json!(table.name)),
            ("type", one_or_all(set.key.iter().map(DataType::name).map(Value::from).collect())),
            ("comment", json!(set.comment)),
            ("map", json!(set.maps_to.as_ref().map(DataType::name))),
            ("size", json!(set.size)),
            ("flags", unless_empty(json!(flags))),
            ("timeout", json!(set.timeout_seconds)),
            ("elem", unless_empty(Value::Array(elements))),
        ],
    )
}

fn unless_empty(value: Value) -> Value {
    match value {
        Value::Array(items) if items.is_empty() => Value::Null,
        other => other,
    }
}

/// A single value by itself, several as an array.
fn one_or_all(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}

fn rule_object(table: &Table, chain: &Chain, rule: &Rule, family: Family) -> Value {
    let statements = rule.statements.iter().map(|s| statement::expression(s, family));
    object(
        "rule",
        [
            ("family", json!(table.family.name())),
            ("table", json!(table.name)),
            ("chain", json!(chain.name)),
            ("comment", json!(rule.comment)),
            ("expr", statements.collect()),
        ],
    )
}

/// What made the rules and elements of the rulesets of a node.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explanation<'r> {
    /// Name and version of this form.
    schema: &'static str,
    /// One for each IP family.
    rulesets: Vec<ExplainedRuleset<'r>>,
}

/// The ruleset of one family.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct ExplainedRuleset<'r> {
    /// `ipv4` or `ipv6`
    family: &'static str,
    /// The node's name.
    node: &'r str,
    /// The release of kube-proxy, such as `1.36`.
    release: String,
    /// The chains of the table, with the origin of each rule.
    chains: Vec<ExplainedChain<'r>>,
    /// The sets and maps of the table, with the origin of each element.
    sets: Vec<ExplainedSet<'r>>,
    /// What was decided for each Service port, and why.
    service_ports: Vec<ServicePortDecisions<'r>>,
}

/// A chain.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExplainedChain<'r> {
    /// Its name.
    name: &'r str,
    /// Its rules, in order.
    rules: Vec<ExplainedRule>,
}

/// A rule and what made it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExplainedRule {
    /// As `nft list` prints it.
    rule: String,
    /// What made it; none for rules that every node has.
    origin: Option<RuleOrigin>,
}

/// A set or map.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExplainedSet<'r> {
    /// Its name.
    name: &'r str,
    /// Its elements, in order.
    elements: Vec<ExplainedElement>,
}

/// An element and what made it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExplainedElement {
    /// As `nft list` prints it.
    element: String,
    /// What made it.
    origin: Option<RuleOrigin>,
}

fn explanation<'r>(plan: &'r Plan<'r>, ruleset: &'r Ruleset, sources: &Sources) -> ExplainedRuleset<'r> {
    let chains = || ruleset.tables.iter().flat_map(|table| &table.chains);
    let sets = || ruleset.tables.iter().flat_map(|table| &table.sets);
    let of_rules = chains().flat_map(|chain| &chain.rules).filter_map(|placed| placed.origin);
    let of_elements = sets().flat_map(|set| &set.elements).filter_map(|element| element.origin);
    let origins = Origins::new(plan, sources, of_rules.chain(of_elements));
    ExplainedRuleset {
        family: plan.family().lower_name(),
        node: plan.node_name(),
        release: plan.release().to_string(),
        chains: chains().map(|chain| explained_chain(chain, &origins)).collect(),
        sets: sets().map(|set| explained_set(set, &origins)).collect(),
        service_ports: plan.decisions(),
    }
}

fn explained_chain<'r>(chain: &'r Chain, origins: &Origins) -> ExplainedChain<'r> {
    let rules = chain.rules.iter().map(|placed| ExplainedRule {
        rule: placed.rule.to_string(),
        origin: origins.json(placed.origin).cloned(),
    });
    ExplainedChain { name: &chain.name, rules: rules.collect() }
}

fn explained_set<'r>(set: &'r Set, origins: &Origins) -> ExplainedSet<'r> {
    let elements = set.elements.iter().map(|element| ExplainedElement {
        element: element.to_string(),
        origin: origins.json(element.origin).cloned(),
    });
    ExplainedSet { name: &set.name, elements: elements.collect() }
}
