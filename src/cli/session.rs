//! One run of the program: what was found on the way, when to stop, and what reaches the standard streams.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output::PendingFiles;
use super::progress::Progress;
use crate::diagnostic::{Checked, Diagnostics, Inert, Severity};
use crate::style::{self, Style};
use crate::text::Text;

/// Could not do it.
const FAILED: u8 = 2;

/// Flags that every subcommand has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Messages")]
pub(super) struct SessionArguments {
    /// Do not print warnings
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Take warnings for errors: exit 2 and print nothing
    #[arg(long, global = true)]
    strict: bool,
    /// Go on where the real kube-proxy could not load its rules, and print what it would send
    #[arg(long, global = true)]
    force: bool,
    /// Colour of messages and of text for people; `auto` looks at NO_COLOR, CLICOLOR_FORCE and the terminal
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
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
    /// Text alone, exit 0.
    pub(super) fn text(text: impl Into<Text>) -> Answer {
        Answer { text: text.into(), ..Answer::default() }
    }
}

/// The run cannot go on; why stands in the session's diagnostics.
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
    /// Lines that are told ahead of what was found.
    remarks: Vec<String>,
    /// Some remark is a warning.
    warned: bool,
    node: Option<String>,
    each_node_by_its_release: bool,
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
            found: Diagnostics::default(),
            remarks: Vec::new(),
            warned: false,
            node: None,
            each_node_by_its_release: false,
            progress: Progress::start(),
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
            warned: false,
            node: None,
            each_node_by_its_release: false,
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

    fn remark(&mut self, line: String) {
        if !self.remarks.contains(&line) {
            self.remarks.push(line);
        }
    }

    /// How text for people on standard output looks.
    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// Whether text for people on standard output is coloured.
    pub(super) fn colors_output(&self) -> bool {
        self.style.colored
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

    /// From here on errors alone end the run, whatever the flags say: for a subcommand that tells the rest itself.
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

    fn tell(&self) {
        let mut told = BTreeSet::new();
        let mut hidden = usize::from(self.quiet && self.warned);
        if !self.quiet {
            self.remarks.iter().for_each(|line| self.print_message(line));
        }
        for diagnostic in self.found.iter() {
            let text = diagnostic.to_string();
            if self.quiet && diagnostic.severity == Severity::Note {
                continue;
            }
            if self.quiet && diagnostic.severity == Severity::Warning {
                hidden += 1;
            } else if told.insert(text.clone()) {
                self.print_message(&text);
            }
        }
        if self.strict && hidden > 0 {
            self.print_message(&format!(
                "error: {hidden} warnings count as errors (--strict); run without --quiet to see them"
            ));
        }
    }

    fn print_message(&self, text: &str) {
        let colored = if self.color { color_label(text) } else { text.to_owned() };
        // Nobody is left to be told where standard error is gone.
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

fn write_stdout(text: &Text) -> io::Result<()> {
    let mut out = io::stdout().lock();
    text.pieces().try_for_each(|piece| out.write_all(piece.as_bytes()))?;
    out.flush()
}

/// Prints help, version or a usage error, each where it belongs.
pub(super) fn show_usage(message: &clap::Error) -> ExitCode {
    let failed = message.use_stderr();
    if failed && std::env::args_os().any(|argument| !is_printable(&argument.to_string_lossy())) {
        return show_inert(message);
    }
    match message.print() {
        Err(error) if !failed && error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(FAILED),
        _ if failed => ExitCode::from(FAILED),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints a usage error that may quote an argument which would steer a terminal.
fn show_inert(message: &clap::Error) -> ExitCode {
    let mut out = io::stderr().lock();
    for line in message.render().to_string().lines() {
        // Nobody is left to be told where standard error is gone.
        let _ = writeln!(out, "{}", Inert(line));
    }
    ExitCode::from(FAILED)
}

fn is_printable(text: &str) -> bool {
    Inert(text).to_string() == text
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
