//! One state of a cluster, to be compared with another.

use crate::cluster::Cluster;
use crate::input::Sources;
use crate::settings::Settings;

/// One state of a cluster.
#[derive(Clone, Copy)]
pub struct State<'c> {
    /// The cluster.
    pub cluster: &'c Cluster,
    /// kube-proxy's settings on all nodes.
    pub settings: &'c Settings,
    /// The texts it was read from.
    pub sources: &'c Sources,
}
