//! Sends packets, reads what happened to them, and compares that with what `walk` says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use kuberules::net::Family;
use kuberules::walk::{Answer, ClientKind, Condition, Effect, Host, Outcome, Packet, Verdict, Walker};

use super::conntrack::End;
use super::flows::{Flow, flows};
use super::scenario::{Built, Rulesets, Scenario};
use super::world::{Tag, World};

/// Less likely outcomes need not be seen.
const LIKELY: f64 = 0.05;

/// The chance of not seeing a likely outcome although it is as likely as predicted; with up to 200,000 outcomes, the
/// chance that this happens at all is one in a million.
const MISSED: f64 = 1e-6 / 200_000.0;

const FIRST_PORT: u16 = 10_000;
const BATCH: usize = 50_000;

/// What happens to a packet, as far as it can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Goes { to: SocketAddr, rewritten: bool, locally: bool },
    Dropped,
    Refused,
}

/// An outcome that walk predicts.
#[derive(Debug)]
struct Expected {
    fate: Fate,
    chance: f64,
    /// The list that must have the client.
    known_by: Option<String>,
    /// Lists that have the client from now on.
    remembers: Vec<String>,
    seen: usize,
}

struct Judged {
    flow: Flow,
    expected: Vec<Expected>,
    /// What was not predicted.
    surprises: BTreeMap<Fate, usize>,
    tries: usize,
}

/// Sizes of what was judged.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) packets: usize,
    pub(crate) flows: usize,
    pub(crate) outcomes: usize,
    pub(crate) unseen: usize,
    pub(crate) agreements: usize,
    pub(crate) disagreements: usize,
    /// Packets that were sent elsewhere than where they were addressed.
    pub(crate) translated: usize,
    /// Packets that got through with another source.
    pub(crate) rewritten: usize,
    pub(crate) refused: usize,
    pub(crate) dropped: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.packets += other.packets;
        self.flows += other.flows;
        self.outcomes += other.outcomes;
        self.unseen += other.unseen;
        self.agreements += other.agreements;
        self.disagreements += other.disagreements;
        self.translated += other.translated;
        self.rewritten += other.rewritten;
        self.refused += other.refused;
        self.dropped += other.dropped;
    }
}

/// Something to do, in order.
#[derive(Clone, Copy)]
enum Event {
    Send(usize),
    /// Makes the node forget all clients.
    Forget,
}

/// Judges a scenario; the texts say what is wrong.
pub(crate) fn judge(scenario: &Scenario) -> (Tally, Vec<String>) {
    let built = Built::of(scenario);
    let plans = built.plans();
    let host = built.host(&plans);
    let rulesets = Rulesets::of(&plans);
    let world = World::new(&host, &rulesets.texts());
    let mut flows_judged = Vec::new();
    for plan in &plans {
        let walker = rulesets.walker(plan.family(), &host).unwrap();
        let flows = flows(&built, &host, plan, &world);
        flows_judged.extend(flows.into_iter().map(|flow| predict(&walker, flow)));
    }
    let sets = affinity_sets(&rulesets, &flows_judged);
    let mut judge = Judge {
        world,
        host: &host,
        flows: flows_judged,
        sets,
        known: BTreeMap::new(),
        tally: Tally::default(),
    };
    judge.plain_flows();
    judge.flows_with_affinity();
    judge.report(&scenario.name())
}

fn predict(walker: &Walker<'_>, flow: Flow) -> Judged {
    let outcomes = walker.walk(&flow.packet).unwrap();
    let mut expected: Vec<Expected> = Vec::new();
    for next in outcomes.iter().map(expect) {
        let like = expected.iter_mut().find(|e| e.fate == next.fate && e.known_by == next.known_by);
        match like {
            Some(like) => like.chance += next.chance,
            None => expected.push(next),
        }
    }
    Judged { flow, expected, surprises: BTreeMap::new(), tries: 0 }
}

fn expect(outcome: &Outcome<'_>) -> Expected {
    let mut known_by = outcome.given.iter().map(|condition| match condition {
        Condition::Affinity { list, .. } => list.to_string(),
        Condition::Opaque { text, .. }
        | Condition::Verdict { text, .. }
        | Condition::Order { text, .. }
        | Condition::Several { text, .. }
        | Condition::Supposed { text, .. } => {
            panic!("kube-proxy's own rules are understood, not {text}")
        }
    });
    let effects = outcome.steps.iter().flat_map(|step| &step.effects);
    let remembers = effects.filter_map(|effect| match effect {
        Effect::Remember(list) => Some((*list).to_owned()),
        _ => None,
    });
    Expected {
        fate: match outcome.verdict {
            Verdict::Accept => Fate::Goes {
                to: outcome.destination,
                rewritten: outcome.snat,
                locally: outcome.delivered_locally,
            },
            Verdict::Drop => Fate::Dropped,
            Verdict::Reject(Answer::PortUnreachable) => Fate::Refused,
            Verdict::Reject(other) => panic!("kube-proxy never answers with {other:?}"),
        },
        chance: outcome.chance.as_f64(),
        known_by: known_by.next_back(),
        remembers: remembers.collect(),
        seen: 0,
    }
}

impl Judged {
    fn has_affinity(&self) -> bool {
        self.expected.iter().any(|expected| !expected.remembers.is_empty() || expected.known_by.is_some())
    }

    /// What must be seen: what a first contact leads to with enough probability, and what follows from that.
    fn likely(&self) -> impl Iterator<Item = &Expected> {
        let first = |expected: &&Expected| expected.known_by.is_none() && expected.chance >= LIKELY;
        let firsts = self.expected.iter().filter(first);
        let lists: BTreeSet<&String> = firsts.flat_map(|expected| &expected.remembers).collect();
        let follows = move |expected: &&Expected| {
            expected.known_by.as_ref().is_some_and(|list| lists.contains(list)) && expected.chance >= LIKELY
        };
        self.expected.iter().filter(move |expected| first(expected) || follows(expected))
    }

    /// How often to send the packet so that every likely outcome is seen.
    fn tries_needed(&self) -> usize {
        let first = self.expected.iter().filter(|e| e.known_by.is_none() && e.chance >= LIKELY);
        let rarest = first.map(|expected| expected.chance).fold(1.0, f64::min);
        if rarest > 1.0 - 1e-9 {
            // All rare outcomes, or only one.
            return if self.expected.len() > 1 { 20 } else { 1 };
        }
        (MISSED.ln() / (1.0 - rarest).ln()).ceil() as usize
    }

    /// Counts what was seen. `known` are the lists that have the client; what it adds to them is returned.
    fn count(&mut self, fate: Fate, known: &BTreeSet<String>) -> Option<Vec<String>> {
        self.tries += 1;
        let listed =
            |expected: &Expected| expected.known_by.as_ref().is_some_and(|list| known.contains(list));
        let is_known = self.expected.iter().any(listed);
        let forgotten = !is_known || self.flow.forgets_soon;
        let first = |expected: &Expected| expected.known_by.is_none() && forgotten;
        let find = |possible: &dyn Fn(&Expected) -> bool| {
            self.expected.iter().position(|expected| expected.fate == fate && possible(expected))
        };
        match find(&listed).or_else(|| find(&first)).and_then(|found| self.expected.get_mut(found)) {
            Some(expected) => {
                expected.seen += 1;
                Some(expected.remembers.clone())
            }
            None => {
                *self.surprises.entry(fate).or_default() += 1;
                None
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        let packet = &self.flow.packet;
        let head = format!(
            "{} {} ({}) -> {}",
            packet.protocol.lower_name(),
            packet.source,
            packet.client.words(),
            packet.destination
        );
        let predicted: Vec<String> = self.expected.iter().map(Expected::words).collect();
        let surprises = self.surprises.iter().map(|(fate, count)| {
            format!("{head}: {fate:?} {count} of {} times; predicted: {}", self.tries, predicted.join(", "))
        });
        let unseen = self
            .likely()
            .filter(|expected| expected.seen == 0)
            .map(|expected| format!("{head}: not seen in {} tries: {}", self.tries, expected.words()));
        surprises.chain(unseen).collect()
    }
}

impl Expected {
    fn words(&self) -> String {
        let known = self.known_by.as_ref().map(|list| format!(" if on {list}")).unwrap_or_default();
        format!("{:?} {:.3}{known}", self.fate, self.chance)
    }
}

fn affinity_sets(rulesets: &Rulesets, flows: &[Judged]) -> Vec<String> {
    let lists = flows.iter().flat_map(|judged| {
        let family = judged.flow.packet.family();
        let lists = judged.expected.iter().flat_map(|expected| &expected.remembers);
        lists.map(move |list| (family, list))
    });
    let lists: BTreeSet<(Family, &String)> = lists.collect();
    lists.into_iter().filter_map(|(family, list)| rulesets.set_name(family, list)).collect()
}

struct Judge<'h> {
    world: World,
    host: &'h Host,
    flows: Vec<Judged>,
    /// Sets of nftables that remember clients.
    sets: Vec<String>,
    /// Lists on which clients are.
    known: BTreeMap<IpAddr, BTreeSet<String>>,
    tally: Tally,
}

impl Judge<'_> {
    fn plain_flows(&mut self) {
        let tries: Vec<(usize, usize)> = (self.flows.iter().enumerate())
            .filter(|(_, judged)| !judged.has_affinity())
            .map(|(number, judged)| (number, judged.tries_needed()))
            .collect();
        let most = tries.iter().map(|(_, tries)| *tries).max().unwrap_or(0);
        let round = |n: usize| tries.iter().filter(move |(_, tries)| *tries > n);
        let events = (0..most).flat_map(|n| round(n).map(|(number, _)| Event::Send(*number))).collect();
        self.work_through(events);
    }

    /// Every flow twice while no clients are known: the second packet must follow the first. Then all in a row, so that
    /// addresses of a Service share known clients.
    fn flows_with_affinity(&mut self) {
        let mut slots: Vec<Vec<usize>> = Vec::new();
        let mut places: BTreeMap<(IpAddr, Option<usize>), usize> = BTreeMap::new();
        for (number, judged) in self.flows.iter().enumerate().filter(|(_, judged)| judged.has_affinity()) {
            let place = places.entry((judged.flow.packet.source, judged.flow.service)).or_default();
            if slots.len() == *place {
                slots.push(Vec::new());
            }
            slots[*place].push(number);
            *place += 1;
        }
        let mut events = Vec::new();
        for slot in &slots {
            let tries = slot.iter().map(|number| self.flows[*number].tries_needed()).max().unwrap_or(0);
            for n in 0..tries {
                events.push(Event::Forget);
                let needing = slot.iter().filter(|number| self.flows[**number].tries_needed() > n);
                events.extend(needing.flat_map(|number| [Event::Send(*number); 2]));
            }
        }
        events.push(Event::Forget);
        events.extend((0..2).flat_map(|_| slots.iter().flatten().map(|number| Event::Send(*number))));
        self.work_through(events);
    }

    fn work_through(&mut self, events: Vec<Event>) {
        for batch in events.chunks(BATCH) {
            let suspicious = self.batch(batch);
            self.again(&suspicious);
        }
    }

    /// Sends a batch and counts what happened to it, except for the packets returned, which may have been lost.
    fn batch(&mut self, batch: &[Event]) -> Vec<usize> {
        let fates = self.send(batch);
        let mut fates = fates.into_iter();
        let mut suspicious = Vec::new();
        for event in batch {
            match event {
                Event::Forget => self.known.clear(),
                Event::Send(number) => {
                    let fate = fates.next().unwrap();
                    if self.is_suspicious(*number, fate) {
                        suspicious.push(*number);
                    } else {
                        self.count(*number, fate);
                    }
                }
            }
        }
        suspicious
    }

    fn count(&mut self, number: usize, fate: Fate) {
        let judged = &mut self.flows[number];
        match fate {
            Fate::Goes { to, rewritten, .. } => {
                self.tally.translated += usize::from(to != judged.flow.packet.destination);
                self.tally.rewritten += usize::from(rewritten);
            }
            Fate::Refused => self.tally.refused += 1,
            Fate::Dropped => self.tally.dropped += 1,
        }
        let known = self.known.entry(judged.flow.packet.source).or_default();
        match judged.count(fate, known) {
            Some(remembered) => {
                known.extend(remembered);
                self.tally.agreements += 1;
            }
            None => self.tally.disagreements += 1,
        }
    }

    fn send(&mut self, batch: &[Event]) -> Vec<Fate> {
        let mut sent: Vec<(Tag, Packet)> = Vec::new();
        for event in batch {
            match event {
                Event::Forget => self.world.forget_clients(&self.sets),
                Event::Send(number) => {
                    let packet = self.flows[*number].flow.packet;
                    let port = FIRST_PORT + u16::try_from(sent.len()).unwrap();
                    self.world.send(&packet, port);
                    sent.push(((packet.protocol.number(), port), packet));
                }
            }
        }
        self.tally.packets += sent.len();
        let (connections, refused) = self.world.end_batch();
        let fate = |(tag, packet): (Tag, Packet)| match connections.get(&tag) {
            Some(connection) if connection.end != End::Lost => {
                let original = (SocketAddr::new(packet.source, tag.1), packet.destination);
                assert_eq!(connection.original, original, "a connection of somebody else");
                Fate::Goes {
                    to: connection.reply.0,
                    rewritten: connection.reply.1 != connection.original.0,
                    locally: connection.end == End::OnTheNode,
                }
            }
            _ if refused.contains(&tag) => Fate::Refused,
            _ => Fate::Dropped,
        };
        sent.into_iter().map(fate).collect()
    }

    /// Whether chance rather than the rules can be the cause: the packet was lost on a busy machine; the node's own
    /// address was rewritten to itself, with a new port that happens to be the old one; it was not to be rewritten, but
    /// another connection had this port.
    fn is_suspicious(&self, number: usize, fate: Fate) -> bool {
        let judged = &self.flows[number];
        let predicted = |fate| judged.expected.iter().any(|expected| expected.fate == fate);
        match fate {
            Fate::Dropped => !predicted(fate),
            Fate::Goes { to, rewritten, locally } if judged.flow.packet.client == ClientKind::Node => {
                !predicted(fate) && predicted(Fate::Goes { to, rewritten: !rewritten, locally })
            }
            _ => false,
        }
    }

    /// Sends suspicious packets again; now the result counts.
    fn again(&mut self, suspicious: &[usize]) {
        for chunk in suspicious.chunks(BATCH / 2) {
            let events: Vec<Event> =
                chunk.iter().flat_map(|number| [Event::Forget, Event::Send(*number)]).collect();
            let events = if self.sets.is_empty() && chunk.iter().all(|n| !self.flows[*n].has_affinity()) {
                chunk.iter().map(|number| Event::Send(*number)).collect()
            } else {
                events
            };
            let fates = self.send(&events);
            self.known.clear();
            for (number, fate) in chunk.iter().zip(fates) {
                self.known.clear();
                self.count(*number, fate);
            }
            self.known.clear();
        }
        if !suspicious.is_empty() {
            self.world.forget_clients(&self.sets);
        }
    }

    fn report(self, name: &str) -> (Tally, Vec<String>) {
        let mut tally = self.tally;
        tally.flows = self.flows.len();
        tally.outcomes = self.flows.iter().map(|judged| judged.likely().count()).sum();
        let unseen = |judged: &Judged| judged.likely().filter(|expected| expected.seen == 0).count();
        tally.unseen = self.flows.iter().map(unseen).sum();
        let faults = self.flows.iter().flat_map(Judged::lines);
        let route_localnet = self.host.route_localnet;
        (tally, faults.map(|line| format!("{name} (route_localnet {route_localnet}): {line}")).collect())
    }
}
