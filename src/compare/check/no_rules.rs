//! A capture without any rule of kube-proxy.

use super::delta::{Delta, count};
use super::{Finding, Kind, Pair};
use crate::settings::ProxyMode;

/// Reports that all rules are missing; which ones, and what that does to traffic, is reported Service by Service.
pub(super) fn find(pair: Pair<'_>, deltas: &[Delta<'_>]) -> Option<Finding> {
    if pair.captured.ruleset.has_kube_proxys_rules() {
        return None;
    }
    let lines = count(deltas.iter().flat_map(Delta::missing));
    let (family, mode) = (pair.expected.family(), pair.expected.ruleset.mode());
    let mut message = format!(
        "the capture has no rule of kube-proxy for {family}: all that the node should have is missing ({lines}), unless \
         only a part of its rules was captured"
    );
    if mode != pair.captured.ruleset.mode() {
        let command = match mode {
            ProxyMode::Iptables => "iptables-save",
            ProxyMode::Nftables => "nft list ruleset",
        };
        message += &format!("; rules of mode {} are seen with {command}", mode.name());
    }
    Some(Finding::general(Kind::NoRules, message))
}
