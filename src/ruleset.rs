//! The rules of one node in one IP family, in either rule language: the only place that knows there are two.

pub mod listing;
pub mod writer;

use std::net::IpAddr;
use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::input::Sources;
use crate::net::Family;
use crate::nftables::TABLE;
use crate::plan::Plan;
use crate::settings::ProxyMode;
use crate::{iptables, iptables::ruleset as ipt, nftables, nftables::ruleset as nft};

/// Rules of one IP family, compiled or read from what a node printed. A clone shares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruleset {
    /// Of iptables.
    Iptables(Arc<ipt::Ruleset>),
    /// Of nftables; tables that do not see packets of the family are ignored.
    Nftables(Arc<nft::Ruleset>, Family),
}

impl From<ipt::Ruleset> for Ruleset {
    fn from(ruleset: ipt::Ruleset) -> Self {
        Ruleset::Iptables(Arc::new(ruleset))
    }
}

impl Ruleset {
    /// What kube-proxy writes for a plan, in the plan's mode.
    pub fn compile(plan: &Plan<'_>) -> Ruleset {
        match plan.mode() {
            ProxyMode::Iptables => iptables::compile(plan).into(),
            ProxyMode::Nftables => Ruleset::nftables(nftables::compile(plan), plan.family()),
        }
    }

    /// One family of a ruleset of nftables.
    pub fn nftables(ruleset: nft::Ruleset, family: Family) -> Ruleset {
        Ruleset::Nftables(Arc::new(ruleset), family)
    }

    /// The family.
    pub fn family(&self) -> Family {
        match self {
            Ruleset::Iptables(ruleset) => ruleset.family,
            Ruleset::Nftables(_, family) => *family,
        }
    }

    /// The mode of kube-proxy that writes rules in this language.
    pub fn mode(&self) -> ProxyMode {
        match self {
            Ruleset::Iptables(_) => ProxyMode::Iptables,
            Ruleset::Nftables(..) => ProxyMode::Nftables,
        }
    }

    /// The rules, if they are of iptables.
    pub fn as_iptables(&self) -> Option<&ipt::Ruleset> {
        match self {
            Ruleset::Iptables(ruleset) => Some(ruleset),
            Ruleset::Nftables(..) => None,
        }
    }

    /// The rules, if they are of nftables.
    pub fn as_nftables(&self) -> Option<&nft::Ruleset> {
        match self {
            Ruleset::Nftables(ruleset, _) => Some(ruleset),
            Ruleset::Iptables(_) => None,
        }
    }

    /// Whether it holds rules of kube-proxy: a chain of iptables with rules, or the table of nftables.
    pub fn has_kube_proxys_rules(&self) -> bool {
        match self {
            Ruleset::Iptables(ruleset) => {
                let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
                let mut own = chains.filter(|chain| chain.owner == ipt::Owner::KubeProxy);
                own.any(|chain| !chain.rules.is_empty())
            }
            Ruleset::Nftables(..) => self.own_tables().next().is_some(),
        }
    }

    /// Tables of nftables that kube-proxy writes for the family.
    fn own_tables(&self) -> impl Iterator<Item = &nft::Table> {
        let family = self.family();
        let tables = self.as_nftables().into_iter().flat_map(|ruleset| &ruleset.tables);
        tables.filter(move |table| table.name == TABLE && table.family.sees(family))
    }

    /// The firewall mark that kube-proxy's rules set on packets to be masqueraded.
    pub fn masquerade_mark(&self) -> Option<u32> {
        match self {
            Ruleset::Iptables(ruleset) => {
                let chain = ruleset.table(ipt::TableName::Nat)?.chain("KUBE-MARK-MASQ")?;
                chain.rules.iter().find_map(|placed| match &placed.rule.target {
                    Some(ipt::Target::SetMark { value, mask }) if value == mask => Some(*value),
                    _ => None,
                })
            }
            Ruleset::Nftables(..) => {
                let chains = self.own_tables().flat_map(|table| &table.chains);
                let mut statements =
                    chains.flat_map(|chain| &chain.rules).flat_map(|placed| &placed.rule.statements);
                statements.find_map(|statement| match statement {
                    nft::Statement::SetMarkOr(bits) => Some(*bits),
                    _ => None,
                })
            }
        }
    }

    /// Ranges of addresses that rules compare sources with, first and last address of each.
    pub fn source_ranges(&self) -> Vec<(IpAddr, IpAddr)> {
        match self {
            Ruleset::Iptables(ruleset) => {
                let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
                let rules = chains.flat_map(|chain| &chain.rules);
                let networks =
                    rules.filter_map(|placed| placed.rule.source.as_ref()).map(|source| source.net);
                let narrow = networks.filter(|net| !net.is_everything());
                narrow.map(|net| (net.network(), net.last())).collect()
            }
            Ruleset::Nftables(ruleset, _) => {
                let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
                let rules = chains.flat_map(|chain| &chain.rules);
                rules.flat_map(|placed| &placed.rule.statements).flat_map(sources_of).collect()
            }
        }
    }
}

fn sources_of(statement: &nft::Statement) -> Vec<(IpAddr, IpAddr)> {
    let nft::Statement::Address { field: nft::Field::SourceAddress(_), addresses, .. } = statement else {
        return Vec::new();
    };
    match addresses {
        nft::Addresses::One(net) => vec![(net.network(), net.last())],
        nft::Addresses::Anonymous(intervals) => intervals.iter().map(|i| (i.first, i.last)).collect(),
        nft::Addresses::Named(_) => Vec::new(),
    }
}

/// What the program that loads the rules would refuse of them: `iptables-restore` or `nft`.
pub fn check_loadable(plan: &Plan<'_>, sources: &Sources) -> Diagnostics {
    match plan.mode() {
        ProxyMode::Iptables => iptables::loadable::check(plan),
        ProxyMode::Nftables => nftables::loadable::check(plan, sources),
    }
}
