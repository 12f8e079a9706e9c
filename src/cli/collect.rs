//! `kuberules collect`

use clap::Args;

use super::session::Answer;

/// Prints a shell script that gathers on a node what --captured reads.
///
/// The script only reads, needs nothing but a POSIX shell, and makes do with the tools that are there. Without an argument
/// it writes a tar to standard output, with one the files into that folder.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  kuberules collect | ssh worker-1 sudo sh -s > worker-1.tar
  kuberules check cluster.yaml --node worker-1 --captured worker-1.tar")]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments) -> Answer {
    Answer::text(include_str!("collect.sh").to_owned())
}
