//! What a captured ruleset says about its node.

use std::net::IpAddr;

use super::host::{Host, PodInterface};
use crate::iptables::chains::ServiceChain;
use crate::iptables::ruleset as ipt;
use crate::net::{Cidr, Family};
use crate::nftables::ruleset as nft;
use crate::ruleset::Ruleset;

impl Host {
    /// Learns from the rules that the node has; what is already known is kept.
    pub fn learn_from(&mut self, ruleset: &Ruleset) {
        match ruleset {
            Ruleset::Iptables(ruleset) => self.learn_from_iptables(ruleset),
            Ruleset::Nftables(ruleset, _) => self.learn_from_nftables(ruleset),
        }
    }

    /// Learns from rules of iptables: the pods' network or interface from the rules that masquerade all other traffic,
    /// the node's addresses from node ports that are served on particular ones, `route_localnet` from node ports on
    /// 127.0.0.1.
    fn learn_from_iptables(&mut self, ruleset: &ipt::Ruleset) {
        let Some(nat) = ruleset.table(ipt::TableName::Nat) else { return };
        if let Some(services) = nat.chain("KUBE-SERVICES") {
            for placed in services.rules.iter().rev().take_while(|placed| jumps_to(placed, "KUBE-NODEPORTS"))
            {
                self.learn_node_ports(&placed.rule, ruleset.family);
            }
        }
        let services = nat.chains.iter().filter(|chain| {
            let balances = [ServiceChain::Cluster, ServiceChain::Local];
            ServiceChain::of(chain.name.as_str()).is_some_and(|chain| balances.contains(&chain))
        });
        let marking = services.filter_map(|chain| chain.rules.first());
        for placed in marking.filter(|placed| jumps_to(placed, "KUBE-MARK-MASQ")) {
            if let Some(source) = placed.rule.source.as_ref().filter(|source| source.negated) {
                self.add_cluster_network(source.net);
            }
            if let Some(interface) = placed.rule.in_interface.as_ref().filter(|i| i.negated) {
                self.add_pod_interface(&interface.name);
            }
        }
    }

    fn learn_node_ports(&mut self, rule: &ipt::Rule, family: Family) {
        let serves_loopback = match &rule.destination {
            Some(destination) if destination.negated => !destination.net.contains(family.loopback()),
            Some(destination) => {
                let ip = destination.net.network();
                if destination.net.is_host() && !ip.is_loopback() {
                    self.add_address(ip);
                }
                ip.is_loopback()
            }
            None => true,
        };
        self.route_localnet |= serves_loopback && family == Family::Ipv4;
    }

    /// Learns from rules of nftables: the pods' network or interface from the rules that mark traffic for masquerading,
    /// the node's addresses from `nodeport-ips`.
    fn learn_from_nftables(&mut self, ruleset: &nft::Ruleset) {
        for table in ruleset.tables.iter().filter(|table| table.name == "kube-proxy") {
            let elements = table.set("nodeport-ips").map(|set| set.elements.as_slice()).unwrap_or_default();
            for element in elements {
                if let [nft::Datum::Address(ip)] = element.key.as_slice() {
                    self.add_address(*ip);
                }
            }
            let named =
                |name: &str| name == "services" || name.starts_with("service-") || name.starts_with("local-");
            for chain in table.chains.iter().filter(|chain| named(&chain.name)) {
                chain.rules.first().into_iter().for_each(|placed| self.learn_from_marking(&placed.rule));
            }
        }
    }

    fn learn_from_marking(&mut self, rule: &nft::Rule) {
        for statement in &rule.statements {
            match statement {
                nft::Statement::Address {
                    field: nft::Field::SourceAddress(_),
                    negated: true,
                    addresses: nft::Addresses::One(net),
                } => self.add_cluster_network(*net),
                nft::Statement::InInterface { negated: true, name, .. } => self.add_pod_interface(name),
                _ => (),
            }
        }
    }

    fn add_address(&mut self, ip: IpAddr) {
        if !self.addresses.contains(&ip) {
            self.addresses.push(ip);
        }
    }

    fn add_cluster_network(&mut self, net: Cidr) {
        let known = |nets: &[Cidr]| nets.contains(&net);
        if !known(&self.cluster_networks) && !known(&self.pod_networks) {
            self.cluster_networks.push(net);
        }
    }

    fn add_pod_interface(&mut self, name: &str) {
        self.pod_interface.get_or_insert_with(|| match name.strip_suffix(['+', '*']) {
            Some(prefix) => PodInterface::Prefix(prefix.into()),
            None => PodInterface::Name(name.into()),
        });
    }
}

fn jumps_to(placed: &ipt::PlacedRule, chain: &str) -> bool {
    matches!(&placed.rule.target, Some(ipt::Target::Jump(target)) if target.as_str() == chain)
}
