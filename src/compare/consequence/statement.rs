//! From the entry points and clients of one node to what is said about a Service: entry points with the same effect
//! become one statement, and nodes with the same statement are named together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use compact_str::CompactString;
use serde::Serialize;

use super::{Cell, Client, Effect, EntryKind, EntryPoint, ServiceOnNode, Target};
use crate::compare::rules::Presence;
use crate::compare::traffic::{ConnectionVerdict, Reason};
use crate::names::ServiceName;
use crate::net::Family;

/// What changes for some connections to a Service, on some nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// What changes.
    pub effect: Effect,
    /// Whether it holds for every connection to these ports that worked before, or works now.
    pub every: bool,
    /// Whether no connection to these ports works any more, even if some fail in another way.
    pub all_fail: bool,
    /// What happened to them before.
    pub before: ConnectionVerdict,
    /// What happens to them now.
    pub after: ConnectionVerdict,
    /// The ports of the Service that it concerns.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub service_ports: Vec<CompactString>,
    /// Whether those are all of them.
    pub all_ports: bool,
    /// Where the connections enter.
    pub entry_points: Vec<EntryPoint>,
    /// Who makes them.
    pub clients: Vec<Client>,
    /// Clients of the same kind that are still served, by their addresses.
    pub spared: Vec<Client>,
    /// The known difference between modes or releases that causes it.
    #[serde(serialize_with = "reason_code", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub reason: Option<Reason>,
    /// The nodes, by name.
    #[serde(skip)]
    pub nodes: Arc<[String]>,
}

fn reason_code<S: serde::Serializer>(reason: &Option<Reason>, to: S) -> Result<S::Ok, S::Error> {
    reason.map(Reason::code).serialize(to)
}

/// What happens to a Service.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceConsequence {
    /// `namespace/name`
    #[serde(serialize_with = "name_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub service: ServiceName,
    /// The worst that happens.
    pub effect: Effect,
    /// Which sides have the Service.
    pub presence: Presence,
    /// What changes, the worst first.
    #[serde(skip)]
    pub statements: Vec<Statement>,
    /// The IP families in which it is served, on either side.
    #[serde(serialize_with = "family_names")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub families: BTreeSet<Family>,
    /// The endpoints that its connections reached before, on any node.
    pub endpoints_before: BTreeSet<Target>,
    /// The endpoints that they reach now.
    pub endpoints_after: BTreeSet<Target>,
}

fn name_text<S: serde::Serializer>(name: &ServiceName, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(name)
}

fn family_names<S: serde::Serializer>(families: &BTreeSet<Family>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(families.iter().map(|family| family.lower_name()))
}

impl ServiceConsequence {
    /// Whether somebody who was served no longer is.
    pub fn loses(&self) -> bool {
        self.losing().next().is_some()
    }

    /// Statements that say that somebody loses service.
    pub fn losing(&self) -> impl Iterator<Item = &Statement> {
        let loses = |statement: &&Statement| {
            statement.effect.loses() || (statement.effect == Effect::Gone && statement.before.is_served())
        };
        self.statements.iter().filter(loses)
    }

    /// Whether all of it comes from known differences between modes or releases.
    pub fn is_known(&self) -> bool {
        !self.statements.is_empty() && self.statements.iter().all(|statement| statement.reason.is_some())
    }

    /// The worst first: what everybody loses, then what some lose, then by effect.
    fn rank(&self) -> (bool, bool, Effect, String) {
        let every = self.statements.iter().any(|s| s.all_fail && s.effect.loses());
        (!self.effect.loses(), !every, self.effect, self.service.to_string())
    }
}

/// What happens to Services, node by node.
#[derive(Debug, Clone, Default)]
pub struct Consequences {
    /// Names of the nodes that were added together.
    groups: Vec<Vec<String>>,
    by_service: BTreeMap<ServiceName, Gathered>,
}

/// What happens to a Service. Nodes mostly share their answers, so what is said about each is worked out once, at the end.
#[derive(Debug, Clone, Default)]
struct Gathered {
    /// An answer for each family, and the positions of the groups of nodes that have these.
    answers: Vec<(Vec<Arc<ServiceOnNode>>, Vec<usize>)>,
    /// Positions of the answers, by where these lie in memory.
    known: HashMap<Vec<usize>, usize>,
}

/// Sorted names of the nodes of some groups, each list once.
type NodeLists = HashMap<Vec<usize>, Arc<[String]>>;

impl Consequences {
    /// Adds what happens to Services on each of some nodes.
    pub fn add(&mut self, nodes: &[String], mut services: Vec<Arc<ServiceOnNode>>) {
        let group = self.groups.len();
        self.groups.push(nodes.to_vec());
        services.sort_by(|a, b| a.service.cmp(&b.service));
        for families in services.chunk_by(|a, b| a.service == b.service) {
            let Some(first) = families.first() else { continue };
            match self.by_service.get_mut(&first.service) {
                Some(gathered) => gathered.add(group, families),
                None => {
                    self.by_service.entry(first.service.clone()).or_default().add(group, families);
                }
            }
        }
    }

    /// Adds Services whose rules differ, whatever the effect.
    pub fn know(&mut self, services: Vec<ServiceName>) {
        for service in services {
            self.by_service.entry(service).or_default();
        }
    }

    /// What is said about each Service. `presence` says which sides have it, `has_others` whether only unusual kinds of
    /// connections to it change.
    pub fn finish(
        &self,
        presence: impl Fn(&ServiceName) -> Presence,
        has_others: &dyn Fn(&ServiceName) -> bool,
    ) -> Vec<ServiceConsequence> {
        let mut lists = NodeLists::new();
        let mut all = Vec::with_capacity(self.by_service.len());
        for (service, gathered) in &self.by_service {
            let none = if has_others(service) { Effect::SomeConnections } else { Effect::OnlyRules };
            let statements = gathered.statements(presence(service), |groups| self.names(groups, &mut lists));
            all.push(gathered.finish(service, statements, presence(service), none));
        }
        all.sort_by_cached_key(ServiceConsequence::rank);
        all
    }

    /// The names of all nodes of some groups.
    fn names(&self, groups: Vec<usize>, lists: &mut NodeLists) -> Arc<[String]> {
        let of_groups = |groups: &Vec<usize>| {
            let groups = groups.iter().filter_map(|group| self.groups.get(*group));
            let mut names: Vec<String> = groups.flatten().cloned().collect();
            names.sort_unstable();
            names.into()
        };
        Arc::clone(lists.entry(groups).or_insert_with_key(of_groups))
    }
}

impl Gathered {
    fn add(&mut self, group: usize, families: &[Arc<ServiceOnNode>]) {
        let place: Vec<usize> = families.iter().map(|one| Arc::as_ptr(one) as usize).collect();
        let answer = *self.known.entry(place).or_insert_with(|| {
            self.answers.push((families.to_vec(), Vec::new()));
            self.answers.len() - 1
        });
        if let Some((_, groups)) = self.answers.get_mut(answer) {
            groups.push(group);
        }
    }

    fn on_nodes(&self) -> impl Iterator<Item = &ServiceOnNode> {
        self.answers.iter().flat_map(|(families, _)| families).map(Arc::as_ref)
    }

    /// What is said about it, with the nodes by the `names` of their groups.
    fn statements(
        &self,
        presence: Presence,
        mut names: impl FnMut(Vec<usize>) -> Arc<[String]>,
    ) -> Vec<Statement> {
        let mut groups: BTreeMap<Statement, Vec<usize>> = BTreeMap::new();
        for (families, of_answer) in &self.answers {
            let cells: Vec<&Cell> = families.iter().flat_map(|one| &one.cells).collect();
            for statement in statements(&cells) {
                groups.entry(statement).or_default().extend(of_answer);
            }
        }
        let with_nodes = |(statement, mut groups): (Statement, Vec<usize>)| Statement {
            effect: match presence {
                Presence::NewOnly => Effect::New,
                Presence::OldOnly => Effect::Gone,
                Presence::Both => statement.effect,
            },
            nodes: {
                groups.sort_unstable();
                names(groups)
            },
            ..statement
        };
        let mut statements: Vec<Statement> = groups.into_iter().map(with_nodes).collect();
        if presence != Presence::Both {
            fold_all(&mut statements);
        }
        statements.sort_by_key(|s| (s.effect, !s.all_fail, !s.every, std::cmp::Reverse(s.nodes.len())));
        statements
    }

    fn finish(
        &self,
        service: &ServiceName,
        statements: Vec<Statement>,
        presence: Presence,
        none: Effect,
    ) -> ServiceConsequence {
        let none = match presence {
            Presence::Both => none,
            Presence::NewOnly => Effect::New,
            Presence::OldOnly => Effect::Gone,
        };
        ServiceConsequence {
            service: service.clone(),
            effect: statements.first().map_or(none, |first| first.effect),
            presence,
            statements,
            families: self.on_nodes().flat_map(|one| &one.cells).map(|cell| cell.entry.family).collect(),
            endpoints_before: self.on_nodes().flat_map(|one| &one.endpoints.0).cloned().collect(),
            endpoints_after: self.on_nodes().flat_map(|one| &one.endpoints.1).cloned().collect(),
        }
    }
}

/// Merges all that is said about a Service that is new or gone.
fn fold_all(statements: &mut Vec<Statement>) {
    let mut folded: Vec<Statement> = Vec::new();
    for statement in statements.drain(..) {
        let is_like =
            |other: &&mut Statement| other.effect == statement.effect && other.nodes == statement.nodes;
        let verdict = |s: &Statement| if s.effect == Effect::Gone { s.before } else { s.after };
        match folded.iter_mut().find(|other| is_like(other) && verdict(other) == verdict(&statement)) {
            Some(other) => {
                other.entry_points.extend(statement.entry_points);
                other.service_ports.extend(statement.service_ports);
                other.clients.extend(statement.clients);
            }
            None => folded.push(statement),
        }
    }
    for statement in &mut folded {
        statement.entry_points.sort();
        statement.entry_points.dedup();
        statement.service_ports.sort();
        statement.service_ports.dedup();
        statement.clients.sort();
        statement.clients.dedup();
    }
    *statements = folded;
}

/// What is said about a Service on one node.
fn statements(cells: &[&Cell]) -> Vec<Statement> {
    let mut by_port: BTreeMap<&CompactString, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        by_port.entry(&cell.service_port).or_default().push(cell);
    }
    let ports = by_port.len();
    let mut merged: Vec<Statement> = Vec::new();
    for statement in by_port.values().flat_map(|cells| of_port(cells)) {
        match merged.iter_mut().find(|other| is_same_elsewhere(other, &statement)) {
            Some(other) => {
                other.service_ports.extend(statement.service_ports);
                other.entry_points.extend(statement.entry_points);
            }
            None => merged.push(statement),
        }
    }
    for statement in &mut merged {
        statement.all_ports = statement.service_ports.len() == ports;
    }
    merged
}

/// Whether two statements differ only in the port of the Service.
fn is_same_elsewhere(a: &Statement, b: &Statement) -> bool {
    let ways = |statement: &Statement| -> BTreeSet<_> {
        statement.entry_points.iter().map(|entry| (entry.kind, entry.family, entry.address)).collect()
    };
    let rest = |s: &Statement| {
        (s.effect, (s.every, s.all_fail), s.before, s.after, s.clients.clone(), s.spared.clone(), s.reason)
    };
    rest(a) == rest(b) && ways(a) == ways(b)
}

/// What happened before; for a port that works from now on it does not matter how it failed.
fn before(effect: Effect, cell: &Cell) -> ConnectionVerdict {
    match (effect, cell.before) {
        (Effect::Works, ConnectionVerdict::NodeItself) => ConnectionVerdict::NotAServicePort,
        (_, before) => before,
    }
}

/// What distinguishes statements about one port.
type Kind = (Effect, Option<Reason>, ConnectionVerdict, ConnectionVerdict);

fn of_port(cells: &[&Cell]) -> Vec<Statement> {
    let mut kinds: BTreeMap<Kind, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        for effect in &cell.effects {
            kinds.entry((*effect, cell.reason, before(*effect, cell), cell.after)).or_default().push(cell);
        }
    }
    let mut statements: Vec<Statement> =
        kinds.iter().flat_map(|(kind, hit)| of_kind(*kind, hit, cells)).collect();
    let served = || cells.iter().filter(|cell| cell.before.is_served());
    if served().next().is_some() && served().all(|cell| !cell.after.is_served()) {
        say_that_all_fail(&mut statements);
    }
    statements
}

/// If all connections fail, the statement about most of them covers all.
fn say_that_all_fail(statements: &mut [Statement]) {
    let losing = statements.iter_mut().filter(|statement| statement.effect.loses());
    let most = losing.max_by_key(|s| (s.every, s.entry_points.len() * s.clients.len()));
    most.into_iter().for_each(|statement| statement.all_fail = true);
}

fn of_kind(kind: Kind, hit: &[&Cell], all: &[&Cell]) -> Vec<Statement> {
    let (effect, reason, before, after) = kind;
    let concerns = |cell: &&&Cell| match effect {
        Effect::Works => cell.after.is_served(),
        Effect::FailsOtherwise => true,
        _ => cell.before.is_served(),
    };
    let every = all.iter().filter(concerns).count() == hit.len();
    let mut by_entry: BTreeMap<&EntryPoint, BTreeSet<Client>> = BTreeMap::new();
    for cell in hit {
        by_entry.entry(&cell.entry).or_default().insert(cell.client);
    }
    let mut by_clients: BTreeMap<(BTreeSet<Client>, BTreeSet<Client>), Vec<EntryPoint>> = BTreeMap::new();
    for (entry, clients) in &by_entry {
        // A node port on loopback has only the node as a client: it goes with the one on the node's own address.
        let same_port = |(other, _): &(&&EntryPoint, &BTreeSet<Client>)| {
            other.kind == EntryKind::NodePort && (other.family, other.port) == (entry.family, entry.port)
        };
        let is_loopback = entry.kind == EntryKind::NodePortOnLoopback;
        let own = by_entry.iter().find(same_port).filter(|(_, own)| is_loopback && own.is_superset(clients));
        let clients = own.map_or(clients, |(_, clients)| clients).clone();
        let clients = if every { BTreeSet::new() } else { clients };
        let spared = if every { BTreeSet::new() } else { spared(entry, &clients, all) };
        by_clients.entry((clients, spared)).or_default().push((*entry).clone());
    }
    let everybody: BTreeSet<Client> = hit.iter().map(|cell| cell.client).collect();
    let port = hit.first().map(|cell| cell.service_port.clone());
    let statement = |((clients, spared), entry_points): (_, Vec<EntryPoint>)| Statement {
        effect,
        every,
        all_fail: false,
        before,
        after,
        service_ports: port.clone().into_iter().collect(),
        all_ports: false,
        entry_points,
        clients: Vec::from_iter::<BTreeSet<Client>>(if every { everybody.clone() } else { clients }),
        spared: Vec::from_iter::<BTreeSet<Client>>(spared),
        reason,
        nodes: Arc::default(),
    };
    by_clients.into_iter().map(statement).collect()
}

/// Clients in source ranges that an entry point still serves while others outside the cluster are affected.
fn spared(entry: &EntryPoint, hit: &BTreeSet<Client>, all: &[&Cell]) -> BTreeSet<Client> {
    if entry.kind != EntryKind::LoadBalancerIp || !hit.contains(&Client::Outside) {
        return BTreeSet::new();
    }
    let here = all.iter().filter(|cell| cell.entry == *entry && cell.after.is_served());
    here.map(|cell| cell.client)
        .filter(|client| matches!(client, Client::OutsideFrom(_)) && !hit.contains(client))
        .collect()
}
