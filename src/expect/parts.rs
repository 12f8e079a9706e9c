//! The part of a cluster that decides about one address.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::ground::{Address, Ground};
use crate::cluster::{Cluster, ServicePort};
use crate::net::Cidr;

/// What decides about an address, for every side: see [`Ground::part`].
pub(super) struct Parts(Vec<Cluster>);

impl Parts {
    pub(super) fn of(ground: &Ground<'_>, address: &Address) -> Parts {
        Parts((0..ground.sides.len()).filter_map(|side| ground.part(side, address)).collect())
    }

    /// That of one side.
    pub(super) fn of_side(&self, side: usize) -> Option<&Cluster> {
        self.0.get(side)
    }

    /// Source networks that the Service ports tell apart.
    pub(super) fn source_ranges(&self) -> Vec<Cidr> {
        self.service_ports().flat_map(|port| &port.source_ranges).map(|range| range.value).collect()
    }

    /// Addresses of endpoints, which are a separate kind of client.
    pub(super) fn endpoints(&self) -> BTreeSet<IpAddr> {
        self.service_ports().flat_map(|port| &port.endpoints).map(|endpoint| endpoint.ip).collect()
    }

    fn service_ports(&self) -> impl Iterator<Item = &ServicePort> {
        self.0.iter().flat_map(|part| part.ipv4.service_ports.iter().chain(&part.ipv6.service_ports))
    }
}
