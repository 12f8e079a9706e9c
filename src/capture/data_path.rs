//! What serves Services on a node where kube-proxy's rules do not.

use std::fmt;

use super::Captured;
use crate::iptables::ruleset as ipt;
use crate::ruleset::Ruleset;

/// What takes packets to Services, instead of the rules of kube-proxy's modes iptables and nftables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataPath {
    /// kube-proxy in mode ipvs (pkg/proxy/ipvs/proxier.go).
    Ipvs,
    /// kube-proxy in mode userspace, which Kubernetes 1.26 gave up.
    Userspace,
    /// kube-router as service proxy, which uses IPVS.
    KubeRouter,
    /// Cilium's replacement of kube-proxy, in BPF.
    Cilium,
    /// Calico's BPF data plane.
    CalicoBpf,
    /// Antrea's proxy, in Open vSwitch.
    Antrea,
    /// OVN-Kubernetes, in Open vSwitch.
    OvnKubernetes,
}

impl DataPath {
    /// What it is, as a sentence without a full stop.
    fn what(self) -> &'static str {
        match self {
            DataPath::Ipvs => {
                "kube-proxy is in mode ipvs on this node: IPVS in the kernel serves Services, its rules only mark and let through"
            }
            DataPath::Userspace => {
                "kube-proxy is in mode userspace on this node: the process itself serves Services"
            }
            DataPath::KubeRouter => "kube-router serves Services on this node, through IPVS",
            DataPath::Cilium => {
                "Cilium serves Services on this node, by BPF programs that packets meet before any rule"
            }
            DataPath::CalicoBpf => {
                "Calico serves Services on this node, by BPF programs that packets meet before any rule"
            }
            DataPath::Antrea => "Antrea serves Services on this node, in Open vSwitch",
            DataPath::OvnKubernetes => "OVN-Kubernetes serves Services on this node, in Open vSwitch",
        }
    }

    /// kube-proxy's mode; `none` where something else serves Services.
    pub fn mode(self) -> &'static str {
        match self {
            DataPath::Ipvs => "ipvs",
            DataPath::Userspace => "userspace",
            _ => "none",
        }
    }

    /// Commands that show what it does.
    pub fn commands(self) -> &'static [&'static str] {
        match self {
            DataPath::Ipvs => &["ipvsadm -Ln", "ipset list", "ip addr show kube-ipvs0"],
            DataPath::Userspace => &["ss -ltnup"],
            DataPath::KubeRouter => &["ipvsadm -Ln", "ip addr show kube-dummy-if"],
            DataPath::Cilium => &[
                "kubectl -n kube-system exec ds/cilium -- cilium-dbg service list",
                "cilium-dbg bpf lb list",
            ],
            DataPath::CalicoBpf => {
                &["kubectl -n calico-system exec ds/calico-node -- calico-node -bpf nat dump"]
            }
            DataPath::Antrea => &["kubectl -n kube-system exec ds/antrea-agent -- antctl get ovsflows"],
            DataPath::OvnKubernetes => {
                &["kubectl -n ovn-kubernetes exec ds/ovnkube-node -- ovn-nbctl lb-list"]
            }
        }
    }
}

impl fmt::Display for DataPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; kube-proxy's rules are not the way that packets to Services take", self.what())
    }
}

impl Captured {
    /// What serves Services, where that is known not to be kube-proxy's rules. What an earlier mode left behind does not
    /// count: beside chains or a table that balance, they are the way.
    pub fn data_path(&self) -> Option<DataPath> {
        if self.parts.iter().any(|part| balances(&part.ruleset)) {
            return None;
        }
        let has_chain = |prefix: &str| self.parts.iter().any(|part| has_chain(&part.ruleset, prefix));
        let links = self.facts.network.links.as_deref().unwrap_or_default();
        let has_link = |prefix: &str| links.iter().any(|link| link.name.starts_with(prefix));
        let has_set = |prefix: &str| {
            self.facts.sets.as_ref().is_some_and(|sets| sets.iter().any(|(name, _)| name.starts_with(prefix)))
        };
        let has_servers = self.facts.virtual_servers.as_ref().is_some_and(|servers| !servers.is_empty());
        let known = [
            (has_link("kube-dummy-if") || has_set("kube-router-svip"), DataPath::KubeRouter),
            (
                has_link("kube-ipvs0")
                    || has_set("KUBE-CLUSTER-IP")
                    || has_chain("KUBE-IPVS-")
                    || self.parts.iter().any(|part| asks_ipvs_sets(&part.ruleset))
                    || has_servers,
                DataPath::Ipvs,
            ),
            (has_chain("KUBE-PORTALS-"), DataPath::Userspace),
            (has_link("bpfin.cali") || has_link("bpfout.cali"), DataPath::CalicoBpf),
            (has_chain("CILIUM_") || has_link("cilium_host"), DataPath::Cilium),
            (has_chain("ANTREA-") || has_link("antrea-gw"), DataPath::Antrea),
            (has_chain("OVN-KUBE-") || has_link("ovn-k8s-mp"), DataPath::OvnKubernetes),
        ];
        known.into_iter().find(|(is, _)| *is).map(|(_, path)| path)
    }

    /// Whether the interface of mode ipvs is left over beside rules of another mode.
    pub fn has_leftovers_of_ipvs(&self) -> bool {
        self.data_path().is_none() && self.facts.network.link("kube-ipvs0").is_some()
    }
}

/// Whether kube-proxy's rules send packets to endpoints, or refuse what has none.
fn balances(ruleset: &Ruleset) -> bool {
    match ruleset {
        Ruleset::Iptables(_) => {
            has_chain(ruleset, "KUBE-SVC-") || has_chain(ruleset, "KUBE-EXTERNAL-SERVICES")
        }
        Ruleset::Nftables(..) => ruleset.has_kube_proxys_rules() || has_chain(ruleset, "KUBE-SVC-"),
    }
}

fn has_chain(ruleset: &Ruleset, prefix: &str) -> bool {
    match ruleset {
        Ruleset::Iptables(ruleset) => {
            let mut chains = ruleset.tables.iter().flat_map(|table| &table.chains);
            chains.any(|chain| chain.name.as_str().starts_with(prefix))
        }
        Ruleset::Nftables(ruleset, _) => {
            let mut chains = ruleset.tables.iter().flat_map(|table| &table.chains);
            chains.any(|chain| chain.name.starts_with(prefix))
        }
    }
}

/// Mode ipvs asks sets of its own in `KUBE-SERVICES`, and has one more chain for node ports.
fn asks_ipvs_sets(ruleset: &Ruleset) -> bool {
    let Some(nat) = ruleset.as_iptables().and_then(|ruleset| ruleset.table(ipt::TableName::Nat)) else {
        return false;
    };
    nat.chain("KUBE-NODE-PORT").is_some() || nat.chain("KUBE-LOAD-BALANCER").is_some()
}

#[cfg(test)]
mod tests {
    use super::super::{Source, join};
    use super::*;

    fn path(texts: &[&str]) -> Option<DataPath> {
        let source = |text: &&str| Source { name: "x".to_owned(), text: (*text).to_owned() };
        let sources: Vec<Source> = texts.iter().map(source).collect();
        join(&sources, None).unwrap().data_path()
    }

    #[test]
    fn what_serves_services_is_told_by_its_names() {
        let nat = |chains: &str| format!("*nat\n:PREROUTING ACCEPT [0:0]\n{chains}COMMIT\n");
        let link = |name: &str| {
            format!("5: {name}: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default\n")
        };
        assert_eq!(path(&[&nat(":KUBE-SERVICES - [0:0]\n:KUBE-NODE-PORT - [0:0]\n")]), Some(DataPath::Ipvs));
        assert_eq!(path(&[&nat(""), &link("kube-ipvs0")]), Some(DataPath::Ipvs));
        assert_eq!(
            path(&[&nat(""), "create KUBE-CLUSTER-IP hash:ip,port family inet\n"]),
            Some(DataPath::Ipvs)
        );
        assert_eq!(path(&[&nat(":CILIUM_PRE_nat - [0:0]\n")]), Some(DataPath::Cilium));
        assert_eq!(path(&[&nat(""), &link("kube-dummy-if")]), Some(DataPath::KubeRouter));
        assert_eq!(path(&[&nat(""), &link("bpfin.cali")]), Some(DataPath::CalicoBpf));
        assert_eq!(
            path(&[&nat(":KUBE-SVC-ABC - [0:0]\n:CILIUM_PRE_nat - [0:0]\n"), &link("kube-ipvs0")]),
            None
        );
        assert_eq!(path(&[&nat("")]), None);
    }
}
