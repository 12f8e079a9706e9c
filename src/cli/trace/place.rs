//! `--from` and `--to` as typed.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use compact_str::CompactString;

use crate::net::{Port, parse_ip_lenient};

/// `--from`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Ip(IpAddr),
    Pod(Named),
    Node,
    External,
    Any,
}

/// `--to`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Address(SocketAddr),
    Service(Named, Option<CompactString>),
    NodePort(Port),
}

/// `NAMESPACE/NAME` of a Pod or Service as it was typed. It is only looked for, so that any text may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) namespace: CompactString,
    pub(super) name: CompactString,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Named {
    fn read(text: &str, what: &str) -> Result<Named, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Named { namespace: namespace.into(), name: name.into() })
            }
            _ => Err(format!("expect {what}:NAMESPACE/NAME")),
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "node" => return Ok(Source::Node),
            "external" => return Ok(Source::External),
            "any" => return Ok(Source::Any),
            _ => (),
        }
        if let Some(pod) = text.strip_prefix("pod:") {
            return Named::read(pod, "pod").map(Source::Pod);
        }
        let ip = parse_ip_lenient(unbracketed(text))
            .ok_or("expect an IP address, pod:NAMESPACE/NAME, node, external or any")?;
        is_somewhere(ip).map(Source::Ip)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(service) = text.strip_prefix("svc:") {
            let (name, port) = match service.split_once(':') {
                Some((name, port)) if !port.is_empty() => (name, Some(port.into())),
                Some(_) => return Err("the port after the last ':' is missing".to_owned()),
                None => (service, None),
            };
            return Ok(Target::Service(Named::read(name, "svc")?, port));
        }
        if let Some(port) = text.strip_prefix("node:") {
            return port_of(port).map(Target::NodePort);
        }
        address(text).map(Target::Address)
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    const EXPECTED: &str = "expect IP:PORT, [IPv6]:PORT, svc:NAMESPACE/NAME[:PORT] or node:PORT";
    if parse_ip_lenient(unbracketed(text)).is_some() {
        return Err("the port is missing: expect IP:PORT or [IPv6]:PORT".to_owned());
    }
    let (ip, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
    let ip = parse_ip_lenient(unbracketed(ip)).ok_or(EXPECTED)?;
    Ok(SocketAddr::new(is_somewhere(ip)?, port_of(port)?.get()))
}

fn port_of(text: &str) -> Result<Port, String> {
    Port::parse(text).ok_or_else(|| "the port is no number from 1 to 65535".to_owned())
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// An address that one host has.
fn is_somewhere(ip: IpAddr) -> Result<IpAddr, String> {
    let broadcast = ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(format!("{ip} is no address that a host can have"));
    }
    Ok(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read() {
        let source = |text: &str| text.parse::<Source>();
        assert_eq!(source("any"), Ok(Source::Any));
        assert_eq!(source("10.244.1.9"), Ok(Source::Ip("10.244.1.9".parse().unwrap())));
        assert!(
            matches!(source("pod:shop/cart-0"), Ok(Source::Pod(named)) if named.to_string() == "shop/cart-0")
        );
        assert_eq!(source("pod:cart-0"), Err("expect pod:NAMESPACE/NAME".to_owned()));
        assert_eq!(source("0.0.0.0"), Err("0.0.0.0 is no address that a host can have".to_owned()));
        assert!(source("nod").is_err());
    }

    #[test]
    fn targets_are_read() {
        let target = |text: &str| text.parse::<Target>();
        assert_eq!(target("10.96.0.12:3306"), Ok(Target::Address("10.96.0.12:3306".parse().unwrap())));
        assert_eq!(target("[fd00::1]:80"), Ok(Target::Address("[fd00::1]:80".parse().unwrap())));
        assert_eq!(target("node:30080"), Ok(Target::NodePort(Port::new(30080).unwrap())));
        assert!(matches!(target("svc:shop/db"), Ok(Target::Service(_, None))));
        assert!(matches!(target("svc:shop/db:mysql"), Ok(Target::Service(_, Some(port))) if port == "mysql"));
        for (wrong, why) in [
            ("10.96.0.12", "the port is missing"),
            ("fd00::1", "the port is missing"),
            ("10.96.0.12:0", "the port is no number"),
            ("10.96.0.12:70000", "the port is no number"),
            ("svc:db", "expect svc:NAMESPACE/NAME"),
            ("svc:shop/db:", "the port after"),
            ("224.0.0.1:80", "224.0.0.1 is no address"),
            ("shop/db", "expect IP:PORT"),
        ] {
            let told = target(wrong).unwrap_err();
            assert!(told.starts_with(why), "{wrong}: {told}");
        }
    }
}
