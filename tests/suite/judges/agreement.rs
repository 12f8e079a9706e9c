//! `diff`, `check` and `trace` say the same about what happens, and `check` also why, on the clusters of the corpus: a
//! node has the rules from before the endpoints of one Service went away. (`explain` and `trace`: see `explain_trace`.)

use std::collections::BTreeSet;

use kuberules::cluster::Cluster;
use kuberules::compare::check::{Found, check};
use kuberules::compare::node::{self, Level};
use kuberules::compare::traffic::Flow;
use kuberules::input::{Snapshot, read_text};
use kuberules::net::{Family, Protocol};
use kuberules::node::{NodePlan, NodeRules};
use kuberules::settings::{Configuration, HostFacts, Origin, Release, Settings};
use kuberules::walk::{Outcome, Packet, Verdict, Walker};

use crate::support::scope::share_by_hand;
use crate::support::{Case, cases, in_parallel};

#[test]
fn diff_check_and_trace_agree() {
    let all: Vec<Case> = ["iptables", "nftables"].into_iter().flat_map(cases).collect();
    let all = share_by_hand("judges::agreement", 120, 3, all);
    let tallies = in_parallel(&all, judge);
    let (services, flows) = tallies.iter().fold((0, 0), |(s, f), tally| (s + tally.0, f + tally.1));
    eprintln!("{} nodes, {services} Services without their endpoints, {flows} flows", all.len());
    assert!(services > all.len() && flows > services, "{services} Services, {flows} flows");
}

fn settings(case: &Case) -> Settings {
    let config = case.folder.join(format!("kube-proxy.{}.json", case.mode));
    let text = std::fs::read_to_string(config).unwrap();
    let (mut configuration, _) = Configuration::read(&text, Origin::file("kube-proxy.json")).unwrap();
    configuration.feature_gates.insert("NFTablesProxyMode".to_owned(), true);
    let release: Release = case.version.parse().unwrap();
    let host = HostFacts {
        addresses: case.host_ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        ..HostFacts::default()
    };
    Settings::resolve(&configuration, release, host, Some(Family::ALL.to_vec())).unwrap().0
}

/// How many Services lost their endpoints, and how many flows were looked at.
fn judge(case: &Case) -> (usize, usize) {
    let (settings, text) = (settings(case), std::fs::read_to_string(&case.cluster).unwrap());
    let (before, _) = read_text("cluster", text).unwrap();
    let mode = settings.mode;
    let old = Cluster::build(&before, &settings).unwrap().0;
    let mut tally = (0, 0);
    for service in services(&before).into_iter().take(3) {
        let mut after = before.clone();
        after.endpoint_slices.retain(|slice| {
            service_of(slice.object.metadata.label(LABEL), &slice.object.metadata.namespace) != service
        });
        let new = Cluster::build(&after, &settings).unwrap().0;
        for family in Family::ALL {
            let rules =
                |cluster| plan(cluster, &settings, &before, &case.node, family).map(NodePlan::compile);
            let (Some(is), Some(should)) = (rules(&old), rules(&new)) else { continue };
            let is = NodeRules::new(is.ruleset, should.host.clone());
            tally.1 +=
                agree(&should, &is, &service, &format!("{} {} {family} {service}", case.name(), mode.name()));
        }
        tally.0 += 1;
    }
    tally
}

const LABEL: &str = "kubernetes.io/service-name";

fn service_of(label: Option<&str>, namespace: &str) -> String {
    format!("{namespace}/{}", label.unwrap_or_default())
}

/// Services that have slices.
fn services(snapshot: &Snapshot) -> BTreeSet<String> {
    let metadata = snapshot.endpoint_slices.iter().map(|slice| &slice.object.metadata);
    metadata.map(|metadata| service_of(metadata.label(LABEL), &metadata.namespace)).collect()
}

fn plan<'c>(
    cluster: &'c Cluster,
    settings: &Settings,
    snapshot: &Snapshot,
    node: &str,
    family: Family,
) -> Option<NodePlan<'c>> {
    let node = cluster.node(node)?;
    NodePlan::new(cluster, settings, &snapshot.sources, node, family).ok().map(|(plan, _)| plan)
}

/// What a flow says, whichever finding is to blame for it.
fn said(flow: &Flow) -> Vec<(String, String, String)> {
    flow.to.iter().map(|to| (to.clone(), flow.before.clone(), flow.after.clone())).collect()
}

fn agree(should: &NodeRules<'_>, is: &NodeRules<'_>, service: &str, case: &str) -> usize {
    let (change, _) = node::family(should, is, Level::Traffic);
    let traffic = change.traffic.unwrap();
    assert!(traffic.unknown.is_empty(), "{case}");
    let found = check(should, is);
    let by_diff: BTreeSet<_> = traffic.flows.iter().flat_map(|flow| said(flow)).collect();
    let by_check: BTreeSet<_> = found.findings.iter().flat_map(|f| &f.traffic).flat_map(said).collect();
    assert_eq!(by_diff, by_check, "{case}: diff and check differ");
    blames(&found, service, case);
    let walkers = (Walker::of(should), Walker::of(is));
    for flow in &traffic.flows {
        traces(&walkers.0, flow, &flow.before, case);
        traces(&walkers.1, flow, &flow.after, case);
    }
    traffic.flows.len()
}

/// Traffic of the Service is listed under a finding about it.
fn blames(found: &Found, service: &str, case: &str) {
    for finding in &found.findings {
        let of_service = finding.traffic.iter().any(|flow| flow.service.as_deref() == Some(service));
        // Whether clients are let through is decided in rules that every node has.
        let is_of_service = finding.service.as_deref() == Some(service) || finding.service.is_none();
        assert!(!of_service || is_of_service, "{case}: {finding:#?}");
        assert!(finding.kind.code() != "unexplained", "{case}: {finding:#?}");
    }
}

/// The walk of one of a flow's packets has the outcome in the words.
fn traces(walker: &Walker<'_>, flow: &Flow, words: &str, case: &str) {
    let (source, to) = (flow.source.parse().unwrap(), flow.destination.parse().unwrap());
    let of_protocol = |protocol: &Protocol| flow.to[0].contains(&protocol.to_string());
    let protocol = Protocol::ALL.into_iter().find(of_protocol).unwrap();
    let packet = Packet::new(walker.host(), protocol, source, to).unwrap();
    for outcome in walker.walk(&packet).unwrap().iter().filter(|outcome| outcome.given.is_empty()) {
        let word = word(outcome, &packet);
        let is_said = words.contains(&word) || words.contains(" more");
        assert!(is_said, "{case}: {packet:?} {word:?} is not in {words:?} of {flow:?}");
    }
}

fn word(outcome: &Outcome<'_>, packet: &Packet) -> String {
    match outcome.verdict {
        Verdict::Accept if outcome.destination == packet.destination => {
            let own = packet.destination.ip().is_loopback() || outcome.delivered_locally;
            if own { "answered by the node itself".to_owned() } else { "not a Service port".to_owned() }
        }
        Verdict::Accept => outcome.destination.to_string(),
        Verdict::Drop => "times out".to_owned(),
        Verdict::Reject(_) => "refused".to_owned(),
    }
}
