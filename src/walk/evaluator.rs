//! Evaluates rules: runs a packet through chains, with one packet state for each branch that it can take.

use std::net::{IpAddr, SocketAddr};

use foldhash::{HashMap, HashMapExt, HashSet};

use crate::net::Family;
use crate::nftables::ruleset::{Element, Field};

use super::cases::CaseSet;
use super::chance::Chance;
use super::error::WalkError;
use super::outcome::{Effect, Hook, Verdict};
use super::packet::View;
use super::packet_state::{Affinity, FinalState, Frame, PacketState, PathEnd, PathId, Phase, RulePosition};
use super::program::Program;
use super::questions::{Answers, OpenQuestion, Question, Questions, RuleText};
use super::queue::Queue;
use super::rule_index::Sources;
use super::rule_part::{ChainId, Match, MatchKind, RulePart};
use super::set_index::Lookup;
use super::weights::{QuestionId, Weight, Weights};
use crate::node::{ClientKind, Host, InterfaceName};

/// The most branches that are followed, so that a ruleset cannot take all memory.
const MOST_BRANCHES: usize = 1 << 16;
/// The most branches side by side that depend on what nothing tells: each differs in something that rules can ask, as
/// marks do that are set bit by bit.
const MOST_OPEN: usize = 1 << 11;
/// The most forks at what is not understood.
const MOST_UNKNOWN: usize = 1 << 17;

/// What one walk does not exceed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Rules that are looked at, so that a ruleset cannot take all time.
    pub(super) rules: usize,
    /// Steps that are kept, so that they cannot take all memory.
    pub(super) steps: usize,
}

impl Bounds {
    const USUAL: Bounds = Bounds { rules: 1 << 24, steps: 1 << 22 };
}

/// Evaluates the rules of a node for one packet.
pub(super) struct Evaluator<'w, 'r> {
    pub(super) program: &'w Program<'r>,
    pub(super) host: &'w Host,
    pub(super) family: Family,
    /// What happened; each entry names the one before it.
    pub(super) path: Vec<PathEntry<'r>>,
    pub(super) path_ends: Vec<PathEnd<'r>>,
    pub(super) pending: Queue<'r>,
    /// Packets that are set aside once they are routed, to be followed together with all like them.
    pub(super) routed: Vec<PacketState<'r>>,
    /// Whether packets are set aside.
    pub(super) sets_aside: bool,
    /// Whether it is kept what happened on the way, and not the ends alone.
    pub(super) keeps_steps: bool,
    /// The destinations that packets are followed to, where not to all: the others end with their translation.
    pub(super) only: Option<HashSet<SocketAddr>>,
    pub(super) weights: Weights,
    pub(super) questions: Questions<'r>,
    /// The interfaces in and out that the asker told.
    pub(super) told: (Option<InterfaceName>, Option<InterfaceName>),
    /// By which interface the node's routes lead to an address.
    pub(super) toward: HashMap<IpAddr, Option<InterfaceName>>,
    /// Who sends the packet.
    pub(super) client: ClientKind,
    /// The source port that the asker told.
    pub(super) source_port: Option<u16>,
    /// Destinations by their number ([`PacketState::class`]).
    classes: HashMap<SocketAddr, u32>,
    /// The element of a map whose verdict is being carried out.
    pub(super) element: Option<&'r Element>,
    rules_seen: usize,
    /// [`Bounds::USUAL`]; tests lower them.
    pub(super) bounds: Bounds,
    unknown: usize,
}

/// Something that happened on one or more branches.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathEntry<'r> {
    pub(super) before: PathId,
    pub(super) hook: Hook,
    /// Chain and rule; no rule for the policy, nothing for the kernel's own doing.
    pub(super) rule: Option<(ChainId, Option<usize>)>,
    pub(super) seen: View,
    pub(super) chance: Option<Chance>,
    pub(super) element: Option<&'r Element>,
    pub(super) effect: Effect<'r>,
}

/// The result of a match.
pub(super) enum MatchResult<'r> {
    Known(bool),
    /// It depends on an open question: on these answers the packet passes.
    Open(QuestionId, CaseSet),
    /// The rule does not match, negated or not: what it asks for is not there.
    Absent,
    /// Branches for each answer are pending.
    Forked,
    Random(Chance),
    Remembered(&'r str),
}

/// What is known of the answer to a question.
pub(super) enum Decision {
    /// It lies in this group; in none where there is no number.
    Group(Option<usize>),
    /// It can lie in several.
    Open,
}

/// Where the evaluation goes on after an action.
pub(super) enum Next {
    /// At the next part of the rule.
    Part,
    /// Wherever the action has put it.
    Elsewhere,
    /// Nowhere: the packet has ended, or other branches go on with it.
    Gone,
}

pub(super) type Walked<T> = Result<T, WalkError>;

impl<'w, 'r> Evaluator<'w, 'r> {
    pub(super) fn new(program: &'w Program<'r>, host: &'w Host, family: Family) -> Self {
        Evaluator {
            program,
            host,
            family,
            path: Vec::new(),
            path_ends: Vec::new(),
            pending: Queue::default(),
            routed: Vec::new(),
            sets_aside: false,
            keeps_steps: true,
            only: None,
            weights: Weights::new(),
            questions: Questions::default(),
            told: (None, None),
            toward: HashMap::new(),
            client: ClientKind::Outside,
            source_port: None,
            classes: HashMap::new(),
            element: None,
            rules_seen: 0,
            bounds: Bounds::USUAL,
            unknown: 0,
        }
    }

    pub(super) fn run(&mut self, mut entry: PacketState<'r>) -> Walked<()> {
        self.class_of(entry.view.destination);
        let goes_on = match entry.phase {
            Phase::Output => self.can_be_sent(&mut entry),
            _ => self.is_received(&mut entry),
        };
        if goes_on {
            self.pending.push(entry);
        }
        self.follow_pending()
    }

    /// Follows packets until none waits.
    pub(super) fn follow_pending(&mut self) -> Walked<()> {
        while let Some(state) = self.pending.pop(&mut self.weights) {
            self.follow(state)?;
            if self.pending.len() + self.path_ends.len() + self.routed.len() > MOST_BRANCHES
                || self.pending.open() > MOST_OPEN
                || self.unknown > MOST_UNKNOWN
                || self.weights.is_full()
            {
                return Err(WalkError::TooManyWays);
            }
        }
        Ok(())
    }

    /// Follows a packet until it ends, forks, or has got further than another.
    fn follow(&mut self, mut state: Box<PacketState<'r>>) -> Walked<()> {
        state.branch = 0;
        loop {
            let goes_on = match state.frames.last().copied() {
                Some(frame) => self.rule(&mut state, frame)?,
                None => self.next_chain(&mut state),
            };
            if !goes_on {
                return Ok(());
            }
            if self.pending.has_before(&state) {
                self.pending.push(state);
                return Ok(());
            }
        }
    }

    /// The number of a destination.
    pub(super) fn class_of(&mut self, destination: SocketAddr) -> u32 {
        let next = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        *self.classes.entry(destination).or_insert(next)
    }

    /// One rule, or what is left of it. False once this branch has ended.
    fn rule(&mut self, state: &mut PacketState<'r>, frame: Frame) -> Walked<bool> {
        self.rules_seen += 1;
        if self.rules_seen > self.bounds.rules {
            return Err(WalkError::TooManyRules);
        }
        if self.path.len() > self.bounds.steps {
            return Err(WalkError::TooManySteps);
        }
        let mut position = RulePosition { chain: frame.chain, rule: frame.rule, part: frame.part };
        if frame.part == 0 {
            match self.program.next_rule(frame.chain, frame.rule, (&state.view, Sources::Its)) {
                Some(rule) => position.rule = rule,
                None => return Ok(self.end_of_chain(state)),
            }
        }
        self.parts(state, position)
    }

    fn parts(&mut self, state: &mut PacketState<'r>, mut position: RulePosition) -> Walked<bool> {
        while let Some(part) = self.program.rule_part(position.chain, position.rule, position.part) {
            let (required, action) = match part {
                RulePart::Nothing => (None, None),
                RulePart::Match(required) => (Some(required), None),
                RulePart::Action(action) => (None, Some(action)),
            };
            if let Some(required) = required {
                match self.check(state, required, position)? {
                    Some(true) => (),
                    Some(false) => break,
                    // The branches that go on from here are pending.
                    None => return Ok(false),
                }
            }
            if let Some(action) = action {
                match self.apply(state, action, position)? {
                    Next::Part => (),
                    Next::Elsewhere => return Ok(true),
                    Next::Gone => return Ok(false),
                }
            }
            position.part += 1;
        }
        go_to(state, position.rule + 1, 0);
        Ok(true)
    }

    /// Whether the rule goes on; none if that depends, and branches for each case are pending.
    fn check(
        &mut self,
        state: &mut PacketState<'r>,
        required: Match<'r>,
        position: RulePosition,
    ) -> Walked<Option<bool>> {
        if let MatchKind::Statement(statement) = required.kind {
            return self.passes(state, statement, position);
        }
        let found = self.match_result(state, required.kind, position)?;
        self.change_list(state, &required.kind, matches!(found, MatchResult::Known(true)));
        match found {
            MatchResult::Known(holds) => Ok(Some(holds != required.negated)),
            MatchResult::Absent => Ok(Some(false)),
            MatchResult::Forked => Ok(None),
            MatchResult::Random(chance) if chance.is_certain() => Ok(Some(true)),
            MatchResult::Random(chance) if chance.is_impossible() => Ok(Some(false)),
            MatchResult::Random(chance) => {
                self.fork_random(state, chance, position);
                Ok(None)
            }
            MatchResult::Remembered(list) => self.remembered(state, list, required.negated, position),
            MatchResult::Open(question, holds) => {
                match self.decided(state, question, std::slice::from_ref(&holds)) {
                    Decision::Group(group) => Ok(Some((group == Some(0)) != required.negated)),
                    Decision::Open if !self.rest_has_action(position) => Ok(Some(false)),
                    Decision::Open => {
                        self.fork_open(state, question, &[holds], position);
                        Ok(None)
                    }
                }
            }
        }
    }

    /// A question that is answered by yes or no, and the answer "yes".
    pub(super) fn yes_no(
        &mut self,
        question: Question<'r>,
        text: impl Into<RuleText<'r>>,
        position: RulePosition,
    ) -> (QuestionId, CaseSet) {
        let id = self.questions.number(question, (position, text), || Answers::YesNo);
        (id, OpenQuestion::yes())
    }

    /// Which of some groups of answers the answer is in, where this branch knows.
    pub(super) fn decided(
        &self,
        state: &PacketState<'r>,
        question: QuestionId,
        groups: &[CaseSet],
    ) -> Decision {
        let Some(open) = self.questions.get(question) else { return Decision::Group(None) };
        let possible = self.weights.possible(state.weight, question, &open.all);
        let mut rest = possible.clone();
        for (number, group) in groups.iter().enumerate() {
            let within = possible.and(group);
            if within == possible {
                return Decision::Group(Some(number));
            }
            rest = rest.without(&within);
        }
        if rest == possible { Decision::Group(None) } else { Decision::Open }
    }

    /// Has a branch pending for each group of answers, and one for all others; each comes to the same place again.
    pub(super) fn fork_open(
        &mut self,
        state: &PacketState<'r>,
        question: QuestionId,
        groups: &[CaseSet],
        position: RulePosition,
    ) {
        let Some(all) = self.questions.get(question).map(|open| open.all.clone()) else { return };
        self.element = None;
        let mut rest = all.clone();
        for (number, group) in groups.iter().enumerate() {
            self.branch(state, (question, group, &all), position, groups.len() - number);
            rest = rest.without(group);
        }
        self.branch(state, (question, &rest, &all), position, 0);
    }

    fn branch(
        &mut self,
        state: &PacketState<'r>,
        (question, answers, all): (QuestionId, &CaseSet, &CaseSet),
        position: RulePosition,
        number: usize,
    ) {
        let weight = self.weights.where_one_of(state.weight, question, answers, all);
        if weight == Weight::NEVER {
            return;
        }
        self.unknown += 1;
        let mut branch = Box::new(state.clone());
        branch.weight = weight;
        branch.branch = number + 1;
        go_to(&mut branch, position.rule, position.part);
        self.pending.push(branch);
    }

    /// Whether what follows in the rule does anything.
    fn rest_has_action(&self, position: RulePosition) -> bool {
        let part = |part| self.program.rule_part(position.chain, position.rule, part);
        let actions = |part| matches!(part, RulePart::Action(_));
        (position.part + 1..).map_while(part).any(actions)
    }

    fn fork_random(&mut self, state: &mut PacketState<'r>, chance: Chance, position: RulePosition) {
        let mut passed_over = Box::new(state.clone());
        passed_over.chance = state.chance.times(chance.otherwise());
        go_to(&mut passed_over, position.rule + 1, 0);
        self.pending.push(passed_over);
        let mut taken = Box::new(state.clone());
        taken.chance = state.chance.times(chance);
        go_to(&mut taken, position.rule, position.part + 1);
        if let Some(frame) = taken.frames.last_mut() {
            frame.chance = Some(chance);
        }
        self.pending.push(taken);
    }

    /// A client's first contact goes on; the branch of one that was sent to an endpoint before is pending.
    fn remembered(
        &mut self,
        state: &mut PacketState<'r>,
        list: &'r str,
        negated: bool,
        position: RulePosition,
    ) -> Walked<Option<bool>> {
        if let Some(affinity) = state.affinity {
            return Ok(Some((affinity.list == list) != negated));
        }
        let mut known = Box::new(state.clone());
        let key = [Field::SourceAddress(self.family)];
        let found = self.program.look_up(position.chain, list, &key, &state.view);
        known.affinity = Some(Affinity { list, listed: matches!(found, Lookup::Hit(_)), position });
        go_to(&mut known, position.rule, position.part);
        self.pending.push(known);
        Ok(Some(negated))
    }

    pub(super) fn end_of_chain(&mut self, state: &mut PacketState<'r>) -> bool {
        let Some(frame) = state.frames.pop() else {
            return true;
        };
        if state.path == frame.after {
            state.path = frame.before;
        }
        if !state.frames.is_empty() {
            return true;
        }
        match state.base {
            Some(base) if base.drops => {
                self.record(state, Some((base.chain, None)), None, Effect::PolicyDrop);
                self.end(state, Verdict::Drop, false)
            }
            _ => true,
        }
    }

    pub(super) fn finish(
        &mut self,
        state: &mut PacketState<'r>,
        position: RulePosition,
        effect: Effect<'r>,
        verdict: Verdict,
    ) -> Next {
        self.note(state, position, effect);
        self.end(state, verdict, false);
        Next::Gone
    }

    /// Ends a branch. Always false: there is nothing left to do for it.
    pub(super) fn end(&mut self, state: &mut PacketState<'r>, verdict: Verdict, local: bool) -> bool {
        self.path_ends.push(PathEnd {
            state: FinalState::new(state, verdict, local),
            chance: state.chance,
            weight: state.weight,
            affinity: state.affinity,
            path: state.path,
        });
        false
    }

    pub(super) fn note_on(
        &mut self,
        state: &mut PacketState<'r>,
        position: RulePosition,
        effect: Effect<'r>,
    ) -> Next {
        self.note(state, position, effect);
        Next::Part
    }

    pub(super) fn note(&mut self, state: &mut PacketState<'r>, position: RulePosition, effect: Effect<'r>) {
        let chance = state.frames.last().and_then(|frame| frame.chance);
        self.record(state, Some((position.chain, Some(position.rule))), chance, effect);
    }

    pub(super) fn record_routing(&mut self, state: &mut PacketState<'r>, effect: Effect<'r>) {
        self.record(state, None, None, effect);
    }

    fn record(
        &mut self,
        state: &mut PacketState<'r>,
        rule: Option<(ChainId, Option<usize>)>,
        chance: Option<Chance>,
        effect: Effect<'r>,
    ) {
        let element = self.element.take();
        if !self.keeps_steps {
            return;
        }
        let number = u32::try_from(self.path.len()).ok();
        self.path.push(PathEntry {
            before: state.path,
            hook: if rule.is_some() { state.phase.hook() } else { Hook::Routing },
            rule,
            seen: state.view,
            chance,
            element,
            effect,
        });
        state.path = number;
    }
}

/// Puts a packet at a part of a rule of the chain that it is in.
pub(super) fn go_to(state: &mut PacketState<'_>, rule: usize, part: usize) {
    if let Some(frame) = state.frames.last_mut() {
        if part == 0 {
            frame.chance = None;
        }
        frame.rule = rule;
        frame.part = part;
    }
}
