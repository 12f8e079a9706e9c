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
    Answer::text(format!("kuberules {}\n", text()))
}

/// What stands behind the name.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let releases = Release::names();
        format!(
            "{}\nkube-proxy {}\nmodes iptables and nftables, as iptables 1.8 and nft 1.0.6 or 1.1 list them",
            env!("CARGO_PKG_VERSION"),
            releases.join(", ")
        )
    });
    &TEXT
}
