//! What is checked on the nodes before a migration, and the result.

use serde::Serialize;

/// Something to check before a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PreFlight {
    /// What was checked.
    pub check: Check,
    /// The result.
    pub state: Readiness,
    /// What was found; may be empty.
    pub found: String,
    /// What to do; empty if nothing.
    pub remedy: String,
}

/// What is checked before a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "plain")]
pub enum Check {
    Kernel,
    NftVersion,
    Comments,
    ForeignRules,
    Leftovers,
    ForwardPolicy,
    FirstTransaction,
}

/// The result of a check before a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// Nothing to do.
    Fine,
    /// The input does not show it.
    NotKnown,
    /// Somebody should look at it.
    Look,
    /// It prevents the change.
    Stops,
}
