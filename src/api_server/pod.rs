//! `v1` Pod and the templates of workloads: what matters to Services (pkg/apis/core/validation,
//! ValidatePodSpec).

use std::collections::BTreeSet;

use super::fault::{Class, Faults};
use super::field::Field;
use super::ports::{PROTOCOLS, number, number_or_name, protocol_of};
use super::{metadata, rules};

/// A Pod.
pub(super) fn check(object: &Field<'_>, faults: &mut Faults) {
    metadata::check(object, rules::dns_subdomain, faults);
    check_spec(&object.child("spec"), &BTreeSet::new(), faults);
    let policy = object.at("spec.restartPolicy");
    faults.unless_one_of(Class::Value, &policy, &["Always", "OnFailure", "Never"]);
}

/// `spec` of a Pod or template; `claims` are names of volumes that its workload brings.
pub(super) fn check_spec(spec: &Field<'_>, claims: &BTreeSet<&str>, faults: &mut Faults) {
    let containers = spec.child("containers");
    if containers.items().is_empty() {
        faults.required(Class::Template, &containers, "");
    }
    let init = spec.child("initContainers");
    let mut names = BTreeSet::new();
    let mut volumes = volume_names(spec, faults);
    volumes.extend(claims);
    for container in containers.items().iter().chain(&init.items()) {
        check_container(container, spec.child("hostNetwork").is_true(), &mut names, faults);
        mounts(container, &volumes, faults);
    }
    host_ports(&containers.items(), faults);
    let policies = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    faults.unless_one_of(Class::Value, &spec.child("dnsPolicy"), &policies);
    metadata::labels(&spec.child("nodeSelector"), faults);
    for (name, rule) in [
        ("hostname", rules::dns_label as metadata::NameRule),
        ("subdomain", rules::dns_label),
        ("nodeName", rules::dns_subdomain),
        ("serviceAccountName", rules::dns_subdomain),
    ] {
        let field = spec.child(name);
        if !field.text().is_empty() {
            faults.all_invalid(Class::Name, &field, rule(field.text()));
        }
    }
    faults.if_negative(Class::Value, &spec.child("terminationGracePeriodSeconds"));
}

fn check_container<'t>(
    container: &Field<'t>,
    host_network: bool,
    names: &mut BTreeSet<&'t str>,
    faults: &mut Faults,
) {
    let (name, image) = (container.child("name"), container.child("image"));
    if name.text().is_empty() {
        faults.required(Class::Template, &name, "");
    } else {
        faults.all_invalid(Class::Template, &name, rules::dns_label(name.text()));
        if !names.insert(name.text()) {
            faults.duplicate(Class::Template, &name, &name.shown());
        }
    }
    if image.text().is_empty() {
        faults.required(Class::Template, &image, "");
    } else if image.text().trim() != image.text() {
        faults.invalid(Class::Template, &image, "must not have leading or trailing whitespace");
    }
    faults.unless_one_of(
        Class::Value,
        &container.child("imagePullPolicy"),
        &["Always", "IfNotPresent", "Never"],
    );
    container_ports(&container.child("ports"), host_network, faults);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"].map(|name| container.child(name)) {
        check_probe(&probe, faults);
    }
}

fn container_ports(ports: &Field<'_>, host_network: bool, faults: &mut Faults) {
    let mut names = BTreeSet::new();
    for port in ports.items() {
        let name = port.child("name");
        if !name.text().is_empty() {
            let broken = rules::port_name(name.text());
            if broken.is_empty() && !names.insert(name.text()) {
                faults.duplicate(Class::Template, &name, &name.shown());
            }
            faults.all_invalid(Class::Template, &name, broken);
        }
        let (inner, outer) = (port.child("containerPort"), port.child("hostPort"));
        if inner.number() == 0 {
            faults.required(Class::Template, &inner, "");
        } else {
            number(&inner, faults);
        }
        if outer.number() != 0 {
            number(&outer, faults);
            if host_network && outer.number() != inner.number() {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                faults.invalid(Class::Template, &outer, detail);
            }
        }
        faults.unless_one_of(Class::Template, &port.child("protocol"), &PROTOCOLS);
    }
}

/// A port of the node that two containers of the Pod want.
fn host_ports(containers: &[Field<'_>], faults: &mut Faults) {
    let mut taken = BTreeSet::new();
    for port in containers.iter().flat_map(|container| container.child("ports").items()) {
        let field = port.child("hostPort");
        let claim = format!("{}/{}/{}", protocol_of(&port), port.child("hostIP").text(), field.number());
        if field.number() != 0 && !taken.insert(claim.clone()) {
            faults.duplicate(Class::Template, &field, &format!("{claim:?}"));
        }
    }
}

fn check_probe(probe: &Field<'_>, faults: &mut Faults) {
    if !probe.is_set() {
        return;
    }
    let handlers = ["exec", "httpGet", "tcpSocket", "grpc"].map(|name| probe.child(name));
    let given: Vec<&Field<'_>> = handlers.iter().filter(|handler| handler.is_set()).collect();
    if given.is_empty() {
        faults.required(Class::Template, probe, "must specify a handler type");
    }
    for more in given.iter().skip(1) {
        faults.forbidden(Class::Template, more, "may not specify more than 1 handler type");
    }
    for handler in given.iter().filter(|handler| !handler.path.ends_with(".exec")) {
        number_or_name(&handler.child("port"), faults);
    }
}

fn volume_names<'t>(spec: &Field<'t>, faults: &mut Faults) -> BTreeSet<&'t str> {
    let mut names = BTreeSet::new();
    for name in spec.child("volumes").items().iter().map(|volume| volume.child("name")) {
        if name.text().is_empty() {
            faults.required(Class::Template, &name, "");
        } else if !names.insert(name.text()) {
            faults.duplicate(Class::Template, &name, &name.shown());
        } else {
            faults.all_invalid(Class::Template, &name, rules::dns_label(name.text()));
        }
    }
    names
}

fn mounts(container: &Field<'_>, volumes: &BTreeSet<&str>, faults: &mut Faults) {
    let mut paths = BTreeSet::new();
    for mount in container.child("volumeMounts").items() {
        let (name, path) = (mount.child("name"), mount.child("mountPath"));
        if name.text().is_empty() {
            faults.required(Class::Template, &name, "");
        } else if !volumes.contains(name.text()) {
            faults.not_found(Class::Template, &name);
        }
        if path.text().is_empty() {
            faults.required(Class::Template, &path, "");
        } else if !paths.insert(path.text()) {
            faults.invalid(Class::Template, &path, "must be unique");
        }
    }
}
