//! Why a packet is dropped or refused, read from the rule that did it: its table, its chain and its form, as kube-proxy
//! writes them (pkg/proxy/iptables/proxier.go, pkg/proxy/nftables/proxier.go). A rule with another form is not
//! kube-proxy's, whatever chain it is in, and none of kube-proxy's reasons applies to it.

use crate::iptables::ruleset as ipt;
use crate::net::Family;
use crate::nftables::ruleset as nft;
use crate::walk::{Effect, Outcome, RuleRef, Step, Unrouted, View};

/// Why a packet is dropped or refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cause<'r> {
    /// A Service port without a usable endpoint: refused.
    NoEndpoints,
    /// A Service port with the policy Local and no usable endpoint on this node: dropped.
    NoLocalEndpoints,
    /// A load-balancer IP that this source may not use.
    SourceRanges,
    /// A cluster IP whose Service has no such port.
    NoSuchPort,
    /// An address in the network of cluster IPs that belongs to no Service.
    UnallocatedClusterIp,
    /// A loopback address of the node, from outside.
    Localnet,
    /// A node port on a loopback address, in nftables mode with the gate for this.
    LoopbackNodePort,
    /// A loopback address that would cross another interface.
    Martian(Family),
    /// Routing ends it; with the packet as it was then.
    Unrouted(Unrouted, View),
    /// A DNAT rule without an address.
    NoAddress,
    /// The policy of a base chain.
    Policy(RuleRef<'r>),
    /// A rule in a chain of kube-proxy's that kube-proxy does not write.
    Altered(RuleRef<'r>),
    /// A rule of somebody else.
    Foreign(RuleRef<'r>),
}

/// Why the packet of an outcome is dropped or refused; none if it is not, or if a rule that is not understood is only
/// assumed to drop it.
pub(crate) fn cause<'r>(outcome: &Outcome<'r>) -> Option<Cause<'r>> {
    let (last, before) = outcome.steps.split_last()?;
    if last.effects.contains(&Effect::Martian) {
        return Some(Cause::Martian(Family::of(last.seen.source)));
    }
    if let Some(Effect::Unrouted(fault)) = last.effects.last() {
        return Some(Cause::Unrouted(*fault, last.seen));
    }
    let rule = last.rule?;
    match last.effects.last()? {
        Effect::Unknown { .. } => has_no_address(&rule).then_some(Cause::NoAddress),
        Effect::PolicyDrop => Some(Cause::Policy(rule)),
        Effect::Drop | Effect::Reject(_) => {
            Some(of_kube_proxy(last, before.last()).unwrap_or(match is_in_chain_of_kube_proxy(&rule) {
                true => Cause::Altered(rule),
                false => Cause::Foreign(rule),
            }))
        }
        _ => None,
    }
}

fn of_kube_proxy<'r>(step: &Step<'r>, before: Option<&Step<'r>>) -> Option<Cause<'r>> {
    match step.rule? {
        RuleRef::Iptables { table: ipt::TableName::Filter, chain, index, .. } => {
            of_iptables(chain.name.as_str(), &chain.rules.get(index?)?.rule)
        }
        RuleRef::Iptables { .. } => None,
        RuleRef::Nftables { table, chain, index } if table.name == "kube-proxy" => {
            let rule = &chain.rules.get(index?)?.rule;
            of_nftables(&chain.name, &rule.statements, step.element, before)
        }
        RuleRef::Nftables { .. } => None,
    }
}

fn of_iptables<'r>(chain: &str, rule: &ipt::Rule) -> Option<Cause<'r>> {
    match (chain, rule.target.as_ref()?) {
        ("KUBE-SERVICES" | "KUBE-EXTERNAL-SERVICES", ipt::Target::Reject)
            if is_for_service_port(rule, is_without_endpoints) =>
        {
            Some(Cause::NoEndpoints)
        }
        ("KUBE-SERVICES" | "KUBE-EXTERNAL-SERVICES", ipt::Target::Drop)
            if is_for_service_port(rule, is_without_local_endpoints) =>
        {
            Some(Cause::NoLocalEndpoints)
        }
        ("KUBE-PROXY-FIREWALL", ipt::Target::Drop) if is_for_service_port(rule, is_firewall) => {
            Some(Cause::SourceRanges)
        }
        ("KUBE-FIREWALL", ipt::Target::Drop) if is_localnet(rule) => Some(Cause::Localnet),
        _ => None,
    }
}

/// Whether a rule matches on the address and the port of a Service port and on nothing else. Its comment, which a large
/// cluster does not have, is `namespace/name:port` and a fixed text.
fn is_for_service_port(rule: &ipt::Rule, is_purpose: fn(&str) -> bool) -> bool {
    let mut has_port = false;
    let mut has_address = rule.destination.as_ref().is_some_and(|to| !to.negated && to.net.is_host());
    let is_known = |m: &ipt::Match| match m {
        ipt::Match::Comment(text) => text.split_once(' ').is_some_and(|(_, purpose)| is_purpose(purpose)),
        ipt::Match::Transport { destination_port, .. } => {
            has_port |= destination_port.is_some();
            true
        }
        ipt::Match::AddressType { end: ipt::End::Destination, negated: false } => {
            has_address = true;
            true
        }
        ipt::Match::Nfacct(_) => true,
        _ => false,
    };
    let elsewhere = rule.source.is_some() || rule.in_interface.is_some() || rule.out_interface.is_some();
    !elsewhere && rule.matches.iter().all(is_known) && has_port && has_address
}

fn is_without_endpoints(purpose: &str) -> bool {
    purpose == "has no endpoints"
}

fn is_without_local_endpoints(purpose: &str) -> bool {
    purpose == "has no local endpoints"
}

fn is_firewall(purpose: &str) -> bool {
    purpose.strip_prefix("traffic not accepted by ").is_some_and(|chain| !chain.contains(' '))
}

/// `-d 127.0.0.0/8 ! -s 127.0.0.0/8`
fn is_localnet(rule: &ipt::Rule) -> bool {
    let loopback = crate::net::Cidr::IPV4_LOOPBACK;
    rule.destination.as_ref().is_some_and(|to| !to.negated && to.net == loopback)
        && rule.source.as_ref().is_some_and(|from| from.negated && from.net == loopback)
}

fn of_nftables<'r>(
    chain: &str,
    statements: &[nft::Statement],
    element: Option<&nft::Element>,
    before: Option<&Step<'r>>,
) -> Option<Cause<'r>> {
    use nft::{Addresses, Field, Statement, Verdict};
    let statements: Vec<&Statement> = statements
        .iter()
        .filter(|s| !matches!(s, Statement::Counter { .. } | Statement::NamedCounter(_)))
        .collect();
    match (chain, statements.as_slice()) {
        (_, [.., Statement::VerdictMap { map, .. }]) if is_map_without_endpoints(map) => {
            let drops = nft::MapValue::Verdict(Verdict::Drop);
            (element?.value.as_ref() == Some(&drops)).then_some(Cause::NoLocalEndpoints)
        }
        ("reject-chain", [Statement::Reject]) => {
            before.is_some_and(decides_by_map_without_endpoints).then_some(Cause::NoEndpoints)
        }
        (chain, [Statement::Reject]) if crate::nftables::is_loopback_object(chain) => {
            Some(Cause::LoopbackNodePort)
        }
        (
            "cluster-ips-check",
            [
                Statement::Address {
                    field: Field::DestinationAddress(_),
                    negated: false,
                    addresses: Addresses::Named(set),
                },
                Statement::Reject,
            ],
        ) if set == "cluster-ips" => Some(Cause::NoSuchPort),
        (
            "cluster-ips-check",
            [
                Statement::Address { field: Field::DestinationAddress(_), negated: false, .. },
                Statement::Verdict(Verdict::Drop),
            ],
        ) => Some(Cause::UnallocatedClusterIp),
        (
            chain,
            [
                Statement::Address { field: Field::SourceAddress(_), negated: true, .. },
                Statement::Verdict(Verdict::Drop),
            ],
        ) if chain.starts_with("firewall-") => Some(Cause::SourceRanges),
        _ => None,
    }
}

fn is_map_without_endpoints(map: &str) -> bool {
    matches!(map, "no-endpoint-services" | "no-endpoint-nodeports")
}

fn decides_by_map_without_endpoints(step: &Step<'_>) -> bool {
    let Some(RuleRef::Nftables { chain, index: Some(index), .. }) = step.rule else { return false };
    let Some(placed) = chain.rules.get(index) else { return false };
    let is_map = |s: &nft::Statement| matches!(s, nft::Statement::VerdictMap { map, .. } if is_map_without_endpoints(map));
    step.element.is_some() && placed.rule.statements.iter().any(is_map)
}

fn is_in_chain_of_kube_proxy(rule: &RuleRef<'_>) -> bool {
    match rule {
        RuleRef::Iptables { table, chain, .. } => {
            matches!(ipt::Owner::of(*table, chain.name.as_str()), ipt::Owner::KubeProxy | ipt::Owner::Kubelet)
        }
        RuleRef::Nftables { table, .. } => table.name == "kube-proxy",
    }
}

/// `DNAT --to-destination :0`, into which some versions of iptables turn kube-proxy's rules (kubernetes/kubernetes
/// 112477, 114537).
pub(crate) fn has_no_address(rule: &RuleRef<'_>) -> bool {
    let RuleRef::Iptables { chain, index: Some(index), .. } = rule else { return false };
    let Some(placed) = chain.rules.get(*index) else { return false };
    match &placed.rule.target {
        Some(ipt::Target::Dnat(to)) => to.address.port() == 0 && to.address.ip().is_unspecified(),
        Some(ipt::Target::Foreign(foreign)) => {
            let mut words = foreign.text().split_ascii_whitespace();
            words.next() == Some("-j")
                && words.next() == Some("DNAT")
                && words.next() == Some("--to-destination")
                && matches!(words.next(), Some(":0" | "0.0.0.0:0" | "[::]:0"))
        }
        _ => false,
    }
}
