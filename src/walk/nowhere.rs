//! Jumps to chains, and lookups in sets, that do not exist. No kernel loads such rules, but a capture can be cut short.

use super::program::Program;
use super::rule_part::{Action, ChainId, Match, MatchKind, RulePart};
use crate::nftables::ruleset::{Addresses, Element, Expression, MapValue, Statement, Verdict};

/// Whether any rule leads to a chain, or looks into a set, that does not exist.
pub(super) fn leads_nowhere(program: &Program<'_>) -> bool {
    let chains = (0..program.chain_count()).map(|number| ChainId(u32::try_from(number).unwrap_or(u32::MAX)));
    chains.into_iter().any(|chain| {
        let mut rules = 0..program.rule_count(chain);
        rules.any(|rule| {
            let mut parts = (0..).map_while(|part| program.rule_part(chain, rule, part));
            parts.any(|part| is_nowhere(program, chain, part))
        })
    })
}

fn is_nowhere(program: &Program<'_>, chain: ChainId, part: RulePart<'_>) -> bool {
    let no_chain = |verdict: &Verdict| match verdict {
        Verdict::Jump(to) | Verdict::Goto(to) => program.find(chain, to).is_none(),
        _ => false,
    };
    let no_target = |element: &Element| match &element.value {
        Some(MapValue::Verdict(verdict)) => no_chain(verdict),
        _ => false,
    };
    let no_set = |name: &str| match program.elements(chain, name) {
        Some(elements) => elements.iter().any(no_target),
        None => true,
    };
    match part {
        RulePart::Action(Action::Jump(to) | Action::Goto(to)) => program.find(chain, to).is_none(),
        RulePart::Action(Action::RandomVerdict(_, verdicts)) => {
            verdicts.iter().any(|(_, verdict)| no_chain(verdict))
        }
        RulePart::Action(Action::VerdictMap(_, set))
        | RulePart::Match(Match { kind: MatchKind::InSet(_, set), .. }) => no_set(set),
        RulePart::Match(Match { kind: MatchKind::Addresses(_, _, Addresses::Named(set)), .. }) => no_set(set),
        RulePart::Action(Action::Statement(statement))
        | RulePart::Match(Match { kind: MatchKind::Statement(statement), .. }) => {
            asks_nothing(statement, &no_set, &no_target)
        }
        _ => false,
    }
}

/// Whether a statement looks into a set that does not exist, or can lead to such a chain.
fn asks_nothing(
    statement: &Statement,
    no_set: &dyn Fn(&str) -> bool,
    no_target: &dyn Fn(&Element) -> bool,
) -> bool {
    let mut found = false;
    for expression in statement.expressions() {
        expression.visit(&mut |part| match part {
            Expression::Named(name) => found |= no_set(name),
            Expression::Set(elements) => found |= elements.iter().any(no_target),
            _ => {}
        });
    }
    found
}
