//! `kuberules.what-if/v1`, `kuberules.drains/v1`

use serde_json::{Value, json};

use super::consequences::{Change, Consequence};
use super::drains::Drained;
use super::story::Stage;

/// Name and version of the steps' form.
pub const SCHEMA: &str = "kuberules.what-if/v1";
/// Name and version of the table of all drains.
pub const DRAINS_SCHEMA: &str = "kuberules.drains/v1";

/// The steps with what each changes.
pub fn json(stages: &[Stage], changes: &[Change]) -> Value {
    let steps = stages.iter().skip(1).zip(changes).map(|(stage, change)| {
        json!({
            "title": stage.title,
            "time": stage.time,
            "remarks": stage.remarks,
            "clients": change.clients,
            "load": change.load,
            "loses": change.clients.iter().any(Consequence::is_loss),
        })
    });
    json!({ "schema": SCHEMA, "steps": steps.collect::<Vec<_>>() })
}

/// The table of all drains.
pub fn drains(drains: &[Drained]) -> Value {
    json!({ "schema": DRAINS_SCHEMA, "nodes": drains })
}
