//! `kuberules compile`

use clap::Args;

use super::arguments::{InputArguments, SettingsArguments};
use super::session::{Answer, Session, Stop};
use crate::diagnostic::Diagnostic;
use crate::input::Snapshot;

/// Prints the rules that kube-proxy would write on a node.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    settings: SettingsArguments,
    /// The node to compile for; needed unless there is exactly one, or hostnameOverride names it
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    let _settings = arguments.settings.resolve(&Snapshot::default(), session)?;
    let _ = (&arguments.input.input, &arguments.node, super::node::choose, super::output::PendingFiles::add);
    Err(session.stop(Diagnostic::error("compile is not there yet")))
}
