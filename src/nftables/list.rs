//! The text of `nft list table` and `nft list ruleset`, as nft 1.0.6 prints it.
//!
//! The elements come in the order of the value; the compiler puts them in the canonical order of [`super::order`].

pub(in crate::nftables) mod priority;
mod set;
mod statement;

use std::fmt::{self, Display, Formatter};

use super::ruleset::{BaseChain, Chain, Ruleset, Table, TableFamily};
use priority::Priority;

/// Tables as `nft list ruleset` prints them; a ruleset of one table as `nft list table` prints it.
pub fn print(ruleset: &Ruleset) -> String {
    ruleset.to_string()
}

impl Display for Ruleset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.tables.iter().try_for_each(|table| table.fmt(f))
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut blocks = Blocks::default();
        writeln!(f, "table {} {} {{", self.family.name(), self.name)?;
        for flags in self.opaque_at(OpaquePlace::Head) {
            writeln!(f, "\t{flags}")?;
            blocks.begun = true;
        }
        if let Some(comment) = &self.comment {
            writeln!(f, "\tcomment \"{comment}\"")?;
        }
        for object in self.opaque_at(OpaquePlace::BeforeSets) {
            blocks.next(f, &Indented(object))?;
        }
        for set in &self.sets {
            blocks.next(f, set)?;
        }
        for object in self.opaque_at(OpaquePlace::BeforeChains) {
            blocks.next(f, &Indented(object))?;
        }
        for chain in &self.chains {
            blocks.next(f, &Listed(chain, self.family))?;
        }
        f.write_str("}\n")
    }
}

impl Table {
    fn opaque_at(&self, place: OpaquePlace) -> impl Iterator<Item = &String> {
        self.opaque.iter().filter(move |text| OpaquePlace::of(text) == place)
    }
}

/// Where nft lists what the types do not know.
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

/// Writes objects with a blank line between them.
#[derive(Default)]
struct Blocks {
    begun: bool,
}

impl Blocks {
    fn next(&mut self, f: &mut Formatter<'_>, block: &dyn Display) -> fmt::Result {
        if std::mem::replace(&mut self.begun, true) {
            f.write_str("\n")?;
        }
        block.fmt(f)
    }
}

/// Text kept as printed, with the table's indentation put back.
struct Indented<'a>(&'a str);

impl Display for Indented<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.lines().try_for_each(|line| match line {
            "" => f.write_str("\n"),
            line => writeln!(f, "\t{line}"),
        })
    }
}

/// A chain and its table's family, which names its priority.
struct Listed<'a>(&'a Chain, TableFamily);

impl Display for Listed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Listed(chain, family) = *self;
        writeln!(f, "\tchain {} {{", chain.name)?;
        if let Some(comment) = &chain.comment {
            writeln!(f, "\t\tcomment \"{comment}\"")?;
        }
        if let Some(base) = &chain.base {
            writeln!(f, "\t\t{}", BaseLine(base, family))?;
        }
        for placed in &chain.rules {
            writeln!(f, "\t\t{}", placed.rule)?;
        }
        f.write_str("\t}\n")
    }
}

struct BaseLine<'a>(&'a BaseChain, TableFamily);

impl Display for BaseLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let BaseLine(base, family) = *self;
        write!(f, "type {} hook {}", base.kind, base.hook.name())?;
        if let Some(device) = &base.device {
            write!(f, " {device}")?;
        }
        let policy = if base.drops_by_default { "drop" } else { "accept" };
        let priority = Priority::of(base, family);
        write!(f, " priority {priority}; policy {policy};")
    }
}

/// Items with a text between each two.
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
