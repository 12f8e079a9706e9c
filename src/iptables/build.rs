//! Shorthand for building rules.

use std::net::{IpAddr, SocketAddr};

use compact_str::{CompactString, format_compact};

use super::ruleset::{
    AddressMatch, ChainName, Destination, End, InterfaceMatch, Match, Probability, ProtocolMatch,
    ProtocolName, RecentAction, Rule, StateSet, Target,
};
use crate::net::{AddressText, Cidr, Port, Protocol};
use crate::plan::LocalTraffic;

impl Rule {
    /// A rule with a comment and nothing else.
    pub(super) fn commented(text: impl Into<CompactString>) -> Rule {
        Rule { matches: vec![Match::Comment(text.into())], ..Rule::default() }
    }

    /// A comment that comes after other matches.
    pub(super) fn comment_after(self, text: &str) -> Rule {
        self.matching(Match::Comment(text.into()))
    }

    pub(super) fn matching(mut self, matched: Match) -> Rule {
        self.matches.push(matched);
        self
    }

    /// `-m tcp -p tcp`
    pub(super) fn protocol(mut self, protocol: Protocol) -> Rule {
        self.protocol = Some(ProtocolMatch { negated: false, protocol: ProtocolName::Known(protocol) });
        self.matching(Match::Transport { protocol, destination_port: None })
    }

    /// `-m tcp -p tcp --dport N`
    pub(super) fn port(mut self, protocol: Protocol, port: Port) -> Rule {
        self.protocol = Some(ProtocolMatch { negated: false, protocol: ProtocolName::Known(protocol) });
        self.matching(Match::Transport { protocol, destination_port: Some(port) })
    }

    pub(super) fn destination_ip(mut self, ip: IpAddr) -> Rule {
        self.destination = Some(AddressMatch { negated: false, net: Cidr::host(ip), written: None });
        self
    }

    pub(super) fn destination_net(mut self, net: Cidr) -> Rule {
        self.destination = Some(as_network(false, net));
        self
    }

    pub(super) fn not_destination_net(mut self, net: Cidr) -> Rule {
        self.destination = Some(as_network(true, net));
        self
    }

    /// `-s ip`, where `text` is kube-proxy's spelling of the address.
    pub(super) fn source_ip(mut self, ip: IpAddr, text: &str) -> Rule {
        let written = (text != AddressText::ip(ip).as_str()).then(|| Box::new(text.into()));
        self.source = Some(AddressMatch { negated: false, net: Cidr::host(ip), written });
        self
    }

    pub(super) fn source_net(mut self, net: Cidr) -> Rule {
        self.source = Some(as_network(false, net));
        self
    }

    pub(super) fn not_source_net(mut self, net: Cidr) -> Rule {
        self.source = Some(as_network(true, net));
        self
    }

    /// Traffic of local pods, or all other traffic.
    pub(super) fn local_traffic(mut self, local: &LocalTraffic, negated: bool) -> Rule {
        let interface = |name| Some(Box::new(InterfaceMatch { negated, name }));
        match local {
            LocalTraffic::From(cidr) => self.source = Some(as_network(negated, *cidr)),
            LocalTraffic::Interface(name) => self.in_interface = interface(name.clone()),
            LocalTraffic::InterfacePrefix(prefix) => {
                self.in_interface = interface(compact_str::format_compact!("{prefix}+"));
            }
        }
        self
    }

    pub(super) fn local(self, end: End) -> Rule {
        self.matching(Match::AddressType { end, negated: false })
    }

    pub(super) fn state(self, negated: bool, names: &[&str]) -> Rule {
        let states = StateSet::of(names).unwrap_or_default();
        self.matching(Match::ConntrackState { negated, states })
    }

    pub(super) fn mark(self, negated: bool, mark: u32) -> Rule {
        self.matching(Match::Mark { negated, value: mark, mask: mark })
    }

    pub(super) fn one_in(self, n: usize) -> Rule {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.matching(Match::Probability(Probability::one_in(n)))
    }

    pub(super) fn recent(self, list: ChainName, action: RecentAction) -> Rule {
        self.matching(Match::Recent { list, action })
    }

    pub(super) fn counted_by(self, counter: &'static str) -> Rule {
        self.matching(Match::Nfacct(CompactString::const_new(counter)))
    }

    pub(super) fn then(mut self, target: Target) -> Rule {
        self.target = Some(target);
        self
    }

    pub(super) fn jump(self, chain: ChainName) -> Rule {
        self.then(Target::Jump(chain))
    }

    /// `-j DNAT`, where `text` is kube-proxy's spelling of the destination.
    pub(super) fn dnat(self, address: SocketAddr, text: &str) -> Rule {
        let written = (text != AddressText::socket(address).as_str()).then(|| Box::new(text.into()));
        self.then(Target::Dnat(Destination { address, written }))
    }
}

/// A network that kube-proxy writes with its length even if it is a single address.
fn as_network(negated: bool, net: Cidr) -> AddressMatch {
    let written = net.is_host().then(|| Box::new(format_compact!("{net}")));
    AddressMatch { negated, net, written }
}
