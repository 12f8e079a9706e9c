//! Sends packets to a node and compares what happens to them with what the walk says.

use std::net::{IpAddr, SocketAddr};

use kuberules::capture;
use kuberules::net::{Cidr, Family, Protocol};
use kuberules::node::{InterfaceName, Lookup, Routed};
use kuberules::walk::{Answer, ClientKind, Condition, Effect, Host, Outcome, Packet, Verdict, Walker};

use super::node::Node;
use super::setup::{CLUSTER_IPS, INTERFACES, NETWORKS, Setup, address, own};
use crate::kernel::trace::conntrack::End;
use crate::kernel::trace::world::Tag;
use crate::support::random::Random;

/// Packets in one trial that arrive on a link, and that the node sends.
const FROM_LINKS: usize = 50;
const FROM_NODE: usize = 14;

/// What happens to a packet, as far as it can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Goes {
        to: SocketAddr,
        locally: bool,
    },
    Stopped,
    /// The client is informed by ICMP, with this type and code.
    Told(u8, u8),
    /// A process on the node gets this error.
    Failed(i32),
}

#[derive(Default)]
pub(super) struct Tally {
    setups: usize,
    pub(super) packets: usize,
    stopped: usize,
    told: usize,
    failed: usize,
    assumed: usize,
    /// Suppositions of the walk that were not true.
    pub(super) assumed_wrongly: usize,
    pub(super) faults: Vec<String>,
}

impl Tally {
    pub(super) fn words(&self) -> String {
        format!(
            "routing: {} setups, {} packets: {} wrong; {} stopped, {} answered by ICMP, {} failed in the process; {} \
             supposed to pass, {} of them wrongly",
            self.setups,
            self.packets,
            self.faults.len(),
            self.stopped,
            self.told,
            self.failed,
            self.assumed,
            self.assumed_wrongly,
        )
    }

    pub(super) fn shown(&self) -> String {
        let shown: Vec<&str> = self.faults.iter().take(12).map(String::as_str).collect();
        shown.join("\n")
    }
}

pub(super) struct Bench {
    node: Node,
    /// No two packets have the same source: messages to one address are rate-limited.
    next: u16,
}

/// A packet, and the interface by which it comes in.
struct Sent {
    packet: Packet,
    port: u16,
    fate: Option<Fate>,
    /// For a packet that the node sent: the predicted source.
    said: Option<IpAddr>,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench { node: Node::new(), next: 0x0700 }
    }

    pub(super) fn judge(&mut self, setup: &Setup, number: u64, dice: &mut Random, tally: &mut Tally) {
        let sources = self.node.set_up(setup);
        let captured = capture::join(&sources, None).unwrap_or_else(|faults| panic!("{faults:?}"));
        let family = setup.family;
        let pods = |number: u8| match family {
            Family::Ipv4 => Cidr::parse_lenient(&format!("10.{number}.0.0/16")).unwrap(),
            Family::Ipv6 => Cidr::parse_lenient(&format!("fd00:{number:x}::/32")).unwrap(),
        };
        let known =
            Host { pod_networks: vec![pods(11)], cluster_networks: vec![pods(12)], ..Host::default() };
        let rules = captured.node_rules(|_| known.clone());
        let rules = rules.get(family).as_ref().unwrap();
        let walker = Walker::of(rules);
        tally.setups += 1;
        let _ = self.node.end(family);
        let mut sent: Vec<Sent> = Vec::new();
        for place in 0..FROM_LINKS {
            sent.push(self.by_link(family, &rules.host, 10_000 + place as u16, dice));
        }
        for place in 0..FROM_NODE {
            sent.push(self.by_node(family, &rules.host, 20_000 + place as u16, dice));
        }
        let (connections, told) = self.node.end(family);
        for sent in &sent {
            let tag: Tag = (sent.packet.protocol.number(), sent.port);
            let fate = sent.fate.unwrap_or_else(|| match (connections.get(&tag), told.get(&tag)) {
                (Some(connection), _) if connection.end != End::Lost => {
                    Fate::Goes { to: connection.reply.0, locally: connection.end == End::OnTheNode }
                }
                (_, Some((kind, code))) => Fate::Told(*kind, *code),
                _ => Fate::Stopped,
            });
            let told = || {
                let of = |name: &str| sources.iter().find(|s| s.name == name).map_or("", |s| s.text.as_str());
                format!(
                    "setup {number}: {}\n{}\n{}{}{}",
                    setup.commands.join("; "),
                    setup.sysctls.iter().map(|(n, v)| format!("{n}={v} ")).collect::<String>(),
                    of("rules"),
                    of("asks"),
                    setup
                        .iptables
                        .lines()
                        .filter(|l| ["rpfilter", "MARK", "addrtype"].iter().any(|word| l.contains(word)))
                        .collect::<String>()
                )
            };
            if sent.said.is_some_and(|said| said != sent.packet.source) && tells_source(&rules.host, sent) {
                let (said, packet) = (sent.said, &sent.packet);
                tally.faults.push(format!("{packet:?}: said to be from {said:?}\n{}", told()));
            }
            compare(&walker, sent, fate, told, tally);
        }
    }

    /// A packet on one of the links, from any network to anything.
    fn by_link(&mut self, family: Family, host: &Host, port: u16, dice: &mut Random) -> Sent {
        let interface = dice.below(INTERFACES.len());
        self.next = self.next.wrapping_add(1).max(0x0700);
        let source = match dice.below(16) {
            0 => own(family, dice.below(2)),
            _ => address(family, dice.pick(&NETWORKS), self.next),
        };
        let source: IpAddr = source.parse().unwrap();
        let destination = destination(family, dice);
        let protocol = dice.pick(&[Protocol::Tcp, Protocol::Udp]);
        let client = match host.client_kind(source) {
            ClientKind::Node => ClientKind::Outside,
            client => client,
        };
        let mut packet = Packet::plain(protocol, source, destination, client);
        self.node.send(&packet, port, interface);
        let name = InterfaceName::new(INTERFACES[interface]);
        // The interface need not be given if routes show it.
        let is_told = host.interface_toward(source) == name && dice.one_in(2);
        packet.in_interface = name.filter(|_| !is_told);
        Sent { packet, port, fate: None, said: None }
    }

    fn by_node(&mut self, family: Family, host: &Host, port: u16, dice: &mut Random) -> Sent {
        let destination = destination(family, dice);
        let protocol = dice.pick(&[Protocol::Tcp, Protocol::Udp]);
        let mut packet = Packet::from_node(host, protocol, destination);
        let mut said = None;
        let fate = match self.node.open(destination, protocol, port) {
            Ok(source) => {
                said = Some(packet.source);
                packet.source = source;
                None
            }
            Err(error) => Some(Fate::Failed(error)),
        };
        Sent { packet, port, fate, said }
    }
}

/// Whether the way of a packet from the node is known, since its source depends on that.
fn tells_source(host: &Host, sent: &Sent) -> bool {
    let destination = sent.packet.destination.ip();
    let source = Some(sent.packet.family().unspecified());
    let asked = Lookup { source, destination, mark: Some(0), input: Some("lo") };
    matches!(host.network.route(&asked), Routed::By(_) | Routed::Local)
}

fn destination(family: Family, dice: &mut Random) -> SocketAddr {
    let ip = match dice.below(8) {
        0 => own(family, dice.below(2)),
        1..4 => address(family, CLUSTER_IPS, dice.below(NETWORKS.len() + 2) as u16 + 1),
        _ => address(family, dice.pick(&NETWORKS), dice.pick(&[0x0505, 0x0606])),
    };
    SocketAddr::new(ip.parse().unwrap(), 80)
}

fn compare(walker: &Walker<'_>, sent: &Sent, fate: Fate, told: impl Fn() -> String, tally: &mut Tally) {
    let outcomes = walker.walk(&sent.packet).unwrap();
    tally.packets += 1;
    let family = sent.packet.family();
    let is_own = sent.packet.client == ClientKind::Node;
    let fits = |outcome: &&Outcome<'_>| expect(outcome, family, is_own) == fate;
    let supposes = outcomes.iter().any(is_supposed);
    tally.assumed += usize::from(supposes);
    if outcomes.iter().find(fits).is_some() {
        tally.stopped += usize::from(fate == Fate::Stopped);
        tally.told += usize::from(matches!(fate, Fate::Told(..)));
        tally.failed += usize::from(matches!(fate, Fate::Failed(_)));
        return;
    }
    if supposes {
        tally.assumed_wrongly += 1;
        return;
    }
    let said: Vec<_> = outcomes.iter().map(|o| (expect(o, family, is_own), &o.given)).collect();
    let effects: Vec<_> = outcomes.iter().flat_map(|o| &o.steps).flat_map(|step| &step.effects).collect();
    tally.faults.push(format!("{:?}: {fate:?}; said {said:?} {effects:?}\n{}", sent.packet, told()));
}

/// Whether an outcome says that it depends on something unknown.
fn is_supposed(outcome: &Outcome<'_>) -> bool {
    let given = outcome.given.iter().any(|given| !matches!(given, Condition::Affinity { .. }));
    let mut effects = outcome.steps.iter().flat_map(|step| &step.effects);
    given || effects.any(|effect| matches!(effect, Effect::SourceNotChecked | Effect::WayNotKnown))
}

fn expect(outcome: &Outcome<'_>, family: Family, is_own: bool) -> Fate {
    let is_v4 = family == Family::Ipv4;
    match outcome.verdict {
        Verdict::Accept => Fate::Goes { to: outcome.destination, locally: outcome.delivered_locally },
        Verdict::Drop => Fate::Stopped,
        Verdict::Reject(answer) if is_own => Fate::Failed(match answer {
            Answer::NetworkUnreachable => nix::libc::ENETUNREACH,
            Answer::HostUnreachable => nix::libc::EHOSTUNREACH,
            Answer::Prohibited => nix::libc::EACCES,
            _ => nix::libc::EINVAL,
        }),
        Verdict::Reject(answer) => match answer {
            Answer::NetworkUnreachable if is_v4 => Fate::Told(3, 0),
            Answer::HostUnreachable if is_v4 => Fate::Told(3, 1),
            Answer::Prohibited if is_v4 => Fate::Told(3, 13),
            Answer::NetworkUnreachable => Fate::Told(1, 0),
            Answer::Prohibited => Fate::Told(1, 1),
            _ => Fate::Told(0, 0),
        },
    }
}
