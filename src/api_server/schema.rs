//! Strict decoding: fields that a kind does not have, and values of another type than the field's.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::fault::{Class, Faults};
use crate::diagnostic::message;
use crate::input::tree::{Tree, Value};
use crate::names::nearest;

/// The types with their fields.
static FIELDS: &str = include_str!("fields.txt");

type Fields = HashMap<&'static str, &'static str>;

/// Looks at a whole object of a kind.
pub(super) fn check(object: &Tree, kind: &str, faults: &mut Faults) {
    if types().contains_key(kind) {
        value(object, kind, "", faults);
    }
}

fn types() -> &'static HashMap<&'static str, Fields> {
    static TYPES: OnceLock<HashMap<&'static str, Fields>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let lines = FIELDS.lines().filter(|line| !line.starts_with('#'));
        let typed = |field: &'static str| field.split_once(':').unwrap_or((field, "string"));
        lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, fields)| (name, fields.split_whitespace().map(typed).collect()))
            .collect()
    })
}

fn value(tree: &Tree, type_: &str, path: &str, faults: &mut Faults) {
    if tree.value == Value::Null || type_ == "any" {
        return;
    }
    if let Some(of) = type_.strip_prefix("[]") {
        match &tree.value {
            Value::List(items) => {
                let items = items.iter().enumerate();
                items.for_each(|(i, item)| value(item, of, &format!("{path}[{i}]"), faults));
            }
            _ => wrong(tree, "a list", path, faults),
        }
    } else if let Some(of) = type_.strip_prefix("{}") {
        match &tree.value {
            Value::Map(entries) => {
                let entries = entries.iter();
                entries.for_each(|(key, item)| value(item, of, &format!("{path}[\"{key}\"]"), faults));
            }
            _ => wrong(tree, "a map", path, faults),
        }
    } else if let Some(fields) = types().get(type_) {
        structure(tree, fields, path, faults);
    } else if !fits(tree, type_) {
        wrong(tree, type_, path, faults);
    }
}

fn structure(tree: &Tree, fields: &Fields, path: &str, faults: &mut Faults) {
    let Value::Map(entries) = &tree.value else { return wrong(tree, "a map", path, faults) };
    for (key, item) in entries {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match fields.get(key.as_str()) {
            Some(type_) => value(item, type_, &path, faults),
            None => unknown(key, fields, &path, faults),
        }
    }
}

fn unknown(key: &str, fields: &Fields, path: &str, faults: &mut Faults) {
    let message = message!("unknown field {path:?}");
    let mut known: Vec<&str> = fields.keys().copied().collect();
    known.sort_unstable();
    let same = known.iter().copied().find(|name| name.eq_ignore_ascii_case(key));
    let meant = same.or_else(|| nearest(key, known).first().copied());
    let remedy = meant.map_or_else(
        || "the API server drops it, or refuses the object where kubectl validates; remove it".to_owned(),
        |meant| format!("did you mean {meant}?"),
    );
    faults.add_with_remedy(Class::UnknownField, path, message, remedy);
}

/// Whether a value is of a type that is no structure, as Go decodes it.
fn fits(tree: &Tree, type_: &str) -> bool {
    match (&tree.value, type_) {
        (Value::Text(_), "string" | "quantity" | "intOrString") | (Value::Bool(_), "bool") => true,
        (Value::Integer(number), "int32" | "intOrString") => i32::try_from(*number).is_ok(),
        (Value::Integer(_) | Value::Float(_), "quantity" | "number") | (Value::Integer(_), "int64") => true,
        (Value::Float(number), "int32" | "int64" | "intOrString") => number.fract() == 0.0,
        (_, known) => {
            !["string", "bool", "int32", "int64", "number", "quantity", "intOrString"].contains(&known)
        }
    }
}

fn wrong(tree: &Tree, type_: &str, path: &str, faults: &mut Faults) {
    let found = match &tree.value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Text(_) => "a string",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    };
    let remedy = match (&tree.value, type_) {
        (Value::Bool(_) | Value::Integer(_) | Value::Float(_), "string") => "write it in quotes",
        (Value::Text(text), "int32" | "int64" | "number") if text.parse::<i64>().is_ok() => {
            "write it without quotes"
        }
        _ => "",
    };
    let message = message!("cannot unmarshal {found} into a field of type {type_}");
    faults.add_with_remedy(Class::WrongType, path, message, remedy.to_owned());
}
