//! Runs a packet through chains: one thread per way that it can take.

use std::net::SocketAddr;

use crate::net::Family;
use crate::nftables::ruleset::{MapValue, Verdict as NftVerdict};

use super::chance::Chance;
use super::error::WalkError;
use super::nftables::verdict_act;
use super::op::{Act, ChainId, Op, Test};
use super::outcome::{Effect, Hook, Verdict};
use super::packet::View;
use super::set_index::Lookup;
use super::thread::{Affinity, Assumption, End, Frame, Leaf, PathId, Place, Predicate, Thread};
use super::walker::{Walker, frame, translates_destination};

/// The most ways that are followed, so that a ruleset cannot take all memory.
const MOST_WAYS: usize = 1 << 16;
/// The most rules that are looked at, so that a ruleset cannot take all time.
const MOST_RULES: usize = 1 << 24;

/// A walk.
pub(super) struct Machine<'w, 'r> {
    pub(super) walker: &'w Walker<'r>,
    pub(super) family: Family,
    /// What happened; each entry names the one before it.
    pub(super) path: Vec<Node<'r>>,
    pub(super) leaves: Vec<Leaf<'r>>,
    pending: Vec<Thread<'r>>,
    rules_seen: usize,
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
enum Next {
    /// At the next part of the rule.
    Part,
    /// Wherever the action has put it.
    Elsewhere,
    /// Nowhere: its way has ended or it lives on in others.
    Gone,
}

type Walked<T> = Result<T, WalkError>;

impl<'w, 'r> Machine<'w, 'r> {
    pub(super) fn new(walker: &'w Walker<'r>, family: Family) -> Self {
        Machine { walker, family, path: Vec::new(), leaves: Vec::new(), pending: Vec::new(), rules_seen: 0 }
    }

    pub(super) fn run(&mut self, entry: Thread<'r>) -> Walked<()> {
        self.pending.push(entry);
        while let Some(thread) = self.pending.pop() {
            self.follow(thread)?;
            if self.pending.len() + self.leaves.len() > MOST_WAYS {
                return Err(WalkError::TooManyWays { most: MOST_WAYS });
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
            match self.walker.program.next_rule(frame.chain, frame.rule, &thread.view) {
                Some(rule) => place.rule = rule,
                None => return Ok(self.end_of_chain(thread)),
            }
        }
        self.parts(thread, place)
    }

    fn parts(&mut self, thread: &mut Thread<'r>, mut place: Place) -> Walked<bool> {
        while let Some(op) = self.walker.program.op(place.chain, place.rule, place.part) {
            match op {
                Op::Nothing => (),
                Op::Test(test) => match self.test(thread, test, place)? {
                    Some(true) => (),
                    Some(false) => break,
                    // The ways that go on from here were put aside.
                    None => return Ok(false),
                },
                Op::Act(act) => match self.act(thread, act, place)? {
                    Next::Part => (),
                    Next::Elsewhere => return Ok(true),
                    Next::Gone => return Ok(false),
                },
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
        (place.part + 1..)
            .map_while(|part| self.walker.program.op(place.chain, place.rule, part))
            .any(|op| matches!(op, Op::Act(_)))
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

    fn fork_unknown(&mut self, thread: &Thread<'r>, predicate: Predicate<'r>, text: &'r str, place: Place) {
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
        known.affinity = Some(Affinity { list, place });
        go_to(&mut known, place.rule, place.part);
        self.pending.insert(0, known);
        Ok(Some(negated))
    }

    fn end_of_chain(&mut self, thread: &mut Thread<'r>) -> bool {
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

    fn act(&mut self, thread: &mut Thread<'r>, act: Act<'r>, place: Place) -> Walked<Next> {
        match act {
            Act::Continue => Ok(Next::Part),
            Act::Accept => {
                self.note(thread, place, Effect::Accept);
                thread.frames.clear();
                Ok(Next::Elsewhere)
            }
            Act::Drop => Ok(self.finish(thread, place, Effect::Drop, Verdict::Drop)),
            Act::Reject(answer) => {
                Ok(self.finish(thread, place, Effect::Reject(answer), Verdict::Reject(answer)))
            }
            Act::Return => {
                self.note(thread, place, Effect::Return);
                Ok(if self.end_of_chain(thread) { Next::Elsewhere } else { Next::Gone })
            }
            Act::Jump(chain) => self.jump(thread, chain, place),
            Act::Goto(chain) => self.goto(thread, chain, place),
            Act::SetMark { keep, flip } => Ok(self.set_mark(thread, (thread.view.mark & keep) ^ flip, place)),
            Act::OrMark(bits) => Ok(self.set_mark(thread, thread.view.mark | bits, place)),
            Act::Remember(list) => Ok(self.note_on(thread, place, Effect::Remember(list))),
            Act::Untrack => {
                thread.untracked = true;
                Ok(self.note_on(thread, place, Effect::Untrack))
            }
            _ => self.act_of_translation(thread, act, place),
        }
    }

    fn act_of_translation(&mut self, thread: &mut Thread<'r>, act: Act<'r>, place: Place) -> Walked<Next> {
        match act {
            Act::Dnat(to) => Ok(self.dnat(thread, to, place)),
            Act::Redirect(port) => {
                let to = self.redirected(&thread.view, port.map(crate::net::Port::get));
                Ok(self.dnat(thread, to, place))
            }
            Act::Masquerade => {
                let own = self.walker.host.primary_address(self.family);
                self.note(thread, place, Effect::Masquerade);
                thread.view.source = own.unwrap_or(thread.view.source);
                Ok(self.source_translated(thread))
            }
            Act::Snat => {
                self.note(thread, place, Effect::Snat);
                Ok(self.source_translated(thread))
            }
            Act::RandomDnat(modulus, destinations) => {
                let acts = destinations.iter().map(|(number, to)| (*number, Act::Dnat(*to)));
                self.one_of(thread, modulus, acts.rev(), place)
            }
            Act::RandomVerdict(modulus, verdicts) => {
                let acts = verdicts.iter().map(|(number, verdict)| (*number, verdict_act(verdict)));
                self.one_of(thread, modulus, acts.rev(), place)
            }
            Act::VerdictMap(key, map) => {
                let found = self.walker.program.look_up(place.chain, map, key, &thread.view);
                self.mapped(thread, found, map, place)
            }
            Act::Unknown(text) => self.unknown_target(thread, text, place),
            _ => Ok(Next::Part),
        }
    }

    fn source_translated(&mut self, thread: &mut Thread<'r>) -> Next {
        thread.snat = true;
        thread.bound = true;
        thread.frames.clear();
        Next::Elsewhere
    }

    fn dnat(&mut self, thread: &mut Thread<'r>, to: SocketAddr, place: Place) -> Next {
        self.note(thread, place, Effect::Dnat(to));
        if !translates_destination(thread.phase.hook()) {
            return Next::Part;
        }
        thread.view.destination = to;
        thread.view.translated = true;
        thread.bound = true;
        thread.frames.clear();
        if thread.phase.hook() == Hook::Output {
            thread.view.output = self.walker.output_of(&thread.view);
            if self.walker.is_martian(&thread.view) {
                self.martian(thread);
                return Next::Gone;
            }
        }
        Next::Elsewhere
    }

    /// REDIRECT goes to the node itself: to a loopback address for its own packets.
    fn redirected(&self, view: &View, port: Option<u16>) -> SocketAddr {
        let own = match view.input {
            super::packet::Interface::None => self.family.loopback(),
            _ => self.walker.host.primary_address(self.family).unwrap_or(view.destination.ip()),
        };
        SocketAddr::new(own, port.unwrap_or(view.destination.port()))
    }

    /// Goes every one of the ways of a random choice; numbers that are missing pass the rule over.
    fn one_of(
        &mut self,
        thread: &mut Thread<'r>,
        modulus: u32,
        choices: impl Iterator<Item = (u32, Act<'r>)>,
        place: Place,
    ) -> Walked<Next> {
        let each = Chance::of(1, u64::from(modulus));
        let mut others = u64::from(modulus);
        let mut ways = Vec::new();
        for (_, act) in choices.filter(|(number, _)| *number < modulus) {
            let mut way = thread.clone();
            way.chance = thread.chance.times(each);
            go_to(&mut way, place.rule, place.part);
            if let Some(frame) = way.frames.last_mut() {
                frame.chance = (modulus > 1).then_some(each);
            }
            ways.push((way, act));
            others = others.saturating_sub(1);
        }
        if others > 0 {
            let mut way = thread.clone();
            way.chance = thread.chance.times(Chance::of(others, u64::from(modulus)));
            go_to(&mut way, place.rule + 1, 0);
            self.pending.push(way);
        }
        for (mut way, act) in ways {
            match self.act(&mut way, act, place)? {
                Next::Part => {
                    go_to(&mut way, place.rule, place.part + 1);
                    self.pending.push(way);
                }
                Next::Elsewhere => self.pending.push(way),
                Next::Gone => (),
            }
        }
        Ok(Next::Gone)
    }

    fn mapped(
        &mut self,
        thread: &mut Thread<'r>,
        found: Lookup<'r>,
        map: &'r str,
        place: Place,
    ) -> Walked<Next> {
        let element = match found {
            Lookup::Hit(element) => element,
            Lookup::Miss => return Ok(self.pass_over(thread, place)),
            Lookup::NoSuchSet => return Err(self.no_such_set(place, map)),
            Lookup::Maybe(element) => match thread.assumed(Predicate::Part(place)) {
                Some(true) => element,
                Some(false) => return Ok(self.pass_over(thread, place)),
                None => {
                    self.fork_unknown(thread, Predicate::Part(place), map, place);
                    return Ok(Next::Gone);
                }
            },
        };
        match &element.value {
            Some(MapValue::Verdict(verdict)) => self.verdict(thread, verdict, place),
            Some(MapValue::Opaque(text)) => self.unknown_target(thread, text, place),
            None => Ok(self.pass_over(thread, place)),
        }
    }

    fn verdict(&mut self, thread: &mut Thread<'r>, verdict: &'r NftVerdict, place: Place) -> Walked<Next> {
        self.act(thread, verdict_act(verdict), place)
    }

    fn pass_over(&mut self, thread: &mut Thread<'r>, place: Place) -> Next {
        go_to(thread, place.rule + 1, 0);
        Next::Elsewhere
    }

    /// A target that is not understood may drop the packet or let it through.
    fn unknown_target(&mut self, thread: &mut Thread<'r>, text: &'r str, place: Place) -> Walked<Next> {
        match thread.assumed(Predicate::Part(place)) {
            None => {
                self.fork_unknown(thread, Predicate::Part(place), text, place);
                Ok(Next::Gone)
            }
            Some(true) => {
                let effect = Effect::Unknown { drops: true };
                Ok(self.finish(thread, place, effect, Verdict::Drop))
            }
            Some(false) => {
                self.note(thread, place, Effect::Unknown { drops: false });
                if text.to_ascii_lowercase().contains("queue") {
                    thread.frames.clear();
                    return Ok(Next::Elsewhere);
                }
                Ok(self.pass_over(thread, place))
            }
        }
    }

    fn set_mark(&mut self, thread: &mut Thread<'r>, mark: u32, place: Place) -> Next {
        self.note(thread, place, Effect::Mark(mark));
        thread.view.mark = mark;
        Next::Part
    }

    fn jump(&mut self, thread: &mut Thread<'r>, name: &'r str, place: Place) -> Walked<Next> {
        let chain = self.target(name, place)?;
        let before = thread.path;
        self.note(thread, place, Effect::Jump(name));
        go_to(thread, place.rule + 1, 0);
        let mut called = frame(chain, thread);
        called.before = before;
        thread.frames.push(called);
        if thread.frames.len() > self.walker.program.deepest() {
            let (table, chain) = self.names(place);
            return Err(WalkError::TooDeep { table, chain });
        }
        Ok(Next::Elsewhere)
    }

    /// The chain takes the place of the one that is left.
    fn goto(&mut self, thread: &mut Thread<'r>, name: &'r str, place: Place) -> Walked<Next> {
        let chain = self.target(name, place)?;
        self.note(thread, place, Effect::Goto(name));
        if let Some(frame) = thread.frames.last_mut() {
            frame.chain = chain;
            frame.gotos += 1;
            if frame.gotos > self.walker.program.chain_count() {
                return Err(WalkError::Endless);
            }
        }
        go_to(thread, 0, 0);
        Ok(Next::Elsewhere)
    }

    fn target(&self, name: &str, place: Place) -> Walked<ChainId> {
        self.walker.program.find(place.chain, name).ok_or_else(|| {
            let (table, chain) = self.names(place);
            let target = name.into();
            WalkError::NoSuchChain { table, chain, target }
        })
    }

    pub(super) fn no_such_set(&self, place: Place, set: &str) -> WalkError {
        let (table, chain) = self.names(place);
        let set = set.into();
        WalkError::NoSuchSet { table, chain, set }
    }

    fn names(&self, place: Place) -> (compact_str::CompactString, compact_str::CompactString) {
        match self.walker.program.rule_ref(place.chain, Some(place.rule)) {
            Some(rule) => (rule.table_name(), rule.chain_name().into()),
            None => Default::default(),
        }
    }

    fn finish(
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

    fn note_on(&mut self, thread: &mut Thread<'r>, place: Place, effect: Effect<'r>) -> Next {
        self.note(thread, place, effect);
        Next::Part
    }

    fn note(&mut self, thread: &mut Thread<'r>, place: Place, effect: Effect<'r>) {
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
            effect,
        });
        thread.path = number;
    }
}

/// Puts a thread at a part of a rule of the chain that it is in.
fn go_to(thread: &mut Thread<'_>, rule: usize, part: usize) {
    if let Some(frame) = thread.frames.last_mut() {
        if part == 0 {
            frame.chance = None;
        }
        frame.rule = rule;
        frame.part = part;
    }
}
