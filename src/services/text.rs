//! Services for a terminal: a line each.

use super::{Cell, Report, Row};
use crate::style::{Style, Tone};

const HEADINGS: [&str; 8] = ["SERVICE", "TYPE", "ADDRESS", "PORTS", "READY", "PODS", "NODES", "OUTSIDE"];

/// Columns from here on say what happens.
const FIRST_CELL: usize = 5;

/// Prints them: how many there are and are wrong, then a line for each, with what is wrong at its end. Where that is too
/// wide, each has a line with what happens, and below it what it is.
pub fn print(report: &Report, style: Style) -> String {
    let mut out = style.wrap("", "  ", &report.summary());
    if !report.services.is_empty() {
        out.push_str(&table(report, style).unwrap_or_else(|| narrow(report, style)));
    }
    out
}

/// A line for each; none where one of them is too long.
fn table(report: &Report, style: Style) -> Option<String> {
    let rows: Vec<Vec<String>> = report.services.iter().map(columns).collect();
    let widths = widths(&HEADINGS, &rows);
    let longest = report.services.iter().map(|row| match told(row).chars().count() {
        0 => 0,
        told => told + 2,
    });
    let total = widths.iter().sum::<usize>() + 2 * (HEADINGS.len() - 1) + longest.max().unwrap_or_default();
    if total > style.width {
        return None;
    }
    let mut out = heading(&HEADINGS, &widths, style);
    for (row, cells) in report.services.iter().zip(&rows) {
        let whole = line(cells, &widths, &tones(row), style);
        match told(row).as_str() {
            "" => out.push_str(&format!("{whole}\n")),
            told => out.push_str(&format!("{}  {told}\n", padded(&whole, cells, &widths))),
        }
    }
    Some(out)
}

fn widths(headings: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let width = |(column, heading): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading.len()]).max().unwrap_or_default()
    };
    headings.iter().enumerate().map(width).collect()
}

fn heading(headings: &[&str], widths: &[usize], style: Style) -> String {
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let plain = line(&headings, widths, &[], Style { colored: false, ..style });
    format!("{}\n", style.bold(&plain))
}

const NARROW: [&str; 5] = ["SERVICE", "READY", "PODS", "NODES", "OUTSIDE"];

/// Name and outcomes of each, below them type, addresses, ports and what is wrong. A name that is too long for its column
/// has a line of its own.
fn narrow(report: &Report, style: Style) -> String {
    let outcomes = |row: &Row| {
        let cells = cells(row).map(|cell| cell.words().replace(" of ", "/"));
        [vec![row.service.clone(), ready(row)], cells.to_vec()].concat()
    };
    let rows: Vec<Vec<String>> = report.services.iter().map(outcomes).collect();
    let mut widths = widths(&NARROW, &rows);
    let others = widths.iter().skip(1).map(|width| width + 2).sum::<usize>();
    if let (Some(first), Some(heading)) = (widths.first_mut(), NARROW.first()) {
        *first = (*first).min(style.width.saturating_sub(others)).max(heading.len());
    }
    let room = widths.first().copied().unwrap_or_default();
    let mut out = heading(&NARROW, &widths, style);
    for (row, mut columns) in report.services.iter().zip(rows) {
        let name = columns.first_mut().filter(|name| name.chars().count() > room).map(std::mem::take);
        name.iter().for_each(|name| out.push_str(&format!("{name}\n")));
        let tones: Vec<Option<Tone>> = [None, None].into_iter().chain(cells(row).map(Cell::tone)).collect();
        out.push_str(&format!("{}\n", line(&columns, &widths, &tones, style)));
        out.push_str(&style.wrap("  ", "    ", &details(row)));
    }
    out
}

/// `ClusterIP 10.96.0.1 443/tcp; no endpoints`
fn details(row: &Row) -> String {
    let (addresses, ports) = (more(&row.addresses), more(&row.ports));
    let parts = [row.kind.clone(), addresses, ports];
    let what: Vec<&str> = parts.iter().map(String::as_str).filter(|part| *part != "-").collect();
    let told = Some(told(row)).filter(|told| !told.is_empty()).map(|told| format!("; {told}"));
    what.join(" ") + &told.unwrap_or_default()
}

/// The last column is padded only where something follows.
fn padded(line: &str, cells: &[String], widths: &[usize]) -> String {
    let last = cells.last().map_or(0, |cell| cell.chars().count());
    let width = widths.last().copied().unwrap_or_default();
    format!("{line}{}", " ".repeat(width.saturating_sub(last)))
}

fn told(row: &Row) -> String {
    row.problems.iter().chain(&row.notes).cloned().collect::<Vec<_>>().join("; ")
}

fn more(all: &[String]) -> String {
    match all {
        [] => "-".to_owned(),
        [only] => only.clone(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    }
}

fn ready(row: &Row) -> String {
    match row.ready {
        _ if row.ports.is_empty() => "-".to_owned(),
        (ready, all) => format!("{ready}/{all}"),
    }
}

fn columns(row: &Row) -> Vec<String> {
    let mut columns =
        vec![row.service.clone(), row.kind.clone(), more(&row.addresses), more(&row.ports), ready(row)];
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

fn line(cells: &[String], widths: &[usize], tones: &[Option<Tone>], style: Style) -> String {
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
