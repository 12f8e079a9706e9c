//! What rules ask of interfaces beside their names.

use crate::iptables::foreign::{Crossing, ForeignMatch, Means, TestKind};
use crate::iptables::ruleset::{End, Match, Rule, Target};
use crate::nftables::ruleset::{Expression, FibResult, Selector, Statement, TranslationKind};

/// What rules ask of interfaces beside their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AskedBeside {
    /// Anything of the one by which packets leave, or by which routes lead.
    pub(super) output: bool,
    /// By which one routes lead to an address.
    pub(super) ways: bool,
    /// Whether the way to an end of the packet leads by the one that it crosses for the other.
    pub(super) across: bool,
    /// Whether an address is its own, or which one it has.
    pub(super) owners: bool,
}

impl AskedBeside {
    /// What either asks.
    pub(super) fn and(self, other: AskedBeside) -> AskedBeside {
        AskedBeside {
            output: self.output || other.output,
            ways: self.ways || other.ways,
            across: self.across || other.across,
            owners: self.owners || other.owners,
        }
    }

    /// Learns what a rule of iptables asks.
    pub(super) fn learn(&mut self, rule: &Rule) {
        self.output |= rule.out_interface.is_some();
        for asked in &rule.matches {
            if let Match::Foreign(foreign) = asked {
                self.learn_match(foreign);
            }
        }
        if let Some(Target::Foreign(target)) = &rule.target {
            self.owners |= matches!(target.means(), Means::Redirect | Means::RedirectTo { .. });
        }
    }

    fn learn_match(&mut self, foreign: &ForeignMatch) {
        for test in foreign.tests() {
            match &test.kind {
                TestKind::AddressType { limit: Some(limit), .. } => {
                    self.owners = true;
                    self.output |= *limit == Crossing::Out;
                }
                TestKind::Set { ends, .. } => self.output |= ends.contains(&End::Destination),
                _ => {}
            }
        }
    }

    /// Learns what a statement of nftables asks.
    pub(super) fn learn_nftables(&mut self, statement: &Statement) {
        match statement {
            Statement::Spelled(_, meaning) => return self.learn_nftables(meaning),
            Statement::Translate(to) => self.owners |= to.kind == TranslationKind::Redirect,
            _ => {}
        }
        for expression in statement.expressions() {
            expression.visit(&mut |part| match part {
                Expression::Selector(Selector::Meta(key)) => {
                    self.output |= matches!(key.as_str(), "oif" | "oifname");
                }
                Expression::Selector(Selector::Fib(keys, result)) => {
                    let has = |name: &str| keys.iter().any(|key| key == name);
                    let is_type = *result == FibResult::Type;
                    self.ways |= !is_type;
                    self.output |= !is_type || has("oif");
                    self.owners |= is_type && (has("iif") || has("oif"));
                    self.across |= !is_type && (has("daddr") && has("iif") || has("saddr") && has("oif"));
                }
                _ => {}
            });
        }
    }
}
