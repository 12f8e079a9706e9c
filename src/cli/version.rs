//! `kuberules version`

use std::sync::LazyLock;

use clap::Args;

use super::session::Answer;
use crate::settings::Release;

/// Prints the version, and the releases of kube-proxy that it knows.
#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kuberules version")]
pub(super) struct Arguments {}

pub(super) fn run() -> Answer {
    Answer::text(format!(
        "kuberules {}\nkube-proxy {}\nmodes iptables and nftables, as iptables 1.8 and nft 1.0.6 or 1.1 list them\n",
        env!("CARGO_PKG_VERSION"),
        Release::names().join(", ")
    ))
}

/// The version with the releases, as `-V` prints it.
pub(super) fn line() -> &'static str {
    static LINE: LazyLock<String> = LazyLock::new(|| {
        let releases = Release::names();
        let (first, last) = (releases.first(), releases.last());
        let name = |name: Option<&String>| name.cloned().unwrap_or_default();
        format!("{} (kube-proxy {} to {})", env!("CARGO_PKG_VERSION"), name(first), name(last))
    });
    &LINE
}
