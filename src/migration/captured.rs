//! What rules of a node show before a change of mode: rules of others that depend on kube-proxy's names and marks, a
//! firewall through which iptables mode makes holes, leftovers of an earlier mode.

use crate::capture::Captured;
use crate::compare::pre_flight::{Check, PreFlight, Readiness};
use crate::compare::subject::{Attribution, Subject};
use crate::node::{Host, NodeRules};
use crate::ruleset::Ruleset;
use crate::ruleset::listing::{Line, Place};
use crate::settings::ProxyMode;

use super::one;

/// Marks that kube-proxy and the kubelet set unless configured otherwise (masqueradeBit 14; KUBE-MARK-DROP, bit 15).
const MARKS: [&str; 2] = ["0x4000", "0x8000"];

pub(super) fn checks(captured: &[(String, Captured)], from: ProxyMode, to: ProxyMode) -> Vec<PreFlight> {
    if captured.is_empty() {
        let remedy = "give --captured with the output of iptables-save, or of nft list ruleset, of a node of each kind";
        let found = "no rules of a node were given";
        return vec![
            one(Check::ForeignRules, Readiness::NotKnown, found, remedy),
            one(Check::Leftovers, Readiness::NotKnown, found, remedy),
        ];
    }
    vec![foreign(captured), leftovers(captured, from, to), forward_policy(captured)]
        .into_iter()
        .flatten()
        .collect()
}

/// Rules of others that use kube-proxy's chains or marks.
fn foreign(captured: &[(String, Captured)]) -> Option<PreFlight> {
    let mut found: Vec<String> = Vec::new();
    for (name, capture) in captured {
        for part in &capture.parts {
            let rules = NodeRules::new(part.ruleset.clone(), Host::default());
            let attribution = Attribution::new(&rules);
            for place in rules.ruleset.places() {
                let lines = place.lines();
                let foreign =
                    lines.iter().filter(|line| attribution.subject(&place, line) == Subject::Foreign);
                found.extend(foreign.map(Line::text).filter(|text| leans(text)).map(|text| {
                    let where_ = in_words(&place);
                    format!("{name}, {where_}: {text}")
                }));
            }
        }
    }
    found.dedup();
    let Some(first) = found.first() else {
        let found = "no rule of others uses kube-proxy's chains or marks";
        return Some(one(Check::ForeignRules, Readiness::Fine, found, ""));
    };
    let count = if found.len() == 1 { "1 rule".to_owned() } else { format!("{} rules", found.len()) };
    let words = format!("{count} of others use kube-proxy's chains or marks, such as {first}");
    let remedy =
        "these chains are gone in the other mode, and nobody sets these marks: change these rules first";
    Some(one(Check::ForeignRules, Readiness::Look, words, remedy))
}

fn leans(text: &str) -> bool {
    let names =
        text.contains("KUBE-") && !text.contains("KUBE-IPTABLES-HINT") && !text.contains("KUBE-KUBELET");
    let is_mark = text.contains("mark");
    names || (is_mark && MARKS.iter().any(|mark| text.contains(mark) || text.contains(&long(mark))))
}

/// The same with all its digits, as nft prints it.
fn long(mark: &str) -> String {
    format!("0x{:0>8}", mark.trim_start_matches("0x"))
}

fn in_words(place: &Place<'_>) -> String {
    format!("{} {}", place.table(), place.name())
}

/// Rules of the new mode, from an earlier try, or of the one that is not in use.
fn leftovers(captured: &[(String, Captured)], from: ProxyMode, to: ProxyMode) -> Option<PreFlight> {
    let mut found: Vec<String> = Vec::new();
    for (name, capture) in captured {
        let has = |mode: ProxyMode| capture.parts.iter().any(|part| has_rules(&part.ruleset, mode));
        let beside = capture.incompatible_tables.iter().any(|table| table == crate::nftables::TABLE);
        let of_new = has(to) || (to == ProxyMode::Nftables && beside);
        if of_new {
            found.push(format!("{name} has rules of {} mode already", to.name()));
        }
        if !has(from) && !of_new {
            found.push(format!("{name} has no rules of {} mode", from.name()));
        }
    }
    Some(match found.is_empty() {
        true => one(Check::Leftovers, Readiness::Fine, format!("only {} mode has rules", from.name()), ""),
        false => one(
            Check::Leftovers,
            Readiness::Look,
            found.join("; "),
            "check which mode kube-proxy is in there; kube-proxy --cleanup takes leftovers away",
        ),
    })
}

/// Whether a ruleset, in whatever language it was printed, has kube-proxy's rules of a mode.
fn has_rules(ruleset: &Ruleset, mode: ProxyMode) -> bool {
    ruleset.places().iter().any(|place| match mode {
        ProxyMode::Nftables => place.table().ends_with("kube-proxy"),
        _ => place.name().starts_with("KUBE-SERVICES") && !place.lines().is_empty(),
    })
}

/// A firewall that drops what is not accepted: in iptables mode kube-proxy's KUBE-FORWARD accepts packets to Services.
fn forward_policy(captured: &[(String, Captured)]) -> Option<PreFlight> {
    let drops = |ruleset: &Ruleset| match ruleset {
        Ruleset::Iptables(rules) => rules.tables.iter().flat_map(|table| &table.chains).any(|chain| {
            chain.policy == Some(crate::iptables::ruleset::Policy::Drop) && chain.name.as_str() == "FORWARD"
        }),
        Ruleset::Nftables(rules, _) => rules.tables.iter().flat_map(|table| &table.chains).any(|chain| {
            chain.name == "FORWARD" && chain.base.as_ref().is_some_and(|base| base.drops_by_default)
        }),
    };
    let of: Vec<&str> = captured
        .iter()
        .filter(|(_, capture)| capture.parts.iter().any(|part| drops(&part.ruleset)))
        .map(|(name, _)| name.as_str())
        .collect();
    (!of.is_empty()).then(|| {
        one(
            Check::ForwardPolicy,
            Readiness::Look,
            format!("the policy of FORWARD is DROP ({})", of.join(", ")),
            "iptables mode accepts forwarded traffic of Services in KUBE-FORWARD, nftables mode accepts nothing: let the firewall accept it itself (docs/modes/firewall-holes.md)",
        )
    })
}
