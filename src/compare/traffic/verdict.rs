//! What happens to a connection, as one of a few words that are the same in every answer.

use std::net::SocketAddr;

use serde::Serialize;

use super::OutcomeSet;
use crate::walk::Verdict;

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionVerdict {
    /// It goes to an endpoint.
    Works,
    /// The client is refused at once.
    Refused,
    /// The client gets no answer and waits for its timeout.
    TimesOut,
    /// No Service has this address and port: the packet goes on as if there were no Services.
    NotAServicePort,
    /// It reaches a socket of the node, if one listens there.
    NodeItself,
    /// Some connections work and others do not.
    Mixed,
    /// The rules cannot be followed.
    Unknown,
}

impl ConnectionVerdict {
    /// The verdict for everything that can happen to connections to a destination; `own` says whether that is an
    /// address of the node.
    pub fn of(outcomes: &OutcomeSet, to: SocketAddr, own: bool) -> ConnectionVerdict {
        if outcomes.fault().is_some() {
            return ConnectionVerdict::Unknown;
        }
        let mut verdicts = outcomes.ends().map(|(_, end, _)| match (end.verdict, end.destination) {
            (Verdict::Drop, _) => ConnectionVerdict::TimesOut,
            (Verdict::Reject(_), _) => ConnectionVerdict::Refused,
            (Verdict::Accept, Some(there)) if there != to => ConnectionVerdict::Works,
            (Verdict::Accept, _) if own => ConnectionVerdict::NodeItself,
            (Verdict::Accept, _) => ConnectionVerdict::NotAServicePort,
        });
        let first = verdicts.next().unwrap_or(ConnectionVerdict::Unknown);
        if verdicts.all(|other| other == first) { first } else { ConnectionVerdict::Mixed }
    }

    /// Whether an endpoint of the Service answers, at least sometimes.
    pub fn is_served(self) -> bool {
        matches!(self, ConnectionVerdict::Works | ConnectionVerdict::Mixed)
    }

    /// In words for people.
    pub fn words(self) -> &'static str {
        match self {
            ConnectionVerdict::Works => "works",
            ConnectionVerdict::Refused => "refused",
            ConnectionVerdict::TimesOut => "times out",
            ConnectionVerdict::NotAServicePort => "not a Service port",
            ConnectionVerdict::NodeItself => "answered by the node itself",
            ConnectionVerdict::Mixed => "works for some connections",
            ConnectionVerdict::Unknown => "unknown",
        }
    }
}
