//! Services for a terminal: one line each.

use super::{Cell, Report, Row};
use crate::style::{Style, Tone};

const HEADINGS: [&str; 8] = ["SERVICE", "TYPE", "ADDRESS", "PORTS", "READY", "PODS", "NODES", "OUTSIDE"];

/// From this column on, columns say what happens.
const FIRST_CELL: usize = 5;

/// Prints them: how many there are and how many have problems, then a line for each, with its problems at the end. Like
/// kubectl's tables it is as wide as its longest line.
pub fn print(report: &Report, style: Style) -> String {
    let mut out = style.wrap("", "  ", &report.summary());
    if report.services.is_empty() {
        return out;
    }
    let rows: Vec<Vec<String>> = report.services.iter().map(columns).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([HEADINGS.get(column).map_or(0, |heading| heading.len())]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let headings = line(&HEADINGS.map(str::to_owned), &widths, &[None; 8], Style { colored: false, ..style });
    out.push_str(&format!("{}\n", style.bold(&headings)));
    for (row, cells) in report.services.iter().zip(&rows) {
        let whole = line(cells, &widths, &tones(row), style);
        match told(row).as_str() {
            "" => out.push_str(&format!("{whole}\n")),
            told => out.push_str(&format!("{}  {told}\n", padded(&whole, cells, &widths))),
        }
    }
    out
}

/// The last column is only padded if something follows.
fn padded(line: &str, cells: &[String], widths: &[usize]) -> String {
    let last = cells.last().map_or(0, |cell| cell.chars().count());
    let width = widths.last().copied().unwrap_or_default();
    format!("{line}{}", " ".repeat(width.saturating_sub(last)))
}

fn told(row: &Row) -> String {
    row.problems.iter().chain(&row.notes).cloned().collect::<Vec<_>>().join("; ")
}

fn columns(row: &Row) -> Vec<String> {
    let more = |all: &[String]| match all {
        [] => "-".to_owned(),
        [only] => only.clone(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    };
    let ready = match row.ready {
        _ if row.ports.is_empty() => "-".to_owned(),
        (ready, all) => format!("{ready}/{all}"),
    };
    let mut columns =
        vec![row.service.clone(), row.kind.clone(), more(&row.addresses), more(&row.ports), ready];
    columns.extend(cells(row).map(Cell::words));
    columns
}

fn cells(row: &Row) -> [&Cell; 3] {
    [&row.pods, &row.from_nodes, &row.outside]
}

fn tones(row: &Row) -> [Option<Tone>; 8] {
    let mut tones = [None; 8];
    for (tone, cell) in tones.iter_mut().skip(FIRST_CELL).zip(cells(row)) {
        *tone = cell.tone();
    }
    tones
}

fn line(cells: &[String], widths: &[usize], tones: &[Option<Tone>; 8], style: Style) -> String {
    let mut out = String::new();
    for (i, cell) in cells.iter().enumerate() {
        let width = widths.get(i).copied().unwrap_or_default();
        let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
        let painted = match tones.get(i).copied().flatten() {
            Some(tone) => style.tone(tone, cell),
            None => cell.clone(),
        };
        let is_last = i + 1 == cells.len();
        out.push_str(&painted);
        if !is_last {
            out.push_str(&fill);
            out.push_str("  ");
        }
    }
    out
}
