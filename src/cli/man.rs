//! `kuberules man`

use std::io;

use clap::Args;

use super::session::{Answer, Session, Stop};
use crate::diagnostic::Diagnostic;

/// Prints the manual page, of the program or of one subcommand.
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kuberules man | man -l -\n  kuberules man compile > kuberules-compile.1"
)]
pub(super) struct Arguments {
    /// The subcommand
    subcommand: Option<String>,
}

/// Takes the definition of the command line.
pub(super) fn run(
    arguments: &Arguments,
    mut definition: clap::Command,
    session: &mut Session,
) -> Result<Answer, Stop> {
    definition.build();
    let command = match &arguments.subcommand {
        None => definition,
        Some(name) => definition
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| session.stop(Diagnostic::error(format!("there is no subcommand {name:?}"))))?,
    };
    render(command)
        .map(Answer::text)
        .map_err(|error| session.stop(Diagnostic::error(format!("cannot make the manual page: {error}"))))
}

fn render(command: clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    // A manual page has its examples at the end.
    let examples = [command.get_before_help(), command.get_after_long_help().or(command.get_after_help())];
    let examples: Vec<String> = examples.into_iter().flatten().map(ToString::to_string).collect();
    let command = command.after_long_help(examples.join("\n\n"));
    let source = concat!("kuberules ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command).source(source).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
