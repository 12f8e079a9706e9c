//! Kinds of connections that cannot be compared.

use super::{Finding, Kind};
use crate::compare::traffic::Unknown;

/// Reports that it is not known what happens to some connections, one finding for each reason.
pub(super) fn find(unknown: Vec<Unknown>) -> Vec<Finding> {
    let finding = |unknown: Unknown| {
        let Unknown { reason, side, classes, source, destination } = unknown;
        let kinds = if classes == 1 {
            "1 kind of connection".to_owned()
        } else {
            format!("{classes} kinds of connections")
        };
        let rules = match side {
            "new" => "the rules that were captured",
            "old" => "the rules that should be there",
            _ => "neither the rules that were captured nor those that should be there",
        };
        let can = if side == "both" { "can" } else { "cannot" };
        let message = format!(
            "{kinds} could not be compared: {rules} {can} be followed: {reason}; such as {source} to {destination}"
        );
        Finding { effect_unknown: true, unknown: classes, ..Finding::general(Kind::Unknown, message) }
    };
    Unknown::merged(unknown).into_iter().map(finding).collect()
}
