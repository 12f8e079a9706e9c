//! A finding with the differences that it tells.

use super::Finding;
use super::delta::Delta;

/// A finding, and what it was made of.
#[derive(Debug)]
pub(super) struct Draft<'d, 'r> {
    pub(super) finding: Finding,
    pub(super) deltas: Vec<&'d Delta<'r>>,
}
