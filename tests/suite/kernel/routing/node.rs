//! A node with three links, which can undo its setup.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kuberules::capture::Source;
use kuberules::net::{Family, Protocol};
use kuberules::walk::Packet;
use socket2::{Domain, Socket, Type};

use super::setup::{INTERFACES, Setup};
use crate::kernel::trace::conntrack::{self, Connection};
use crate::kernel::trace::wire;
use crate::kernel::trace::world::{MARKS, NODE_SYSCTLS, Tag, Wire, side};
use crate::support::namespace::Namespace;

/// What is captured of a node, as `kuberules collect` does.
const ASKED: &str = "echo '== addr'; ip addr; echo '== routes'; ip route show table all; echo '== rules'; ip rule; \
    echo '== rules6'; ip -6 rule; echo '== iptables'; iptables-save; echo '== ip6tables'; ip6tables-save; \
    echo '== asks'; nft list table ip asks 2>/dev/null || true; nft list table ip6 asks 2>/dev/null || true; \
    echo '== sysctl'; for f in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding \
    /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv4/conf/*/accept_local /proc/sys/net/ipv4/conf/*/forwarding \
    /proc/sys/net/ipv4/conf/*/src_valid_mark; do name=${f#/proc/sys/}; echo \"${name//\\//.} = $(<$f)\"; done";

pub(super) struct Node {
    namespace: Namespace,
    /// The sockets beyond each interface.
    sides: Vec<Wire>,
    /// Their namespaces, which last as long as the node.
    _beyond: Vec<Namespace>,
    /// `ip` commands that undo the setup.
    undo: Vec<String>,
}

impl Node {
    pub(super) fn new() -> Node {
        let namespace = Namespace::new();
        namespace.set(&NODE_SYSCTLS);
        namespace.run(&format!("ip link set lo up; {MARKS}"));
        let beyond: Vec<Namespace> = INTERFACES.iter().map(|name| side(&namespace, name)).collect();
        let sides = beyond.iter().map(|side| side.within(Wire::new)).collect();
        Node { namespace, sides, _beyond: beyond, undo: Vec::new() }
    }

    /// Sets it up and captures it.
    pub(super) fn set_up(&mut self, setup: &Setup) -> Vec<Source> {
        let ip = if setup.family == Family::Ipv4 { "ip" } else { "ip -6" };
        let mut script = String::from("set +e\n");
        self.undo.drain(..).rev().for_each(|command| script += &format!("{command} 2>/dev/null\n"));
        script += "nft delete table ip asks 2>/dev/null; nft delete table ip6 asks 2>/dev/null\n";
        for command in &setup.commands {
            script += &format!("{ip} {command} 2>/dev/null\n");
            let undone = command.replacen(" add ", " del ", 1);
            self.undo.push(format!("{ip} {undone}"));
        }
        for (name, value) in &setup.sysctls {
            script += &format!("echo {value} > /proc/sys/net/{name}\n");
        }
        let tool = if setup.family == Family::Ipv4 { "iptables" } else { "ip6tables" };
        script += &format!("{tool}-restore <<'END'\n{}END\n", setup.iptables);
        if !setup.nftables.is_empty() {
            script += &format!("nft -f - <<'END'\n{}END\n", setup.nftables);
        }
        script += ASKED;
        let told = self.namespace.run(&script);
        let parts = told.split("== ").skip(1).filter_map(|part| part.split_once('\n'));
        parts.map(|(name, text)| Source { name: name.into(), text: text.into() }).collect()
    }

    /// Sends a packet to the node through an interface.
    pub(super) fn send(&self, packet: &Packet, port: u16, interface: usize) {
        let ipv6 = packet.family() == Family::Ipv6;
        let elsewhere: IpAddr =
            if ipv6 { "2001:db8:ffff::254".parse().unwrap() } else { "203.0.113.254".parse().unwrap() };
        let bytes = wire::first_packet(packet, port);
        let to = SocketAddr::new(elsewhere, 0).into();
        self.sides[interface].send[usize::from(ipv6)].send_to(&bytes, &to).unwrap();
    }

    /// Opens a connection from the node: the error of the process, or the source that the kernel chose.
    pub(super) fn open(&self, to: SocketAddr, protocol: Protocol, port: u16) -> Result<IpAddr, i32> {
        let kind = if protocol == Protocol::Tcp { Type::STREAM } else { Type::DGRAM };
        let domain = if to.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
        let any: IpAddr = if to.is_ipv6() { [0u8; 16].into() } else { [0u8; 4].into() };
        self.namespace.within(|| {
            let socket = Socket::new(domain, kind, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&SocketAddr::new(any, port).into()).unwrap();
            match socket.connect(&to.into()) {
                Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => {
                    return Err(error.raw_os_error().unwrap_or_default());
                }
                _ => {}
            }
            let own = socket.local_addr().unwrap().as_socket().unwrap().ip();
            if protocol == Protocol::Udp {
                let _ = socket.send(b"ping");
            }
            Ok(own)
        })
    }

    /// What happened to the packets: connections, and messages to clients.
    pub(super) fn end(&mut self, family: Family) -> (BTreeMap<Tag, Connection>, BTreeMap<Tag, (u8, u8)>) {
        std::thread::sleep(Duration::from_millis(15));
        let mut told = BTreeMap::new();
        let mut bytes = [0; 2048];
        for wire in &self.sides {
            let mut socket = &wire.icmp[usize::from(family == Family::Ipv6)];
            while let Ok(length) = socket.read(&mut bytes) {
                told.extend(wire::unreachable(&bytes[..length], family == Family::Ipv6));
            }
        }
        let name = if family == Family::Ipv4 { "ipv4" } else { "ipv6" };
        let listed = self
            .namespace
            .run(&format!("conntrack -L -f {name} 2>/dev/null; conntrack -F -f {name} >/dev/null 2>&1"));
        (listed.lines().filter_map(conntrack::read).collect(), told)
    }
}
