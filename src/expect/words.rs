//! The words of the language: targets, clients, nodes, outcomes.

use std::net::{IpAddr, SocketAddr};

use super::selector;
use crate::input::api::LabelSelector;
use crate::names::nearest;
use crate::net::{Cidr, Port, Protocol, parse_ip_lenient};

/// `to`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `shop/web:http`
    Service {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// Name or number of the port; none for every port.
        port: Option<String>,
        /// The protocol, if given.
        protocol: Option<Protocol>,
    },
    /// `10.96.0.12:3306`
    Address(SocketAddr, Option<Protocol>),
    /// `node:30080`: a port of each node's own address.
    NodePort(Port, Option<Protocol>),
    /// `external`: all that is exposed.
    External,
}

/// `from`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// `pods`
    Pods,
    /// `nodes`
    Nodes,
    /// `outside`
    Outside,
    /// `pod:shop/cart-0`
    Pod {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// `namespace:shop`
    Namespace(String),
    /// `203.0.113.0/24`, or one address.
    Network(Cidr),
}

/// One of `on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeChoice {
    /// A node's name.
    Name(String),
    /// Every node whose labels fit.
    Labels(LabelSelector),
}

/// `expect`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It reaches an endpoint.
    Works,
    /// It is refused with an answer.
    Refused,
    /// It hears nothing.
    TimesOut,
    /// No Service takes it.
    NotServed,
}

/// `clientIP`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientIp {
    /// The Pod sees the client's address.
    Preserved,
    /// The Pod sees the node's.
    Masqueraded,
}

/// One of several words.
pub(super) fn pick<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| match nearest(text, names.iter().copied()).first() {
        Some(name) => format!("did you mean {name}?"),
        None => format!("expect {}", names.join(", ")),
    })
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 4] = [Outcome::Works, Outcome::Refused, Outcome::TimesOut, Outcome::NotServed];

    /// The word in a file.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Works => "works",
            Outcome::Refused => "refused",
            Outcome::TimesOut => "times-out",
            Outcome::NotServed => "not-served",
        }
    }
}

impl ClientIp {
    /// All of them.
    pub const ALL: [ClientIp; 2] = [ClientIp::Preserved, ClientIp::Masqueraded];

    /// The word in a file.
    pub fn name(self) -> &'static str {
        match self {
            ClientIp::Preserved => "preserved",
            ClientIp::Masqueraded => "masqueraded",
        }
    }
}

impl Target {
    const EXPECTED: &str = "expect NAMESPACE/SERVICE[:PORT], IP:PORT, node:PORT or external";

    pub(super) fn read(text: &str) -> Result<Target, String> {
        if text == "external" {
            return Ok(Target::External);
        }
        if let Some(port) = text.strip_prefix("node:") {
            let (port, protocol) = with_protocol(port)?;
            return Ok(Target::NodePort(port_of(port)?, protocol));
        }
        match Target::read_address(text)? {
            Some(address) => Ok(address),
            None => Target::read_service(text),
        }
    }

    fn read_address(text: &str) -> Result<Option<Target>, String> {
        let Some((ip, port)) = text.rsplit_once(':') else { return Ok(None) };
        let Some(ip) = parse_ip_lenient(unbracketed(ip)) else { return Ok(None) };
        if text.contains("::") && !text.starts_with('[') {
            return Err("write an IPv6 address in brackets: \"[fd00::1]:80\"".to_owned());
        }
        let (port, protocol) = with_protocol(port)?;
        let address = SocketAddr::new(is_somewhere(ip)?, port_of(port)?.get());
        Ok(Some(Target::Address(address, protocol)))
    }

    /// `shop/web`, `svc/web.shop`, `svc:shop/web`, `web.shop.svc.cluster.local`, each with or without `:port`.
    fn read_service(text: &str) -> Result<Target, String> {
        let name = ["svc:", "svc/", "service/", "services/"].iter().find_map(|kind| {
            text.strip_prefix(kind).filter(|rest| kind.ends_with(':') || rest.contains(['/', '.']))
        });
        let text = name.unwrap_or(text);
        let (service, port) = match text.split_once(':') {
            Some((_, "")) => return Err("the port after the last ':' is missing".to_owned()),
            Some((service, port)) => (service, Some(port)),
            None => (text, None),
        };
        let (port, protocol) = match port.map(with_protocol).transpose()? {
            Some((port, protocol)) => (Some(port.to_owned()), protocol),
            None => (None, None),
        };
        let parts = service.split_once('/').or_else(|| {
            let (name, rest) = service.split_once('.')?;
            Some((rest.split_once(".svc").map_or(rest, |(namespace, _)| namespace), name))
        });
        match parts {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Target::Service { namespace: namespace.to_owned(), name: name.to_owned(), port, protocol })
            }
            _ => Err(Target::EXPECTED.to_owned()),
        }
    }
}

fn with_protocol(text: &str) -> Result<(&str, Option<Protocol>), String> {
    let Some((port, protocol)) = text.split_once('/') else { return Ok((text, None)) };
    let found = Protocol::from_lower_name(&protocol.to_lowercase());
    found.map(|protocol| (port, Some(protocol))).ok_or_else(|| "the protocol is tcp, udp or sctp".to_owned())
}

fn port_of(text: &str) -> Result<Port, String> {
    Port::parse(text).ok_or_else(|| "the port is not a number from 1 to 65535".to_owned())
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

fn is_somewhere(ip: IpAddr) -> Result<IpAddr, String> {
    let broadcast = ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(format!("{ip} is not an address that a host can have"));
    }
    Ok(ip)
}

impl Client {
    pub(super) fn read(text: &str) -> Result<Client, String> {
        const WORDS: [&str; 3] = ["pods", "nodes", "outside"];
        match text {
            "pods" => return Ok(Client::Pods),
            "nodes" => return Ok(Client::Nodes),
            "outside" => return Ok(Client::Outside),
            _ => {}
        }
        if let Some(pod) = text.strip_prefix("pod:").or_else(|| text.strip_prefix("pod/")) {
            return match pod.split_once('/') {
                Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                    Ok(Client::Pod { namespace: namespace.to_owned(), name: name.to_owned() })
                }
                _ => Err("expect pod:NAMESPACE/NAME".to_owned()),
            };
        }
        if let Some(namespace) = text.strip_prefix("namespace:").filter(|name| !name.is_empty()) {
            return Ok(Client::Namespace(namespace.to_owned()));
        }
        if let Some(network) = Cidr::parse_lenient(text).or_else(|| parse_ip_lenient(text).map(Cidr::host)) {
            return Ok(Client::Network(network));
        }
        Err(match nearest(text, WORDS).first() {
            Some(word) => format!("did you mean {word}?"),
            None => "expect pods, nodes, outside, pod:NAMESPACE/NAME, namespace:NAME or a network".to_owned(),
        })
    }
}

impl NodeChoice {
    pub(super) fn read(text: &str) -> Result<NodeChoice, String> {
        if selector::is_selector(text) {
            return selector::read(text).map(NodeChoice::Labels);
        }
        let name = text.strip_prefix("node/").unwrap_or(text);
        Ok(NodeChoice::Name(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_in_every_usual_way() {
        let service = |port: Option<&str>| Target::Service {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            port: port.map(str::to_owned),
            protocol: None,
        };
        for text in ["shop/web", "svc:shop/web", "svc/web.shop", "web.shop", "web.shop.svc.cluster.local"] {
            assert_eq!(Target::read(text), Ok(service(None)), "{text}");
        }
        assert_eq!(Target::read("shop/web:http"), Ok(service(Some("http"))));
        assert_eq!(Target::read("web.shop.svc:80"), Ok(service(Some("80"))));
        let dns = Target::read("kube-system/kube-dns:53/udp").unwrap();
        assert!(matches!(dns, Target::Service { protocol: Some(Protocol::Udp), .. }));
    }

    #[test]
    fn addresses_and_node_ports() {
        let address = |text: &str| text.parse().unwrap();
        assert_eq!(Target::read("10.96.0.12:3306"), Ok(Target::Address(address("10.96.0.12:3306"), None)));
        assert_eq!(
            Target::read("[fd00::1]:53/udp"),
            Ok(Target::Address(address("[fd00::1]:53"), Some(Protocol::Udp)))
        );
        assert_eq!(Target::read("node:30080"), Ok(Target::NodePort(Port::new(30080).unwrap(), None)));
        for wrong in ["web", "shop/", "shop/web:", "10.96.0.12:0", "fd00::1:80", "node:x", "224.0.0.1:80"] {
            assert!(Target::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn clients_are_kinds_names_and_networks() {
        assert_eq!(Client::read("pods"), Ok(Client::Pods));
        assert_eq!(Client::read("namespace:shop"), Ok(Client::Namespace("shop".to_owned())));
        assert!(matches!(Client::read("pod:shop/cart-0"), Ok(Client::Pod { .. })));
        assert!(matches!(Client::read("203.0.113.7"), Ok(Client::Network(net)) if net.is_host()));
        assert_eq!(Client::read("pod"), Err("did you mean pods?".to_owned()));
        assert_eq!(Client::read("outsid"), Err("did you mean outside?".to_owned()));
    }
}
