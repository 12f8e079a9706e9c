//! The order of rules in the chains that all Services share. kube-proxy writes them in the order of its map of
//! Services, which is different on every node and after every restart, so a node never has them in the expected order.
//!
//! Two rules can change places if no packet matches both: packets do not notice. That is so for rules with different
//! ports or protocols, or with different single addresses; for all others the order counts. So a chain is cut into
//! strands of rules that can match one packet, between the rules that any packet can match, and two chains do the same
//! if their strands are equal: only the rules of its own strands match a packet, in the same order. Neither address nor
//! port of a packet changes within the chain: a translation ends it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::iptables::ruleset::{Match, Rule};
use crate::net::{Port, Protocol};

/// Chains in which kube-proxy's own order of Services is random.
pub(super) const DISPATCH: [&str; 4] =
    ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"];

/// A protocol and destination port.
type Asked = (Protocol, Port);

/// Rules that can match the same packet, by how many rules that match any packet come before them.
#[derive(PartialEq, Eq, Hash)]
enum Strand {
    /// A rule that can match any packet.
    Any(usize),
    /// A rule for one port, whatever the address.
    Port(usize, Asked),
    /// A rule for one port of one address.
    Socket(usize, Asked, IpAddr),
}

/// Whether two chains hold the same rules, in orders that no packet can tell apart.
pub(super) fn do_the_same<'r>(
    expected: impl Iterator<Item = &'r Rule> + Clone,
    found: impl Iterator<Item = &'r Rule> + Clone,
) -> bool {
    expected.clone().eq(found.clone()) || strands(expected) == strands(found)
}

fn strands<'r>(rules: impl Iterator<Item = &'r Rule> + Clone) -> HashMap<Strand, Vec<&'r Rule>> {
    let of_any_address: HashSet<Asked> =
        rules.clone().filter(|rule| address(rule).is_none()).filter_map(asked).collect();
    let (mut strands, mut passed): (HashMap<Strand, Vec<&'r Rule>>, usize) = (HashMap::new(), 0);
    for rule in rules {
        let strand = match (asked(rule), address(rule)) {
            (Some(asked), Some(ip)) if !of_any_address.contains(&asked) => Strand::Socket(passed, asked, ip),
            (Some(asked), _) => Strand::Port(passed, asked),
            (None, _) => {
                passed += 1;
                Strand::Any(passed)
            }
        };
        strands.entry(strand).or_default().push(rule);
    }
    strands
}

/// The single address that a rule matches on.
fn address(rule: &Rule) -> Option<IpAddr> {
    let destination = rule.destination.as_ref().filter(|asked| !asked.negated && asked.net.is_host());
    destination.map(|asked| asked.net.network())
}

/// The single port that a rule matches on.
fn asked(rule: &Rule) -> Option<Asked> {
    rule.matches.iter().find_map(|asked| match asked {
        Match::Transport { protocol, destination_port: Some(port) } => Some((*protocol, *port)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iptables::parse::parse;
    use crate::iptables::ruleset as ipt;
    use crate::net::Family;

    fn rules(lines: &[&str]) -> Vec<Rule> {
        let text: String = lines.iter().map(|line| format!("-A KUBE-SERVICES {line}\n")).collect();
        let text = format!("*nat\n:KUBE-SERVICES - [0:0]\n:A - [0:0]\n:B - [0:0]\n{text}COMMIT\n");
        let ruleset = parse(&text, Some(Family::Ipv4)).unwrap().parts.remove(0).ruleset;
        let chain = ruleset.table(ipt::TableName::Nat).unwrap().chain("KUBE-SERVICES").unwrap();
        chain.rules.iter().map(|placed| placed.rule.clone()).collect()
    }

    #[test]
    fn only_rules_that_no_packet_matches_both_of_change_places() {
        let (one, other) = (
            "-d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j A",
            "-d 10.96.0.2/32 -p tcp -m tcp --dport 80 -j B",
        );
        let port = "-p tcp -m tcp --dport 80 -j B";
        let last = "-m addrtype --dst-type LOCAL -j B";
        let cases: [(&[&str], bool); 7] = [
            (&[one, other], true),
            (&[one, "-d 10.96.0.1/32 -p tcp -m tcp --dport 81 -j B"], true),
            (&[one, "-d 10.96.0.1/32 -p udp -m udp --dport 80 -j B"], true),
            (&[one, "-d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j B"], false),
            (&[one, "-d 10.96.0.0/24 -p tcp -m tcp --dport 80 -j B"], false),
            (&[one, port], false),
            (&[one, last], false),
        ];
        for (lines, same) in cases {
            let (forth, back) = (rules(lines), rules(&lines.iter().rev().copied().collect::<Vec<_>>()));
            assert_eq!(do_the_same(forth.iter(), back.iter()), same, "{lines:?}");
            assert!(do_the_same(forth.iter(), forth.iter()));
            assert!(!do_the_same(forth.iter(), forth.iter().take(1)));
        }
        let again = "-d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j B";
        assert!(do_the_same(rules(&[one, other, last]).iter(), rules(&[other, one, last]).iter()));
        assert!(do_the_same(rules(&[one, again, other]).iter(), rules(&[other, one, again]).iter()));
        assert!(!do_the_same(rules(&[one, other, last]).iter(), rules(&[one, last, other]).iter()));
        // A rule between two that change places keeps them where they are if it could match packets of both.
        assert!(!do_the_same(rules(&[one, last, other]).iter(), rules(&[other, last, one]).iter()));
        assert!(!do_the_same(rules(&[one, port, other]).iter(), rules(&[other, port, one]).iter()));
    }
}
