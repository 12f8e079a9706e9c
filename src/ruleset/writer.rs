//! Whose rules these are: the programs that write rules on nodes, recognized by the names that they give to tables and
//! chains and by their comments.

use std::fmt;

use crate::iptables::ruleset as ipt;
use crate::nftables::ruleset as nft;

/// Who wrote a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Writer {
    /// kube-proxy, in whatever mode.
    KubeProxy,
    /// The kubelet.
    Kubelet,
    /// Another program that is recognized by its names.
    Program(Program),
    /// firewalld, with the zone if the chain's name contains it.
    Firewalld {
        /// The zone or policy.
        zone: Option<String>,
    },
    /// Someone who gives no name: an administrator, or an unknown program.
    Unnamed,
}

/// Programs that write rules with names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named as the programs are")]
pub enum Program {
    Antrea,
    AwsVpcCni,
    Calico,
    Cilium,
    /// The plugins bridge, firewall and portmap.
    CniPlugins,
    Docker,
    Fail2ban,
    Flannel,
    IpMasqAgent,
    Kindnet,
    KubeRouter,
    Libvirt,
    NodeLocalDns,
    OvnKubernetes,
    Tailscale,
    Ufw,
    Weave,
}

impl Program {
    /// The word in JSON.
    pub fn code(self) -> &'static str {
        self.names().0
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Program::Antrea => ("antrea", "Antrea"),
            Program::AwsVpcCni => ("aws-vpc-cni", "the AWS VPC CNI"),
            Program::Calico => ("calico", "Calico"),
            Program::Cilium => ("cilium", "Cilium"),
            Program::CniPlugins => ("cni-plugins", "a CNI plugin (portmap, bridge or firewall)"),
            Program::Docker => ("docker", "Docker"),
            Program::Fail2ban => ("fail2ban", "fail2ban"),
            Program::Flannel => ("flannel", "flannel"),
            Program::IpMasqAgent => ("ip-masq-agent", "ip-masq-agent"),
            Program::Kindnet => ("kindnet", "kindnet"),
            Program::KubeRouter => ("kube-router", "kube-router"),
            Program::Libvirt => ("libvirt", "libvirt"),
            Program::NodeLocalDns => ("node-local-dns", "NodeLocal DNSCache"),
            Program::OvnKubernetes => ("ovn-kubernetes", "OVN-Kubernetes"),
            Program::Tailscale => ("tailscale", "Tailscale"),
            Program::Ufw => ("ufw", "ufw"),
            Program::Weave => ("weave", "Weave Net"),
        }
    }
}

/// Prefixes of chain names, and whose they are; the first that matches counts.
const CHAINS: [(&str, Program); 36] = [
    ("cali-", Program::Calico),
    ("filter-cali-", Program::Calico),
    ("mangle-cali-", Program::Calico),
    ("nat-cali-", Program::Calico),
    ("raw-cali-", Program::Calico),
    ("KUBE-ROUTER-", Program::KubeRouter),
    ("KUBE-POD-FW-", Program::KubeRouter),
    ("KUBE-NWPLCY-", Program::KubeRouter),
    ("AWS-SNAT-CHAIN-", Program::AwsVpcCni),
    ("AWS-CONNMARK-CHAIN-", Program::AwsVpcCni),
    ("FLANNEL-", Program::Flannel),
    ("CNI-", Program::CniPlugins),
    ("DOCKER-", Program::Docker),
    ("ufw-", Program::Ufw),
    ("ufw6-", Program::Ufw),
    ("f2b-", Program::Fail2ban),
    ("IP-MASQ", Program::IpMasqAgent),
    ("CILIUM_", Program::Cilium),
    ("OLD_CILIUM_", Program::Cilium),
    ("ANTREA-", Program::Antrea),
    ("OVN-KUBE-", Program::OvnKubernetes),
    ("WEAVE", Program::Weave),
    ("LIBVIRT_", Program::Libvirt),
    ("ts-forward", Program::Tailscale),
    ("ts-input", Program::Tailscale),
    ("ts-postrouting", Program::Tailscale),
    ("KIND-MASQ-AGENT", Program::Kindnet),
    // Prefixes of comments of rules in built-in chains.
    ("cali:", Program::Calico),
    ("flanneld", Program::Flannel),
    ("AWS,", Program::AwsVpcCni),
    ("AWS ", Program::AwsVpcCni),
    ("NodeLocal DNS Cache", Program::NodeLocalDns),
    ("CNI ", Program::CniPlugins),
    ("cilium", Program::Cilium),
    ("kube-router", Program::KubeRouter),
    ("ip-masq", Program::IpMasqAgent),
];

/// Names of nftables tables, and whose they are.
const TABLES: [(&str, Program); 13] = [
    ("calico", Program::Calico),
    ("aws-cni", Program::AwsVpcCni),
    ("flannel-ipv4", Program::Flannel),
    ("flannel-ipv6", Program::Flannel),
    ("cni_hostport", Program::CniPlugins),
    ("cni_plugins_masquerade", Program::CniPlugins),
    ("docker-bridges", Program::Docker),
    ("f2b-table", Program::Fail2ban),
    ("kube-router", Program::KubeRouter),
    ("kindnet-network-policies", Program::Kindnet),
    ("kube-network-policies", Program::Kindnet),
    ("libvirt_network", Program::Libvirt),
    ("ovn-kubernetes", Program::OvnKubernetes),
];

impl Writer {
    /// Who wrote a rule of iptables; for the policy of a chain, who is likely to have set it.
    pub fn of_iptables(table: ipt::TableName, chain: &ipt::Chain, rule: Option<&ipt::Rule>) -> Writer {
        match chain.owner {
            ipt::Owner::KubeProxy if program(chain.name.as_str()).is_none() => return Writer::KubeProxy,
            ipt::Owner::Kubelet => return Writer::Kubelet,
            _ => {}
        }
        let comment = |rule: &ipt::Rule| {
            rule.matches.iter().find_map(|m| match m {
                ipt::Match::Comment(text) => Some(text.to_string()),
                _ => None,
            })
        };
        let jumps = || chain.rules.iter().filter_map(|placed| target_of(&placed.rule));
        Writer::of_chain(table.name(), chain.name.as_str()).unwrap_or_else(|| match rule {
            Some(rule) => Writer::of_words(comment(rule).as_deref(), &interfaces(rule)),
            None => Writer::of_policy(jumps()),
        })
    }

    /// Who wrote a rule of nftables, or the policy of a chain.
    pub fn of_nftables(table: &nft::Table, chain: &nft::Chain, rule: Option<&nft::Rule>) -> Writer {
        if table.name == crate::nftables::TABLE {
            return Writer::KubeProxy;
        }
        if table.name == "firewalld" {
            return Writer::Firewalld { zone: zone(&chain.name) };
        }
        if let Some((_, program)) = TABLES.iter().find(|(name, _)| *name == table.name) {
            return Writer::Program(*program);
        }
        if let Some(table) = ipt::TableName::from_name(&table.name) {
            match ipt::Owner::of(table, &chain.name) {
                ipt::Owner::KubeProxy if program(&chain.name).is_none() => return Writer::KubeProxy,
                ipt::Owner::Kubelet => return Writer::Kubelet,
                _ => {}
            }
        }
        Writer::of_chain(&table.name, &chain.name)
            .unwrap_or_else(|| Writer::of_words(rule.and_then(|rule| rule.comment.as_deref()), &[]))
    }

    fn of_chain(table: &str, chain: &str) -> Option<Writer> {
        if let Some(program) = program(chain) {
            return Some(Writer::Program(program));
        }
        // firewalld's backend for iptables (src/firewall/core/ipXtables.py).
        let is_firewalld = table != "firewalld"
            && (chain.contains("_ZONES")
                || chain.ends_with("_POLICIES_pre")
                || chain.ends_with("_POLICIES_post"));
        let of_zone =
            ["IN_", "FWDI_", "FWDO_", "FWD_", "PRE_", "POST_"].iter().any(|prefix| chain.starts_with(prefix));
        (is_firewalld || of_zone).then(|| Writer::Firewalld { zone: zone(chain) })
    }

    fn of_words(comment: Option<&str>, interfaces: &[&str]) -> Writer {
        if let Some(program) = comment.and_then(program) {
            return Writer::Program(program);
        }
        let is_docker = |name: &&&str| name.starts_with("docker") || name.starts_with("br-");
        match interfaces.iter().find(is_docker) {
            Some(_) => Writer::Program(Program::Docker),
            None => Writer::Unnamed,
        }
    }

    /// A policy that drops is set by the firewall whose chains a built-in chain leads to; Docker sets that of FORWARD.
    fn of_policy<'t>(jumps: impl Iterator<Item = &'t str>) -> Writer {
        let found: Vec<Writer> = jumps.filter_map(|chain| Writer::of_chain("filter", chain)).collect();
        let sets_policies = |writer: &&Writer| {
            matches!(writer, Writer::Program(Program::Ufw | Program::Docker) | Writer::Firewalld { .. })
        };
        let ufw = found.iter().find(|writer| **writer == Writer::Program(Program::Ufw));
        match ufw.or_else(|| found.iter().find(sets_policies)) {
            Some(Writer::Firewalld { .. }) => Writer::Firewalld { zone: None },
            Some(writer) => writer.clone(),
            None => Writer::Unnamed,
        }
    }

    /// Whether it is kube-proxy or the kubelet.
    pub fn is_kubernetes(&self) -> bool {
        matches!(self, Writer::KubeProxy | Writer::Kubelet)
    }

    /// The word in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Writer::KubeProxy => "kube-proxy",
            Writer::Kubelet => "kubelet",
            Writer::Program(program) => program.code(),
            Writer::Firewalld { .. } => "firewalld",
            Writer::Unnamed => "unnamed",
        }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Writer::KubeProxy => f.write_str("kube-proxy"),
            Writer::Kubelet => f.write_str("the kubelet"),
            Writer::Program(program) => f.write_str(program.names().1),
            Writer::Firewalld { zone: None } => f.write_str("firewalld"),
            Writer::Firewalld { zone: Some(zone) } => {
                write!(f, "firewalld (zone {})", crate::diagnostic::Inert(zone))
            }
            Writer::Unnamed => f.write_str("an administrator or a program that gives no name"),
        }
    }
}

fn program(name: &str) -> Option<Program> {
    if name == "DOCKER" {
        return Some(Program::Docker);
    }
    CHAINS.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, program)| *program)
}

/// The zone in the name of a chain of firewalld: `filter_IN_public_allow`, `IN_public`, `filter_FWDO_dmz`.
fn zone(chain: &str) -> Option<String> {
    let bases = ["filter_", "nat_", "mangle_", "raw_"];
    let rest = bases.iter().find_map(|base| chain.strip_prefix(base)).unwrap_or(chain);
    let ways = ["IN_", "FWDI_", "FWDO_", "FWD_", "PRE_", "POST_"];
    let zone = ways.iter().find_map(|way| rest.strip_prefix(way))?;
    let ends = ["_allow", "_deny", "_log", "_pre", "_post"];
    let zone = ends.iter().find_map(|end| zone.strip_suffix(end)).unwrap_or(zone);
    (!zone.is_empty() && zone != "ZONES").then(|| zone.to_owned())
}

fn target_of(rule: &ipt::Rule) -> Option<&str> {
    match rule.target.as_ref()? {
        ipt::Target::Jump(chain) | ipt::Target::Goto(chain) => Some(chain.as_str()),
        _ => None,
    }
}

fn interfaces(rule: &ipt::Rule) -> Vec<&str> {
    let both = [&rule.in_interface, &rule.out_interface];
    both.into_iter().flatten().map(|interface| interface.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_chain(chain: &str) -> String {
        Writer::of_chain("filter", chain).map_or("-".to_owned(), |writer| writer.to_string())
    }

    #[test]
    fn programs_are_known_by_their_chains() {
        assert_eq!(of_chain("cali-fw-cali12ab34cd56e"), "Calico");
        assert_eq!(of_chain("KUBE-POD-FW-ABCDEFGHIJKLMNOP"), "kube-router");
        assert_eq!(of_chain("AWS-SNAT-CHAIN-0"), "the AWS VPC CNI");
        assert_eq!(of_chain("DOCKER"), "Docker");
        assert_eq!(of_chain("DOCKERFOO"), "-");
        assert_eq!(of_chain("ufw-user-forward"), "ufw");
        assert_eq!(of_chain("CILIUM_FORWARD"), "Cilium");
        assert_eq!(of_chain("IN_public_allow"), "firewalld (zone public)");
        assert_eq!(of_chain("FORWARD_IN_ZONES"), "firewalld");
        assert_eq!(of_chain("FORWARD"), "-");
        assert_eq!(zone("filter_IN_work_deny").as_deref(), Some("work"));
    }

    #[test]
    fn a_policy_is_of_the_firewall_that_the_chain_leads_to() {
        let of = |chains: &[&str]| Writer::of_policy(chains.iter().copied()).to_string();
        assert_eq!(of(&["KUBE-FORWARD", "DOCKER-USER", "DOCKER-FORWARD"]), "Docker");
        assert_eq!(of(&["DOCKER-USER", "ufw-before-forward"]), "ufw");
        assert_eq!(of(&["cali-FORWARD"]), "an administrator or a program that gives no name");
    }
}
