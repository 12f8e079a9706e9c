//! Whether kube-proxy's part of what a node has is right line for line: then no packet has to be followed to know that all have
//! the outcome that they should have.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::Pair;
use super::arrange::in_place;
use crate::iptables::ruleset as ipt;
use crate::net::{Port, Protocol};
use crate::nftables::ruleset as nft;
use crate::ruleset::Ruleset;

/// Whether nothing of kube-proxy's is missing, nothing is otherwise, and nothing of what is gone is left.
pub(super) fn is_right(pair: Pair<'_>) -> bool {
    match (&pair.expected.ruleset, &pair.captured.ruleset) {
        (Ruleset::Iptables(expected), Ruleset::Iptables(captured)) => {
            let is_told_once =
                |table: &&ipt::Table| captured.tables.iter().filter(|t| t.name == table.name).count() == 1;
            let is_right = |own: &ipt::Table| {
                captured.table(own.name).is_some_and(|found| are_right(&own.chains, &found.chains))
            };
            let is_known = |found: &&ipt::Table| expected.table(found.name).is_some();
            let mut others = captured.tables.iter().filter(|found| !is_known(found));
            captured.tables.iter().all(|table| is_told_once(&table))
                && expected.tables.iter().all(is_right)
                && others.all(|table| table.chains.iter().all(is_foreign))
        }
        (Ruleset::Nftables(expected, _), Ruleset::Nftables(captured, _)) => {
            let found = |own: &nft::Table| {
                let mut like =
                    captured.tables.iter().filter(|t| t.family == own.family && t.name == own.name);
                like.next().filter(|_| like.next().is_none())
            };
            expected.tables.iter().all(|own| found(own).is_some_and(|found| is_right_table(own, found)))
        }
        _ => false,
    }
}

/// Whether nothing is said of a chain that kube-proxy's rules do not have: it is foreign, or kube-proxy's canary, which no packet
/// meets.
fn is_foreign(chain: &ipt::Chain) -> bool {
    let is_canary = || chain.name.as_str().ends_with("-CANARY") && chain.rules.is_empty();
    chain.owner != ipt::Owner::KubeProxy || is_canary()
}

fn are_right(expected: &[ipt::Chain], captured: &[ipt::Chain]) -> bool {
    let own: HashSet<ipt::ChainName> = expected.iter().map(|chain| chain.name).collect();
    let found: HashMap<ipt::ChainName, &ipt::Chain> =
        captured.iter().map(|chain| (chain.name, chain)).collect();
    let is_right = |chain: &ipt::Chain| match (found.get(&chain.name), chain.owner) {
        (None, _) => false,
        (Some(found), ipt::Owner::Kernel) => in_place(&chain.rules, &found.rules) == found.rules,
        // The kubelet may have put a rule there.
        (Some(_), ipt::Owner::Kubelet) if chain.rules.is_empty() => true,
        (Some(found), _) => *found == chain || is_dispatched_alike(chain, found),
    };
    // Of two chains of one name it would not be known which is meant.
    found.len() == captured.len()
        && expected.iter().all(is_right)
        && captured.iter().all(|chain| own.contains(&chain.name) || is_foreign(chain))
}

/// Whether chains differ only in the order of rules of which no packet meets two: kube-proxy writes those that dispatch to Services
/// in any order. What stands between other rules stays between them, and rules for the same packets stay in order.
fn is_dispatched_alike(expected: &ipt::Chain, found: &ipt::Chain) -> bool {
    let others = |chain: &ipt::Chain| (chain.name, chain.policy, chain.owner);
    expected.rules.len() == found.rules.len()
        && others(expected) == others(found)
        && groups(&expected.rules) == groups(&found.rules)
}

/// The one destination that a rule is for: an address where it names one, a protocol, a port.
type Destination = (Option<IpAddr>, Protocol, Port);

/// Rules in order, those next to one another sorted by their destinations, as long as all name an address or none does.
fn groups(rules: &[ipt::PlacedRule]) -> Vec<(Option<Destination>, &ipt::Rule)> {
    let mut keyed: Vec<(Option<Destination>, &ipt::Rule)> =
        rules.iter().map(|placed| (destination(&placed.rule), &placed.rule)).collect();
    let is_together = |a: &(Option<Destination>, &ipt::Rule), b: &(Option<Destination>, &ipt::Rule)| {
        let names_address = |key: &Option<Destination>| key.map(|(address, ..)| address.is_some());
        a.0.is_some() && names_address(&a.0) == names_address(&b.0)
    };
    for group in keyed.chunk_by_mut(is_together) {
        group.sort_by_key(|(key, _)| *key);
    }
    keyed
}

fn destination(rule: &ipt::Rule) -> Option<Destination> {
    let address = match &rule.destination {
        Some(asked) if asked.negated || !asked.net.is_host() => return None,
        asked => asked.as_ref().map(|asked| asked.net.network()),
    };
    rule.matches.iter().find_map(|asked| match asked {
        ipt::Match::Transport { protocol, destination_port: Some(port) } => Some((address, *protocol, *port)),
        _ => None,
    })
}

/// Whether a table is the same but for the order of its objects and for what they counted.
fn is_right_table(own: &nft::Table, found: &nft::Table) -> bool {
    let chains: HashMap<&str, &nft::Chain> =
        found.chains.iter().map(|chain| (chain.name.as_str(), chain)).collect();
    let sets: HashMap<&str, &nft::Set> = found.sets.iter().map(|set| (set.name.as_str(), set)).collect();
    let has_chain = |own: &nft::Chain| {
        let found = chains.get(own.name.as_str());
        found.is_some_and(|found| (&found.base, &found.rules) == (&own.base, &own.rules))
    };
    let has_set = |own: &nft::Set| sets.get(own.name.as_str()).is_some_and(|found| is_same_set(own, found));
    let counts = [(found.chains.len(), own.chains.len()), (found.sets.len(), own.sets.len())];
    (chains.len(), sets.len()) == (found.chains.len(), found.sets.len())
        && counts.iter().all(|(found, own)| found == own)
        && found.opaque == own.opaque
        && own.chains.iter().all(has_chain)
        && own.sets.iter().all(has_set)
}

fn is_same_set(own: &nft::Set, found: &nft::Set) -> bool {
    let properties =
        |set: &nft::Set| (set.key.clone(), set.maps_to.clone(), set.flags.clone(), set.timeout_seconds);
    let sorted = |set: &nft::Set| {
        let mut texts: Vec<String> = set.elements.iter().map(ToString::to_string).collect();
        texts.sort_unstable();
        texts
    };
    properties(own) == properties(found)
        && own.elements.len() == found.elements.len()
        && (own.elements == found.elements || sorted(own) == sorted(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iptables::parse::parse;
    use crate::net::Family;

    fn chain(rules: &[&str]) -> ipt::Chain {
        let rules: String = rules.iter().map(|rule| format!("-A KUBE-SERVICES {rule}\n")).collect();
        let text = format!("*nat\n:KUBE-SERVICES - [0:0]\n:A - [0:0]\n:B - [0:0]\n{rules}COMMIT\n");
        let read = parse(&text, Some(Family::Ipv4)).unwrap().parts.remove(0).ruleset;
        read.tables[0].chain("KUBE-SERVICES").unwrap().clone()
    }

    #[test]
    fn rules_for_other_destinations_may_change_places() {
        let a = "-d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j A";
        let b = "-d 10.96.0.2/32 -p tcp -m tcp --dport 80 -j B";
        let again = "-d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j B";
        let port = "-p tcp -m tcp --dport 80 -j B";
        let last = "-m addrtype --dst-type LOCAL -j B";
        let is_alike = |one: &[&str], other: &[&str]| is_dispatched_alike(&chain(one), &chain(other));
        assert!(is_alike(&[a, b, last], &[b, a, last]));
        assert!(is_alike(&[a, again, b], &[b, a, again]));
        assert!(!is_alike(&[a, b, last], &[a, last, b]));
        assert!(!is_alike(&[a, again], &[again, a]));
        assert!(!is_alike(&[a, port], &[port, a]));
        assert!(!is_alike(&[a, b], &[a, a]));
        assert!(!is_alike(&[a, b], &[a]));
    }
}
