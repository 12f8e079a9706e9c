//! Text captured on a node: tells the four forms apart and reads them.

mod services;

use std::sync::Arc;

use crate::diagnostic::ParseError;
use crate::iptables::parse::Variant;
use crate::net::Family;
use crate::nftables::{TABLE, ruleset::Table};
use crate::node::{Host, NodeRules, PerFamily, PodInterface};
use crate::ruleset::Ruleset;
use crate::settings::{DetectLocal, ProxyMode};
use crate::{iptables, nftables};

pub use services::NamedAddress;

/// Rules as a node printed them.
#[derive(Debug)]
pub struct Captured {
    /// The mode of kube-proxy in whose language the text is; the node's own mode may be the other.
    pub language: ProxyMode,
    /// The rulesets: of iptables in the order of the text, of nftables one for each family.
    pub parts: Vec<Part>,
    /// Families whose tool of iptables says that it wrote the text, or a part of it, be it without a table.
    pub headers: Vec<Family>,
    /// Whether iptables-save warned that tables of the legacy variant exist besides those that it printed.
    pub legacy_tables_present: bool,
    /// Names of tables that iptables-save left out because it cannot say them in its language.
    pub incompatible_tables: Vec<String>,
}

/// A ruleset of a text.
#[derive(Debug)]
pub struct Part {
    /// The variant of iptables; none without a header, and for nftables.
    pub variant: Option<Variant>,
    /// The rules of one family.
    pub ruleset: Ruleset,
}

/// Reads the text of `iptables-save`, `ip6tables-save`, `nft list ruleset` or `nft -j list ruleset`; `hint` is the
/// family of tables of iptables that do not tell theirs.
///
/// # Errors
/// The text is of none of them, or broken.
pub fn read(text: &str, hint: Option<Family>) -> Result<Captured, ParseError> {
    match form(text) {
        Form::Json => nftables::parse::parse_json(text).map(Captured::from),
        Form::Listing => nftables::parse::parse_listing(text).map(Captured::from),
        Form::Save => iptables::parse::parse(text, hint).map(Captured::from),
    }
}

impl From<iptables::parse::Capture> for Captured {
    fn from(capture: iptables::parse::Capture) -> Self {
        let part = |part: iptables::parse::Part| Part { variant: part.variant, ruleset: part.ruleset.into() };
        Captured {
            language: ProxyMode::Iptables,
            parts: capture.parts.into_iter().map(part).collect(),
            headers: capture.headers,
            legacy_tables_present: capture.legacy_tables_present,
            incompatible_tables: capture.incompatible_tables,
        }
    }
}

impl From<nftables::ruleset::Ruleset> for Captured {
    fn from(ruleset: nftables::ruleset::Ruleset) -> Self {
        let ruleset = Arc::new(ruleset);
        let part = |family| Part { variant: None, ruleset: Ruleset::Nftables(Arc::clone(&ruleset), family) };
        Captured {
            language: ProxyMode::Nftables,
            parts: Family::ALL.map(part).into(),
            headers: Vec::new(),
            legacy_tables_present: false,
            incompatible_tables: Vec::new(),
        }
    }
}

impl Captured {
    /// The mode of kube-proxy whose rules these are; none where they hold no rule of kube-proxy.
    pub fn mode(&self) -> Option<ProxyMode> {
        let own = self.parts.iter().any(|part| part.ruleset.has_kube_proxys_rules());
        own.then_some(self.language)
    }

    /// The ruleset of a family; where several variants have one, the first that has kube-proxy's rules.
    pub fn ruleset(&self, family: Family) -> Option<&Ruleset> {
        let own = self.of_family(family).find(|ruleset| ruleset.has_kube_proxys_rules());
        own.or_else(|| self.of_family(family).next())
    }

    fn of_family(&self, family: Family) -> impl Iterator<Item = &Ruleset> {
        self.parts.iter().map(|part| &part.ruleset).filter(move |ruleset| ruleset.family() == family)
    }

    /// Whether the text says what rules the node has in a family, be it none. The output of `iptables-save` says nothing
    /// of IPv6, nor does a table of nftables alone, as `nft list table` prints it, say what other tables there are.
    pub fn covers(&self, family: Family) -> bool {
        let is_foreign = |table: &Table| table.name != TABLE;
        let has_header = self.headers.contains(&family);
        has_header
            || self.of_family(family).any(|ruleset| match ruleset.as_nftables() {
                None => true,
                Some(nftables) => ruleset.has_kube_proxys_rules() || nftables.tables.iter().any(is_foreign),
            })
    }

    /// Whether the text holds any rule that packets of a family meet.
    fn has_rules(&self, family: Family) -> bool {
        self.of_family(family).any(|ruleset| match ruleset.as_nftables() {
            None => true,
            Some(nftables) => nftables.tables.iter().any(|table| table.family.sees(family)),
        })
    }

    /// The node's rules, with what they tell of the node beside what is known of it; none for a family of which the text
    /// has no rules.
    pub fn node_rules(&self, known: impl Fn(Family) -> Host) -> PerFamily<Option<NodeRules<'static>>> {
        PerFamily::of(|family| {
            let ruleset = self.ruleset(family).filter(|_| self.has_rules(family))?;
            let mut host = Host { route_localnet: false, ..known(family) };
            self.parts.iter().for_each(|part| host.learn_from(&part.ruleset));
            Some(NodeRules::new(ruleset.clone(), host).beside(self.of_family(family).cloned().collect()))
        })
    }

    /// How the rules tell traffic of local pods.
    pub fn local_traffic(&self) -> DetectLocal {
        let mut host = Host::default();
        self.parts.iter().for_each(|part| host.learn_from(&part.ruleset));
        match host.pod_interface {
            Some(PodInterface::Name(name)) => DetectLocal::BridgeInterface(name),
            Some(PodInterface::Prefix(prefix)) => DetectLocal::InterfaceNamePrefix(prefix),
            None => {
                let nets = |family| host.cluster_networks.iter().copied().find(|n| n.family() == family);
                DetectLocal::ClusterCidr(Family::ALL.into_iter().filter_map(nets).collect())
            }
        }
    }
}

enum Form {
    Json,
    Listing,
    Save,
}

/// The form of a text, by its first line that is no comment. nft too begins with comments, where tables are of
/// iptables-nft.
fn form(text: &str) -> Form {
    let first = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with('#'));
    match first.unwrap_or_default() {
        line if line.starts_with('{') => Form::Json,
        line if line.starts_with("table ") => Form::Listing,
        _ => Form::Save,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(text: &str) -> Option<ProxyMode> {
        read(text, None).ok().map(|captured| captured.language)
    }

    #[test]
    fn the_forms_are_told_apart() {
        let save = "# Generated by iptables-save v1.8.9\n*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n";
        assert_eq!(language(save), Some(ProxyMode::Iptables));
        assert_eq!(language("\ntable ip kube-proxy {\n}\n"), Some(ProxyMode::Nftables));
        let json = "{\"nftables\": [{\"metainfo\": {\"json_schema_version\": 1}}]}";
        assert_eq!(language(json), Some(ProxyMode::Nftables));
        assert_eq!(language("what?"), None);
    }

    #[test]
    fn warnings_of_nft_are_comments() {
        let warned = "# Warning: table ip nat is managed by iptables-nft, do not touch!\ntable ip nat {\n}\n";
        assert_eq!(language(warned), Some(ProxyMode::Nftables));
    }

    #[test]
    fn a_family_that_was_not_captured_is_not_one_without_rules() {
        let covered = |text: &str| {
            let captured = read(text, Some(Family::Ipv4)).unwrap();
            Family::ALL.map(|family| captured.covers(family))
        };
        assert_eq!(covered("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"), [true, false]);
        assert_eq!(covered("table ip kube-proxy {\n}\n"), [true, false]);
        assert_eq!(covered("table ip kube-proxy {\n}\ntable inet firewalld {\n}\n"), [true, true]);
    }
}
