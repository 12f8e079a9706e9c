//! A node, its pods and the outside, each in a network namespace; packets that go between them; what happened to them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use kuberules::net::Family;
use kuberules::walk::{ClientKind, Host, Packet, PodInterface};
use socket2::{Domain, Protocol, Socket, Type};

use super::conntrack::{self, Connection, End};
use super::wire;
use crate::support::namespace::Namespace;

/// A protocol number and the source port of a packet; no two packets of a batch have the same.
pub(crate) type Tag = (u8, u16);

/// The rules of a node, as they are loaded.
pub(crate) enum Rules {
    /// Input of `iptables-restore` and `ip6tables-restore`.
    Iptables(Vec<(Family, String)>),
    /// Scripts for nft.
    Nftables(Vec<String>),
}

/// Both ends of both links have the same address, and nothing looks it up: it reaches every IP address.
const LINK: &str = "address 02:00:00:00:00:01";

/// kube-proxy creates these counters before it writes rules that use them.
const COUNTERS: &str = "nfacct add ct_state_invalid_dropped_pkts; nfacct add localhost_nps_accepted_pkts";

/// Answers from the pods and the outside would end connections before they are read.
const SILENCE: &str = "nft -f - <<'END'
table inet silence {
    chain input {
        type filter hook input priority 0; policy drop;
        icmp type destination-unreachable accept
        icmpv6 type destination-unreachable accept
    }
}
END";

/// So would resets from the node, since conntrack forgets a connection whose only answer is a reset; and if a kernel
/// without SCTP sends a message, it passes rules of others, which can remove the mark. After all rules the connection
/// is marked with where its first packet ends: on the node, or on a link. Untracked packets are recorded in a set.
pub(crate) const MARKS: &str = "nft -f - <<'END'
table inet marks {
    set untracked_here {
        type inet_proto . inet_service
        size 65535
        flags dynamic
    }
    set untracked_there {
        type inet_proto . inet_service
        size 65535
        flags dynamic
    }
    chain silence {
        type filter hook output priority -450;
        tcp flags & rst == rst drop
        icmp type destination-unreachable icmp code 2 drop
        icmpv6 type parameter-problem drop
    }
    chain input {
        type filter hook input priority 500;
        ct direction original ct mark set 1
        ct state untracked add @untracked_here { meta l4proto . th sport }
    }
    chain postrouting {
        type filter hook postrouting priority 500;
        oifname != lo ct direction original ct mark set 2
        oifname != lo ct state untracked add @untracked_there { meta l4proto . th sport }
    }
}
END";

pub(crate) const NODE_SYSCTLS: [(&str, &str); 12] = [
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/icmp_ratemask", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/icmp/ratemask", "0"),
    ("ipv4/conf/all/arp_ignore", "8"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
];

/// Long enough for a batch to be read.
const CONNTRACK_SYSCTLS: [(&str, &str); 4] = [
    ("netfilter/nf_conntrack_udp_timeout", "600"),
    ("netfilter/nf_conntrack_sctp_timeout_cookie_wait", "600"),
    ("netfilter/nf_conntrack_sctp_timeout_closed", "600"),
    ("netfilter/nf_conntrack_tcp_timeout_close", "600"),
];

pub(crate) struct World {
    node: Namespace,
    /// The pods and the outside.
    _sides: [Namespace; 2],
    /// Those of the node, the pods, the outside.
    wires: [Wire; 3],
    refused: BTreeSet<Tag>,
    since_read: usize,
}

/// The sockets of a namespace.
pub(crate) struct Wire {
    pub(crate) send: [Socket; 2],
    pub(crate) icmp: [Socket; 2],
}

impl World {
    pub(crate) fn new(host: &Host, rules: &Rules) -> World {
        let node = Namespace::new();
        node.set(&NODE_SYSCTLS);
        node.run(&format!("ip link set lo up; {MARKS}"));
        let pods = side(&node, &pod_interface(host));
        let outside = side(&node, "eth0");
        node.run(&addresses_and_routes(host));
        node.set(&[("ipv4/conf/all/route_localnet", if host.route_localnet { "1" } else { "0" })]);
        load(&node, rules);
        node.set(&CONNTRACK_SYSCTLS);
        let wires = [&node, &pods, &outside].map(|namespace| namespace.within(Wire::new));
        World { node, _sides: [pods, outside], wires, refused: BTreeSet::new(), since_read: 0 }
    }

    /// Runs a script on the node.
    pub(crate) fn run(&self, script: &str) -> String {
        self.node.run(script)
    }

    /// Replaces the previous rules by others; returns what nft says if it refuses them.
    pub(crate) fn load_again(&mut self, script: &str) -> Result<(), String> {
        self.node.run("nft -f - <<'END'\ntable inet beside\ndelete table inet beside\ntable inet judged\ndelete table inet judged\ntable inet kube\ndelete table inet kube\nEND");
        let (success, errors) = self.node.try_with("nft -f -", script);
        if success { Ok(()) } else { Err(errors) }
    }

    /// The rules as text and as JSON, without those that only show where packets end.
    pub(crate) fn listed(&self) -> (String, String) {
        let tables = |json: &str| {
            let one = |table: &str| {
                self.node.run(&format!("nft {json} list table inet {table} 2>/dev/null || true"))
            };
            // As they were made.
            [one("kube"), one("judged"), one("beside")]
        };
        let json = tables("-j").map(|text| text.trim().to_owned());
        let objects: Vec<&str> = json
            .iter()
            .filter_map(|text| text.strip_prefix("{\"nftables\": [")?.strip_suffix("]}"))
            .collect();
        (tables("").concat(), format!("{{\"nftables\": [{}]}}", objects.join(", ")))
    }

    /// Packets that connection tracking ignored, and whether they arrived on the node itself.
    pub(crate) fn untracked(&self) -> BTreeMap<Tag, bool> {
        let mut found = BTreeMap::new();
        for (set, locally) in [("link", false), ("local", true)] {
            let listed = self
                .node
                .run(&format!("nft -n list set inet arrivals {set}; nft flush set inet arrivals {set}"));
            let words: Vec<&str> =
                listed.split([' ', '\n', '\t', ',', '{', '}']).filter(|w| !w.is_empty()).collect();
            for pair in words.windows(3).filter(|pair| pair[1] == ".") {
                if let (Ok(protocol), Ok(port)) = (pair[0].parse(), pair[2].parse()) {
                    found.insert((protocol, port), locally);
                }
            }
        }
        found
    }

    /// Sends the first packet of a connection from its source.
    pub(crate) fn send(&mut self, packet: &Packet, source_port: u16) {
        let ipv6 = packet.family() == Family::Ipv6;
        let (wire, to) = match packet.client {
            ClientKind::Node => (&self.wires[0], packet.destination.ip()),
            ClientKind::LocalPod => (&self.wires[1], elsewhere(packet.family())),
            ClientKind::RemotePod | ClientKind::Outside => (&self.wires[2], elsewhere(packet.family())),
        };
        let bytes = wire::first_packet(packet, source_port);
        // IPv6 loopback addresses and a martian of the node itself are refused immediately.
        let _ = wire.send[usize::from(ipv6)].send_to(&bytes, &SocketAddr::new(to, 0).into());
        self.since_read += 1;
        if self.since_read == 64 {
            self.read_refusals();
        }
    }

    fn read_refusals(&mut self) {
        self.since_read = 0;
        let mut bytes = [0; 2048];
        for (ipv6, socket) in self.wires.iter().flat_map(|wire| [false, true].into_iter().zip(&wire.icmp)) {
            while let Ok(length) = (&*socket).read(&mut bytes) {
                self.refused.extend(wire::refused_packet(&bytes[..length], ipv6));
            }
        }
    }

    /// Waits until all packets have arrived.
    pub(crate) fn settle(&mut self) {
        std::thread::sleep(Duration::from_millis(2));
        self.read_refusals();
    }

    /// What happened to the packets of this batch: connections, refusals. Begins a new batch.
    pub(crate) fn end_batch(&mut self) -> (BTreeMap<Tag, Connection>, BTreeSet<Tag>) {
        std::thread::sleep(Duration::from_millis(20));
        self.settle();
        let mut connections = BTreeMap::new();
        for family in ["ipv4", "ipv6"] {
            let listed = self.node.run(&format!("conntrack -L -f {family} 2>/dev/null"));
            connections.extend(listed.lines().filter_map(conntrack::read));
        }
        self.node.run("conntrack -F -f ipv4 2>/dev/null; conntrack -F -f ipv6 2>/dev/null");
        (connections, std::mem::take(&mut self.refused))
    }

    /// Replaces the rules, or says why they cannot be loaded.
    pub(crate) fn reload(&self, family: Family, text: &str) -> Result<(), String> {
        let tool = if family == Family::Ipv4 { "iptables" } else { "ip6tables" };
        let told = self.node.run_with(&format!("{tool}-restore 2>&1 || echo refused"), text);
        if told.contains("refused") { Err(told) } else { Ok(()) }
    }

    /// Makes sets of ipset; returns how the tool lists them.
    pub(crate) fn make_sets(&self, text: &str) -> String {
        self.node.run("ipset flush");
        self.node.run_with("ipset restore -exist", text);
        self.node.run("ipset save")
    }

    /// The rules as the tool lists them.
    pub(crate) fn listing(&self, family: Family) -> String {
        let tool = if family == Family::Ipv4 { "iptables" } else { "ip6tables" };
        self.node.run(&format!("{tool}-save"))
    }

    /// Where untracked packets of this batch ended.
    pub(crate) fn end_untracked(&mut self) -> BTreeMap<Tag, End> {
        let mut found = BTreeMap::new();
        for (set, end) in [("untracked_here", End::OnTheNode), ("untracked_there", End::OnALink)] {
            let listed =
                self.node.run(&format!("nft -n list set inet marks {set}; nft flush set inet marks {set}"));
            let elements = listed.split_once("elements = {").map_or("", |(_, rest)| rest);
            let elements = elements.split_once('}').map_or("", |(elements, _)| elements);
            for (protocol, port) in elements.split(',').filter_map(|element| element.split_once(" . ")) {
                if let (Ok(protocol), Ok(port)) = (protocol.trim().parse(), port.trim().parse()) {
                    found.insert((protocol, port), end);
                }
            }
        }
        found
    }

    /// Makes the node forget which clients were sent where.
    pub(crate) fn forget_clients(&mut self, sets: &[String]) {
        self.settle();
        self.node.within(|| {
            for list in std::fs::read_dir("/proc/thread-self/net/xt_recent").into_iter().flatten().flatten() {
                std::fs::write(list.path(), "/").unwrap();
            }
        });
        if !sets.is_empty() {
            let script: String = sets.iter().map(|set| format!("flush set {set}\n")).collect();
            self.node.run_with("nft -f -", &script);
        }
    }

    /// The source that the kernel gives to a packet of the node.
    pub(crate) fn source_to(&self, destination: SocketAddr) -> Option<IpAddr> {
        let any = SocketAddr::new(Family::of(destination.ip()).any(), 0);
        self.node.within(|| {
            let socket = UdpSocket::bind(any).ok()?;
            socket.connect(destination).ok()?;
            Some(socket.local_addr().ok()?.ip())
        })
    }
}

trait Any {
    fn any(self) -> IpAddr;
}

impl Any for Family {
    fn any(self) -> IpAddr {
        match self {
            Family::Ipv4 => "0.0.0.0".parse().unwrap(),
            Family::Ipv6 => "::".parse().unwrap(),
        }
    }
}

/// An address that is reached through the link to the node, whatever the packet says.
fn elsewhere(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => "203.0.113.254".parse().unwrap(),
        Family::Ipv6 => "2001:db8:ffff::254".parse().unwrap(),
    }
}

fn pod_interface(host: &Host) -> String {
    match &host.pod_interface {
        Some(PodInterface::Name(name)) => name.to_string(),
        Some(PodInterface::Prefix(prefix)) => format!("{prefix}0"),
        None => "pods0".to_owned(),
    }
}

/// A namespace linked to the node, which receives packets to any address and sends any through the link.
pub(crate) fn side(node: &Namespace, interface: &str) -> Namespace {
    let side = Namespace::new();
    let path = side.path();
    node.run(&format!(
        "ip link add {interface} {LINK} type veth peer name eth0 {LINK} netns {path}; ip link set {interface} arp off up"
    ));
    side.set(&[("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0")]);
    let families = ["ip", "ip -6"].map(|ip| {
        format!(
            "{ip} route add default dev eth0; {ip} rule add iif eth0 lookup 100; \
             {ip} route add local default dev lo table 100;"
        )
    });
    side.run(&format!("ip link set lo up; ip link set eth0 arp off up; {} {SILENCE}", families.join(" ")));
    side
}

fn addresses_and_routes(host: &Host) -> String {
    let pods = pod_interface(host);
    let mut script = "ip link add others type veth peer name unused; ip link set others up;".to_owned();
    for family in Family::ALL {
        let ip = if family == Family::Ipv4 { "ip" } else { "ip -6" };
        let bits = family.bits();
        let own = host.addresses.iter().filter(|address| Family::of(**address) == family);
        for (number, address) in own.enumerate() {
            let interface = if number == 0 { "eth0" } else { "others" };
            script += &format!("{ip} address add {address}/{bits} dev {interface};");
        }
        script += &format!("{ip} route add default dev eth0;");
        for network in host.pod_networks.iter().filter(|network| network.family() == family) {
            script += &format!("{ip} route replace {network} dev {pods};");
        }
        for pod in host.local_pods.iter().filter(|pod| Family::of(**pod) == family) {
            script += &format!("{ip} route replace {pod}/{bits} dev {pods};");
        }
    }
    script
}

pub(crate) fn load(node: &Namespace, rules: &Rules) {
    match rules {
        Rules::Iptables(texts) => {
            node.run(COUNTERS);
            for (family, text) in texts {
                let tool = if *family == Family::Ipv4 { "iptables" } else { "ip6tables" };
                node.run_with(&format!("{tool}-restore"), text);
            }
        }
        Rules::Nftables(scripts) => {
            for script in scripts {
                node.run_with("nft -f -", script);
            }
        }
    }
}

impl Wire {
    pub(crate) fn new() -> Wire {
        let socket = |domain, protocol| {
            let socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
            let _ = socket.set_recv_buffer_size(1 << 20);
            socket.set_nonblocking(true).unwrap();
            socket
        };
        // The caller provides the IP header (raw(7)).
        let raw = Protocol::from(255);
        Wire {
            send: [socket(Domain::IPV4, raw), socket(Domain::IPV6, raw)],
            icmp: [socket(Domain::IPV4, Protocol::ICMPV4), socket(Domain::IPV6, Protocol::ICMPV6)],
        }
    }
}
