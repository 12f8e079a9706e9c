//! Standard input, which is for pipes: nobody types a cluster or a ruleset, so at a bare terminal it is said what to pipe in.

use std::io::{self, IsTerminal, StdinLock};

use super::program;
use crate::diagnostic::{Diagnostic, Diagnostics};

/// What is read from standard input.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piped {
    /// The objects of a cluster.
    Cluster,
    /// What a node printed.
    Captured,
    /// Text to annotate.
    Text,
    /// A file of expectations.
    Expectations,
}

/// Standard input, where something is piped in.
///
/// # Errors
/// It is a terminal.
pub(super) fn open(wanted: Piped) -> Result<StdinLock<'static>, Diagnostics> {
    let stdin = io::stdin();
    if stdin.is_terminal() { Err(nothing(wanted).into()) } else { Ok(stdin.lock()) }
}

/// That nothing is piped in, with commands that do.
fn nothing(wanted: Piped) -> Diagnostic {
    let name = program::name();
    let command = std::env::args().nth(1).unwrap_or_default();
    let command = if super::is_command(&command) { command } else { "services".to_owned() };
    let (message, help) = match wanted {
        Piped::Cluster => (
            "no input: name files or folders, or pipe the cluster in",
            format!(
                "kubectl get services,endpointslices,nodes,pods -A -o yaml | {name} {command} ...; \
                 {name} explain --example needs no input"
            ),
        ),
        Piped::Captured => (
            "no captured rules: name files or folders, or pipe in what the node prints",
            format!(
                "ssh NODE sudo nft list ruleset | {name} {command} --captured - ..., or sudo iptables-save; \
                 {name} collect prints a script that gathers all"
            ),
        ),
        Piped::Text => (
            "no text to annotate: pipe it in, or name its file",
            format!("sudo iptables-save | {name} annotate CLUSTER, or {name} annotate CLUSTER --text FILE"),
        ),
        Piped::Expectations => (
            "no expectations: pipe them in, or name their file",
            format!("{name} test EXPECTATIONS CLUSTER; {name} test --help tells more"),
        ),
    };
    Diagnostic::error(message).help(help)
}
