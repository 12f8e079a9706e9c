//! What rules do to packets on an interface, as far as its name matters: finds which are of one
//! [kind](super::interface_kinds).

mod iptables;
mod nftables;

use std::collections::BTreeSet;
use std::rc::Rc;

use foldhash::{HashMap, HashMapExt};

use super::digest::number;
use super::interface_case::InterfaceCase;
use super::interface_kinds::InterfaceKinds;
use super::program::Program;
use super::rule_part::{ChainId, InterfaceDirection};

/// Chains call one another no deeper than this where they are compared; below that, they are told apart by number.
const DEEPEST: usize = 32;

/// Finds which interfaces the rules treat alike.
pub(super) fn kinds_of<'r>(program: &Program<'r>) -> InterfaceKinds<'r> {
    let mut kinds = InterfaceKinds::default();
    let cases: Vec<_> = program.interfaces().cases().collect();
    if cases.len() == 1 {
        return kinds;
    }
    for direction in [InterfaceDirection::In, InterfaceDirection::Out] {
        let iptables = program.iptables_part().map(|rules| iptables::Asking { rules, direction });
        let nftables = program.nftables_part().map(|rules| nftables::Asking { rules, direction });
        let mut iptables = iptables.map(Answered::new);
        let mut nftables = nftables.map(Answered::new);
        for case in &cases {
            let of_iptables = iptables.as_mut().map(|rules| rules.left_for(case));
            let of_nftables = nftables.as_mut().map(|rules| rules.left_for(case));
            kinds.add(direction, *case, of_iptables.into_iter().chain(of_nftables));
        }
    }
    kinds
}

/// Rules in a language that ask for interfaces in one direction.
trait Asking<'r> {
    /// The chains at hooks.
    fn bases(&self) -> Vec<ChainId>;

    /// The names and patterns that the rules of a chain ask for, and the chains that they can lead to.
    fn asked(&self, chain: ChainId) -> (Vec<&'r str>, Vec<ChainId>);

    /// What the rules of a chain say and do.
    fn rules(&self, chain: ChainId) -> Vec<Vec<Part<'r>>>;
}

/// What a rule says or does, in its order.
#[derive(Debug)]
enum Part<'r> {
    /// It matches packets, in these words, whatever their interface.
    Matches(u128),
    /// It does something to packets that get here, in these words.
    Does(u128),
    /// It leads to a chain, in this way.
    LeadsTo(&'static str, ChainId),
    /// Only packets on interfaces that fit one of these get further, or only others.
    Fits { patterns: Vec<&'r str>, negated: bool },
    /// It does what belongs to the first name or pattern that fits; other packets get no further.
    Chooses(Vec<(&'r str, Part<'r>)>),
    /// What these words mean depends on which of the names and patterns fit, and on what the chains do.
    Otherwise { words: u128, names: Vec<&'r str>, chains: Vec<ChainId> },
}

/// Rules with the questions for interfaces answered for one case after the other.
struct Answered<'r, A> {
    asking: A,
    /// What a chain and all that it leads to ask for; none where that is too deep to look at.
    asked: HashMap<ChainId, Option<Rc<BTreeSet<&'r str>>>>,
    rules: HashMap<ChainId, Rc<Vec<Vec<Part<'r>>>>>,
    /// What chains do to packets whose interface fits these of what they ask for.
    known: HashMap<(ChainId, Vec<&'r str>), u128>,
    depth: usize,
}

impl<'r, A: Asking<'r>> Answered<'r, A> {
    fn new(asking: A) -> Answered<'r, A> {
        Answered { asking, asked: HashMap::new(), rules: HashMap::new(), known: HashMap::new(), depth: 0 }
    }

    /// A number for what is left for the packets of a case.
    fn left_for(&mut self, case: &InterfaceCase<'r>) -> u128 {
        let bases = self.asking.bases();
        let left: Vec<_> = bases.into_iter().map(|base| self.left_of_base(base, case)).collect();
        number(&left)
    }

    /// What is left of a chain at a hook: it is only compared with itself, so the place of a rule stands for the rule where no
    /// interface matters.
    fn left_of_base(&mut self, base: ChainId, case: &InterfaceCase<'r>) -> Vec<u128> {
        let rules = self.rules(base);
        let mut left = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            if rule.iter().any(|part| self.depends(part)) {
                left.extend(self.left_of_rule(rule, case));
            } else {
                left.push(number(&("place", place)));
            }
        }
        left
    }

    /// A number for what a chain does; one for the chain itself while that is being found, or where it is too deep.
    fn chain(&mut self, chain: ChainId, case: &InterfaceCase<'r>) -> u128 {
        let itself = number(&("chain", chain, case));
        let Some(asked) = self.asked(chain).filter(|_| self.depth < DEEPEST) else { return itself };
        let fitting: Vec<&'r str> = asked.iter().copied().filter(|pattern| case.fits(pattern)).collect();
        let key = (chain, fitting);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        self.known.insert(key.clone(), itself);
        self.depth += 1;
        let rules = self.rules(chain);
        let left: Vec<u128> = rules.iter().filter_map(|rule| self.left_of_rule(rule, case)).collect();
        self.depth -= 1;
        let found = number(&("rules", left));
        self.known.insert(key, found);
        found
    }

    /// A number for what a rule does; none if it does nothing.
    fn left_of_rule(&mut self, rule: &[Part<'r>], case: &InterfaceCase<'r>) -> Option<u128> {
        let mut left = Vec::with_capacity(rule.len());
        let mut does = false;
        for part in rule {
            match part {
                Part::Fits { patterns, negated } => {
                    if patterns.iter().any(|pattern| case.fits(pattern)) == *negated {
                        return does.then(|| number(&left));
                    }
                    continue;
                }
                Part::Chooses(choices) => {
                    let Some((_, chosen)) = choices.iter().find(|(pattern, _)| case.fits(pattern)) else {
                        return does.then(|| number(&left));
                    };
                    left.push(self.left_of_part(chosen, case));
                }
                other => left.push(self.left_of_part(other, case)),
            }
            does |= !matches!(part, Part::Matches(_));
        }
        Some(number(&left))
    }

    fn left_of_part(&mut self, part: &Part<'r>, case: &InterfaceCase<'r>) -> u128 {
        match part {
            Part::Matches(words) | Part::Does(words) => *words,
            Part::LeadsTo(how, chain) => number(&(how, self.chain(*chain, case))),
            Part::Otherwise { words, names, chains } => {
                let fitting: Vec<_> = names.iter().filter(|pattern| case.fits(pattern)).collect();
                let some: Vec<_> = chains.iter().filter(|chain| self.chain_depends(**chain)).collect();
                let left: Vec<u128> = some.into_iter().map(|chain| self.chain(*chain, case)).collect();
                number(&(words, fitting, left))
            }
            // A choice has no others in it.
            Part::Fits { .. } | Part::Chooses(_) => number(&case),
        }
    }

    fn depends(&mut self, part: &Part<'r>) -> bool {
        match part {
            Part::Matches(_) | Part::Does(_) => false,
            Part::LeadsTo(_, chain) => self.chain_depends(*chain),
            Part::Otherwise { names, chains, .. } => {
                !names.is_empty() || chains.iter().any(|chain| self.chain_depends(*chain))
            }
            Part::Fits { .. } | Part::Chooses(_) => true,
        }
    }

    fn chain_depends(&mut self, chain: ChainId) -> bool {
        self.asked(chain).is_none_or(|asked| !asked.is_empty())
    }

    fn asked(&mut self, chain: ChainId) -> Option<Rc<BTreeSet<&'r str>>> {
        if let Some(known) = self.asked.get(&chain) {
            return known.clone();
        }
        if self.depth >= DEEPEST {
            return None;
        }
        self.asked.insert(chain, None);
        self.depth += 1;
        let (names, chains) = self.asking.asked(chain);
        let mut asked: Option<BTreeSet<&'r str>> = Some(names.into_iter().collect());
        for to in chains {
            match (&mut asked, self.asked(to)) {
                (Some(asked), Some(more)) => asked.extend(more.iter()),
                (asked, _) => *asked = None,
            }
        }
        self.depth -= 1;
        let asked = asked.map(Rc::new);
        self.asked.insert(chain, asked.clone());
        asked
    }

    fn rules(&mut self, chain: ChainId) -> Rc<Vec<Vec<Part<'r>>>> {
        let Answered { asking, rules, .. } = self;
        rules.entry(chain).or_insert_with(|| Rc::new(asking.rules(chain))).clone()
    }
}

#[cfg(test)]
mod tests;
