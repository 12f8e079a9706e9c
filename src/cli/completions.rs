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

pub(super) fn run(arguments: &Arguments) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::definition(), "kuberules", &mut script);
    Answer::text(String::from_utf8_lossy(&script).into_owned())
}
