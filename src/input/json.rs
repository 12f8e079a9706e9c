//! JSON: values one after the other, with objects decoded directly into the API types.

use std::cell::{Cell, RefCell};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json_tape::tape;
use super::object::Kind;
use super::position::Position;
use super::typed::Typed;
use super::written::{Repeated, Type, Where, Written, Wrong};
use super::yaml::{Misfit, Tape};

/// An object's text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    text: &'a str,
    position: Position,
    /// Keys that occur twice; known once the object is decoded.
    repeated: RefCell<Vec<Repeated>>,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str, position: Position) -> Self {
        Text { text, position, repeated: RefCell::default() }
    }

    /// Decodes like Go what the quick way refuses: if a key occurs twice the last one counts, a number without a
    /// fraction is an integer however it is written, null in a list is the zero value.
    fn decode_leniently<T: for<'de> Deserialize<'de>>(&self, error: &serde_json::Error) -> Result<T, Wrong> {
        let as_yaml = Tape::read(self.text).ok();
        let has_places = as_yaml.is_some();
        let Some(tape) = as_yaml.or_else(|| tape(self.text)) else {
            let place = Where::Lines(lines_before(error));
            return Err(Wrong { message: message(error), place, path: None });
        };
        let object = tape.decode(0).map_err(|Misfit { fault, path }| {
            let place =
                if has_places { Where::Byte(self.position.offset + fault.offset) } else { Where::Object };
            Wrong { message: fault.message, place, path }
        })?;
        *self.repeated.borrow_mut() = Repeated::all(&tape, 0, self.position.offset);
        Ok(object)
    }
}

impl Written for Text<'_> {
    fn decode<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Wrong> {
        serde_json::from_str(self.text).or_else(|error| self.decode_leniently(&error))
    }

    fn standalone(&self) -> String {
        self.text.to_owned()
    }

    fn position(&self) -> Position {
        self.position
    }

    fn repeated(&self) -> Vec<Repeated> {
        self.repeated.take()
    }
}

/// An object at the beginning of a text, assumed to be of a type.
#[derive(Debug)]
pub(super) struct Leading<'a> {
    text: &'a str,
    /// The type of objects that do not give one.
    default: &'a Type,
    believed: Kind,
    /// The position; its length is known once the object is decoded.
    position: Cell<Position>,
}

impl<'a> Leading<'a> {
    pub(super) fn new(text: &'a str, default: &'a Type, believed: Kind, position: Position) -> Self {
        Leading { text, default, believed, position: Cell::new(position) }
    }
}

impl Written for Leading<'_> {
    fn decode<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Wrong> {
        let wrong = || Wrong { message: String::new(), place: Where::Object, path: None };
        let (typed, length) = decode_first::<Typed<T>>(self.text).ok_or_else(wrong)?;
        let type_ = if typed.type_.kind.is_empty() { self.default } else { &typed.type_ };
        if Kind::of(type_) != Some(self.believed) {
            return Err(wrong());
        }
        self.position.set(Position { length, ..self.position.get() });
        Ok(typed.object)
    }

    fn standalone(&self) -> String {
        String::new()
    }

    fn position(&self) -> Position {
        self.position.get()
    }
}

/// The probable type of an object, by its first fields, for kinds of which clusters have many. kubectl sorts fields:
/// only an EndpointSlice begins with something other than `apiVersion`.
pub(super) fn guess(text: &str, default: &Type) -> Option<(Type, Kind)> {
    let type_ = if default.kind.is_empty() { leading_type(text)? } else { default.clone() };
    let kind = Kind::of(&type_)?;
    matches!(kind, Kind::Service | Kind::EndpointSlice | Kind::Node | Kind::Pod).then_some((type_, kind))
}

fn leading_type(text: &str) -> Option<Type> {
    let (first, value, rest) = leading_field(text.strip_prefix('{')?)?;
    let (second, other, _) = leading_field(rest.trim_ascii_start().strip_prefix(',')?)?;
    let (api_version, kind) = match (first, second) {
        ("addressType", "apiVersion") => (other, "EndpointSlice"),
        ("apiVersion", "kind") => (value, other),
        ("kind", "apiVersion") => (other, value),
        _ => return None,
    };
    Some(Type { api_version: api_version.to_owned(), kind: kind.to_owned() })
}

/// The name and value of a string field, and what follows.
fn leading_field(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.trim_ascii_start().strip_prefix('"')?.split_once('"')?;
    let value = rest.trim_ascii_start().strip_prefix(':')?.trim_ascii_start().strip_prefix('"')?;
    let (value, rest) = value.split_once('"')?;
    Some((name, value, rest))
}

/// The message without the position that serde_json adds to it.
pub(super) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// How many lines come before the one with the error.
pub(super) fn lines_before(error: &serde_json::Error) -> u32 {
    u32::try_from(error.line().saturating_sub(1)).unwrap_or(u32::MAX)
}

/// The value at the beginning of a text.
pub(super) fn first_value(text: &str) -> Result<&str, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    match values.next() {
        Some(value) => value.map(RawValue::get),
        None => Ok(""),
    }
}

/// What an object is, and what it contains if it is a list.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    pub(super) type_: Type,
    pub(super) items: Option<Vec<&'a str>>,
}

/// Reads the outline of a value; an array counts as a list of unknown type.
pub(super) fn outline(text: &str) -> Result<Outline<'_>, serde_json::Error> {
    if text.starts_with('[') {
        let items = Some(elements(text)?);
        return Ok(Outline { items, ..Outline::default() });
    }
    serde_json::from_str::<Fields>(text)?.outline()
}

/// The object at the beginning of a text and its outline, for which the text is read only once.
pub(super) fn first_object(text: &str) -> Option<(&str, Outline<'_>)> {
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<Fields>();
    let fields = objects.next()?.ok()?;
    Some((text.get(..objects.byte_offset())?, fields.outline().ok()?))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a map")]
struct Fields<'a> {
    #[serde(borrow)]
    api_version: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    items: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn type_(&self) -> Type {
        Type { api_version: string(self.api_version), kind: string(self.kind) }
    }

    fn outline(self) -> Result<Outline<'a>, serde_json::Error> {
        let items = self.items.map(RawValue::get).filter(|items| items.starts_with('['));
        Ok(Outline { type_: self.type_(), items: items.map(elements).transpose()? })
    }
}

fn string(value: Option<&RawValue>) -> String {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

fn elements(array: &str) -> Result<Vec<&str>, serde_json::Error> {
    let elements: Vec<&RawValue> = serde_json::from_str(array)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// A list whose items have not been read yet.
#[derive(Debug)]
pub(super) struct OpenList {
    /// Its type, according to what comes before the items.
    pub(super) type_: Type,
    /// The byte after the bracket that opens the items.
    pub(super) items: usize,
}

/// The longest text before or after the items of a list.
const LONGEST_FRAME: usize = 4096;

/// Opens the list at the beginning of a text, if its `items` are near the beginning.
pub(super) fn open_list(text: &str) -> Option<OpenList> {
    let beginning = text.as_bytes().get(..LONGEST_FRAME.min(text.len()))?;
    let key = memchr::memmem::find(beginning, b"\"items\"")?;
    // If it is closed here it must be an object; otherwise the word that was found is not a field of it.
    let type_ = frame_type(&format!("{}\"items\":[]}}", text.get(..key)?))?;
    let after = text.get(key + "\"items\"".len()..)?;
    let bracket = after.trim_ascii_start().strip_prefix(':')?.trim_ascii_start().strip_prefix('[')?;
    Some(OpenList { type_, items: text.len() - bracket.len() })
}

/// The type of the list according to the text after its items, and where the list ends.
pub(super) fn close_list(text: &str) -> Option<(Type, usize)> {
    const OPENING: &str = "{\"items\":[]";
    let near = (0..=LONGEST_FRAME.min(text.len())).rev().find_map(|end| text.get(..end))?;
    let object = format!("{OPENING}{near}");
    let value = first_value(&object).ok()?;
    Some((frame_type(value)?, value.len() - OPENING.len()))
}

fn frame_type(object: &str) -> Option<Type> {
    Some(serde_json::from_str::<Fields>(object).ok()?.type_())
}

/// Decodes the value at the beginning of a text; also returns its length.
pub(super) fn decode_first<'a, T: Deserialize<'a>>(text: &'a str) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, values.byte_offset()))
}
