//! From what was written to what it means: defaults filled in, values checked by the rules and in the words of
//! kube-proxy (pkg/proxy/apis/config/validation/validation.go, v1alpha1/defaults.go).

use std::net::IpAddr;

use super::check::{Check, quoted};
use super::configuration::Configuration;
use super::release::{NodePortWords, Release, ValidationPaths};
use super::section::shown;
use super::validate;
use super::{
    DetectLocal, Gates, HostFacts, NodePortAddress, NodePortAddresses, ProxyMode, Settings, WrittenCidr,
    gates,
};
use crate::diagnostic::{Checked, Diagnostic, Diagnostics};
use crate::names::is_interface_name;
use crate::net::{Cidr, Family, parse_ip_lenient};

/// The possible bits of a firewall mark.
const MASQUERADE_BITS: std::ops::RangeInclusive<i32> = 0..=31;
const DEFAULT_MASQUERADE_BIT: u8 = 14;

const PLAIN_CIDR: &str = "must be a valid CIDR block (e.g. 10.100.0.0/16 or fde4:8dba:82e1::/48)";
const PAIR_OF_CIDRS: &str =
    "must be a either a single CIDR or dual-stack pair of CIDRs (e.g. [10.100.0.0/16, fde4:8dba:82e1::/48]";
const ONE_CIDR_OR_PAIR: &str =
    "only one CIDR allowed or a valid DualStack CIDR (e.g. 10.100.0.0/16,fde4:8dba:82e1::/48)";
const DUAL_STACK_CIDR: &str = "must be a valid DualStack CIDR (e.g. 10.100.0.0/16,fde4:8dba:82e1::/48)";

/// What the newest release of kube-proxy does without any configuration.
impl Default for Settings {
    fn default() -> Self {
        Settings::meant(&Configuration::default(), Release::NEWEST, HostFacts::default(), None).0
    }
}

#[cfg(test)]
impl Settings {
    /// What the newest release does in a mode, without other configuration.
    pub(crate) fn newest(mode: super::ProxyMode) -> Settings {
        let flags = super::Flags { proxy_mode: Some(mode.name().to_owned()), ..super::Flags::default() };
        let mut configuration = Configuration::default();
        configuration.override_with(&flags, &Release::NEWEST);
        Settings::resolve(&configuration, Release::NEWEST, HostFacts::default(), None).unwrap().0
    }
}

impl Settings {
    /// What a configuration means to a release.
    ///
    /// # Errors
    /// kube-proxy does not start with this configuration.
    pub fn resolve(
        written: &Configuration,
        release: Release,
        host: HostFacts,
        families: Option<Vec<Family>>,
    ) -> Checked<Settings> {
        let (settings, found) = Settings::meant(written, release, host, families);
        found.check(settings)
    }

    /// The settings, with the default for every wrong value, and all that is wrong.
    fn meant(
        written: &Configuration,
        release: Release,
        host: HostFacts,
        families: Option<Vec<Family>>,
    ) -> (Settings, Diagnostics) {
        let mut check = Check { written, release, found: Diagnostics::default() };
        let gates = check.gates();
        let mode = check.mode(&gates);
        let masquerade_bit = check.masquerade_bits(mode);
        let settings = Settings {
            release,
            mode,
            configured_mode: written.configured_mode().map(Into::into),
            configuration: written.origin.of_field("mode"),
            node_name: check.node_name(),
            detect_local: check.detect_local(),
            node_port_addresses: check.node_port_addresses(),
            masquerade_bit,
            masquerade_all: match mode {
                ProxyMode::Iptables => written.iptables.masquerade_all,
                ProxyMode::Nftables => written.nftables.masquerade_all,
            }
            .unwrap_or(false),
            localhost_node_ports: written.localhost_node_ports.unwrap_or(true),
            bind_address: check.bind_address(),
            gates,
            host: HostFacts {
                conntrack_liberal: host.conntrack_liberal
                    || written.conntrack.tcp_be_liberal.unwrap_or(false),
                ..host
            },
            families,
        };
        validate::other_fields(&mut check, mode);
        (settings, check.found)
    }
}

impl Check<'_> {
    fn gates(&mut self) -> Gates {
        let (gates, found) = gates::resolve(&self.release.gates, &self.written.feature_gates);
        for diagnostic in found {
            self.tell("featureGates", diagnostic);
        }
        gates
    }

    fn mode(&mut self, gates: &Gates) -> ProxyMode {
        match self.written.mode.as_deref() {
            None | Some("iptables") => return ProxyMode::Iptables,
            Some("nftables") if gates.nftables_proxy_mode => return ProxyMode::Nftables,
            Some("ipvs") if gates.kube_proxy_ipvs => {
                let diagnostic = Diagnostic::error("mode: ipvs is a mode that kuberules does not compile")
                    .help(
                        "see what another mode would do with --proxy-mode iptables or --proxy-mode nftables",
                    );
                self.tell("mode", diagnostic);
            }
            Some(other) => self.unknown_mode(other, gates),
        }
        ProxyMode::Iptables
    }

    fn unknown_mode(&mut self, mode: &str, gates: &Gates) {
        let modes = match (gates.kube_proxy_ipvs, gates.nftables_proxy_mode) {
            (true, true) => "iptables, ipvs, nftables",
            (true, false) => "iptables, ipvs",
            (false, true) => "iptables, nftables",
            (false, false) => "iptables",
        };
        let rule =
            format!("must be {modes} or blank (blank means the best-available proxy [currently iptables])");
        let message =
            format!("KubeProxyConfiguration.Mode.ProxyMode: Invalid value: {:?}: {rule}", shown(mode));
        let help = match mode {
            "nftables" => {
                "this release has the mode behind a feature gate: --feature-gates NFTablesProxyMode=true"
                    .to_owned()
            }
            "ipvs" => "the feature gate KubeProxyIPVS is off; move to nftables or iptables".to_owned(),
            _ => self.where_to_change("mode"),
        };
        self.tell("mode", Diagnostic::error(message).help(help));
    }

    /// The bit of the mode. That of iptables is checked in every mode, that of nftables only in its own.
    fn masquerade_bits(&mut self, mode: ProxyMode) -> u8 {
        let iptables = self.masquerade_bit(
            "iptables.masqueradeBit",
            "KubeProxyIPTablesConfiguration.MasqueradeBit",
            self.written.iptables.masquerade_bit,
        );
        match mode {
            ProxyMode::Iptables => iptables,
            ProxyMode::Nftables => self.masquerade_bit(
                "nftables.masqueradeBit",
                "KubeProxyNFTablesConfiguration.MasqueradeBit",
                self.written.nftables.masquerade_bit,
            ),
        }
    }

    fn masquerade_bit(&mut self, field: &'static str, path: &str, bit: Option<i32>) -> u8 {
        let Some(bit) = bit else {
            return DEFAULT_MASQUERADE_BIT;
        };
        if !MASQUERADE_BITS.contains(&bit) {
            self.invalid(field, path, &bit.to_string(), "must be within the range [0, 31]");
        }
        u8::try_from(bit).unwrap_or(DEFAULT_MASQUERADE_BIT)
    }

    /// `hostnameOverride`, trimmed and lower-cased (pkg/util/node, GetHostname).
    fn node_name(&mut self) -> Option<compact_str::CompactString> {
        let name = self.written.hostname_override.as_deref()?.trim().to_lowercase();
        if name.is_empty() {
            let diagnostic = Diagnostic::error("hostnameOverride: empty hostname is invalid");
            self.tell("hostnameOverride", diagnostic.help(self.where_to_change("hostnameOverride")));
            return None;
        }
        Some(name.into())
    }

    fn bind_address(&mut self) -> Option<IpAddr> {
        let text = self.written.bind_address.as_deref()?;
        let address = parse_ip_lenient(text);
        if address.is_none() {
            let rule = "not a valid textual representation of an IP address";
            self.invalid("bindAddress", "BindAddress", &quoted(text), rule);
        }
        address.filter(|ip| !ip.is_unspecified())
    }

    fn detect_local(&mut self) -> DetectLocal {
        let mode = self.written.detect_local_mode.as_deref().unwrap_or("ClusterCIDR");
        let checked_always = !self.release.model.cluster_cidr_checked_in_its_mode_only;
        let networks = if mode == "ClusterCIDR" || checked_always { self.cluster_cidr() } else { Vec::new() };
        match mode {
            "ClusterCIDR" => DetectLocal::ClusterCidr(networks),
            "NodeCIDR" => DetectLocal::NodeCidr,
            "BridgeInterface" => DetectLocal::BridgeInterface(self.interface(
                "detectLocal.bridgeInterface",
                "InterfaceName",
                self.written.bridge_interface.as_deref(),
            )),
            "InterfaceNamePrefix" => DetectLocal::InterfaceNamePrefix(self.interface(
                "detectLocal.interfaceNamePrefix",
                "InterfacePrefix",
                self.written.interface_name_prefix.as_deref(),
            )),
            other => {
                let fault = format!(
                    "Unsupported value: {:?}: supported values: \"ClusterCIDR\", \"NodeCIDR\", \"BridgeInterface\", \
                     \"InterfaceNamePrefix\", \"\"",
                    shown(other)
                );
                self.refuse("detectLocalMode", "DetectLocalMode", &fault);
                DetectLocal::ClusterCidr(networks)
            }
        }
    }

    /// kube-proxy only requires that the name is not empty; a name that an interface cannot have would break the rule.
    fn interface(
        &mut self,
        field: &'static str,
        path: &str,
        name: Option<&str>,
    ) -> compact_str::CompactString {
        let name = name.unwrap_or_default();
        if name.is_empty() {
            let path = match self.release.model.validation_paths {
                ValidationPaths::Versioned => path.to_owned(),
                ValidationPaths::Internal => format!("DetectLocalConfiguration.{path}"),
            };
            self.invalid(field, &path, "\"\"", "must not be empty");
        } else if !is_interface_name(name) {
            let message = format!(
                "{field}: {:?} cannot be the name of an interface (letters, digits, '.', '_' and '-', at most 15)",
                shown(name)
            );
            self.tell(field, Diagnostic::error(message).help(self.where_to_change(field)));
        }
        name.into()
    }

    fn cluster_cidr(&mut self) -> Vec<Cidr> {
        let Some(text) = self.written.cluster_cidr.as_deref() else {
            return Vec::new();
        };
        let texts: Vec<&str> = text.split(',').collect();
        let networks: Vec<Option<Cidr>> = texts.iter().map(|text| Cidr::parse_lenient(text)).collect();
        match self.release.model.validation_paths {
            ValidationPaths::Versioned => self.check_cluster_cidr_text(text, &networks),
            ValidationPaths::Internal => self.check_cluster_cidrs(&texts, &networks),
        }
        networks.into_iter().flatten().collect()
    }

    fn check_cluster_cidr_text(&mut self, text: &str, networks: &[Option<Cidr>]) {
        let rule = match networks {
            [Some(_)] => return,
            [Some(a), Some(b)] if a.family() != b.family() => return,
            [_] => PLAIN_CIDR,
            [_, _] => DUAL_STACK_CIDR,
            _ => ONE_CIDR_OR_PAIR,
        };
        self.invalid("clusterCIDR", "ClusterCIDR", &quoted(text), rule);
    }

    fn check_cluster_cidrs(&mut self, texts: &[&str], networks: &[Option<Cidr>]) {
        let path = "DetectLocalConfiguration.ClusterCIDRs";
        let list = || format!("[{}]", texts.iter().map(|t| quoted(t)).collect::<Vec<_>>().join(","));
        if networks.len() > 2 {
            return self.invalid("clusterCIDR", path, &shown(&list()), PAIR_OF_CIDRS);
        }
        for (index, text) in texts.iter().enumerate().filter(|(i, _)| networks.get(*i) == Some(&None)) {
            self.invalid("clusterCIDR", &format!("{path}[{index}]"), &quoted(text), PLAIN_CIDR);
        }
        if let [Some(a), Some(b)] = networks
            && a.family() == b.family()
        {
            self.invalid("clusterCIDR", path, &list(), PAIR_OF_CIDRS);
        }
    }

    fn node_port_addresses(&mut self) -> NodePortAddresses {
        let texts = &self.written.node_port_addresses;
        let mut listed = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let path = format!("NodePortAddresses[{index}]");
            if let Some(word) = node_port_word(self.release.model.node_port_words, text) {
                if self.release.model.node_port_words == NodePortWords::PrimaryAlone && texts.len() > 1 {
                    let rule = "can't use both 'primary' and CIDRs";
                    self.invalid("nodePortAddresses", &path, &quoted(text), rule);
                    break;
                }
                listed.extend(word);
                continue;
            }
            match Cidr::parse_lenient(text) {
                Some(cidr) => listed.push(NodePortAddress::Network(WrittenCidr { cidr, text: text.into() })),
                None => self.invalid("nodePortAddresses", &path, &quoted(text), "must be a valid CIDR"),
            }
        }
        if listed.is_empty() { NodePortAddresses::Unset } else { NodePortAddresses::Listed(listed) }
    }
}

/// What a word in nodePortAddresses means, if the release knows it (pkg/proxy/util/nodeport_addresses.go).
fn node_port_word(words: NodePortWords, text: &str) -> Option<Vec<NodePortAddress>> {
    let networks = |texts: [&str; 2]| {
        let written = |text: &str| {
            let cidr = Cidr::parse_lenient(text)?;
            Some(NodePortAddress::Network(WrittenCidr { cidr, text: text.into() }))
        };
        texts.into_iter().filter_map(written).collect()
    };
    match (words, text) {
        (NodePortWords::PrimaryAlone | NodePortWords::Mixed, "primary") => {
            Some(vec![NodePortAddress::Primary])
        }
        (NodePortWords::Mixed, "localhost") => Some(networks(["127.0.0.0/8", "::1/128"])),
        (NodePortWords::Mixed, "all") => Some(networks(["0.0.0.0/0", "::/0"])),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
