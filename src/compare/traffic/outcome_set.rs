//! What happens to the packets of a class, in a form that can be compared between rule languages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use compact_str::{CompactString, format_compact};
use smallvec::SmallVec;

use crate::walk::{Answer, AssumedVerdict, Condition, Outcome, Packet, Verdict, WalkError, Walker};

/// Everything that can happen to a packet, each with its chance.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeSet {
    ends: BTreeMap<(Given, End), f64>,
    /// Why the rules cannot be followed.
    fault: Option<String>,
}

/// What an end depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Given {
    /// The client was sent to this endpoint before, at most this many seconds ago.
    pub affinity: Option<(SocketAddr, Option<u32>)>,
    /// Matches and targets that are not understood, and what is assumed of them.
    pub assumed: Vec<(CompactString, Assumed)>,
}

/// What is assumed of something that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assumed {
    /// Whether it matches, or is so.
    Holds(bool),
    /// It gives one of these verdicts.
    Verdicts(SmallVec<[AssumedVerdict; 3]>),
}

/// One thing that can happen to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// Whether it gets through.
    pub verdict: Verdict,
    /// Where it goes, if anywhere.
    pub destination: Option<SocketAddr>,
    /// Whether its source is rewritten.
    pub snat: bool,
}

/// How two outcome sets differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contrast {
    /// One side cannot be followed: whether they differ is not known, even if both fail in the same way.
    Unknown,
    /// The outcomes differ.
    Outcome,
    /// Only clients that session affinity remembers have another outcome.
    Affinity,
    /// The same outcomes with other chances.
    Chance,
}

/// Chances are equal if they differ by less than this fraction of themselves: the kernel stores them as multiples of
/// 2^-31.
const TOLERANCE: f64 = 1e-6;

impl OutcomeSet {
    /// The outcomes of walking a packet.
    pub fn of(walker: &Walker<'_>, packet: &Packet) -> OutcomeSet {
        match walker.ends(packet) {
            Ok(outcomes) => OutcomeSet::from_outcomes(&outcomes),
            Err(error) => OutcomeSet { ends: BTreeMap::new(), fault: Some(fault(&error)) },
        }
    }

    fn from_outcomes(outcomes: &[Outcome<'_>]) -> OutcomeSet {
        let mut ends: BTreeMap<(Given, End), f64> = BTreeMap::new();
        for outcome in outcomes {
            let through = outcome.verdict == Verdict::Accept;
            let end = End {
                verdict: outcome.verdict,
                destination: through.then_some(outcome.destination),
                snat: through && outcome.snat,
            };
            *ends.entry((given(outcome), end)).or_default() += outcome.chance.as_f64();
        }
        forget_idle_affinity(&mut ends);
        OutcomeSet { ends, fault: None }
    }

    /// How two outcome sets differ; none if they are the same.
    pub fn contrast(&self, other: &OutcomeSet) -> Option<Contrast> {
        if self.fault.is_some() || other.fault.is_some() {
            return Some(Contrast::Unknown);
        }
        if self.ends.keys().ne(other.ends.keys()) {
            let first_contact = |outcome_set: &OutcomeSet| -> Vec<(Given, End)> {
                outcome_set.ends.keys().filter(|(given, _)| given.affinity.is_none()).cloned().collect()
            };
            let same = first_contact(self) == first_contact(other);
            return Some(if same { Contrast::Affinity } else { Contrast::Outcome });
        }
        let close = |a: &f64, b: &f64| (a - b).abs() <= TOLERANCE * a.max(*b);
        let chances_agree = self.ends.values().zip(other.ends.values()).all(|(a, b)| close(a, b));
        (!chances_agree).then_some(Contrast::Chance)
    }

    /// Ends of a client's first contact.
    pub fn ends(&self) -> impl Iterator<Item = (&Given, &End, f64)> {
        self.ends.iter().map(|((given, end), chance)| (given, end, *chance))
    }

    /// How many ends there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Why the rules cannot be followed, if they cannot.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// What happens to every packet of the class, if it is the same for all.
    pub fn only(&self) -> Option<End> {
        let mut ends = self.ends.keys();
        match (ends.next(), ends.next()) {
            (Some((given, end)), None) if *given == Given::default() => Some(*end),
            _ => None,
        }
    }

    /// Whether `holds` is true of every end; false if the rules cannot be followed.
    pub fn all(&self, holds: impl Fn(&End) -> bool) -> bool {
        self.fault.is_none() && self.ends.keys().all(|(_, end)| holds(end))
    }

    /// The same with other destinations. None if one has no counterpart, or if more than destinations would differ: if
    /// something is not known, and if the rules cannot be followed.
    pub(super) fn with_destinations(
        &self,
        counterpart: impl Fn(SocketAddr) -> Option<SocketAddr>,
    ) -> Option<OutcomeSet> {
        let mut ends = BTreeMap::new();
        for ((given, end), chance) in &self.ends {
            let Given { affinity, assumed } = given;
            let affinity = match affinity {
                Some((to, seconds)) => Some((counterpart(*to)?, *seconds)),
                None => None,
            };
            let destination = match end.destination {
                Some(to) => Some(counterpart(to)?),
                None => None,
            };
            let is_known = assumed.is_empty();
            let key = (Given { affinity, assumed: Vec::new() }, End { destination, ..*end });
            is_known.then(|| ends.insert(key, *chance))?;
        }
        self.fault.is_none().then_some(OutcomeSet { ends, fault: None })
    }

    /// The same with another value for whether the source is rewritten, for the ends where `snat` says so.
    #[must_use]
    pub fn with_snat(&self, snat: impl Fn(&End) -> bool) -> OutcomeSet {
        let mut ends: BTreeMap<(Given, End), f64> = BTreeMap::new();
        for ((given, end), chance) in &self.ends {
            let end = End { snat: snat(end), ..*end };
            *ends.entry((given.clone(), end)).or_default() += chance;
        }
        OutcomeSet { ends, fault: self.fault.clone() }
    }
}

/// Affinity makes no difference if every client gets the same outcome anyway.
fn forget_idle_affinity(ends: &mut BTreeMap<(Given, End), f64>) {
    let of_others: BTreeSet<(Vec<(CompactString, Assumed)>, End)> = ends
        .keys()
        .filter(|(given, _)| given.affinity.is_none())
        .map(|(given, end)| (given.assumed.clone(), *end))
        .collect();
    let only = |assumed: &Vec<(CompactString, Assumed)>| {
        let mut same = of_others.iter().filter(|(others, _)| others == assumed).map(|(_, end)| *end);
        same.next().filter(|_| same.next().is_none())
    };
    ends.retain(|(given, end), _| given.affinity.is_none() || only(&given.assumed) != Some(*end));
}

/// The name of a list or set differs between rule languages; where it leads does not.
fn given(outcome: &Outcome<'_>) -> Given {
    let mut given = Given::default();
    for condition in &outcome.given {
        match condition {
            Condition::Affinity { .. } => {
                given.affinity = Some((outcome.destination, condition.seconds()));
            }
            Condition::Opaque { text, matches, .. } => {
                given.assumed.push((text.clone(), Assumed::Holds(*matches)))
            }
            Condition::Verdict { text, verdicts, .. } => {
                given.assumed.push((text.clone(), Assumed::Verdicts(verdicts.clone())));
            }
            Condition::Order { text, .. } => given.assumed.push((text.clone(), Assumed::Holds(true))),
            Condition::Several { text, digest, .. } => {
                let text = format_compact!("{text} (and more, {digest:x})");
                given.assumed.push((text, Assumed::Holds(true)));
            }
            Condition::Supposed { .. } => {}
        }
    }
    given.assumed.sort();
    given.assumed.dedup();
    given
}

fn fault(error: &WalkError) -> String {
    error.to_string()
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::Drop => f.write_str("dropped"),
            Verdict::Reject(Answer::TcpReset) => f.write_str("rejected with a TCP reset"),
            Verdict::Reject(_) => f.write_str("rejected"),
            Verdict::Accept => {
                match self.destination {
                    Some(destination) => write!(f, "{destination}")?,
                    None => f.write_str("let through")?,
                }
                if self.snat { f.write_str(", source rewritten") } else { Ok(()) }
            }
        }
    }
}
