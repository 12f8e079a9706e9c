//! The outer form of an object.

use serde::Deserialize;

use super::Metadata;
use super::fields::nullable;

/// An object in its written form.
#[derive(Default, Deserialize)]
#[serde(
    default,
    expecting = "a map",
    bound(deserialize = "Spec: Default + Deserialize<'de>, Status: Default + Deserialize<'de>")
)]
pub(super) struct Wire<Spec, Status> {
    #[serde(deserialize_with = "nullable")]
    pub(super) metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    pub(super) spec: Spec,
    #[serde(deserialize_with = "nullable")]
    pub(super) status: Status,
}
