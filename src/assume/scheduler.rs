//! On which Node a Pod runs: what the scheduler's filters allow, and of that the Node with the fewest Pods of the same
//! workload, then the first by name. Scores, resources, volumes and spread constraints are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::nodes_of::NodeSlot;
use crate::input::api::{self, NodeTerm, PodTerm, Requirement, Scheduling, Taint, Text, Toleration};

/// Taints that every Pod of a DaemonSet tolerates (pkg/controller/daemon/util, AddOrUpdateDaemonPodTolerations), and
/// the one more that it tolerates in the host's network.
const DAEMON_TAINTS: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
const HOST_NETWORK_TAINT: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// A part of the cluster: the key of a Node label and its value.
type Domain = (Text, Text);

/// Parts of the cluster, by the key of the label.
#[derive(Default)]
struct Domains(BTreeMap<Text, BTreeSet<Text>>);

impl Domains {
    fn contain(&self, node: &NodeSlot) -> bool {
        self.0.iter().any(|(key, values)| node.label(key).is_some_and(|value| values.contains(value)))
    }
}

impl Extend<Domain> for Domains {
    fn extend<I: IntoIterator<Item = Domain>>(&mut self, domains: I) {
        domains.into_iter().for_each(|(key, value)| _ = self.0.entry(key).or_default().insert(value));
    }
}

/// The Nodes with what runs on them already.
pub(super) struct Scheduler<'n> {
    nodes: &'n [NodeSlot],
    /// Pods on each Node.
    pods: Vec<usize>,
    /// Protocol and number of taken ports on each Node.
    host_ports: Vec<BTreeSet<(Text, i64)>>,
    groups: Vec<Group>,
}

/// Pods of one workload, or a Pod that has none.
struct Group {
    namespace: Text,
    labels: Vec<(Text, Text)>,
    scheduling: Scheduling,
    /// Indices of the Nodes that they run on.
    nodes: BTreeSet<usize>,
}

impl<'n> Scheduler<'n> {
    pub(super) fn new(nodes: &'n [NodeSlot]) -> Scheduler<'n> {
        let host_ports = vec![BTreeSet::new(); nodes.len()];
        Scheduler { nodes, pods: vec![0; nodes.len()], host_ports, groups: Vec::new() }
    }

    /// The Node of a name.
    pub(super) fn node(&self, name: &str) -> Option<&'n NodeSlot> {
        let at = self.nodes.binary_search_by(|node| node.name.as_str().cmp(name)).ok()?;
        self.nodes.get(at)
    }

    /// Notes a Pod that has its Node already.
    pub(super) fn note(&mut self, pod: &api::Pod) {
        if let Ok(at) = self.nodes.binary_search_by(|node| node.name.cmp(&pod.node_name)) {
            let mut group = Group::of(pod);
            self.occupy(at, &mut group);
            self.groups.push(group);
        }
    }

    /// The Nodes that a Pod may go to.
    pub(super) fn fitting(&self, pod: &api::Pod) -> Vec<&'n NodeSlot> {
        let group = Group::of(pod);
        let open = self.open(&group).into_iter().map(|(_, at)| at).filter(|at| self.has_room(*at, &group));
        open.filter_map(|at| self.nodes.get(at)).collect()
    }

    /// Nodes for so many Pods of one kind; none for those that fit nowhere.
    pub(super) fn place(&mut self, pod: &api::Pod, count: usize) -> Vec<Option<&'n NodeSlot>> {
        let mut group = Group::of(pod);
        let mut open = self.open(&group);
        let mut places = Vec::new();
        while places.len() < count {
            let Some((mine, at)) = open.pop_first() else { break };
            if !self.has_room(at, &group) {
                continue;
            }
            self.occupy(at, &mut group);
            open.insert((mine + 1, at));
            self.close(&mut open, at, &group);
            places.push(self.nodes.get(at));
        }
        self.groups.push(group);
        places.resize(count, None);
        places
    }

    /// The Nodes on which a DaemonSet has a Pod: its controller looks at selectors and taints, the scheduler at ports.
    pub(super) fn place_on_all(&mut self, pod: &api::Pod) -> Vec<&'n NodeSlot> {
        let mut group = Group::of(pod);
        let host_network = Some(HOST_NETWORK_TAINT).filter(|_| pod.host_network);
        let tolerated = DAEMON_TAINTS.into_iter().chain(host_network);
        group.scheduling.tolerations.extend(tolerated.map(|(key, effect)| Toleration {
            key: key.into(),
            operator: "Exists".into(),
            effect: effect.into(),
            ..Toleration::default()
        }));
        let fitting: Vec<usize> = self.open(&group).into_iter().map(|(_, at)| at).collect();
        let mut places = Vec::new();
        for at in fitting.into_iter().filter(|at| self.has_free_ports(*at, &group)).collect::<Vec<_>>() {
            self.occupy(at, &mut group);
            places.extend(self.nodes.get(at));
        }
        self.groups.push(group);
        places
    }

    /// The Nodes that a Pod of the group may go to, with the group's Pods on each.
    fn open(&self, group: &Group) -> BTreeSet<(usize, usize)> {
        let closed = self.closed_domains(group);
        let near = self.near_domains(group);
        let is_open = |node: &NodeSlot| {
            node.assumed
                || fits(node, &group.scheduling)
                    && !closed.contain(node)
                    && near.iter().all(|domains| domains.contain(node))
        };
        let nodes = self.nodes.iter().enumerate().filter(|(_, node)| is_open(node));
        nodes.map(|(at, _)| (0, at)).collect()
    }

    /// Where Pods are with which those of the group cannot be, by either side's anti-affinity.
    fn closed_domains(&self, group: &Group) -> Domains {
        let mut closed = Domains::default();
        for other in &self.groups {
            let mine = group.scheduling.without_pods.iter().filter(|term| group.means(term, other));
            let theirs = other.scheduling.without_pods.iter().filter(|term| other.means(term, group));
            for term in mine.chain(theirs) {
                closed.extend(self.domains(term, other));
            }
        }
        closed
    }

    /// For each term of affinity the parts of the cluster where a Pod is that it means. The first of Pods that want to
    /// be with their like may go anywhere.
    fn near_domains(&self, group: &Group) -> Vec<Domains> {
        let mut near = Vec::new();
        for term in &group.scheduling.with_pods {
            let meant = self.groups.iter().filter(|other| group.means(term, other));
            let mut domains = Domains::default();
            domains.extend(meant.flat_map(|other| self.domains(term, other)));
            if !(domains.0.is_empty() && group.means(term, group)) {
                near.push(domains);
            }
        }
        near
    }

    fn domains<'a>(&'a self, term: &'a PodTerm, group: &'a Group) -> impl Iterator<Item = Domain> + 'a {
        let nodes = group.nodes.iter().filter_map(|at| self.nodes.get(*at));
        nodes.filter_map(|node| domain(node, term))
    }

    /// Closes what a Pod of the group on this Node keeps from its like.
    fn close(&self, open: &mut BTreeSet<(usize, usize)>, at: usize, group: &Group) {
        let Some(node) = self.nodes.get(at).filter(|node| !node.assumed) else { return };
        let own = |terms: &[PodTerm]| -> Vec<Domain> {
            let terms = terms.iter().filter(|term| group.means(term, group));
            terms.filter_map(|term| domain(node, term)).collect()
        };
        let (without, with) = (own(&group.scheduling.without_pods), own(&group.scheduling.with_pods));
        let stays = |at: usize| {
            let node = self.nodes.get(at);
            node.is_some_and(|node| {
                !without.iter().any(|domain| is_in(node, domain))
                    && with.iter().all(|domain| is_in(node, domain))
            })
        };
        if !(without.is_empty() && with.is_empty()) {
            open.retain(|(_, at)| stays(*at));
        }
    }

    fn has_room(&self, at: usize, group: &Group) -> bool {
        let node = self.nodes.get(at);
        let pods = self.pods.get(at).copied().unwrap_or_default();
        let full = |node: &NodeSlot| node.max_pods.is_some_and(|most| pods >= most);
        node.is_some_and(|node| node.assumed || !full(node)) && self.has_free_ports(at, group)
    }

    fn has_free_ports(&self, at: usize, group: &Group) -> bool {
        let assumed = self.nodes.get(at).is_some_and(|node| node.assumed);
        let taken = self.host_ports.get(at);
        let free = |port: &(Text, i64)| taken.is_some_and(|taken| !taken.contains(port));
        assumed || group.scheduling.host_ports.iter().all(free)
    }

    fn occupy(&mut self, at: usize, group: &mut Group) {
        group.nodes.insert(at);
        if let Some(pods) = self.pods.get_mut(at) {
            *pods += 1;
        }
        if let Some(taken) = self.host_ports.get_mut(at) {
            taken.extend(group.scheduling.host_ports.iter().cloned());
        }
    }
}

impl Group {
    fn of(pod: &api::Pod) -> Group {
        Group {
            namespace: pod.metadata.namespace.clone(),
            labels: pod.metadata.labels.clone(),
            scheduling: pod.scheduling.as_deref().cloned().unwrap_or_default(),
            nodes: BTreeSet::new(),
        }
    }

    /// Whether a term of this group means the Pods of another. Labels of namespaces are not read: a selector of
    /// namespaces takes all.
    fn means(&self, term: &PodTerm, other: &Group) -> bool {
        let own = term.namespaces.is_empty() && term.namespace_selector.is_none();
        let namespace = term.namespace_selector.is_some()
            || term.namespaces.contains(&other.namespace)
            || (own && self.namespace == other.namespace);
        namespace && term.label_selector.as_ref().is_some_and(|selector| selector.matches(&other.labels))
    }
}

fn domain(node: &NodeSlot, term: &PodTerm) -> Option<Domain> {
    Some((term.topology_key.clone(), node.label(&term.topology_key)?.into()))
}

fn is_in(node: &NodeSlot, (key, value): &Domain) -> bool {
    node.label(key) == Some(value.as_str())
}

/// Whether a Node fits by its labels, its name and its taints.
fn fits(node: &NodeSlot, scheduling: &Scheduling) -> bool {
    let selected = |(key, value): &(Text, Text)| node.label(key) == Some(value.as_str());
    scheduling.node_selector.iter().all(selected)
        && scheduling.node_terms.as_ref().is_none_or(|terms| terms.iter().any(|term| term_fits(term, node)))
        && node.taints.iter().all(|taint| tolerates(&scheduling.tolerations, taint))
}

/// An empty term fits no Node.
fn term_fits(term: &NodeTerm, node: &NodeSlot) -> bool {
    let name = [("metadata.name".into(), node.name.clone())];
    let fits = |requirements: &[Requirement], labels: &[(Text, Text)]| {
        requirements.iter().all(|requirement| requirement.matches(labels))
    };
    !(term.labels.is_empty() && term.fields.is_empty())
        && fits(&term.labels, &node.labels)
        && fits(&term.fields, &name)
}

fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    let keeps_away = matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    !keeps_away || tolerations.iter().any(|toleration| is_for(toleration, taint))
}

/// k8s.io/api/core/v1, Toleration.ToleratesTaint.
fn is_for(toleration: &Toleration, taint: &Taint) -> bool {
    let value = match toleration.operator.as_str() {
        "" | "Equal" => toleration.value == taint.value,
        "Exists" => true,
        _ => false,
    };
    let key = toleration.key == taint.key || (toleration.key.is_empty() && toleration.operator == "Exists");
    value && key && (toleration.effect.is_empty() || toleration.effect == taint.effect)
}
