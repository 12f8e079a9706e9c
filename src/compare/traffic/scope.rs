//! Which destinations are compared.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::ground::AddressKind;
use super::space::{ValueClass, address};
use crate::net::Family;
use crate::walk::ClientKind;

/// The destinations that are compared.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// All.
    Everything,
    /// All except those of the parts of the whole, with these addresses.
    Rest(&'a BTreeSet<IpAddr>),
    /// Those of a part of the whole.
    Part {
        /// Its addresses.
        addresses: &'a BTreeSet<IpAddr>,
        /// Its ports on the addresses of the node.
        node_ports: &'a BTreeSet<u16>,
    },
}

impl Scope<'_> {
    /// The ports on which packets to these addresses are compared; none if on no port; inside, the only ones, if not
    /// all.
    pub(super) fn ports(
        &self,
        value_class: &ValueClass<AddressKind>,
        family: Family,
    ) -> Option<Option<&BTreeSet<u16>>> {
        let is_single = is_single(value_class);
        let holds = |addresses: &BTreeSet<IpAddr>| {
            is_single && addresses.contains(&address(family, value_class.representative))
        };
        let (old, new) = value_class.kind.clients;
        match self {
            Scope::Everything => Some(None),
            Scope::Rest(addresses) => (!holds(addresses)).then_some(None),
            Scope::Part { addresses, .. } if holds(addresses) => Some(None),
            Scope::Part { node_ports, .. } => {
                let is_own = old == ClientKind::Node || new == ClientKind::Node;
                (is_own && !node_ports.is_empty()).then_some(Some(node_ports))
            }
        }
    }
}

/// Whether a class is of one value.
pub(super) fn is_single<K>(value_class: &ValueClass<K>) -> bool {
    matches!(value_class.ranges.as_slice(), [(first, last)] if first == last)
}
