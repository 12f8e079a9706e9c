//! By which name the program was called: as a plugin of kubectl all text says `kubectl rules`.

use std::path::Path;
use std::sync::OnceLock;

/// What a user types to call the program.
pub(super) fn name() -> &'static str {
    if is_plugin() { "kubectl rules" } else { "kuberules" }
}

/// Whether kubectl called it (`kubectl-rules` on the path), or asks it for completions (`kubectl_complete-rules`).
pub(super) fn is_plugin() -> bool {
    static PLUGIN: OnceLock<bool> = OnceLock::new();
    *PLUGIN.get_or_init(|| called_as().is_some_and(|name| name.starts_with("kubectl-rules")) || completes())
}

/// Whether kubectl asks for completions: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/.
pub(super) fn completes() -> bool {
    called_as().is_some_and(|name| name.starts_with("kubectl_complete-rules"))
}

fn called_as() -> Option<String> {
    let program = std::env::args_os().next()?;
    Some(Path::new(&program).file_name()?.to_string_lossy().into_owned())
}

/// A text that names the program, with the name by which it was called.
pub(super) fn named(text: &str) -> String {
    if is_plugin() { renamed(text) } else { text.to_owned() }
}

/// Only where a subcommand follows is the name a command.
fn renamed(text: &str) -> String {
    let mut parts = text.split("kuberules ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let word = part.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
        let name = if super::is_command(word) { "kubectl rules " } else { "kuberules " };
        text + name + part
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_commands_are_renamed() {
        assert_eq!(super::renamed("try kuberules explain --example"), "try kubectl rules explain --example");
        assert_eq!(super::renamed("kuberules is a program"), "kuberules is a program");
    }
}
