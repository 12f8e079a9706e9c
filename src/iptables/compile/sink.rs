//! Where the compiler writes rules to.

use crate::iptables::ruleset::{ChainName, Rule, TableName};
use crate::plan::origin::Origin;

/// Takes chains and rules as kube-proxy writes them: rules of a chain in order, chains in the order of their lines.
pub(crate) trait Sink {
    /// The chain exists, even if it gets no rule.
    fn chain(&mut self, table: TableName, chain: ChainName);
    /// The next rule of a chain.
    fn rule(&mut self, table: TableName, chain: ChainName, rule: Rule, origin: Origin);
}
