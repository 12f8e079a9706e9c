//! The rules of one node in one IP family, in either rule language. Only this module decides in which one a plan is
//! compiled.

pub mod listing;
pub mod writer;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::input::Sources;
use crate::net::Family;
use crate::nftables::TABLE;
use crate::plan::Plan;
use crate::settings::ProxyMode;
use crate::{iptables, iptables::ruleset as ipt, nftables, nftables::ruleset as nft};

/// Rules of one IP family, compiled or read from what a node printed. Clones share them.
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

    /// The same, but with the chains and sets of only some Service ports, by their index in the plan. Every rule in it
    /// is the same as in the whole, and in the same place, so that a packet that concerns no other Service port meets
    /// the same rules.
    pub fn compile_around(plan: &Plan<'_>, indices: &BTreeSet<usize>) -> Ruleset {
        match plan.mode() {
            ProxyMode::Iptables => iptables::compile_around(plan, indices).into(),
            ProxyMode::Nftables => Ruleset::nftables(nftables::compile_around(plan, indices), plan.family()),
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

    /// Whether it has rules of kube-proxy: a chain of iptables with rules, or the table of nftables.
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

    /// Ranges of addresses that rules compare sources with: first and last address of each.
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

/// What the program that loads the rules would refuse: `iptables-restore` or `nft`.
pub fn check_loadable(plan: &Plan<'_>, sources: &Sources) -> Diagnostics {
    match plan.mode() {
        ProxyMode::Iptables => iptables::loadable::check(plan),
        ProxyMode::Nftables => nftables::loadable::check(plan, sources),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Ruleset;
    use crate::cluster::Cluster;
    use crate::net::Family;
    use crate::plan::Plan;
    use crate::settings::{ProxyMode, Settings};
    use crate::testing::corpus;
    use crate::testing::scope::{part, share};
    use crate::{input, nftables, nftables::ruleset as nft};

    /// The chains of a ruleset, and everything else in it, each as text.
    fn chains(ruleset: &Ruleset) -> Vec<(String, String)> {
        match ruleset {
            Ruleset::Iptables(ruleset) => {
                let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
                chains.map(|chain| (chain.name.to_string(), format!("{chain:?}"))).collect()
            }
            Ruleset::Nftables(ruleset, _) => {
                let table = ruleset.tables.iter().find(|table| table.name == nftables::TABLE).unwrap();
                let chains = table.chains.iter().map(|chain| (chain.name.to_string(), format!("{chain:?}")));
                let set = |set: &nft::Set| (format!("set {}", set.name), format!("{set:?}"));
                chains.chain(table.sets.iter().map(set)).collect()
            }
        }
    }

    /// How many chains and sets are left out around each Service port of a cluster.
    fn left_out(cluster: &Cluster, settings: &Settings) -> usize {
        let mut count = 0;
        for (family, node) in
            Family::ALL.iter().flat_map(|family| cluster.nodes.iter().map(move |n| (family, n)))
        {
            let Ok((plan, _)) = Plan::new(cluster, settings, node, *family) else { continue };
            let whole = chains(&Ruleset::compile(&plan));
            for index in 0..plan.service_ports().len() {
                let part = chains(&Ruleset::compile_around(&plan, &BTreeSet::from([index])));
                assert!(part.iter().all(|chain| whole.contains(chain)), "{}", node.name);
                count += whole.len() - part.len();
            }
            let all = (0..plan.service_ports().len()).collect();
            assert_eq!(chains(&Ruleset::compile_around(&plan, &all)), whole);
        }
        count
    }

    #[test]
    fn what_is_compiled_around_some_service_ports_is_as_in_the_whole() {
        let mut count = 0;
        for path in share("ruleset", 10, corpus("cluster.yaml", 10)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let (snapshot, _) = input::read_text("cluster.yaml", &text).unwrap();
            for mode in [ProxyMode::Iptables, ProxyMode::Nftables] {
                let settings = Settings::newest(mode);
                let Ok((cluster, _)) = Cluster::build(&snapshot, &settings) else { continue };
                count += left_out(&cluster, &settings);
            }
        }
        assert!(count > part(10_000, 20), "{count}");
    }
}
