//! Kinds of connections that cannot be compared: a result of its own, never "the same".

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::{Difference, Flow, Ground};

/// What a comparison of traffic found, for people.
#[derive(Debug, Clone)]
pub struct Traffic<F = Flow> {
    /// Kinds of connections that could be followed on both sides.
    pub classes: u64,
    /// For how many of them packets were followed all the way.
    pub walked: u64,
    /// Those with another outcome.
    pub flows: Vec<F>,
    /// Those that could not be followed on one side or both.
    pub unknown: Vec<Unknown>,
}

/// The same, with flows that several nodes can have.
pub type SharedTraffic = Traffic<Arc<Flow>>;

impl<F> Default for Traffic<F> {
    fn default() -> Self {
        Traffic { classes: 0, walked: 0, flows: Vec::new(), unknown: Vec::new() }
    }
}

impl From<Traffic> for SharedTraffic {
    fn from(traffic: Traffic) -> Self {
        let Traffic { classes, walked, flows, unknown } = traffic;
        Traffic { classes, walked, flows: flows.into_iter().map(Arc::new).collect(), unknown }
    }
}

/// Kinds of connections for which it is not known whether the outcome differs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// Why the rules cannot be followed.
    pub reason: String,
    /// The side whose rules cannot be followed: `old`, `new` or `both`.
    pub side: &'static str,
    /// How many kinds of connections.
    pub classes: u64,
    /// One of them: source.
    pub source: String,
    /// One of them: destination.
    pub destination: String,
}

impl Unknown {
    pub(super) fn of(difference: &Difference, ground: &Ground<'_>) -> Unknown {
        let Difference { old, new, packet, from, to, .. } = difference;
        let side = match (old.fault(), new.fault()) {
            (Some(_), Some(_)) => "both",
            (Some(_), None) => "old",
            (None, _) => "new",
        };
        Unknown {
            reason: old.fault().or(new.fault()).unwrap_or_default().to_owned(),
            side,
            classes: difference.classes(),
            source: ground.name_source(packet, from),
            destination: ground.name_socket(to),
        }
    }

    /// Grouped by side and reason, each with its first example.
    pub fn merged(all: impl IntoIterator<Item = Unknown>) -> Vec<Unknown> {
        let mut merged: BTreeMap<(String, &'static str), Unknown> = BTreeMap::new();
        for unknown in all {
            let key = (unknown.reason.clone(), unknown.side);
            match merged.get_mut(&key) {
                Some(like) => like.classes += unknown.classes,
                None => _ = merged.insert(key, unknown),
            }
        }
        merged.into_values().collect()
    }
}
