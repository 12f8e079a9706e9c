//! The stages of `compile` in this process: many rulesets without as many processes.

use kuberules::cluster::{Cluster, Node};
use kuberules::diagnostic::{Checked, Diagnostics};
use kuberules::input::read_text;
use kuberules::net::Family;
use kuberules::plan::Plan;
use kuberules::settings::Origin;
use kuberules::settings::{Configuration, HostFacts, ProxyMode, Release, Settings};
use kuberules::{iptables, nftables};

/// What decides the rules of a node, as texts.
pub struct Given<'a> {
    pub cluster: &'a str,
    pub configuration: &'a str,
    pub release: Release,
    pub host: &'a HostFacts,
    pub node: &'a str,
}

/// The rules of a node in both families.
pub struct Compiled {
    pub mode: ProxyMode,
    pub families: Vec<Texts>,
    /// What the real loader is predicted to refuse, and other diagnostics.
    pub told: Diagnostics,
    /// `nft -j -f` for both families; empty in iptables mode.
    pub json: String,
}

/// The rules of one family.
pub struct Texts {
    pub family: Family,
    /// As from iptables-save or nft list.
    pub listing: String,
    /// For iptables-restore, or for nft -f.
    pub script: String,
    /// Whether the real loader is predicted to refuse them.
    pub unloadable: bool,
}

/// Runs the stages.
///
/// # Errors
/// All that was found, if there was an error.
pub fn compile(given: &Given<'_>) -> Result<Compiled, Diagnostics> {
    let mut told = Diagnostics::default();
    let snapshot = take(&mut told, read_text("cluster.json", given.cluster))?;
    let origin = Origin::file("kube-proxy.json");
    let configuration = take(&mut told, Configuration::read(given.configuration, origin))?;
    let families = Some(Family::ALL.to_vec());
    let settings = Settings::resolve(&configuration, given.release, given.host.clone(), families);
    let settings = take(&mut told, settings)?;
    let cluster = take(&mut told, Cluster::build(&snapshot, &settings))?;
    let unknown = Node { name: given.node.into(), ..Node::default() };
    let node = cluster.node(given.node).cloned().unwrap_or(unknown);
    let mut plans = Vec::new();
    let mut unloadable = Vec::new();
    for family in Family::ALL {
        let plan = take(&mut told, Plan::new(&cluster, &settings, &node, family))?;
        let found = match settings.mode {
            ProxyMode::Iptables => iptables::loadable::check(&plan),
            ProxyMode::Nftables => nftables::loadable::check(&plan, &snapshot.sources),
        };
        unloadable.push(!found.is_loadable());
        told.append(found);
        plans.push(plan);
    }
    let families = plans.iter().zip(unloadable).map(|(plan, refused)| texts(plan, settings.mode, refused));
    let families = families.collect();
    let json = match settings.mode {
        ProxyMode::Iptables => String::new(),
        ProxyMode::Nftables => {
            let rulesets: Vec<_> = plans.iter().map(nftables::compile).collect();
            let pairs: Vec<_> = plans.iter().zip(&rulesets).collect();
            serde_json::to_string(&nftables::json::print(&pairs, &snapshot.sources)).unwrap()
        }
    };
    Ok(Compiled { mode: settings.mode, families, told, json })
}

fn take<T>(told: &mut Diagnostics, checked: Checked<T>) -> Result<T, Diagnostics> {
    let (made, found) = match checked {
        Ok((made, found)) => (Some(made), found),
        Err(found) => (None, found),
    };
    told.append(found);
    made.ok_or_else(|| std::mem::take(told))
}

fn texts(plan: &Plan<'_>, mode: ProxyMode, unloadable: bool) -> Texts {
    let (listing, script) = match mode {
        ProxyMode::Iptables => {
            let mut listing = String::new();
            iptables::save::print(&iptables::compile(plan), &mut listing);
            assert_eq!(iptables::saved::print(plan).to_string(), listing, "the two ways differ");
            (listing, iptables::restore::print(plan).to_string())
        }
        ProxyMode::Nftables => {
            let ruleset = nftables::compile(plan);
            (nftables::list::print(&ruleset), nftables::script::print(&ruleset))
        }
    };
    Texts { family: plan.family(), listing, script, unloadable }
}
