//! `kuberules completions`

use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;

use super::program;
use super::session::{Answer, Session, Stop};
use crate::diagnostic::Diagnostic;

/// Asked by the scripts that are printed here.
pub(super) const VARIABLE: &str = "KUBERULES_COMPLETE";

/// Prints a script that completes this program's arguments in a shell.
///
/// The script asks the program itself: names of nodes, Services and Pods come from the files on the line. For `kubectl
/// rules`, link kubectl-rules to kubectl_complete-rules on the path; kubectl's own completion then asks it.
#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  source <(kuberules completions bash)\n  \
    kuberules completions zsh > ~/.zfunc/_kuberules\n  \
    kuberules completions fish > ~/.config/fish/completions/kuberules.fish")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    let mut script = Vec::new();
    let shell = arguments.shell.to_string();
    let written = Shells::builtins().completer(&shell).map(|completer| {
        completer.write_registration(VARIABLE, "kuberules", "kuberules", "kuberules", &mut script)
    });
    match written {
        Some(Ok(())) => Ok(Answer::text(String::from_utf8_lossy(&script).into_owned())),
        _ => Err(session.stop(Diagnostic::error(format!("there are no completions for {shell}")))),
    }
}

/// Answers a shell that asks for completions, or kubectl.
pub(super) fn answer(definition: impl Fn() -> clap::Command) -> Option<std::process::ExitCode> {
    if program::completes() {
        return Some(answer_kubectl(definition()));
    }
    let here = std::env::current_dir().ok();
    let environment = clap_complete::CompleteEnv::with_factory(definition).var(VARIABLE);
    match environment.try_complete(std::env::args_os(), here.as_deref()) {
        Ok(true) => Some(std::process::ExitCode::SUCCESS),
        Ok(false) => None,
        Err(_) => Some(std::process::ExitCode::from(2)),
    }
}

/// In the form that kubectl's completion reads: a candidate on each line, its help behind a tab, and at the end what the
/// shell is to do with them; 0 is nothing special, 2 no space behind it (cobra, ShellCompDirective).
fn answer_kubectl(mut definition: clap::Command) -> std::process::ExitCode {
    let mut words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if words.len() < 2 {
        words.push(std::ffi::OsString::new());
    }
    let last = words.len() - 1;
    let here = std::env::current_dir().ok();
    let found = clap_complete::engine::complete(&mut definition, words, last, here.as_deref());
    let mut text = String::new();
    let mut unfinished = false;
    for candidate in found.unwrap_or_default() {
        let value = candidate.get_value().to_string_lossy().into_owned();
        unfinished |= value.ends_with('/');
        let help = candidate.get_help().map(|help| format!("\t{help}")).unwrap_or_default();
        text.push_str(&format!("{value}{}\n", help.lines().next().unwrap_or_default()));
    }
    text.push_str(if unfinished { ":2\n" } else { ":0\n" });
    super::session::print(&text)
}
