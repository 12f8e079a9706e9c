//! `--assume` and what belongs to it.

use std::sync::Arc;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;

use super::complete;
use super::session::{Session, Stop};
use crate::assume::json::WithAssumed;
use crate::assume::{self, Assumed, Options};
use crate::diagnostic::Inert;
use crate::input::Snapshot;
use crate::lint::ServiceNetworks;
use crate::markup;
use crate::names::is_dns_label;
use crate::net::Cidr;
use crate::settings::Settings;

/// Objects that were never applied to a cluster.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Manifests that were never applied")]
pub(super) struct AssumeArguments {
    /// Fill in what the API server and the controllers would
    ///
    /// That is defaults, cluster IPs, node ports, and EndpointSlices from Pods and workloads; the output says so in its
    /// first line.
    #[arg(long)]
    assume: bool,
    /// Networks of cluster IPs, the cluster's first family first; without it the ServiceCIDRs of the input, else
    /// 10.96.0.0/12 and fd00:10:96::/112
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',', requires = "assume", hide_short_help = true, value_parser = parse_cidr)]
    service_cidr: Vec<Cidr>,
    /// How many Nodes to assume beside those of the input; without it one, where neither the input nor a Pod names any
    #[arg(long, value_name = "N", hide_short_help = true, requires = "assume", value_parser = clap::value_parser!(u16).range(1..=5000))]
    assume_nodes: Option<u16>,
    /// The namespace of names that are given without one
    ///
    /// On this line and in objects.
    #[arg(short, long, value_name = "NAME", value_parser = parse_namespace, add = ArgValueCompleter::new(complete::namespaces))]
    namespace: Option<String>,
}

impl AssumeArguments {
    /// The namespace of names that are given without one.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Fills in the snapshot if that was asked for. What `previous` was given stays.
    ///
    /// # Errors
    /// Something cannot be assumed; reported by the session.
    pub(super) fn apply(
        &self,
        snapshot: &mut Arc<Snapshot>,
        settings: &Settings,
        previous: Option<&Assumed>,
        session: &mut Session,
    ) -> Result<Option<Assumed>, Stop> {
        if let Some(namespace) = &self.namespace {
            Arc::make_mut(snapshot).put_into_namespace(namespace);
        }
        if !self.assume {
            return Ok(None);
        }
        let options = Options {
            service_cidrs: self.service_cidr.clone(),
            nodes: self.assume_nodes,
            previous: previous.cloned(),
        };
        let (assumed, found) = assume::fill(Arc::make_mut(snapshot), &options, settings);
        session.take(found)?;
        Ok(Some(assumed))
    }
}

impl AssumeArguments {
    /// The networks of cluster IPs that are given or assumed; nothing without `--assume`.
    pub(super) fn service_networks(&self, snapshot: &Snapshot) -> Option<ServiceNetworks> {
        let options = Options { service_cidrs: self.service_cidr.clone(), nodes: None, previous: None };
        let are_assumed = self.service_cidr.is_empty() && snapshot.service_cidrs.is_empty();
        self.assume
            .then(|| ServiceNetworks { networks: assume::service_networks(snapshot, &options), are_assumed })
    }
}

fn parse_namespace(text: &str) -> Result<String, String> {
    let fits = is_dns_label(text);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expect a name of lower-case letters, digits and '-'".to_owned())
    }
}

fn parse_cidr(text: &str) -> Result<Cidr, String> {
    Cidr::parse_lenient(text.trim()).ok_or_else(|| "expect address/length, such as 10.96.0.0/12".to_owned())
}

/// The comment line that an output made from assumed values begins with; empty where nothing was assumed. What the API
/// server would refuse follows.
pub(super) fn comment(assumed: Option<&Assumed>) -> String {
    lines(assumed, "# ", "\n")
}

/// The same at the beginning of a Markdown text.
pub(super) fn quote(assumed: Option<&Assumed>) -> String {
    let text = lines(assumed, "> ", "\n>\n");
    text.strip_suffix(">\n").map_or(text.clone(), |text| format!("{text}\n"))
}

fn lines(assumed: Option<&Assumed>, before: &str, after: &str) -> String {
    let Some(assumed) = assumed else { return String::new() };
    let refusals = assumed.refusals().iter().map(|refusal| {
        format!("this apply fails: {}: {}; it stays as it was", refusal.object, Inert(&refusal.message))
    });
    let lines = std::iter::once(assume::banner().to_owned()).chain(refusals);
    lines.map(|line| format!("{before}{line}{after}")).collect()
}

/// The same at the beginning of a Mermaid diagram.
pub(super) fn diagram_comment(assumed: Option<&Assumed>) -> String {
    assumed.map_or_else(String::new, |_| format!("%% {}\n", assume::banner()))
}

/// The same as an annotation of GitHub Actions.
pub(super) fn annotation(assumed: Option<&Assumed>) -> String {
    assumed.map_or_else(String::new, |_| format!("::notice title=kuberules --assume::{}\n", assume::banner()))
}

/// Prints an answer in JSON, with the field `assumed`.
pub(super) fn print_json(answer: &impl Serialize, assumed: Option<&Assumed>) -> String {
    markup::json(&WithAssumed { answer, assumed: assumed.map(Assumed::json) })
}

/// The same for two states.
pub(super) fn print_json_of_both(
    answer: &impl Serialize,
    old: Option<&Assumed>,
    new: Option<&Assumed>,
) -> String {
    markup::json(&WithAssumed { answer, assumed: old.zip(new).map(|(old, new)| new.json_after(old)) })
}
