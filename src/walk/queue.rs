//! Packets that wait to be followed, the one that got least far first, so that equal ones meet and become one.
//!
//! Two packets become one if they agree in everything that rules can ask, and in where they are. They may have come
//! there in different ways; the steps of the first stand for both.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use super::chance::Chance;
use super::filled::Filled;
use super::packet::{Interface, SourcePort, Tracking};
use super::packet_state::{Frame, PacketState, Phase, Routable, RulePosition};
use super::weights::{Weight, Weights};

/// Packets that wait.
#[derive(Default)]
pub(super) struct Queue<'r> {
    waiting: BinaryHeap<Waiting<'r>>,
    open: usize,
}

/// A heap moves what it holds at every step up or down, so the packet is boxed; what usually decides is kept beside it.
struct Waiting<'r> {
    progress: Progress,
    state: Box<PacketState<'r>>,
}

/// How far a packet got, which decides what comes first, and where it goes.
type Progress = (bool, Phase, u32, usize);

fn progress(state: &PacketState<'_>) -> Progress {
    (state.affinity.is_some(), state.phase, state.class, state.begun)
}

fn is_open(state: &PacketState<'_>) -> bool {
    state.weight != Weight::ALWAYS
}

impl<'r> Queue<'r> {
    pub(super) fn push(&mut self, state: impl Into<Box<PacketState<'r>>>) {
        let state = state.into();
        self.open += usize::from(is_open(&state));
        self.waiting.push(Waiting { progress: progress(&state), state });
    }

    /// How many of them depend on open questions.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    fn next(&mut self) -> Option<Box<PacketState<'r>>> {
        let Waiting { state, .. } = self.waiting.pop()?;
        self.open = self.open.saturating_sub(usize::from(is_open(&state)));
        Some(state)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a packet got as far as one that waits, or further.
    pub(super) fn has_before(&self, state: &PacketState<'r>) -> bool {
        self.waiting.peek().is_some_and(|first| compare(&first.state, state) != Ordering::Greater)
    }

    /// The packet that got least far, merged with all that equal it.
    pub(super) fn pop(&mut self, weights: &mut Weights) -> Option<Box<PacketState<'r>>> {
        let mut first = self.next()?;
        while self.waiting.peek().is_some_and(|next| compare(&next.state, &first) == Ordering::Equal) {
            if let Some(next) = self.next() {
                merge(&mut first, &next, weights);
            }
        }
        Some(first)
    }
}

fn merge(first: &mut PacketState<'_>, other: &PacketState<'_>, weights: &mut Weights) {
    (first.weight, first.chance) = sum(weights, (first.weight, first.chance), (other.weight, other.chance));
}

/// The sum of two weights, each times a chance.
pub(super) fn sum(
    weights: &mut Weights,
    (a, chance): (Weight, Chance),
    (b, other): (Weight, Chance),
) -> (Weight, Chance) {
    if a == b {
        return (a, chance.plus(other));
    }
    let (a, b) = (weights.scaled(a, chance), weights.scaled(b, other));
    (weights.sum(a, b), Chance::CERTAIN)
}

/// The smaller one is followed first; equal packets agree in all that rules can ask.
fn compare<'r>(a: &PacketState<'r>, b: &PacketState<'r>) -> Ordering {
    progress(a).cmp(&progress(b)).then_with(|| compare_within(a, b))
}

/// The same for two packets that got equally far.
fn compare_within<'r>(a: &PacketState<'r>, b: &PacketState<'r>) -> Ordering {
    compare_frames(&a.frames, &b.frames)
        .then_with(|| b.branch.cmp(&a.branch))
        .then_with(|| identity(a).cmp(&identity(b)))
        .then_with(|| a.listed.cmp(&b.listed))
}

/// A packet in a called chain comes before one that has returned from it.
fn compare_frames(a: &[Frame], b: &[Frame]) -> Ordering {
    let place = |frame: &Frame| (frame.chain, frame.rule, frame.part);
    let common = a.iter().map(place).zip(b.iter().map(place));
    let first = common.map(|(a, b)| a.cmp(&b)).find(|order| order.is_ne());
    first.unwrap_or_else(|| b.len().cmp(&a.len()))
}

type Identity<'s, 'r> = (
    IpAddr,
    [u32; 4],
    (Interface, Interface, Tracking),
    ([bool; 6], SourcePort),
    Option<(&'r str, bool)>,
    (Option<(RulePosition, u64)>, &'s [Filled<'r>], Option<Routable>, Option<IpAddr>),
);

fn identity<'s, 'r>(state: &'s PacketState<'r>) -> Identity<'s, 'r> {
    let view = &state.view;
    (
        view.source,
        [view.mark, view.open_mark, view.connection_mark, view.open_connection_mark],
        (view.input, view.output, view.tracking),
        (
            [
                state.untracked,
                state.snat,
                state.bound,
                view.translated,
                view.source_translated,
                view.rewritten,
            ],
            view.source_port,
        ),
        state.affinity.map(|affinity| (affinity.list, affinity.listed)),
        (state.drawn, &state.filled, state.before, state.routed_for),
    )
}

impl PartialEq for Waiting<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting<'_> {}

impl PartialOrd for Waiting<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A heap gives the greatest first, so the order is reversed. Of equal packets, those whose weights were made first come
/// first: sums in another order have far more cases, since each weight is made from those before it.
impl Ord for Waiting<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.progress.cmp(&self.progress))
            .then_with(|| compare_within(&other.state, &self.state))
            .then_with(|| other.state.weight.cmp(&self.state.weight))
    }
}
