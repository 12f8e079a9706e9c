//! What chains and sets of kube-proxy are for, in a few words.

use crate::iptables::ruleset::Owner;
use crate::ruleset::listing::Place;

/// What a chain or set of kube-proxy is for; empty for others.
pub(super) fn purpose(place: &Place<'_>) -> &'static str {
    let foreign = match place {
        Place::IptablesChain(_, _, chain) => chain.owner == Owner::Foreign,
        Place::Chain(table, _) | Place::Counter(table, _) | Place::Set(table, _) => {
            table.name != crate::nftables::TABLE
        }
    };
    if foreign {
        return "";
    }
    let name = place.name();
    PURPOSES.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or("", |(_, purpose)| purpose)
}

/// By the beginning of the name: first iptables, then nftables.
const PURPOSES: [(&str, &str); 39] = [
    ("KUBE-SVC-", "balances over the endpoints of all nodes"),
    ("KUBE-SVL-", "balances over the endpoints of this node"),
    ("KUBE-SEP-", "sends to one endpoint"),
    ("KUBE-EXT-", "takes traffic to external addresses"),
    ("KUBE-FW-", "lets the load balancer's source ranges through"),
    ("KUBE-SERVICES", "finds the Service by address and port"),
    ("KUBE-EXTERNAL-SERVICES", "refuses external traffic without endpoints"),
    ("KUBE-NODEPORTS", "finds the Service by node port"),
    ("KUBE-PROXY-FIREWALL", "drops what no source range includes"),
    ("KUBE-POSTROUTING", "masquerades marked packets"),
    ("KUBE-MARK-MASQ", "marks packets for masquerading"),
    ("KUBE-FORWARD", "lets forwarded traffic through"),
    ("KUBE-FIREWALL", "blocks outside traffic to loopback addresses"),
    ("localhost-nodeport-reject-ports", "node ports that are refused on loopback addresses"),
    ("localhost-nodeport-rejected-", "counts what is refused on loopback addresses"),
    ("localhost-nodeport-reject-", "refuses node ports on loopback addresses"),
    ("service-endpoints-check", "refuses traffic without endpoints"),
    ("nodeport-endpoints-check", "refuses node port traffic without endpoints"),
    ("firewall-check", "drops what no source range includes"),
    ("cluster-ips-check", "refuses ports that no Service has"),
    ("service-ips", "finds the Service by address and port"),
    ("service-nodeports", "finds the Service by node port"),
    ("no-endpoint-services", "refuses traffic without endpoints"),
    ("no-endpoint-nodeports", "refuses node port traffic without endpoints"),
    ("firewall-ips", "addresses with source ranges"),
    ("cluster-ips", "all cluster IPs"),
    ("nodeport-ips", "addresses that serve node ports"),
    ("hairpin-connections", "endpoints that connect to themselves"),
    ("services", "finds the Service by address or node port"),
    ("masquerading", "masquerades marked packets"),
    ("mark-for-masquerade", "marks packets for masquerading"),
    ("reject-chain", "refuses"),
    ("service-", "balances over the endpoints of all nodes"),
    ("local-", "balances over the endpoints of this node"),
    ("external-", "takes traffic to external addresses"),
    ("firewall-", "lets the load balancer's source ranges through"),
    ("endpoint-", "sends to one endpoint"),
    ("affinity-", "clients of one endpoint"),
    ("filter-", "base chain"),
];
