//! Arguments of `kuberules trace`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::cli::arguments::{InputArguments, NodeArgument, SettingsArguments};
use crate::cli::complete;
use crate::net::Protocol;
use crate::node::InterfaceName;
use crate::question::{Source, Target};

/// Says whether a connection works, why not, and by which rules.
///
/// Follows the first packet of a new connection through the rules of a node. The first line is the answer; reason, remedy
/// and the packet's way follow.
#[derive(Debug, Args)]
#[command(after_long_help = "\
More examples:
  kuberules trace cluster.yaml --from any --to node/worker-1:30080
  kuberules trace cluster.yaml --from external --to 203.0.113.10:80 --all-nodes
  kuberules trace --captured node.rules --from 10.244.1.9 --to 10.96.0.12:3306
  ssh worker-1 sudo nft list ruleset | kuberules trace --captured - --from external --to 203.0.113.10:80")]
#[command(before_help = "\
Examples:
  kuberules trace cluster.yaml --from pod/cart-0 --to svc/db
  kuberules trace cluster.yaml --from external --to 203.0.113.10:443")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    #[command(flatten)]
    pub(super) node: NodeArgument,
    /// Where the packet comes from: IP, pod/NAME, node, external or any
    ///
    /// An IP is the node's if it is one of its addresses, a pod's if it lies in a pod network, else outside. Pods are
    /// written pod/NAME, pod/NAMESPACE/NAME or pod:NAMESPACE/NAME, nodes node/NAME. `external` is an address that no rule
    /// speaks of. `any` traces from a pod on this node, a pod on another node, the node and outside, and prints a table.
    #[arg(long, value_name = "SOURCE", default_value = "any", add = ArgValueCompleter::new(complete::sources))]
    pub(super) from: Source,
    /// Where it goes: IP:PORT, svc/NAME[:PORT], node:PORT or localhost:PORT
    ///
    /// A node port is also written node/NAME:PORT, of one node. A Service is written as in kubectl or DNS: web, shop/web, svc/web, svc:shop/web, web.shop,
    /// web.shop.svc.cluster.local; its port by number or name. An IPv6 address is written in brackets.
    #[arg(long, value_name = "DESTINATION", add = ArgValueCompleter::new(complete::targets))]
    pub(super) to: Target,
    /// tcp, udp or sctp; without it that of the Service port, else tcp
    #[arg(long, value_name = "PROTOCOL", value_parser = parse_protocol)]
    pub(super) protocol: Option<Protocol>,
    /// Say on which nodes it works
    ///
    /// The same happens without --node where the input has several and the question names none.
    #[arg(long, conflicts_with_all = ["node", "captured"])]
    pub(super) all_nodes: bool,
    /// Print the answer without the packet's way
    #[arg(long)]
    pub(super) brief: bool,
    /// Follow the whole way to the Pod, and the reply back
    ///
    /// It leads through every node on it, each with its own rules.
    /// Needs the cluster as INPUT. The client's node, the endpoint's node and whatever lies between are found from it; for a
    /// load balancer's address all nodes are first, or those whose health check answers, unless --node names one.
    #[arg(long, conflicts_with_all = ["all_nodes", "brief"])]
    pub(super) end_to_end: bool,
    /// Walk through the rules that a node printed instead (repeatable)
    ///
    /// The text of iptables-save, ip6tables-save, nft list ruleset or nft -j list ruleset, and whatever else `kuberules
    /// collect` gathers; a file, a folder, a tar or `-`.
    ///
    /// Without INPUT, give the node's addresses as --host-ip, its own first, and the pods' network as --cluster-cidr where
    /// the rules do not tell them.
    #[arg(long, value_name = "FILE")]
    pub(super) captured: Vec<PathBuf>,
    /// The interface by which the packet comes in, where rules ask for it
    ///
    /// Such as cali12d4a061371.
    /// Without it, routes that were captured tell it, or the name that the CNI plugin gives to a Pod's interface; else the
    /// answer is one for each interface that rules name. A packet of the node itself comes in by none.
    #[arg(long, value_name = "NAME", value_parser = parse_interface)]
    pub(super) in_interface: Option<InterfaceName>,
    /// The interface by which the packet leaves the node
    #[arg(long, value_name = "NAME", value_parser = parse_interface)]
    pub(super) out_interface: Option<InterfaceName>,
    /// The form of the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) output: OutputFormat,
    #[command(flatten)]
    pub(super) settings: SettingsArguments,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    Text,
    Json,
    Mermaid,
}

fn parse_interface(text: &str) -> Result<InterfaceName, String> {
    InterfaceName::new(text).ok_or_else(|| "no interface can have this name".to_owned())
}

fn parse_protocol(text: &str) -> Result<Protocol, String> {
    Protocol::from_lower_name(&text.to_lowercase()).ok_or_else(|| "expect tcp, udp or sctp".to_owned())
}
