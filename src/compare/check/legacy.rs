//! Rules in both variants of iptables; the kernel follows both (kubernetes/kubernetes 71305, 107965).

use super::{Finding, Kind};
use crate::capture::{Captured, Part};
use crate::iptables::parse::Variant;

/// Whether more than one variant has rules of kube-proxy, or may have.
pub(super) fn variants(capture: &Captured) -> Option<Finding> {
    // Without a header, rules are of the variant whose tool warns about the other.
    let with_rules = |variant| {
        let is_of = |part: &&Part| {
            part.ruleset.as_iptables().is_some() && part.variant.unwrap_or(Variant::Nft) == variant
        };
        capture.parts.iter().filter(is_of).any(|part| part.ruleset.has_kube_proxys_rules())
    };
    let help = "keep one variant: compare iptables-legacy-save with iptables-nft-save, and flush the one that \
                kube-proxy does not use";
    // Tables that the tool warns about, and that are in no other text of the capture.
    let is_hidden = capture.legacy_tables_present
        && !capture.parts.iter().any(|part| part.variant == Some(Variant::Legacy));
    let message = match (with_rules(Variant::Nft), with_rules(Variant::Legacy)) {
        (true, true) => {
            format!("kube-proxy's rules are in both variants of iptables, nft and legacy: {help}")
        }
        (false, true) if capture.legacy_tables_present => {
            format!(
                "kube-proxy's rules are in the legacy variant of iptables, of which iptables-save warns: {help}"
            )
        }
        (true, false) if is_hidden => {
            format!(
                "iptables-save warns of tables of the legacy variant: packets meet those too, and this capture does not \
                 hold them; {help}"
            )
        }
        (false, false) if is_hidden => format!(
            "this capture has no rules of kube-proxy, and iptables-save warns of tables of the legacy variant: \
             kube-proxy's rules are likely there; capture them with iptables-legacy-save; {help}"
        ),
        _ => return None,
    };
    Some(Finding::general(Kind::LegacyMix, message))
}
