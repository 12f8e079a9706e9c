//! The firewall mark by which packets to be masqueraded are known: one bit, by `masqueradeBit`.

use super::{Captured, Finding, Kind};
use crate::iptables::ruleset::{TableName, Target};
use crate::nftables::TABLE;
use crate::nftables::ruleset::Statement;

/// The mark that captured rules set.
pub fn detect(captured: Captured<'_>) -> Option<u32> {
    match captured {
        Captured::Iptables(ruleset) => {
            let chain = ruleset.table(TableName::Nat)?.chain("KUBE-MARK-MASQ")?;
            chain.rules.iter().find_map(|placed| match &placed.rule.target {
                Some(Target::SetMark { value, mask }) if value == mask => Some(*value),
                _ => None,
            })
        }
        Captured::Nftables(ruleset) => {
            let chains = ruleset.tables.iter().filter(|t| t.name == TABLE).flat_map(|t| &t.chains);
            let statements = chains.flat_map(|c| &c.rules).flat_map(|placed| &placed.rule.statements);
            statements.into_iter().find_map(|statement| match statement {
                Statement::SetMarkOr(bits) => Some(*bits),
                _ => None,
            })
        }
    }
}

/// That the node's mark is another than the configuration's.
pub fn finding(configured: u32, found: u32) -> Option<Finding> {
    let bit = |mark: u32| match mark.count_ones() {
        1 => format!("bit {}", mark.trailing_zeros()),
        _ => format!("{mark:#010x}"),
    };
    (configured != found).then(|| {
        let message = format!(
            "packets to be masqueraded are marked by {}, not by {} as configured: masqueradeBit differs (the rest is \
             checked with the mark found)",
            bit(found),
            bit(configured)
        );
        Finding::general(Kind::MasqueradeMark, message)
    })
}
