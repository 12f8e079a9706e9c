//! `kuberules.what-if/v1`, `kuberules.drains/v1`

use serde::Serialize;

use super::consequences::{Change, Consequence, Load};
use super::drains::Drained;
use super::story::Stage;

/// Name and version of the steps' form; fields may be added within a version.
pub const SCHEMA: &str = "kuberules.what-if/v1";
/// The schema of the table of all drains.
pub const DRAINS_SCHEMA: &str = "kuberules.drains/v1";

/// The steps that a change goes through.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WhatIfJson<'s> {
    /// Name and version of this form.
    schema: &'static str,
    /// Whether clients lose in some step.
    loses: bool,
    /// The steps, each compared with the one before.
    steps: Vec<StepJson<'s>>,
}

/// One step.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StepJson<'s> {
    /// What has happened.
    title: &'s str,
    /// When, where that is known.
    time: Option<&'static str>,
    /// What to know about it.
    remarks: &'s [String],
    /// Whether somebody loses.
    loses: bool,
    /// What changes for clients, worst first.
    clients: &'s [Consequence],
    /// Endpoints that get more than twice the mean now, and did not before.
    load: &'s [Load],
}

/// Every node drained in turn.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DrainsJson<'s> {
    /// Name and version of this form.
    schema: &'static str,
    /// By name.
    nodes: &'s [Drained],
}

/// The steps, with what each changes.
pub fn json<'s>(stages: &'s [Stage], changes: &'s [Change]) -> WhatIfJson<'s> {
    let loses = |change: &Change| change.clients.iter().any(Consequence::is_loss);
    let steps = stages.iter().skip(1).zip(changes).map(|(stage, change)| StepJson {
        title: &stage.title,
        time: stage.time,
        remarks: &stage.remarks,
        loses: loses(change),
        clients: &change.clients,
        load: &change.load,
    });
    WhatIfJson { schema: SCHEMA, loses: changes.iter().any(loses), steps: steps.collect() }
}

/// The table of all drains.
pub fn drains(drains: &[Drained]) -> DrainsJson<'_> {
    DrainsJson { schema: DRAINS_SCHEMA, nodes: drains }
}
