//! The objects of `nft -j list ruleset`.

mod element;
mod expression;
mod general;
mod statement;
mod value;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use compact_str::CompactString;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::diagnostic::{Excerpt, Fault, ParseError};
use crate::nftables::parse::element::Types;
use crate::nftables::ruleset::{
    BaseChain, Chain, Counter, DataType, Duration, Hook, PlacedRule, Rule, Ruleset, Set, Statement, Table,
    TableFamily,
};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    nftables: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct TableObject {
    family: String,
    name: String,
    comment: Option<CompactString>,
    flags: Option<Value>,
}

#[derive(Deserialize)]
struct ChainObject {
    family: String,
    table: String,
    name: String,
    comment: Option<CompactString>,
    #[serde(rename = "type")]
    kind: Option<CompactString>,
    hook: Option<String>,
    dev: Option<Value>,
    prio: Option<i32>,
    policy: Option<String>,
}

#[derive(Deserialize)]
struct CounterObject {
    family: String,
    table: String,
    name: CompactString,
    comment: Option<CompactString>,
    packets: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct SetObject<'a> {
    family: String,
    table: String,
    name: String,
    comment: Option<CompactString>,
    #[serde(rename = "type")]
    key: Value,
    map: Option<Value>,
    size: Option<u32>,
    flags: Option<Value>,
    timeout: Option<u32>,
    #[serde(rename = "gc-interval")]
    gc_interval: Option<u64>,
    #[serde(rename = "auto-merge", default)]
    auto_merge: bool,
    policy: Option<String>,
    #[serde(borrow, default)]
    elem: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct RuleObject<'a> {
    family: String,
    table: String,
    chain: String,
    comment: Option<CompactString>,
    #[serde(borrow, default)]
    expr: Vec<&'a RawValue>,
}

pub(super) fn read(text: &str) -> Result<Ruleset, ParseError> {
    let document: Document<'_> = serde_json::from_str(text)
        .map_err(|e| ParseError { line: e.line(), message: format!("not JSON of nft: {e}") })?;
    let mut reader = Reader::default();
    for (i, item) in document.nftables.into_iter().enumerate() {
        reader.item(item).map_err(|fault| ParseError {
            line: line_of(text, item.get()),
            message: format!("item {i} of nftables: {fault}"),
        })?;
    }
    Ok(reader.finish())
}

/// The line where a part of the text begins.
fn line_of(text: &str, part: &str) -> usize {
    let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|b| **b == b'\n').count()
}

#[derive(Default)]
struct Reader {
    tables: Vec<Table>,
    table_index: HashMap<(TableFamily, String), usize>,
    chain_index: HashMap<(usize, String), usize>,
}

fn object<'a, T: Deserialize<'a>>(item: &'a RawValue) -> Result<T, Fault> {
    serde_json::from_str(item.get()).map_err(|e| e.to_string())
}

impl Reader {
    fn item(&mut self, item: &RawValue) -> Result<(), Fault> {
        let kinds: BTreeMap<String, &RawValue> = object(item)?;
        for (kind, item) in &kinds {
            match kind.as_str() {
                "metainfo" => {}
                "table" => self.table(object(item)?)?,
                "chain" => self.chain(object(item)?)?,
                "set" | "map" => self.set(&object(item)?)?,
                "counter" => self.counter(object(item)?)?,
                "rule" => self.rule(&object(item)?)?,
                _ => self.other(kind, item)?,
            }
        }
        Ok(())
    }

    fn table(&mut self, object: TableObject) -> Result<(), Fault> {
        let family = family(&object.family)?;
        let key = (family, object.name.clone());
        if self.table_index.insert(key, self.tables.len()).is_some() {
            return Err(format!("table {} occurs twice", Excerpt(&object.name)));
        }
        let flags = object.flags.map(|flags| format!("flags {}", value::names(&flags).join(",")));
        self.tables.push(Table {
            family,
            name: object.name.into(),
            comment: object.comment,
            counters: Vec::new(),
            sets: Vec::new(),
            chains: Vec::new(),
            opaque: flags.into_iter().collect(),
        });
        Ok(())
    }

    fn position(&self, family_name: &str, name: &str) -> Result<usize, Fault> {
        let key = (family(family_name)?, name.to_owned());
        self.table_index.get(&key).copied().ok_or_else(|| format!("table {} is missing", Excerpt(name)))
    }

    fn chain(&mut self, object: ChainObject) -> Result<(), Fault> {
        let position = self.position(&object.family, &object.table)?;
        let Some(table) = self.tables.get_mut(position) else { return Ok(()) };
        let key = (position, object.name.clone());
        if self.chain_index.insert(key, table.chains.len()).is_some() {
            return Err(format!("chain {} occurs twice", Excerpt(&object.name)));
        }
        let base = base(&object)?;
        table.chains.push(Chain {
            name: object.name.into(),
            comment: object.comment,
            base,
            rules: Vec::new(),
        });
        Ok(())
    }

    fn counter(&mut self, object: CounterObject) -> Result<(), Fault> {
        let position = self.position(&object.family, &object.table)?;
        if let Some(table) = self.tables.get_mut(position) {
            let CounterObject { name, comment, packets, bytes, .. } = object;
            table.counters.push(Counter { name, comment, packets, bytes });
        }
        Ok(())
    }

    fn set(&mut self, object: &SetObject<'_>) -> Result<(), Fault> {
        let position = self.position(&object.family, &object.table)?;
        let set = set(object)?;
        if let Some(table) = self.tables.get_mut(position) {
            table.sets.push(set);
        }
        Ok(())
    }

    fn rule(&mut self, object: &RuleObject<'_>) -> Result<(), Fault> {
        let position = self.position(&object.family, &object.table)?;
        let key = (position, object.chain.clone());
        let chain = self.chain_index.get(&key).copied();
        let chain = chain.ok_or_else(|| format!("chain {} is missing", Excerpt(&object.chain)))?;
        if let Some(table) = self.tables.get_mut(position) {
            let read = |raw: &&RawValue| statement::read(raw, table.family);
            let statements: Result<Vec<Statement>, Fault> = object.expr.iter().map(read).collect();
            let rule = Rule { statements: statements?, comment: object.comment.clone() };
            if let Some(chain) = table.chains.get_mut(chain) {
                chain.rules.push(PlacedRule { rule, origin: None });
            }
        }
        Ok(())
    }

    /// An object of another kind: its JSON text after its kind.
    fn other(&mut self, kind: &str, item: &RawValue) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Placed {
            family: Option<String>,
            table: Option<String>,
        }
        let placed: Placed = object(item)?;
        if let (Some(family), Some(table)) = (placed.family, placed.table) {
            let position = self.position(&family, &table)?;
            if let Some(table) = self.tables.get_mut(position) {
                table.opaque.push(format!("{kind} {}", item.get()));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Ruleset {
        for table in &mut self.tables {
            imply_dynamic(table);
        }
        Ruleset { tables: self.tables }
    }
}

fn family(name: &str) -> Result<TableFamily, Fault> {
    TableFamily::from_name(name).ok_or_else(|| format!("{} is not a table family", Excerpt(name)))
}

/// nft 1.0.6 leaves the flag `dynamic` out of its JSON: only a set that has it can be updated by a rule.
fn imply_dynamic(table: &mut Table) {
    let rules = table.chains.iter().flat_map(|c| &c.rules).flat_map(|placed| &placed.rule.statements);
    let updated: BTreeSet<&CompactString> = rules
        .filter_map(|statement| match statement {
            Statement::UpdateSet { set, .. } => Some(set),
            _ => None,
        })
        .collect();
    for set in &mut table.sets {
        if updated.contains(&set.name) && !set.flags.iter().any(|flag| flag == "dynamic") {
            set.flags.push("dynamic".into());
            set.flags.sort_unstable();
        }
    }
}

fn base(object: &ChainObject) -> Result<Option<BaseChain>, Fault> {
    let (Some(kind), Some(hook), Some(priority)) = (&object.kind, &object.hook, object.prio) else {
        return Ok(None);
    };
    let device = object.dev.as_ref().map(|dev| match value::names(dev).as_slice() {
        [one] => format!("device \"{one}\""),
        several => format!("devices = {{ {} }}", several.join(", ")),
    });
    Ok(Some(BaseChain {
        kind: kind.clone(),
        hook: Hook::from_name(hook).ok_or_else(|| format!("{} is not a hook", Excerpt(hook)))?,
        device: device.map(CompactString::from),
        priority,
        drops_by_default: object.policy.as_deref() == Some("drop"),
    }))
}

fn set(object: &SetObject<'_>) -> Result<Set, Fault> {
    let typeof_key = value::of(&object.key, "typeof").and_then(expression::expression);
    let key: Vec<DataType> = match &typeof_key {
        Some(_) => Vec::new(),
        None => value::names(&object.key).iter().map(|name| DataType::from_name(name)).collect(),
    };
    let maps_to = object.map.as_ref().map(|map| DataType::from_name(&value::names(map).join(" . ")));
    // The listing has them sorted.
    let mut flags: Vec<CompactString> =
        object.flags.iter().flat_map(value::names).map(CompactString::from).collect();
    flags.sort_unstable();
    let policy = object.policy.as_ref().map(|policy| format!("policy {policy}"));
    let gc_interval =
        object.gc_interval.map(|seconds| format!("gc-interval {}", Duration::of_seconds(seconds)));
    let auto_merge = object.auto_merge.then(|| "auto-merge".to_owned());
    let mut types = Types::named(&key, maps_to.as_ref());
    if let Some(key) = &typeof_key {
        types.key = key.data_types();
    }
    let typeof_key = typeof_key.map(|key| match &maps_to {
        Some(value) => format!("typeof {key} : {}", value.name()),
        None => format!("typeof {key}"),
    });
    let elements: Result<Vec<_>, Fault> =
        object.elem.iter().map(|raw| element::read(raw, &types, maps_to.is_some())).collect();
    Ok(Set {
        name: object.name.as_str().into(),
        maps_to,
        size: object.size,
        flags,
        timeout_seconds: object.timeout,
        comment: object.comment.clone(),
        opaque: [typeof_key, policy, auto_merge, gc_interval]
            .into_iter()
            .flatten()
            .map(CompactString::from)
            .collect(),
        elements: elements?,
        key,
    })
}
