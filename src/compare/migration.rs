//! What known differences between modes or releases mean for a cluster: which Services and clients each of them
//! affects.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::change::NodesChange;
use super::pre_flight::PreFlight;
use super::traffic::{Flow, Place, Reason};

/// A change of kube-proxy's mode or release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Before.
    pub from: Proxy,
    /// After.
    pub to: Proxy,
    /// The known differences that affect some connection.
    pub known: Vec<KnownDifference>,
    /// What was checked on the nodes, and the result.
    pub pre_flight: Vec<PreFlight>,
}

/// What runs on the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// `iptables` or `nftables`
    pub mode: &'static str,
    /// The release.
    pub release: String,
}

/// A known difference that affects some connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KnownDifference {
    /// The difference.
    #[serde(serialize_with = "code")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub reason: Reason,
    /// The Services whose ports it affects, as `namespace/name`.
    pub services: Vec<String>,
    /// Those of them where some connections no longer work.
    pub stops_working: Vec<String>,
    /// The affected clients, in words.
    pub clients: Vec<String>,
    /// The nodes where it applies.
    #[serde(skip)]
    pub nodes: Vec<String>,
    /// How many kinds of connections it affects, over all nodes.
    pub kinds: usize,
    /// How many of those do not go to a Service port.
    pub kinds_without_service: usize,
    /// An example: where a connection goes, and what happens before and after.
    pub example: Example,
}

/// A kind of connections whose outcome changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// Where they go.
    pub to: String,
    /// What happened to them.
    pub before: String,
    /// What happens to them.
    pub after: String,
}

fn code<S: serde::Serializer>(reason: &Reason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.code())
}

#[derive(Default)]
struct Gathered {
    services: BTreeSet<String>,
    stops_working: BTreeSet<String>,
    clients: BTreeSet<String>,
    nodes: BTreeSet<String>,
    kinds: usize,
    without_service: usize,
    /// The first one, and the first of those that no longer work.
    examples: (Option<Example>, Option<Example>),
}

/// The known differences that a comparison found: first those that break something, then others that affect Services.
pub(super) fn known(changes: &[NodesChange]) -> Vec<KnownDifference> {
    let mut found: BTreeMap<Reason, Gathered> = BTreeMap::new();
    for change in changes {
        let flows = change.families.iter().flat_map(|family| &family.traffic).flat_map(|t| &t.flows);
        let mut met = BTreeSet::new();
        for flow in flows {
            let reason = Reason::ALL.into_iter().find(|reason| Some(reason.code()) == flow.reason);
            let Some(reason) = reason else { continue };
            let gathered = found.entry(reason).or_default();
            let kinds = flow.classes * change.nodes.len();
            gathered.kinds += kinds;
            if met.insert(reason) {
                gathered.nodes.extend(change.nodes.iter().cloned());
            }
            match (&flow.service, flow.target.is_empty()) {
                (Some(service), false) => gathered.add(service, flow, reason),
                _ => gathered.without_service += kinds,
            }
        }
    }
    let mut known: Vec<KnownDifference> = found.into_iter().map(KnownDifference::from).collect();
    // Few programs bind to a loopback address before they connect.
    known.sort_by_key(|known| {
        let is_rare = known.reason == Reason::LoopbackSource;
        (known.stops_working.is_empty(), known.services.is_empty(), is_rare, known.reason)
    });
    known
}

impl Gathered {
    fn add(&mut self, service: &str, flow: &Flow, reason: Reason) {
        self.services.insert(service.to_owned());
        match (flow.place, reason) {
            // Packets to a loopback address come from the node, whatever rules would do to others.
            (Place::Loopback, _) if !flow.from_node => return,
            (Place::Loopback, _) => _ = self.clients.insert("the node itself".to_owned()),
            (_, Reason::HairpinLocalOnly) => {
                self.clients.insert("Pods that connect to themselves".to_owned());
            }
            _ => self.clients.extend(flow.from.iter().cloned()),
        }
        self.examples.0.get_or_insert_with(|| example(flow));
        if flow.loses() {
            self.stops_working.insert(service.to_owned());
            self.examples.1.get_or_insert_with(|| example(flow));
        }
    }
}

fn example(flow: &Flow) -> Example {
    let to = flow.to.first().cloned().unwrap_or_default();
    let to = format!("{to} ({})", flow.target);
    Example { to, before: flow.before.clone(), after: flow.after.clone() }
}

impl From<(Reason, Gathered)> for KnownDifference {
    fn from((reason, gathered): (Reason, Gathered)) -> Self {
        let (first, losing) = gathered.examples;
        KnownDifference {
            reason,
            services: gathered.services.into_iter().collect(),
            stops_working: gathered.stops_working.into_iter().collect(),
            clients: gathered.clients.into_iter().collect(),
            nodes: gathered.nodes.into_iter().collect(),
            kinds: gathered.kinds,
            kinds_without_service: gathered.without_service,
            example: losing.or(first).unwrap_or_default(),
        }
    }
}
