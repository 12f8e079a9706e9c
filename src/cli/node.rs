//! Which node to compile for.

use compact_str::CompactString;

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
pub(super) fn choose(cluster: &Cluster, settings: &Settings, flag: Option<&str>) -> Checked<Node> {
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

/// kube-proxy goes on without its Node, with no zone and loopback as the node's address, except where it needs the
/// Node's pod networks.
fn without_nodes(name: CompactString, settings: &Settings) -> Checked<Node> {
    let diagnostic = if settings.detect_local == DetectLocal::NodeCidr {
        Diagnostic::error(format!(
            "there is no Node {name} in the input, and detectLocalMode NodeCIDR needs its podCIDRs"
        ))
    } else {
        Diagnostic::warning(format!(
            "the input has no Nodes: {name} is taken to have no zone and no address but loopback"
        ))
    };
    let help = "add the output of kubectl get nodes -o yaml to the input";
    Diagnostics::from(diagnostic.help(help)).check(Node { name, ..Node::default() })
}

fn unknown(name: &str, nodes: &[Node]) -> Diagnostic {
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
