//! KubeProxyConfiguration as written (`kubeproxy.config.k8s.io/v1alpha1`): fields, types and unknown keys, before
//! defaults and validation. Field names are those of k8s.io/kube-proxy/config/v1alpha1/types.go.

use std::collections::{BTreeMap, BTreeSet};

use super::duration::GoDuration;
use super::origin::Origin;
use super::release::Release;
use super::section::{Notes, Section, shown};
use crate::diagnostic::{Checked, Diagnostic};
use crate::input::Snapshot;
use crate::input::api::Metadata;
use crate::input::tree::{self, Tree, Value};

/// What a KubeProxyConfiguration says, overridden by flags; nothing if a field is absent, null or empty.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "named as the fields are")]
pub struct Configuration {
    /// Where it was read.
    pub origin: Origin,
    /// Paths of fields that a flag gave, which are not in the file.
    pub given_by_flag: BTreeSet<&'static str>,
    pub mode: Option<String>,
    /// `mode` as in the configuration, if a flag overrides it.
    pub overridden_mode: Option<String>,
    pub cluster_cidr: Option<String>,
    pub detect_local_mode: Option<String>,
    pub bridge_interface: Option<String>,
    pub interface_name_prefix: Option<String>,
    pub node_port_addresses: Vec<String>,
    pub bind_address: Option<String>,
    pub hostname_override: Option<String>,
    pub iptables: Backend,
    pub localhost_node_ports: Option<bool>,
    pub ipvs: Backend,
    pub nftables: Backend,
    pub feature_gates: BTreeMap<String, bool>,
    pub port_range: Option<String>,
    pub conntrack: Conntrack,
    pub config_sync_period: Option<GoDuration>,
    pub oom_score_adj: Option<i32>,
    pub healthz_bind_address: Option<String>,
    pub metrics_bind_address: Option<String>,
    pub client_burst: Option<i32>,
}

/// What `iptables`, `ipvs` and `nftables` have in common.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "named as the fields are")]
pub struct Backend {
    pub masquerade_bit: Option<i32>,
    pub masquerade_all: Option<bool>,
    pub sync_period: Option<GoDuration>,
    pub min_sync_period: Option<GoDuration>,
}

/// `conntrack`
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "named as the fields are")]
pub struct Conntrack {
    pub tcp_be_liberal: Option<bool>,
    pub max_per_core: Option<i32>,
    pub min: Option<i32>,
    pub tcp_established_timeout: Option<GoDuration>,
    pub tcp_close_wait_timeout: Option<GoDuration>,
    pub udp_timeout: Option<GoDuration>,
    pub udp_stream_timeout: Option<GoDuration>,
}

/// kube-proxy's own flags that affect the rules. Unlike for kube-proxy, they also count next to a configuration, and
/// override it.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "named as the flags are")]
pub struct Flags {
    pub proxy_mode: Option<String>,
    pub cluster_cidr: Option<String>,
    pub detect_local_mode: Option<String>,
    pub pod_bridge_interface: Option<String>,
    pub pod_interface_name_prefix: Option<String>,
    pub nodeport_addresses: Option<Vec<String>>,
    pub masquerade_all: Option<bool>,
    pub iptables_masquerade_bit: Option<i32>,
    pub iptables_localhost_nodeports: Option<bool>,
    pub conntrack_tcp_be_liberal: Option<bool>,
    pub bind_address: Option<String>,
    pub hostname_override: Option<String>,
    pub feature_gates: BTreeMap<String, bool>,
}

const GROUP: &str = "kubeproxy.config.k8s.io/";
const API_VERSION: &str = "kubeproxy.config.k8s.io/v1alpha1";
const KIND: &str = "KubeProxyConfiguration";

impl Configuration {
    /// Reads a KubeProxyConfiguration, YAML or JSON, or a ConfigMap that contains one.
    ///
    /// # Errors
    /// There is none, or it has a field that kube-proxy cannot read.
    pub fn read(text: &str, origin: Origin) -> Checked<Configuration> {
        let documents = tree::read_documents(text).map_err(|fault| {
            let diagnostic = Diagnostic::error(fault.message).at(origin.at_line(fault.line));
            diagnostic.help("give YAML or JSON")
        })?;
        let found = find(documents).map_err(|message| {
            let help =
                "give a KubeProxyConfiguration, or the ConfigMap kube-system/kube-proxy that holds one";
            Diagnostic::error(message).at(origin.place.clone()).help(help)
        })?;
        Configuration::decode(&found, origin)
    }

    fn decode(found: &Found, mut origin: Origin) -> Checked<Configuration> {
        if let Some(line) = found.within {
            origin.place = origin.at_line(line);
            origin.lines_count = false;
        }
        let mut notes = Notes { origin, ..Notes::default() };
        let mut configuration = Configuration::default();
        let mut section = Section::new(String::new(), Some(&found.tree), &mut notes);
        configuration.take_rule_fields(&mut section);
        configuration.take_other_fields(&mut section);
        section.finish();
        configuration.origin = notes.origin;
        notes.found.check(configuration)
    }

    fn take_rule_fields(&mut self, section: &mut Section<'_, '_>) {
        self.mode = section.text("mode");
        self.cluster_cidr = section.text("clusterCIDR");
        self.detect_local_mode = section.text("detectLocalMode");
        self.node_port_addresses = section.texts("nodePortAddresses").unwrap_or_default();
        self.bind_address = section.text("bindAddress");
        self.hostname_override = section.text("hostnameOverride");
        self.feature_gates = section.switches("featureGates");
        self.port_range = section.text("portRange");
        let mut detect_local = section.section("detectLocal");
        self.bridge_interface = detect_local.text("bridgeInterface");
        self.interface_name_prefix = detect_local.text("interfaceNamePrefix");
        detect_local.finish();
        let mut iptables = section.section("iptables");
        self.iptables = backend(&mut iptables);
        self.localhost_node_ports = iptables.boolean("localhostNodePorts");
        iptables.finish();
        let mut nftables = section.section("nftables");
        self.nftables = backend(&mut nftables);
        nftables.finish();
    }

    fn take_other_fields(&mut self, section: &mut Section<'_, '_>) {
        section.passed_over(&[
            "apiVersion",
            "kind",
            "logging",
            "winkernel",
            "windowsRunAsService",
            "bindAddressHardFail",
            "enableProfiling",
            "showHiddenMetricsForVersion",
        ]);
        self.config_sync_period = section.duration("configSyncPeriod");
        self.oom_score_adj = section.integer("oomScoreAdj");
        self.healthz_bind_address = section.text("healthzBindAddress");
        self.metrics_bind_address = section.text("metricsBindAddress");
        self.ipvs = ipvs(section.section("ipvs"));
        self.conntrack = conntrack(section.section("conntrack"));
        let mut client = section.section("clientConnection");
        self.client_burst = client.integer("burst");
        client.passed_over(&["kubeconfig", "acceptContentTypes", "contentType", "qps"]);
        client.finish();
    }

    /// Lays flags over it.
    pub fn override_with(&mut self, flags: &Flags, release: &Release) {
        if flags.proxy_mode.is_some() {
            self.overridden_mode.clone_from(&self.mode);
        }
        self.lay("mode", &flags.proxy_mode, |c| &mut c.mode);
        self.lay("clusterCIDR", &flags.cluster_cidr, |c| &mut c.cluster_cidr);
        self.lay("detectLocalMode", &flags.detect_local_mode, |c| &mut c.detect_local_mode);
        self.lay("detectLocal.bridgeInterface", &flags.pod_bridge_interface, |c| &mut c.bridge_interface);
        self.lay("detectLocal.interfaceNamePrefix", &flags.pod_interface_name_prefix, |c| {
            &mut c.interface_name_prefix
        });
        self.lay("iptables.masqueradeBit", &flags.iptables_masquerade_bit, |c| {
            &mut c.iptables.masquerade_bit
        });
        self.lay("iptables.localhostNodePorts", &flags.iptables_localhost_nodeports, |c| {
            &mut c.localhost_node_ports
        });
        self.lay("conntrack.tcpBeLiberal", &flags.conntrack_tcp_be_liberal, |c| {
            &mut c.conntrack.tcp_be_liberal
        });
        self.lay("bindAddress", &flags.bind_address, |c| &mut c.bind_address);
        self.lay("hostnameOverride", &flags.hostname_override, |c| &mut c.hostname_override);
        if let Some(addresses) = &flags.nodeport_addresses {
            self.node_port_addresses.clone_from(addresses);
            self.given_by_flag.insert("nodePortAddresses");
        }
        if !flags.feature_gates.is_empty() {
            self.feature_gates.extend(flags.feature_gates.clone());
            self.given_by_flag.insert("featureGates");
        }
        if release.model.masquerade_all_flag_follows_mode && self.mode.as_deref() == Some("nftables") {
            self.lay("nftables.masqueradeAll", &flags.masquerade_all, |c| &mut c.nftables.masquerade_all);
        } else {
            self.lay("iptables.masqueradeAll", &flags.masquerade_all, |c| &mut c.iptables.masquerade_all);
        }
    }

    fn lay<T: Clone>(
        &mut self,
        path: &'static str,
        flag: &Option<T>,
        field: impl FnOnce(&mut Self) -> &mut Option<T>,
    ) {
        if flag.is_some() {
            field(self).clone_from(flag);
            self.given_by_flag.insert(path);
        }
    }
}

fn backend(section: &mut Section<'_, '_>) -> Backend {
    Backend {
        masquerade_bit: section.integer("masqueradeBit"),
        masquerade_all: section.boolean("masqueradeAll"),
        ..periods(section)
    }
}

fn periods(section: &mut Section<'_, '_>) -> Backend {
    Backend {
        sync_period: section.duration("syncPeriod"),
        min_sync_period: section.duration("minSyncPeriod"),
        ..Backend::default()
    }
}

fn ipvs(mut section: Section<'_, '_>) -> Backend {
    let backend = periods(&mut section);
    section.passed_over(&[
        "scheduler",
        "excludeCIDRs",
        "strictARP",
        "tcpTimeout",
        "tcpFinTimeout",
        "udpTimeout",
    ]);
    section.finish();
    backend
}

fn conntrack(mut section: Section<'_, '_>) -> Conntrack {
    let conntrack = Conntrack {
        tcp_be_liberal: section.boolean("tcpBeLiberal"),
        max_per_core: section.integer("maxPerCore"),
        min: section.integer("min"),
        tcp_established_timeout: section.duration("tcpEstablishedTimeout"),
        tcp_close_wait_timeout: section.duration("tcpCloseWaitTimeout"),
        udp_timeout: section.duration("udpTimeout"),
        udp_stream_timeout: section.duration("udpStreamTimeout"),
    };
    section.finish();
    conntrack
}

/// A configuration among the documents of a file.
struct Found {
    tree: Tree,
    /// The line in the outer text whose block contains it.
    within: Option<u32>,
}

/// The configuration among the documents of a file, or in the first ConfigMap or List that contains one.
fn find(documents: Vec<Tree>) -> Result<Found, String> {
    let mut seen = Vec::new();
    for document in documents {
        let api_version = document.get("apiVersion").and_then(Tree::as_text).unwrap_or_default();
        let kind = document.get("kind").and_then(Tree::as_text).unwrap_or_default();
        match (api_version, kind) {
            (API_VERSION, KIND) => return Ok(Found { tree: document, within: None }),
            (_, KIND) => return Err(wrong_version(api_version)),
            ("", "") if document.value == Value::Null => {}
            ("", "") => seen.push("a document without apiVersion and kind".to_owned()),
            _ => match held_by(&document) {
                Some(found) => return found,
                None => seen.push(format!("{} {}", shown(api_version), shown(kind))),
            },
        }
    }
    let seen = if seen.is_empty() { "nothing".to_owned() } else { seen.join(", ") };
    Err(format!("holds no KubeProxyConfiguration, but {seen}"))
}

/// The configuration in a ConfigMap, or in the items of a List.
fn held_by(document: &Tree) -> Option<Result<Found, String>> {
    match document.get("items").map(|items| &items.value) {
        Some(Value::List(items)) => find(items.clone()).ok().map(Ok),
        _ => in_config_map(document),
    }
}

/// The first text in a ConfigMap's data that is a KubeProxyConfiguration.
fn in_config_map(document: &Tree) -> Option<Result<Found, String>> {
    let Value::Map(data) = &document.get("data")?.value else {
        return None;
    };
    data.iter().find_map(|(_, tree)| {
        let documents = tree::read_documents(tree.as_text()?).ok()?;
        let is_one = |inner: &Tree| inner.get("kind").and_then(Tree::as_text) == Some(KIND);
        let found = find(documents.into_iter().filter(is_one).collect());
        let within = Some(tree.line);
        (found.is_ok() || tree.as_text()?.contains(GROUP))
            .then(|| found.map(|found| Found { within, ..found }))
    })
}

fn wrong_version(api_version: &str) -> String {
    if api_version.is_empty() {
        return format!("apiVersion is missing; it must be {API_VERSION}");
    }
    let fault = if api_version.starts_with(GROUP) { "version" } else { "group" };
    format!(
        "apiVersion: no kind {KIND:?} is known for the {fault} {:?}, only for {API_VERSION}",
        shown(api_version)
    )
}

impl Configuration {
    /// `mode` without the flag that may override it.
    pub fn configured_mode(&self) -> Option<&str> {
        let by_flag = self.given_by_flag.contains("mode");
        if by_flag { self.overridden_mode.as_deref() } else { self.mode.as_deref() }
    }

    /// The configuration found in the input: the ConfigMap kube-system/kube-proxy takes precedence; nothing set if
    /// there is none.
    ///
    /// # Errors
    /// There are several others that differ, or as [`Configuration::read`].
    pub fn from_snapshot(snapshot: &Snapshot) -> Checked<Configuration> {
        let all = &snapshot.configurations;
        let is_own =
            |metadata: &Metadata| metadata.namespace == "kube-system" && metadata.name == "kube-proxy";
        let Some(chosen) = all.iter().find(|c| is_own(&c.object.metadata)).or(all.first()) else {
            return Ok(Default::default());
        };
        let place = snapshot.sources.place(chosen.position);
        let differing = all.iter().find(|c| c.object.text != chosen.object.text);
        if let Some(other) = differing.filter(|_| !is_own(&chosen.object.metadata)) {
            let other = snapshot.sources.place(other.position).map_or(String::new(), |p| p.to_string());
            let message = format!("another KubeProxyConfiguration, at {other}, says otherwise");
            let diagnostic = Diagnostic::error(message).help("name the one that counts by --config FILE");
            return Err(diagnostic.at(place).into());
        }
        let is_bare = chosen.object.metadata.name.is_empty();
        Configuration::read(&chosen.object.text, Origin { place, lines_count: is_bare, ..Origin::default() })
    }
}

#[cfg(test)]
mod tests;
