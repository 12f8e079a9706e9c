//! A ruleset as JSON: each rule as `iptables-save` prints it, with what made it.

use serde::Serialize;

use super::ruleset::{Chain, Owner, Policy, Ruleset};
use super::save::rule_text;
use crate::input::Sources;
use crate::net::Family;
use crate::plan::Plan;
use crate::plan::json::{Origins, RuleOrigin, ServicePortDecisions};

/// Name and version of the schema; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.iptables/v1";

/// The rulesets of a node.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rulesets<'r> {
    /// Name and version of this form.
    schema: &'static str,
    /// One for each IP family.
    rulesets: Vec<FamilyRuleset<'r>>,
}

/// The ruleset of one family.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct FamilyRuleset<'r> {
    /// `ipv4` or `ipv6`
    family: &'static str,
    /// The node's name.
    node: &'r str,
    /// The release of kube-proxy, such as `1.36`.
    release: String,
    /// The tables, as `iptables-save` lists them.
    tables: Vec<TableRules<'r>>,
    /// What was decided for each Service port, and why.
    service_ports: Vec<ServicePortDecisions<'r>>,
}

/// A table with its chains.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableRules<'r> {
    /// `filter`, `nat`
    name: &'static str,
    /// Its chains.
    chains: Vec<ChainRules<'r>>,
}

/// A chain with its rules.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ChainRules<'r> {
    /// Its name.
    name: &'r str,
    /// `ACCEPT` or `DROP` of a base chain; none for others.
    policy: Option<&'static str>,
    /// Who makes it: `kernel`, `kube-proxy`, `kubelet` or `foreign`.
    owner: &'static str,
    /// Its rules, in order.
    rules: Vec<ExplainedRule>,
}

/// A rule and what made it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExplainedRule {
    /// As `iptables-save` prints it.
    rule: String,
    /// What made it; none for rules that every node has.
    origin: Option<RuleOrigin>,
}

/// The rulesets of a node, one per family, with the plans they were made from.
pub fn print<'r>(rulesets: &[(&'r Plan<'r>, &'r Ruleset)], sources: &Sources) -> Rulesets<'r> {
    let rulesets = rulesets.iter().map(|(plan, ruleset)| family_ruleset(plan, ruleset, sources));
    Rulesets { schema: SCHEMA, rulesets: rulesets.collect() }
}

fn family_ruleset<'r>(plan: &'r Plan<'r>, ruleset: &'r Ruleset, sources: &Sources) -> FamilyRuleset<'r> {
    let rules = ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    let origins = Origins::new(plan, sources, rules.filter_map(|placed| placed.origin));
    let tables = ruleset.tables.iter().map(|table| {
        let chains = table.chains.iter().map(|chain| chain_rules(chain, ruleset.family, &origins));
        TableRules { name: table.name.name(), chains: chains.collect() }
    });
    FamilyRuleset {
        family: ruleset.family.lower_name(),
        node: plan.node_name(),
        release: plan.release().to_string(),
        tables: tables.collect(),
        service_ports: plan.decisions(),
    }
}

fn chain_rules<'r>(chain: &'r Chain, family: Family, origins: &Origins) -> ChainRules<'r> {
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
    let rules = chain.rules.iter().map(|placed| ExplainedRule {
        rule: rule_text(&chain.name, &placed.rule, family),
        origin: origins.json(placed.origin).cloned(),
    });
    ChainRules { name: chain.name.as_str(), policy, owner, rules: rules.collect() }
}
