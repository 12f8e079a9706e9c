//! Rules in words, each once.

use std::collections::{BTreeMap, HashMap};

use super::Row;
use crate::diagnostic::Inert;
use crate::explain::describe;
use crate::explain::few::shortened;
use crate::input::Sources;
use crate::plan::Plan;
use crate::plan::origin::{Field, FieldSource};
use crate::walk::{Effect, RuleRef, Step};

/// Rows, each once, by index.
#[derive(Default)]
pub(super) struct Rows<'r> {
    rows: Vec<Row>,
    numbers: BTreeMap<Row, usize>,
    /// Texts of rules: for a Service with thousands of endpoints, printing one takes a while.
    texts: HashMap<RuleRef<'r>, String>,
    /// Where the fields are that made the rules: finding one means reading the text of its object.
    places: HashMap<FieldSource, String>,
}

impl<'r> Rows<'r> {
    pub(super) fn number(&mut self, step: &Step<'r>, plan: &Plan<'_>, sources: &Sources) -> usize {
        let text = step.rule.map(|rule| {
            let text = self.texts.entry(rule).or_insert_with(|| Inert(&shortened(rule.text())).to_string());
            text.clone()
        });
        let origin = describe::source(step, plan).map(|source| {
            let place = self.places.entry(source);
            place.or_insert_with_key(|source| describe::place_of(source, sources)).clone()
        });
        let row = row(step, text.unwrap_or_default(), plan, origin.unwrap_or_default());
        let next = self.rows.len();
        let number = *self.numbers.entry(row.clone()).or_insert(next);
        if number == next {
            self.rows.push(row);
        }
        number
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

fn row(step: &Step<'_>, text: String, plan: &Plan<'_>, origin: String) -> Row {
    let inert = |text: &str| Inert(text).to_string();
    let element = step.element.map(|element| format!("\nelement {}", inert(&element.to_string())));
    Row {
        kind: kind(step),
        table: step.rule.map(|rule| inert(&rule.table_name())).unwrap_or_default(),
        chain: step.rule.map(|rule| inert(rule.chain_name())).unwrap_or_default(),
        text: text + &element.unwrap_or_default(),
        sentence: describe::describe(step, plan).to_string(),
        origin,
    }
}

/// What a step is about.
fn kind(step: &Step<'_>) -> &'static str {
    let has = |wanted: fn(&Effect<'_>) -> bool| step.effects.iter().any(wanted);
    let field = describe::origin(step).map(|origin| origin.field);
    if has(|e| matches!(e, Effect::Dnat(_))) {
        "dnat"
    } else if has(|e| matches!(e, Effect::Masquerade | Effect::Snat)) {
        "masquerade"
    } else if has(|e| matches!(e, Effect::Drop | Effect::PolicyDrop | Effect::Martian | Effect::Unrouted(_)))
    {
        "drop"
    } else if has(|e| matches!(e, Effect::Reject(_))) {
        "reject"
    } else if has(|e| matches!(e, Effect::RouteLocal | Effect::RouteForward)) {
        "route"
    } else if has(|e| matches!(e, Effect::Mark(_) | Effect::MarkNotKnown(_))) {
        "mark"
    } else {
        match field {
            Some(Field::Endpoint(_)) => "endpoint",
            Some(Field::ClusterIp | Field::ExternalIp(_) | Field::LoadBalancerIp(_) | Field::NodePort) => {
                "service"
            }
            _ => "chain",
        }
    }
}
