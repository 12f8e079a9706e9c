//! A ruleset as JSON: each rule as `iptables-save` prints it, with what made it.

use serde_json::{Value, json};

use super::ruleset::{Chain, Owner, Policy, Ruleset};
use super::save::rule_text;
use crate::input::Sources;
use crate::net::Family;
use crate::plan::Plan;
use crate::plan::json::Origins;

/// Name and version of the schema; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.iptables/v1";

/// The rulesets of a node, one per family, with the plans they were made from.
pub fn print(rulesets: &[(&Plan<'_>, &Ruleset)], sources: &Sources) -> Value {
    json!({
        "schema": SCHEMA,
        "rulesets": rulesets.iter().map(|(plan, ruleset)| ruleset_json(plan, ruleset, sources)).collect::<Vec<_>>(),
    })
}

fn ruleset_json(plan: &Plan<'_>, ruleset: &Ruleset, sources: &Sources) -> Value {
    let rules = ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    let origins = Origins::new(plan, sources, rules.filter_map(|placed| placed.origin));
    let tables = ruleset.tables.iter().map(|table| {
        let chains = table.chains.iter().map(|chain| chain_json(chain, ruleset.family, &origins));
        json!({ "name": table.name.name(), "chains": chains.collect::<Vec<_>>() })
    });
    json!({
        "family": ruleset.family.lower_name(),
        "node": plan.node_name(),
        "release": plan.release().to_string(),
        "tables": tables.collect::<Vec<_>>(),
        "servicePorts": plan.service_ports_json(),
    })
}

fn chain_json(chain: &Chain, family: Family, origins: &Origins) -> Value {
    let policy = chain.policy.map(|policy| match policy {
        Policy::Accept => "ACCEPT",
        Policy::Drop => "DROP",
    });
    let owner = match chain.owner {
        Owner::Kernel => "kernel",
        Owner::KubeProxy => "kube-proxy",
        Owner::Kubelet => "kubelet",
        Owner::Foreign => "foreign",
    };
    let rules = chain.rules.iter().map(|placed| {
        let origin = origins.json(placed.origin);
        json!({ "rule": rule_text(&chain.name, &placed.rule, family), "origin": origin })
    });
    json!({ "name": chain.name.as_str(), "policy": policy, "owner": owner, "rules": rules.collect::<Vec<_>>() })
}
