//! The command line: arguments and glue. A file per subcommand; to add one, add its file, its variant of [`Command`]
//! and its line in [`Command::run`].

mod arguments;
mod assume;
mod captured;
mod check;
mod compile;
mod completions;
mod diff;
mod explain;
mod lint;
mod man;
mod node;
mod output;
mod pipeline;
mod progress;
mod project_file;
mod release;
mod render;
mod session;
mod test;
mod trace;
mod upgrade;
mod what_if;

use std::process::ExitCode;

use clap::{ColorChoice, Parser, Subcommand};

use session::{Answer, Session, SessionArguments, Stop};

/// Told in `--help`, the manual page and the README alike.
const EXIT_STATUS: &str = "\
Exit status: 0 fine, 1 differences or findings, 2 could not.
Standard output carries the whole answer or nothing; warnings and errors go to standard error.";

/// Shows the rules that kube-proxy writes on a node, from manifests alone: no cluster, no root.
#[derive(Debug, Parser)]
#[command(name = "kuberules", version, max_term_width = 100, after_help = EXIT_STATUS, subcommand_required = true, arg_required_else_help = true)]
struct CommandLine {
    #[command(flatten)]
    session: SessionArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "made once a run")]
enum Command {
    Check(check::Arguments),
    Compile(compile::Arguments),
    Lint(lint::Arguments),
    Completions(completions::Arguments),
    Diff(diff::Arguments),
    Explain(explain::Arguments),
    Man(man::Arguments),
    Test(test::Arguments),
    Trace(trace::Arguments),
}

impl Command {
    fn run(&self, session: &mut Session) -> Result<Answer, Stop> {
        match self {
            Command::Check(arguments) => check::run(arguments, session),
            Command::Compile(arguments) => compile::run(arguments, session),
            Command::Lint(arguments) => lint::run(arguments, session),
            Command::Completions(arguments) => Ok(completions::run(arguments, definition())),
            Command::Diff(arguments) => diff::run(arguments, session),
            Command::Explain(arguments) => explain::run(arguments, session),
            Command::Man(arguments) => man::run(arguments, definition(), session),
            Command::Test(arguments) => test::run(arguments, session),
            Command::Trace(arguments) => trace::run(arguments, session),
        }
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(message) => return session::show_usage(&message),
    };
    let mut session = Session::new(&line.session);
    let answer = line.command.run(&mut session);
    session.finish(answer)
}

/// The definition of the command line, for completions and the manual page.
fn definition() -> clap::Command {
    <CommandLine as clap::CommandFactory>::command().color(ColorChoice::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }
}
