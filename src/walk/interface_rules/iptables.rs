//! What rules of iptables ask of interfaces.

use super::Contents;
use crate::iptables::ruleset::{ChainName, InterfaceMatch, Match, Rule, Target};
use crate::iptables::save::rule_text;
use crate::net::Family;
use crate::walk::digest::number;
use crate::walk::interface_kinds::AskedByName;
use crate::walk::interfaces::prefix;
use crate::walk::iptables::Program;
use crate::walk::outcome::RuleRef;
use crate::walk::rule_part::{ChainId, InterfaceDirection};

/// Learns what each rule asks.
pub(super) fn learn<'r>(program: &Program<'r>, asked: &mut AskedByName<'r>) {
    let mut contents = Contents::default();
    for chain in (0..).map(ChainId).take(program.chain_count()) {
        for direction in [InterfaceDirection::In, InterfaceDirection::Out] {
            learn_chain((program, chain), direction, asked, &mut contents);
        }
    }
}

fn learn_chain<'r>(
    (program, chain): (&Program<'r>, ChainId),
    direction: InterfaceDirection,
    asked: &mut AskedByName<'r>,
    contents: &mut Contents,
) {
    // Between which of the rules that packets on other interfaces can match, too.
    let mut place = 0;
    for rule in rules(program, chain) {
        match interface(rule, direction) {
            Some(only) if prefix(&only.name).is_none() && !only.negated => {
                let says = (chain, place, says(rule, Some(direction), (program, chain), contents));
                asked.add(direction, &only.name, &says);
            }
            other => {
                place += 1;
                let named = other.filter(|other| prefix(&other.name).is_none());
                named.into_iter().for_each(|named| asked.set_apart(&named.name));
            }
        }
    }
}

fn rules<'r>(program: &Program<'r>, chain: ChainId) -> impl Iterator<Item = &'r Rule> + use<'r> {
    let rules = match program.rule_ref(chain, None) {
        Some(RuleRef::Iptables { chain, .. }) => chain.rules.as_slice(),
        _ => &[],
    };
    rules.iter().map(|placed| &placed.rule)
}

fn interface(rule: &Rule, direction: InterfaceDirection) -> Option<&InterfaceMatch> {
    match direction {
        InterfaceDirection::In => rule.in_interface.as_deref(),
        InterfaceDirection::Out => rule.out_interface.as_deref(),
    }
}

/// A number for what a rule says, apart from comments and the interface in a direction.
fn says(
    rule: &Rule,
    but: Option<InterfaceDirection>,
    (program, chain): (&Program<'_>, ChainId),
    contents: &mut Contents,
) -> u128 {
    let (does, target) = match &rule.target {
        Some(Target::Jump(to)) => ("jump", program.find(chain, to.as_str())),
        Some(Target::Goto(to)) => ("goto", program.find(chain, to.as_str())),
        _ => ("", None),
    };
    let leads_to = target.map(|to| {
        contents.of(to, |contents| {
            rules(program, to).map(|rule| says(rule, None, (program, to), contents)).collect()
        })
    });
    let mut plain = rule.clone();
    plain.matches.retain(|asked| !matches!(asked, Match::Comment(_)));
    match but {
        Some(InterfaceDirection::In) => plain.in_interface = None,
        Some(InterfaceDirection::Out) => plain.out_interface = None,
        None => {}
    }
    if leads_to.is_some() {
        plain.target = None;
    }
    number(&(does, leads_to, text(&plain, program.family)))
}

fn text(rule: &Rule, family: Family) -> Option<String> {
    ChainName::new("ANY").map(|chain| rule_text(&chain, rule, family))
}
