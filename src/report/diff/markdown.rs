//! As Markdown: reads well as a comment on a pull request. If there is not enough room, the least important parts at
//! the end are cut, and it says so.

use super::connections::{Row, folded_words, sections};
use super::{
    advice_words, cause, compared, headline, migration, nodes, release_words, rules, service, told, unchanged,
};
use crate::compare::diff::{Diff, ServiceReport};
use crate::diagnostic::Inert;
use crate::markup::markdown as text;

/// GitHub accepts no comments longer than 65,536 characters.
pub const MAX_CHARACTERS: usize = 65_000;

/// How many characters are kept free for the end, and for saying what was cut.
const RESERVE: usize = 600;

/// Prints it in at most this many characters: what happens to Services, then, folded, the reasons. The `note` comes
/// second.
pub fn print(diff: &Diff, note: &str, max: usize) -> String {
    let mut page = Page { out: String::new(), used: 0, max: max.saturating_sub(RESERVE), cut: Vec::new() };
    let migration = migration::tell(diff);
    if let Some(told) = &migration {
        page.put(&format!("**{}**\n\n", text(&told.verdict)));
    }
    if migration.is_none() || !super::services(diff).is_empty() {
        page.put(&format!("**{}**\n", text(&headline(diff))));
    }
    if !note.is_empty() {
        page.put(&format!("\n{}\n", note.trim_end()));
    }
    head(&mut page, diff);
    services(&mut page, diff);
    if let Some(told) = &migration {
        print_migration(&mut page, told);
    }
    advice(&mut page, diff);
    connections(&mut page, diff);
    print_rules(&mut page, diff);
    page.max = max;
    foot(&mut page, diff);
    page.out
}

struct Page {
    out: String,
    /// Characters so far.
    used: usize,
    max: usize,
    /// What there was no room for.
    cut: Vec<String>,
}

impl Page {
    fn put(&mut self, part: &str) {
        self.used += part.chars().count();
        self.out.push_str(part);
    }

    /// Whether there was room.
    fn fits(&mut self, part: &str, kept: usize) -> bool {
        let fits = self.used + part.chars().count() + kept <= self.max;
        if fits {
            self.put(part);
        }
        fits
    }

    /// As many parts as fit between a beginning and an end; what is left out is named by `name`.
    fn list(&mut self, (begin, end): (&str, &str), parts: &[String], name: &str) {
        let kept = end.chars().count() + 1;
        let Some(first) = parts.first() else { return };
        if !self.fits(begin, kept + first.chars().count()) {
            self.cut.push(format!("all {} {name}", parts.len()));
            return;
        }
        let put = parts.iter().take_while(|part| self.fits(part, kept)).count();
        self.put(end);
        if put < parts.len() {
            self.cut.push(format!("{} of {} {name}", parts.len() - put, parts.len()));
        }
    }
}

fn head(page: &mut Page, diff: &Diff) {
    for unknown in super::unknown(diff) {
        page.fits(&format!("\n**Unknown**: {}\n", text(&unknown)), 0);
    }
    for (names, what) in [(&diff.nodes_added, "added"), (&diff.nodes_removed, "removed")] {
        if !names.is_empty() {
            page.fits(&format!("\nNodes {what}: {}\n", text(&nodes::listed(names))), 0);
        }
    }
    if let Some(release) = &diff.release {
        page.fits(&format!("\n{}\n", text(&release_words(release))), 0);
    }
}

fn services(page: &mut Page, diff: &Diff) {
    let told = told(diff);
    let rows: Vec<String> = told.iter().map(|report| service_row(report, diff, true)).collect();
    let begin = "\n| | Service | what happens | why |\n| --- | --- | --- | --- |\n";
    let whole: usize = rows.iter().map(|row| row.chars().count()).sum();
    let room = page.max.saturating_sub(page.used + begin.len() + 1);
    // The first sentences of all Services are worth more than all sentences of some.
    let rows = match whole <= room {
        true => rows,
        false => told.iter().map(|report| service_row(report, diff, false)).collect(),
    };
    page.list((begin, ""), &rows, "Services");
}

/// At most this many characters of a cell if there is little room.
const SHORT: usize = 500;

fn service_row(report: &ServiceReport, diff: &Diff, whole: bool) -> String {
    let said = service::say(report, &diff.node_names);
    let (label, _) = service::label(report.consequence.effect);
    let mut what = vec![said.first];
    what.extend(said.was);
    what.extend(said.also.into_iter().map(|also| format!("also: {also}")));
    let mut why = cause::sentences(&report.causes);
    if !whole {
        what.truncate(1);
        why.truncate(1);
    }
    let cell = |sentences: &[String]| -> String {
        let cut = |sentence: &String| match whole {
            true => text(sentence),
            false => text(&sentence.chars().take(SHORT).collect::<String>()),
        };
        sentences.iter().map(cut).collect::<Vec<_>>().join("<br>")
    };
    let name = format!("{}{}", report.consequence.service, said.ports);
    format!("| **{label}** | {} | {} | {} |\n", text(&name), cell(&what), cell(&why))
}

fn print_migration(page: &mut Page, told: &migration::Told) {
    let known: Vec<String> = told
        .touching
        .iter()
        .map(|known| {
            let first = format!("- **{}** ([{}]({}))", text(known.title), known.code, known.page);
            let lines = [
                known.whom.clone(),
                known.words.to_owned(),
                format!("for example {}", known.example),
                format!("to do: {}", known.remedy),
            ];
            let lines: Vec<String> = lines.iter().map(|line| format!("  {}", text(line))).collect();
            format!("{first}<br>\n{}\n", lines.join("<br>\n"))
        })
        .collect();
    page.list(("\n### Known differences that touch Services\n\n", ""), &known, "known differences");
    for sentence in told.without_service.iter().chain(&told.nobody) {
        page.fits(&format!("\n{}\n", text(sentence)), 0);
    }
    let checks: Vec<String> = told.pre_flight.iter().map(|line| format!("- {}\n", text(line))).collect();
    page.list(("\n### Before the change\n\n", ""), &checks, "checks");
}

fn advice(page: &mut Page, diff: &Diff) {
    let lines: Vec<String> = diff
        .before_upgrade
        .iter()
        .map(|advice| format!("- {}: {}\n", text(&advice_words(advice)), text(&advice.remedy)))
        .collect();
    page.list(("\n### To check before the upgrade\n\n", ""), &lines, "advices");
}

fn connections(page: &mut Page, diff: &Diff) {
    let known = diff.migration.is_some();
    let mut rows = Vec::new();
    let mut folded = Vec::new();
    for (service, section) in sections(diff, |flow| !known || flow.reason.is_none()) {
        rows.extend(section.rows.iter().map(|row| connection_row(row, diff)));
        let service = if service.is_empty() { "no Service".to_owned() } else { service };
        let line = |(count, special)| format!("- {}: {}\n", text(&service), folded_words(count, special));
        folded.extend(section.folded.into_iter().map(line));
    }
    let begin = format!(
        "\n<details>\n<summary>Connections, before and after ({})</summary>\n\n\
         | to | from | before | after |\n| --- | --- | --- | --- |\n",
        rows.len()
    );
    page.list((&begin, "\n</details>\n"), &rows, "kinds of connections");
    let begin = "\n<details>\n<summary>Loopback addresses, and Pods that connect to themselves</summary>\n\n";
    page.list(
        (begin, "\n</details>\n"),
        &folded,
        "lines about loopback addresses and Pods that connect to themselves",
    );
}

fn connection_row(row: &Row, diff: &Diff) -> String {
    let on = match row.nodes.len() == diff.nodes {
        true => String::new(),
        false => format!(", {}", nodes::on(&row.nodes, &diff.node_names)),
    };
    let to = text(&format!("{}{on}", row.to));
    format!("| {to} | {} | {} | {} |\n", text(&row.from), text(&row.before), text(&row.after))
}

fn print_rules(page: &mut Page, diff: &Diff) {
    let groups = rules::groups(diff);
    let (added, removed) = rules::counts(&groups);
    let mut lines = Vec::new();
    for group in &groups {
        lines.push(format!("# {}\n", Inert(&rules::title(group))));
        for on_nodes in &group.places {
            let on = match on_nodes.nodes.len() == diff.nodes {
                true => String::new(),
                false => format!(", {}", nodes::on(&on_nodes.nodes, &diff.node_names)),
            };
            let place = on_nodes.place;
            lines.push(format!("@@ {}{} @@\n", Inert(&rules::place_title(place)), Inert(&on)));
            lines.extend(place.lines.iter().map(|line| format!("{}{}\n", line.op, Inert(&line.text))));
            lines.extend(rules::rewritten(place).map(|text| format!("! {text}\n")));
        }
    }
    let fence = fence(&lines);
    let summary = format!("Rules: {added} added, {removed} removed");
    let begin = format!("\n<details>\n<summary>{summary}</summary>\n\n{fence}diff\n");
    page.list((&begin, &format!("{fence}\n\n</details>\n")), &lines, "lines of rules");
}

/// A fence longer than any run of backticks within.
fn fence(lines: &[String]) -> String {
    let runs = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len);
    "`".repeat(runs.max().unwrap_or_default().max(2) + 1)
}

fn foot(page: &mut Page, diff: &Diff) {
    let mut sentences: Vec<String> = unchanged(diff).into_iter().collect();
    sentences.push(compared(diff));
    let foot = format!("\n{}\n", text(&sentences.join(" ")));
    let cut = match page.cut.is_empty() {
        true => String::new(),
        false => format!("\n_Left out for lack of space: {}. See --output text._\n", page.cut.join("; ")),
    };
    page.fits(&cut, 0);
    page.fits(&foot, 0);
}
