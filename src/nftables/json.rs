//! A ruleset as JSON in the schema of libnftables, which `nft -j -f` loads on a fresh host, with a second key beside it
//! that says what made each rule and element.
//!
//! Chains stand before sets, because nft 1.0.6 loads the objects one after the other and a verdict in a map must find
//! its chain. That nft does not read comments of tables, chains and sets from JSON; newer ones do.

mod expression;
mod statement;

use serde_json::{Map, Value, json};

use super::ruleset::{Chain, Counter, DataType, Rule, Ruleset, Set, Table};
use super::script::keeping_braces;
use crate::input::Sources;
use crate::net::Family;
use crate::plan::Plan;
use crate::plan::json::Origins;

/// Name and version of the schema of the key `kuberules`; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.nftables/v1";

/// The rulesets of a node, one per family, with the plans they were made from.
pub fn print(rulesets: &[(&Plan<'_>, &Ruleset)], sources: &Sources) -> Value {
    let metainfo = json!({ "metainfo": { "json_schema_version": 1 } });
    let objects = rulesets.iter().flat_map(|(plan, ruleset)| {
        let tables = keeping_braces(ruleset).tables;
        tables.into_iter().flat_map(|table| table_objects(&table, plan.family()))
    });
    let explained = rulesets.iter().map(|(plan, ruleset)| explanation(plan, ruleset, sources));
    json!({
        "nftables": std::iter::once(metainfo).chain(objects).collect::<Vec<_>>(),
        "kuberules": { "schema": SCHEMA, "rulesets": explained.collect::<Vec<_>>() },
    })
}

pub(super) fn table_objects(table: &Table, family: Family) -> Vec<Value> {
    let word = table.family.name();
    let header = object(
        "table",
        [("family", json!(word)), ("name", json!(table.name)), ("comment", json!(table.comment))],
    );
    let mut objects = vec![header];
    // A rule that counts must find its counter.
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

/// One value alone, several as an array.
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

fn explanation(plan: &Plan<'_>, ruleset: &Ruleset, sources: &Sources) -> Value {
    let chains = || ruleset.tables.iter().flat_map(|table| &table.chains);
    let sets = || ruleset.tables.iter().flat_map(|table| &table.sets);
    let of_rules = chains().flat_map(|chain| &chain.rules).filter_map(|placed| placed.origin);
    let of_elements = sets().flat_map(|set| &set.elements).filter_map(|element| element.origin);
    let origins = Origins::new(plan, sources, of_rules.chain(of_elements));
    let chain = |chain: &Chain| {
        let rules = chain.rules.iter();
        let rules = rules.map(|p| json!({ "rule": p.rule.to_string(), "origin": origins.json(p.origin) }));
        json!({ "name": chain.name, "rules": rules.collect::<Vec<_>>() })
    };
    let set = |set: &Set| {
        let elements = set.elements.iter();
        let elements =
            elements.map(|e| json!({ "element": e.to_string(), "origin": origins.json(e.origin) }));
        json!({ "name": set.name, "elements": elements.collect::<Vec<_>>() })
    };
    json!({
        "family": plan.family().lower_name(),
        "node": plan.node_name(),
        "release": plan.release().to_string(),
        "chains": chains().map(chain).collect::<Vec<_>>(),
        "sets": sets().map(set).collect::<Vec<_>>(),
        "servicePorts": plan.service_ports_json(),
    })
}
