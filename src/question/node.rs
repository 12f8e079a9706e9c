//! Which node is meant.

use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;

use super::inference::{Inference, WhyNode};
use super::objects::Objects;
use super::written::{Source, Target};
use crate::cluster::{Cluster, Node};
use crate::diagnostic::{Checked, Diagnostic, Diagnostics};
use crate::names::nearest;
use crate::settings::{DetectLocal, Settings};

/// At most this many names are listed in a message.
const LISTED: usize = 10;

/// The node of `--node`, else of `hostnameOverride`, else the only one.
///
/// # Errors
/// There is no right choice.
pub fn choose(cluster: &Cluster, settings: &Settings, flag: Option<&str>) -> Checked<Node> {
    let wanted = flag.map(|name| name.trim().to_lowercase().into()).or_else(|| settings.node_name.clone());
    let fault = match (wanted, cluster.nodes.as_slice()) {
        (Some(name), []) => return without_nodes(name, settings),
        (None, [only]) => return Ok((only.clone(), Diagnostics::default())),
        (Some(name), nodes) => match cluster.node(&name) {
            Some(node) => return Ok((node.clone(), Diagnostics::default())),
            None => unknown(&name, nodes),
        },
        (None, []) => Diagnostic::error("which node? The input has no Nodes, and nothing names one")
            .help("add the output of kubectl get nodes -o yaml to the input, or give --node NAME"),
        (None, nodes) => {
            Diagnostic::error(format!("which node? The input has {}: {}", nodes.len(), list(nodes)))
                .help("give --node NAME")
        }
    };
    Err(fault.into())
}

/// The node that a question is about where none is named: the one that has the destination's address, else the one that
/// the packet comes from.
///
/// # Errors
/// The question names a Pod that there is not.
pub fn infer(
    objects: &Objects<'_>,
    source: &Source,
    target: &Target,
) -> Result<Option<Inference>, Diagnostics> {
    let from = source_node(objects, source)?;
    Ok(match (target_node(objects, target), from) {
        (Some((node, to)), Some((other, WhyNode::RunsPod(pod)))) if node != other => {
            Some(Inference::Node { node, why: WhyNode::HasAddressNotPod(to, pod) })
        }
        (Some((node, to)), _) => Some(Inference::Node { node, why: WhyNode::HasAddress(to) }),
        (None, Some((node, why))) => Some(Inference::Node { node, why }),
        (None, None) => None,
    })
}

/// The node that has the destination's address.
fn target_node(objects: &Objects<'_>, target: &Target) -> Option<(String, SocketAddr)> {
    match target {
        Target::Address(to) => objects.node_with(to.ip()).map(|node| (node.name.to_string(), *to)),
        Target::NodePort(Some(name), port) => {
            let node = objects.cluster.node(name)?;
            let ip = node.internal_ips.first()?;
            Some((node.name.to_string(), SocketAddr::new(*ip, port.get())))
        }
        Target::NodePort(None, _) | Target::Service(..) => None,
    }
}

/// The node whose rules the packet meets first.
fn source_node(objects: &Objects<'_>, source: &Source) -> Result<Option<(String, WhyNode)>, Diagnostics> {
    Ok(match source {
        Source::Pod(pod) => {
            let pod = objects.pod(pod, &mut Vec::new())?;
            (!pod.node.is_empty()).then_some((pod.node, WhyNode::RunsPod(pod.name)))
        }
        Source::Ip(ip) => node_of_source(objects, *ip).map(|node| (node, WhyNode::HasSource(*ip))),
        Source::Node(Some(name)) => objects
            .cluster
            .node(name)
            .and_then(|node| Some((node.name.to_string(), WhyNode::HasSource(*node.internal_ips.first()?)))),
        Source::Node(None) | Source::External | Source::Any => None,
    })
}

fn node_of_source(objects: &Objects<'_>, ip: IpAddr) -> Option<String> {
    let by_network = || {
        let mut nodes = objects.cluster.nodes.iter();
        nodes.find(|node| node.pod_cidrs.iter().any(|net| net.contains(ip))).map(|node| node.name.to_string())
    };
    let named = objects.node_with(ip).map(|node| node.name.to_string()).or_else(|| objects.node_of_pod(ip));
    named.or_else(by_network)
}

/// A node to explain a Service on where none is named: the first by name that has a usable endpoint of it, else the first
/// of all.
pub fn of_service(objects: &Objects<'_>, (namespace, name): (&str, &str)) -> Option<Inference> {
    let tables = [&objects.cluster.ipv4, &objects.cluster.ipv6];
    let ports = tables.into_iter().flat_map(|table| &table.service_ports);
    let its = ports.filter(|port| port.name.namespace() == namespace && port.name.service() == name);
    let endpoints = its.flat_map(|port| &port.endpoints).filter(|endpoint| endpoint.is_usable());
    let nodes = endpoints.filter_map(|endpoint| endpoint.node_name.as_deref());
    let service = format!("{namespace}/{name}");
    match nodes.filter(|node| objects.cluster.node(node).is_some()).min() {
        Some(node) => Some(Inference::Node { node: node.to_owned(), why: WhyNode::RunsEndpoint(service) }),
        None => {
            let node = objects.cluster.nodes.iter().map(|node| &node.name).min()?.to_string();
            Some(Inference::Node { node, why: WhyNode::First(service) })
        }
    }
}

/// kube-proxy goes on without its Node, with no zone and loopback as the node's address, except where it needs the
/// Node's pod networks.
fn without_nodes(name: CompactString, settings: &Settings) -> Checked<Node> {
    let diagnostic = if settings.detect_local == DetectLocal::NodeCidr {
        Diagnostic::error(format!(
            "there is no Node {name} in the input, and detectLocalMode NodeCIDR needs its podCIDRs"
        ))
    } else {
        Diagnostic::warning(format!(
            "the input has no Nodes: {name} is assumed to have no zone and no address but loopback"
        ))
    };
    let help = "add the output of kubectl get nodes -o yaml to the input";
    Diagnostics::from(diagnostic.help(help)).check(Node { name, ..Node::default() })
}

/// There is no node of that name; similar names are suggested.
pub(super) fn unknown(name: &str, nodes: &[Node]) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("there is no Node {name} in the input"));
    match nearest(name, nodes.iter().map(|node| node.name.as_str())).as_slice() {
        [] => diagnostic.help(format!("the input has {}", list(nodes))),
        names => diagnostic.help(format!("did you mean {}?", names.join(" or "))),
    }
}

fn list(nodes: &[Node]) -> String {
    let mut names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let listed = names.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Configuration, HostFacts, Release};

    fn settings(mode: &str, hostname_override: Option<&str>) -> Settings {
        let written = Configuration {
            detect_local_mode: Some(mode.to_owned()),
            hostname_override: hostname_override.map(str::to_owned),
            ..Configuration::default()
        };
        Settings::resolve(&written, Release::NEWEST, HostFacts::default(), None).unwrap().0
    }

    fn choice(nodes: &[&str], flag: Option<&str>, settings: &Settings) -> (String, String) {
        let cluster = Cluster {
            nodes: nodes.iter().map(|name| Node { name: (*name).into(), ..Node::default() }).collect(),
            ..Cluster::default()
        };
        let (node, found) = choose(&cluster, settings, flag).unwrap_or_else(|found| (Node::default(), found));
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        (node.name.into(), told.join("\n"))
    }

    #[test]
    fn the_flag_then_the_override_then_the_only_node() {
        let plain = settings("ClusterCIDR", None);
        let named = settings("ClusterCIDR", Some(" Worker-2 "));
        let nodes = ["worker-1", "worker-2"];
        assert_eq!(choice(&nodes, Some("WORKER-1"), &named), ("worker-1".into(), String::new()));
        assert_eq!(choice(&nodes, None, &named), ("worker-2".into(), String::new()));
        assert_eq!(choice(&["only"], None, &plain), ("only".into(), String::new()));
        let (_, told) = choice(&nodes, None, &plain);
        assert!(told.starts_with("error: which node? The input has 2: worker-1, worker-2\n"), "{told}");
    }

    #[test]
    fn an_unknown_node_gets_the_nearest_names() {
        let plain = settings("ClusterCIDR", None);
        let nodes = ["worker-1", "worker-2", "control-plane"];
        assert_eq!(
            choice(&nodes, Some("wroker-1"), &plain).1,
            "error: there is no Node wroker-1 in the input\n  help: did you mean worker-1 or worker-2?"
        );
        assert_eq!(
            choice(&nodes, Some("zzz"), &plain).1,
            "error: there is no Node zzz in the input\n  help: the input has control-plane, worker-1, worker-2"
        );
    }

    #[test]
    fn without_nodes_a_name_is_enough_unless_pod_networks_are_needed() {
        let (name, told) = choice(&[], Some("w1"), &settings("ClusterCIDR", None));
        assert_eq!(name, "w1");
        assert!(told.starts_with("warning: the input has no Nodes"), "{told}");
        let (_, told) = choice(&[], Some("w1"), &settings("NodeCIDR", None));
        assert!(told.starts_with("error: there is no Node w1 in the input"), "{told}");
        let (_, told) = choice(&[], None, &settings("ClusterCIDR", None));
        assert!(told.starts_with("error: which node?"), "{told}");
    }
}
