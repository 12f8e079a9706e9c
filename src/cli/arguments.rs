//! Arguments that several subcommands share: the input and the settings. What was typed stands here; what it means is
//! a [`Settings`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, PathCompleter};

use super::assume::AssumeArguments;
use super::complete;
use super::project_file::ProjectFile;
use super::release;
use super::session::{Session, Stop};
use super::stdin::{self, Piped};
use crate::capture::Facts;
use crate::diagnostic::{Checked, Diagnostic};
use crate::input::{self, InputPath, Options, Snapshot};
use crate::names::nearest;
use crate::net::{Family, parse_ip_lenient};
use crate::settings::Origin;
use crate::settings::{
    Configuration, DetectLocal, Flags, HostFacts, Release, Settings, parse_feature_gates, parse_go_bool,
};

/// The cluster's objects.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct InputArguments {
    /// Files, folders (with all below) or `-`; none means standard input.
    ///
    /// YAML (one or many documents, List kinds) and JSON are told apart by content. Objects of other kinds are
    /// ignored.
    #[arg(value_name = "INPUT", add = ArgValueCompleter::new(complete::inputs))]
    pub(super) input: Vec<OsString>,
    /// A file or folder to read, as with kubectl (repeatable)
    #[arg(short = 'f', long = "filename", value_name = "FILE", add = ArgValueCompleter::new(PathCompleter::any()))]
    pub(super) filename: Vec<OsString>,
    /// Accepted as with kubectl; all namespaces of the input are always read
    #[arg(short = 'A', long, hide_short_help = true)]
    pub(super) all_namespaces: bool,
    /// Leave out files and folders met in a folder, by path within it or by name, such as `test/**` or `*-dev.yaml`
    /// (repeatable)
    #[arg(long, value_name = "GLOB", hide_short_help = true)]
    pub(super) exclude: Vec<input::Pattern>,
    /// List everything in folders that is left out
    #[arg(long, hide_short_help = true)]
    pub(super) verbose: bool,
    /// Set by `lint`: see [`Options::for_lint`].
    #[arg(skip)]
    pub(super) for_lint: bool,
}

impl InputArguments {
    /// The first input named, if any.
    pub(super) fn first(&self) -> Option<&std::ffi::OsStr> {
        self.named().next().map(OsString::as_os_str)
    }

    /// Whether any input is named.
    pub(super) fn is_given(&self) -> bool {
        self.named().next().is_some()
    }

    /// Whether standard input is read.
    pub(super) fn reads_stdin(&self) -> bool {
        !self.is_given() || self.named().any(|input| input == "-")
    }

    fn named(&self) -> impl Iterator<Item = &OsString> {
        self.input.iter().chain(&self.filename)
    }

    /// Input as if named on the command line.
    pub(super) fn of(input: Vec<OsString>) -> InputArguments {
        InputArguments { input, ..InputArguments::default() }
    }

    /// Reads the input.
    ///
    /// # Errors
    /// It cannot be read or understood, which the session reports.
    pub(super) fn read(&self, session: &mut Session) -> Result<Snapshot, Stop> {
        session.take_checked(self.load())
    }

    /// Reads the input without reporting anything.
    ///
    /// # Errors
    /// It cannot be read, or not be understood.
    pub(super) fn load(&self) -> Checked<Snapshot> {
        if let Some(fault) = self.named().find_map(not_there) {
            return Err(fault.into());
        }
        let paths: Vec<InputPath> = self.named().cloned().map(InputPath::from).collect();
        if !self.reads_stdin() {
            return input::read_with(&paths, io::empty(), &self.options());
        }
        input::read_with(&paths, stdin::open(Piped::Cluster)?, &self.options())
    }

    /// How to read it.
    pub(super) fn options(&self) -> Options {
        Options {
            exclude: self.exclude.clone(),
            verbose: self.verbose,
            for_lint: self.for_lint,
            may_be_empty: false,
        }
    }
}

/// A file that does not exist, with those of a similar name; nothing where there are none.
fn not_there(path: &OsString) -> Option<Diagnostic> {
    let path = Path::new(path);
    if path.as_os_str() == "-" || path.symlink_metadata().is_ok() {
        return None;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let wanted = path.file_name()?.to_string_lossy();
    let near = nearest(&wanted, names.iter().map(String::as_str));
    let near: Vec<String> =
        near.into_iter().map(|name| path.with_file_name(name).display().to_string()).collect();
    let fault = Diagnostic::error(format!("{}: there is no such file or folder", path.display()));
    (!near.is_empty()).then(|| fault.help(format!("did you mean {}?", near.join(" or "))))
}

/// The node to look at.
#[derive(Debug, Clone, Args)]
pub(super) struct NodeArgument {
    /// The node to look at, where the input has several
    ///
    /// Not needed where the question implies one, such as by naming a Pod.
    #[arg(long, value_name = "NAME", value_parser = node_name, add = ArgValueCompleter::new(complete::nodes))]
    node: Option<String>,
}

impl NodeArgument {
    /// As typed.
    pub(super) fn name(&self) -> Option<&str> {
        self.node.as_deref()
    }
}

/// What kube-proxy is given beside the cluster.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct SettingsArguments {
    /// kube-proxy's configuration; without it the one in the input
    ///
    /// A KubeProxyConfiguration (YAML or JSON), or the ConfigMap kube-system/kube-proxy that holds one.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// iptables or nftables; overrides the configuration
    #[arg(long, value_name = "MODE", hide_possible_values = true, value_parser = ["iptables", "nftables"])]
    pub(super) proxy_mode: Option<String>,
    /// kube-proxy's release, 1.30 to 1.37; without it what the Node reports
    ///
    /// Without a patch level it is the newest patch. Where the Node reports no release, it is the newest.
    #[arg(long, value_name = "X.Y[.Z]", add = ArgValueCompleter::new(complete::releases))]
    pub(super) kube_version: Option<Release>,
    /// The release was chosen though the Node may report another, so that needs no note.
    #[arg(skip)]
    pub(super) release_is_meant: bool,
    /// Mode iptables stands in for ipvs, so that the objects can be looked at.
    #[arg(skip)]
    pub(super) stand_in_for_ipvs: bool,
    /// The rules themselves are asked for: nothing is inferred that would change them.
    #[arg(skip)]
    pub(super) for_compile: bool,
    /// How captured rules tell traffic of local pods, where no configuration says so.
    #[arg(skip)]
    pub(super) captured_local: Option<DetectLocal>,
    /// The IP families; `all` means every one in which the cluster has a Service address
    #[arg(long, value_name = "FAMILY", default_value = "all", hide_short_help = true)]
    pub(super) family: FamilyChoice,
    /// An address on an interface of the node, beside loopback and the Node's own (repeatable)
    #[arg(long, value_name = "IP", value_parser = parse_ip, hide_short_help = true)]
    pub(super) host_ip: Vec<IpAddr>,
    /// The kernel has no nfacct counters
    #[arg(long, hide_short_help = true)]
    pub(super) no_nfacct: bool,
    /// The node's iptables does not know --random-fully (before 1.6.2)
    #[arg(long, hide_short_help = true)]
    pub(super) no_random_fully: bool,
    /// The sysctl nf_conntrack_tcp_be_liberal of the node is not 0
    #[arg(long, hide_short_help = true)]
    pub(super) conntrack_liberal: bool,
    #[command(flatten)]
    pub(super) assume: AssumeArguments,
    #[command(flatten)]
    pub(super) flags: FlagArguments,
}

/// The form of an answer, and the settings it is for.
#[derive(Debug, Clone, Args)]
pub(super) struct AnswerArguments<F: ValueEnum + Send + Sync + 'static> {
    /// The form of the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) output: F,
    #[command(flatten)]
    pub(super) settings: SettingsArguments,
}

/// kube-proxy's own flags.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Flags of kube-proxy, which override the configuration")]
pub(super) struct FlagArguments {
    /// The Pods' network, or two of different families with a comma
    #[arg(long, value_name = "CIDR[,CIDR]")]
    cluster_cidr: Option<String>,
    /// How traffic from local pods is detected
    #[arg(long, value_name = "MODE", value_parser = ["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"], hide_short_help = true)]
    detect_local_mode: Option<String>,
    /// The bridge of --detect-local-mode BridgeInterface
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pod_bridge_interface: Option<String>,
    /// The prefix of --detect-local-mode InterfaceNamePrefix
    #[arg(long, value_name = "PREFIX", hide_short_help = true)]
    pod_interface_name_prefix: Option<String>,
    /// Networks on whose addresses node ports are served, or `primary`; from 1.37 also `localhost` and `all` (repeatable)
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',', hide_short_help = true)]
    nodeport_addresses: Option<Vec<String>>,
    /// Masquerade all traffic to cluster IPs
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = parse_bool, hide_short_help = true)]
    masquerade_all: Option<bool>,
    /// The bit of the firewall mark in iptables mode, 0 to 31
    #[arg(long, value_name = "BIT", allow_negative_numbers = true, hide_short_help = true)]
    iptables_masquerade_bit: Option<i32>,
    /// Serve node ports on 127.0.0.1 (iptables mode)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = parse_bool, hide_short_help = true)]
    iptables_localhost_nodeports: Option<bool>,
    /// Let kube-proxy set nf_conntrack_tcp_be_liberal
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = parse_bool, hide_short_help = true)]
    conntrack_tcp_be_liberal: Option<bool>,
    /// The address that kube-proxy takes as the node's own
    #[arg(long, value_name = "IP", hide_short_help = true)]
    bind_address: Option<String>,
    /// The node's name, where --node does not give it
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    hostname_override: Option<String>,
    /// Feature gates (repeatable)
    #[arg(long, value_name = "NAME=BOOL,...", value_parser = parse_feature_gates, hide_short_help = true)]
    feature_gates: Vec<BTreeMap<String, bool>>,
}

impl FlagArguments {
    /// `--cluster-cidr` as typed.
    pub(super) fn typed_cluster_cidr(&self) -> Option<String> {
        self.cluster_cidr.clone()
    }
}

/// `--family`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FamilyChoice {
    Ipv4,
    Ipv6,
    All,
}

impl FamilyChoice {
    /// The family, if it is one.
    pub(super) fn only(self) -> Option<Family> {
        match self {
            FamilyChoice::Ipv4 => Some(Family::Ipv4),
            FamilyChoice::Ipv6 => Some(Family::Ipv6),
            FamilyChoice::All => None,
        }
    }

    fn families(self) -> Option<Vec<Family>> {
        match self {
            FamilyChoice::Ipv4 => Some(vec![Family::Ipv4]),
            FamilyChoice::Ipv6 => Some(vec![Family::Ipv6]),
            FamilyChoice::All => None,
        }
    }
}

impl SettingsArguments {
    /// Turns on the feature gate that 1.30 needs for nftables mode.
    pub(super) fn allow_nftables(&mut self) {
        self.flags.feature_gates.push(BTreeMap::from([("NFTablesProxyMode".to_owned(), true)]));
    }

    /// Fills in what a node tells of itself.
    pub(super) fn learn(&mut self, facts: &Facts) {
        let told = facts.addresses();
        self.host_ip.extend(told.into_iter().filter(|ip| !self.host_ip.contains(ip)).collect::<Vec<_>>());
        self.conntrack_liberal |= facts.sysctls.conntrack_liberal == Some(true);
    }

    /// Fills in from kuberules.toml what was not typed.
    pub(super) fn or_of(mut self, project: &ProjectFile) -> Self {
        self.kube_version = self.kube_version.or_else(|| project.release());
        self.flags.cluster_cidr = self.flags.cluster_cidr.or_else(|| project.cluster_cidr.clone());
        self
    }

    /// What the arguments mean, with the configuration they name or the one in the input.
    ///
    /// # Errors
    /// A wrong value; reported by the session.
    pub(super) fn resolve(&self, snapshot: &Snapshot, session: &mut Session) -> Result<Settings, Stop> {
        let mut configuration = match &self.config {
            Some(path) => from_file(path, session)?,
            None => session.take_checked(Configuration::from_snapshot(snapshot))?,
        };
        let release = match self.kube_version.filter(|_| self.release_is_meant) {
            Some(release) => release,
            None => {
                let hostname = configuration.hostname_override.clone();
                release::choose(self.kube_version, hostname.as_deref(), snapshot, session)
            }
        };
        let mut flags = self.flags();
        if self.stand_in_for_ipvs
            && flags.proxy_mode.is_none()
            && configuration.mode.as_deref() == Some("ipvs")
        {
            session.note(
                "mode ipvs is not compiled: answers that depend on the mode are those of iptables mode",
            );
            flags.proxy_mode = Some("iptables".to_owned());
        }
        configuration.override_with(&flags, &release);
        let families = self.family.families();
        session.take_checked(Settings::resolve(&configuration, release, self.host_facts(), families))
    }

    /// Whether it is said how kube-proxy tells traffic of local pods, even by a configuration that leaves it out.
    pub(super) fn tells_local_traffic(&self, snapshot: &Snapshot) -> bool {
        let by_flag = self.flags.cluster_cidr.is_some() || self.flags.detect_local_mode.is_some();
        by_flag || self.config.is_some() || !snapshot.configurations.is_empty()
    }

    fn host_facts(&self) -> HostFacts {
        HostFacts {
            addresses: self.host_ip.clone(),
            nfacct: !self.no_nfacct,
            random_fully: !self.no_random_fully,
            conntrack_liberal: self.conntrack_liberal,
        }
    }

    fn flags(&self) -> Flags {
        let typed = self.flags.clone();
        Flags {
            proxy_mode: self.proxy_mode.clone(),
            cluster_cidr: typed.cluster_cidr,
            detect_local_mode: typed.detect_local_mode,
            pod_bridge_interface: typed.pod_bridge_interface,
            pod_interface_name_prefix: typed.pod_interface_name_prefix,
            nodeport_addresses: typed.nodeport_addresses,
            masquerade_all: typed.masquerade_all,
            iptables_masquerade_bit: typed.iptables_masquerade_bit,
            iptables_localhost_nodeports: typed.iptables_localhost_nodeports,
            conntrack_tcp_be_liberal: typed.conntrack_tcp_be_liberal,
            bind_address: typed.bind_address,
            hostname_override: typed.hostname_override,
            feature_gates: typed.feature_gates.into_iter().flatten().collect(),
        }
    }
}

fn from_file(path: &Path, session: &mut Session) -> Result<Configuration, Stop> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read the configuration {}: {error}", path.display());
        session.stop(Diagnostic::error(message))
    })?;
    session.take_checked(Configuration::read(&text, Origin::file(&path.display().to_string())))
}

/// `worker-1`, or as kubectl names it `node/worker-1`.
fn node_name(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("node/").or_else(|| text.strip_prefix("nodes/")).unwrap_or(text);
    if name.is_empty() { Err("the name is missing".to_owned()) } else { Ok(name.to_owned()) }
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    parse_ip_lenient(text).ok_or_else(|| "not an IP address".to_owned())
}

fn parse_bool(text: &str) -> Result<bool, String> {
    parse_go_bool(text).ok_or_else(|| "expect true or false".to_owned())
}
