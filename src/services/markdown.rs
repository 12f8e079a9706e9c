//! Services as a table in Markdown.

use super::{Report, Row};
use crate::markup;

/// Prints them: the verdict, then the table.
pub fn print(report: &Report) -> String {
    let mut out = format!("**{}**\n", markup::markdown(&report.summary()));
    if report.services.is_empty() {
        return out;
    }
    out.push_str(
        "\n| Service | Type | Addresses | Ports | Ready | Pods | Nodes | Outside | What is wrong |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    out.extend(report.services.iter().map(line));
    out
}

fn line(row: &Row) -> String {
    let told: Vec<String> = row.problems.iter().chain(&row.notes).cloned().collect();
    let cells = [
        row.service.clone(),
        row.kind.clone(),
        row.addresses.join(", "),
        row.ports.join(", "),
        format!("{}/{}", row.ready.0, row.ready.1),
        row.pods.words(),
        row.from_nodes.words(),
        row.outside.words(),
        told.join("; "),
    ];
    let cells: Vec<String> = cells.iter().map(|cell| markup::markdown(cell)).collect();
    format!("| {} |\n", cells.join(" | "))
}
