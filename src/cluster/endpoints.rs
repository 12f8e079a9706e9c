//! EndpointSlices, joined to Service ports.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use compact_str::{CompactString, format_compact};

use super::report::{ObjectReport, Report};
use super::values::{HEADLESS_LABEL, PROXY_NAME_LABEL, special_purpose};
use super::{Endpoint, EndpointPlace, Hints, decided_by_chance};
use crate::diagnostic::{Message, message};
use crate::input::{Located, Snapshot, api};
use crate::names::{ServicePortName, is_dns_label};
use crate::net::{AddressText, Family, Port, Protocol, parse_ip_lenient};
use crate::settings::Settings;

const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// EndpointSlices by Service.
pub(super) struct SliceIndex<'s> {
    by_service: HashMap<(&'s str, &'s str), Vec<UsableSlice<'s>>>,
    nodes: BTreeSet<&'s str>,
}

/// A slice that kube-proxy reads.
struct UsableSlice<'s> {
    slice: &'s Located<api::EndpointSlice>,
    family: Family,
    /// Name, protocol and port of each usable entry of `ports`, sorted by name and protocol.
    ports: Vec<(&'s str, Protocol, Port)>,
}

impl<'s> UsableSlice<'s> {
    /// The ports of the slice that a Service port refers to, in the order of the slice.
    fn ports_of(&self, name: &ServicePortName) -> impl Iterator<Item = &(&'s str, Protocol, Port)> {
        let wanted = (name.port(), name.protocol());
        let first = self.ports.partition_point(|(name, protocol, _)| (*name, *protocol) < wanted);
        let rest = self.ports.get(first..).unwrap_or_default().iter();
        rest.take_while(move |(name, protocol, _)| (*name, *protocol) == wanted)
    }
}

impl<'s> SliceIndex<'s> {
    pub(super) fn new(snapshot: &'s Snapshot, settings: &Settings, report: &mut Report<'_>) -> Self {
        let mut by_service: HashMap<_, Vec<UsableSlice<'s>>> = HashMap::new();
        // kube-proxy visits a Service's slices in random order; by name is one of the possible orders.
        let mut slices: Vec<_> = snapshot.endpoint_slices.iter().collect();
        slices.sort_by(|a, b| a.object.metadata.name.cmp(&b.object.metadata.name));
        for slice in slices {
            let metadata = &slice.object.metadata;
            let mut report = report.about(metadata.object_ref("EndpointSlice"), slice.position);
            let Some(service) = service_of(&slice.object, settings) else { continue };
            if let Some(usable) = usable_slice(slice, &mut report) {
                by_service.entry((metadata.namespace.as_str(), service)).or_default().push(usable);
            }
        }
        let nodes = snapshot.nodes.iter().map(|node| node.object.metadata.name.as_str()).collect();
        SliceIndex { by_service, nodes }
    }

    /// All endpoints of a Service port in one family, sorted.
    pub(super) fn endpoints(
        &self,
        name: &ServicePortName,
        family: Family,
        settings: &Settings,
        report: &mut Report<'_>,
    ) -> Vec<Endpoint> {
        let slices = self.by_service.get(&(name.namespace(), name.service()));
        let mut endpoints = Vec::new();
        for usable in slices.into_iter().flatten().filter(|usable| usable.family == family) {
            let metadata = &usable.slice.object.metadata;
            let mut report = report.about(metadata.object_ref("EndpointSlice"), usable.slice.position);
            for (_, _, port) in usable.ports_of(name) {
                endpoints.extend(slice_endpoints(usable, *port, settings, &mut report));
            }
        }
        // A stable sort: duplicates keep the visiting order.
        endpoints.sort_by(|a, b| a.text.cmp(&b.text));
        self.warn_of_chance(name, &endpoints, settings, report);
        endpoints
    }

    /// Warns of two slices that say different things about one address: kube-proxy uses one or the other.
    fn warn_of_chance(
        &self,
        name: &ServicePortName,
        endpoints: &[Endpoint],
        settings: &Settings,
        report: &mut Report<'_>,
    ) {
        let rule = settings.release.model.duplicate_endpoint;
        for (first, second) in decided_by_chance(endpoints, rule, &self.nodes) {
            let (Some(earlier), Some(slice)) = (self.slice(name, first), self.slice(name, second)) else {
                continue;
            };
            let field = |endpoint: &Endpoint| format!("endpoints[{}].addresses[0]", endpoint.place.index);
            let at = report.sources().field_place(earlier.position, &field(first));
            let message = message!(
                "{} is in {} too{}, with other conditions, and chance decides which of the two kube-proxy uses",
                second.text,
                earlier.object.metadata.object_ref("EndpointSlice"),
                at.map(|place| format!(" ({place})")).unwrap_or_default(),
            );
            report.about(slice.object.metadata.object_ref("EndpointSlice"), slice.position).warning(
                &field(second),
                message,
                "remove the entry that is out of date; the answer holds where kube-proxy visits the slices by name",
            );
        }
    }

    fn slice(&self, name: &ServicePortName, endpoint: &Endpoint) -> Option<&'s Located<api::EndpointSlice>> {
        let slices = self.by_service.get(&(name.namespace(), name.service()))?;
        slices.iter().map(|usable| usable.slice).find(|slice| slice.position == endpoint.place.slice)
    }
}

/// The Service that a slice belongs to, if kube-proxy reads the slice at all.
fn service_of<'s>(slice: &'s api::EndpointSlice, settings: &Settings) -> Option<&'s str> {
    let hidden = slice.metadata.label(HEADLESS_LABEL).is_some()
        || (settings.release.model.proxy_name_label_hides_slice
            && slice.metadata.label(PROXY_NAME_LABEL).is_some());
    slice.metadata.label(SERVICE_NAME_LABEL).filter(|name| !hidden && !name.is_empty())
}

fn usable_slice<'s>(
    slice: &'s Located<api::EndpointSlice>,
    report: &mut ObjectReport<'_, '_>,
) -> Option<UsableSlice<'s>> {
    let family = match slice.object.address_type.as_str() {
        "IPv4" => Family::Ipv4,
        "IPv6" => Family::Ipv6,
        "FQDN" => return None,
        "" => {
            report.error("addressType", "is missing", "one of IPv4, IPv6, FQDN is required");
            return None;
        }
        other => {
            report.error("addressType", message!("{other:?} is unknown"), "use IPv4, IPv6 or FQDN");
            return None;
        }
    };
    let mut ports = (slice.object.ports.iter().enumerate())
        .filter_map(|(i, port)| usable_port(i, port, report))
        .collect::<Vec<_>>();
    warn_of_repeated_ports(&ports, report);
    ports.sort_by_key(|(name, protocol, _)| (*name, *protocol));
    Some(UsableSlice { slice, family, ports })
}

fn usable_port<'s>(
    i: usize,
    port: &'s api::SlicePort,
    report: &mut ObjectReport<'_, '_>,
) -> Option<(&'s str, Protocol, Port)> {
    let number = port.port.unwrap_or_default();
    if number == 0 {
        report.warning(&format!("ports[{i}].port"), "is absent or 0 and kube-proxy ignores it", "");
        return None;
    }
    let Some(number) = Port::new(number) else {
        report.error(&format!("ports[{i}].port"), message!("{number} is not a port"), "use 1 to 65535");
        return None;
    };
    if !port.name.is_empty() && !is_dns_label(&port.name) {
        report.error(
            &format!("ports[{i}].name"),
            "is not a DNS label",
            "use lower-case letters, digits and '-'",
        );
        return None;
    }
    let protocol =
        if port.protocol.is_empty() { Some(Protocol::Tcp) } else { Protocol::from_api_name(&port.protocol) };
    let Some(protocol) = protocol else {
        report.error(
            &format!("ports[{i}].protocol"),
            message!("{:?} is unknown", port.protocol),
            "use TCP, UDP or SCTP, in capitals",
        );
        return None;
    };
    Some((&port.name, protocol, number))
}

/// The API server refuses a name that occurs twice, but kube-proxy takes both: it identifies them by name and protocol.
fn warn_of_repeated_ports(ports: &[(&str, Protocol, Port)], report: &mut ObjectReport<'_, '_>) {
    let mut names = HashSet::new();
    for (i, (name, ..)) in ports.iter().enumerate() {
        if !names.insert(*name) {
            let message = message!("{name:?} occurs twice in this slice");
            report.warning(&format!("ports[{i}].name"), message, "give each port its own name");
        }
    }
}

fn slice_endpoints(
    usable: &UsableSlice<'_>,
    port: Port,
    settings: &Settings,
    report: &mut ObjectReport<'_, '_>,
) -> Vec<Endpoint> {
    let slice = &usable.slice.object;
    let mut found = Vec::with_capacity(slice.endpoints.len());
    for (i, endpoint) in slice.endpoints.iter().enumerate() {
        let Some(written) = endpoint.addresses.first() else { continue };
        let Some((ip, text)) = endpoint_address(written, port, i, usable.family, settings, report) else {
            continue;
        };
        let place =
            EndpointPlace { slice: usable.slice.position, index: u32::try_from(i).unwrap_or(u32::MAX) };
        found.push(Endpoint {
            text,
            ip,
            port,
            ready: endpoint.conditions.ready.unwrap_or(true),
            serving: endpoint.conditions.serving.unwrap_or(true),
            terminating: endpoint.conditions.terminating.unwrap_or(false),
            node_name: endpoint.node_name.clone(),
            hints: endpoint.hints.as_deref().map(hints),
            pod: pod_name(endpoint),
            has_proxy_name_label: slice.metadata.label(PROXY_NAME_LABEL).is_some(),
            place,
        });
    }
    found
}

fn hints(hints: &api::Hints) -> Box<Hints> {
    Box::new(Hints { zones: hints.zones.clone(), nodes: hints.nodes.clone() })
}

fn pod_name(endpoint: &api::Endpoint) -> Option<CompactString> {
    endpoint.target_ref.as_ref().filter(|target| target.kind == "Pod").map(|target| target.name.clone())
}

/// The address, and the text for it and its port in rules; none if kube-proxy drops the endpoint.
fn endpoint_address(
    written: &str,
    port: Port,
    i: usize,
    family: Family,
    settings: &Settings,
    report: &mut ObjectReport<'_, '_>,
) -> Option<(IpAddr, CompactString)> {
    let parsed = parse_ip_lenient(written);
    if let Some(ip) = parsed.filter(|ip| Family::of(*ip) == family && special_purpose(*ip).is_none()) {
        let text = CompactString::from(AddressText::socket(SocketAddr::new(ip, port.get())).as_str());
        if !settings.release.model.endpoint_text_as_written || super::ip_of(&text) == written {
            return Some((ip, text));
        }
    }
    let field = format!("endpoints[{i}].addresses[0]");
    let (ip, address) = odd_address(written, parsed, &field, family, settings, report)?;
    let bracketed = address.contains(':');
    let text =
        if bracketed { format_compact!("[{address}]:{port}") } else { format_compact!("{address}:{port}") };
    Some((ip, text))
}

fn odd_address(
    written: &str,
    parsed: Option<IpAddr>,
    field: &str,
    family: Family,
    settings: &Settings,
    report: &mut ObjectReport<'_, '_>,
) -> Option<(IpAddr, CompactString)> {
    let model = settings.release.model;
    let belongs = match parsed {
        Some(ip) => Family::of(ip) == family,
        // kube-proxy up to 1.32 treats text that is not an address as "not IPv6".
        None => family == Family::Ipv4,
    };
    if !belongs && model.endpoints_filtered_by_address {
        report.warning(field, message!("{written:?} is not an {family} address and is ignored"), "");
        return None;
    }
    let mut unloadable = |what: Message| {
        let release = settings.release;
        let whole =
            format!("kube-proxy {release} would send it, and the load of all its {family} rules would fail");
        report.unloadable(
            field,
            what.within(|what| format!("{written:?} {what}: {whole}")),
            "correct the EndpointSlice",
        );
    };
    let Some(ip) = parsed else {
        unloadable("is not an IP address".into());
        return Some((unspecified(family), unparsable_text(written, model.endpoint_text_as_written)));
    };
    if !belongs {
        unloadable(message!("is not an {family} address"));
    } else if let Some(kind) = special_purpose(ip) {
        let help = "the API server refuses this as an endpoint; correct the EndpointSlice";
        report.error(field, message!("{written:?} is {kind}"), help);
    } else if ip.is_ipv4() {
        unloadable("is written with leading zeros".into());
    }
    let text = if model.endpoint_text_as_written { written.into() } else { format_compact!("{ip}") };
    Some((ip, text))
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => std::net::Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// What kube-proxy writes for an address that does not parse: the raw text, or Go's `<nil>`. Text that could change the
/// meaning of a rule never gets through.
fn unparsable_text(written: &str, as_written: bool) -> CompactString {
    let harmless =
        written.len() <= 64 && written.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b':');
    if as_written && harmless { written.into() } else { "<nil>".into() }
}
