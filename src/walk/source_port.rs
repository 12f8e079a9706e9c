//! The source port of a packet: from 1024 on unless the caller gives it, cut into ranges wherever rules tell ports
//! apart.

use super::evaluator::{Evaluator, MatchResult};
use super::packet_state::RulePosition;
use super::questions::{Answers, Question};

/// The first port that the kernel gives to a client, whatever `ip_local_port_range` says: those below are privileged.
const FIRST: u16 = 1024;

impl<'r> Evaluator<'_, 'r> {
    /// Whether `holds` is true of the source port. It may only depend on ranges that
    /// [`super::program::Program::source_ports`] lists.
    pub(super) fn source_port_that(
        &mut self,
        holds: impl Fn(u16) -> bool,
        text: &'r str,
        position: RulePosition,
    ) -> MatchResult<'r> {
        if let Some(port) = self.source_port {
            return MatchResult::Known(holds(port));
        }
        let program = self.program;
        let id = self.questions.number(Question::SourcePort, (position, text), || {
            Answers::Ports(stretches(&program.source_ports()))
        });
        match self.questions.get(id) {
            Some(open) => MatchResult::Open(id, open.ports(holds)),
            None => MatchResult::Known(false),
        }
    }
}

/// The ports from 1024 on, cut at both ends of every range.
fn stretches(ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let ends = ranges.iter().flat_map(|(first, last)| [Some(*first), last.checked_add(1)]);
    let mut begins: Vec<u16> = ends.flatten().filter(|begin| *begin > FIRST).chain([FIRST]).collect();
    begins.sort_unstable();
    begins.dedup();
    let lasts = begins.iter().skip(1).map(|next| next - 1).chain([u16::MAX]);
    begins.iter().copied().zip(lasts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_cut_where_rules_tell_them_apart() {
        assert_eq!(stretches(&[]), [(1024, 65535)]);
        let cut = stretches(&[(53, 53), (1000, 2000), (60000, 65535), (2000, 2000)]);
        assert_eq!(cut, [(1024, 1999), (2000, 2000), (2001, 59999), (60000, 65535)]);
    }
}
