//! What rules do with a packet.

use std::net::SocketAddr;

use compact_str::CompactString;

use super::chance::Chance;
use super::error::WalkError;
use super::hooks::{is_martian, output_of, translates_destination};
use super::machine::{Machine, Next, Walked, go_to};
use super::nftables::verdict_act;
use super::op::{Act, ChainId};
use super::outcome::{Effect, Hook, Verdict};
use super::packet::{Interface, View};
use super::set_index::Lookup;
use super::thread::{Frame, Place, Predicate, Thread};
use crate::net::Port;
use crate::nftables::ruleset::MapValue;

impl<'r> Machine<'_, 'r> {
    pub(super) fn act(&mut self, thread: &mut Thread<'r>, act: Act<'r>, place: Place) -> Walked<Next> {
        match act {
            Act::Continue => Ok(Next::Part),
            Act::Accept => {
                self.note(thread, place, Effect::Accept);
                thread.frames.clear();
                Ok(Next::Elsewhere)
            }
            Act::Drop => Ok(self.finish(thread, place, Effect::Drop, Verdict::Drop)),
            Act::Reject(answer) => {
                Ok(self.finish(thread, place, Effect::Reject(answer), Verdict::Reject(answer)))
            }
            Act::Return => {
                self.note(thread, place, Effect::Return);
                Ok(if self.end_of_chain(thread) { Next::Elsewhere } else { Next::Gone })
            }
            Act::Jump(chain) => self.jump(thread, chain, place),
            Act::Goto(chain) => self.goto(thread, chain, place),
            Act::SetMark { keep, flip } => Ok(self.set_mark(thread, (thread.view.mark & keep) ^ flip, place)),
            Act::OrMark(bits) => Ok(self.set_mark(thread, thread.view.mark | bits, place)),
            Act::Remember(list) => Ok(self.note_on(thread, place, Effect::Remember(list))),
            Act::Untrack => {
                thread.untracked = true;
                Ok(self.note_on(thread, place, Effect::Untrack))
            }
            _ => self.act_of_translation(thread, act, place),
        }
    }

    fn act_of_translation(&mut self, thread: &mut Thread<'r>, act: Act<'r>, place: Place) -> Walked<Next> {
        match act {
            Act::Dnat(to) => Ok(self.dnat(thread, to, place)),
            Act::Redirect(port) => {
                let to = self.redirected(&thread.view, port.map(Port::get));
                Ok(self.dnat(thread, to, place))
            }
            Act::Masquerade => {
                let own = self.host.primary_address(self.family);
                self.note(thread, place, Effect::Masquerade);
                thread.view.source = own.unwrap_or(thread.view.source);
                Ok(self.source_translated(thread))
            }
            Act::Snat => {
                self.note(thread, place, Effect::Snat);
                Ok(self.source_translated(thread))
            }
            Act::RandomDnat(modulus, destinations) => {
                let acts = destinations.iter().map(|(number, to)| (*number, Act::Dnat(*to)));
                self.one_of(thread, modulus, acts.rev(), place)
            }
            Act::RandomVerdict(modulus, verdicts) => {
                let acts = verdicts.iter().map(|(number, verdict)| (*number, verdict_act(verdict)));
                self.one_of(thread, modulus, acts.rev(), place)
            }
            Act::VerdictMap(key, map) => {
                let found = self.program.look_up(place.chain, map, key, &thread.view);
                self.mapped(thread, found, map, place)
            }
            Act::Unknown(text) => self.unknown_target(thread, text, place),
            _ => Ok(Next::Part),
        }
    }

    fn source_translated(&mut self, thread: &mut Thread<'r>) -> Next {
        thread.snat = true;
        thread.bound = true;
        thread.frames.clear();
        Next::Elsewhere
    }

    fn dnat(&mut self, thread: &mut Thread<'r>, to: SocketAddr, place: Place) -> Next {
        self.note(thread, place, Effect::Dnat(to));
        if !translates_destination(thread.phase.hook()) {
            return Next::Part;
        }
        thread.view.destination = to;
        thread.view.translated = true;
        thread.bound = true;
        thread.frames.clear();
        if thread.phase.hook() == Hook::Output {
            thread.view.output = output_of(self.host, &thread.view);
            if is_martian(self.host, &thread.view) {
                self.martian(thread);
                return Next::Gone;
            }
        }
        Next::Elsewhere
    }

    /// REDIRECT goes to the node itself: to a loopback address for its own packets.
    fn redirected(&self, view: &View, port: Option<u16>) -> SocketAddr {
        let own = match view.input {
            Interface::None => self.family.loopback(),
            _ => self.host.primary_address(self.family).unwrap_or(view.destination.ip()),
        };
        SocketAddr::new(own, port.unwrap_or(view.destination.port()))
    }

    /// Goes every one of the ways of a random choice; numbers that are missing pass the rule over.
    fn one_of(
        &mut self,
        thread: &mut Thread<'r>,
        modulus: u32,
        choices: impl Iterator<Item = (u32, Act<'r>)>,
        place: Place,
    ) -> Walked<Next> {
        let each = Chance::of(1, u64::from(modulus));
        let mut others = u64::from(modulus);
        let mut ways = Vec::new();
        for (_, act) in choices.filter(|(number, _)| *number < modulus) {
            let mut way = thread.clone();
            way.chance = thread.chance.times(each);
            go_to(&mut way, place.rule, place.part);
            if let Some(frame) = way.frames.last_mut() {
                frame.chance = (modulus > 1).then_some(each);
            }
            ways.push((way, act));
            others = others.saturating_sub(1);
        }
        if others > 0 {
            let mut way = thread.clone();
            way.chance = thread.chance.times(Chance::of(others, u64::from(modulus)));
            go_to(&mut way, place.rule + 1, 0);
            self.pending.push(way);
        }
        for (mut way, act) in ways {
            match self.act(&mut way, act, place)? {
                Next::Part => {
                    go_to(&mut way, place.rule, place.part + 1);
                    self.pending.push(way);
                }
                Next::Elsewhere => self.pending.push(way),
                Next::Gone => (),
            }
        }
        Ok(Next::Gone)
    }

    fn mapped(
        &mut self,
        thread: &mut Thread<'r>,
        found: Lookup<'r>,
        map: &'r str,
        place: Place,
    ) -> Walked<Next> {
        let element = match found {
            Lookup::Hit(element) => element,
            Lookup::Miss => return Ok(self.pass_over(thread, place)),
            Lookup::NoSuchSet => return Err(self.no_such_set(place, map)),
            Lookup::Maybe(element) => match thread.assumed(Predicate::Part(place)) {
                Some(true) => element,
                Some(false) => return Ok(self.pass_over(thread, place)),
                None => {
                    self.fork_unknown(thread, Predicate::Part(place), map, place);
                    return Ok(Next::Gone);
                }
            },
        };
        self.element = Some(element);
        match &element.value {
            Some(MapValue::Verdict(verdict)) => self.act(thread, verdict_act(verdict), place),
            Some(MapValue::Opaque(text)) => self.unknown_target(thread, text, place),
            None => Ok(self.pass_over(thread, place)),
        }
    }

    fn pass_over(&mut self, thread: &mut Thread<'r>, place: Place) -> Next {
        go_to(thread, place.rule + 1, 0);
        Next::Elsewhere
    }

    /// A target that is not understood may drop the packet or let it through.
    fn unknown_target(&mut self, thread: &mut Thread<'r>, text: &'r str, place: Place) -> Walked<Next> {
        match thread.assumed(Predicate::Part(place)) {
            None => {
                self.fork_unknown(thread, Predicate::Part(place), text, place);
                Ok(Next::Gone)
            }
            Some(true) => {
                let effect = Effect::Unknown { drops: true };
                Ok(self.finish(thread, place, effect, Verdict::Drop))
            }
            Some(false) => {
                self.note(thread, place, Effect::Unknown { drops: false });
                if text.to_ascii_lowercase().contains("queue") {
                    thread.frames.clear();
                    return Ok(Next::Elsewhere);
                }
                Ok(self.pass_over(thread, place))
            }
        }
    }

    fn set_mark(&mut self, thread: &mut Thread<'r>, mark: u32, place: Place) -> Next {
        self.note(thread, place, Effect::Mark(mark));
        thread.view.mark = mark;
        Next::Part
    }

    fn jump(&mut self, thread: &mut Thread<'r>, name: &'r str, place: Place) -> Walked<Next> {
        let chain = self.target(name, place)?;
        let before = thread.path;
        self.note(thread, place, Effect::Jump(name));
        go_to(thread, place.rule + 1, 0);
        let mut called = Frame::begin(chain, thread);
        called.before = before;
        thread.frames.push(called);
        if thread.frames.len() > self.program.deepest() {
            let (table, chain) = self.names(place);
            return Err(WalkError::TooDeep { table, chain });
        }
        Ok(Next::Elsewhere)
    }

    /// The chain takes the place of the one that is left.
    fn goto(&mut self, thread: &mut Thread<'r>, name: &'r str, place: Place) -> Walked<Next> {
        let chain = self.target(name, place)?;
        self.note(thread, place, Effect::Goto(name));
        if let Some(frame) = thread.frames.last_mut() {
            frame.chain = chain;
            frame.gotos += 1;
            if frame.gotos > self.program.chain_count() {
                return Err(WalkError::Endless);
            }
        }
        go_to(thread, 0, 0);
        Ok(Next::Elsewhere)
    }

    fn target(&self, name: &str, place: Place) -> Walked<ChainId> {
        self.program.find(place.chain, name).ok_or_else(|| {
            let (table, chain) = self.names(place);
            let target = name.into();
            WalkError::NoSuchChain { table, chain, target }
        })
    }

    pub(super) fn no_such_set(&self, place: Place, set: &str) -> WalkError {
        let (table, chain) = self.names(place);
        let set = set.into();
        WalkError::NoSuchSet { table, chain, set }
    }

    fn names(&self, place: Place) -> (CompactString, CompactString) {
        match self.program.rule_ref(place.chain, Some(place.rule)) {
            Some(rule) => (rule.table_name(), rule.chain_name().into()),
            None => Default::default(),
        }
    }
}
