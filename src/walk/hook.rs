//! Netfilter's hooks, and where built-in chains stand at them.

use crate::iptables::ruleset::TableName;

/// Where the kernel translates destinations, whatever priority a nat chain asks for (NF_IP_PRI_NAT_DST).
pub(super) const NAT_DESTINATION: i32 = -100;
/// Where it translates sources (NF_IP_PRI_NAT_SRC).
pub(super) const NAT_SOURCE: i32 = 100;

/// Where iptables-nft has its table `security`, and where the legacy variant has it (NF_IP_PRI_SECURITY).
const SECURITY: i32 = 150;
pub(super) const LEGACY_SECURITY: i32 = 50;

/// A netfilter hook, or the routing between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as the hooks are")]
pub enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    /// Not a hook: the routing decision.
    Routing,
}

impl Hook {
    /// All at which there can be chains.
    pub(super) const ALL: [Hook; 5] =
        [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];

    /// The word in a listing.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
            Hook::Routing => "routing",
        }
    }
}

/// The hook and priority of a built-in chain (linux/netfilter_ipv4.h).
pub(super) fn base_place(table: TableName, chain: &str) -> Option<(Hook, i32)> {
    let hook = match chain {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "FORWARD" => Hook::Forward,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return None,
    };
    if !table.builtin_chains().contains(&chain) {
        return None;
    }
    let priority = match table {
        TableName::Raw => -300,
        TableName::Mangle => -150,
        TableName::Filter => 0,
        // iptables-nft asks for this in place of NF_IP_PRI_SECURITY (iptables/nft.c, `xtables_ipv4`).
        TableName::Security => SECURITY,
        TableName::Nat if matches!(hook, Hook::Prerouting | Hook::Output) => NAT_DESTINATION,
        TableName::Nat => NAT_SOURCE,
    };
    Some((hook, priority))
}
