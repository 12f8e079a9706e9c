//! As text for a terminal.

use super::connections::{Row, folded_words, sections};
use super::service::{self, Weight};
use super::{
    advice_words, cause, compared, headline, migration, nodes, release_words, rules, told, unchanged, unknown,
};
use crate::compare::diff::{Diff, ServiceReport};
use crate::diagnostic::Inert;
use crate::parallel;
use crate::style::{Style, Tone};

/// Width of the word at the beginning of a Service's line.
const LABEL: usize = 9;

/// Prints it: what happens to each Service, then the connections that are affected, and finally the rules. The `note`
/// comes second.
pub fn print(diff: &Diff, note: &str, style: Style) -> String {
    let mut page = Page { out: String::new(), diff, style };
    let migration = migration::tell(diff);
    if let Some(told) = &migration {
        let tone = if told.verdict.starts_with("ready") { Tone::Good } else { Tone::Bad };
        page.painted(&told.verdict, tone);
    }
    let head = headline(diff);
    let is_news = migration.is_none() || !super::services(diff).is_empty();
    if is_news {
        for line in style.wrap("", "    ", &head).lines() {
            page.out.push_str(&format!("{}\n", style.bold(line)));
        }
    }
    page.out.push_str(note);
    page.head();
    page.side_by_side(&told(diff), |page, report| page.service(report));
    if let Some(told) = &migration {
        page.migration(told);
    }
    page.connections();
    page.rules();
    page.foot();
    page.out
}

struct Page<'d> {
    out: String,
    diff: &'d Diff,
    style: Style,
}

impl Page<'_> {
    /// Appends what is said of each thing in a list, which may be long.
    fn side_by_side<T: Sync>(&mut self, things: &[T], say: impl Fn(&mut Page<'_>, &T) + Sync) {
        let (diff, style) = (self.diff, self.style);
        self.out.extend(parallel::by_stretch(things, 16, |_, things| {
            let mut page = Page { out: String::new(), diff, style };
            things.iter().for_each(|thing| say(&mut page, thing));
            page.out
        }));
    }

    /// Appends a sentence, wrapped into lines without terminal control characters.
    fn line(&mut self, depth: usize, text: &str) {
        let indent = " ".repeat(depth * 2);
        self.out.push_str(&self.style.wrap(&indent, &format!("{indent}    "), text));
    }

    fn painted(&mut self, text: &str, tone: Tone) {
        for line in self.style.wrap("", "    ", text).lines() {
            self.out.push_str(&format!("{}\n", self.style.tone(tone, line)));
        }
    }

    fn heading(&mut self, text: &str) {
        self.out.push('\n');
        self.out.push_str(&self.style.bold(text));
        self.out.push('\n');
    }

    fn head(&mut self) {
        let diff = self.diff;
        for unknown in unknown(diff) {
            self.line(0, &format!("Unknown: {unknown}"));
        }
        for (names, what) in [(&diff.nodes_added, "added"), (&diff.nodes_removed, "removed")] {
            if !names.is_empty() {
                self.line(0, &format!("Nodes {what}: {}", nodes::listed(names)));
            }
        }
        if let Some(release) = &diff.release {
            self.line(0, &release_words(release));
        }
    }

    fn service(&mut self, report: &ServiceReport) {
        let (label, weight) = service::label(report.consequence.effect);
        let said = service::say(report, &self.diff.node_names);
        let label = format!("{label:LABEL$}");
        let label = match weight {
            Weight::Bad => self.style.tone(Tone::Bad, &label),
            Weight::Good => self.style.tone(Tone::Good, &label),
            Weight::Plain => self.style.bold(&label),
        };
        let name = report.consequence.service.to_string();
        let line = format!("{name}{}: {}", said.ports, said.first);
        let room = " ".repeat(LABEL + 1);
        let lines = self.style.wrap(&room, &format!("{room}    "), &line);
        self.out.push_str(&format!("\n{label} {}", lines.trim_start()));
        let indent = LABEL.div_ceil(2);
        for cause in cause::sentences(&report.causes) {
            self.line(indent, &cause);
        }
        for also in said.was.into_iter().chain(said.also.iter().map(|also| format!("also: {also}"))) {
            self.line(indent, &also);
        }
    }

    fn migration(&mut self, told: &migration::Told) {
        if !told.touching.is_empty() {
            self.heading("Known differences that touch Services");
        }
        for known in &told.touching {
            self.line(1, &format!("{} [{}]", known.title, known.code));
            self.line(2, &known.whom);
            self.line(2, known.words);
            self.line(2, &format!("for example {}", known.example));
            self.line(2, &format!("to do: {}", known.remedy));
            self.line(2, &known.page);
        }
        if told.without_service.is_some() || told.nobody.is_some() {
            self.out.push('\n');
        }
        told.without_service.iter().chain(&told.nobody).for_each(|text| self.line(0, text));
        if !told.pre_flight.is_empty() {
            self.heading("Before the change");
        }
        told.pre_flight.iter().for_each(|text| self.line(1, text));
    }

    fn connections(&mut self) {
        let known = self.diff.migration.is_some();
        let sections = sections(self.diff, |flow| !known || flow.reason.is_none());
        if !sections.is_empty() {
            self.heading("Connections, before and after");
        }
        for (service, section) in sections {
            self.line(1, if service.is_empty() { "of no Service" } else { &service });
            section.rows.iter().for_each(|row| self.row(row));
            for (count, special) in section.folded {
                self.line(2, &folded_words(count, special));
            }
        }
    }

    fn row(&mut self, row: &Row) {
        let on = match row.nodes.len() == self.diff.nodes {
            true => String::new(),
            false => format!(", {}", nodes::on(&row.nodes, &self.diff.node_names)),
        };
        self.line(2, &format!("{} from {}{on}", row.to, row.from));
        self.line(3, &format!("before: {}", row.before));
        self.line(3, &format!("after:  {}", row.after));
    }

    fn rules(&mut self) {
        let groups = rules::groups(self.diff);
        if groups.is_empty() {
            return;
        }
        let (added, removed) = rules::counts(&groups);
        self.heading(&format!("Rules: {added} added, {removed} removed"));
        self.side_by_side(&groups, |page, group| {
            page.line(1, &rules::title(group));
            group.places.iter().for_each(|place| page.place(place));
        });
    }

    fn place(&mut self, place: &rules::PlaceOnNodes<'_>) {
        let on = match place.nodes.len() == self.diff.nodes {
            true => String::new(),
            false => format!(", {}", nodes::on(&place.nodes, &self.diff.node_names)),
        };
        self.line(2, &format!("{}{on}", rules::place_title(place.place)));
        for changed in &place.place.lines {
            let text = format!("{} {}", changed.op, Inert(&changed.text));
            let tone = if changed.op == '+' { Tone::Good } else { Tone::Bad };
            let text = self.style.tone(tone, &text);
            self.out.push_str(&format!("      {text}\n"));
        }
        rules::rewritten(place.place).into_iter().for_each(|text| self.line(3, &text));
    }

    fn foot(&mut self) {
        if !self.diff.before_upgrade.is_empty() {
            self.heading("To check before the upgrade");
        }
        for advice in &self.diff.before_upgrade {
            self.line(1, &advice_words(advice));
            self.line(2, &advice.remedy);
        }
        self.out.push('\n');
        unchanged(self.diff).into_iter().for_each(|text| self.line(0, &text));
        self.line(0, &compared(self.diff));
    }
}
