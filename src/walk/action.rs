//! What rules do with a packet.

use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;

use super::chance::Chance;
use super::error::WalkError;
use super::evaluator::{Decision, Evaluator, Next, Walked, go_to};
use super::hooks::{is_martian, output_of, translates_destination};
use super::marks::Mark;
use super::nftables::verdict_action;
use super::outcome::{Effect, Hook, Supposition, Verdict};
use super::packet::{Tracking, View};
use super::packet_state::{Frame, PacketState, RulePosition, attach_template};
use super::port_choice::PortChoice;
use super::questions::{Question, RuleText};
use super::rule_part::{Action, ChainId};
use super::set_index::Lookup;
use crate::net::{Cidr, Family, Port, Protocol};
use crate::nftables::ruleset::{Bound, Element, MapValue};

impl<'r> Evaluator<'_, 'r> {
    pub(super) fn apply(
        &mut self,
        state: &mut PacketState<'r>,
        action: Action<'r>,
        position: RulePosition,
    ) -> Walked<Next> {
        match action {
            Action::Continue => Ok(Next::Part),
            Action::Accept => {
                self.note(state, position, Effect::Accept);
                state.frames.clear();
                Ok(Next::Elsewhere)
            }
            Action::Drop => Ok(self.finish(state, position, Effect::Drop, Verdict::Drop)),
            Action::Reject(answer) => {
                Ok(self.finish(state, position, Effect::Reject(answer), Verdict::Reject(answer)))
            }
            Action::Return => {
                self.note(state, position, Effect::Return);
                Ok(if self.end_of_chain(state) { Next::Elsewhere } else { Next::Gone })
            }
            Action::Jump(chain) => self.jump(state, chain, position),
            Action::Goto(chain) => self.goto(state, chain, position),
            Action::SetMark { keep, flip } => {
                let mark = Mark::of_packet(&state.view).altered(keep, flip);
                Ok(self.mark_packet(state, mark, position))
            }
            Action::Mark { of, keep, other, flip } => {
                Ok(self.mark_either(state, (of, keep, other, flip), position))
            }
            Action::MarkUnknown => Ok(self.mark_packet(state, Mark::UNKNOWN, position)),
            Action::OrMark(bits) => {
                let mark = Mark::of_packet(&state.view).altered(!bits, bits);
                Ok(self.mark_packet(state, mark, position))
            }
            Action::Remember(list) => Ok(self.note_on(state, position, Effect::Remember(list))),
            Action::List(listing, negated) => Ok(self.put_on_list(state, (listing, negated), position)),
            Action::Template => {
                attach_template(state);
                Ok(Next::Part)
            }
            Action::Untrack => {
                // What is tracked already stays so.
                state.untracked |= state.view.tracking == Tracking::NotYet;
                Ok(self.note_on(state, position, Effect::Untrack))
            }
            _ => self.apply_translation(state, action, position),
        }
    }

    fn apply_translation(
        &mut self,
        state: &mut PacketState<'r>,
        action: Action<'r>,
        position: RulePosition,
    ) -> Walked<Next> {
        match action {
            Action::Dnat(to) => Ok(self.dnat(state, to, position)),
            Action::Redirect(port) => Ok(self.redirect(state, port.map(Port::get), position)),
            Action::Masquerade(choice) => Ok(self.masquerade(state, choice, position)),
            Action::Statement(statement) => self.perform(state, statement, position),
            Action::Snat => {
                self.note(state, position, Effect::Snat);
                Ok(self.source_translated(state, true, PortChoice::UNKNOWN))
            }
            Action::SnatTo(to) => Ok(self.snat_to(state, to, position)),
            Action::DnatTo(to) => self.dnat_to(state, to, position),
            Action::RedirectTo(first, last, random) => {
                self.redirect_to(state, (first, last, random), position)
            }
            Action::ToSocket(text) | Action::ToProgram(text) => self.hand_over(state, text, position),
            Action::Netmap(net) if translates_destination(state.phase.hook()) => {
                let to = state.view.destination;
                Ok(self.dnat(state, SocketAddr::new(in_network(to.ip(), net), to.port()), position))
            }
            Action::Netmap(net) => {
                self.note(state, position, Effect::Snat);
                state.view.source = in_network(state.view.source, net);
                Ok(self.source_translated(state, true, PortChoice::default()))
            }
            // In a table of both families nft asks for the family first.
            Action::RandomDnat(_, destinations)
                if destinations.iter().any(|(_, to)| Family::of(to.ip()) != self.family) =>
            {
                Ok(self.pass_over(state, position))
            }
            Action::RandomDnat(modulus, destinations) => {
                let actions = destinations.iter().map(|(number, to)| (*number, Action::Dnat(*to)));
                self.one_of(state, modulus, actions, position)
            }
            Action::RandomVerdict(modulus, verdicts) => {
                let actions = verdicts.iter().map(|(number, verdict)| (*number, verdict_action(verdict)));
                self.one_of(state, modulus, actions, position)
            }
            Action::VerdictMap(key, map) => {
                let found = self.program.look_up(position.chain, map, key, &state.view);
                self.mapped(state, found, map, position)
            }
            Action::Proxy(_) if state.view.protocol != Protocol::Tcp => Ok(self.pass_over(state, position)),
            Action::Unknown(text) | Action::Proxy(text) => self.unknown_target(state, text, position),
            Action::Rewrite => Err(self.no_rewrite(position)),
            Action::Expire(text) => self.expire(state, text, position),
            _ => Ok(Next::Part),
        }
    }

    pub(super) fn dnat(
        &mut self,
        state: &mut PacketState<'r>,
        to: SocketAddr,
        position: RulePosition,
    ) -> Next {
        if !translates_destination(state.phase.hook()) {
            self.note(state, position, Effect::Dnat(to));
            return Next::Part;
        }
        // Numbered all the same, so that all others wait in the same order.
        let class = self.class_of(to);
        if self.only.as_ref().is_some_and(|only| !only.contains(&to)) {
            self.element = None;
            return Next::Gone;
        }
        self.note(state, position, Effect::Dnat(to));
        // What stays as it is does not count as translated (net/netfilter/nf_nat_core.c, `nf_nat_setup_info`).
        state.view.translated |= state.view.destination != to;
        state.view.destination = to;
        state.class = class;
        state.bound = true;
        state.routed_for = None;
        state.frames.clear();
        if state.phase.hook() == Hook::Output {
            // The packet is routed again at once, but later chains of this hook still see the old interface.
            let output = output_of(self.host, &state.view);
            if is_martian(self.host, &View { output, ..state.view }) {
                self.martian(state);
                return Next::Gone;
            }
        }
        Next::Elsewhere
    }

    /// Goes every one of the branches of a random choice; a number that is missing means that the rule does not apply.
    pub(super) fn one_of(
        &mut self,
        state: &mut PacketState<'r>,
        modulus: u32,
        choices: impl Iterator<Item = (u32, Action<'r>)>,
        position: RulePosition,
    ) -> Walked<Next> {
        let each = Chance::of(1, u64::from(modulus));
        let mut others = u64::from(modulus);
        let mut branches = Vec::new();
        for (_, action) in choices.filter(|(number, _)| *number < modulus) {
            let mut branch = Box::new(state.clone());
            branch.chance = state.chance.times(each);
            go_to(&mut branch, position.rule, position.part);
            if let Some(frame) = branch.frames.last_mut() {
                frame.chance = (modulus > 1).then_some(each);
            }
            branches.push((branch, action));
            others = others.saturating_sub(1);
        }
        if others > 0 {
            let mut branch = Box::new(state.clone());
            branch.chance = state.chance.times(Chance::of(others, u64::from(modulus)));
            go_to(&mut branch, position.rule + 1, 0);
            self.pending.push(branch);
        }
        for (mut branch, action) in branches {
            match self.apply(&mut branch, action, position)? {
                Next::Part => {
                    go_to(&mut branch, position.rule, position.part + 1);
                    self.pending.push(branch);
                }
                Next::Elsewhere => self.pending.push(branch),
                Next::Gone => (),
            }
        }
        Ok(Next::Gone)
    }

    fn mapped(
        &mut self,
        state: &mut PacketState<'r>,
        found: Lookup<'r>,
        map: &'r str,
        position: RulePosition,
    ) -> Walked<Next> {
        let element = match found {
            Lookup::Hit(element) => element,
            Lookup::Miss | Lookup::Absent => return Ok(self.pass_over(state, position)),
            Lookup::Limited { element, bound } => match self.counts(state, element, bound, position) {
                Some(true) => element,
                Some(false) => return Ok(self.pass_over(state, position)),
                None => return Ok(Next::Gone),
            },
            Lookup::NoSuchSet => return Err(self.no_such_set(position, map)),
            Lookup::Maybe(element) => match self.asked(state, Question::Part(position), map, position) {
                Some(true) => element,
                Some(false) => return Ok(self.pass_over(state, position)),
                None => return Ok(Next::Gone),
            },
        };
        self.element = Some(element);
        match &element.value {
            Some(MapValue::Verdict(verdict)) => self.apply(state, verdict_action(verdict), position),
            Some(MapValue::Opaque(text)) => self.unknown_target(state, text.as_str(), position),
            Some(MapValue::Data(_)) | None => Ok(self.pass_over(state, position)),
        }
    }

    /// Whether an element with a limit of its own counts; none where branches for both answers are pending.
    pub(super) fn counts(
        &mut self,
        state: &PacketState<'r>,
        element: &'r Element,
        Bound { over, is_reached }: Bound,
        position: RulePosition,
    ) -> Option<bool> {
        let text = element.opaque.as_deref().unwrap_or_default();
        if is_reached {
            return Some(over);
        }
        let usual = Question::Usual(Supposition::WithinLimit, position);
        self.asked(state, usual, text, position).map(|within| within != over)
    }

    /// The answer to a question; none where it is open, and branches for both answers are pending.
    pub(super) fn asked(
        &mut self,
        state: &PacketState<'r>,
        question: Question<'r>,
        text: impl Into<RuleText<'r>>,
        position: RulePosition,
    ) -> Option<bool> {
        let (question, yes) = self.yes_no(question, text, position);
        match self.decided(state, question, std::slice::from_ref(&yes)) {
            Decision::Group(group) => Some(group.is_some()),
            Decision::Open => {
                self.fork_open(state, question, &[yes], position);
                None
            }
        }
    }

    fn pass_over(&mut self, state: &mut PacketState<'r>, position: RulePosition) -> Next {
        go_to(state, position.rule + 1, 0);
        Next::Elsewhere
    }

    fn jump(&mut self, state: &mut PacketState<'r>, name: &'r str, position: RulePosition) -> Walked<Next> {
        let chain = self.target(name, position)?;
        let before = state.path;
        self.note(state, position, Effect::Jump(name));
        go_to(state, position.rule + 1, 0);
        let mut called = Frame::begin(chain, state);
        called.before = before;
        state.frames.push(called);
        if state.frames.len() > self.program.deepest() {
            let (table, chain) = self.names(position);
            return Err(WalkError::TooDeep { table, chain });
        }
        Ok(Next::Elsewhere)
    }

    /// The chain replaces the one that is left.
    fn goto(&mut self, state: &mut PacketState<'r>, name: &'r str, position: RulePosition) -> Walked<Next> {
        let chain = self.target(name, position)?;
        self.note(state, position, Effect::Goto(name));
        if let Some(frame) = state.frames.last_mut() {
            frame.chain = chain;
            frame.gotos += 1;
            if frame.gotos > self.program.chain_count() {
                return Err(WalkError::Endless);
            }
        }
        go_to(state, 0, 0);
        Ok(Next::Elsewhere)
    }

    fn target(&self, name: &str, position: RulePosition) -> Walked<ChainId> {
        self.program.target(position.chain, position.rule, name).ok_or_else(|| {
            let (table, chain) = self.names(position);
            let target = name.into();
            WalkError::NoSuchChain { table, chain, target }
        })
    }

    pub(super) fn no_such_set(&self, position: RulePosition, set: &str) -> WalkError {
        let (table, chain) = self.names(position);
        let set = set.into();
        WalkError::NoSuchSet { table, chain, set }
    }

    pub(super) fn names(&self, position: RulePosition) -> (CompactString, CompactString) {
        match self.program.rule_ref(position.chain, Some(position.rule)) {
            Some(rule) => (rule.table_name(), rule.chain_name().into()),
            None => Default::default(),
        }
    }
}

/// The address with the same host part in another network.
pub(super) fn in_network(ip: IpAddr, net: Cidr) -> IpAddr {
    match (ip, net.network()) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let host_part = u32::MAX.checked_shr(u32::from(net.length())).unwrap_or(0);
            IpAddr::V4((u32::from(network) | (u32::from(ip) & host_part)).into())
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let host_part = u128::MAX.checked_shr(u32::from(net.length())).unwrap_or(0);
            IpAddr::V6((u128::from(network) | (u128::from(ip) & host_part)).into())
        }
        _ => ip,
    }
}
