//! Rules that cannot be walked.

use compact_str::CompactString;

use crate::net::Family;

/// Why a packet cannot be followed through a ruleset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// The ruleset is for the other family.
    #[error("the rules are for {rules}, the packet is {packet}")]
    WrongFamily {
        /// Family of the ruleset.
        rules: Family,
        /// Family of the packet.
        packet: Family,
    },
    /// A jump to a chain that is not there.
    #[error("table {table}, chain {chain}: a rule jumps to the chain {target}, which does not exist")]
    NoSuchChain {
        /// The table.
        table: CompactString,
        /// The chain with the jump.
        chain: CompactString,
        /// Where it jumps to.
        target: CompactString,
    },
    /// A set or map that is not there.
    #[error("table {table}, chain {chain}: a rule uses the set {set}, which does not exist")]
    NoSuchSet {
        /// The table.
        table: CompactString,
        /// The chain with the rule.
        chain: CompactString,
        /// The set or map.
        set: CompactString,
    },
    /// A rule translates the destination to what cannot be told.
    #[error("table {table}, chain {chain}: it is not known where a rule sends packets")]
    UnknownDestination {
        /// The table.
        table: CompactString,
        /// The chain with the rule.
        chain: CompactString,
    },
    /// A rule writes addresses or ports into packets that cannot be told.
    #[error(
        "table {table}, chain {chain}: it is not known what a rule makes of a packet's addresses and ports"
    )]
    UnknownRewrite {
        /// The table.
        table: CompactString,
        /// The chain with the rule.
        chain: CompactString,
    },
    /// Chains call one another deeper than a kernel allows, or in a circle.
    #[error("table {table}, chain {chain}: chains call one another too deeply or in a circle")]
    TooDeep {
        /// The table.
        table: CompactString,
        /// The last chain.
        chain: CompactString,
    },
    /// The walk comes to no end: chains lead to one another in a circle.
    #[error("the walk does not end: chains lead to one another in a circle")]
    Endless,
    /// Too many branches to follow.
    #[error("too many ways lead through these rules: too much is left to chance or is not understood")]
    TooManyWays,
    /// Too many rules to follow, over all ways.
    #[error("the packet meets more rules than can be followed: over 16,777,216 on all its ways")]
    TooManyRules,
    /// Too many steps to keep, over all ways.
    #[error("more happens to the packet than can be told: over 4,194,304 steps on all its ways")]
    TooManySteps,
}
