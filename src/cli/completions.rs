//! `kuberules completions`

use clap::Args;
use clap_complete::Shell;

use super::session::Answer;

/// Prints a script that completes this program's arguments in a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kuberules completions bash > /etc/bash_completion.d/kuberules\n  \
    kuberules completions zsh > ~/.zfunc/_kuberules")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Takes the definition of the command line.
pub(super) fn run(arguments: &Arguments, mut definition: clap::Command) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut definition, "kuberules", &mut script);
    Answer::text(String::from_utf8_lossy(&script).into_owned())
}
