//! What changes for the connections of one kind of client to one entry point.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::Serialize;

use crate::compare::traffic::{ConnectionVerdict, OutcomeSet};

/// What changes, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Connections that worked are refused.
    Refused,
    /// Connections that worked get no answer.
    TimesOut,
    /// Connections that worked no longer reach a Service.
    Closed,
    /// The rules of one side cannot be followed.
    Unknown,
    /// Fewer endpoints, or others, take the connections.
    LosesEndpoints,
    /// The Pods saw the client's address, and now see the node's.
    ClientIpHidden,
    /// The Pods see the client's address from now on.
    ClientIpPreserved,
    /// Whether, or for how long, a client goes back to the same endpoint.
    Affinity,
    /// The same endpoints, with other shares.
    Shares,
    /// More endpoints take the connections.
    GainsEndpoints,
    /// Connections work that did not work before.
    Works,
    /// They still fail, but in another way.
    FailsOtherwise,
    /// Only unusual kinds of connections change, such as those of a Pod to itself.
    SomeConnections,
    /// The Service is new.
    New,
    /// The Service is gone.
    Gone,
    /// Only rules change; every connection has the same outcome.
    OnlyRules,
}

impl Effect {
    /// Whether somebody who was served no longer is.
    pub fn loses(self) -> bool {
        matches!(self, Effect::Refused | Effect::TimesOut | Effect::Closed)
    }
}

/// What happens to the connections of one kind of client to one entry point, on one side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) verdict: ConnectionVerdict,
    pub(super) endpoints: BTreeSet<SocketAddr>,
    /// Whether Pods see the node's address; none if that varies or nothing arrives.
    snat: Option<bool>,
    /// Shares of the endpoints, in millionths.
    shares: Vec<u64>,
    /// For how many seconds clients go back to their endpoint.
    affinity: BTreeSet<Option<u32>>,
}

impl Seen {
    pub(super) fn new(outcomes: &OutcomeSet, verdict: ConnectionVerdict) -> Seen {
        let mut seen = Seen {
            verdict,
            endpoints: BTreeSet::new(),
            snat: None,
            shares: Vec::new(),
            affinity: BTreeSet::new(),
        };
        let mut snat = BTreeSet::new();
        for (given, end, chance) in outcomes.ends() {
            if let Some((_, seconds)) = given.affinity {
                seen.affinity.insert(seconds);
                continue;
            }
            if let (Some(to), true) = (end.destination, verdict.is_served()) {
                seen.endpoints.insert(to);
                snat.insert(end.snat);
                seen.shares.push((chance * 1e6).round() as u64);
            }
        }
        seen.snat = snat.first().copied().filter(|_| snat.len() == 1);
        seen
    }

    /// What changes between two sides.
    pub(super) fn effects(&self, new: &Seen) -> Vec<Effect> {
        let was = self.verdict.is_served();
        match (was, new.verdict) {
            (_, ConnectionVerdict::Unknown) => return vec![Effect::Unknown],
            (false, now) if self.verdict == ConnectionVerdict::Unknown && now != self.verdict => {
                return vec![Effect::Unknown];
            }
            (true, ConnectionVerdict::Refused) => return vec![Effect::Refused],
            (true, ConnectionVerdict::TimesOut) => return vec![Effect::TimesOut],
            (true, ConnectionVerdict::NotAServicePort | ConnectionVerdict::NodeItself) => {
                return vec![Effect::Closed];
            }
            (false, now) if now.is_served() => return vec![Effect::Works],
            (false, now) if now != self.verdict => return vec![Effect::FailsOtherwise],
            (false, _) => return Vec::new(),
            (true, ConnectionVerdict::Works | ConnectionVerdict::Mixed) => {}
        }
        self.changes_of_service(new)
    }

    /// What changes if both sides serve.
    fn changes_of_service(&self, new: &Seen) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut add = |is: bool, effect| effects.extend(is.then_some(effect));
        let loses = !self.endpoints.is_subset(&new.endpoints) || new.verdict > self.verdict;
        add(loses, Effect::LosesEndpoints);
        add(self.snat == Some(false) && new.snat != Some(false), Effect::ClientIpHidden);
        add(self.snat == Some(true) && new.snat != Some(true), Effect::ClientIpPreserved);
        add(self.affinity != new.affinity, Effect::Affinity);
        add(self.endpoints == new.endpoints && self.shares_differ(new), Effect::Shares);
        add(!loses && self.endpoints != new.endpoints, Effect::GainsEndpoints);
        effects
    }

    /// Whether shares differ by more than rounding explains.
    fn shares_differ(&self, new: &Seen) -> bool {
        self.shares.len() != new.shares.len()
            || self.shares.iter().zip(&new.shares).any(|(a, b)| a.abs_diff(*b) > 2)
    }
}
