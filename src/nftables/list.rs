//! The text of `nft list table` and `nft list ruleset`, as a version of nft prints it ([`version`]).
//!
//! Elements are printed in the order of the value; the compiler puts them in the canonical order of [`super::order`].

mod expression;
pub(in crate::nftables) mod priority;
pub(in crate::nftables) mod set;
pub(in crate::nftables) mod statement;
pub mod version;

use std::fmt::{self, Display, Formatter, Write};

use super::ruleset::{BaseChain, Chain, Counter, Ruleset, Set, Table, TableFamily};
use crate::parallel;
use crate::text::Text;
use priority::Priority;
use statement::RuleBy;
use version::{ListingFacts, NftVersion};

/// Tables as `nft list ruleset` of nft 1.0.6 prints them; a ruleset of one table as `nft list table` prints it.
pub fn print(ruleset: &Ruleset) -> String {
    text(ruleset, NftVersion::default()).to_string()
}

/// What [`print()`] prints, in pieces, for a version of nft.
pub fn text(ruleset: &Ruleset, version: NftVersion) -> Text {
    let mut text = Text::default();
    for table in &ruleset.tables {
        let head = Head(table).to_string();
        let begun = table.opaque_at(OpaquePlace::Head).next().is_some();
        text.push(head);
        let blocks = parallel::by_stretch(&table.blocks(version.facts), SHORTEST_STRETCH, |first, blocks| {
            listed(blocks, begun || first > 0)
        });
        blocks.into_iter().for_each(|piece| text.push(piece));
        text.push("}\n");
    }
    text
}

/// A thread is worth starting for at least this many chains.
const SHORTEST_STRETCH: usize = 256;

/// Blocks with a blank line between them, and before the first if something precedes it.
fn listed(blocks: &[Block<'_>], begun: bool) -> String {
    let mut out = String::new();
    for (i, block) in blocks.iter().enumerate() {
        let blank = if begun || i > 0 { "\n" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(out, "{blank}{block}");
    }
    out
}

struct Head<'a>(&'a Table);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Head(table) = self;
        writeln!(f, "table {} {} {{", table.family.name(), table.name)?;
        for flags in table.opaque_at(OpaquePlace::Head) {
            writeln!(f, "\t{flags}")?;
        }
        match &table.comment {
            Some(comment) => writeln!(f, "\tcomment \"{comment}\""),
            None => Ok(()),
        }
    }
}

/// The contents of a table.
enum Block<'a> {
    Object(Indented<'a>),
    Counter(&'a Counter),
    Set(&'a Set),
    Chain(Listed<'a>),
}

impl Display for Block<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Block::Object(object) => object.fmt(f),
            Block::Counter(counter) => counter.fmt(f),
            Block::Set(set) => set.fmt(f),
            Block::Chain(chain) => chain.fmt(f),
        }
    }
}

impl Table {
    fn blocks(&self, facts: ListingFacts) -> Vec<Block<'_>> {
        let objects = |place| self.opaque_at(place).map(|text| Block::Object(Indented(text)));
        (self.counters.iter().map(Block::Counter))
            .chain(objects(OpaquePlace::BeforeSets))
            .chain(self.sets.iter().map(Block::Set))
            .chain(objects(OpaquePlace::BeforeChains))
            .chain(self.chains.iter().map(|chain| Block::Chain(Listed(chain, self.family, facts))))
            .collect()
    }

    fn opaque_at(&self, place: OpaquePlace) -> impl Iterator<Item = &String> {
        self.opaque.iter().filter(move |text| OpaquePlace::of(text) == place)
    }
}

/// Where nft lists what the types do not cover.
#[derive(PartialEq)]
enum OpaquePlace {
    Head,
    BeforeSets,
    BeforeChains,
}

impl OpaquePlace {
    fn of(text: &str) -> OpaquePlace {
        match text.split_whitespace().next() {
            Some("flags") => OpaquePlace::Head,
            Some("flowtable") => OpaquePlace::BeforeChains,
            _ => OpaquePlace::BeforeSets,
        }
    }
}

/// Text as it was printed, with the table's indentation restored.
struct Indented<'a>(&'a str);

impl Display for Indented<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.lines().try_for_each(|line| match line {
            "" => f.write_str("\n"),
            line => writeln!(f, "\t{line}"),
        })
    }
}

impl Display for Counter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tcounter {} {{", self.name)?;
        if let Some(comment) = &self.comment {
            writeln!(f, "\t\tcomment \"{comment}\"")?;
        }
        writeln!(f, "\t\tpackets {} bytes {}\n\t}}", self.packets, self.bytes)
    }
}

/// A chain, and its table's family, on which the name of its priority depends.
struct Listed<'a>(&'a Chain, TableFamily, ListingFacts);

impl Display for Listed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Listed(chain, family, facts) = *self;
        writeln!(f, "\tchain {} {{", chain.name)?;
        if let Some(comment) = &chain.comment {
            writeln!(f, "\t\tcomment \"{comment}\"")?;
        }
        if let Some(base) = &chain.base {
            writeln!(f, "\t\t{}", BaseLine(base, family, facts))?;
        }
        for placed in &chain.rules {
            writeln!(f, "\t\t{}", RuleBy(&placed.rule, facts))?;
        }
        f.write_str("\t}\n")
    }
}

struct BaseLine<'a>(&'a BaseChain, TableFamily, ListingFacts);

impl Display for BaseLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let BaseLine(base, family, facts) = *self;
        write!(f, "type {} hook {}", base.kind, base.hook.name())?;
        if let Some(device) = &base.device {
            write!(f, " {device}")?;
        }
        let policy = if base.drops_by_default { "drop" } else { "accept" };
        let priority = Priority::of(base, family, facts);
        write!(f, " priority {priority}; policy {policy};")
    }
}

/// Items with a text between them.
fn join<T: Display>(f: &mut Formatter<'_>, items: &[T], between: &str) -> fmt::Result {
    items.iter().enumerate().try_for_each(|(i, item)| {
        if i > 0 {
            f.write_str(between)?;
        }
        item.fmt(f)
    })
}

#[cfg(test)]
mod tests;
