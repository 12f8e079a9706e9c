//! What happens to packets from routing on, found once for all that no rule tells apart there.
//!
//! A Service with 25 endpoints sends a packet 25 ways, and after that come the rules of other programs, with a chain
//! for each Pod of the node and with questions that nothing known answers. They see the packet after its translation,
//! and few of them match on its addresses: 25,000 endpoints are all the same to them. So a packet that has been routed
//! is set aside. What rules can see of it is its [`Kind`]; the first of a kind is followed to its ends, and those are
//! the ends of all others, with their own addresses in place of its.
//!
//! This is right if everything that a rule can ask is in the kind: fields, marks and interfaces as they are, an address
//! or port by where it lies among those that any rule, or a member of a set, names. An open question is asked by its
//! text for one packet, so that the answers of two packets are never mixed. Branches that can come together later on
//! are followed together (see [`group`]); a packet with something of its own is followed separately.

mod group;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use foldhash::HashMap;

pub(super) use self::group::{Group, GroupKind};
use super::chance::Chance;
use super::digest::number;
use super::error::WalkError;
use super::evaluator::{Evaluator, Walked};
use super::merge;
use super::outcome::{Condition, Outcome};
use super::packet::{Original, View};
use super::packet_state::{PacketState, Phase};
use super::program::Program;
use super::rule_part::InterfaceDirection;
use super::seen_interface::{Apart, SeenInterface};
use super::told_apart::{Place, ToldApart, is_of_its_own};
use crate::net::Family;
use crate::node::{ClientKind, Host, InterfaceName, PerFamily};

/// The most kinds whose ends are kept.
const MOST_KINDS: usize = 1 << 16;

/// The ends of packets by their kind.
#[derive(Default)]
pub(super) struct Onward<'r> {
    told_apart: PerFamily<OnceLock<ToldApart>>,
    known: Mutex<HashMap<GroupKind, Known<'r>>>,
}

/// The ends of one packet of a kind; none if each must be followed separately.
type Known<'r> = Result<Option<Arc<Ends<'r>>>, WalkError>;

struct Ends<'r> {
    /// The packet as it was set aside.
    of: View,
    outcomes: Vec<Outcome<'r>>,
    /// A number for what they are, whoever sent the packet and whichever rules led to them.
    digest: u128,
}

/// All that rules can ask about a packet from routing on.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Kind {
    phase: Phase,
    /// Without its addresses and ports.
    view: View,
    from: SourceKind,
    destination: Place,
    routed: Place,
    original_destination: Place,
    /// Source and destination, if rules match on them together.
    pair: Option<(IpAddr, IpAddr)>,
    /// Where its destination port and the original one lie among those that rules name.
    ports: (usize, usize),
    state: [bool; 3],
    client: ClientKind,
    source_port: Option<u16>,
    told: (Option<InterfaceName>, Option<InterfaceName>),
    output: SeenInterface,
    /// What routes say about the destination, if rules ask for that.
    route: Option<u64>,
    keeps_steps: bool,
}

/// All that rules can ask about the source of a packet, apart from its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SourceKind {
    source: Place,
    original: Place,
    input: SeenInterface,
    /// What routes say about it, if rules ask for that.
    route: Option<u64>,
}

impl<'r> Onward<'r> {
    /// Follows packets that were set aside; those without a known kind, and those that can come together with others,
    /// are followed by the evaluator itself.
    pub(super) fn follow(&self, evaluator: &mut Evaluator<'_, 'r>) -> Walked<Vec<Outcome<'r>>> {
        let routed = std::mem::take(&mut evaluator.routed);
        evaluator.sets_aside = false;
        let mut found = Vec::new();
        for group in Group::of(routed, &evaluator.path_ends) {
            match self.ends(evaluator, &group)? {
                Some(ends) => {
                    let state = group.first();
                    found.extend(ends.outcomes.iter().map(|end| moved(evaluator, state, &ends.of, end)));
                }
                None => group.into_states().for_each(|state| evaluator.pending.push(state)),
            }
        }
        evaluator.follow_pending()?;
        Ok(found)
    }

    fn ends(&self, evaluator: &mut Evaluator<'_, 'r>, group: &Group<'r>) -> Known<'r> {
        let Some(kind) = self.group_kind(evaluator, group) else { return Ok(None) };
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&kind) {
            return known.clone();
        }
        let known = ends_of_one(evaluator, group);
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST_KINDS {
            all.insert(kind, known.clone());
        }
        known
    }

    /// A number for the ends of branches, as [`Ends::digest`]; none if they must be followed separately.
    pub(super) fn digest(&self, evaluator: &mut Evaluator<'_, 'r>, group: &Group<'r>) -> Option<u128> {
        Some(self.ends(evaluator, group).ok()??.digest)
    }

    /// Whether rules match on this source and destination together.
    pub(super) fn are_asked_together(&self, source: IpAddr, destination: IpAddr) -> bool {
        self.told_apart
            .get(Family::of(source))
            .get()
            .is_some_and(|apart| apart.pair(source, destination).is_some())
    }

    /// Whether rules match on no source together with a destination.
    pub(super) fn asks_single_ends(&self, family: Family) -> bool {
        self.told_apart.get(family).get().is_some_and(ToldApart::is_of_single_ends)
    }

    /// Whether an address is like most others: not the node's, and not of a kind of its own.
    pub(super) fn is_plain(&self, ip: IpAddr, host: &Host) -> bool {
        !host.is_local(ip) && !is_of_its_own(ip, host)
    }

    /// What rules of a family tell apart: a ruleset of nftables can have rules for both.
    fn told_apart(&self, program: &Program<'_>, family: Family, host: &Host) -> &ToldApart {
        self.told_apart.get(family).get_or_init(|| ToldApart::new(program, family, host))
    }

    /// Where a source lies among those that rules tell apart; each has a place of its own if that is not known.
    pub(super) fn place_of_source(&self, ip: IpAddr, program: &Program<'_>, host: &Host) -> Place {
        let apart = self.told_apart(program, Family::of(ip), host);
        if apart.is_of_single_ends() { apart.source(ip, host) } else { Place::Itself(ip) }
    }

    pub(super) fn kind(&self, evaluator: &mut Evaluator<'_, 'r>, state: &PacketState<'r>) -> Option<Kind> {
        let view = &state.view;
        let host = evaluator.host;
        let apart = self.told_apart(evaluator.program, evaluator.family, host);
        if apart.makes_new {
            return None;
        }
        let nowhere = match view.source {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let original = Original { source: nowhere, destination: SocketAddr::new(nowhere, 0) };
        Some(Kind {
            phase: state.phase,
            view: View {
                source: nowhere,
                destination: SocketAddr::new(nowhere, 0),
                routed: nowhere,
                original,
                ..*view
            },
            from: self.source_kind(evaluator, view),
            destination: apart.destination(view.destination.ip(), host),
            routed: apart.destination(view.routed, host),
            original_destination: apart.destination(view.original.destination.ip(), host),
            pair: apart.pair(view.source, view.destination.ip()),
            ports: (apart.port(view.destination.port()), apart.port(view.original.destination.port())),
            state: [state.untracked, state.snat, state.bound],
            client: evaluator.client,
            source_port: evaluator.source_port,
            told: evaluator.told,
            output: seen(evaluator, view, InterfaceDirection::Out),
            route: route(evaluator, view.destination.ip()),
            keeps_steps: evaluator.keeps_steps,
        })
    }

    /// What decides where packets from a source end, apart from all that is not of the source.
    pub(super) fn source_kind(&self, evaluator: &mut Evaluator<'_, 'r>, view: &View) -> SourceKind {
        let host = evaluator.host;
        let apart = self.told_apart(evaluator.program, evaluator.family, host);
        SourceKind {
            source: apart.source(view.source, host),
            original: apart.source(view.original.source, host),
            input: seen(evaluator, view, InterfaceDirection::In),
            route: route(evaluator, view.source),
        }
    }
}

/// What rules can see of the interface that a packet crosses in a direction.
fn seen(evaluator: &mut Evaluator<'_, '_>, view: &View, direction: InterfaceDirection) -> SeenInterface {
    let told = match (evaluator.program.asked_beside().ways, evaluator.keeps_steps) {
        (true, _) => Apart::All,
        (false, true) => Apart::Named,
        (false, false) => Apart::Treated,
    };
    let kind = match direction {
        InterfaceDirection::In => view.input,
        InterfaceDirection::Out => view.output,
    };
    let known = evaluator.known_interface(view, direction, kind);
    SeenInterface::of(known, (evaluator.program, evaluator.host), (evaluator.family, direction, told))
}

/// What routes say about an address, if rules ask for that.
fn route(evaluator: &Evaluator<'_, '_>, ip: IpAddr) -> Option<u64> {
    let asks = evaluator.program.asked_beside().ways;
    asks.then(|| evaluator.host.network.place(ip, None)).flatten()
}

/// Follows branches separately. None if a rule asks for what they brought with them, or sends them elsewhere.
fn ends_of_one<'r>(evaluator: &Evaluator<'_, 'r>, group: &Group<'r>) -> Known<'r> {
    let mut alone = Evaluator::new(evaluator.program, evaluator.host, evaluator.family);
    alone.told = evaluator.told;
    alone.client = evaluator.client;
    alone.source_port = evaluator.source_port;
    alone.keeps_steps = evaluator.keeps_steps;
    if group.only().is_none() {
        (alone.weights, alone.questions) = (evaluator.weights.clone(), evaluator.questions.clone());
    }
    for state in group.states() {
        let mut entry = state.clone();
        (entry.class, entry.chance, entry.affinity, entry.path) = (0, Chance::CERTAIN, None, None);
        alone.class_of(entry.view.destination);
        alone.pending.push(entry);
    }
    alone.follow_pending()?;
    let outcomes = merge::outcomes(alone);
    let of = group.first().view;
    let stays = |outcome: &Outcome<'r>| {
        outcome.destination == of.destination
            && !outcome.given.iter().any(|condition| matches!(condition, Condition::Affinity { .. }))
    };
    let ends = || Arc::new(Ends { of, digest: digest(&outcomes), outcomes: outcomes.clone() });
    Ok(outcomes.iter().all(stays).then(ends))
}

/// A number for what can happen: verdicts, chances, and what they depend on.
fn digest(outcomes: &[Outcome<'_>]) -> u128 {
    let mut all: Vec<_> = outcomes
        .iter()
        .map(|outcome| (outcome.verdict, outcome.snat, outcome.chance.key(), conditions(outcome)))
        .collect();
    all.sort_unstable();
    number(&all)
}

/// The same for packets that ended before routing, including where they go.
pub(super) fn digest_of_ended(outcomes: &[Outcome<'_>]) -> u128 {
    let mut all: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            let remembered = outcome.given.iter().map(Condition::seconds).collect::<Vec<_>>();
            let end = (outcome.verdict, outcome.snat, outcome.delivered_locally, outcome.destination);
            (end, outcome.chance.key(), conditions(outcome), remembered)
        })
        .collect();
    all.sort_unstable();
    number(&all)
}

fn conditions(outcome: &Outcome<'_>) -> Vec<(String, bool, u64)> {
    let condition = |condition: &Condition<'_>| match condition {
        Condition::Opaque { text, matches, .. } => (text.to_string(), *matches, 0),
        Condition::Verdict { text, verdicts, .. } => {
            (verdicts.iter().fold(text.to_string(), |all, verdict| all + " " + verdict.name()), true, 0)
        }
        Condition::Order { text, .. } => (text.to_string(), true, 0),
        Condition::Several { text, digest, .. } => (text.to_string(), true, *digest),
        Condition::Supposed { .. } | Condition::Affinity { .. } => (String::new(), false, 0),
    };
    let mut given: Vec<_> = outcome.given.iter().map(condition).collect();
    given.sort_unstable();
    given
}

/// The end of a packet of a kind, turned into that of another.
fn moved<'r>(
    evaluator: &Evaluator<'_, 'r>,
    state: &PacketState<'r>,
    of: &View,
    end: &Outcome<'r>,
) -> Outcome<'r> {
    let mut steps = merge::steps(evaluator.program, &evaluator.path, state.path);
    let own = &state.view;
    let exchanged = |ip: IpAddr, (from, to): (IpAddr, IpAddr)| if ip == from { to } else { ip };
    steps.extend(end.steps.iter().cloned().map(|mut step| {
        step.seen.source = exchanged(step.seen.source, (of.source, own.source));
        step.seen.destination = own.destination;
        step.seen.routed = exchanged(step.seen.routed, (of.routed, own.routed));
        step.seen.original = own.original;
        step
    }));
    let affinity = state.affinity.and_then(|affinity| merge::affinity(evaluator.program, affinity));
    Outcome {
        chance: end.chance.times(state.chance),
        destination: own.destination,
        given: affinity.into_iter().chain(end.given.iter().cloned()).collect(),
        steps,
        ..end.clone()
    }
}

/// Sorts outcomes as they are listed: those of a client's first contact first, and known ones before those with
/// conditions.
pub(super) fn sort(outcomes: &mut [Outcome<'_>]) {
    let has = |outcome: &Outcome<'_>, asked: fn(&Condition<'_>) -> bool| outcome.given.iter().any(asked);
    outcomes.sort_by_key(|outcome| {
        (
            has(outcome, |condition| matches!(condition, Condition::Affinity { .. })),
            has(outcome, |condition| matches!(condition, Condition::Several { .. })),
            has(outcome, |condition| condition.is_not_known()),
        )
    });
}
