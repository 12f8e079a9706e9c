//! What a step does to clients: what happens for each Service port and kind of client before and after, node by node.
//!
//! The answers are the plan's, which decides where traffic goes before any rule is made; a trace walks the rules made
//! from it and says the same. Nodes that cannot differ for a Service port (same zone if hints count, no endpoint of
//! their own if only local ones do) are looked at only once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use compact_str::CompactString;
use serde::Serialize;

use super::story::Stage;
use crate::cluster::{Cluster, Endpoint, Node, ServicePort, TrafficPolicy};
use crate::diagnostic::Diagnostics;
use crate::net::Family;
use crate::plan::{EndpointSet, External, ExternalRoute, Route, ServicePortPlan};
use crate::settings::Settings;

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Clients outside the cluster, to node port, external and load-balancer IPs.
    Outside,
    /// Pods and nodes, to the cluster IP.
    Inside,
    /// Pods and nodes, to node port, external and load-balancer IPs.
    InsideExternal,
}

/// What happens to their connections; the worse comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing is there any more.
    NotServed,
    /// No endpoint is usable.
    Refused,
    /// No endpoint on this node is usable, and only those count; or the machines of all endpoints are gone.
    TimesOut,
    /// Some of the endpoints are on machines that are gone.
    PartlyTimesOut,
    /// It reaches an endpoint, which sees the node's IP.
    WorksMasqueraded,
    /// It reaches an endpoint.
    Works,
}

impl State {
    /// Whether every connection reaches an endpoint.
    pub fn works(self) -> bool {
        matches!(self, State::Works | State::WorksMasqueraded)
    }
}

/// What a step changes for one kind of client of a Service port.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Consequence {
    /// `namespace/name:port`
    pub service_port: String,
    /// `ipv4` or `ipv6`
    pub family: &'static str,
    /// Who connects.
    pub who: Who,
    /// What happened before.
    pub before: State,
    /// What happens now.
    pub after: State,
    /// The share of the connections that go to machines that are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_share: Option<f64>,
    /// On these nodes.
    pub nodes: Vec<String>,
    /// On how many nodes it could happen.
    pub of_nodes: usize,
}

/// An endpoint that gets more than twice the mean.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// `namespace/name:port`
    pub service_port: String,
    /// `ipv4` or `ipv6`
    pub family: &'static str,
    /// `ip:port`
    pub endpoint: String,
    /// Its Pod; may be empty.
    pub pod: String,
    /// Its node; may be empty.
    pub node: String,
    /// Its share of the connections, if all nodes send the same number.
    pub share: f64,
    /// The share that it would have if all were equal.
    pub mean: f64,
}

/// What a step changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Change {
    /// For clients, worst first.
    pub clients: Vec<Consequence>,
    /// Endpoints that get more than twice the mean now, and did not before.
    pub load: Vec<Load>,
}

impl Consequence {
    /// Whether clients lose: what worked no longer does, or not always.
    pub fn is_loss(&self) -> bool {
        self.after < self.before && !self.after.works()
    }
}

/// A state with its cluster.
pub(super) struct View {
    cluster: Cluster,
    dead: BTreeSet<CompactString>,
}

impl View {
    pub(super) fn of(stage: &Stage, settings: &Settings) -> Result<View, Diagnostics> {
        let (cluster, _) = Cluster::build(&stage.snapshot, settings)?;
        Ok(View { cluster, dead: stage.dead.clone() })
    }

    fn service_ports(&self, family: Family) -> &[ServicePort] {
        &self.cluster.family(family).service_ports
    }
}

/// What changes from one state to the next.
pub(super) fn compare(before: &View, after: &View, settings: &Settings) -> Change {
    let mut change = Change::default();
    for family in Family::ALL {
        let (old, new) = (before.service_ports(family), after.service_ports(family));
        for port in old {
            let now = new.binary_search_by(|other| other.name.cmp(&port.name)).ok().and_then(|i| new.get(i));
            if now.is_some_and(|now| is_same(port, now)) && before.dead == after.dead {
                continue;
            }
            compare_port((before, port), (after, now), settings, &mut change);
        }
    }
    change.clients.sort_by(|a, b| order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal));
    change
}

/// The worst first.
fn order(one: &Consequence) -> (bool, State, &str, &str, Who) {
    (!one.is_loss(), one.after, &one.service_port, one.family, one.who)
}

/// Whether nothing that the plan looks at differs.
fn is_same(a: &ServicePort, b: &ServicePort) -> bool {
    let state = |e: &Endpoint| (e.ready, e.serving, e.terminating);
    let same = |(a, b): (&Endpoint, &Endpoint)| {
        a.text == b.text && state(a) == state(b) && a.hints == b.hints && a.node_name == b.node_name
    };
    a.endpoints.len() == b.endpoints.len() && a.endpoints.iter().zip(&b.endpoints).all(same)
}

/// What happens on a node, and where its connections go.
struct Seen {
    states: BTreeMap<Who, (State, f64)>,
    /// Endpoints that connections to the cluster IP reach.
    inside: Vec<CompactString>,
}

fn compare_port(
    (before, old): (&View, &ServicePort),
    (after, new): (&View, Option<&ServicePort>),
    settings: &Settings,
    change: &mut Change,
) {
    let mut folded: BTreeMap<(Who, State, State), (Vec<String>, f64)> = BTreeMap::new();
    let mut of_nodes: BTreeMap<Who, usize> = BTreeMap::new();
    let (mut seen_before, mut seen_after) = (Counted::default(), Counted::default());
    let (was, is) = (Kinds::new(before, old, settings), new.map(|new| Kinds::new(after, new, settings)));
    let nothing = Rc::new(Seen { states: BTreeMap::new(), inside: Vec::new() });
    for node in &before.cluster.nodes {
        if after.dead.contains(&node.name) {
            continue;
        }
        let Some(now) = after.cluster.node(&node.name) else { continue };
        let then = was.on(node);
        let seen = is.as_ref().map_or_else(|| nothing.clone(), |is| is.on(now));
        seen_before.add(&then);
        seen_after.add(&seen);
        for (who, (state, _)) in &then.states {
            *of_nodes.entry(*who).or_default() += 1;
            let (now, lost) = seen.states.get(who).copied().unwrap_or((State::NotServed, 1.0));
            if now != *state {
                let (nodes, sum) = folded.entry((*who, *state, now)).or_default();
                nodes.push(node.name.to_string());
                *sum += lost;
            }
        }
    }
    let family = Family::of(old.cluster_ip).lower_name();
    for ((who, state, now), (nodes, lost)) in folded {
        let share = lost / nodes.len().max(1) as f64;
        change.clients.push(Consequence {
            service_port: old.name.to_string(),
            family,
            who,
            before: state,
            after: now,
            lost_share: (now == State::PartlyTimesOut).then_some(share),
            nodes,
            of_nodes: of_nodes.get(&who).copied().unwrap_or_default(),
        });
    }
    if let Some(new) = new {
        change.load.extend(heavier(&seen_before.shares(), &seen_after.shares(), new, family));
    }
}

/// What happens on each node; nodes that cannot differ are looked at only once.
struct Kinds<'k> {
    view: &'k View,
    port: &'k ServicePort,
    settings: &'k Settings,
    known: RefCell<BTreeMap<NodeKind, Rc<Seen>>>,
    has_zone_hints: bool,
    hinted_nodes: BTreeSet<&'k str>,
    local_nodes: BTreeSet<&'k str>,
}

/// What distinguishes nodes for a Service port: the zone, and the name if the node has endpoints of its own.
type NodeKind = (Option<CompactString>, Option<CompactString>);

impl<'k> Kinds<'k> {
    fn new(view: &'k View, port: &'k ServicePort, settings: &'k Settings) -> Kinds<'k> {
        let hints = || port.endpoints.iter().filter_map(|endpoint| endpoint.hints.as_deref());
        let is_local = [port.internal_policy, port.external_policy].contains(&TrafficPolicy::Local);
        let local = port.endpoints.iter().filter(|_| is_local).filter_map(|e| e.node_name.as_deref());
        // If an address has two entries, which one counts may depend on the node.
        let doubled = port.endpoints.windows(2).filter(|pair| matches!(pair, [a, b] if a.text == b.text));
        let doubled = doubled.flatten().filter_map(|endpoint| endpoint.node_name.as_deref());
        Kinds {
            view,
            port,
            settings,
            known: RefCell::default(),
            has_zone_hints: hints().any(|hints| !hints.zones.is_empty()),
            hinted_nodes: hints().flat_map(|hints| hints.nodes.iter().map(CompactString::as_str)).collect(),
            local_nodes: local.chain(doubled).collect(),
        }
    }

    fn on(&self, node: &Node) -> Rc<Seen> {
        let name = node.name.as_str();
        let alone = self.hinted_nodes.contains(name) || self.local_nodes.contains(name);
        let kind = (node.zone.clone().filter(|_| self.has_zone_hints), alone.then(|| node.name.clone()));
        let known = self.known.borrow().get(&kind).cloned();
        known.unwrap_or_else(|| {
            let seen = Rc::new(self.see(node));
            self.known.borrow_mut().insert(kind, seen.clone());
            seen
        })
    }

    fn see(&self, node: &Node) -> Seen {
        let plan = ServicePortPlan::new(self.port, self.settings, node);
        let inside = self.by_route(&plan, plan.internal());
        let mut states = BTreeMap::from([(Who::Inside, inside)]);
        if let Some(external) = plan.external() {
            states.insert(Who::Outside, self.outside(&plan, external));
            if self.port.internal_policy == TrafficPolicy::Local {
                let route = match external.route() {
                    ExternalRoute::RejectNoEndpoints => Route::RejectNoEndpoints,
                    _ => Route::Balance(EndpointSet::Cluster),
                };
                states.insert(Who::InsideExternal, self.by_route(&plan, route));
            }
        }
        let reached = match plan.internal() {
            Route::Balance(set) => plan.endpoints(set).iter().map(|endpoint| endpoint.text.clone()).collect(),
            _ => Vec::new(),
        };
        Seen { states, inside: reached }
    }

    fn outside(&self, plan: &ServicePortPlan<'_>, external: &External<'_>) -> (State, f64) {
        match (self.by_route(plan, external.client_route()), external.route()) {
            ((State::Works, lost), ExternalRoute::Masquerade) => (State::WorksMasqueraded, lost),
            (state, _) => state,
        }
    }

    fn by_route(&self, plan: &ServicePortPlan<'_>, route: Route) -> (State, f64) {
        let set = match route {
            Route::RejectNoEndpoints => return (State::Refused, 0.0),
            Route::DropNoLocalEndpoints => return (State::TimesOut, 0.0),
            Route::Balance(set) => plan.endpoints(set),
        };
        let is_dead = |e: &&&Endpoint| e.node_name.as_ref().is_some_and(|node| self.view.dead.contains(node));
        let dead = set.iter().filter(is_dead).count();
        match dead {
            0 => (State::Works, 0.0),
            dead if dead == set.len() => (State::TimesOut, 1.0),
            dead => (State::PartlyTimesOut, dead as f64 / set.len() as f64),
        }
    }
}

/// What was seen, and on how many nodes.
#[derive(Default)]
struct Counted(Vec<(Rc<Seen>, usize)>);

impl Counted {
    fn add(&mut self, seen: &Rc<Seen>) {
        match self.0.iter_mut().find(|(known, _)| Rc::ptr_eq(known, seen)) {
            Some((_, count)) => *count += 1,
            None => self.0.push((seen.clone(), 1)),
        }
    }

    fn shares(&self) -> Shares {
        let mut shares = Shares::default();
        self.0.iter().for_each(|(seen, nodes)| shares.add(&seen.inside, *nodes));
        shares
    }
}

/// How connections are shared if every node sends the same number.
#[derive(Default)]
struct Shares {
    nodes: usize,
    sums: BTreeMap<CompactString, f64>,
}

impl Shares {
    fn add(&mut self, endpoints: &[CompactString], nodes: usize) {
        self.nodes += if endpoints.is_empty() { 0 } else { nodes };
        for endpoint in endpoints {
            *self.sums.entry(endpoint.clone()).or_default() += nodes as f64 / endpoints.len() as f64;
        }
    }

    /// The share of an endpoint, and the mean.
    fn of(&self, endpoint: &str) -> Option<(f64, f64)> {
        let share = self.sums.get(endpoint)? / self.nodes.max(1) as f64;
        Some((share, 1.0 / self.sums.len().max(1) as f64))
    }
}

fn heavier(before: &Shares, after: &Shares, port: &ServicePort, family: &'static str) -> Vec<Load> {
    let is_heavy = |(share, mean): (f64, f64)| share > 2.0 * mean + 1e-9;
    let mut found = Vec::new();
    for text in after.sums.keys() {
        let Some((share, mean)) = after.of(text).filter(|now| is_heavy(*now)) else { continue };
        if before.of(text).is_some_and(is_heavy) {
            continue;
        }
        let endpoint = port.endpoints.iter().find(|endpoint| endpoint.text == *text);
        let of = |part: fn(&Endpoint) -> Option<&CompactString>| {
            endpoint.and_then(part).map(ToString::to_string).unwrap_or_default()
        };
        found.push(Load {
            service_port: port.name.to_string(),
            family,
            endpoint: text.to_string(),
            pod: of(|endpoint| endpoint.pod.as_ref()),
            node: of(|endpoint| endpoint.node_name.as_ref()),
            share,
            mean,
        });
    }
    found
}

/// What each step changes, in order.
///
/// # Errors
/// A state that kube-proxy could not use.
pub fn of_stages(stages: &[Stage], settings: &Settings) -> Result<Vec<Change>, Diagnostics> {
    let views = stages.iter().map(|stage| View::of(stage, settings)).collect::<Result<Vec<_>, _>>()?;
    Ok(views
        .windows(2)
        .filter_map(|pair| match pair {
            [before, after] => Some(compare(before, after, settings)),
            _ => None,
        })
        .collect())
}
