//! Questions about a packet that nothing known answers, and the possible answers.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

use foldhash::HashMap;
use smallvec::SmallVec;

use super::assumed_verdict::AssumedVerdict;
use super::cases::CaseSet;
use super::hook::Hook;
use super::interface_case::InterfaceCase;
use super::interfaces::{Interfaces, LikeCases};
use super::outcome::Supposition;
use super::packet::{SourcePort, View};
use super::packet_state::RulePosition;
use super::rule_part::InterfaceDirection;
use super::weights::QuestionId;
use crate::nftables::ruleset::{Comparison, Datum, Expression, Selector, Statement};

/// A question about a packet that nothing known answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Question<'r> {
    /// By which interface it comes in.
    InInterface,
    /// By which interface it goes out to this destination.
    OutInterface(IpAddr),
    /// Its source port.
    SourcePort(SourcePort),
    /// Whether the interface by which it comes in has an address.
    InterfaceHasAddress,
    /// Whether it passes a match, by its text: the same text means the same in every rule, at the same hook and with
    /// the same source and destination.
    Text(&'r str, Option<Moment>),
    /// Whether a field, or a value made of it, equals this.
    Is(&'r Expression, &'r Datum, Where),
    /// Whether it has such a thing at all.
    Has(&'r Selector, Where),
    /// Whether it passes a match of nftables.
    Passes(&'r Comparison, Where),
    /// Whether it is in a set of nftables because an earlier packet made a rule add it, as one rule asks.
    Filled(&'r str, RulePosition, Moment),
    /// Whether a set that is listed as full has the element already, or takes it, as one rule asks.
    HasRoom(&'r str, RulePosition),
    /// Whether it passes a part of one rule.
    Part(RulePosition),
    /// Which verdict the target of one rule gives.
    Verdict(RulePosition),
    /// Whether a part of one rule is as it usually is for the first packet of a connection.
    Usual(Supposition, RulePosition),
    /// In which order the base chains of one priority run, from this place at the hook on.
    Order(Hook, usize),
}

/// What a packet looks like at one point of its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Moment {
    pub(super) hook: Hook,
    pub(super) source: IpAddr,
    pub(super) destination: SocketAddr,
}

/// Where an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Where {
    /// On the packet's whole way.
    Anywhere,
    /// As long as the packet looks like this.
    Then(Moment),
    /// On one part of a rule: rules change it.
    Here(RulePosition, Moment),
}

impl Where {
    fn moment(self) -> Option<Moment> {
        match self {
            Where::Anywhere => None,
            Where::Then(moment) | Where::Here(_, moment) => Some(moment),
        }
    }
}

impl Question<'_> {
    /// What the packet looks like that is asked.
    fn moment(&self) -> Option<Moment> {
        match self {
            Question::Text(_, moment) => *moment,
            Question::Is(.., place) | Question::Has(_, place) | Question::Passes(_, place) => place.moment(),
            Question::Filled(.., moment) => Some(*moment),
            _ => None,
        }
    }
}

/// The answers that a question can have.
#[derive(Debug, Clone, Hash)]
pub(super) enum Answers<'r> {
    /// Yes (0) or no (1).
    YesNo,
    /// One of these interfaces.
    Interfaces(InterfaceDirection, Vec<LikeCases<'r>>),
    /// One of these ranges of ports.
    Ports(Vec<(u16, u16)>),
    /// One of these verdicts.
    Verdicts(&'static [AssumedVerdict]),
    /// One of these orders of chains, in words.
    Orders(Vec<String>),
}

/// The part of a rule that a question is about.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum RuleText<'r> {
    /// As printed.
    Printed(&'r str),
    /// It writes to this.
    WritesTo(&'r Selector),
}

impl<'r> From<&'r str> for RuleText<'r> {
    fn from(text: &'r str) -> RuleText<'r> {
        RuleText::Printed(text)
    }
}

impl fmt::Display for RuleText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleText::Printed(text) => f.write_str(text),
            RuleText::WritesTo(selector) => write!(f, "{selector} set"),
        }
    }
}

/// The number of the answer "yes".
pub(super) const YES: usize = 0;

/// A question that was asked, and where it was asked first.
#[derive(Debug, Clone)]
pub(super) struct OpenQuestion<'r> {
    pub(super) answers: Answers<'r>,
    pub(super) all: CaseSet,
    pub(super) position: RulePosition,
    question: Question<'r>,
    text: RuleText<'r>,
    /// Why the answer is supposed to be "yes", if it is.
    pub(super) supposition: Option<Supposition>,
}

/// The questions of one walk, in the order in which they were first asked.
#[derive(Default, Clone)]
pub(super) struct Questions<'r> {
    numbers: HashMap<Question<'r>, QuestionId>,
    asked: Vec<OpenQuestion<'r>>,
}

impl<'r> Questions<'r> {
    /// The number of a question; `answers` are made when it is asked for the first time.
    pub(super) fn number(
        &mut self,
        question: Question<'r>,
        (position, text): (RulePosition, impl Into<RuleText<'r>>),
        answers: impl FnOnce() -> Answers<'r>,
    ) -> QuestionId {
        if let Some(known) = self.numbers.get(&question) {
            return *known;
        }
        let answers = answers();
        let number = QuestionId::new(self.asked.len(), answers.are_of_the_packet());
        let all = CaseSet::all(answers.count());
        let supposition = match question {
            Question::Usual(supposition, _) => Some(supposition),
            _ => None,
        };
        let text = text.into();
        self.asked.push(OpenQuestion { answers, all, position, question, text, supposition });
        self.numbers.insert(question, number);
        number
    }

    /// The questions whose answer is supposed to be "yes".
    pub(super) fn supposed(&self) -> impl Iterator<Item = QuestionId> {
        let usual = (0..).zip(&self.asked).filter(|(_, question)| question.supposition.is_some());
        usual.map(|(number, _)| QuestionId::new(number, false))
    }

    /// A number for what was asked, and in which order. Whether a packet still has the ends that it was asked about
    /// counts, not which ends they are.
    pub(super) fn digest(&self, view: &View) -> u64 {
        let mut hasher = DefaultHasher::new();
        for open in &self.asked {
            (open.position, open.text, &open.answers).hash(&mut hasher);
            match open.question {
                Question::OutInterface(routed) => (0, routed == view.routed).hash(&mut hasher),
                other => match other.moment() {
                    // Its place and its text tell the rest.
                    Some(Moment { hook, source, destination }) => {
                        let has_both = (source == view.source, destination == view.destination);
                        (1, open.text(), hook, has_both).hash(&mut hasher);
                    }
                    None => (2, other).hash(&mut hasher),
                },
            }
        }
        hasher.finish()
    }

    pub(super) fn get(&self, number: QuestionId) -> Option<&OpenQuestion<'r>> {
        self.asked.get(number.index())
    }
}

impl Answers<'_> {
    fn count(&self) -> usize {
        match self {
            Answers::YesNo => 2,
            Answers::Interfaces(_, cases) => cases.len(),
            Answers::Ports(ranges) => ranges.len(),
            Answers::Verdicts(verdicts) => verdicts.len(),
            Answers::Orders(orders) => orders.len(),
        }
    }

    /// Whether they are many that rules match on one by one.
    fn are_of_the_packet(&self) -> bool {
        matches!(self, Answers::Interfaces(..) | Answers::Ports(_))
    }
}

impl OpenQuestion<'_> {
    /// "Yes", for a question that can be answered so.
    pub(super) fn yes() -> CaseSet {
        CaseSet::of(2, |case| case == YES)
    }

    /// The answers that mean an interface with a certain name or pattern.
    pub(super) fn interfaces(&self, holds: impl Fn(&InterfaceCase<'_>) -> bool) -> CaseSet {
        match &self.answers {
            Answers::Interfaces(_, cases) => {
                CaseSet::of(cases.len(), |i| cases.get(i).is_some_and(|like| holds(&like.first)))
            }
            _ => self.all.without(&self.all),
        }
    }

    /// For each thing that some interfaces lead to, ascending, the answers that mean one of those interfaces.
    pub(super) fn interfaces_by(
        &self,
        leads_to: impl Fn(&InterfaceCase<'_>) -> Option<usize>,
    ) -> BTreeMap<usize, CaseSet> {
        let mut found: BTreeMap<usize, CaseSet> = BTreeMap::new();
        if let Answers::Interfaces(_, cases) = &self.answers {
            for (number, case) in cases.iter().enumerate() {
                if let Some(at) = leads_to(&case.first) {
                    found.entry(at).or_insert_with(|| CaseSet::none(cases.len())).insert(number);
                }
            }
        }
        found
    }

    /// The answers that mean certain ports; ports are grouped so that all ports of an answer agree.
    pub(super) fn ports(&self, holds: impl Fn(u16) -> bool) -> CaseSet {
        match &self.answers {
            Answers::Ports(ranges) => {
                CaseSet::of(ranges.len(), |i| ranges.get(i).is_some_and(|(first, _)| holds(*first)))
            }
            _ => self.all.without(&self.all),
        }
    }

    /// The answers that are verdicts.
    pub(super) fn verdicts(&self, set: &CaseSet) -> SmallVec<[AssumedVerdict; 3]> {
        match &self.answers {
            Answers::Verdicts(verdicts) => {
                set.iter().filter_map(|answer| verdicts.get(answer)).copied().collect()
            }
            _ => SmallVec::new(),
        }
    }

    /// What is asked, in the words of the rules.
    pub(super) fn text(&self) -> String {
        match self.question {
            Question::Is(of, datum, _) => format!("{of} {datum}"),
            Question::Has(selector, _) => format!("{selector} exists"),
            Question::Passes(comparison, _) => Statement::Compare(Box::new(comparison.clone())).to_string(),
            Question::Filled(set, ..) => format!("@{set}"),
            Question::HasRoom(set, _) => format!("add @{set}"),
            _ => match &self.answers {
                Answers::Orders(orders) => orders.first().cloned().unwrap_or_default(),
                _ => self.text.to_string(),
            },
        }
    }

    /// A number for the question and some of its answers, by what they mean: the same for rules that name other interfaces
    /// besides.
    pub(super) fn meaning(&self, set: &CaseSet) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.text().hash(&mut hasher);
        match &self.answers {
            Answers::Interfaces(direction, cases) => {
                let mut all: Vec<_> =
                    set.iter().filter_map(|i| cases.get(i)).flat_map(LikeCases::all).collect();
                all.sort_unstable();
                (direction, all).hash(&mut hasher);
            }
            Answers::YesNo | Answers::Ports(_) | Answers::Verdicts(_) | Answers::Orders(_) => {
                set.hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// The answers in words, and whether these are meant rather than all others.
    pub(super) fn words(&self, set: &CaseSet) -> (String, bool) {
        match &self.answers {
            Answers::YesNo => (self.text(), set.contains(YES)),
            Answers::Interfaces(direction, cases) => {
                let named = |set: &CaseSet| {
                    let mut all: Vec<_> =
                        set.iter().filter_map(|i| cases.get(i)).flat_map(LikeCases::all).collect();
                    all.sort_unstable();
                    all
                };
                let (these, others) = (named(set), named(&self.all.without(set)));
                let has_other = these.contains(&InterfaceCase::Other);
                let meant = !has_other && !others.is_empty() || these.len() < others.len();
                let names = if meant { these } else { others };
                let names = names.iter().map(Interfaces::words);
                let direction = match direction {
                    InterfaceDirection::In => "in interface",
                    InterfaceDirection::Out => "out interface",
                };
                (format!("{direction} {}", one_of(names.collect())), meant)
            }
            Answers::Ports(ranges) => {
                let range = |i: usize| ranges.get(i).map(|(first, last)| port_range(*first, *last));
                let after = match self.question {
                    Question::SourcePort(SourcePort::Given(..)) => " after its translation",
                    _ => "",
                };
                (format!("source port{after} {}", one_of(set.iter().filter_map(range).collect())), true)
            }
            Answers::Verdicts(_) => {
                let these: Vec<&str> = self.verdicts(set).into_iter().map(AssumedVerdict::name).collect();
                (format!("{} {}", self.text, these.join(" or ")), true)
            }
            Answers::Orders(orders) => {
                let these: Vec<&str> = set.iter().filter_map(|i| orders.get(i)).map(String::as_str).collect();
                (these.join(", or "), true)
            }
        }
    }
}

fn port_range(first: u16, last: u16) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// The most names that are listed.
const LISTED: usize = 4;

/// `a`, `a or b`, `a, b, c, d or one of 12 more`
fn one_of(names: Vec<String>) -> String {
    let (listed, more) = names.split_at(names.len().min(LISTED));
    match (listed, more.len()) {
        ([first @ .., last], 0) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        (all, 0) => all.join(", "),
        (all, more) => format!("{} or one of {more} more", all.join(", ")),
    }
}
