//! Targets and statements that are not understood, or that leave the packet to a program: which verdict they give is a
//! question.

use super::assumed_verdict::AssumedVerdict;
use super::cases::CaseSet;
use super::evaluator::{Decision, Evaluator, Next, Walked};
use super::outcome::{Effect, Verdict};
use super::packet_state::{PacketState, RulePosition};
use super::questions::{Answers, Question, RuleText};

/// What can be done by what is not understood.
const ANYTHING: [AssumedVerdict; 3] =
    [AssumedVerdict::Drop, AssumedVerdict::Accept, AssumedVerdict::Continue];

/// What a socket or a program can do that a packet is handed to.
const TAKEN_OR_NOT: [AssumedVerdict; 2] = [AssumedVerdict::Drop, AssumedVerdict::Accept];

impl<'r> Evaluator<'_, 'r> {
    /// A target that is not understood may drop the packet, accept it or let it go on, with other marks.
    pub(super) fn unknown_target(
        &mut self,
        state: &mut PacketState<'r>,
        text: impl Into<RuleText<'r>>,
        position: RulePosition,
    ) -> Walked<Next> {
        self.assume(state, (text.into(), &ANYTHING), position)
    }

    /// A socket or a program takes the packet, which rules of later chains then see, perhaps with another mark; or it
    /// is dropped.
    pub(super) fn hand_over(
        &mut self,
        state: &mut PacketState<'r>,
        text: &'r str,
        position: RulePosition,
    ) -> Walked<Next> {
        self.assume(state, (text.into(), &TAKEN_OR_NOT), position)
    }

    fn assume(
        &mut self,
        state: &mut PacketState<'r>,
        (text, verdicts): (RuleText<'r>, &'static [AssumedVerdict]),
        position: RulePosition,
    ) -> Walked<Next> {
        let question = Question::Verdict(position);
        let question = self.questions.number(question, (position, text), || Answers::Verdicts(verdicts));
        // The last is what remains.
        let last = verdicts.len().saturating_sub(1);
        let groups: Vec<CaseSet> =
            (0..last).map(|verdict| CaseSet::of(verdicts.len(), |answer| answer == verdict)).collect();
        let verdict = match self.decided(state, question, &groups) {
            Decision::Group(verdict) => verdicts.get(verdict.unwrap_or(last)),
            Decision::Open => {
                self.fork_open(state, question, &groups, position);
                return Ok(Next::Gone);
            }
        };
        let verdict = verdict.copied().unwrap_or(AssumedVerdict::Drop);
        let effect = Effect::Unknown(verdict);
        if verdict == AssumedVerdict::Drop {
            return Ok(self.finish(state, position, effect, Verdict::Drop));
        }
        self.note(state, position, effect);
        self.forget_marks(&mut state.view);
        if verdict == AssumedVerdict::Continue {
            return Ok(Next::Part);
        }
        state.frames.clear();
        Ok(Next::Elsewhere)
    }
}
