//! One object: what it is, how it is decoded, and where it goes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::api::{self, WorkloadKind};
use super::pod_makers;
use super::position::{Located, Position};
use super::snapshot::Snapshot;
use super::template::{TEMPLATE, is_template};
use super::wording::{self, Wording};
use super::written::{Repeated, Scope, Type, Where, Written, Wrong};
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef, Severity, message};

/// The group of a kind that is read, and its newest `apiVersion`.
fn home(kind: &str) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        "Service" | "Endpoints" | "Node" | "Pod" | "ReplicationController" | "ConfigMap" => ("", "v1"),
        "EndpointSlice" => ("discovery.k8s.io", "discovery.k8s.io/v1"),
        "ServiceCIDR" => ("networking.k8s.io", "networking.k8s.io/v1"),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => ("apps", "apps/v1"),
        "Job" => ("batch", "batch/v1"),
        "HorizontalPodAutoscaler" => ("autoscaling", "autoscaling/v2"),
        "KubeProxyConfiguration" => ("kubeproxy.config.k8s.io", "kubeproxy.config.k8s.io/v1alpha1"),
        _ => return None,
    })
}

/// Whether a text contains the name of a kind that is read, or of a list, in any place.
pub(super) fn names_what_is_read(text: &str) -> bool {
    memchr::memmem::find_iter(text.as_bytes(), b"kind").any(|at| {
        let after = text.get(at + "kind".len()..).unwrap_or_default();
        let word = after.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':').unwrap_or_default();
        let word = word.trim_start().trim_start_matches(['"', '\'']);
        let end = word.find(|c: char| !c.is_alphanumeric()).unwrap_or(word.len());
        let kind = word.get(..end).unwrap_or_default();
        kind == "List" || home(kind.strip_suffix("List").unwrap_or(kind)).is_some()
    })
}

/// Kinds that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Service,
    EndpointSlice,
    Endpoints,
    Node,
    ServiceCidr,
    Pod,
    Workload(WorkloadKind),
    Ingress,
    Autoscaler,
    DisruptionBudget,
    ConfigMap,
    KubeProxyConfiguration,
}

impl Kind {
    pub(super) fn of(type_: &Type) -> Option<Kind> {
        use WorkloadKind as W;
        Some(match (type_.api_version.as_str(), type_.kind.as_str()) {
            ("v1", "Service") => Kind::Service,
            ("discovery.k8s.io/v1" | "discovery.k8s.io/v1beta1", "EndpointSlice") => Kind::EndpointSlice,
            ("v1", "Endpoints") => Kind::Endpoints,
            ("v1", "Node") => Kind::Node,
            (
                "networking.k8s.io/v1" | "networking.k8s.io/v1beta1" | "networking.k8s.io/v1alpha1",
                "ServiceCIDR",
            ) => Kind::ServiceCidr,
            ("v1", "Pod") => Kind::Pod,
            ("apps/v1", "Deployment") => Kind::Workload(W::Deployment),
            ("apps/v1", "StatefulSet") => Kind::Workload(W::StatefulSet),
            ("apps/v1", "DaemonSet") => Kind::Workload(W::DaemonSet),
            ("apps/v1", "ReplicaSet") => Kind::Workload(W::ReplicaSet),
            ("v1", "ReplicationController") => Kind::Workload(W::ReplicationController),
            ("batch/v1", "Job") => Kind::Workload(W::Job),
            ("networking.k8s.io/v1", "Ingress") => Kind::Ingress,
            (
                "autoscaling/v1" | "autoscaling/v2" | "autoscaling/v2beta1" | "autoscaling/v2beta2",
                "HorizontalPodAutoscaler",
            ) => Kind::Autoscaler,
            ("policy/v1" | "policy/v1beta1", "PodDisruptionBudget") => Kind::DisruptionBudget,
            ("v1", "ConfigMap") => Kind::ConfigMap,
            ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration") => Kind::KubeProxyConfiguration,
            _ => return None,
        })
    }
}

/// A finding whose line number is not determined yet.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) diagnostic: Diagnostic,
    pub(super) place: Position,
    /// Lines after the place's first.
    pub(super) lines: u32,
    /// An earlier byte of the source, whose line is named at the end of the message.
    pub(super) earlier: Option<usize>,
}

/// Objects and findings in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) snapshot: Snapshot,
    pub(super) findings: Vec<Finding>,
    /// How many findings of each severity there are, including those beyond [`Batch::MAX_FINDINGS`].
    found: BTreeMap<Severity, usize>,
    /// How many documents the text has.
    pub(super) documents: usize,
    /// Documents that are not Kubernetes objects and are only counted.
    pub(super) kindless: usize,
    /// Objects of another group whose kind has the same name as one that is read, by kind and group.
    pub(super) other_groups: BTreeMap<(String, String), usize>,
}

impl Batch {
    /// At most this many findings of each severity are kept: warnings, however many, leave room for errors.
    const MAX_FINDINGS: usize = 200;

    pub(super) fn find(&mut self, diagnostic: Diagnostic, place: Position, lines: u32) {
        self.push(Finding { diagnostic, place, lines, earlier: None });
    }

    fn push(&mut self, finding: Finding) {
        let found = self.found.entry(finding.diagnostic.severity).or_default();
        *found += 1;
        if *found <= Self::MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// Decodes an object and adds it.
    pub(super) fn add(&mut self, type_: &Type, written: &impl Written) {
        self.documents += 1;
        let Some(kind) = Kind::of(type_) else {
            return self.pass_over(type_, written);
        };
        let outcome = match kind {
            Kind::Service => self.take(written, Scope::Namespaced, |s| &mut s.services),
            Kind::EndpointSlice => self.take(written, Scope::Namespaced, |s| &mut s.endpoint_slices),
            Kind::Endpoints => self.take(written, Scope::Namespaced, |s| &mut s.endpoints),
            Kind::Node => self.take(written, Scope::Cluster, |s| &mut s.nodes),
            Kind::ServiceCidr => self.take(written, Scope::Cluster, |s| &mut s.service_cidrs),
            Kind::Pod => self.take(written, Scope::Namespaced, |s| &mut s.pods),
            Kind::Workload(kind) => self.take_workload(kind, written),
            Kind::Ingress => self.take_ingress(written),
            Kind::Autoscaler => self.take(written, Scope::Namespaced, |s| &mut s.autoscalers),
            Kind::DisruptionBudget => self.take_budget(written),
            Kind::ConfigMap => self.take_config_map(written),
            Kind::KubeProxyConfiguration => {
                let configuration =
                    api::ConfigurationText { metadata: api::Metadata::default(), text: written.standalone() };
                self.snapshot.configurations.push(located(configuration, written));
                Ok(())
            }
        };
        match outcome {
            Err(wrong) => self.find_wrong(&type_.kind, written, wrong),
            Ok(()) => self.warn_of_repeated(&type_.kind, written),
        }
    }

    /// Ignores an object, with a message if it only seems to be one that is read.
    fn pass_over(&mut self, type_: &Type, written: &impl Written) {
        match home(&type_.kind) {
            Some((group, newest)) if type_.api_version.is_empty() || type_.group() == group => {
                self.find_unknown_version(type_, newest, written);
            }
            Some(_) => {
                let key = (type_.kind.clone(), type_.group().to_owned());
                *self.other_groups.entry(key).or_default() += 1;
                self.keep_misplaced(type_, written);
            }
            None => self.skip(&type_.kind),
        }
        self.snapshot.pod_makers.extend(pod_makers::read(type_, written));
    }

    /// In one of Kubernetes' own groups the kind can only be a mistake; other groups may have a kind with that name.
    fn keep_misplaced(&mut self, type_: &Type, written: &impl Written) {
        let own = !type_.group().contains('.') || type_.group().ends_with(".k8s.io");
        if let Some(header) = own.then(|| written.decode::<api::Header>().ok()).flatten() {
            let misplaced = api::Misplaced {
                kind: type_.kind.as_str().into(),
                api_version: type_.api_version.as_str().into(),
                namespace: header.metadata.namespace,
                name: header.metadata.name,
            };
            self.snapshot.misplaced.push(located(misplaced, written));
        }
    }

    fn find_unknown_version(&mut self, type_: &Type, newest: &str, written: &impl Written) {
        let message = if type_.api_version.is_empty() {
            "it has no apiVersion and is not read".to_owned()
        } else {
            format!("the apiVersion {:?} is unknown and it is not read", type_.api_version)
        };
        let decides = matches!(
            type_.kind.as_str(),
            "Service"
                | "EndpointSlice"
                | "Endpoints"
                | "Node"
                | "ServiceCIDR"
                | "Pod"
                | "KubeProxyConfiguration"
        );
        let diagnostic = if decides { Diagnostic::error(message) } else { Diagnostic::warning(message) };
        let object = object_ref(&type_.kind, written);
        let help = format!("write `apiVersion: {newest}`");
        self.find(diagnostic.about(object).help(help), written.position(), 0);
    }

    /// If a key occurs twice the last one counts, as for kubectl.
    fn warn_of_repeated(&mut self, kind: &str, written: &impl Written) {
        for Repeated { key, first, second } in written.repeated() {
            let message =
                message!("the key {key:?} occurs twice, and the last counts, as for kubectl; first in line");
            let diagnostic = Diagnostic::warning(message).about(object_ref(kind, written));
            let place = Position { offset: second, length: 0, ..written.position() };
            self.push(Finding { diagnostic, place, lines: 0, earlier: Some(first) });
        }
    }

    fn skip(&mut self, kind: &str) {
        *self.snapshot.skipped.entry(kind.to_owned()).or_default() += 1;
    }

    fn take<T: Object>(
        &mut self,
        written: &impl Written,
        scope: Scope,
        list: fn(&mut Snapshot) -> &mut Vec<Located<T>>,
    ) -> Result<(), Wrong> {
        let mut object: T = written.decode()?;
        scope.complete(object.metadata_mut())?;
        list(&mut self.snapshot).push(located(object, written));
        Ok(())
    }

    fn take_workload(&mut self, kind: WorkloadKind, written: &impl Written) -> Result<(), Wrong> {
        self.take::<api::Workload>(written, Scope::Namespaced, |s| &mut s.workloads)?;
        if let Some(workload) = self.snapshot.workloads.last_mut() {
            workload.object.kind = kind;
        }
        Ok(())
    }

    /// If it cannot be read it is ignored like other kinds: no rules are made from it.
    fn take_ingress(&mut self, written: &impl Written) -> Result<(), Wrong> {
        self.skip("Ingress");
        let _ = self.take::<api::HttpIngress>(written, Scope::Namespaced, |s| &mut s.ingresses);
        Ok(())
    }

    /// Like an Ingress: no rules are made from it.
    fn take_budget(&mut self, written: &impl Written) -> Result<(), Wrong> {
        self.skip("PodDisruptionBudget");
        let _ = self.take::<api::DisruptionBudget>(written, Scope::Namespaced, |s| &mut s.disruption_budgets);
        Ok(())
    }

    fn take_config_map(&mut self, written: &impl Written) -> Result<(), Wrong> {
        let mut map: api::ConfigMap = written.decode()?;
        Scope::Namespaced.complete(&mut map.metadata)?;
        let is_configuration = |text: &String| text.contains("KubeProxyConfiguration");
        let texts: Vec<String> = map.data.into_iter().filter(is_configuration).collect();
        if texts.is_empty() {
            self.skip("ConfigMap");
        }
        for text in texts {
            let metadata = map.metadata.clone();
            let configuration = api::ConfigurationText { metadata, text };
            self.snapshot.configurations.push(located(configuration, written));
        }
        Ok(())
    }

    fn find_wrong(&mut self, kind: &str, written: &impl Written, wrong: Wrong) {
        let Wording { message, help } = wording::of(&wrong.message);
        let message = match wrong.path {
            Some(path) => format!("{path}: {message}"),
            None => message,
        };
        let object = object_ref(kind, written);
        let help = if is_template(&message) { TEMPLATE } else { help };
        let position = written.position();
        let (place, lines) = match wrong.place {
            Where::Object => (position, 0),
            Where::Lines(lines) => (position, lines),
            Where::Byte(offset) => (Position { offset, ..position }, 0),
        };
        let diagnostic = if object.name.is_empty() {
            Diagnostic::error(message!("a {kind} without a name: {message}"))
        } else {
            Diagnostic::error(message).about(object)
        };
        self.find(diagnostic.help(help), place, lines);
    }

    /// Appends what was read after it.
    pub(super) fn append(&mut self, mut other: Batch) {
        let (mine, theirs) = (&mut self.snapshot, &mut other.snapshot);
        mine.services.append(&mut theirs.services);
        mine.endpoint_slices.append(&mut theirs.endpoint_slices);
        mine.endpoints.append(&mut theirs.endpoints);
        mine.nodes.append(&mut theirs.nodes);
        mine.service_cidrs.append(&mut theirs.service_cidrs);
        mine.pods.append(&mut theirs.pods);
        mine.workloads.append(&mut theirs.workloads);
        mine.ingresses.append(&mut theirs.ingresses);
        mine.misplaced.append(&mut theirs.misplaced);
        mine.autoscalers.append(&mut theirs.autoscalers);
        mine.disruption_budgets.append(&mut theirs.disruption_budgets);
        mine.pod_makers.append(&mut theirs.pod_makers);
        mine.configurations.append(&mut theirs.configurations);
        for (kind, count) in std::mem::take(&mut theirs.skipped) {
            *mine.skipped.entry(kind).or_default() += count;
        }
        mine.declared_empty.append(&mut theirs.declared_empty);
        for (key, count) in std::mem::take(&mut other.other_groups) {
            *self.other_groups.entry(key).or_default() += count;
        }
        self.kindless += other.kindless;
        other.findings.into_iter().for_each(|finding| self.push(finding));
        for (severity, found) in other.found {
            *self.found.entry(severity).or_default() += found.saturating_sub(Self::MAX_FINDINGS);
        }
        self.documents += other.documents;
    }

    /// The findings, with their line numbers determined.
    pub(super) fn diagnostics(&mut self) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        for finding in std::mem::take(&mut self.findings) {
            let sources = &self.snapshot.sources;
            let mut place = sources.place(finding.place);
            if let Some(line) = place.as_mut().and_then(|place| place.line.as_mut()) {
                *line += finding.lines;
            }
            let mut diagnostic = finding.diagnostic;
            if let Some(offset) = finding.earlier {
                let earlier = sources.place(Position { offset, ..finding.place });
                let line = earlier.and_then(|place| place.line).unwrap_or_default();
                diagnostic.message = format!("{} {line}", diagnostic.message);
            }
            diagnostics.push(diagnostic.at(place));
        }
        for (severity, found) in &self.found {
            diagnostics.extend(left_out(*severity, found.saturating_sub(Self::MAX_FINDINGS)));
        }
        diagnostics
    }
}

/// Says that more was found than is kept.
fn left_out(severity: Severity, more: usize) -> Option<Diagnostic> {
    let words = match (severity, more) {
        (_, 0) => return None,
        (Severity::Note, _) => "notes",
        (Severity::Warning, _) => "warnings",
        (Severity::Unloadable | Severity::Error, _) => "errors",
    };
    let message = message!("reading the input: {more} more {words} are not listed");
    let help = "fix what is listed, and run it again";
    Some(Diagnostic { severity, ..Diagnostic::error(message).help(help) })
}

/// Names an object, by whatever part of its metadata can be decoded.
fn object_ref(kind: &str, written: &impl Written) -> ObjectRef {
    let header: api::Header = written.decode().unwrap_or_default();
    ObjectRef {
        kind: kind.into(),
        namespace: header.metadata.namespace.as_str().into(),
        name: header.metadata.name.as_str().into(),
    }
}

fn located<T>(object: T, written: &impl Written) -> Located<T> {
    Located { object, position: written.position() }
}

/// An object with metadata.
pub(super) trait Object: for<'de> Deserialize<'de> {
    fn metadata(&self) -> &api::Metadata;
    fn metadata_mut(&mut self) -> &mut api::Metadata;
}

macro_rules! objects {
    ($($name:ident),*) => {$(
        impl Object for api::$name {
            fn metadata(&self) -> &api::Metadata {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut api::Metadata {
                &mut self.metadata
            }
        }
    )*};
}

objects!(
    Service,
    EndpointSlice,
    Endpoints,
    Node,
    ServiceCidr,
    Pod,
    Workload,
    Autoscaler,
    HttpIngress,
    DisruptionBudget
);
