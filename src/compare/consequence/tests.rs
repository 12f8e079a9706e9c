//! What is said about Services agrees with the walk: on random clusters with one Service changed, for Pods, the node
//! and clients outside, at every address, before and after.

use std::collections::BTreeSet;

use super::{Cell, Client, Consequences, Effect, EntryKind, ServiceConsequence, ServiceOnNode};
use crate::compare::node::{Level, family};
use crate::compare::rules::Presence;
use crate::compare::traffic::ConnectionVerdict;
use crate::compare::unchanged::tests::{cluster, planned, read, settings};
use crate::net::Protocol;
use crate::node::NodeRules;
use crate::settings::release::RELEASES;
use crate::testing::scope::{part, share};
use crate::testing::seed;
use crate::walk::{Packet, Verdict, Walker};

/// Random rounds.
fn rounds(count: u64) -> Vec<u64> {
    let first = seed() * 1000;
    share("compare::consequence", 19, (first..first + count).collect())
}

/// What `trace` would say about a packet, in a word.
fn traced(rules: &NodeRules<'_>, cell: &Cell) -> ConnectionVerdict {
    let walker = Walker::of(rules);
    let Packet { protocol, source, destination, .. } = cell.packet.0;
    let packet = Packet::new(&rules.host, protocol, source, destination).unwrap();
    let outcomes = walker.walk(&packet).unwrap();
    let plan = rules.plan.as_ref().unwrap();
    let words = outcomes.iter().map(|outcome| match outcome.verdict {
        Verdict::Drop => ConnectionVerdict::TimesOut,
        Verdict::Reject(_) => ConnectionVerdict::Refused,
        Verdict::Accept if outcome.destination != destination => ConnectionVerdict::Works,
        Verdict::Accept if plan.listener(destination, Protocol::Tcp).is_some() => ConnectionVerdict::Works,
        Verdict::Accept if rules.host.is_local(destination.ip()) => ConnectionVerdict::NodeItself,
        Verdict::Accept => ConnectionVerdict::NotAServicePort,
    });
    let words: BTreeSet<ConnectionVerdict> = words.collect();
    match words.first() {
        Some(only) if words.len() == 1 => *only,
        _ => ConnectionVerdict::Mixed,
    }
}

/// What is said about a cell: whether its connections no longer work, and how they fail.
fn said(consequence: &ServiceConsequence, cell: &Cell) -> Option<ConnectionVerdict> {
    let is_about = |statement: &&super::Statement| {
        statement.service_ports.contains(&cell.service_port)
            && statement.entry_points.contains(&cell.entry)
            && statement.clients.contains(&cell.client)
            && (statement.effect == Effect::Works || statement.before == cell.before)
            && statement.after == cell.after
    };
    consequence.statements.iter().find(is_about).map(|statement| statement.after)
}

fn judge(old: &NodeRules<'_>, new: &NodeRules<'_>, case: &str) -> (usize, usize) {
    let (found, _) = family(old, new, Level::All);
    let mut cells = 0;
    let mut lost = 0;
    for one in &found.services {
        let consequence = told(one);
        for cell in &one.cells {
            assert_eq!(traced(old, cell), cell.before, "{case}: before, {cell:#?}");
            assert_eq!(traced(new, cell), cell.after, "{case}: after, {cell:#?}");
            cells += 1;
            if cell.before != cell.after {
                assert_eq!(said(&consequence, cell), Some(cell.after), "{case}: {cell:#?} {consequence:#?}");
            }
            lost += usize::from(cell.before.is_served() && !cell.after.is_served());
        }
        every_is_every(&consequence, one, case);
        let loses = one.cells.iter().any(|cell| cell.before.is_served() && !cell.after.is_served());
        assert_eq!(consequence.loses(), loses, "{case}: {consequence:#?}");
    }
    // What is lost only for certain addresses is among the kinds of connections.
    (cells, lost)
}

/// "Every connection" is only said if none works.
fn every_is_every(consequence: &ServiceConsequence, one: &ServiceOnNode, case: &str) {
    let all = consequence.statements.iter().filter(|s| s.all_fail || (s.every && s.effect.loses()));
    for statement in all {
        let ports = |cell: &&Cell| statement.service_ports.contains(&cell.service_port);
        let works =
            one.cells.iter().filter(ports).any(|cell| cell.before.is_served() && cell.after.is_served());
        assert!(!works, "{case}: {statement:#?}");
    }
}

fn told(one: &ServiceOnNode) -> ServiceConsequence {
    let mut gathered = Consequences::default();
    gathered.add(&["worker-1".to_owned()], vec![std::sync::Arc::new(one.clone())]);
    gathered.finish(|_| Presence::Both, &|_| false).remove(0)
}

#[test]
fn what_is_said_of_services_is_what_the_walk_says() {
    let (mut cells, mut lost) = (0, 0);
    for round in rounds(400) {
        let release = RELEASES[(round % RELEASES.len() as u64) as usize];
        let mode = if round % 2 == 0 { "iptables" } else { "nftables" };
        let settings = settings(mode, release, round % 5 == 0);
        let clusters =
            (read(&cluster(round, None), &settings), read(&cluster(round, Some(round % 7)), &settings));
        let (old, new) =
            (planned(&clusters.0, &settings).compile(), planned(&clusters.1, &settings).compile());
        let found = judge(&old, &new, &format!("round {round}, {mode} {release}"));
        cells += found.0;
        lost += found.1;
    }
    assert!(cells > part(500, 2) && lost > part(30, 2), "{cells} connections, {lost} lost");
}

#[test]
fn between_the_modes_too() {
    let mut cells = 0;
    for round in rounds(200) {
        let release = RELEASES[(round % RELEASES.len() as u64) as usize];
        let (iptables, nftables) =
            (settings("iptables", release, false), settings("nftables", release, false));
        let text = cluster(round, None);
        let clusters = (read(&text, &iptables), read(&text, &nftables));
        let (old, new) =
            (planned(&clusters.0, &iptables).compile(), planned(&clusters.1, &nftables).compile());
        cells += judge(&old, &new, &format!("round {round}, between the modes {release}")).0;
    }
    assert!(cells > part(200, 2), "{cells}");
}

#[test]
fn effects_are_ordered_by_what_they_cost() {
    let worst = [Effect::Refused, Effect::TimesOut, Effect::Closed, Effect::Unknown, Effect::LosesEndpoints];
    assert!(worst.is_sorted());
    assert!(Effect::Shares < Effect::New && Effect::New < Effect::Gone && Effect::Gone < Effect::OnlyRules);
    assert!(EntryKind::ClusterIp < EntryKind::NodePort && Client::PodsHere < Client::Outside);
}
