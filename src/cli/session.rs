//! One run of the program: what was found on the way, when to stop, and what reaches the standard streams.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::alike::{printed_errors, printed_warnings};
use super::output::PendingFiles;
use super::program;
use super::progress::Progress;
use super::stdout;
use crate::diagnostic::{Checked, Diagnostic, Diagnostics, Severity};
use crate::question::Inference;
use crate::style::{self, Style};
use crate::text::Text;

/// The exit status of what could not be done.
const FAILED: u8 = 2;

/// Flags that every subcommand has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Messages")]
pub(super) struct SessionArguments {
    /// Do not print warnings
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Treat warnings as errors: exit 2 and print nothing
    #[arg(long, global = true, hide_short_help = true)]
    strict: bool,
    /// Continue where the real kube-proxy could not load its rules, and print what it would send
    #[arg(long, global = true, hide_short_help = true)]
    force: bool,
    /// Colour of messages and of text for people; `auto` looks at NO_COLOR, CLICOLOR_FORCE and the terminal
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_short_help = true)]
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// What a subcommand found out.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// What goes to standard output.
    pub(super) text: Text,
    /// Files that get their final names when all is well.
    pub(super) files: PendingFiles,
    /// Differences or findings: exit 1 instead of 0.
    pub(super) differs: bool,
}

impl Answer {
    /// Just text, exit 0.
    pub(super) fn text(text: impl Into<Text>) -> Answer {
        Answer { text: text.into(), ..Answer::default() }
    }
}

/// The run cannot go on; the session's diagnostics say why.
#[derive(Debug)]
pub(super) struct Stop;

/// One run of the program.
#[derive(Debug)]
pub(super) struct Session {
    quiet: bool,
    strict: bool,
    force: bool,
    color: bool,
    style: Style,
    found: Diagnostics,
    /// Lines that come before what was found.
    remarks: Vec<String>,
    /// What was not said and is taken to be meant, told in one line.
    inferred: Vec<Inference>,
    /// Some remark is a warning.
    warned: bool,
    node: Option<String>,
    each_node_by_its_release: bool,
    /// The Services that the question is about, as `namespace/name`, where it is about few.
    about: Option<Vec<String>>,
    progress: Progress,
}

impl Session {
    pub(super) fn new(arguments: &SessionArguments) -> Session {
        Session {
            quiet: arguments.quiet,
            strict: arguments.strict,
            force: arguments.force,
            color: wants_color(arguments.color, io::stderr().is_terminal()),
            style: Style {
                colored: wants_color(arguments.color, io::stdout().is_terminal()),
                width: width(),
            },
            progress: Progress::start(),
            ..Session::silent()
        }
    }

    /// A session of which nobody hears.
    pub(super) fn silent() -> Session {
        Session {
            quiet: true,
            strict: false,
            force: true,
            color: false,
            style: Style::default(),
            found: Diagnostics::default(),
            remarks: Vec::new(),
            inferred: Vec::new(),
            warned: false,
            node: None,
            each_node_by_its_release: false,
            about: None,
            progress: Progress::default(),
        }
    }

    /// What is going on, for those who watch.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The node that the run is about, where an argument names it.
    pub(super) fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Says which node the run is about, ahead of reading the input: its Node tells the release.
    pub(super) fn look_at(&mut self, node: Option<&str>) {
        self.node = node.map(str::to_owned);
    }

    /// Whether each node is treated by the release that it reports itself.
    pub(super) fn each_node_by_its_release(&self) -> bool {
        self.each_node_by_its_release
    }

    /// Says that each node is treated by the release that it reports itself.
    pub(super) fn take_each_node_by_its_release(&mut self) {
        self.each_node_by_its_release = true;
    }

    /// Tells what was inferred, in one line on standard error; once, however often it is said.
    pub(super) fn note(&mut self, text: impl AsRef<str>) {
        self.remark(format!("note: {}", text.as_ref()));
    }

    /// As [`Session::note`], for what may be wrong.
    pub(super) fn warn(&mut self, text: impl AsRef<str>) {
        self.warned = true;
        self.remark(format!("warning: {}", text.as_ref()));
    }

    /// Tells what was inferred.
    pub(super) fn infer(&mut self, inference: &Inference) {
        match inference.is_sentence() {
            true => self.note(inference.to_string()),
            false if !self.inferred.contains(inference) => self.inferred.push(inference.clone()),
            false => {}
        }
    }

    /// The question is about these Services only, as `namespace/name`, beside those named before: warnings about others
    /// are not told but counted.
    pub(super) fn ask_about(&mut self, services: impl IntoIterator<Item = String>) {
        self.about.get_or_insert_default().extend(services);
    }

    /// Whether a warning is about another Service, or its endpoints, than the question.
    fn is_beside(&self, warning: &Diagnostic) -> bool {
        let (Some(about), Some(object)) = (&self.about, &warning.object) else { return false };
        let name = format!("{}/{}", object.namespace, object.name);
        let of = |service: &String| {
            name.strip_prefix(service.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        !self.strict && matches!(&*object.kind, "Service" | "EndpointSlice") && !about.iter().any(of)
    }

    /// Takes back what was remarked so far: it is found out anew.
    pub(super) fn retract_remarks(&mut self) {
        self.remarks.clear();
        self.warned = false;
    }

    fn remark(&mut self, line: String) {
        if !self.remarks.contains(&line) {
            self.remarks.push(line);
        }
    }

    /// How text for people on standard output looks.
    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// Takes what a stage found.
    ///
    /// # Errors
    /// There is a fault with which the run cannot go on.
    pub(super) fn take(&mut self, found: impl Into<Diagnostics>) -> Result<(), Stop> {
        let found = found.into();
        let stops = found.worst().is_some_and(|worst| self.stops_at(worst));
        self.found.append(found);
        if stops { Err(Stop) } else { Ok(()) }
    }

    /// Takes what a stage made.
    ///
    /// # Errors
    /// It made nothing, or there is a fault with which the run cannot go on.
    pub(super) fn take_checked<T>(&mut self, checked: Checked<T>) -> Result<T, Stop> {
        let (made, found) = checked.map_err(|faults| self.stop(faults))?;
        self.take(found).map(|()| made)
    }

    /// From here on only errors end the run, whatever the flags say: for a subcommand that reports the rest itself.
    pub(super) fn be_lenient(&mut self) {
        self.force = true;
        self.strict = false;
    }

    /// Hands out what was found so far, which then is not told on standard error; notes are.
    pub(super) fn take_found(&mut self) -> Diagnostics {
        let all = std::mem::take(&mut self.found).into_iter();
        let (notes, found): (Vec<_>, Vec<_>) = all.partition(|found| found.severity == Severity::Note);
        self.found.extend(notes);
        let mut handed = Diagnostics::default();
        handed.extend(found);
        handed
    }

    /// Takes an error or anything else that ends the run.
    pub(super) fn stop(&mut self, fault: impl Into<Diagnostics>) -> Stop {
        self.found.append(fault.into());
        Stop
    }

    fn stops_at(&self, severity: Severity) -> bool {
        match severity {
            Severity::Note | Severity::Warning => false,
            Severity::Unloadable => !self.force,
            Severity::Error => true,
        }
    }

    /// Prints what was found, and then an answer bit by bit, as it is made: of a text that may never end. A reader who
    /// goes away ends it.
    ///
    /// # Errors
    /// It cannot be written, or `--strict` speaks against it.
    pub(super) fn stream(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Answer, Stop> {
        if self.strict && (self.warned || self.found.worst() >= Some(Severity::Warning)) {
            return Err(Stop);
        }
        self.progress = Progress::default();
        self.tell();
        self.remarks.clear();
        self.found = Diagnostics::default();
        match stream_stdout(write) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(self.stop(Diagnostic::error(format!("cannot go on: {error}"))))
            }
            _ => Ok(Answer::default()),
        }
    }

    /// Prints what was found and, if nothing speaks against it, the answer.
    pub(super) fn finish(mut self, answer: Result<Answer, Stop>) -> ExitCode {
        let refused = self.strict && (self.warned || self.found.worst() >= Some(Severity::Warning));
        self.progress = Progress::default();
        self.tell();
        match answer {
            Ok(answer) if !refused => self.deliver(answer),
            Ok(_) | Err(Stop) => ExitCode::from(FAILED),
        }
    }

    /// Errors first, then warnings; notes only where there are no errors. Many warnings of a kind are one.
    fn tell(&self) {
        let of = |severities: &[Severity]| {
            let mut told = BTreeSet::new();
            let wanted = self.found.iter().filter(|found| severities.contains(&found.severity));
            wanted.filter(|found| told.insert(found.to_string())).collect::<Vec<_>>()
        };
        let errors = of(&[Severity::Error, Severity::Unloadable]);
        printed_errors(&errors).iter().for_each(|error| self.print_message(error));
        let (beside, warnings): (Vec<&Diagnostic>, Vec<_>) =
            of(&[Severity::Warning]).into_iter().partition(|warning| self.is_beside(warning));
        let failed = self.found.worst() == Some(Severity::Error);
        if self.quiet {
            self.tell_hidden(beside.len() + warnings.len() + usize::from(self.warned));
            return;
        }
        let (doubts, notes): (Vec<&String>, _) =
            self.remarks.iter().partition(|line| line.starts_with("warning: "));
        doubts.into_iter().for_each(|line| self.print_message(line));
        printed_warnings(&warnings).iter().for_each(|line| self.print_message(line));
        if !failed {
            of(&[Severity::Note]).iter().for_each(|note| self.print_message(&note.to_string()));
            let inferred: Vec<String> = self.inferred.iter().map(ToString::to_string).collect();
            if !inferred.is_empty() {
                self.print_message(&format!("note: inferred: {}", inferred.join("; ")));
            }
            notes.into_iter().for_each(|line| self.print_message(line));
            match beside.len() {
                0 => {}
                1 => self.print_message("note: 1 warning about another object; kuberules lint shows it"),
                more => self.print_message(&format!(
                    "note: {more} warnings about other objects; kuberules lint shows them"
                )),
            }
        }
    }

    fn tell_hidden(&self, hidden: usize) {
        if self.strict && hidden > 0 {
            self.print_message(&format!(
                "error: {hidden} warnings count as errors (--strict); run without --quiet to see them"
            ));
        }
    }

    fn print_message(&self, text: &str) {
        let text = program::named(text);
        let colored = if self.color { color_label(&text) } else { text };
        // Where standard error is gone, nobody is left to tell.
        let _ = writeln!(io::stderr().lock(), "{colored}");
    }

    fn deliver(&self, answer: Answer) -> ExitCode {
        if let Err(faults) = answer.files.keep() {
            faults.iter().for_each(|fault| self.print_message(&fault.to_string()));
            return ExitCode::from(FAILED);
        }
        match write_stdout(&answer.text) {
            Ok(()) => ExitCode::from(u8::from(answer.differs)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                ExitCode::from(u8::from(answer.differs))
            }
            Err(error) => {
                self.print_message(&format!("error: cannot write to standard output: {error}"));
                ExitCode::from(FAILED)
            }
        }
    }
}

fn stream_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::BufWriter::new(stdout::open()?);
    let written = write(&mut out).and_then(|()| out.flush());
    // What is left in the buffer is not tried again when it is dropped.
    let _ = out.into_parts();
    written
}

/// Nothing is written of an empty text: where all there is to say is the exit status, standard output may be closed.
fn write_stdout(text: &Text) -> io::Result<()> {
    if text.pieces().all(str::is_empty) {
        return Ok(());
    }
    let mut out = stdout::open()?;
    text.pieces().try_for_each(|piece| out.write_all(piece.as_bytes()))?;
    out.flush()
}

/// Prints a text that is not the answer of a session.
pub(super) fn print(text: &str) -> ExitCode {
    match write_stdout(&text.to_owned().into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

/// The flag, then NO_COLOR (no-color.org), CLICOLOR_FORCE (bixense.com/clicolors), then the terminal.
fn wants_color(color: Color, terminal: bool) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if is_set("NO_COLOR") => false,
        Color::Auto if is_set("CLICOLOR_FORCE") => true,
        Color::Auto => terminal,
    }
}

/// As wide as the terminal, as long as lines can be read.
fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    terminal.map_or(style::WIDTH, |(width, _)| usize::from(width.0).clamp(60, 120))
}

/// Colours the word `error`, `warning` or `note` at the beginning.
fn color_label(text: &str) -> String {
    match text.split_once(": ") {
        Some(("error", rest)) => format!("\u{1b}[1;31merror\u{1b}[0m: {rest}"),
        Some(("note", rest)) => format!("\u{1b}[1mnote\u{1b}[0m: {rest}"),
        Some(("warning", rest)) => format!("\u{1b}[1;33mwarning\u{1b}[0m: {rest}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_label_is_coloured() {
        assert_eq!(color_label("error: a: b"), "\u{1b}[1;31merror\u{1b}[0m: a: b");
        assert_eq!(color_label("warning: x"), "\u{1b}[1;33mwarning\u{1b}[0m: x");
        assert_eq!(color_label("x"), "x");
    }
}
