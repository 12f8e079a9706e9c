//! Text captured on a node: tells the forms apart by content, reads them and puts them together.

mod addresses;
mod connections;
mod data_path;
mod facts;
mod form;
mod ipset;
mod ipvs;
mod join;
mod routes;
mod services;
mod sysctl;

use crate::diagnostic::ParseError;
use crate::iptables::parse::Variant;
use crate::net::Family;
use crate::nftables::{TABLE, ruleset::Table};
use crate::node::{Host, NodeRules, PerFamily, PodInterface};
use crate::ruleset::Ruleset;
use crate::settings::{DetectLocal, ProxyMode};

pub(crate) use connections::connection;
pub use data_path::DataPath;
pub use facts::Facts;
pub use form::Form;
pub use join::{Source, join};
pub use services::NamedAddress;

/// The form of a text, told by its content; none where it is nothing that a node is asked for.
pub fn form_of(text: &str) -> Option<Form> {
    form::of(text)
}

/// Rules as a node printed them.
#[derive(Debug)]
pub struct Captured {
    /// The mode of kube-proxy in whose language the text is; the node's own mode may be the other.
    pub language: ProxyMode,
    /// The rulesets: of iptables in the order of the text, of nftables one for each family.
    pub parts: Vec<Part>,
    /// Families whose tool of iptables says that it wrote the text, or a part of it, even one without tables.
    pub headers: Vec<Family>,
    /// Whether iptables-save warned that tables of the legacy variant exist besides those that it printed.
    pub legacy_tables_present: bool,
    /// Names of tables that iptables-save left out because it cannot say them in its language.
    pub incompatible_tables: Vec<String>,
    /// What else the node was asked for.
    pub facts: Facts,
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
    join::read_rules(text, hint)
}

impl Captured {
    /// The mode of kube-proxy whose rules these are; none where they hold no rule of kube-proxy.
    pub fn mode(&self) -> Option<ProxyMode> {
        let own = self.parts.iter().any(|part| part.ruleset.has_kube_proxys_rules());
        own.then_some(self.language)
    }

    /// Takes the rules of a mode for kube-proxy's, where it has some of both.
    pub fn prefer(&mut self, mode: ProxyMode) {
        let mut of_mode = self.parts.iter().filter(|part| part.ruleset.mode() == mode);
        if of_mode.any(|part| part.ruleset.has_kube_proxys_rules()) {
            self.language = mode;
        }
    }

    /// Whether it says what rules there are, even none: `iptables-save` without a table says that there are none, and so does a
    /// text in which there is nothing at all.
    pub fn has_any_rules(&self) -> bool {
        !self.parts.is_empty() || !self.headers.is_empty() || self.facts.is_empty()
    }

    /// The ruleset of a family; where several variants have one, the first in kube-proxy's language that has its rules.
    pub fn ruleset(&self, family: Family) -> Option<&Ruleset> {
        let in_language = || self.of_family(family).filter(|ruleset| ruleset.mode() == self.language);
        let own = in_language().find(|ruleset| ruleset.has_kube_proxys_rules());
        own.or_else(|| in_language().next()).or_else(|| self.of_family(family).next())
    }

    /// Every ruleset of a family that the kernel follows, in its order.
    pub fn rulesets(&self, family: Family) -> Vec<Ruleset> {
        self.of_family(family).cloned().collect()
    }

    fn of_family(&self, family: Family) -> impl Iterator<Item = &Ruleset> {
        self.parts.iter().map(|part| &part.ruleset).filter(move |ruleset| ruleset.family() == family)
    }

    /// Whether the text says what rules the node has in a family, even if none. The output of `iptables-save` says nothing
    /// of IPv6, nor does a single table of nftables, as `nft list table` prints it, say what other tables there are.
    pub fn covers(&self, family: Family) -> bool {
        let is_foreign = |table: &Table| table.name != TABLE;
        let has_header = self.headers.contains(&family);
        // A listing of nft does not show what the legacy backend has.
        let is_legacy =
            |part: &Part| part.variant == Some(Variant::Legacy) && part.ruleset.has_kube_proxys_rules();
        let may_hide = self.parts.iter().any(is_legacy);
        has_header
            || self.of_family(family).any(|ruleset| match ruleset.as_nftables() {
                None => true,
                Some(nftables) => {
                    ruleset.has_kube_proxys_rules() || (!may_hide && nftables.tables.iter().any(is_foreign))
                }
            })
    }

    /// Whether iptables was asked for a family, in whose language kube-proxy's rules are.
    pub fn is_saved(&self, family: Family) -> bool {
        let mut saved = self.of_family(family).filter(|ruleset| ruleset.as_iptables().is_some());
        self.language == ProxyMode::Iptables && (self.headers.contains(&family) || saved.next().is_some())
    }

    /// Whether the text holds any rule that packets of a family meet.
    fn has_rules(&self, family: Family) -> bool {
        self.of_family(family).any(|ruleset| match ruleset.as_nftables() {
            None => true,
            Some(nftables) => nftables.tables.iter().any(|table| table.family.sees(family)),
        })
    }

    /// Tables of nftables with rules at hooks that are not followed, by family and name.
    pub fn out_of_reach(&self) -> Vec<String> {
        let rulesets = self.parts.iter().filter_map(|part| part.ruleset.as_nftables());
        let tables = rulesets.flat_map(|ruleset| &ruleset.tables).filter(|table| table.is_out_of_reach());
        let mut found: Vec<String> =
            tables.map(|table| format!("{} {}", table.family.name(), table.name)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The node's rules, with what they tell of the node beside what is known of it; none for a family of which the text
    /// has no rules.
    pub fn node_rules(&self, known: impl Fn(Family) -> Host) -> PerFamily<Option<NodeRules<'static>>> {
        PerFamily::of(|family| {
            let ruleset = self.ruleset(family).filter(|_| self.has_rules(family))?;
            let mut host = Host { route_localnet: false, ..known(family) };
            self.parts.iter().for_each(|part| host.learn_from(&part.ruleset));
            self.facts.tell(&mut host);
            Some(NodeRules::new(ruleset.clone(), host).beside(self.rulesets(family)))
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
