//! What `iptables-save` prints on a node, line by line from the plan. It equals [`save::print`] of the compiled
//! ruleset; docs/performance.md says what this gains.

use std::iter;
use std::sync::Arc;

use super::compile::{self, Sink};
use super::ruleset::{ChainName, Policy, Rule, TableName};
use super::save;
use super::stretches::Stretches;
use crate::net::Family;
use crate::parallel;
use crate::plan::Plan;
use crate::plan::origin::Origin;
use crate::text::Text;

/// A thread is worth starting for at least this many chains.
const FEWEST_CHAINS: usize = 4096;

/// The text of a node that has only kube-proxy's rules, without header lines.
pub fn print(plan: &Plan<'_>) -> Text {
    Model::new(plan).text()
}

/// The text of one node, from which others copy whatever is the same.
pub struct Model<'p, 'c> {
    plan: &'p Plan<'c>,
    services: Stretches<'p, 'c, Arc<Stretch>>,
}

impl<'p, 'c> Model<'p, 'c> {
    /// Prints the rules of a node.
    pub fn new(plan: &'p Plan<'c>) -> Self {
        Model::like(None, plan)
    }

    /// The text of another node of the cluster.
    pub fn print(&self, plan: &Plan<'c>) -> Text {
        Model::like(Some(&self.services), plan).text()
    }

    fn like(like: Option<&Stretches<'_, 'c, Arc<Stretch>>>, plan: &'p Plan<'c>) -> Self {
        let services = Stretches::print(plan, like, |first, ports| {
            Arc::new(Stretch::of(plan.family(), |sink| compile::services(plan, first, ports, sink)))
        });
        Model { plan, services }
    }

    fn text(&self) -> Text {
        let plan = self.plan;
        let head = Stretch::of(plan.family(), |sink| {
            compile::whole_tables(sink);
            compile::head(plan, sink);
        });
        let tail = Stretch::of(plan.family(), |sink| compile::tail(plan, sink));
        let services = self.services.printed().iter().map(|stretch| &**stretch);
        let all: Vec<_> = iter::once(&head).chain(services).chain(iter::once(&tail)).collect();
        let mut text = Text::default();
        compile::TABLES.into_iter().for_each(|table| append_table(table, &all, &mut text));
        text
    }
}

fn append_table(table: TableName, stretches: &[&Stretch], text: &mut Text) {
    let mut pieces: Vec<Piece<'_>> = stretches.iter().flat_map(|stretch| stretch.pieces_of(table)).collect();
    // A stable sort: rules of a chain keep their order.
    pieces.sort_by_key(Piece::rank);
    let rules = parallel::by_stretch(&pieces, FEWEST_CHAINS, |_, part| {
        part.iter().map(|piece| piece.text).collect::<String>()
    });
    pieces.dedup_by_key(|piece| piece.chain);
    let declarations = parallel::by_stretch(&pieces, FEWEST_CHAINS, |_, part| {
        let mut out = String::new();
        part.iter().for_each(|piece| save::append_declaration(&piece.chain, piece.policy(), &mut out));
        out
    });
    text.push(format!("*{}\n", table.name()));
    declarations.into_iter().chain(rules).for_each(|piece| text.push(piece));
    text.push("COMMIT\n");
}

/// Rules of a chain that follow one another.
#[derive(Clone, Copy)]
struct Piece<'s> {
    chain: ChainName,
    /// Position among the built-in chains; none for the others.
    builtin: Option<usize>,
    text: &'s str,
}

impl Piece<'_> {
    /// Built-in chains come first, in hook order; the others by name.
    fn rank(&self) -> (usize, ChainName) {
        (self.builtin.unwrap_or(usize::MAX), self.chain)
    }

    fn policy(&self) -> Option<Policy> {
        self.builtin.map(|_| Policy::Accept)
    }
}

/// What a stretch of the plan writes, in its own order.
struct Stretch {
    family: Family,
    text: String,
    /// Where in the text the rules of each chain end, and those of the next begin.
    ends: Vec<(TableName, ChainName, usize)>,
}

impl Stretch {
    fn of(family: Family, write: impl FnOnce(&mut Stretch)) -> Stretch {
        let mut stretch = Stretch { family, text: String::new(), ends: Vec::new() };
        write(&mut stretch);
        stretch
    }

    fn pieces_of(&self, table: TableName) -> impl Iterator<Item = Piece<'_>> {
        let builtin = table.builtin_chains();
        let mut start = 0;
        let pieces = self.ends.iter().map(move |(of, chain, end)| {
            let text = self.text.get(start..*end).unwrap_or_default();
            start = *end;
            (*of, *chain, text)
        });
        pieces.filter(move |(of, ..)| *of == table).map(|(_, chain, text)| Piece {
            builtin: builtin.iter().position(|name| *name == chain.as_str()),
            chain,
            text,
        })
    }
}

impl Sink for Stretch {
    fn chain(&mut self, table: TableName, chain: ChainName) {
        if self.ends.last().is_none_or(|(of, last, _)| (*of, *last) != (table, chain)) {
            self.ends.push((table, chain, self.text.len()));
        }
    }

    fn rule(&mut self, table: TableName, chain: ChainName, rule: Rule, _: Origin) {
        self.chain(table, chain);
        save::append_rule(&chain, &rule, self.family, &mut self.text);
        if let Some((.., end)) = self.ends.last_mut() {
            *end = self.text.len();
        }
    }
}
