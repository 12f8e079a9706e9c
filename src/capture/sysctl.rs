//! `sysctl -a`, `sysctl net`.

use crate::net::Family;
use crate::node::{ReversePath, Sysctls};

/// Whether a line is a setting of the network: `net.ipv4.conf.all.rp_filter = 0`.
pub(super) fn is_setting(line: &str) -> bool {
    let prefixes = ["net.", "kernel.", "fs.", "vm.", "abi.", "debug.", "dev.", "user.", "crypto.", "sunrpc."];
    prefixes.iter().any(|prefix| line.starts_with(prefix)) && setting(line).is_some()
}

fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    (!name.is_empty() && !name.contains(' ')).then_some((name, value.trim()))
}

/// Reads the settings that matter.
pub(super) fn read(text: &str) -> Sysctls {
    let mut found = Sysctls::default();
    for (name, value) in text.lines().filter_map(setting) {
        learn(&mut found, name, value);
    }
    found
}

fn learn(found: &mut Sysctls, name: &str, value: &str) {
    let is_on = value != "0";
    match name {
        "net.netfilter.nf_conntrack_tcp_be_liberal" => found.conntrack_liberal = Some(is_on),
        "net.ipv4.ip_forward" => _ = found.forwarding.insert(Family::Ipv4, is_on),
        "net.ipv6.conf.all.forwarding" => _ = found.forwarding.insert(Family::Ipv6, is_on),
        "net.bridge.bridge-nf-call-iptables" => found.bridge_calls_iptables = Some(is_on),
        _ => {
            let Some(rest) = name.strip_prefix("net.ipv4.conf.") else { return };
            let Some((interface, setting)) = rest.rsplit_once('.') else { return };
            // A dot in the name of an interface is written as a slash.
            let interface = interface.replace('/', ".").into();
            match setting {
                "rp_filter" => {
                    found.reverse_path.extend(reverse_path(value).map(|mode| (interface, mode)));
                }
                "route_localnet" => _ = found.route_localnet.insert(interface, is_on),
                "accept_local" => _ = found.accept_local.insert(interface, is_on),
                "src_valid_mark" => _ = found.source_valid_mark.insert(interface, is_on),
                "forwarding" => _ = found.interface_forwarding.insert(interface, is_on),
                _ => {}
            }
        }
    }
}

fn reverse_path(value: &str) -> Option<ReversePath> {
    match value {
        "0" => Some(ReversePath::Off),
        "1" => Some(ReversePath::Strict),
        "2" => Some(ReversePath::Loose),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_interfaces_and_of_all() {
        let found = read(
            "net.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.eth0/5.rp_filter = 2\nnet.ipv4.conf.all.arp_filter = 0\n\
             net.ipv4.conf.all.route_localnet = 1\nnet.netfilter.nf_conntrack_tcp_be_liberal=1\nnet.ipv4.ip_forward = 0\n\
             sysctl: permission denied on key 'x'\n",
        );
        assert_eq!(found.reverse_path_of("eth0.5"), Some(ReversePath::Loose));
        assert_eq!(found.allows_route_localnet(), Some(true));
        assert_eq!(found.conntrack_liberal, Some(true));
        assert_eq!(found.forwarding.get(&Family::Ipv4), Some(&false));
    }
}
