//! What would happen if: the states that a running cluster goes through when a node is drained, a zone is lost, a Pod
//! is not ready, an object is deleted or a workload is scaled, each derived from the previous one by the rules of the
//! controllers, and what each does to clients.
//!
//! # What it is for
//!
//! A drain is five states, not one. Evicted Pods stay in their slices, no longer ready but still serving; their replacements
//! appear before they are ready; a StatefulSet makes its Pod only once the old one is gone. Who loses connections, and for
//! how long, shows in the states between.
//!
//! # How
//!
//! A `Story` holds the current cluster. Each change does to Pods and Nodes what the API server, kubelets and
//! controllers do (`drain`, `zone`, `delete`, `scale`); after each step the slices follow their Pods
//! (`crate::assume::controllers`), and the state is recorded. [`consequences`] compares two states, Service by Service.
//!
//! # What is not known
//!
//! How long a Pod takes to terminate and to become ready; which Pods a ReplicaSet deletes when it is scaled down; where
//! the real scheduler puts a replacement. A step says if it makes such a choice.

mod budget;
pub mod consequences;
mod delete;
mod drain;
mod drains;
pub mod json;
mod replacement;
mod scale;
mod story;
#[cfg(test)]
mod tests;
pub mod text;
mod zone;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::input::Snapshot;
use crate::names::nearest;
use crate::settings::Settings;

pub use delete::Object;
pub use drains::{Drained, all_drains};
pub use scale::Scale;
pub use story::Stage;
use story::Story;

/// What to try. Changes of one kind happen together, the kinds one after the other, in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Pods that fail readiness, as `namespace/name`.
    pub unready: Vec<String>,
    /// Objects that are deleted.
    pub delete: Vec<Object>,
    /// Workloads that get another number of Pods.
    pub scale: Vec<Scale>,
    /// Zones that are lost.
    pub zones_down: Vec<String>,
    /// Nodes that are drained.
    pub drain: Vec<String>,
}

impl Changes {
    /// Whether nothing is tried.
    pub fn is_empty(&self) -> bool {
        let Changes { unready, delete, scale, zones_down, drain } = self;
        unready.is_empty()
            && delete.is_empty()
            && scale.is_empty()
            && zones_down.is_empty()
            && drain.is_empty()
    }
}

/// The states that a cluster goes through, starting with the current one.
///
/// # Errors
/// Something that does not exist.
pub fn stages(
    snapshot: &Snapshot,
    settings: &Settings,
    changes: &Changes,
) -> Result<Vec<Stage>, Diagnostics> {
    let mut story = Story::new(snapshot, settings);
    story.unready(&changes.unready)?;
    story.delete(&changes.delete)?;
    story.scale(&changes.scale)?;
    story.zones_down(&changes.zones_down)?;
    story.drain(&changes.drain)?;
    Ok(story.finish())
}

/// An error about a name, with those that may have been meant.
fn unknown<'n>(what: &str, name: &str, all: impl IntoIterator<Item = &'n str>) -> Diagnostic {
    let fault = Diagnostic::error(format!("there is no {what} {name} in the input"));
    match nearest(name, all).as_slice() {
        [] => fault,
        names => fault.help(format!("did you mean {}?", names.join(" or "))),
    }
}
