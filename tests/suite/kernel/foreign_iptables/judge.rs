//! Sends packets past foreign rules and compares what happens to them with what the walk says.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use kuberules::capture::{self, Source};
use kuberules::net::Family;
use kuberules::node::{InterfaceName, NodeRules};
use kuberules::plan::Plan;
use kuberules::walk::{Answer, ClientKind, Condition, Host, Outcome, Packet, PodInterface, Verdict, Walker};
use kuberules::{iptables, ruleset::Ruleset};

use super::family::of_family;
use super::fragments::{Placed, Rules};
use super::sets;
use crate::kernel::trace::conntrack::End;
use crate::kernel::trace::flows::{Flow, flows};
use crate::kernel::trace::scenario::{Built, Rulesets, Scenario};
use crate::kernel::trace::world::{Tag, World};
use crate::support::random::Random;

/// Packets in one trial.
const PACKETS: usize = 60;
const FIRST_PORT: u16 = 10_000;

/// What happens to a packet, as far as it can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Goes { to: SocketAddr, rewritten: bool, locally: bool },
    Stopped,
    Refused,
}

#[derive(Default)]
pub(super) struct Tally {
    trials: usize,
    pub(super) packets: usize,
    dropped: usize,
    translated: usize,
    /// Left open although the rules decide it.
    pub(super) open: usize,
    /// Left open because it depends on something that is not known of the packet.
    not_told: usize,
    open_by: BTreeMap<String, usize>,
    refused_rules: BTreeMap<String, usize>,
    pub(super) faults: Vec<String>,
}

impl Tally {
    pub(super) fn words(&self) -> String {
        let unloadable: usize = self.refused_rules.values().sum();
        format!(
            "foreign iptables: {} rulesets ({unloadable} more that this kernel does not load), {} packets: {} wrong, {} left open ({} more that ask for what no packet tells); {} stopped, {} translated\n{}{}",
            self.trials,
            self.packets,
            self.faults.len(),
            self.open,
            self.not_told,
            self.dropped,
            self.translated,
            self.open_words(),
            self.refused_rules.iter().take(30).fold(String::new(), |mut all, (rule, count)| {
                let _ = writeln!(all, "  not loaded {count} times: {rule}");
                all
            }),
        )
    }

    pub(super) fn open_words(&self) -> String {
        let mut by: Vec<_> = self.open_by.iter().collect();
        by.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        by.into_iter().take(30).fold(String::new(), |mut all, (text, count)| {
            let _ = writeln!(all, "  open {count} times: {text}");
            all
        })
    }

    pub(super) fn shown(&self) -> String {
        let shown: Vec<&str> = self.faults.iter().take(25).map(String::as_str).collect();
        shown.join("\n")
    }
}

/// A node with kube-proxy's rules, to which foreign ones are added.
pub(super) struct Bench {
    world: World,
    host: Host,
    own: iptables::ruleset::Ruleset,
    flows: Vec<Flow>,
    family: Family,
    /// What `ipset save` lists.
    sets: String,
}

impl Bench {
    pub(super) fn new(scenario: &Scenario, family: Family) -> Bench {
        let built = Built::of(scenario);
        let plans: Vec<Plan<'_>> = built.plans();
        let host = Host { pod_interface: Some(PodInterface::Name("pods0".into())), ..built.host(&plans) };
        let rulesets = Rulesets::of(&plans);
        let world = World::new(&host, &rulesets.texts());
        let plan = plans.iter().find(|plan| plan.family() == family).unwrap();
        let flows = flows(&built, &host, plan, &world);
        let own = match Ruleset::compile(plan) {
            Ruleset::Iptables(own) => (*own).clone(),
            Ruleset::Nftables(..) => unreachable!("the case is of iptables mode"),
        };
        let sets = world.make_sets(&sets::script(family));
        Bench { world, host, own, flows, family, sets }
    }

    /// kube-proxy's rules with foreign ones among them, as input of iptables-restore.
    fn text(&self, rules: &Rules) -> String {
        let mut text = String::new();
        iptables::save::print(&self.own, &mut text);
        let mut out = String::new();
        for table in ["raw", "mangle", "security", "filter", "nat"] {
            let own = text.split('*').find(|part| part.starts_with(table)).unwrap_or_default();
            let own: Vec<&str> = own.lines().skip(1).take_while(|line| *line != "COMMIT").collect();
            let _ = writeln!(out, "*{table}");
            let (declared, appended): (Vec<&str>, Vec<&str>) =
                own.into_iter().partition(|line| line.starts_with(':'));
            declared.iter().for_each(|line| out += &format!("{line}\n"));
            for (_, chain) in rules.chains.iter().filter(|(of, _)| *of == table) {
                let _ = writeln!(out, ":{chain} - [0:0]");
            }
            let mine =
                |front: bool| rules.placed.iter().filter(move |p| p.table == table && p.front == front);
            let line = |p: &Placed| format!("-A {} {}\n", p.chain, of_family(&p.rule, self.family));
            mine(true).for_each(|p| out += &line(p));
            appended.iter().for_each(|line| out += &format!("{line}\n"));
            mine(false).for_each(|p| out += &line(p));
            out += "COMMIT\n";
        }
        out
    }

    pub(super) fn judge(&mut self, rules: &Rules, dice: &mut Random, tally: &mut Tally) {
        let text = self.text(rules);
        if let Err(told) = self.world.reload(self.family, &text) {
            let told = told.lines().next().unwrap_or_default().to_owned();
            let all: Vec<&str> = rules.placed.iter().map(|p| p.rule.as_str()).collect();
            *tally.refused_rules.entry(format!("{told}: {}", all.join(" | "))).or_default() += 1;
            return;
        }
        let listing = self.world.listing(self.family);
        let source = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
        let sources = [source("rules", &listing), source("sets", &self.sets)];
        let captured =
            capture::join(&sources, Some(self.family)).unwrap_or_else(|e| panic!("{e:?}\n{listing}"));
        let node = captured.node_rules(|_| self.host.clone());
        let node: NodeRules<'_> = match self.family {
            Family::Ipv4 => node.ipv4.unwrap(),
            Family::Ipv6 => node.ipv6.unwrap(),
        };
        let mut host = self.host.clone();
        captured.facts.tell(&mut host);
        let walker = Walker::new(&node.ruleset, &host);
        tally.trials += 1;
        let chosen: Vec<Flow> = (0..PACKETS).map(|_| dice.pick(&self.flows)).collect();
        let told = dice.one_in(2);
        let forgets = text.contains("-m recent");
        let mut tags: Vec<(Tag, Packet)> = Vec::new();
        for (number, flow) in chosen.iter().enumerate() {
            let port = FIRST_PORT + (number * 7) as u16 % 300;
            let mut packet = flow.packet;
            packet.source_port = told.then_some(port);
            packet.in_interface = match packet.client {
                ClientKind::LocalPod => InterfaceName::new("pods0"),
                ClientKind::RemotePod | ClientKind::Outside => InterfaceName::new("eth0"),
                ClientKind::Node => None,
            };
            tags.push(((packet.protocol.number(), port), packet));
        }
        let seen = self.send(&tags, forgets);
        let mut suspicious = Vec::new();
        for (entry, fate) in tags.iter().zip(seen) {
            if !self.compare(&walker, entry, fate, rules, tally, false) {
                suspicious.push(*entry);
            }
        }
        let seen = self.send(&suspicious, forgets);
        for (entry, fate) in suspicious.iter().zip(seen) {
            self.compare(&walker, entry, fate, rules, tally, true);
        }
        if text.contains("-j SET") {
            // As they were before packets changed them.
            self.sets = self.world.make_sets(&sets::script(self.family));
        }
    }

    fn send(&mut self, tags: &[(Tag, Packet)], forgets: bool) -> Vec<Fate> {
        if tags.is_empty() {
            return Vec::new();
        }
        for ((_, port), packet) in tags {
            if forgets {
                self.world.forget_clients(&[]);
            }
            self.world.send(packet, *port);
        }
        let (connections, refused) = self.world.end_batch();
        let untracked = self.world.end_untracked();
        let fate = |(tag, packet): &(Tag, Packet)| match connections.get(tag) {
            Some(connection) if connection.end != End::Lost => Fate::Goes {
                to: self.own_for_its_link(connection.reply.0),
                rewritten: connection.reply.1 != connection.original.0,
                locally: connection.end == End::OnTheNode,
            },
            // The node itself refuses packets to a port on which nothing listens: that the packet arrived counts first.
            _ => match untracked.get(tag) {
                Some(end) => {
                    Fate::Goes { to: packet.destination, rewritten: false, locally: *end == End::OnTheNode }
                }
                None if refused.contains(tag) => Fate::Refused,
                None => Fate::Stopped,
            },
        };
        tags.iter().map(fate).collect()
    }

    /// Replaces the link-local address of an interface, which REDIRECT uses if there is no other, by the node's
    /// address.
    fn own_for_its_link(&self, to: SocketAddr) -> SocketAddr {
        match (to, self.host.primary_address(self.family)) {
            (SocketAddr::V6(link), Some(own)) if link.ip().is_unicast_link_local() => {
                SocketAddr::new(own, link.port())
            }
            _ => to,
        }
    }

    /// Whether what was seen agrees with what was predicted; a disagreement counts if it is final.
    fn compare(
        &self,
        walker: &Walker<'_>,
        (tag, packet): &(Tag, Packet),
        fate: Fate,
        rules: &Rules,
        tally: &mut Tally,
        is_final: bool,
    ) -> bool {
        let outcomes = walker.walk(packet).unwrap_or_else(|error| panic!("{error}: {rules:?}"));
        let possible: Vec<&Outcome<'_>> =
            outcomes.iter().filter(|outcome| outcome.given.iter().all(|c| holds(c, tag.1))).collect();
        let own_address = packet.client == ClientKind::Node;
        let fits = |outcome: &&&Outcome<'_>| {
            let expected = expect(outcome);
            // Rules can also stop the answer.
            let answer_stopped = expected == Fate::Refused && fate == Fate::Stopped;
            // It leaves the node, and the next one drops it (net/ipv6/ip6_input.c, `ip6_rcv_core`).
            let stopped_next = expected == Fate::Stopped
                && packet.source == IpAddr::V6(Ipv6Addr::LOCALHOST)
                && matches!(fate, Fate::Goes { locally: false, .. });
            // The refusal passes over `lo` as well, where CONNMARK removes the mark that shows where the packet
            // arrived.
            let mark_lost = fate == Fate::Refused
                && matches!(expected, Fate::Goes { locally: true, .. })
                && own_address
                && rules.placed.iter().any(|placed| placed.rule.contains("-j CONNMARK"));
            expected == fate
                || answer_stopped
                || stopped_next
                || mark_lost
                || (own_address && differ_in_source(expected, fate))
        };
        let Some(found) = possible.iter().find(fits) else {
            if !is_final {
                return false;
            }
            let said: Vec<String> = outcomes
                .iter()
                .map(|o| format!("{:?} {} given {:?}", expect(o), o.chance, words(o)))
                .collect();
            let placed: Vec<String> = rules
                .placed
                .iter()
                .map(|p| {
                    format!("{} {} {} {}", p.table, p.chain, if p.front { "front" } else { "behind" }, p.rule)
                })
                .collect();
            tally.packets += 1;
            tally.faults.push(format!(
                "{} {} ({}) port {} -> {}: {fate:?}; said {}; rules {placed:#?}",
                packet.protocol.lower_name(),
                packet.source,
                packet.client.words(),
                tag.1,
                packet.destination,
                said.join(", "),
            ));
            return false;
        };
        tally.packets += 1;
        tally.dropped += usize::from(matches!(fate, Fate::Stopped | Fate::Refused));
        tally.translated += usize::from(matches!(fate, Fate::Goes { to, .. } if to != packet.destination));
        let expected = expect(found);
        let conditional = possible.iter().any(|outcome| {
            expect(outcome) != expected && outcome.given.iter().chain(&found.given).any(is_open)
        });
        if conditional {
            let texts: Vec<String> = possible.iter().flat_map(|o| words(o)).collect();
            let has = |target: &str| rules.placed.iter().any(|placed| placed.rule.contains(target));
            let is_not_told = |text: &String| {
                NOT_TOLD.iter().any(|module| text.contains(module))
                    || text.contains("-m set") && has("-j SET")
                    || text.contains("mark") && ["-j HMARK", "-j NFQUEUE", "-j TPROXY"].into_iter().any(has)
            };
            if texts.iter().all(is_not_told) {
                tally.not_told += 1;
            } else {
                tally.open += 1;
                let text = texts.into_iter().next().unwrap_or_default();
                *tally.open_by.entry(text).or_default() += 1;
            }
        }
        true
    }
}

/// What is not known of any packet here.
const NOT_TOLD: [&str; 29] = [
    "-m ttl",
    "-m hl",
    "-m length",
    "-m dscp",
    "-m owner",
    "-m u32",
    "-m physdev",
    "source port",
    "-m bpf",
    "-m string",
    "-m mac",
    "-m cgroup",
    "-m realm",
    "-m policy",
    "-m socket",
    "-m cpu",
    "-m devgroup",
    "-m connbytes",
    "-m connlabel",
    "-m osf",
    "-m time",
    "-m tcpmss",
    "--tcp-option",
    "-m ecn",
    "-m tos",
    "-m helper",
    "NFQUEUE",
    "TPROXY",
    "SYNPROXY",
];

fn is_open(condition: &Condition<'_>) -> bool {
    condition.is_not_known()
}

fn words(outcome: &Outcome<'_>) -> Vec<String> {
    outcome
        .given
        .iter()
        .filter(|condition| is_open(condition))
        .map(|condition| match condition {
            Condition::Opaque { text, matches, .. } => format!("{text} {matches}"),
            Condition::Verdict { text, .. } => text.to_string(),
            _ => String::new(),
        })
        .collect()
}

/// Whether a condition holds in this setup, as far as it is about interfaces: the outside is reached by eth0.
fn holds(condition: &Condition<'_>, source_port: u16) -> bool {
    let Condition::Opaque { text, matches, .. } = condition else { return true };
    if let Some(ranges) = text.strip_prefix("source port ") {
        let within = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            (first.parse().unwrap()..=last.parse::<u16>().unwrap()).contains(&source_port)
        };
        return ranges.split(", ").flat_map(|part| part.split(" or ")).any(within) == *matches;
    }
    let Some(names) = text.strip_prefix("out interface ") else { return true };
    let fits = |name: &str| match name.strip_suffix('+') {
        Some(prefix) => "eth0".starts_with(prefix),
        None => name == "eth0",
    };
    names.split(", ").flat_map(|part| part.split(" or ")).any(fits) == *matches
}

fn expect(outcome: &Outcome<'_>) -> Fate {
    match outcome.verdict {
        Verdict::Accept => Fate::Goes {
            to: outcome.destination,
            rewritten: outcome.snat,
            locally: outcome.delivered_locally,
        },
        Verdict::Drop | Verdict::Reject(Answer::TcpReset) => Fate::Stopped,
        Verdict::Reject(_) => Fate::Refused,
    }
}

/// Rewriting the node's own address to itself only shows in the port, and only if that changes.
fn differ_in_source(a: Fate, b: Fate) -> bool {
    match (a, b) {
        (Fate::Goes { to: a, locally: here, .. }, Fate::Goes { to: b, locally: there, .. }) => {
            a == b && here == there
        }
        _ => false,
    }
}
