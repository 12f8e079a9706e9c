//! Arguments of `kuberules trace`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::place::{Source, Target};
use crate::cli::arguments::{InputArguments, NodeArgument, SettingsArguments};
use crate::net::Protocol;

/// Follows the first packet of a new connection through the rules of a node.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  kuberules trace cluster.yaml --node worker-1 --from pod:shop/cart-0 --to svc:shop/db
  kuberules trace cluster.yaml --node worker-1 --from any --to node:30080
  kuberules trace cluster.yaml --node worker-1 --from pod:shop/cart-0 --to svc:shop/db --end-to-end
  kuberules trace --captured node.rules --from 10.244.1.9 --to 10.96.0.12:3306
  ssh worker-1 sudo nft list ruleset | kuberules trace --captured - --from external --to 203.0.113.10:80")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    #[command(flatten)]
    pub(super) node: NodeArgument,
    /// Where the packet comes from: IP, pod:NAMESPACE/NAME, node, external or any
    ///
    /// An IP is the node's if it is one of its addresses, a pod's if it lies in a pod network, else outside. `external` is
    /// an address that no rule speaks of. `any` traces from a pod on this node, a pod on another node, the node and outside,
    /// and prints a table.
    #[arg(long, value_name = "SOURCE")]
    pub(super) from: Source,
    /// Where it goes: IP:PORT, [IPv6]:PORT, svc:NAMESPACE/NAME[:PORT] (its cluster IP) or node:PORT (a node port)
    #[arg(long, value_name = "DESTINATION")]
    pub(super) to: Target,
    /// tcp, udp or sctp; without it that of the Service port or node port, else tcp
    #[arg(long, value_name = "PROTOCOL", value_parser = parse_protocol)]
    pub(super) protocol: Option<Protocol>,
    /// Walk through the rules in this file instead of compiled ones: the text of iptables-save, ip6tables-save, nft list
    /// ruleset or nft -j list ruleset; `-` for standard input
    ///
    /// Without INPUT, give the node's addresses as --host-ip, its own first, and the pods' network as --cluster-cidr where
    /// the rules do not tell them.
    #[arg(long, value_name = "FILE")]
    pub(super) captured: Option<PathBuf>,
    /// Follow the whole way: through every node on it, each by its own rules, to the Pod, and the reply back
    ///
    /// Needs the cluster as INPUT. The client's node, the endpoint's node and whatever lies between are found from it; for a
    /// load balancer's address all nodes are first, or those whose health check answers, unless --node names one.
    #[arg(long)]
    pub(super) end_to_end: bool,
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

fn parse_protocol(text: &str) -> Result<Protocol, String> {
    Protocol::from_lower_name(&text.to_lowercase()).ok_or_else(|| "expect tcp, udp or sctp".to_owned())
}
