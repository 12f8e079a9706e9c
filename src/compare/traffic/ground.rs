//! What is known about the node's addresses before looking at any rule: the same for all parts of a comparison.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::space::{Special, address, elsewhere, number, whole};
use super::{From, To};
use crate::net::{Cidr, Family};
use crate::walk::{ClientKind, Host, InterfaceDirection, Packet, SeenInterface, Walker};

/// What the nodes of both sides know about an address; all addresses of one value class have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::compare) struct AddressKind {
    /// What the address is to the old node and to the new one.
    pub(super) clients: (ClientKind, ClientKind),
    /// Loopback addresses differ from the nodes' others: the kernel does not let them out.
    is_loopback: bool,
    /// How routing treats it on either side ([`Host::routing_place`]).
    routing: (Option<u64>, Option<u64>),
    /// What the rules of either side can see of the interface by which its packets cross the node, if they match on
    /// that.
    interfaces: (SeenInterface, SeenInterface),
}

impl AddressKind {
    /// The same without the interfaces.
    pub(super) fn whatever_the_interfaces(self) -> AddressKind {
        AddressKind { interfaces: NOT_ASKED, ..self }
    }
}

/// If no rule matches on interfaces.
const NOT_ASKED: (SeenInterface, SeenInterface) = (SeenInterface::Unknown, SeenInterface::Unknown);

/// How to name addresses that differ from node to node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// As they are.
    Address,
    /// By their role for the node, so that nodes with the same answer get the same words.
    Role,
}

/// The node of a comparison, as both sides know it.
pub struct Ground<'h> {
    pub(super) family: Family,
    pub(super) hosts: (&'h Host, &'h Host),
    pub(super) same_host: bool,
    naming: Naming,
    /// The same with merged networks, for questions about addresses.
    merged: (Host, Host),
    /// Addresses whose kind does not follow from a range.
    pub(super) special: Special<AddressKind>,
    /// Where addresses of another kind begin.
    pub(super) cuts: BTreeSet<u128>,
    /// Addresses on the nodes' interfaces, including loopback.
    pub(super) own: BTreeSet<u128>,
}

impl<'h> Ground<'h> {
    /// The ground of a node on both sides.
    pub fn new(old: &'h Host, new: &'h Host, family: Family) -> Ground<'h> {
        let merged = (old.with_merged_networks(), new.with_merged_networks());
        let kind = |value| kind_of(&merged, address(family, value));
        let special = special_addresses(&merged, family);
        let cuts = cuts(&merged, family, &special, kind);
        let own = own_addresses(&merged, family);
        let special = Special::new(&special, kind);
        Ground {
            family,
            hosts: (old, new),
            same_host: old.is_like(new),
            naming: Naming::Address,
            merged,
            special,
            cuts,
            own,
        }
    }

    /// The same with a given way to name the node's addresses.
    #[must_use]
    pub fn named_by(self, naming: Naming) -> Ground<'h> {
        Ground { naming, ..self }
    }

    /// Networks that examples are taken from.
    pub fn named_addresses(family: Family) -> Vec<Cidr> {
        let loopback = match family {
            Family::Ipv4 => Cidr::IPV4_LOOPBACK,
            Family::Ipv6 => Cidr::host(family.loopback()),
        };
        elsewhere(family).into_iter().map(Cidr::host).chain([loopback]).collect()
    }

    /// The role of an address of the node, if addresses are named by role.
    fn role(&self, ip: IpAddr) -> Option<String> {
        let place = self.hosts.1.addresses.iter().position(|own| *own == ip);
        match (self.naming, place?) {
            (Naming::Address, _) => None,
            (Naming::Role, 0) => Some("the node's IP".to_owned()),
            (Naming::Role, place) => Some(format!("the node's IP no. {}", place + 1)),
        }
    }

    /// An address in words: by its role, or as it is.
    pub(super) fn name(&self, ip: IpAddr) -> String {
        self.role(ip).unwrap_or_else(|| ip.to_string())
    }

    /// An address and port in words.
    pub(super) fn name_socket(&self, to: &To) -> String {
        let (ip, port) = (to.representative.ip(), to.representative.port());
        match self.role(ip) {
            Some(role) => format!("{role}:{port}"),
            None if self.naming == Naming::Role && to.address.is_none() && !self.is_example(ip) => {
                format!("another address:{port}")
            }
            None => to.representative.to_string(),
        }
    }

    /// Where a packet comes from: a single address as it is, others by their kind if addresses are named by role.
    pub(super) fn name_source(&self, packet: &Packet, from: &From) -> String {
        let is_literal = from.address.is_some() || self.is_example(packet.source);
        match self.role(packet.source) {
            Some(role) => role,
            None if self.naming == Naming::Address || is_literal => packet.source.to_string(),
            None => from.client.words().to_owned(),
        }
    }

    /// An address from a class of many.
    pub(super) fn name_example(&self, ip: IpAddr) -> String {
        match self.naming == Naming::Address || self.is_example(ip) {
            true => ip.to_string(),
            false => self.role(ip).unwrap_or_else(|| self.kind(number(ip)).clients.1.words().to_owned()),
        }
    }

    fn is_example(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || elsewhere(self.family).contains(&ip)
    }

    /// The node on either side.
    pub fn hosts(&self) -> (&'h Host, &'h Host) {
        self.hosts
    }

    pub(super) fn kind(&self, value: u128) -> AddressKind {
        kind_of(&self.merged, address(self.family, value))
    }

    /// What the node knows of an address.
    #[cfg(test)]
    pub(in crate::compare) fn kind_for_tests(&self, ip: IpAddr) -> AddressKind {
        self.kind(number(ip))
    }

    /// What distinguishes one end of packets if the interfaces that they cross on its side are known: rules can match
    /// on them.
    pub(super) fn of_end<'a>(
        &'a self,
        (old, new): (&'a Walker<'_>, &'a Walker<'_>),
        direction: InterfaceDirection,
    ) -> Option<EndGround<'a>> {
        if !old.can_tell_interfaces(direction) && !new.can_tell_interfaces(direction) {
            return None;
        }
        let kind = move |value| {
            let ip = address(self.family, value);
            let interfaces = (old.seen_interface(ip, direction), new.seen_interface(ip, direction));
            AddressKind { interfaces, ..self.kind(value) }
        };
        let mut special = special_addresses(&self.merged, self.family);
        let named = [&self.merged.0, &self.merged.1].into_iter().flat_map(|host| host.pod_names.keys());
        special.extend(of_family(self.family, named));
        let cuts = cuts(&self.merged, self.family, &special, kind);
        let special = Special::new(&special, kind);
        Some(EndGround { kind: Box::new(kind), special, cuts })
    }

    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        self.hosts.0.is_local(ip) || self.hosts.1.is_local(ip)
    }
}

/// What distinguishes one end of packets if the interfaces on its side are known.
pub(super) struct EndGround<'a> {
    pub(super) kind: Box<dyn Fn(u128) -> AddressKind + Sync + 'a>,
    pub(super) special: Special<AddressKind>,
    pub(super) cuts: BTreeSet<u128>,
}

fn kind_of((old, new): &(Host, Host), ip: IpAddr) -> AddressKind {
    let routing = match ip.is_loopback() {
        true => (None, None),
        false => (old.routing_place(ip), new.routing_place(ip)),
    };
    let clients = (old.client_kind(ip), new.client_kind(ip));
    AddressKind { clients, is_loopback: ip.is_loopback(), routing, interfaces: NOT_ASKED }
}

/// Where a range of addresses of another kind begins.
fn cuts(
    hosts: &(Host, Host),
    family: Family,
    special: &BTreeSet<u128>,
    kind: impl Fn(u128) -> AddressKind,
) -> BTreeSet<u128> {
    let mut begins = BTreeSet::from([0]);
    let loopback = match family {
        Family::Ipv4 => Cidr::IPV4_LOOPBACK,
        Family::Ipv6 => Cidr::host(family.loopback()),
    };
    let networks = [&hosts.0, &hosts.1].into_iter();
    let networks = networks.flat_map(|host| {
        let routed = host.network.networks().filter(|net| !net.is_host());
        host.pod_networks.iter().chain(&host.cluster_networks).copied().chain(routed)
    });
    for net in networks.filter(|net| net.family() == family).chain([loopback]) {
        begins.insert(number(net.network()));
        begins.extend(number(net.last()).checked_add(1).filter(|next| *next <= whole(family).1));
    }
    // The kind of the addresses from a value on that are not special.
    let kind_from =
        |from| kind((from..=whole(family).1).find(|value| !special.contains(value)).unwrap_or(from));
    let mut last = None;
    begins.retain(|begin| {
        let address_kind = kind_from(*begin);
        last.replace(address_kind) != Some(address_kind)
    });
    begins
}

fn of_family<'i>(family: Family, addresses: impl Iterator<Item = &'i IpAddr>) -> BTreeSet<u128> {
    addresses.filter(|ip| Family::of(**ip) == family).map(|ip| number(*ip)).collect()
}

fn own_addresses(hosts: &(Host, Host), family: Family) -> BTreeSet<u128> {
    let hosts = [&hosts.0, &hosts.1].into_iter();
    let mut own = of_family(family, hosts.flat_map(|host| &host.addresses));
    own.insert(number(family.loopback()));
    own
}

fn special_addresses(hosts: &(Host, Host), family: Family) -> BTreeSet<u128> {
    let both = [&hosts.0, &hosts.1].into_iter();
    let mut special = of_family(
        family,
        both.flat_map(|host| host.addresses.iter().chain(&host.local_pods).chain(&host.remote_pods)),
    );
    let hosts = [&hosts.0, &hosts.1].into_iter();
    let routed = hosts.flat_map(|host| host.network.networks());
    let routed = routed.filter(|net| net.is_host() && net.family() == family);
    special.extend(routed.map(|net| number(net.network())));
    special.insert(number(family.loopback()));
    special
}
