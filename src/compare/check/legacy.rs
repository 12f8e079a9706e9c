//! Rules in both variants of iptables, of which the kernel follows both (kubernetes/kubernetes 71305, 107965).

use super::{Finding, Kind};
use crate::capture::Captured;
use crate::iptables::parse::Variant;

/// Whether rules of kube-proxy stand, or may stand, in more than one variant.
pub(super) fn variants(capture: &Captured) -> Option<Finding> {
    let with_rules = |variant| {
        capture.parts.iter().any(|part| part.variant == Some(variant) && part.ruleset.has_kube_proxys_rules())
    };
    let help = "keep one variant: compare iptables-legacy-save with iptables-nft-save, and flush the one that \
                kube-proxy does not use";
    let message = match (with_rules(Variant::Nft), with_rules(Variant::Legacy)) {
        (true, true) => {
            format!("kube-proxy's rules stand in both variants of iptables, nft and legacy: {help}")
        }
        (true, false) if capture.legacy_tables_present => {
            format!("iptables-save warns of tables of the legacy variant: packets meet those too; {help}")
        }
        (false, false) if capture.legacy_tables_present => format!(
            "this capture has no rules of kube-proxy, and iptables-save warns of tables of the legacy variant: \
             kube-proxy's rules are likely there; capture them with iptables-legacy-save; {help}"
        ),
        _ => return None,
    };
    Some(Finding::general(Kind::LegacyMix, message))
}
