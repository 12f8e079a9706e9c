//! A snapshot of objects that a program already has, such as those in a controller's cache, as types of the crate
//! `k8s-openapi`. Only with the feature `k8s-openapi`.

mod convert;
#[cfg(test)]
mod tests;

use ::k8s_openapi::api::core::v1::{Node, Pod, Service};
use ::k8s_openapi::api::discovery::v1::EndpointSlice;
use ::k8s_openapi::api::networking::v1::ServiceCIDR;

use super::Options;
use super::left_out::LeftOut;
use super::object::{Batch, Object};
use super::position::{Located, Position, SourceId};
use super::snapshot::Snapshot;
use super::source::Sources;
use super::written::Scope;
use crate::diagnostic::{Checked, Diagnostic, Diagnostics};

/// The objects of a cluster as types of the crate `k8s-openapi`; kinds that are left out count as having none.
#[derive(Debug, Clone, Copy, Default)]
pub struct K8sObjects<'a> {
    /// `v1` Services.
    pub services: &'a [Service],
    /// `discovery.k8s.io/v1` EndpointSlices.
    pub endpoint_slices: &'a [EndpointSlice],
    /// `v1` Nodes.
    pub nodes: &'a [Node],
    /// `networking.k8s.io/v1` ServiceCIDRs.
    pub service_cidrs: &'a [ServiceCIDR],
    /// `v1` Pods.
    pub pods: &'a [Pod],
}

impl Snapshot {
    /// Accepts objects that were never text, as if they had been read. Warnings are returned with the objects. Their
    /// source is named `<memory>` and has a line per object, in the order of the fields of [`K8sObjects`], such as
    /// `services[0]`; everything about an object is reported at that line.
    ///
    /// ```
    /// use k8s_openapi::api::core::v1::{Node, Service, ServicePort, ServiceSpec};
    /// use kuberules::cluster::Cluster;
    /// use kuberules::input::{K8sObjects, Snapshot};
    /// use kuberules::net::Family;
    /// use kuberules::plan::Plan;
    /// use kuberules::settings::Settings;
    ///
    /// let mut service = Service::default();
    /// service.metadata.name = Some("web".to_owned());
    /// service.spec = Some(ServiceSpec {
    ///     cluster_ip: Some("10.96.0.80".to_owned()),
    ///     ports: Some(vec![ServicePort { port: 80, ..ServicePort::default() }]),
    ///     ..ServiceSpec::default()
    /// });
    /// let mut node = Node::default();
    /// node.metadata.name = Some("worker-1".to_owned());
    ///
    /// let objects = K8sObjects { services: &[service], nodes: &[node], ..K8sObjects::default() };
    /// let (snapshot, _warnings) = Snapshot::from_k8s(&objects).expect("a right cluster");
    /// let settings = Settings::default();
    /// let (cluster, _) = Cluster::build(&snapshot, &settings).expect("right objects");
    /// let node = cluster.node("worker-1").expect("it is in the cluster");
    /// let (plan, _) = Plan::new(&cluster, &settings, node, Family::Ipv4).expect("right objects");
    /// let mut text = String::new();
    /// kuberules::iptables::save::print(&kuberules::iptables::compile(&plan), &mut text);
    /// assert!(text.contains("-A KUBE-SERVICES -d 10.96.0.80/32 -p tcp"));
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong, if anything is.
    pub fn from_k8s(objects: &K8sObjects<'_>) -> Checked<Snapshot> {
        let mut sources = Sources::default();
        let mut intake = Intake { text: String::new(), batch: Batch::default() };
        intake.take(("services", "Service"), Scope::Namespaced, objects.services, |s| &mut s.services);
        let slices = ("endpoint_slices", "EndpointSlice");
        intake.take(slices, Scope::Namespaced, objects.endpoint_slices, |s| &mut s.endpoint_slices);
        intake.take(("nodes", "Node"), Scope::Cluster, objects.nodes, |s| &mut s.nodes);
        let cidrs = ("service_cidrs", "ServiceCIDR");
        intake.take(cidrs, Scope::Cluster, objects.service_cidrs, |s| &mut s.service_cidrs);
        intake.take(("pods", "Pod"), Scope::Namespaced, objects.pods, |s| &mut s.pods);
        sources.add("<memory>", intake.text);
        intake.batch.snapshot.sources = sources;
        super::conclude(intake.batch, LeftOut::default(), Diagnostics::default(), &Options::default())
    }
}

/// The only source.
const MEMORY: SourceId = SourceId(0);

/// The objects so far, with a line of text for each: positions distinguish objects.
struct Intake {
    text: String,
    batch: Batch,
}

impl Intake {
    /// Adds the objects of one kind, given the name of their list and of the kind.
    fn take<K, T: Object + for<'k> From<&'k K>>(
        &mut self,
        (name, kind): (&str, &str),
        scope: Scope,
        objects: &[K],
        list: fn(&mut Snapshot) -> &mut Vec<Located<T>>,
    ) {
        for (n, object) in objects.iter().enumerate() {
            let position = self.line(&format!("{name}[{n}]"));
            let mut object = T::from(object);
            self.batch.documents += 1;
            if scope.complete(object.metadata_mut()).is_ok() {
                list(&mut self.batch.snapshot).push(Located { object, position });
            } else {
                let message = format!("{name}[{n}]: a {kind} without a name");
                self.batch.find(Diagnostic::error(message).help("set metadata.name"), position, 0);
            }
        }
    }

    fn line(&mut self, line: &str) -> Position {
        let offset = self.text.len();
        self.text.push_str(line);
        self.text.push('\n');
        Position { source: MEMORY, offset, length: line.len() }
    }
}
