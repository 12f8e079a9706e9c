//! Numbers that rules of nftables draw by chance, or in turn.

use super::chance::Chance;
use super::evaluator::{Evaluator, go_to};
use super::expression::{Found, Stop};
use super::packet_state::{PacketState, RulePosition};

/// The most numbers of a chooser that are tried one by one.
const MOST_DRAWN: u64 = 64;

impl<'r> Evaluator<'_, 'r> {
    /// One of some numbers, each as likely. Those between two neighbouring cuts are one case.
    pub(super) fn draw(
        &mut self,
        state: &mut PacketState<'r>,
        (first, count): (u64, u64),
        cuts: &[u64],
        position: RulePosition,
    ) -> Found<u64> {
        if let Some((_, number)) = state.drawn.filter(|(at, _)| *at == position) {
            return Ok(number);
        }
        if count <= 1 {
            return Ok(first);
        }
        let end = first + count;
        let mut starts: Vec<u64> = cuts.iter().copied().filter(|cut| (first..end).contains(cut)).collect();
        if cuts.is_empty() && count <= MOST_DRAWN {
            starts.extend(first..end);
        }
        starts.push(first);
        starts.sort_unstable();
        starts.dedup();
        for (i, start) in starts.iter().enumerate().rev() {
            let next = starts.get(i + 1).copied().unwrap_or(end);
            let chance = Chance::of(next - start, count);
            let mut branch = Box::new(state.clone());
            branch.chance = state.chance.times(chance);
            branch.drawn = Some((position, *start));
            go_to(&mut branch, position.rule, position.part);
            if let Some(frame) = branch.frames.last_mut() {
                frame.chance = Some(chance);
            }
            self.pending.push(branch);
        }
        Err(Stop::Forked)
    }
}
