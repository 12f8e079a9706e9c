//! What Services there are and what is wrong: a line for each, with what its clients get.
//!
//! The results are the walk's, for each kind of client at each of the Service's addresses, on every kind of node. What
//! a Service port does on a node depends on its own endpoints there, on hints for the node or its zone, and on the
//! node's addresses; so nodes without an endpoint of it that are otherwise alike are looked at only once, and rules are
//! compiled only for the Service ports that the packet can meet ([`around`](crate::question::around)). 10,000 Services
//! with 4 endpoints each on 5,000 nodes take five seconds on one core.

mod ask;
pub mod json;
mod kinds;
pub mod markdown;
mod row;
pub mod text;

use std::net::{IpAddr, SocketAddr};

use crate::cluster::{Cluster, Node};
use crate::input::Snapshot;
use crate::net::Protocol;
use crate::parallel;
use crate::question::around::Index;
use crate::settings::Settings;
use crate::style::Tone;

/// Every Service, with what its clients get.
#[derive(Debug)]
pub struct Report {
    /// The node in question, if it is only one.
    pub node: Option<String>,
    /// How many nodes were looked at.
    pub nodes: usize,
    /// `iptables` or `nftables`
    pub mode: &'static str,
    /// The release of kube-proxy.
    pub release: String,
    /// In the order of their names.
    pub services: Vec<Row>,
    /// Number of Services that are left out because nothing is wrong with them.
    pub fine: usize,
}

/// One Service.
#[derive(Debug, Clone)]
pub struct Row {
    /// `namespace/name`
    pub service: String,
    /// `spec.type`, `headless` for those without a cluster IP.
    pub kind: String,
    /// Cluster IPs, load-balancer IPs, external IPs.
    pub addresses: Vec<String>,
    /// `80/TCP`, with its node port `80:30080/TCP`.
    pub ports: Vec<String>,
    /// Number of ready endpoints and of all endpoints; for the port with the fewest ready ones.
    pub ready: (usize, usize),
    /// What Pods get at the cluster IP.
    pub pods: Cell,
    /// What nodes get at the cluster IP.
    pub from_nodes: Cell,
    /// What clients outside get at load-balancer IPs, external IPs and node ports.
    pub outside: Cell,
    /// What is wrong, each in a few words.
    pub problems: Vec<String>,
    /// What else to know, in a few words.
    pub notes: Vec<String>,
}

/// What one kind of client gets.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// The packets that were followed, on a node of each kind.
    pub probes: Vec<Probe>,
}

/// A packet that was followed.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The node that was asked.
    pub node: String,
    /// On how many nodes the answer is the same.
    pub count: usize,
    /// The source.
    pub from: IpAddr,
    /// The destination; for a node port, that of the node that was looked at.
    pub to: SocketAddr,
    /// The same destination on every node: for a node port only its number.
    pub way: String,
    /// The protocol.
    pub protocol: Protocol,
    /// What happens.
    pub outcome: Outcome,
}

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It reaches an endpoint.
    Works,
    /// It is refused.
    Refused,
    /// It hears nothing.
    TimesOut,
    /// No Service takes it.
    NotServicePort,
    /// Some connections have one outcome, some another.
    Mixed,
}

impl Outcome {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Works => "works",
            Outcome::Refused => "refused",
            Outcome::TimesOut => "times out",
            Outcome::NotServicePort => "not a Service port",
            Outcome::Mixed => "works in part",
        }
    }
}

impl Cell {
    /// The result in a word or two: one outcome, or on how many nodes or ports it works.
    pub fn words(&self) -> String {
        let Some(first) = self.probes.first() else { return "-".to_owned() };
        if self.probes.iter().all(|probe| probe.outcome == first.outcome) {
            return first.outcome.words().to_owned();
        }
        let ways = self.ways();
        let works: Vec<(usize, usize)> = ways.iter().map(|way| self.works_on(way)).collect();
        match works.first() {
            Some((some, all)) if works.iter().all(|counts| counts == &(*some, *all)) && some < all => {
                format!("{some} of {all} nodes")
            }
            _ => {
                let good = works.iter().filter(|(some, all)| some == all).count();
                format!("{good} of {} ports", ways.len())
            }
        }
    }

    /// The colour of the words.
    pub fn tone(&self) -> Option<Tone> {
        let works = self.probes.iter().filter(|probe| probe.outcome == Outcome::Works).count();
        match works {
            _ if self.probes.is_empty() => None,
            0 => Some(Tone::Bad),
            all if all == self.probes.len() => Some(Tone::Good),
            _ => Some(Tone::Mixed),
        }
    }

    /// Whether it works in all cases.
    pub fn is_fine(&self) -> bool {
        self.probes.iter().all(|probe| probe.outcome == Outcome::Works)
    }

    fn ways(&self) -> Vec<&str> {
        let mut ways: Vec<&str> = self.probes.iter().map(|probe| probe.way.as_str()).collect();
        ways.sort_unstable();
        ways.dedup();
        ways
    }

    /// On how many of all nodes a way works.
    fn works_on(&self, way: &str) -> (usize, usize) {
        let its = || self.probes.iter().filter(|probe| probe.way == way);
        let works = its().filter(|probe| probe.outcome == Outcome::Works);
        (works.map(|probe| probe.count).sum(), its().map(|probe| probe.count).sum())
    }
}

/// Looks at every Service of a cluster, on some nodes.
pub fn look(snapshot: &Snapshot, cluster: &Cluster, settings: &Settings, nodes: &[Node]) -> Report {
    let index = Index::of(cluster);
    let kinds = kinds::NodeKinds::of(nodes, settings, cluster);
    let context = row::Context { settings, nodes, kinds: &kinds, index: &index };
    let mut services: Vec<_> = snapshot.services.iter().map(|located| &located.object).collect();
    services.sort_by_key(|service| (service.metadata.namespace.clone(), service.metadata.name.clone()));
    services.dedup_by_key(|service| (service.metadata.namespace.clone(), service.metadata.name.clone()));
    let by_service = row::by_service(cluster);
    Report {
        node: None,
        nodes: nodes.len(),
        mode: settings.mode.name(),
        release: settings.release.to_string(),
        services: parallel::each(&services, |service| context.row(service, &by_service)),
        fine: 0,
    }
}

impl Report {
    /// Leaves out Services without problems.
    pub fn only_problems(&mut self) {
        let before = self.services.len();
        self.services.retain(|row| !row.problems.is_empty());
        self.fine = before - self.services.len();
    }

    /// `14 Services on 3 nodes, 4 with problems (mode iptables, kube-proxy 1.37)`
    pub fn summary(&self) -> String {
        let count = self.services.len() + self.fine;
        let wrong = self.services.iter().filter(|row| !row.problems.is_empty()).count();
        let services = if count == 1 { "Service" } else { "Services" };
        let nodes = match (&self.node, self.nodes) {
            (Some(node), _) => format!("node {node}"),
            (None, 1) => "1 node".to_owned(),
            (None, nodes) => format!("{nodes} nodes"),
        };
        let problems = match wrong {
            0 => "none with problems".to_owned(),
            1 => "1 with a problem".to_owned(),
            more => format!("{more} with problems"),
        };
        format!("{count} {services} on {nodes}, {problems} (mode {}, kube-proxy {})", self.mode, self.release)
    }
}
