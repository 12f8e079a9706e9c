//! Which Service a rule belongs to: known from its origin, or, in a capture, from its comment and its chain's name.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::iptables::chains::ServiceChain;
use crate::iptables::ruleset as ipt;
use crate::names::ServiceName;
use crate::nftables::TABLE;
use crate::nftables::ruleset::{self as nft, Datum, MapValue, Verdict};
use crate::node::NodeRules;
use crate::plan::Plan;
use crate::ruleset::Ruleset;
use crate::ruleset::listing::{Line, Place};

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A Service.
    Service(ServiceName),
    /// What every node has.
    Base,
    /// Rules of another program.
    Foreign,
}

impl Subject {
    /// The Service, if it is one.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Subject::Service(name) => Some(name),
            Subject::Base | Subject::Foreign => None,
        }
    }
}

/// Finds the subjects of the lines of one ruleset.
pub struct Attribution<'r> {
    plan: Option<&'r Plan<'r>>,
    chains: HashMap<&'r str, ServiceName>,
    cluster_ips: HashMap<IpAddr, ServiceName>,
}

impl<'r> Attribution<'r> {
    /// Of a node's rules.
    pub fn new(rules: &'r NodeRules<'_>) -> Self {
        let plan = rules.plan.as_ref();
        let mut this = Attribution { plan, chains: HashMap::new(), cluster_ips: HashMap::new() };
        match (&rules.ruleset, plan) {
            (_, Some(_)) => {}
            (Ruleset::Iptables(ruleset), None) => this.learn_chains(ruleset),
            (Ruleset::Nftables(ruleset, _), None) => this.learn_cluster_ips(ruleset),
        }
        this
    }

    /// A chain belongs to the Service that its rules' comments name, or else to that of the rules that jump to it: in
    /// large clusters the rules of endpoints have no comments.
    fn learn_chains(&mut self, ruleset: &'r ipt::Ruleset) {
        let chains = || {
            let own = |chain: &&ipt::Chain| chain.owner == ipt::Owner::KubeProxy;
            ruleset.tables.iter().flat_map(|table| &table.chains).filter(own)
        };
        for chain in chains().filter(|chain| is_of_service(chain.name.as_str())) {
            if let Some(service) = chain.rules.iter().find_map(|r| service_in_comment(comment(&r.rule)?)) {
                self.chains.insert(chain.name.as_str(), service);
            }
        }
        // From the top down: each pass gets one chain further (dispatch, external, balancing, endpoint).
        for _ in 0..4 {
            for chain in chains() {
                for placed in &chain.rules {
                    self.learn_target(chain, &placed.rule);
                }
            }
        }
    }

    fn learn_target(&mut self, chain: &'r ipt::Chain, rule: &'r ipt::Rule) {
        let (Some(ipt::Target::Jump(to)) | Some(ipt::Target::Goto(to))) = &rule.target else { return };
        if !is_of_service(to.as_str()) || self.chains.contains_key(to.as_str()) {
            return;
        }
        let service = comment(rule).and_then(service_in_comment);
        if let Some(service) = service.or_else(|| self.chains.get(chain.name.as_str()).cloned()) {
            self.chains.insert(to.as_str(), service);
        }
    }

    fn learn_cluster_ips(&mut self, ruleset: &'r nft::Ruleset) {
        let own = ruleset.tables.iter().filter(|table| table.name == TABLE);
        for set in own.flat_map(|table| &table.sets).filter(|set| set.key.len() == 3) {
            for element in &set.elements {
                if let (Some(Datum::Address(ip)), Some(service)) = (element.key.first(), service_of(element))
                {
                    self.cluster_ips.entry(*ip).or_insert(service);
                }
            }
        }
    }

    /// The subject of a line.
    pub fn subject(&self, place: &Place<'r>, line: &Line<'r>) -> Subject {
        if let (Some(plan), Some(origin)) = (self.plan, line.origin()) {
            return origin
                .service_port(plan)
                .map_or(Subject::Base, |port| Subject::Service(port.service_port().name.service_name()));
        }
        match (place, line) {
            (Place::IptablesChain(_, _, chain), Line::IptablesRule(_, _, placed)) => {
                self.iptables_subject(chain, &placed.rule)
            }
            (Place::IptablesChain(_, _, chain), _) => match chain.owner {
                ipt::Owner::Kernel | ipt::Owner::Foreign => Subject::Foreign,
                ipt::Owner::Kubelet | ipt::Owner::KubeProxy => self.owner_of_chain(chain),
            },
            (Place::Chain(table, _) | Place::Counter(table, _) | Place::Set(table, _), _)
                if table.name != TABLE =>
            {
                Subject::Foreign
            }
            (Place::Counter(..), _) => Subject::Base,
            (Place::Set(..), Line::Element(_, element)) => self.element_subject(element),
            (Place::Chain(_, nft::Chain { name, .. }) | Place::Set(_, nft::Set { name, .. }), _) => {
                service_in_path(name).map_or(Subject::Base, Subject::Service)
            }
        }
    }

    /// The subject of a whole place.
    pub fn place_subject(&self, place: &Place<'r>) -> Subject {
        match place {
            Place::IptablesChain(_, _, chain) => match chain.owner {
                ipt::Owner::Kernel | ipt::Owner::Foreign => Subject::Foreign,
                ipt::Owner::Kubelet | ipt::Owner::KubeProxy => self.owner_of_chain(chain),
            },
            Place::Chain(table, _) | Place::Counter(table, _) | Place::Set(table, _)
                if table.name != TABLE =>
            {
                Subject::Foreign
            }
            Place::Counter(..) => Subject::Base,
            Place::Chain(_, nft::Chain { name, .. }) | Place::Set(_, nft::Set { name, .. }) => {
                service_in_path(name).map_or(Subject::Base, Subject::Service)
            }
        }
    }

    fn owner_of_chain(&self, chain: &'r ipt::Chain) -> Subject {
        self.chains.get(chain.name.as_str()).cloned().map_or(Subject::Base, Subject::Service)
    }

    fn iptables_subject(&self, chain: &'r ipt::Chain, rule: &'r ipt::Rule) -> Subject {
        match chain.owner {
            ipt::Owner::Kernel if is_own_jump(rule) => Subject::Base,
            ipt::Owner::Kernel | ipt::Owner::Foreign => Subject::Foreign,
            ipt::Owner::Kubelet | ipt::Owner::KubeProxy => match comment(rule).and_then(service_in_comment) {
                Some(service) => Subject::Service(service),
                None => self.owner_of_chain(chain),
            },
        }
    }

    fn element_subject(&self, element: &nft::Element) -> Subject {
        let by_address = || match element.key.as_slice() {
            [Datum::Address(ip)] => self.cluster_ips.get(ip).cloned(),
            _ => None,
        };
        service_of(element).or_else(by_address).map_or(Subject::Base, Subject::Service)
    }
}

/// Whether a rule in a built-in chain is a jump of kube-proxy or the kubelet.
pub fn is_own_jump(rule: &ipt::Rule) -> bool {
    match &rule.target {
        Some(ipt::Target::Jump(to)) => {
            ipt::Owner::of(ipt::TableName::Nat, to.as_str()) != ipt::Owner::Foreign
        }
        _ => false,
    }
}

fn is_of_service(chain: &str) -> bool {
    ServiceChain::of(chain).is_some()
}

/// The comment of a rule.
pub fn comment(rule: &ipt::Rule) -> Option<&str> {
    rule.matches.iter().find_map(|m| match m {
        ipt::Match::Comment(text) => Some(text.as_str()),
        _ => None,
    })
}

/// The Service that a comment of kube-proxy names: its only word of the form `namespace/name` or `namespace/name:port`.
pub fn service_in_comment(comment: &str) -> Option<ServiceName> {
    comment.split(' ').find_map(|word| {
        let path = word.split_once(':').map_or(word, |(path, _)| path);
        ServiceName::parse(path)
    })
}

/// The Service in the name of a chain or set such as `service-ULMVA6XW-ns1/svc1/tcp/p80`.
pub fn service_in_path(name: &str) -> Option<ServiceName> {
    let path = name.splitn(3, '-').nth(2)?;
    let (end, _) = path.match_indices('/').nth(1)?;
    ServiceName::parse(path.get(..end)?)
}

fn service_of(element: &nft::Element) -> Option<ServiceName> {
    match &element.value {
        Some(MapValue::Verdict(Verdict::Goto(chain) | Verdict::Jump(chain))) => service_in_path(chain),
        _ => None,
    }
    .or_else(|| service_in_comment(element.comment.as_deref()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_name_services() {
        let cases = [
            ("default/db:mysql cluster IP", Some("default/db")),
            ("shop/web -> 10.244.1.5:8080", Some("shop/web")),
            ("route LOCAL traffic for shop/web external destinations", Some("shop/web")),
            ("other traffic to a/b:c will be dropped by KUBE-PROXY-FIREWALL", Some("a/b")),
            ("kubernetes service nodeports; NOTE: this must be the last rule in this chain", None),
            ("10.0.0.0/8", None),
        ];
        for (comment, service) in cases {
            assert_eq!(service_in_comment(comment), service.and_then(ServiceName::parse), "{comment}");
        }
        assert_eq!(
            service_in_path("endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80"),
            ServiceName::parse("ns1/svc1")
        );
        assert_eq!(service_in_path("nodeport-endpoints-check"), None);
    }
}
