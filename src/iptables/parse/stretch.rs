//! Long stretches of rules, read by several threads.

use std::collections::HashMap;

use super::families::Evidence;
use super::line::{MAX_LINE, first_word, split_counters};
use super::rule::RuleReader;
use super::target::Scope;
use crate::iptables::ruleset::{ChainName, PlacedRule};
use crate::parallel;

/// Consecutive rules of one chain.
pub(super) struct Run {
    /// Position of the chain in its table.
    pub(super) chain: usize,
    pub(super) rules: Vec<PlacedRule>,
}

/// The contents of a part of a stretch.
pub(super) struct Read {
    pub(super) runs: Vec<Run>,
    pub(super) lines: usize,
    /// With lines counted from the part's first, which is 0.
    pub(super) evidence: Evidence,
}

/// The lines at the beginning of `text` that are rules, if there are so many that threads are worth starting.
pub(super) fn find(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(b'-' | b'[') = bytes.get(end) {
        end = memchr::memchr(b'\n', bytes.get(end..)?).map_or(bytes.len(), |length| end + length + 1);
    }
    text.get(..end).filter(|stretch| stretch.len() >= 2 * parallel::SMALLEST_PART)
}

/// Reads a stretch; none if it has anything but complete rules that are appended to declared chains.
pub(super) fn read(stretch: &str, index: &HashMap<ChainName, usize>) -> Option<Vec<Read>> {
    parallel::in_order(&cut(stretch), |part| read_part(part, index))
}

/// Cuts at the ends of lines.
fn cut(stretch: &str) -> Vec<&str> {
    let length = stretch.len().div_ceil(parallel::parts(stretch.len())).max(1);
    let mut parts = Vec::new();
    let mut rest = stretch;
    while !rest.is_empty() {
        let after = rest.as_bytes().get(length..).unwrap_or_default();
        let end = match memchr::memchr(b'\n', after) {
            Some(more) => length + more + 1,
            None => rest.len(),
        };
        let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        parts.push(part);
        rest = after;
    }
    parts
}

fn read_part(part: &str, index: &HashMap<ChainName, usize>) -> Option<Read> {
    let mut read = Read { runs: Vec::new(), lines: 0, evidence: Evidence::default() };
    let mut rules = RuleReader::default();
    let scope = Scope { is_chain: &|name| index.contains_key(name) };
    let (mut last, mut chain, mut run) = ("", 0, Vec::new());
    for line in part.split_terminator('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (counted, text) = split_counters(line).ok().filter(|_| line.len() <= MAX_LINE)?;
        let (name, options) = first_word(text.strip_prefix("-A ")?);
        if name != last {
            read.finish(chain, &mut run);
            (last, chain) = (name, *index.get(&ChainName::new(name)?)?);
        }
        let found = rules.read(options, &scope).ok()?;
        read.evidence.note(found.families, read.lines);
        let counters = counted.or(found.counters);
        run.push(PlacedRule { rule: found.rule, origin: None, counters });
        read.lines += 1;
    }
    read.finish(chain, &mut run);
    Some(read)
}

impl Read {
    /// Finishes the rules of a chain, in no more memory than they need.
    fn finish(&mut self, chain: usize, rules: &mut Vec<PlacedRule>) {
        if !rules.is_empty() {
            let mut exact = Vec::with_capacity(rules.len());
            exact.append(rules);
            self.runs.push(Run { chain, rules: exact });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::read_part;
    use crate::iptables::parse::parse;
    use crate::iptables::{save, strategies};

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn rules_are_read_as_one_by_one(ruleset in strategies::rulesets()) {
            let mut text = String::new();
            save::print(&ruleset, &mut text);
            let parts = parse(&text, Some(ruleset.family)).unwrap().parts;
            for table in parts.iter().flat_map(|part| &part.ruleset.tables) {
                let (_, of_table) = text.split_once(&format!("*{}\n", table.name.name())).unwrap();
                let (of_table, _) = of_table.split_once("\nCOMMIT\n").unwrap();
                let lines = of_table.lines().filter(|line| line.starts_with('-'));
                let rules: String = lines.map(|line| format!("{line}\n")).collect();
                let index = table.chains.iter().enumerate().map(|(i, chain)| (chain.name, i)).collect();
                let read = read_part(&rules, &index).unwrap();
                prop_assert_eq!(read.lines, rules.lines().count());
                for (i, chain) in table.chains.iter().enumerate() {
                    let runs = read.runs.iter().filter(|run| run.chain == i);
                    let together: Vec<_> = runs.flat_map(|run| &run.rules).collect();
                    prop_assert_eq!(together, chain.rules.iter().collect::<Vec<_>>());
                }
            }
        }
    }

    /// A text that is cut into parts.
    fn long() -> String {
        let mut text = "*nat\n:PREROUTING ACCEPT [0:0]\n".to_owned();
        for chain in 0..2000 {
            let _ = writeln!(text, ":KUBE-SEP-{chain} - [0:0]");
        }
        for rule in 0..20_000 {
            let (chain, ip) = (rule / 10, rule % 250);
            let _ = writeln!(
                text,
                "-A KUBE-SEP-{chain} -s 10.0.0.{ip}/32 -m comment --comment \"a/b {rule}\" -j RETURN"
            );
        }
        text.push_str("COMMIT\n");
        text
    }

    #[test]
    fn long_texts_are_read_as_short_ones_are() {
        let text = long();
        assert!(super::find(&text[text.find("-A").unwrap()..]).is_some());
        let capture = parse(&text, None).ok().unwrap();
        let mut printed = String::new();
        save::print(&capture.parts[0].ruleset, &mut printed);
        assert!(printed == text);
    }

    #[test]
    fn faults_in_long_texts_have_their_lines() {
        let text = long().replace("-A KUBE-SEP-1500 ", "-A KUBE-SEP-2500 ");
        let line = text.lines().position(|line| line.contains("-A KUBE-SEP-2500")).unwrap() + 1;
        let fault = parse(&text, None).err().unwrap();
        assert_eq!(fault.line, line, "{fault}");
        let mixed = long().replace(
            "-s 10.0.0.77/32 -m comment --comment \"a/b 12077",
            "-s fd00::1/128 -m comment --comment \"a/b 12077",
        );
        let fault = parse(&mixed, None).err().unwrap();
        let line = mixed.lines().position(|line| line.contains("fd00")).unwrap() + 1;
        assert_eq!(fault.line, line, "{fault}");
    }
}
