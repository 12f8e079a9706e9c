//! `v1` Endpoints and `discovery.k8s.io` EndpointSlice (pkg/apis/core/validation, ValidateEndpoints;
//! pkg/apis/discovery/validation).

use std::collections::BTreeSet;

use super::fault::{Class, Faults};
use super::field::Field;
use super::ports::{PROTOCOLS, number};
use super::{Facts, metadata, rules};
use crate::net::parse_ip_lenient;

const MAX_ENDPOINTS: usize = 1000;
const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;
const MAX_HINTS: usize = 8;

/// Endpoints.
pub(super) fn check_endpoints(object: &Field<'_>, facts: &Facts, faults: &mut Faults) {
    metadata::check(object, rules::dns_subdomain, faults);
    for subset in object.child("subsets").items() {
        let lists = [subset.child("addresses"), subset.child("notReadyAddresses")];
        if lists.iter().all(|list| list.items().is_empty()) {
            let detail = "must specify `addresses` or `notReadyAddresses`";
            faults.required(Class::Count, &subset, detail);
        }
        for address in lists.iter().flat_map(Field::items) {
            endpoint_address(&address, facts, faults);
        }
        let ports = subset.child("ports").items();
        for port in &ports {
            number(&port.child("port"), faults);
            if ports.len() > 1 && port.child("name").text().is_empty() {
                faults.required(Class::Port, &port.child("name"), "");
            }
            named_port(port, faults);
        }
    }
}

fn endpoint_address(address: &Field<'_>, facts: &Facts, faults: &mut Faults) {
    let ip = address.child("ip");
    let mut broken = rules::ip(ip.text(), facts.strict_addresses);
    if broken.is_empty() {
        broken = rules::ordinary_ip(ip.text());
    }
    faults.all_invalid(Class::Address, &ip, broken);
    host_names(address, faults);
}

fn host_names(endpoint: &Field<'_>, faults: &mut Faults) {
    let (host, node) = (endpoint.child("hostname"), endpoint.child("nodeName"));
    if !host.text().is_empty() {
        faults.all_invalid(Class::Name, &host, rules::dns_label(host.text()));
    }
    if node.is_set() {
        faults.all_invalid(Class::Name, &node, rules::dns_subdomain(node.text()));
    }
}

fn named_port(port: &Field<'_>, faults: &mut Faults) {
    let name = port.child("name");
    if !name.text().is_empty() {
        faults.all_invalid(Class::Port, &name, rules::dns_label(name.text()));
    }
    faults.unless_one_of(Class::Port, &port.child("protocol"), &PROTOCOLS);
    let app = port.child("appProtocol");
    if app.is_set() {
        faults.all_invalid(Class::Port, &app, rules::qualified_name(app.text()));
    }
}

/// EndpointSlice.
pub(super) fn check_slice(object: &Field<'_>, facts: &Facts, faults: &mut Faults) {
    metadata::check(object, rules::dns_subdomain, faults);
    let address_type = object.child("addressType");
    if address_type.text().is_empty() {
        faults.required(Class::Count, &address_type, "");
    }
    faults.unless_one_of(Class::Value, &address_type, &["FQDN", "IPv4", "IPv6"]);
    let (endpoints, ports) = (object.child("endpoints"), object.child("ports"));
    if within(&endpoints, MAX_ENDPOINTS, faults) {
        endpoints.items().iter().for_each(|e| endpoint(e, address_type.text(), facts, faults));
    }
    if within(&ports, MAX_PORTS, faults) {
        slice_ports(&ports.items(), faults);
    }
}

fn within(list: &Field<'_>, most: usize, faults: &mut Faults) -> bool {
    let count = list.items().len();
    if count > most {
        faults.too_many(Class::Count, list, count, most);
    }
    count <= most
}

fn endpoint(endpoint: &Field<'_>, address_type: &str, facts: &Facts, faults: &mut Faults) {
    let addresses = endpoint.child("addresses");
    if addresses.items().is_empty() {
        faults.required(Class::Count, &addresses, "must contain at least 1 address");
    }
    within(&addresses, MAX_ADDRESSES, faults);
    for address in addresses.items() {
        let broken = slice_address(address.text(), address_type, facts);
        faults.all_invalid(Class::Address, &address, broken);
    }
    host_names(endpoint, faults);
    metadata::labels(&endpoint.child("deprecatedTopology"), faults);
    hints(&endpoint.at("hints.forZones"), rules::label_value, faults);
    hints(&endpoint.at("hints.forNodes"), rules::dns_subdomain, faults);
}

fn slice_address(text: &str, address_type: &str, facts: &Facts) -> Vec<&'static str> {
    let of_the_type = match address_type {
        "IPv4" if !parse_ip_lenient(text).is_some_and(|ip| ip.is_ipv4()) => "must be a valid IPv4 address",
        "IPv6" if !parse_ip_lenient(text).is_some_and(|ip| ip.is_ipv6()) => "must be a valid IPv6 address",
        "FQDN" => return rules::fully_qualified(text),
        "IPv4" | "IPv6" => "",
        _ => return Vec::new(),
    };
    if !of_the_type.is_empty() {
        return vec![of_the_type];
    }
    let broken = rules::ip(text, facts.strict_addresses);
    if broken.is_empty() { rules::ordinary_ip(text) } else { broken }
}

fn hints(list: &Field<'_>, rule: metadata::NameRule, faults: &mut Faults) {
    if !within(list, MAX_HINTS, faults) {
        return;
    }
    let mut seen = BTreeSet::new();
    for name in list.items().iter().map(|hint| hint.child("name")) {
        if !seen.insert(name.text()) {
            faults.duplicate(Class::Value, &name, &name.shown());
        }
        faults.all_invalid(Class::Name, &name, rule(name.text()));
    }
}

fn slice_ports(ports: &[Field<'_>], faults: &mut Faults) {
    let mut names = BTreeSet::new();
    for port in ports {
        named_port(port, faults);
        let name = port.child("name");
        if !names.insert(name.text()) {
            faults.duplicate(Class::Port, &name, &format!("{:?}", name.text()));
        }
    }
}
