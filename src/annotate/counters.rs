//! Counters: which rules refuse or drop, and how many packets they met.

use std::collections::BTreeMap;

use super::index::Index;
use super::line::{annotations, service_of_rule, words};

/// A rule that refuses or drops, and has met packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// How many packets it met.
    pub packets: u64,
    /// Its line, counted from 1.
    pub line: usize,
    /// The table and chain, if the text names them.
    pub chain: String,
    /// The rule without its counters.
    pub rule: String,
    /// The Service that it is about, in words; empty if none is known.
    pub about: String,
}

/// Collects counters line by line.
#[derive(Debug, Default)]
pub struct Counters {
    line: usize,
    table: String,
    chain: String,
    /// A named counter whose value is on the next line.
    open: Option<String>,
    named: BTreeMap<(String, String), u64>,
    counted: Vec<Counted>,
}

impl Counters {
    /// Looks at the next line.
    pub fn read(&mut self, line: &str, index: &Index) {
        self.line += 1;
        let text = line.trim();
        if let Some(rest) = text.strip_prefix(':').filter(|_| line.starts_with(':')) {
            return self.policy(rest);
        }
        if let Some(table) = line.strip_prefix('*') {
            self.table = table.trim_end().to_owned();
        } else if let Some(table) = line.strip_prefix("table ") {
            self.table = table.trim_end_matches([' ', '{']).to_owned();
        } else if let Some(chain) = text.strip_prefix("chain ") {
            self.chain = chain.trim_end_matches([' ', '{']).to_owned();
        } else if let Some(name) = text.strip_prefix("counter ").and_then(|rest| rest.strip_suffix(" {")) {
            self.open = Some(name.to_owned());
        } else if let Some(name) = self.open.take() {
            if let Some(packets) = after(text, "packets ") {
                self.named.insert((self.table.clone(), name), packets);
            }
        } else {
            self.rule(line, text, index);
        }
    }

    /// `:FORWARD DROP [12:345]`
    fn policy(&mut self, text: &str) {
        let mut words = text.split(' ');
        let (Some(chain), Some("DROP"), Some(counters)) = (words.next(), words.next(), words.next()) else {
            return;
        };
        let packets = counters.trim_start_matches('[').split(':').next().and_then(|n| n.parse().ok());
        let chain = format!("{} {chain}", self.table).trim_start().to_owned();
        self.count(packets.unwrap_or_default(), chain, "policy DROP".to_owned(), String::new());
    }

    fn rule(&mut self, line: &str, text: &str, index: &Index) {
        if let Some((packets, rule)) = of_iptables(text) {
            let stops = [" -j DROP", " -j REJECT"].iter().any(|target| rule.contains(target));
            let chain = rule.split(' ').nth(1).unwrap_or_default();
            if stops {
                let about = service_of_rule(rule, index);
                self.count(
                    packets,
                    format!("{} {chain}", self.table).trim_start().to_owned(),
                    rule.to_owned(),
                    about.unwrap_or_default(),
                );
            }
        } else if let Some((before, rest)) = text.split_once("counter ") {
            let stops = rest.split(' ').any(|word| matches!(word, "drop" | "reject"));
            let name = rest.strip_prefix("name \"").and_then(|rest| rest.split('"').next());
            let named = name.and_then(|name| self.named.get(&(self.table.clone(), name.to_owned())).copied());
            let packets = after(rest, "packets ").or(named);
            if stops && let Some(packets) = packets {
                let about = annotations(line, index).first().map(|found| words(&found.meaning));
                let rule = format!("{before}{}", without_counter(rest));
                self.count(
                    packets,
                    format!("{} {}", self.table, self.chain),
                    rule,
                    about.unwrap_or_default(),
                );
            }
        }
    }

    fn count(&mut self, packets: u64, chain: String, rule: String, about: String) {
        if packets > 0 {
            self.counted.push(Counted { packets, line: self.line, chain, rule, about });
        }
    }

    /// The rules that have met packets, the busiest first.
    pub fn finish(mut self) -> Vec<Counted> {
        self.counted.sort_by_key(|counted| (std::cmp::Reverse(counted.packets), counted.line));
        self.counted
    }
}

/// `[12:345] -A CHAIN ...`
fn of_iptables(text: &str) -> Option<(u64, &str)> {
    let (counters, rule) = text.strip_prefix('[')?.split_once("] ")?;
    let packets = counters.split(':').next()?.parse().ok()?;
    rule.starts_with("-A ").then_some((packets, rule))
}

/// The number behind a word.
fn after(text: &str, word: &str) -> Option<u64> {
    text.split_once(word)?.1.split(' ').next()?.parse().ok()
}

/// What follows `packets N bytes M` or `name "..."`.
fn without_counter(rest: &str) -> String {
    let skipped = if rest.starts_with("packets ") { 4 } else { 2 };
    rest.split(' ').skip(skipped).collect::<Vec<_>>().join(" ")
}

/// The rules in words, with packet counts first.
pub fn table(counted: &[Counted]) -> String {
    use std::fmt::Write;
    let mut out = "# Rules that refuse or drop, by packets:\n".to_owned();
    if counted.is_empty() {
        return "# No rule that refuses or drops has met a packet.\n".to_owned();
    }
    let width = counted.iter().map(|counted| counted.packets.to_string().len()).max().unwrap_or_default();
    for found in counted {
        let about = if found.about.is_empty() { String::new() } else { format!("  ({})", found.about) };
        let text = format!("{}: {}{about}", found.chain, found.rule);
        let _ = writeln!(out, "# {:>width$}  {}", found.packets, crate::diagnostic::Inert(&text));
    }
    out
}
