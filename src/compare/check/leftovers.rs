//! Rules of the mode that kube-proxy is not in.

use super::{Finding, Kind};
use crate::capture::Captured;
use crate::iptables::ruleset as ipt;
use crate::nftables::ruleset as nft;

/// Tables of iptables in an nftables listing that still have kube-proxy's chains.
pub(super) fn in_listing(ruleset: &nft::Ruleset) -> Option<Finding> {
    let mut chains: Vec<String> = Vec::new();
    for table in ruleset.tables.iter().filter(|table| ["nat", "filter"].contains(&table.name.as_str())) {
        let own = table.chains.iter().filter(|chain| is_kube_proxys(&chain.name) && !chain.rules.is_empty());
        chains.extend(own.map(|chain| format!("{} {} {}", table.family.name(), table.name, chain.name)));
    }
    let first = chains.first()?;
    let message = format!(
        "chains of iptables mode are left over ({}, such as {first}): kube-proxy was in iptables mode before; run \
         kube-proxy --cleanup, or delete them",
        chains.len()
    );
    Some(Finding::general(Kind::OtherModeLeftovers, message))
}

/// Chains of iptables mode, as its own tool prints them, beside the table of nftables mode.
pub(super) fn beside_nftables(captured: &Captured) -> Option<Finding> {
    let mut iptables = captured.parts.iter().filter(|part| part.ruleset.as_iptables().is_some());
    iptables.any(|part| part.ruleset.has_kube_proxys_rules()).then(|| {
        let message = "rules of iptables mode are left over beside the table of nftables mode: kube-proxy was in iptables \
                       mode before; run kube-proxy --cleanup, or delete them";
        Finding::general(Kind::OtherModeLeftovers, message)
    })
}

/// A table of nftables mode beside rules of iptables mode.
pub(super) fn beside_iptables(captured: &Captured) -> Option<Finding> {
    let message = "the table kube-proxy of nftables mode is left over beside the rules of iptables mode: run kube-proxy \
                   --cleanup, or nft delete table ip kube-proxy";
    let is_named = captured.incompatible_tables.iter().any(|name| name == crate::nftables::TABLE);
    let mut listed = captured.parts.iter().filter(|part| part.ruleset.as_nftables().is_some());
    (is_named || listed.any(|part| part.ruleset.has_kube_proxys_rules()))
        .then(|| Finding::general(Kind::OtherModeLeftovers, message))
}

fn is_kube_proxys(chain: &str) -> bool {
    ipt::Owner::of(ipt::TableName::Nat, chain) == ipt::Owner::KubeProxy
}
