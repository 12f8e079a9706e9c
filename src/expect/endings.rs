//! The result of a connection, taking all its outcomes together.

use super::words::{ClientIp, Outcome as Wanted};
use crate::plan::Plan;
use crate::report::trace::meaning::{self, Meaning};
use crate::report::trace::{Names, RulesSource, Trace};
use crate::walk::{Condition, Outcome, Packet, Verdict, Walker};

/// Everything that can happen to a connection, as a set: for a client that connects for the first time as well as for
/// one that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Endings(u8);

impl Endings {
    const PRESERVED: u8 = 1;
    const MASQUERADED: u8 = 1 << 1;
    /// Another source by SNAT.
    const TRANSLATED: u8 = 1 << 2;
    /// A Pod that is sent back to itself: it is always masqueraded.
    const HAIRPIN: u8 = 1 << 3;
    const REFUSED: u8 = 1 << 4;
    const TIMES_OUT: u8 = 1 << 5;
    const NOT_SERVED: u8 = 1 << 6;
    const UNKNOWN: u8 = 1 << 7;
    const WORKS: u8 = Self::PRESERVED | Self::MASQUERADED | Self::TRANSLATED | Self::HAIRPIN;

    /// Nothing can be said.
    pub(super) const NOT_KNOWN: Endings = Endings(Self::UNKNOWN);
    /// There is nothing to connect to.
    pub(super) const NOTHING_THERE: Endings = Endings(Self::NOT_SERVED);

    /// Walks a packet.
    pub(super) fn of(walker: &Walker<'_>, plan: Option<&Plan<'_>>, packet: &Packet) -> Endings {
        match walker.walk(packet) {
            Ok(outcomes) => Endings::of_outcomes(&outcomes, packet, plan),
            Err(_) => Endings::NOT_KNOWN,
        }
    }

    /// The result of some outcomes of a packet.
    pub(super) fn of_outcomes(outcomes: &[Outcome<'_>], packet: &Packet, plan: Option<&Plan<'_>>) -> Endings {
        let (names, rules) = (Names::default(), RulesSource::default());
        let trace = Trace {
            packet: *packet,
            outcomes: Vec::new(),
            rules: &rules,
            names: &names,
            plan,
            existing: Vec::new(),
        };
        let mut endings = Endings::default();
        for outcome in outcomes {
            let is_guess = outcome.given.iter().any(Condition::is_not_known);
            let is_hairpin = outcome.verdict == Verdict::Accept
                && outcome.destination.ip() == packet.source
                && !outcome.delivered_locally;
            endings.0 |= match meaning::meaning(outcome, &trace) {
                _ if is_guess => Endings::UNKNOWN,
                Meaning::Works { .. } if is_hairpin => Endings::HAIRPIN,
                Meaning::Works { client_ip: meaning::ClientIp::Preserved } => Endings::PRESERVED,
                Meaning::Works { client_ip: meaning::ClientIp::Masqueraded } => Endings::MASQUERADED,
                Meaning::Works { client_ip: meaning::ClientIp::Translated } => Endings::TRANSLATED,
                Meaning::AnsweredByKubeProxy => Endings::MASQUERADED,
                Meaning::Arrives => Endings::UNKNOWN,
                Meaning::Refused(_) => Endings::REFUSED,
                Meaning::TimesOut(_) => Endings::TIMES_OUT,
                Meaning::NotServicePort(_) => Endings::NOT_SERVED,
            };
        }
        if outcomes.is_empty() { Endings::NOT_KNOWN } else { endings }
    }

    /// Whether it is a Pod that can only be sent back to itself.
    pub(super) fn is_hairpin(self) -> bool {
        self.0 == Self::HAIRPIN
    }

    /// Whether it is not completely known.
    pub(super) fn is_unknown(self) -> bool {
        self.0 & Self::UNKNOWN != 0
    }

    /// Whether some connection reaches an endpoint, as far as is known.
    pub(super) fn may_work(self) -> bool {
        self.0 & (Self::WORKS | Self::UNKNOWN) != 0
    }

    /// The result of every connection, if it is the same for all.
    pub(super) fn outcome(self) -> Option<Wanted> {
        let only = |bits: u8| self.0 != 0 && self.0 & !bits == 0;
        [
            (Self::WORKS, Wanted::Works),
            (Self::REFUSED, Wanted::Refused),
            (Self::TIMES_OUT, Wanted::TimesOut),
            (Self::NOT_SERVED, Wanted::NotServed),
        ]
        .into_iter()
        .find(|(bits, _)| only(*bits))
        .map(|(_, outcome)| outcome)
    }

    /// Which source endpoints see in every connection, if it is the same for all; those of a Pod to itself do not
    /// count.
    pub(super) fn client_ip(self) -> Option<ClientIp> {
        match self.0 & !Self::HAIRPIN {
            Self::PRESERVED => Some(ClientIp::Preserved),
            Self::MASQUERADED => Some(ClientIp::Masqueraded),
            0 if self.0 != 0 => Some(ClientIp::Masqueraded),
            _ => None,
        }
    }

    /// Whether it is as expected; never if it is unknown.
    pub(super) fn are(self, outcome: Option<Wanted>, client_ip: Option<ClientIp>) -> bool {
        let is_outcome = outcome.is_none_or(|wanted| self.outcome() == Some(wanted));
        let sees =
            |wanted: ClientIp| self.outcome() == Some(Wanted::Works) && self.client_ip() == Some(wanted);
        !self.is_unknown() && is_outcome && client_ip.is_none_or(sees)
    }

    /// In words.
    pub(super) fn words(self) -> String {
        let all = [
            (Self::PRESERVED, "works, client IP preserved"),
            (Self::MASQUERADED, "works, the Pod sees the node's IP (masqueraded)"),
            (Self::TRANSLATED, "works, the Pod sees another source IP (SNAT)"),
            (Self::HAIRPIN, "works, back to the Pod itself"),
            (Self::REFUSED, "refused"),
            (Self::TIMES_OUT, "times out"),
            (Self::NOT_SERVED, "not served"),
            (Self::UNKNOWN, "unknown"),
        ];
        let words: Vec<&str> =
            all.into_iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, words)| words).collect();
        words.join(" or ")
    }

    /// The word in JSON; `mixed` if not all are the same.
    pub(super) fn code(self) -> &'static str {
        match self.outcome() {
            _ if self.is_unknown() => "unknown",
            Some(outcome) => outcome.name(),
            None => "mixed",
        }
    }
}
