//! A capture without any rule of kube-proxy.

use super::delta::{Delta, count};
use super::draft::Draft;
use super::{Finding, Kind, Pair};

/// That all rules are missing, as one finding; none where there are some.
pub(super) fn find<'d, 'r>(pair: Pair<'_>, deltas: &'d [Delta<'r>]) -> Option<Draft<'d, 'r>> {
    if pair.captured.ruleset.has_kube_proxys_rules() {
        return None;
    }
    let missing: Vec<&Delta<'r>> = deltas.iter().filter(|delta| delta.is_missing()).collect();
    let lines = count(missing.iter().flat_map(|delta| delta.missing()));
    let (family, mode) = (pair.expected.family(), pair.expected.ruleset.mode());
    let mut message = format!(
        "the capture has no rule of kube-proxy for {family}: all that the node should have is missing ({lines}), unless \
         only a part of its rules was captured"
    );
    if mode != pair.captured.ruleset.mode() {
        let command = match mode {
            crate::settings::ProxyMode::Iptables => "iptables-save",
            crate::settings::ProxyMode::Nftables => "nft list ruleset",
        };
        message += &format!("; rules of mode {} are seen with {command}", mode.name());
    }
    Some(Draft { finding: Finding::general(Kind::NoRules, message), deltas: missing })
}
