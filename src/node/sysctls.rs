//! Settings of a node's kernel that decide about packets besides its rules.

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::net::Family;

/// `sysctl net`; none for what was not captured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sysctls {
    /// `net.ipv4.conf.INTERFACE.rp_filter`, also of `all` and `default`.
    pub reverse_path: BTreeMap<CompactString, ReversePath>,
    /// `net.ipv4.conf.INTERFACE.route_localnet`, also of `all` and `default`.
    pub route_localnet: BTreeMap<CompactString, bool>,
    /// `net.ipv4.conf.INTERFACE.accept_local`, also of `all` and `default`.
    pub accept_local: BTreeMap<CompactString, bool>,
    /// `net.ipv4.conf.INTERFACE.src_valid_mark`, also of `all` and `default`.
    pub source_valid_mark: BTreeMap<CompactString, bool>,
    /// `net.ipv4.conf.INTERFACE.forwarding`, also of `all` and `default`.
    pub interface_forwarding: BTreeMap<CompactString, bool>,
    /// `net.netfilter.nf_conntrack_tcp_be_liberal`
    pub conntrack_liberal: Option<bool>,
    /// `net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`
    pub forwarding: BTreeMap<Family, bool>,
    /// `net.bridge.bridge-nf-call-iptables`
    pub bridge_calls_iptables: Option<bool>,
}

/// How strictly the kernel checks whether a source can be reached the way its packet came (ip-sysctl.rst, `rp_filter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReversePath {
    /// Not at all.
    Off,
    /// By that very interface.
    Strict,
    /// By any interface.
    Loose,
}

/// What keeps a node from forwarding packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ForwardingOff {
    /// The setting for the whole node.
    Node,
    /// The setting of the interface by which a packet comes in.
    Interface,
}

impl ForwardingOff {
    /// The setting that is 0.
    pub fn setting(self, family: Family) -> &'static str {
        match (self, family) {
            (ForwardingOff::Node, Family::Ipv4) => "net.ipv4.ip_forward",
            (ForwardingOff::Node, Family::Ipv6) => "net.ipv6.conf.all.forwarding",
            (ForwardingOff::Interface, Family::Ipv4) => "net.ipv4.conf.INTERFACE.forwarding",
            (ForwardingOff::Interface, Family::Ipv6) => "net.ipv6.conf.INTERFACE.forwarding",
        }
    }
}

impl Sysctls {
    /// Adds what another listing says.
    ///
    /// # Errors
    /// It says something else about the setting in the error.
    pub fn learn(&mut self, more: &Sysctls) -> Result<(), String> {
        let interfaces = |name: &str, interface: &str| format!("net.ipv4.conf.{interface}.{name}");
        merge(&mut self.reverse_path, &more.reverse_path, |name| interfaces("rp_filter", name))?;
        merge(&mut self.route_localnet, &more.route_localnet, |name| interfaces("route_localnet", name))?;
        merge(&mut self.accept_local, &more.accept_local, |name| interfaces("accept_local", name))?;
        let name = |name: &CompactString| interfaces("src_valid_mark", name);
        merge(&mut self.source_valid_mark, &more.source_valid_mark, name)?;
        let name = |name: &CompactString| interfaces("forwarding", name);
        merge(&mut self.interface_forwarding, &more.interface_forwarding, name)?;
        merge(&mut self.forwarding, &more.forwarding, |family| format!("forwarding of {family}"))?;
        let settings = [
            (&mut self.conntrack_liberal, more.conntrack_liberal, "nf_conntrack_tcp_be_liberal"),
            (&mut self.bridge_calls_iptables, more.bridge_calls_iptables, "bridge-nf-call-iptables"),
        ];
        for (known, told, name) in settings {
            if known.is_some() && told.is_some() && *known != told {
                return Err(name.to_owned());
            }
            *known = known.or(told);
        }
        Ok(())
    }

    /// How strict it is for packets that come in by an interface: the greater of its own value and that of `all`.
    pub fn reverse_path_of(&self, interface: &str) -> Option<ReversePath> {
        let all = self.reverse_path.get("all").copied()?;
        let own = self.reverse_path.get(interface).or_else(|| self.reverse_path.get("default")).copied();
        // `all` already has the greatest value.
        own.map(|own| all.max(own)).or((all == ReversePath::Loose).then_some(all))
    }

    /// Whether packets that come in by an interface may have an address of the node itself as their source
    /// (`IN_DEV_ACCEPT_LOCAL`: on for all, or for this one).
    pub fn accepts_local_at(&self, interface: &str) -> bool {
        is_on_at(&self.accept_local, interface)
    }

    /// Whether the mark of packets that come in by an interface counts when the route back to their source is looked up
    /// (`IN_DEV_SRC_VMARK`: on for all, or for this one).
    pub fn heeds_mark_at(&self, interface: &str) -> bool {
        is_on_at(&self.source_valid_mark, interface)
    }

    /// What keeps packets of a family that come in by an interface from being forwarded; none if nothing does, or if it
    /// is not known.
    pub fn forwarding_off(&self, family: Family, interface: Option<&str>) -> Option<ForwardingOff> {
        match (self.forwards(family, interface), self.forwarding.get(&family)) {
            (Some(true) | None, _) => None,
            (Some(false), Some(false)) => Some(ForwardingOff::Node),
            (Some(false), Some(true) | None) => Some(ForwardingOff::Interface),
        }
    }

    /// Whether packets of a family that come in by an interface are forwarded; none if not known. For IPv4 only the
    /// interface's own setting counts; `ip_forward` sets it for all (net/ipv4/devinet.c, `inet_forward_change`).
    fn forwards(&self, family: Family, interface: Option<&str>) -> Option<bool> {
        let whole = self.forwarding.get(&family).copied();
        if family == Family::Ipv6 {
            return whole;
        }
        let of_interfaces = || {
            let named = |name: &str| !["all", "default", "lo"].contains(&name);
            let mut values =
                self.interface_forwarding.iter().filter(|(name, _)| named(name)).map(|(_, on)| *on);
            let first = values.next()?;
            Some(values.all(|on| on == first).then_some(first))
        };
        match interface {
            Some(name) => self.interface_forwarding.get(name).copied().or(whole),
            None => of_interfaces().unwrap_or(whole),
        }
    }

    /// How strict it is for packets whose interface is not known, if it is the same for all.
    pub fn reverse_path_anywhere(&self) -> Option<ReversePath> {
        let all = self.reverse_path.get("all").copied()?;
        let named = |name: &str| !["all", "default", "lo"].contains(&name);
        let mut modes =
            self.reverse_path.iter().filter(|(name, _)| named(name)).map(|(_, own)| all.max(*own));
        let first = modes.next()?;
        modes.all(|mode| mode == first).then_some(first)
    }

    /// Whether packets from or to 127.0.0.0/8 may cross interfaces other than `lo`; none if not known. One setting that
    /// allows it is enough: kube-proxy sets `all`.
    pub fn allows_route_localnet(&self) -> Option<bool> {
        if self.route_localnet.is_empty() {
            return None;
        }
        let named =
            self.route_localnet.iter().filter(|(name, _)| !["default", "lo"].contains(&name.as_str()));
        let values: Vec<bool> = named.map(|(_, allowed)| *allowed).collect();
        Some(values.contains(&true))
    }
}

fn is_on_at(settings: &BTreeMap<CompactString, bool>, interface: &str) -> bool {
    let is_on = |name: &str| settings.get(name).copied();
    is_on("all") == Some(true) || is_on(interface).or_else(|| is_on("default")) == Some(true)
}

fn merge<K: Ord + Clone, V: PartialEq + Copy>(
    known: &mut BTreeMap<K, V>,
    more: &BTreeMap<K, V>,
    name: impl Fn(&K) -> String,
) -> Result<(), String> {
    for (key, value) in more {
        if known.insert(key.clone(), *value).is_some_and(|old| old != *value) {
            return Err(name(key));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greater_value_counts() {
        let mut sysctls = Sysctls::default();
        assert_eq!(sysctls.reverse_path_of("eth0"), None);
        sysctls.reverse_path.insert("all".into(), ReversePath::Off);
        sysctls.reverse_path.insert("default".into(), ReversePath::Loose);
        sysctls.reverse_path.insert("eth0".into(), ReversePath::Strict);
        assert_eq!(sysctls.reverse_path_of("eth0"), Some(ReversePath::Strict));
        assert_eq!(sysctls.reverse_path_of("eth1"), Some(ReversePath::Loose));
        assert_eq!(sysctls.allows_route_localnet(), None);
        sysctls.route_localnet.insert("all".into(), true);
        assert_eq!(sysctls.allows_route_localnet(), Some(true));
    }

    #[test]
    fn an_interface_can_be_what_does_not_forward() {
        let mut sysctls = Sysctls::default();
        let off = |sysctls: &Sysctls, name| sysctls.forwarding_off(Family::Ipv4, name);
        assert_eq!(off(&sysctls, Some("eth0")), None);
        sysctls.forwarding.insert(Family::Ipv4, true);
        sysctls.interface_forwarding.insert("eth0".into(), false);
        assert_eq!(off(&sysctls, Some("eth0")), Some(ForwardingOff::Interface));
        assert_eq!(off(&sysctls, Some("eth1")), None);
        sysctls.forwarding.insert(Family::Ipv4, false);
        assert_eq!(off(&sysctls, Some("eth1")), Some(ForwardingOff::Node));
    }
}
