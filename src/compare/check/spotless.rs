//! The usual answer, that nothing differs, found without building the rules that should be there: each is compared with
//! the captured one while it is written, and then forgotten. If anything is out of the ordinary, there is no answer
//! from here, and [`super::check`] builds both rulesets and compares them; for a spotless node it would say the same as
//! this module.
//!
//! A million rules take half a gigabyte, and a check used to spend most of its time on building and freeing them.

use std::collections::HashMap;

use super::dispatch::{DISPATCH, do_the_same};
use super::{Found, is_followed_alike, policy, preceded, unrouted};
use crate::compare::subject::{comment, is_own_jump};
use crate::iptables::ruleset::{self as ipt, ChainName, Owner, Rule, TableName};
use crate::iptables::{self, Sink};
use crate::node::{Host, NodeRules};
use crate::plan::Plan;
use crate::plan::origin::Origin;
use crate::ruleset::Ruleset;
use crate::settings::ProxyMode;

/// What there is to say of a node whose rules are as they should be, with no other program's in the way; none if that
/// is not so, or not certain.
pub(super) fn find(plan: &Plan<'_>, host: &Host, captured: &NodeRules<'_>) -> Option<Found> {
    let ruleset = &captured.ruleset;
    let is_alone = captured.others().is_empty() && ruleset.has_kube_proxys_rules();
    let is_spotless = is_alone
        && !policy::drops_by_policy(ruleset)
        && !preceded::may_be(captured)
        && !unrouted::may_be(plan, host)
        && has_no_difference(plan, ruleset)
        && is_followed_alike(host, captured);
    is_spotless.then(|| Found { same_rules: true, ..Found::default() })
}

/// Whether all rules are those of a plan, and in their places. False may also mean that it is not known.
pub(super) fn has_no_difference(plan: &Plan<'_>, captured: &Ruleset) -> bool {
    let Ruleset::Iptables(captured) = captured else { return false };
    if plan.mode() != ProxyMode::Iptables || plan.family() != captured.family {
        return false;
    }
    let Some(mut reader) = Reader::of(captured) else { return false };
    iptables::write(plan, &mut reader);
    reader.is_at_the_end()
}

/// Reads captured chains while the expected ones are written.
struct Reader<'r> {
    chains: Vec<Place<'r>>,
    numbers: HashMap<(TableName, ChainName), usize>,
    differs: bool,
}

/// How far a captured chain was read.
struct Place<'r> {
    chain: &'r ipt::Chain,
    is_written: bool,
    read: usize,
    /// What is written to a chain that all Services share: its order is compared when it is complete.
    shared: Option<Vec<Rule>>,
}

impl<'r> Reader<'r> {
    /// None if a table or a chain occurs twice: it would not be known which is meant.
    fn of(captured: &'r ipt::Ruleset) -> Option<Reader<'r>> {
        let count = captured.tables.iter().map(|table| table.chains.len()).sum();
        let mut reader = Reader {
            chains: Vec::with_capacity(count),
            numbers: HashMap::with_capacity(count),
            differs: false,
        };
        for (at, table) in captured.tables.iter().enumerate() {
            if captured.tables.iter().take(at).any(|other| other.name == table.name) {
                return None;
            }
            for chain in &table.chains {
                let number = reader.chains.len();
                let is_shared = chain.owner == Owner::KubeProxy && DISPATCH.contains(&chain.name.as_str());
                let shared = is_shared.then(Vec::new);
                reader.chains.push(Place { chain, is_written: false, read: 0, shared });
                if reader.numbers.insert((table.name, chain.name), number).is_some() {
                    return None;
                }
            }
        }
        Some(reader)
    }

    fn place(&mut self, table: TableName, chain: ChainName) -> Option<&mut Place<'r>> {
        let number = self.numbers.get(&(table, chain))?;
        let place = self.chains.get_mut(*number)?;
        place.is_written = true;
        Some(place)
    }

    fn is_at_the_end(&self) -> bool {
        !self.differs && self.chains.iter().all(Place::is_at_the_end)
    }
}

impl Sink for Reader<'_> {
    fn chain(&mut self, table: TableName, chain: ChainName) {
        self.differs = self.differs || self.place(table, chain).is_none();
    }

    fn rule(&mut self, table: TableName, chain: ChainName, rule: Rule, _: Origin) {
        self.differs = self.differs || !self.place(table, chain).is_some_and(|place| place.is_next(rule));
    }
}

impl Place<'_> {
    /// Whether a rule is the next one, as far as that is known. In a built-in chain rules of other programs may come
    /// before it.
    fn is_next(&mut self, rule: Rule) -> bool {
        if let Some(shared) = &mut self.shared {
            shared.push(rule);
            return true;
        }
        let rest = self.chain.rules.get(self.read..).unwrap_or_default();
        let foreign = match self.chain.owner {
            Owner::Kernel => rest.iter().take_while(|placed| !is_own_jump(&placed.rule)).count(),
            Owner::KubeProxy | Owner::Kubelet | Owner::Foreign => 0,
        };
        self.read += foreign + 1;
        rest.get(foreign).is_some_and(|placed| placed.rule == rule)
    }

    /// Whether only rules of others are left.
    fn is_at_the_end(&self) -> bool {
        if let Some(shared) = &self.shared {
            return do_the_same(shared.iter(), self.chain.rules.iter().map(|placed| &placed.rule));
        }
        let rest = self.chain.rules.get(self.read..).unwrap_or_default();
        match self.chain.owner {
            Owner::Foreign => true,
            Owner::Kernel => !rest.iter().any(|placed| is_own_jump(&placed.rule)),
            Owner::KubeProxy => rest.is_empty() && (self.is_written || self.is_canary()),
            Owner::Kubelet => rest.is_empty() || (self.read == 0 && self.is_kubelets()),
        }
    }

    /// Whether it is a canary, which no packet meets.
    fn is_canary(&self) -> bool {
        self.chain.name.as_str().ends_with("-CANARY") && self.chain.rules.is_empty()
    }

    /// Whether the chain has no rule but the kubelet's own.
    fn is_kubelets(&self) -> bool {
        let guard =
            |placed: &ipt::PlacedRule| comment(&placed.rule) == Some("block incoming localnet connections");
        self.chain.rules.iter().all(guard)
    }
}
