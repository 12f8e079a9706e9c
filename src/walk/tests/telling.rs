//! When only the steps of the first outcomes are recorded, they are the same as when those of all are.

use crate::cluster::Cluster;
use crate::input;
use crate::net::Family;
use crate::node::{NodePlan, NodeRules};
use crate::settings::{ProxyMode, Settings};
use crate::testing::corpus;
use crate::walk::{Outcome, Packet, Step, Walker};

/// How many outcomes have their steps recorded.
const MOST: usize = 3;

/// The steps of the first outcomes, and all outcomes without their steps.
fn apart(mut outcomes: Vec<Outcome<'_>>) -> (Vec<Vec<Step<'_>>>, Vec<Outcome<'_>>) {
    let steps: Vec<_> = outcomes.iter_mut().map(|outcome| std::mem::take(&mut outcome.steps)).collect();
    (steps.into_iter().take(MOST).collect(), outcomes)
}

/// How many packets to the Services of a node have more outcomes than that.
fn judge(rules: &NodeRules<'_>) -> usize {
    let (walker, mut many) = (Walker::of(rules), 0);
    let ports = rules.plan.iter().flat_map(|plan| plan.service_ports()).map(|port| port.service_port());
    for port in ports {
        let protocol = port.name.protocol();
        let to = (port.cluster_ip, port.port.get()).into();
        let sources = port.endpoints.iter().map(|endpoint| endpoint.ip).take(2);
        let packets = sources.map(|ip| Packet::plain(protocol, ip, to, rules.host.client_kind(ip)));
        for packet in packets.chain([Packet::from_node(&rules.host, protocol, to)]) {
            let (steps, outcomes) = apart(walker.walk(&packet).unwrap());
            for count in 1..=MOST {
                let (told, same) = apart(walker.walk_telling(&packet, count).unwrap());
                let both = told.iter().zip(&steps).take(count);
                assert!(both.into_iter().all(|(told, step)| told == step), "{packet:?}");
                // Not `assert_eq`: a step in words has its whole table.
                assert!(same == outcomes, "{packet:?}");
                many += usize::from(outcomes.len() > count);
            }
        }
    }
    many
}

#[test]
fn the_steps_of_some_are_those_that_are_told_with_all() {
    let mut many = 0;
    for path in corpus("cluster.yaml", 10) {
        let text = std::fs::read_to_string(&path).unwrap();
        let (snapshot, _) = input::read_text("cluster.yaml", &text).unwrap();
        for mode in [ProxyMode::Iptables, ProxyMode::Nftables] {
            let settings = Settings::newest(mode);
            let Ok((cluster, _)) = Cluster::build(&snapshot, &settings) else { continue };
            let Some(node) = cluster.nodes.first() else { continue };
            for family in Family::ALL {
                let plan = NodePlan::new(&cluster, &settings, &snapshot.sources, node, family);
                many += plan.map_or(0, |(plan, _)| judge(&plan.compile()));
            }
        }
    }
    assert!(many > 100, "{many}");
}
