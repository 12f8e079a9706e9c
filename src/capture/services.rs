//! The cluster IPs of Services that captured rules name: in comments of iptables, in names of chains and comments of
//! elements of nftables.

use std::net::{IpAddr, SocketAddr};

use super::Captured;
use crate::iptables::ruleset as ipt;
use crate::names::ServicePortName;
use crate::net::{Port, Protocol};
use crate::nftables::{self, ruleset as nft};
use crate::ruleset::Ruleset;

/// A Service port with its cluster IP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAddress {
    /// The Service port.
    pub name: ServicePortName,
    /// Its cluster IP and port.
    pub address: SocketAddr,
}

impl Captured {
    /// Every Service port whose cluster IP the rules tell, in the order of the rules.
    pub fn services(&self) -> Vec<NamedAddress> {
        self.parts.iter().flat_map(|part| of_ruleset(&part.ruleset)).collect()
    }
}

fn of_ruleset(ruleset: &Ruleset) -> Vec<NamedAddress> {
    match ruleset {
        Ruleset::Iptables(ruleset) => {
            let services = ruleset.tables.iter().filter_map(|table| table.chain("KUBE-SERVICES"));
            services.flat_map(|chain| &chain.rules).filter_map(|placed| of_rule(&placed.rule)).collect()
        }
        Ruleset::Nftables(ruleset, family) => {
            let own = |table: &&nft::Table| table.name == nftables::TABLE && table.family.sees(*family);
            let maps = ["service-ips", "no-endpoint-services"];
            let tables = ruleset.tables.iter().filter(own);
            let sets = tables.flat_map(|table| maps.iter().filter_map(|map| table.set(map)));
            sets.flat_map(|set| &set.elements).filter_map(of_element).collect()
        }
    }
}

/// `-d IP/32 -p tcp -m comment --comment "ns/name:port cluster IP" -m tcp --dport N`; without endpoints the comment
/// ends otherwise.
fn of_rule(rule: &ipt::Rule) -> Option<NamedAddress> {
    let (mut name, mut transport) = (None, None);
    for m in &rule.matches {
        match m {
            ipt::Match::Comment(comment) => {
                let (subject, rest) = comment.split_once(' ')?;
                name = matches!(rest, "cluster IP" | "has no endpoints" | "has no local endpoints")
                    .then_some(subject);
            }
            ipt::Match::Transport { protocol, destination_port: Some(port) } => {
                transport = Some((*protocol, *port))
            }
            _ => (),
        }
    }
    let destination = rule.destination.as_ref().filter(|d| !d.negated && d.net.is_host())?;
    let (protocol, port) = transport?;
    named(name?, protocol, destination.net.network(), port)
}

/// `IP . tcp . N : goto service-HASH-ns/name/tcp/port`, or a comment `ns/name:port`.
fn of_element(element: &nft::Element) -> Option<NamedAddress> {
    let [nft::Datum::Address(ip), nft::Datum::Protocol(protocol), nft::Datum::Port(port)] =
        element.key.as_slice()
    else {
        return None;
    };
    if let Some(comment) = &element.comment {
        return named(comment, *protocol, *ip, *port);
    }
    let Some(nft::MapValue::Verdict(nft::Verdict::Goto(chain))) = &element.value else {
        return None;
    };
    let rest = chain.strip_prefix("service-").or_else(|| chain.strip_prefix("local-"))?;
    let (_, path) = rest.split_once('-')?;
    let mut parts = path.splitn(4, '/');
    let (namespace, service, _, port_name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let name = ServicePortName::new(namespace, service, port_name, *protocol).ok()?;
    Some(NamedAddress { name, address: SocketAddr::new(*ip, port.get()) })
}

fn named(text: &str, protocol: Protocol, ip: IpAddr, port: Port) -> Option<NamedAddress> {
    let (service, port_name) = text.split_once(':').unwrap_or((text, ""));
    let (namespace, service) = service.split_once('/')?;
    let name = ServicePortName::new(namespace, service, port_name, protocol).ok()?;
    Some(NamedAddress { name, address: SocketAddr::new(ip, port.get()) })
}

#[cfg(test)]
mod tests {
    use super::super::read;

    fn services(text: &str) -> Vec<String> {
        let found = read(text, None).unwrap().services();
        found.iter().map(|s| format!("{} {} {}", s.name, s.name.protocol(), s.address)).collect()
    }

    #[test]
    fn services_are_named_by_comments_and_chains() {
        let save = "*nat\n:KUBE-SERVICES - [0:0]\n\
            -A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment \"a/b:c cluster IP\" -m tcp --dport 80 -j DROP\n\
            -A KUBE-SERVICES -d 203.0.113.1/32 -p tcp -m comment --comment \"a/b:c external IP\" -m tcp --dport 80 -j DROP\n\
            COMMIT\n";
        assert_eq!(services(save), ["a/b:c tcp 10.96.0.1:80"]);
        let listing = "table ip kube-proxy {\n\
            \tmap no-endpoint-services {\n\t\ttype ipv4_addr . inet_proto . inet_service : verdict\n\
            \t\telements = { 10.96.0.3 . udp . 53 comment \"a/d\" : drop }\n\t}\n\n\
            \tmap service-ips {\n\t\ttype ipv4_addr . inet_proto . inet_service : verdict\n\
            \t\telements = { 10.96.0.1 . tcp . 80 : goto service-ABCDEFGH-a/b/tcp/c,\n\
            \t\t\t     203.0.113.1 . tcp . 80 : goto external-ABCDEFGH-a/b/tcp/c }\n\t}\n}\n";
        assert_eq!(services(listing), ["a/b:c tcp 10.96.0.1:80", "a/d udp 10.96.0.3:53"]);
    }
}
