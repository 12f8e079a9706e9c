//! The Pod behind an endpoint.

use compact_str::CompactString;

use crate::cluster::{Endpoint, ServicePort};

/// The Pod behind an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// `namespace/name`
    pub name: CompactString,
    /// Its node, where known.
    pub node: Option<CompactString>,
}

impl Pod {
    pub(super) fn behind(port: &ServicePort, endpoint: &Endpoint) -> Option<Pod> {
        let name = endpoint.pod.as_ref()?;
        Some(Pod {
            name: format!("{}/{name}", port.name.namespace()).into(),
            node: endpoint.node_name.clone(),
        })
    }
}
