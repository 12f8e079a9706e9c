//! Runs a packet through chains: one thread per way that it can take.

use crate::net::Family;
use crate::nftables::ruleset::{Element, Field};

use super::chance::Chance;
use super::error::WalkError;
use super::op::{ChainId, Op, Test};
use super::outcome::{Effect, Hook, Verdict};
use super::packet::View;
use super::program::Program;
use super::set_index::Lookup;
use super::thread::{Affinity, Assumption, End, Frame, Leaf, PathId, Place, Predicate, Thread};
use crate::node::Host;

/// The most ways that are followed, so that a ruleset cannot take all memory.
const MOST_WAYS: usize = 1 << 16;
/// The most forks at what is not understood.
const MOST_UNKNOWN: usize = 1 << 12;
/// The most rules that are looked at, so that a ruleset cannot take all time.
const MOST_RULES: usize = 1 << 24;

/// A walk.
pub(super) struct Machine<'w, 'r> {
    pub(super) program: &'w Program<'r>,
    pub(super) host: &'w Host,
    pub(super) family: Family,
    /// What happened; each entry names the one before it.
    pub(super) path: Vec<Node<'r>>,
    pub(super) leaves: Vec<Leaf<'r>>,
    pub(super) pending: Vec<Thread<'r>>,
    /// The element of a map whose verdict is being carried out.
    pub(super) element: Option<&'r Element>,
    rules_seen: usize,
    unknown: usize,
}

/// Something that happened on one or more ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'r> {
    pub(super) before: PathId,
    pub(super) hook: Hook,
    /// Chain and rule; no rule for the policy, nothing for the kernel's own doing.
    pub(super) rule: Option<(ChainId, Option<usize>)>,
    pub(super) seen: View,
    pub(super) chance: Option<Chance>,
    pub(super) element: Option<&'r Element>,
    pub(super) effect: Effect<'r>,
}

/// Whether a packet passes a test.
pub(super) enum Passing<'r> {
    Known(bool),
    Unknown(Predicate<'r>, &'r str),
    Random(Chance),
    Remembered(&'r str),
}

/// Where a thread stands after an action.
pub(super) enum Next {
    /// At the next part of the rule.
    Part,
    /// Wherever the action has put it.
    Elsewhere,
    /// Nowhere: its way has ended or it lives on in others.
    Gone,
}

pub(super) type Walked<T> = Result<T, WalkError>;

impl<'w, 'r> Machine<'w, 'r> {
    pub(super) fn new(program: &'w Program<'r>, host: &'w Host, family: Family) -> Self {
        Machine {
            program,
            host,
            family,
            path: Vec::new(),
            leaves: Vec::new(),
            pending: Vec::new(),
            element: None,
            rules_seen: 0,
            unknown: 0,
        }
    }

    pub(super) fn run(&mut self, entry: Thread<'r>) -> Walked<()> {
        self.pending.push(entry);
        while let Some(thread) = self.pending.pop() {
            self.follow(thread)?;
            if self.pending.len() + self.leaves.len() > MOST_WAYS || self.unknown > MOST_UNKNOWN {
                return Err(WalkError::TooManyWays);
            }
        }
        Ok(())
    }

    fn follow(&mut self, mut thread: Thread<'r>) -> Walked<()> {
        loop {
            let Some(frame) = thread.frames.last().copied() else {
                if !self.next_chain(&mut thread) {
                    return Ok(());
                }
                continue;
            };
            if !self.rule(&mut thread, frame)? {
                return Ok(());
            }
        }
    }

    /// One rule, or what is left of it. False once the thread is gone.
    fn rule(&mut self, thread: &mut Thread<'r>, frame: Frame) -> Walked<bool> {
        self.rules_seen += 1;
        if self.rules_seen > MOST_RULES {
            return Err(WalkError::Endless);
        }
        let mut place = Place { chain: frame.chain, rule: frame.rule, part: frame.part };
        if frame.part == 0 {
            match self.program.next_rule(frame.chain, frame.rule, &thread.view) {
                Some(rule) => place.rule = rule,
                None => return Ok(self.end_of_chain(thread)),
            }
        }
        self.parts(thread, place)
    }

    fn parts(&mut self, thread: &mut Thread<'r>, mut place: Place) -> Walked<bool> {
        while let Some(op) = self.program.op(place.chain, place.rule, place.part) {
            let (test, act) = match op {
                Op::Nothing => (None, None),
                Op::Test(test) => (Some(test), None),
                Op::Act(act) => (None, Some(act)),
                Op::Guarded(test, act) => (Some(test), Some(act)),
            };
            if let Some(test) = test {
                match self.test(thread, test, place)? {
                    Some(true) => (),
                    Some(false) => break,
                    // The ways that go on from here were put aside.
                    None => return Ok(false),
                }
            }
            if let Some(act) = act {
                match self.act(thread, act, place)? {
                    Next::Part => (),
                    Next::Elsewhere => return Ok(true),
                    Next::Gone => return Ok(false),
                }
            }
            place.part += 1;
        }
        go_to(thread, place.rule + 1, 0);
        Ok(true)
    }

    /// Whether the rule goes on; none if that depends, and threads for each case are pending.
    fn test(&mut self, thread: &mut Thread<'r>, test: Test<'r>, place: Place) -> Walked<Option<bool>> {
        match self.passing(thread, test.kind, place)? {
            Passing::Known(holds) => Ok(Some(holds != test.negated)),
            Passing::Random(chance) if chance.is_certain() => Ok(Some(true)),
            Passing::Random(chance) if chance.is_impossible() => Ok(Some(false)),
            Passing::Random(chance) => {
                self.fork_random(thread, chance, place);
                Ok(None)
            }
            Passing::Remembered(list) => self.remembered(thread, list, test.negated, place),
            Passing::Unknown(predicate, text) => {
                if let Some(holds) = thread.assumed(predicate) {
                    return Ok(Some(holds != test.negated));
                }
                if !self.rest_acts(place) {
                    return Ok(Some(false));
                }
                self.fork_unknown(thread, predicate, text, place);
                Ok(None)
            }
        }
    }

    /// Whether what follows in the rule does anything.
    fn rest_acts(&self, place: Place) -> bool {
        let op = |part| self.program.op(place.chain, place.rule, part);
        let acts = |op| matches!(op, Op::Act(_) | Op::Guarded(..));
        matches!(op(place.part), Some(Op::Guarded(..))) || (place.part + 1..).map_while(op).any(acts)
    }

    fn fork_random(&mut self, thread: &mut Thread<'r>, chance: Chance, place: Place) {
        let mut passed_over = thread.clone();
        passed_over.chance = thread.chance.times(chance.otherwise());
        go_to(&mut passed_over, place.rule + 1, 0);
        self.pending.push(passed_over);
        let mut taken = thread.clone();
        taken.chance = thread.chance.times(chance);
        go_to(&mut taken, place.rule, place.part + 1);
        if let Some(frame) = taken.frames.last_mut() {
            frame.chance = Some(chance);
        }
        self.pending.push(taken);
    }

    pub(super) fn fork_unknown(
        &mut self,
        thread: &Thread<'r>,
        predicate: Predicate<'r>,
        text: &'r str,
        place: Place,
    ) {
        self.element = None;
        self.unknown += 1;
        for holds in [false, true] {
            let mut way = thread.clone();
            go_to(&mut way, place.rule, place.part);
            way.assumptions.push(Assumption { predicate, holds, place, text });
            self.pending.push(way);
        }
    }

    /// A client's first contact goes on; the way of one who was sent to an endpoint before is put aside.
    fn remembered(
        &mut self,
        thread: &mut Thread<'r>,
        list: &'r str,
        negated: bool,
        place: Place,
    ) -> Walked<Option<bool>> {
        if let Some(affinity) = thread.affinity {
            return Ok(Some((affinity.list == list) != negated));
        }
        let mut known = thread.clone();
        let key = [Field::SourceAddress(self.family)];
        let found = self.program.look_up(place.chain, list, &key, &thread.view);
        known.affinity = Some(Affinity { list, listed: matches!(found, Lookup::Hit(_)), place });
        go_to(&mut known, place.rule, place.part);
        self.pending.insert(0, known);
        Ok(Some(negated))
    }

    pub(super) fn end_of_chain(&mut self, thread: &mut Thread<'r>) -> bool {
        let Some(frame) = thread.frames.pop() else {
            return true;
        };
        if thread.path == frame.after {
            thread.path = frame.before;
        }
        if !thread.frames.is_empty() {
            return true;
        }
        match thread.base {
            Some(base) if base.drops => {
                self.record(thread, Some((base.chain, None)), None, Effect::PolicyDrop);
                self.end(thread, Verdict::Drop, false)
            }
            _ => true,
        }
    }

    pub(super) fn finish(
        &mut self,
        thread: &mut Thread<'r>,
        place: Place,
        effect: Effect<'r>,
        verdict: Verdict,
    ) -> Next {
        self.note(thread, place, effect);
        self.end(thread, verdict, false);
        Next::Gone
    }

    /// Ends a thread. Always false: there is nothing left to do for it.
    pub(super) fn end(&mut self, thread: &mut Thread<'r>, verdict: Verdict, local: bool) -> bool {
        self.leaves.push(Leaf {
            end: End { verdict, destination: thread.view.destination, snat: thread.snat, local },
            chance: thread.chance,
            assumptions: std::mem::take(&mut thread.assumptions),
            affinity: thread.affinity,
            path: thread.path,
        });
        false
    }

    pub(super) fn note_on(&mut self, thread: &mut Thread<'r>, place: Place, effect: Effect<'r>) -> Next {
        self.note(thread, place, effect);
        Next::Part
    }

    pub(super) fn note(&mut self, thread: &mut Thread<'r>, place: Place, effect: Effect<'r>) {
        let chance = thread.frames.last().and_then(|frame| frame.chance);
        self.record(thread, Some((place.chain, Some(place.rule))), chance, effect);
    }

    pub(super) fn record_routing(&mut self, thread: &mut Thread<'r>, effect: Effect<'r>) {
        self.record(thread, None, None, effect);
    }

    fn record(
        &mut self,
        thread: &mut Thread<'r>,
        rule: Option<(ChainId, Option<usize>)>,
        chance: Option<Chance>,
        effect: Effect<'r>,
    ) {
        let number = u32::try_from(self.path.len()).ok();
        self.path.push(Node {
            before: thread.path,
            hook: if rule.is_some() { thread.phase.hook() } else { Hook::Routing },
            rule,
            seen: thread.view,
            chance,
            element: self.element.take(),
            effect,
        });
        thread.path = number;
    }
}

/// Puts a thread at a part of a rule of the chain that it is in.
pub(super) fn go_to(thread: &mut Thread<'_>, rule: usize, part: usize) {
    if let Some(frame) = thread.frames.last_mut() {
        if part == 0 {
            frame.chance = None;
        }
        frame.rule = rule;
        frame.part = part;
    }
}
