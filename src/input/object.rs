//! One object: what it is, its decoding, and where it goes.

use serde::Deserialize;

use super::api::{self, WorkloadKind};
use super::pod_makers;
use super::position::{Located, Position};
use super::snapshot::Snapshot;
use super::wording::{self, Wording};
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef};

/// `apiVersion` and `kind`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) api_version: String,
    pub(super) kind: String,
}

impl Type {
    /// What the items of a list are that do not say it themselves: in a `ServiceList` Services.
    pub(super) fn of_items(&self) -> Type {
        let kind = self.kind.strip_suffix("List").unwrap_or_default();
        if kind.is_empty() {
            return Type::default();
        }
        Type { api_version: self.api_version.clone(), kind: kind.to_owned() }
    }
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
            ("v1", "ConfigMap") => Kind::ConfigMap,
            ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration") => Kind::KubeProxyConfiguration,
            _ => return None,
        })
    }
}

/// An object's text in either format.
pub(super) trait Written {
    /// Decodes it.
    fn decode<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Wrong>;

    /// The text as a document of its own.
    fn standalone(&self) -> String;

    /// Where it stands; known once it is decoded.
    fn position(&self) -> Position;

    /// Byte of the source from which [`Wrong::line`] counts.
    fn lines_from(&self) -> usize;
}

/// Why an object could not be decoded.
#[derive(Debug)]
pub(super) struct Wrong {
    /// In serde's words.
    pub(super) message: String,
    /// Lines before it, counted from [`Written::lines_from`]; none where the object as a whole is meant.
    pub(super) line: Option<u32>,
    /// The path of the field.
    pub(super) path: Option<String>,
}

/// A finding whose line is not yet counted.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) diagnostic: Diagnostic,
    pub(super) place: Position,
    /// Lines after the place's first.
    pub(super) lines: u32,
}

/// Objects and findings in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) snapshot: Snapshot,
    pub(super) findings: Vec<Finding>,
    /// Findings beyond [`Batch::MAX_FINDINGS`].
    pub(super) findings_left_out: usize,
    /// Whether any document stood in the text.
    pub(super) documents: usize,
}

impl Batch {
    /// So many findings are kept.
    const MAX_FINDINGS: usize = 200;

    pub(super) fn find(&mut self, diagnostic: Diagnostic, place: Position, lines: u32) {
        if self.findings.len() < Self::MAX_FINDINGS {
            self.findings.push(Finding { diagnostic, place, lines });
        } else {
            self.findings_left_out += 1;
        }
    }

    /// Decodes an object and adds it.
    pub(super) fn add(&mut self, type_: &Type, written: &impl Written) {
        self.documents += 1;
        let Some(kind) = Kind::of(type_) else {
            self.snapshot.pod_makers.extend(pod_makers::read(type_, written));
            return self.skip(&type_.kind);
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
            Kind::ConfigMap => self.take_config_map(written),
            Kind::KubeProxyConfiguration => {
                let configuration =
                    api::ConfigurationText { metadata: api::Metadata::default(), text: written.standalone() };
                self.snapshot.configurations.push(located(configuration, written));
                Ok(())
            }
        };
        if let Err(wrong) = outcome {
            self.find_wrong(&type_.kind, written, wrong);
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

    /// One that cannot be read is passed over as other kinds are: rules are not made of it.
    fn take_ingress(&mut self, written: &impl Written) -> Result<(), Wrong> {
        self.skip("Ingress");
        let _ = self.take::<api::HttpIngress>(written, Scope::Namespaced, |s| &mut s.ingresses);
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
        let message = match wrong.path.filter(|path| path != ".") {
            Some(path) => format!("{path}: {message}"),
            None => message,
        };
        let header: api::Header = written.decode().unwrap_or_default();
        let object = ObjectRef {
            kind: kind.into(),
            namespace: header.metadata.namespace.as_str().into(),
            name: header.metadata.name.as_str().into(),
        };
        let position = written.position();
        let offset = if wrong.line.is_some() { written.lines_from() } else { position.offset };
        let place = Position { offset, ..position };
        let diagnostic = if object.name.is_empty() {
            Diagnostic::error(format!("a {kind} without a name: {message}"))
        } else {
            Diagnostic::error(message).about(object)
        };
        self.find(diagnostic.help(help), place, wrong.line.unwrap_or_default());
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
        mine.autoscalers.append(&mut theirs.autoscalers);
        mine.pod_makers.append(&mut theirs.pod_makers);
        mine.configurations.append(&mut theirs.configurations);
        for (kind, count) in std::mem::take(&mut theirs.skipped) {
            *mine.skipped.entry(kind).or_default() += count;
        }
        for finding in other.findings {
            self.find(finding.diagnostic, finding.place, finding.lines);
        }
        self.findings_left_out += other.findings_left_out;
        self.documents += other.documents;
    }

    /// The findings with their lines counted.
    pub(super) fn diagnostics(&mut self) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        for finding in std::mem::take(&mut self.findings) {
            let mut place = self.snapshot.sources.place(finding.place);
            if let Some(line) = place.as_mut().and_then(|place| place.line.as_mut()) {
                *line += finding.lines;
            }
            diagnostics.push(finding.diagnostic.at(place));
        }
        if self.findings_left_out > 0 {
            let message = format!("{} more findings of this kind are not shown", self.findings_left_out);
            diagnostics.push(Diagnostic::error(message));
        }
        diagnostics
    }
}

fn located<T>(object: T, written: &impl Written) -> Located<T> {
    Located { object, position: written.position() }
}

/// Whether objects of a kind stand in a namespace.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    Namespaced,
    Cluster,
}

impl Scope {
    /// Fills in the namespace as kubectl does; refuses an object without a name.
    pub(super) fn complete(self, metadata: &mut api::Metadata) -> Result<(), Wrong> {
        match self {
            Scope::Cluster => metadata.namespace.clear(),
            Scope::Namespaced if metadata.namespace.is_empty() => {
                metadata.namespace = "default".into();
                metadata.namespace_left_out = api::LeftOut(true);
            }
            Scope::Namespaced => {}
        }
        if metadata.name.is_empty() {
            return Err(Wrong {
                message: "it must be set".to_owned(),
                line: None,
                path: Some("metadata.name".to_owned()),
            });
        }
        Ok(())
    }
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

objects!(Service, EndpointSlice, Endpoints, Node, ServiceCidr, Pod, Workload, Autoscaler, HttpIngress);
