//! Loads rules, sends packets past them, and compares.
#![allow(clippy::print_stderr, reason = "says what is refused or left open")]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use kuberules::capture;
use kuberules::net::{Family, Protocol};
use kuberules::node::{Host, InterfaceName, PodInterface};
use kuberules::walk::{ClientKind, Condition, Outcome, Packet, Verdict, Walker};

use super::fragments::Setting;
use super::{rare, sequences};
use crate::kernel::trace::conntrack::End;
use crate::kernel::trace::world::{Rules, Tag, World};

const FIRST_PORT: u16 = 10_000;
const OWN_IPV6: &str = "2001:db8::11";

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) refused: usize,
    pub(super) packets: usize,
    pub(super) right: usize,
    pub(super) wrong: usize,
    /// Left open although the rules decide it.
    pub(super) open: usize,
    /// Left open because it depends on something that is not known of the packet.
    pub(super) not_told: usize,
}

impl Count {
    pub(super) fn add(&mut self, other: &Count) {
        self.refused += other.refused;
        self.packets += other.packets;
        self.right += other.right;
        self.wrong += other.wrong;
        self.open += other.open;
        self.not_told += other.not_told;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Goes { to: SocketAddr, rewritten: bool, locally: bool },
    Dropped,
    Refused,
}

/// The node on which every ruleset is loaded.
fn host() -> Host {
    Host {
        addresses: ["192.168.0.11", "192.168.0.12", OWN_IPV6].map(|ip| ip.parse().unwrap()).to_vec(),
        pod_networks: ["10.244.1.0/24", "fd00:10:244:1::/64"]
            .iter()
            .map(|net| kuberules::net::Cidr::parse_lenient(net).unwrap())
            .collect(),
        pod_interface: Some(PodInterface::Name("pods0".into())),
        ..Host::default()
    }
}

/// Where packets that connection tracking ignores end, which it cannot show.
const ARRIVALS: &str = "table inet arrivals {
    set local { type inet_proto . inet_service; size 65535; flags dynamic; }
    set link { type inet_proto . inet_service; size 65535; flags dynamic; }
    chain input { type filter hook input priority 501; ct state untracked add @local { meta l4proto . th sport }; }
    chain postrouting { type filter hook postrouting priority 501; oifname != \"lo\" ct state untracked add @link { meta l4proto . th sport }; }
}
";

pub(super) fn judge(settings: &[Setting]) -> (Count, Vec<String>) {
    let host = host();
    let mut world = World::new(&host, &Rules::Nftables(vec![ARRIVALS.to_owned()]));
    let (mut count, mut faults) = (Count::default(), Vec::new());
    for setting in settings {
        judge_one(setting, &mut world, &host, &mut count, &mut faults);
    }
    (count, faults)
}

fn judge_one(setting: &Setting, world: &mut World, host: &Host, count: &mut Count, faults: &mut Vec<String>) {
    let script = setting.script();
    if let Err(error) = world.load_again(&script) {
        count.refused += 1;
        if std::env::var_os("KUBERULES_KERNEL_TIMES").is_some() {
            eprintln!("refused: {}\n{error}", setting.rules.join("\n"));
        }
        return;
    }
    let (text, json) = world.listed();
    let texts = [("text", text), ("JSON", json)];
    let read: Vec<_> = texts.iter().map(|(form, text)| (*form, read(text, host))).collect();
    let packets = packets(host);
    let fates = send(world, &packets);
    for (packet, actual) in packets.iter().zip(fates) {
        count.packets += 1;
        let mut found = Found::default();
        for (form, node) in &read {
            match node {
                Ok(node) => found.add(&compare(node, packet, host, actual), form),
                Err(error) => found.faults.push(format!("{form}: {error}")),
            }
        }
        count.right += usize::from(found.faults.is_empty());
        count.wrong += usize::from(!found.faults.is_empty());
        let is_open = usize::from(found.faults.is_empty() && found.open);
        match rare::are_not_told(&setting.rules) || sequences::are_not_told(&setting.rules) {
            true => count.not_told += is_open,
            false => count.open += is_open,
        }
        let told = if found.faults.is_empty() { &found.open_words } else { &found.faults };
        let loud = !found.faults.is_empty() || std::env::var_os("KUBERULES_KERNEL_TIMES").is_some();
        if loud && !told.is_empty() {
            let line = format!(
                "{} {}: {} {} -> {}: {actual:?}, but {}",
                setting.name,
                setting.rules.join(" ; "),
                packet.protocol.lower_name(),
                packet.source,
                packet.destination,
                told.join("; ")
            );
            if found.faults.is_empty() { eprintln!("open: {line}") } else { faults.push(line) }
        }
    }
}

#[derive(Default)]
struct Found {
    faults: Vec<String>,
    open: bool,
    open_words: Vec<String>,
}

impl Found {
    fn add(&mut self, of_one: &Result<Vec<String>, String>, form: &str) {
        match of_one {
            Ok(open) => {
                self.open |= !open.is_empty();
                self.open_words.extend(open.iter().map(|words| format!("{form}: {words}")));
            }
            Err(fault) => self.faults.push(format!("{form}: {fault}")),
        }
    }
}

type Both = kuberules::node::PerFamily<Option<kuberules::node::NodeRules<'static>>>;

fn read(text: &str, host: &Host) -> Result<Both, String> {
    let captured = capture::read(text, None).map_err(|error| error.to_string())?;
    Ok(captured.node_rules(|_| host.clone()))
}

/// What is left open, in words; or what is wrong.
fn compare(rules: &Both, packet: &Packet, _host: &Host, actual: Fate) -> Result<Vec<String>, String> {
    let rules = match packet.family() {
        Family::Ipv4 => rules.ipv4.as_ref(),
        Family::Ipv6 => rules.ipv6.as_ref(),
    };
    let Some(rules) = rules else { return Err("no rules".to_owned()) };
    let outcomes = Walker::of(rules).walk(packet).map_err(|error| error.to_string())?;
    let expected: Vec<(Fate, &Outcome<'_>)> =
        outcomes.iter().map(|outcome| (shown(packet, fate(outcome)), outcome)).collect();
    let actual = shown(packet, actual);
    // Suppositions are true here: no limit is reached.
    let contradicts =
        |outcome: &Outcome<'_>| outcome.given.iter().any(|given| matches!(given, Condition::Affinity { .. }));
    let possible: BTreeSet<Fate> =
        expected.iter().filter(|(_, o)| !contradicts(o)).map(|(fate, _)| *fate).collect();
    if !possible.contains(&actual) {
        return Err(format!("walk says {possible:?}"));
    }
    let open: BTreeSet<String> = (expected.iter())
        .filter(|(fate, _)| *fate != actual)
        .flat_map(|(_, outcome)| &outcome.given)
        .filter_map(|given| match given {
            Condition::Opaque { text, .. } => Some(text.to_string()),
            _ => None,
        })
        .collect();
    Ok(open.into_iter().collect())
}

/// It cannot be seen if the node's own address is rewritten to itself. The link-local address of an interface, which
/// REDIRECT uses if there is no other, is replaced by the node's address.
fn shown(packet: &Packet, fate: Fate) -> Fate {
    match fate {
        Fate::Goes { to: SocketAddr::V6(to), .. } if to.ip().is_unicast_link_local() => {
            let own = SocketAddr::new(OWN_IPV6.parse().unwrap(), to.port());
            shown(packet, Fate::Goes { to: own, rewritten: false, locally: true })
        }
        Fate::Goes { to, locally, .. } if packet.client == ClientKind::Node => {
            Fate::Goes { to, rewritten: false, locally }
        }
        other => other,
    }
}

fn fate(outcome: &Outcome<'_>) -> Fate {
    use kuberules::walk::Answer;
    match outcome.verdict {
        Verdict::Accept => Fate::Goes {
            to: outcome.destination,
            rewritten: outcome.snat,
            locally: outcome.delivered_locally,
        },
        // The node's resets are suppressed, as they would end other connections.
        Verdict::Drop | Verdict::Reject(Answer::TcpReset) => Fate::Dropped,
        Verdict::Reject(_) => Fate::Refused,
    }
}

fn packets(host: &Host) -> Vec<Packet> {
    let mut packets = Vec::new();
    let tcp = Protocol::Tcp;
    let flows = [
        // From a client outside to the node, to a Pod, to a Service.
        (tcp, "198.51.100.7", "192.168.0.11:80"),
        (Protocol::Udp, "198.51.100.7", "192.168.0.11:53"),
        (tcp, "198.51.100.9", "10.244.1.5:8080"),
        (tcp, "198.51.100.7", "10.96.0.10:80"),
        // A Pod on the node.
        (tcp, "10.244.1.9", "10.96.0.10:80"),
        (tcp, "10.244.1.9", "203.0.113.5:443"),
        (Protocol::Udp, "10.244.1.9", "192.168.0.11:53"),
        (tcp, "198.51.100.7", "192.168.0.12:30080"),
        (tcp, "2001:db8:77::7", "[2001:db8::11]:80"),
        (tcp, "2001:db8:77::7", "[fd00:10:244:1::5]:8080"),
        (tcp, "fd00:10:244:1::9", "[fd00:10:96::10]:80"),
        (tcp, "fd00:10:244:1::9", "[2001:db8:5::5]:443"),
        (Protocol::Udp, "fd00:10:244:1::9", "[2001:db8::11]:53"),
    ];
    for (protocol, from, to) in flows {
        let packet = Packet::new(host, protocol, from.parse().unwrap(), to.parse().unwrap()).unwrap();
        // As someone who knows the node would ask.
        let outside = packet.client == ClientKind::Outside;
        let in_interface = InterfaceName::new("eth0").filter(|_| outside);
        packets.push(Packet { in_interface, ..packet });
    }
    let from_node =
        ["203.0.113.5:443", "10.96.0.10:80", "192.168.0.11:80", "[2001:db8:5::5]:443", "[fd00:10:96::10]:80"];
    for to in from_node {
        packets.push(Packet::from_node(host, tcp, to.parse().unwrap()));
    }
    packets
}

fn send(world: &mut World, packets: &[Packet]) -> Vec<Fate> {
    let mut sent: Vec<(Tag, &Packet)> = Vec::new();
    for (i, packet) in packets.iter().enumerate() {
        let port = FIRST_PORT + u16::try_from(i).unwrap();
        world.send(packet, port);
        sent.push(((packet.protocol.number(), port), packet));
    }
    let (connections, refused) = world.end_batch();
    let untracked = world.untracked();
    let fate = |(tag, packet): (Tag, &Packet)| match connections.get(&tag) {
        Some(connection) if connection.end != End::Lost => Fate::Goes {
            to: connection.reply.0,
            rewritten: connection.reply.1.ip() != connection.original.0.ip(),
            locally: connection.end == End::OnTheNode,
        },
        // If nothing listens, the node refuses packets that have arrived.
        _ => match untracked.get(&tag) {
            Some(locally) => Fate::Goes { to: packet.destination, rewritten: false, locally: *locally },
            None if refused.contains(&tag) => Fate::Refused,
            None => Fate::Dropped,
        },
    };
    sent.into_iter().map(fate).collect()
}
