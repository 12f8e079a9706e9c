//! Sources, destinations and names as people write them: kubectl's `svc/web`, DNS' `web.shop.svc.cluster.local`, plain
//! `shop/web`, or addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use compact_str::{CompactString, ToCompactString};

use crate::diagnostic::Inert;
use crate::names::is_dns_label;
use crate::net::{Port, parse_ip_lenient};

/// Where a packet comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An address.
    Ip(IpAddr),
    /// A Pod.
    Pod(Written),
    /// The node itself, by name where one was given.
    Node(Option<CompactString>),
    /// A client outside the cluster.
    External,
    /// One source of each kind.
    Any,
}

/// Where a packet goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An address and port.
    Address(SocketAddr),
    /// A Service's cluster IP, at a port by number or name.
    Service(Written, Option<CompactString>),
    /// A port of a node, by name where one was given.
    NodePort(Option<CompactString>, Port),
}

/// The name of a Service or Pod as it was written. It is only looked for, so that any text may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// As written, without the kind and the port.
    pub text: CompactString,
    /// What it can mean, the likelier reading first; some texts have two, as `svc/web`, whose first word can be a
    /// namespace.
    pub readings: Vec<Reading>,
}

/// One meaning of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The namespace, where one is given.
    pub namespace: Option<CompactString>,
    /// The name.
    pub name: CompactString,
}

/// Words that kubectl takes for a kind.
const SERVICE: [&str; 3] = ["svc", "service", "services"];
const POD: [&str; 3] = ["pod", "pods", "po"];
const NODE: [&str; 3] = ["node", "nodes", "no"];

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Inert(&self.text))
    }
}

impl Written {
    /// Reads the name of a Service, with or without its kind: `web`, `shop/web`, `svc/web`, `svc:shop/web`, `web.shop`,
    /// `web.shop.svc.cluster.local`.
    ///
    /// # Errors
    /// It cannot be a name.
    pub fn service(text: &str) -> Result<Written, String> {
        let (kind, rest) = split_kind(text, &SERVICE);
        let mut written = Written::read(rest, "svc")?;
        if let (true, Some((namespace, name))) = (kind.is_some_and(|kind| kind == '/'), text.split_once('/'))
            && is_dns_label(name)
        {
            written.readings.push(Reading { namespace: Some(namespace.into()), name: name.into() });
        }
        if let Some(reading) = of_dns(rest) {
            written.readings = vec![reading];
        }
        Ok(written)
    }

    /// Reads the name of a Pod, with or without its kind.
    ///
    /// # Errors
    /// It cannot be a name.
    pub fn pod(text: &str) -> Result<Written, String> {
        Written::read(split_kind(text, &POD).1, "pod")
    }

    /// The name of one object, its namespace known or not.
    pub fn of(namespace: Option<&str>, name: &str) -> Written {
        let reading = Reading { namespace: namespace.map(Into::into), name: name.into() };
        let text = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        Written { text: text.into(), readings: vec![reading] }
    }

    fn read(text: &str, kind: &str) -> Result<Written, String> {
        let fits = |part: &str| !part.is_empty() && !part.contains(['/', ' ']);
        match text.split_once('/') {
            Some((namespace, name)) if fits(namespace) && fits(name) => {
                Ok(Written::of(Some(namespace), name))
            }
            None if fits(text) => Ok(Written::of(None, text)),
            _ => Err(format!("expect {kind}/NAME or {kind}:NAMESPACE/NAME")),
        }
    }
}

/// The kind before a name, as the sign behind it, and the name: `svc/web`, `svc:shop/web`, `svc/shop/web`.
fn split_kind<'t>(text: &'t str, kinds: &[&str]) -> (Option<char>, &'t str) {
    let found = text.find(['/', ':']).and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?, at)));
    match found {
        Some((kind, rest, at)) if kinds.contains(&kind.to_lowercase().as_str()) => {
            (text.get(at..).and_then(|rest| rest.chars().next()), rest)
        }
        _ => (None, text),
    }
}

/// `web.shop`, `web.shop.svc`, `web.shop.svc.cluster.local`: no name of a Service has a dot.
fn of_dns(text: &str) -> Option<Reading> {
    let mut labels = text.trim_end_matches('.').split('.');
    let (name, namespace) = (labels.next()?, labels.next()?);
    let rest: Vec<&str> = labels.collect();
    let is_service = rest.first().is_none_or(|label| *label == "svc");
    let fits = is_service && [name, namespace].into_iter().chain(rest).all(is_dns_label);
    fits.then(|| Reading { namespace: Some(namespace.into()), name: name.into() })
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "node" | "host" => return Ok(Source::Node(None)),
            "external" | "outside" => return Ok(Source::External),
            "any" | "all" => return Ok(Source::Any),
            "localhost" => return Ok(Source::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST))),
            _ => (),
        }
        if let (Some(_), node) = split_kind(text, &NODE) {
            return Ok(Source::Node(Some(node.to_lowercase().into())));
        }
        if let (Some(_), pod) = split_kind(text, &POD) {
            return Written::pod(pod).map(Source::Pod);
        }
        match parse_ip_lenient(unbracketed(text)) {
            Some(ip) => is_somewhere(ip).map(Source::Ip),
            None if looks_like_address(text) || split_kind(text, &SERVICE).0.is_some() => {
                Err(SOURCES.to_owned())
            }
            None => Written::pod(text).map(Source::Pod).map_err(|_| SOURCES.to_owned()),
        }
    }
}

const SOURCES: &str = "expect an IP address, pod/NAME, node, external or any";
const TARGETS: &str =
    "expect IP:PORT, [IPv6]:PORT, svc/NAME[:PORT], NAME.NAMESPACE[:PORT], localhost:PORT or node:PORT";

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim_end_matches('/');
        if let Some(port) = text.strip_prefix("localhost:") {
            return Ok(Target::Address(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                port_of(port)?.get(),
            )));
        }
        if let (Some(_), node) = split_kind(text, &NODE) {
            let (name, port) = node.rsplit_once(':').map_or((None, node), |(name, port)| (Some(name), port));
            let missing = || format!("the port is missing: expect node:PORT or node/{}:PORT", Inert(port));
            if name.is_none() && port.parse::<u32>().is_err() {
                return Err(missing());
            }
            return Ok(Target::NodePort(name.map(|name| name.to_lowercase().into()), port_of(port)?));
        }
        let (kind, rest) = split_kind(text, &SERVICE);
        if kind.is_none() && (looks_like_address(text) || parse_ip_lenient(unbracketed(text)).is_some()) {
            return address(text).map(Target::Address);
        }
        if split_kind(text, &POD).0.is_some() {
            return Err("a Pod has no rules of its own: give its address as IP:PORT".to_owned());
        }
        let port = match rest.split_once(':') {
            Some((_, "")) => return Err("the port after the last ':' is missing".to_owned()),
            Some((_, port)) if port.contains(['/', ':']) => return Err(TARGETS.to_owned()),
            Some((_, port)) => Some(port.to_compact_string()),
            None => None,
        };
        let end = port.as_ref().map_or(text.len(), |port| text.len() - port.len() - 1);
        let name = text.get(..end).unwrap_or(text);
        Written::service(name).map(|name| Target::Service(name, port)).map_err(|_| TARGETS.to_owned())
    }
}

/// Whether it is meant as an address, even a wrong one: no name begins with a digit or has two colons.
fn looks_like_address(text: &str) -> bool {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let numeric =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.') && host.contains('.');
    text.starts_with('[') || numeric || text.matches(':').count() > 1 && !text.contains('/')
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if parse_ip_lenient(unbracketed(text)).is_some() {
        return Err("the port is missing: expect IP:PORT or [IPv6]:PORT".to_owned());
    }
    let (ip, port) = text.rsplit_once(':').ok_or(TARGETS)?;
    let ip = parse_ip_lenient(unbracketed(ip)).ok_or(TARGETS)?;
    Ok(SocketAddr::new(is_somewhere(ip)?, port_of(port)?.get()))
}

fn port_of(text: &str) -> Result<Port, String> {
    Port::parse(text).ok_or_else(|| "the port is not a number from 1 to 65535".to_owned())
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// An address that one host has.
fn is_somewhere(ip: IpAddr) -> Result<IpAddr, String> {
    let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(format!("{ip} is not an address that a host can have"));
    }
    Ok(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(written: &Written) -> String {
        let all = written.readings.iter();
        all.map(|reading| format!("{}/{}", reading.namespace.as_deref().unwrap_or("?"), reading.name))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn sources_are_read() {
        let source = |text: &str| text.parse::<Source>();
        assert_eq!(source("any"), Ok(Source::Any));
        assert_eq!(source("node"), Ok(Source::Node(None)));
        assert_eq!(source("node/worker-1"), Ok(Source::Node(Some("worker-1".into()))));
        assert_eq!(source("10.244.1.9"), Ok(Source::Ip("10.244.1.9".parse().unwrap())));
        for (text, means) in [
            ("pod:shop/cart-0", "shop/cart-0"),
            ("pod/shop/cart-0", "shop/cart-0"),
            ("pod/cart-0", "?/cart-0"),
            ("shop/cart-0", "shop/cart-0"),
            ("cart-0", "?/cart-0"),
        ] {
            let Ok(Source::Pod(written)) = source(text) else { panic!("{text}") };
            assert_eq!(readings(&written), means, "{text}");
        }
        assert_eq!(source("0.0.0.0"), Err("0.0.0.0 is not an address that a host can have".to_owned()));
        assert_eq!(source("10.244.1.300"), Err(SOURCES.to_owned()));
        assert_eq!(source("svc/web"), Err(SOURCES.to_owned()));
    }

    #[test]
    fn services_are_read() {
        for (text, means, at) in [
            ("web", "?/web", None),
            ("web:80", "?/web", Some("80")),
            ("shop/web", "shop/web", None),
            ("shop/web:http", "shop/web", Some("http")),
            ("svc/web", "?/web svc/web", None),
            ("svc/web:80", "?/web svc/web", Some("80")),
            ("service/web", "?/web service/web", None),
            ("svc:shop/db:mysql", "shop/db", Some("mysql")),
            ("svc/shop/db", "shop/db", None),
            ("web.shop", "shop/web", None),
            ("web.shop.svc:80", "shop/web", Some("80")),
            ("web.shop.svc.cluster.local.", "shop/web", None),
            ("svc:web.shop.svc.cluster.local:443", "shop/web", Some("443")),
        ] {
            let read = text.parse::<Target>();
            let Ok(Target::Service(written, port)) = read else { panic!("{text}: {read:?}") };
            assert_eq!((readings(&written).as_str(), port.as_deref()), (means, at), "{text}");
        }
    }

    #[test]
    fn targets_are_read() {
        let target = |text: &str| text.parse::<Target>();
        let port = Port::new(30080).unwrap();
        assert_eq!(target("10.96.0.12:3306"), Ok(Target::Address("10.96.0.12:3306".parse().unwrap())));
        assert_eq!(target("[fd00::1]:80"), Ok(Target::Address("[fd00::1]:80".parse().unwrap())));
        assert_eq!(target("localhost:30080"), Ok(Target::Address("127.0.0.1:30080".parse().unwrap())));
        assert_eq!(target("node:30080"), Ok(Target::NodePort(None, port)));
        assert_eq!(target("node/worker-1:30080"), Ok(Target::NodePort(Some("worker-1".into()), port)));
        for (wrong, why) in [
            ("10.96.0.12", "the port is missing"),
            ("fd00::1", "the port is missing"),
            ("node/worker-1", "the port is missing"),
            ("10.96.0.12:0", "the port is not a number"),
            ("10.96.0.12:70000", "the port is not a number"),
            ("10.96.0.300:80", "expect IP:PORT"),
            ("svc:shop/db:", "the port after"),
            ("224.0.0.1:80", "224.0.0.1 is not an address"),
            ("pod/web-1:80", "a Pod has no rules"),
            ("shop/db/x", "expect IP:PORT"),
        ] {
            let told = target(wrong).unwrap_err();
            assert!(told.starts_with(why), "{wrong}: {told}");
        }
    }
}
