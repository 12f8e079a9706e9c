//! What is judged: a node of a cluster in the corpus, as one release sees it in one mode.

use std::net::IpAddr;

use kuberules::cluster::{Cluster, Node};
use kuberules::input::{self, InputPath, Snapshot};
use kuberules::net::{Family, parse_ip_lenient};
use kuberules::plan::Plan;
use kuberules::ruleset::Ruleset;
use kuberules::settings::Origin;
use kuberules::settings::{Configuration, Flags, HostFacts, Release, Settings};
use kuberules::walk::{Host, Walker};
use kuberules::{iptables, nftables};

use super::world::Rules;
use crate::support::Case;

/// A case, with changes to its configuration.
pub(crate) struct Scenario {
    pub(crate) case: Case,
    pub(crate) flags: Flags,
    /// What the flags change, in words.
    pub(crate) variant: &'static str,
}

impl Scenario {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.case.name(), self.variant).trim_end().to_owned()
    }
}

/// A scenario, read.
pub(crate) struct Built {
    pub(crate) snapshot: Snapshot,
    pub(crate) cluster: Cluster,
    settings: Settings,
    node: Node,
}

impl Built {
    pub(crate) fn of(scenario: &Scenario) -> Built {
        let case = &scenario.case;
        let paths = [InputPath::from(case.cluster.clone().into_os_string())];
        let (snapshot, _) = input::read(&paths, std::io::empty()).unwrap();
        let config = case.folder.join(format!("kube-proxy.{}.json", case.mode));
        let text = std::fs::read_to_string(&config).unwrap();
        let (mut configuration, _) = Configuration::read(&text, Origin::file("configuration")).unwrap();
        let release: Release = case.version.parse().unwrap();
        let mut flags = scenario.flags.clone();
        flags.feature_gates.insert("NFTablesProxyMode".to_owned(), true);
        configuration.override_with(&flags, &release);
        let addresses: Vec<IpAddr> = case.host_ips.iter().filter_map(|ip| parse_ip_lenient(ip)).collect();
        let facts = HostFacts { addresses, ..HostFacts::default() };
        let (settings, _) = Settings::resolve(&configuration, release, facts, None).unwrap();
        let (cluster, _) = Cluster::build(&snapshot, &settings).unwrap();
        let node = cluster.node(&case.node).unwrap().clone();
        Built { snapshot, cluster, settings, node }
    }

    /// The plans in the families that the cluster has.
    pub(crate) fn plans(&self) -> Vec<Plan<'_>> {
        let families = Family::ALL.into_iter();
        let served = families.filter(|family| !self.cluster.family(*family).service_ports.is_empty());
        served.map(|family| Plan::new(&self.cluster, &self.settings, &self.node, family).unwrap().0).collect()
    }

    pub(crate) fn host(&self, plans: &[Plan<'_>]) -> Host {
        Host::of_node(&self.cluster, &self.node, plans)
    }
}

/// The rulesets of a node, one for each family that is served.
pub(crate) struct Rulesets(Vec<Ruleset>);

impl Rulesets {
    pub(crate) fn of(plans: &[Plan<'_>]) -> Rulesets {
        Rulesets(plans.iter().map(Ruleset::compile).collect())
    }

    pub(crate) fn texts(&self) -> Rules {
        let saved = |ruleset: &iptables::ruleset::Ruleset| {
            let mut text = String::new();
            iptables::save::print(ruleset, &mut text);
            (ruleset.family, text)
        };
        let iptables: Vec<_> = self.0.iter().filter_map(Ruleset::as_iptables).map(saved).collect();
        let scripts = self.0.iter().filter_map(Ruleset::as_nftables).map(nftables::script::print);
        if iptables.is_empty() { Rules::Nftables(scripts.collect()) } else { Rules::Iptables(iptables) }
    }

    pub(crate) fn walker<'r>(&'r self, family: Family, host: &'r Host) -> Option<Walker<'r>> {
        let ruleset = self.0.iter().find(|ruleset| ruleset.family() == family)?;
        Some(Walker::new(ruleset, host))
    }

    /// Names the set of nftables as nft does.
    pub(crate) fn set_name(&self, family: Family, set: &str) -> Option<String> {
        let table = if family == Family::Ipv4 { "ip" } else { "ip6" };
        self.0
            .iter()
            .any(|ruleset| ruleset.as_nftables().is_some())
            .then(|| format!("{table} kube-proxy {set}"))
    }
}
