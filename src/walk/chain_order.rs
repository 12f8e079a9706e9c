//! Base chains of one priority, of which no listing tells which runs first.

use super::base_chain::{BaseChain, Tie};
use super::cases::CaseSet;
use super::evaluator::{Decision, Evaluator};
use super::hook::Hook;
use super::packet_state::{PacketState, RulePosition};
use super::program::Program;
use super::questions::{Answers, Question};
use super::rule_part::ChainId;
use super::weights::QuestionId;

/// What comes next at a hook.
pub(super) enum NextBase {
    Chain(BaseChain),
    /// The next hook.
    Nothing,
    /// That depends on the order of chains: branches for each are pending.
    Open,
}

impl<'r> Evaluator<'_, 'r> {
    /// The base chain that a packet meets next at its hook.
    pub(super) fn next_base(&mut self, state: &PacketState<'r>) -> NextBase {
        let hook = state.phase.hook();
        let bases = self.program.bases(self.family);
        let Some(usual) = bases.at(hook).get(state.begun) else { return NextBase::Nothing };
        let Some(tie) = bases.tie(hook, state.begun) else { return NextBase::Chain(*usual) };
        let (question, position) = self.order_of(hook, tie);
        // The last is what remains.
        let (last, count) = (tie.orders.len() - 1, tie.orders.len());
        let groups: Vec<CaseSet> =
            (0..last).map(|order| CaseSet::of(count, |answer| answer == order)).collect();
        match self.decided(state, question, &groups) {
            Decision::Group(order) => {
                let order = tie.orders.get(order.unwrap_or(last));
                let base = order.and_then(|order| order.get(state.begun - tie.places.start));
                NextBase::Chain(*base.unwrap_or(usual))
            }
            Decision::Open => {
                self.fork_open(state, question, &groups, position);
                NextBase::Open
            }
        }
    }

    fn order_of(&mut self, hook: Hook, tie: &Tie) -> (QuestionId, RulePosition) {
        let mut chains = tie.usual().iter().filter(|base| !base.idle).map(|base| base.chain);
        let position = RulePosition { chain: chains.next().unwrap_or(ChainId(0)), rule: 0, part: 0 };
        let program = self.program;
        let answers = || Answers::Orders(tie.orders.iter().map(|order| words(order, program)).collect());
        let question = Question::Order(hook, tie.places.start);
        (self.questions.number(question, (position, ""), answers), position)
    }
}

/// `chain PREROUTING (table nat) before chain pre (table ip t)`
fn words(order: &[BaseChain], program: &Program<'_>) -> String {
    let chains = order.iter().filter(|base| !base.idle);
    let named = chains.filter_map(|base| program.rule_ref(base.chain, None));
    let named: Vec<String> =
        named.map(|chain| format!("chain {} (table {})", chain.chain_name(), chain.table_name())).collect();
    named.join(" before ")
}
