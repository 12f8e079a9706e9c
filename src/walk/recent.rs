//! Lists of `-m recent`: who was put on one is on it for later rules (net/netfilter/xt_recent.c, `recent_mt`).

use std::net::IpAddr;

use super::evaluator::{Evaluator, MatchResult, Next, go_to};
use super::foreign::address;
use super::outcome::{Effect, Supposition};
use super::packet::View;
use super::packet_state::{Listed, PacketState, RulePosition};
use super::rule_part::{Listing, MatchKind};
use crate::iptables::foreign::{ForeignMatch, RecentDoes, Test, TestKind};

fn entry<'r>(listing: Listing<'r>, view: &View) -> Listed<'r> {
    let ip = address(listing.end, view);
    let masked = match (ip, listing.mask) {
        (IpAddr::V4(ip), Some(IpAddr::V4(mask))) => IpAddr::V4(ip & mask),
        (IpAddr::V6(ip), Some(IpAddr::V6(mask))) => IpAddr::V6(ip & mask),
        _ => ip,
    };
    (listing.name, masked)
}

/// How often the packet was put on a list.
fn times(state: &PacketState<'_>, listing: Listing<'_>) -> usize {
    let wanted = entry(listing, &state.view);
    state.listed.iter().filter(|listed| **listed == wanted).count()
}

impl<'r> Evaluator<'_, 'r> {
    /// `--set`: with `!` the packet is put on the list, and the rule ends all the same.
    pub(super) fn put_on_list(
        &mut self,
        state: &mut PacketState<'r>,
        (listing, negated): (Listing<'r>, bool),
        position: RulePosition,
    ) -> Next {
        state.listed.push(entry(listing, &state.view));
        self.note(state, position, Effect::Remember(listing.name));
        if !negated {
            return Next::Part;
        }
        go_to(state, position.rule + 1, 0);
        Next::Elsewhere
    }

    /// Whether a packet is on a list, so often.
    pub(super) fn is_listed(
        &mut self,
        state: &PacketState<'r>,
        (listing, hits): (Listing<'r>, u32),
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        match times(state, listing) {
            0 => self.supposing(Supposition::NotListed, false, text, position),
            times => MatchResult::Known(u32::try_from(times).is_ok_and(|times| times >= hits)),
        }
    }

    /// What a match does with its list: `--update` puts the packet on it once more if the rule goes on, `--remove` takes it off
    /// in any case.
    pub(super) fn change_list(&self, state: &mut PacketState<'r>, asked: &MatchKind<'r>, passes: bool) {
        let MatchKind::Foreign(foreign) = asked else { return };
        let foreign: &'r ForeignMatch = foreign;
        let [Test { kind: TestKind::Recent { list, does, .. }, .. }] = foreign.tests() else { return };
        let listing = Listing::of(list);
        if times(state, listing) == 0 {
            return;
        }
        let own = entry(listing, &state.view);
        match does {
            RecentDoes::Update if passes => state.listed.push(own),
            RecentDoes::Remove => state.listed.retain(|listed| *listed != own),
            RecentDoes::Update | RecentDoes::Check => {}
        }
    }
}
