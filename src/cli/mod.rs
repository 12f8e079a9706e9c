//! The command line: arguments and glue. A file per subcommand; to add one, add its file, its variant of `Command`
//! and its line in `Command::run`.

mod alike;
mod annotate;
mod arguments;
mod assume;
mod captured;
mod check;
mod collect;
mod compile;
mod complete;
mod completions;
mod diff;
mod explain;
mod lint;
mod man;
mod output;
mod pipeline;
mod program;
mod progress;
mod project_file;
mod release;
mod render;
mod services;
mod session;
mod stdin;
mod stdout;
mod test;
mod trace;
mod upgrade;
mod usage;
mod version;
mod what_if;

use std::process::ExitCode;

use clap::{Arg, ArgAction, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use session::{Answer, Session, SessionArguments, Stop};

/// Told in `--help`, the manual page and the README alike.
const EXIT_STATUS: &str = "\
Exit status: 0 fine, 1 differences or findings, 2 could not do it.
Standard output carries the whole answer or nothing; warnings and errors go to standard error.";

/// What kube-proxy does on a node, told from manifests alone: which connections work, which do not, why, and by which rules.
/// It asks no cluster and needs no root.
#[derive(Debug, Parser)]
#[command(
    name = "kuberules",
    version = version::line(),
    max_term_width = 100,
    before_help = "Examples:
  kuberules explain --example
  kubectl get services,endpointslices,nodes,pods -A -o yaml > cluster.yaml
  kuberules services cluster.yaml
  kuberules trace cluster.yaml --from pod/cart-0 --to svc/db",
    after_help = EXIT_STATUS,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct CommandLine {
    #[command(flatten)]
    session: SessionArguments,
    #[command(subcommand)]
    command: Command,
}

/// In the order in which one meets them.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "made once a run")]
enum Command {
    Compile(compile::Arguments),
    Services(services::Arguments),
    Explain(explain::Arguments),
    Trace(trace::Arguments),
    Lint(lint::Arguments),
    Diff(diff::Arguments),
    Check(check::Arguments),
    Test(test::Arguments),
    Collect(collect::Arguments),
    Annotate(annotate::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    Version(version::Arguments),
}

impl Command {
    fn run(&self, session: &mut Session) -> Result<Answer, Stop> {
        match self {
            Command::Annotate(arguments) => annotate::run(arguments, session),
            Command::Collect(arguments) => Ok(collect::run(arguments)),
            Command::Compile(arguments) => compile::run(arguments, session),
            Command::Services(arguments) => services::run(arguments, session),
            Command::Explain(arguments) => explain::run(arguments, session),
            Command::Trace(arguments) => trace::run(arguments, session),
            Command::Lint(arguments) => lint::run(arguments, session),
            Command::Diff(arguments) => diff::run(arguments, session),
            Command::Check(arguments) => check::run(arguments, session),
            Command::Test(arguments) => test::run(arguments, session),
            Command::Completions(arguments) => completions::run(arguments, session),
            Command::Man(arguments) => man::run(arguments, definition(), session),
            Command::Version(_) => Ok(version::run()),
        }
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    if let Some(answered) = completions::answer(definition) {
        return answered;
    }
    let line =
        named_definition().try_get_matches().and_then(|matches| CommandLine::from_arg_matches(&matches));
    let line = match line {
        Ok(line) => line,
        Err(message) => return usage::show(&message),
    };
    let mut session = Session::new(&line.session);
    let answer = line.command.run(&mut session);
    session.finish(answer)
}

/// The definition of the command line, for completions and the manual page.
fn definition() -> clap::Command {
    named_definition().color(ColorChoice::Never)
}

/// Flags of messages, which say nothing where there is no input.
const MESSAGES: [(&str, Option<char>); 3] = [("quiet", Some('q')), ("strict", None), ("force", None)];

/// Settings that change the text of rules but no answer.
const OF_RULES: [&str; 3] = ["no_nfacct", "no_random_fully", "conntrack_liberal"];

/// The definition by the name of the program, without what a subcommand cannot use.
fn named_definition() -> clap::Command {
    let mut definition = CommandLine::command();
    for name in ["completions", "man", "version"] {
        definition = definition.mut_subcommand(name, |command| MESSAGES.into_iter().fold(command, without));
    }
    for name in ["services", "lint"] {
        definition = definition.mut_subcommand(name, |command| {
            OF_RULES.into_iter().fold(command, |command, id| command.mut_arg(id, |arg| arg.hide(true)))
        });
    }
    if program::is_plugin() { as_plugin(definition) } else { definition }
}

/// A flag of all subcommands that this one does not offer.
fn without(command: clap::Command, (name, short): (&'static str, Option<char>)) -> clap::Command {
    let arg = Arg::new(name).long(name).action(ArgAction::SetTrue).hide(true);
    command.arg(match short {
        Some(short) => arg.short(short),
        None => arg,
    })
}

fn as_plugin(definition: clap::Command) -> clap::Command {
    let names: Vec<String> = definition.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let definition = renamed(definition).bin_name("kubectl rules").display_name("kubectl rules");
    names.into_iter().fold(definition, |definition, name| definition.mut_subcommand(name, renamed))
}

/// Examples and usage with the name by which the program was called.
fn renamed(command: clap::Command) -> clap::Command {
    let text = |text: Option<&clap::builder::StyledStr>| text.map(|text| program::named(&text.to_string()));
    let before = text(command.get_before_help());
    let after = text(command.get_after_help());
    let after_long = text(command.get_after_long_help());
    let mut command = command;
    if let Some(before) = before {
        command = command.before_help(before);
    }
    if let Some(after) = after {
        command = command.after_help(after);
    }
    if let Some(after) = after_long {
        command = command.after_long_help(after);
    }
    command
}

/// Whether a word is a subcommand.
fn is_command(word: &str) -> bool {
    CommandLine::command().get_subcommands().any(|command| command.get_name() == word) || word == "help"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
        as_plugin(definition()).debug_assert();
    }
}
