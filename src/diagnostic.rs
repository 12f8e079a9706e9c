//! What is wrong with the input, explained for people: place, object, fault, remedy.

use std::fmt;
use std::sync::Arc;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something to know, whatever the flags are.
    Note,
    /// kube-proxy would go on with a log message; so do we, unless `--strict` is given.
    Warning,
    /// The real kube-proxy could not load the rules of this cluster; `--force` goes on.
    Unloadable,
    /// There is no right answer for this input.
    Error,
}

/// A place in the input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file as the user named it; `<stdin>` for standard input.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", Inert(&self.file)),
            None => Inert(&self.file).fmt(f),
        }
    }
}

/// An API object by kind and name, such as `Service shop/web`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The kind, such as `Service`.
    pub kind: Arc<str>,
    /// The namespace, empty for objects outside any.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, namespace, name) = (Inert(&self.kind), Inert(&self.namespace), Inert(&self.name));
        if self.namespace.is_empty() {
            write!(f, "{kind} {name}")
        } else {
            write!(f, "{kind} {namespace}/{name}")
        }
    }
}

/// One finding about the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is, if it has a place.
    pub place: Option<Place>,
    /// The object it is about.
    pub object: Option<ObjectRef>,
    /// The path of the field of the object that it is about, if it is about one.
    pub(crate) field: String,
    /// What is wrong; begins with the field's path if there is one, such as `spec.ports[0].port: ...`.
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
    /// What kind of message it is, if others can be of the same kind.
    pub(crate) kind: Kind,
}

impl Diagnostic {
    /// A fault for which there is no right answer.
    pub fn error(message: impl Into<Message>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// A fault that makes the real kube-proxy fail.
    pub fn unloadable(message: impl Into<Message>) -> Self {
        Self::new(Severity::Unloadable, message)
    }

    /// Something that kube-proxy ignores.
    pub fn warning(message: impl Into<Message>) -> Self {
        Self::new(Severity::Warning, message)
    }

    /// Something to know that is not a fault.
    pub fn note(message: impl Into<Message>) -> Self {
        Self::new(Severity::Note, message)
    }

    fn new(severity: Severity, message: impl Into<Message>) -> Self {
        let Message { text, kind } = message.into();
        let (field, help) = (String::new(), String::new());
        Diagnostic { severity, place: None, object: None, field, message: text, help, kind }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// Adds the object.
    #[must_use]
    pub fn about(mut self, object: ObjectRef) -> Self {
        self.object = Some(object);
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Note => "note: ",
            Severity::Warning => "warning: ",
            Severity::Unloadable | Severity::Error => "error: ",
        })?;
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        write!(f, "{}", Inert(&self.message))?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", Inert(&self.help))?;
        }
        Ok(())
    }
}

/// At most this many faults of one kind are shown to people; the others are counted.
pub(crate) const SHOWN_OF_A_KIND: usize = 20;

/// What messages about different things have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The text of this template, each with its own names, numbers and addresses; and the field in front, if any,
    /// without its indices.
    Of(&'static str, String),
    /// Only messages with this text.
    Itself(String),
}

/// A message, with its kind: a literal is a kind of its own, what `message!` makes is of the kind of its template,
/// and any other text is of one kind only with an equal text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub(crate) text: String,
    pub(crate) kind: Kind,
}

impl Message {
    /// A text made from a template; see `message!`.
    pub(crate) fn of(template: &'static str, text: String) -> Message {
        Message { text, kind: Kind::Of(template, String::new()) }
    }

    /// The message in a sentence that says more; of the same kind.
    pub(crate) fn within(self, sentence: impl FnOnce(&str) -> String) -> Message {
        Message { text: sentence(&self.text), kind: self.kind }
    }

    /// The message with the path of the field that it is about in front; within a kind, only the indices in the path
    /// differ.
    pub(crate) fn about_field(self, field: &str) -> Message {
        if field.is_empty() {
            return self;
        }
        let text = format!("{field}: {}", self.text);
        let kind = match self.kind {
            Kind::Of(template, _) => Kind::Of(template, without_indices(field)),
            Kind::Itself(_) => Kind::Itself(text.clone()),
        };
        Message { text, kind }
    }
}

impl From<&'static str> for Message {
    fn from(text: &'static str) -> Message {
        Message::of(text, text.to_owned())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message { kind: Kind::Itself(text.clone()), text }
    }
}

/// `spec.ports[].port` of `spec.ports[0].port`.
pub(crate) fn without_indices(field: &str) -> String {
    let mut within = false;
    let kept = field.chars().filter(|c| {
        let is_kept = !within || *c == ']';
        within = (within || *c == '[') && *c != ']';
        is_kept
    });
    kept.collect()
}

/// A message whose kind is its template.
macro_rules! message {
    ($template:literal $($arguments:tt)*) => {
        $crate::diagnostic::Message::of($template, format!($template $($arguments)*))
    };
}
pub(crate) use message;

/// How many more there are of a kind, with the first of them by name.
pub(crate) fn and_more(others: &[String]) -> String {
    const NAMED: usize = 3;
    let mut named: Vec<&str> = others.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    named.dedup();
    let listed = named.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let listed = if listed.is_empty() { listed } else { format!(": {listed}") };
    let more = if named.len() > NAMED { ", ..." } else { "" };
    format!("and {} more of this kind{listed}{more}", others.len())
}

/// Text from outside, made harmless for a terminal: control characters, direction marks and other invisible characters
/// are printed as `\u{...}`, and so is what a log would treat as a command.
#[derive(Debug, Clone, Copy)]
pub struct Inert<'a>(pub &'a str);

impl fmt::Display for Inert<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut signs, mut written) = (0, 0);
        for (at, c) in self.0.char_indices() {
            // A runner of GitHub Actions treats `##[name]` anywhere in a line of its log as a command.
            let is_command = c == '[' && signs >= 2;
            signs = if c == '#' { signs + 1 } else { 0 };
            if is_invisible(c) || is_command {
                f.write_str(self.0.get(written..at).unwrap_or_default())?;
                write!(f, "{}", c.escape_unicode())?;
                written = at + c.len_utf8();
            }
        }
        f.write_str(self.0.get(written..).unwrap_or_default())
    }
}

/// Whether a character controls a terminal, is invisible, or changes the direction of text.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Why a captured text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong; text from the line in it is made harmless.
    pub message: String,
}

/// What is wrong within a line or an item, when its reader does not know the position.
pub(crate) type Fault = String;

/// The beginning of a text from outside, quoted and made harmless, for a message.
pub(crate) struct Excerpt<'a>(pub(crate) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        match self.0.char_indices().nth(LONGEST) {
            None => write!(f, "'{}'", Inert(self.0)),
            Some((end, _)) => write!(f, "'{}...'", Inert(&self.0[..end])),
        }
    }
}

/// What a stage makes, with its warnings; if there is an error nothing is made, and everything found is reported.
pub type Checked<T> = Result<(T, Diagnostics), Diagnostics>;

/// Collects what is found on the way, so that one run reports everything that is wrong.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// All of them, in the order found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// Appends those of another stage.
    pub fn append(&mut self, mut other: Diagnostics) {
        self.found.append(&mut other.found);
    }

    /// The worst severity present.
    pub fn worst(&self) -> Option<Severity> {
        self.found.iter().map(|d| d.severity).max()
    }

    /// Whether the real `iptables-restore` or `nft` accepts the rules, as far as all that was found so far shows: an
    /// EndpointSlice of mixed families, an interface name that is too long and the like make them refuse.
    pub fn is_loadable(&self) -> bool {
        self.worst() < Some(Severity::Unloadable)
    }

    /// Returns what a stage made, unless an error was found.
    ///
    /// # Errors
    /// All that was found, including an error.
    pub fn check<T>(self, made: T) -> Checked<T> {
        if self.has_errors() { Err(self) } else { Ok((made, self)) }
    }

    /// Whether there is a fault for which there is no right answer.
    pub fn has_errors(&self) -> bool {
        self.worst() == Some(Severity::Error)
    }
}

/// Each on lines of its own, in the order found.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.found.iter().enumerate() {
            let before = if i == 0 { "" } else { "\n" };
            write!(f, "{before}{diagnostic}")?;
        }
        Ok(())
    }
}

/// What a stage found wrong is an error like any other to a program that uses the library.
impl std::error::Error for Diagnostics {}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, more: T) {
        self.found.extend(more);
    }
}

impl From<Box<Diagnostic>> for Diagnostics {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        (*diagnostic).into()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics { found: vec![diagnostic] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_template_are_of_one_kind() {
        let about = |i: usize, field: &str| {
            message!("{i} is not a port").about_field(&format!("spec.ports[{i}].{field}"))
        };
        let [one, other] = [about(0, "port"), about(70_000, "port")];
        assert_eq!(one.text, "spec.ports[0].port: 0 is not a port");
        assert_eq!(one.kind, other.kind);
        assert_ne!(one.kind, about(0, "nodePort").kind);
        assert_eq!(Message::from("is missing").kind, Message::from("is missing").kind);
        assert_ne!(
            Message::from("port 1 is taken".to_owned()).kind,
            Message::from("port 2 is taken".to_owned()).kind
        );
    }

    #[test]
    fn terminal_escapes_come_out_inert() {
        assert_eq!(Inert("a\u{1b}[31m\u{202e}b\n").to_string(), "a\\u{1b}[31m\\u{202e}b\\u{a}");
    }
}
