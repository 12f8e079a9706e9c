//! The source port of a packet: from 1024 on unless the caller gives it or a translation chooses it, cut into ranges
//! wherever rules tell ports apart.

use super::evaluator::{Evaluator, MatchResult};
use super::packet::SourcePort;
use super::packet_state::RulePosition;
use super::questions::{Answers, Question};

/// The first port that the kernel gives to a client, whatever `ip_local_port_range` says: those below are privileged.
const FIRST: u16 = 1024;

impl<'r> Evaluator<'_, 'r> {
    /// Whether `holds` is true of the source port. It may only depend on ranges that
    /// [`super::program::Program::source_ports`] lists.
    pub(super) fn source_port_that(
        &mut self,
        of: SourcePort,
        holds: impl Fn(u16) -> bool,
        (text, position): (&'r str, RulePosition),
    ) -> MatchResult<'r> {
        let possible = match (of, self.source_port) {
            (SourcePort::Given(first, last), _) if first == last => return MatchResult::Known(holds(first)),
            (SourcePort::Given(first, last), _) => (first, last),
            (SourcePort::Own, Some(port)) => return MatchResult::Known(holds(port)),
            (SourcePort::Own, None) => (FIRST, u16::MAX),
        };
        let program = self.program;
        let id = self.questions.number(Question::SourcePort(of), (position, text), || {
            Answers::Ports(stretches(possible, &program.source_ports()))
        });
        match self.questions.get(id) {
            Some(open) => MatchResult::Open(id, open.ports(holds)),
            None => MatchResult::Known(false),
        }
    }
}

/// The ports from the first to the last, cut at both ends of every range.
fn stretches((first, last): (u16, u16), ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let ends = ranges.iter().flat_map(|(from, to)| [Some(*from), to.checked_add(1)]);
    let within = ends.flatten().filter(|begin| (first..=last).contains(begin));
    let mut begins: Vec<u16> = within.chain([first]).collect();
    begins.sort_unstable();
    begins.dedup();
    let lasts = begins.iter().skip(1).map(|next| next - 1).chain([last]);
    begins.iter().copied().zip(lasts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_cut_where_rules_tell_them_apart() {
        let usual = (1024, 65535);
        assert_eq!(stretches(usual, &[]), [(1024, 65535)]);
        let cut = stretches(usual, &[(53, 53), (1000, 2000), (60000, 65535), (2000, 2000)]);
        assert_eq!(cut, [(1024, 1999), (2000, 2000), (2001, 59999), (60000, 65535)]);
        assert_eq!(stretches((5, 7), &[(6, 9), (70, 80)]), [(5, 5), (6, 7)]);
    }
}
