//! Statements that kube-proxy never writes. One is only accepted if it is printed just as it was read, so that no word
//! is lost.

use compact_str::{CompactString, format_compact};

use super::datum;
use super::expression::{Cursor, assigned, compared, elements, expression, mapped, quoted};
use crate::net::Family;
use crate::nftables::list::statement::StatementBy;
use crate::nftables::list::version::VERSIONS;
use crate::nftables::ruleset::{
    Comparison, DataType, Datum, Diversion, Expression, Limit, Log, Operator, SetChange, SetOperation,
    Statement, TableFamily, Translation, TranslationKind,
};

/// Reads a statement from the front; returns how many words it takes.
pub(super) fn statement(words: &[&str]) -> Option<(Statement, usize)> {
    let mut rest = Cursor { words };
    let statement = read(&mut rest)?;
    let length = words.len() - rest.words.len();
    Some((as_printed(statement, words.get(..length)?)?, length))
}

/// The statement if some version of nft prints it with these words.
fn as_printed(statement: Statement, words: &[&str]) -> Option<Statement> {
    let text = words.join(" ");
    let mut versions = VERSIONS.iter().map(|version| StatementBy(&statement, version.facts).to_string());
    if versions.next()? == text {
        return Some(statement);
    }
    versions.any(|printed| printed == text).then(|| Statement::Spelled(text.into(), Box::new(statement)))
}

fn read(words: &mut Cursor<'_, '_>) -> Option<Statement> {
    let start = *words;
    match words.next()? {
        "limit" => limit(words).map(Statement::Limit),
        "quota" => quota(words).map(Statement::Limit),
        "ct" if words.has("count") => {
            let over = words.has("over");
            Some(Statement::Limit(Limit::Connections { over, count: datum::number(words.next()?)? }))
        }
        "reject" => {
            words.take("with")?;
            let (kind, code) = (words.next()?, words.next()?);
            let known = matches!((kind, code), ("tcp", "reset") | ("icmp" | "icmpv6" | "icmpx", _));
            known.then(|| Statement::RejectWith(format_compact!("{kind} {code}")))
        }
        "notrack" => Some(Statement::Notrack),
        "log" => log(words).map(Statement::Log),
        "queue" => queue(words).map(|text| Statement::Divert(Diversion::Program, text)),
        "tproxy" => target("tproxy", words).map(|text| Statement::Divert(Diversion::Socket, text)),
        "synproxy" => synproxy(words).map(|text| Statement::Divert(Diversion::Proxy, text)),
        "fwd" => target("fwd", words).map(|text| Statement::Divert(Diversion::Interface, text)),
        "dup" => target("dup", words).map(Statement::Aside),
        "flow" => {
            words.take("add")?;
            let table = words.next().filter(|word| word.starts_with('@'))?;
            Some(Statement::Aside(format_compact!("flow add {table}")))
        }
        "last" => last(words).map(Statement::Aside),
        "meter" => meter(words),
        "counter" => {
            words.take("name")?;
            let key = expression(words)?;
            words.take("map")?;
            Some(Statement::Aside(format_compact!("counter name {}", mapped(words, key, None)?)))
        }
        "reset" => {
            words.take("tcp")?;
            words.take("option")?;
            Some(Statement::Aside(format_compact!("reset tcp option {}", words.next()?)))
        }
        word if TranslationKind::from_name(word).is_some() => {
            translation(TranslationKind::from_name(word)?, words)
        }
        word if SetOperation::from_name(word).is_some() => {
            let set = words.next()?.strip_prefix('@')?.into();
            change(SetOperation::from_name(word)?, set, words)
        }
        _ => {
            *words = start;
            of_expression(words)
        }
    }
}

/// A match, a lookup of a verdict, or an assignment.
fn of_expression(words: &mut Cursor<'_, '_>) -> Option<Statement> {
    let left = expression(words)?;
    if words.has("vmap") {
        let map = elements(words, &left, &[])?;
        return holds_verdicts(&map).then(|| Statement::LookUp(Box::new((left, map))));
    }
    if words.has("set") {
        let Expression::Selector(target) = left else { return None };
        let any = DataType::Other(CompactString::const_new(""));
        let kind = target.data_type().unwrap_or(any);
        return Some(Statement::Assign(Box::new((target, assigned(words, Some(&kind))?))));
    }
    if !asks(&left) {
        return None;
    }
    let operator = match words.peek().and_then(Operator::from_sign) {
        Some(operator) => {
            words.next();
            operator
        }
        None => Operator::Implied,
    };
    let right = compared(words, &left).filter(|right| !is_statement(right))?;
    let is_bits = left.data_type().is_some_and(|kind| kind.is_bits());
    match words.has("/") {
        false => Some(Statement::Compare(Box::new(Comparison { left, operator, right }))),
        true if is_bits && matches!(operator, Operator::Implied | Operator::Unequal) => {
            slashed(words, left, operator, right)
        }
        true => None,
    }
}

/// Whether an expression asks for something, rather than being a value.
fn asks(left: &Expression) -> bool {
    let mut found = false;
    left.visit(&mut |part| found |= matches!(part, Expression::Selector(_) | Expression::Chooser(_)));
    found
}

/// Whether a word begins a statement and is not a value: then the form of the match before it is not known here.
fn is_statement(right: &Expression) -> bool {
    let Expression::Datum(Datum::Word(word)) = right else { return false };
    datum::begins_statement(word)
}

/// `tcp flags syn / fin,syn,rst,ack`: which of these bits are set.
fn slashed(
    words: &mut Cursor<'_, '_>,
    left: Expression,
    operator: Operator,
    right: Expression,
) -> Option<Statement> {
    let mask = Expression::Datum(datum::bits(words.next()?, ',')?);
    let operator = if operator == Operator::Unequal { operator } else { Operator::Equal };
    let left = Expression::Binary(crate::nftables::ruleset::Binary::And, Box::new(left), Box::new(mask));
    Some(Statement::Compare(Box::new(Comparison { left, operator, right })))
}

fn holds_verdicts(map: &Expression) -> bool {
    let Expression::Set(elements) = map else { return true };
    let is_verdict =
        |value: &Option<_>| matches!(value, Some(crate::nftables::ruleset::MapValue::Verdict(_)));
    elements.iter().all(|element| is_verdict(&element.value))
}

fn limit(words: &mut Cursor<'_, '_>) -> Option<Limit> {
    if words.has("name") {
        return Some(Limit::Named("limit".into(), quoted(words)?.into()));
    }
    words.take("rate")?;
    let over = words.has("over");
    let first = words.next()?;
    let rate: CompactString = match first.contains('/') {
        true => first.into(),
        false => format_compact!("{first} {}", words.next().filter(|unit| unit.contains('/'))?),
    };
    let burst = match words.has("burst") {
        true => Some(format_compact!("{} {}", words.next()?, words.next()?)),
        false => None,
    };
    Some(Limit::Rate { over, rate, burst })
}

fn quota(words: &mut Cursor<'_, '_>) -> Option<Limit> {
    if words.has("name") {
        return Some(Limit::Named("quota".into(), quoted(words)?.into()));
    }
    let over = words.has("over");
    let size = format_compact!("{} {}", words.next()?, words.next()?);
    let used = match words.has("used") {
        true => Some(format_compact!("{} {}", words.next()?, words.next()?)),
        false => None,
    };
    Some(Limit::Quota { over, size, used })
}

fn log(words: &mut Cursor<'_, '_>) -> Option<Log> {
    let mut log = Log::default();
    while let Some(option @ ("prefix" | "group" | "snaplen" | "queue-threshold" | "level" | "flags")) =
        words.peek()
    {
        words.next();
        let mut value = CompactString::from(words.next()?);
        let more = option == "flags" && matches!(value.as_str(), "tcp" | "ip" | "skuid" | "ether");
        if more && matches!(value.as_str(), "tcp" | "ip") {
            value = format_compact!("{value} {}", words.next()?);
        }
        // Options for IP can follow options for TCP.
        if more && words.peek() == Some("ip") && value.starts_with("tcp") {
            words.next();
            value = format_compact!("{value} ip {}", words.next()?);
        }
        log.options.push((option.into(), value));
    }
    Some(log)
}

fn queue(words: &mut Cursor<'_, '_>) -> Option<CompactString> {
    let mut text = CompactString::from("queue");
    if words.has("flags") {
        text = format_compact!("{text} flags {}", words.next()?);
    }
    if let Some(word @ ("to" | "num")) = words.peek() {
        words.next();
        let is_number = words.peek()?.starts_with(|c: char| c.is_ascii_digit());
        let number = if is_number { words.next()?.into() } else { queue_of(words)? };
        text = format_compact!("{text} {word} {number}");
    }
    Some(text)
}

/// `symhash mod 4`, `ip saddr map { ... }`: the number of the queue.
fn queue_of(words: &mut Cursor<'_, '_>) -> Option<CompactString> {
    let key = expression(words)?;
    let of = match words.has("map") {
        true => mapped(words, key, None)?,
        false => key,
    };
    asks(&of).then(|| format_compact!("{of}"))
}

/// `dup to 10.0.0.1 device "eth0"`, `tproxy ip to :50080`
fn target(name: &str, words: &mut Cursor<'_, '_>) -> Option<CompactString> {
    let mut text = CompactString::from(name);
    if let Some(family @ ("ip" | "ip6")) = words.peek() {
        words.next();
        text = format_compact!("{text} {family}");
    }
    words.take("to")?;
    text = format_compact!("{text} to {}", words.next()?);
    if words.has("device") {
        text = format_compact!("{text} device {}", words.next()?);
    }
    Some(text)
}

fn synproxy(words: &mut Cursor<'_, '_>) -> Option<CompactString> {
    let mut text = CompactString::from("synproxy");
    while let Some(option @ ("mss" | "wscale" | "timestamp" | "sack-perm" | "name")) = words.peek() {
        words.next();
        text = format_compact!("{text} {option}");
        if !matches!(option, "timestamp" | "sack-perm") {
            text = format_compact!("{text} {}", words.next()?);
        }
    }
    Some(text)
}

fn last(words: &mut Cursor<'_, '_>) -> Option<CompactString> {
    match words.has("used") {
        true => Some(format_compact!("last used {}", words.next()?)),
        false => Some("last".into()),
    }
}

fn meter(words: &mut Cursor<'_, '_>) -> Option<Statement> {
    let mut name = CompactString::from(words.next()?);
    if words.has("size") {
        name = format_compact!("{name} size {}", datum::number::<u32>(words.next()?)?);
    }
    change(SetOperation::Meter, name, words)
}

fn change(operation: SetOperation, set: CompactString, words: &mut Cursor<'_, '_>) -> Option<Statement> {
    let mut inside = Cursor { words: words.braces()? };
    let key = expression(&mut inside)?;
    let timeout = match inside.has("timeout") {
        true => Some(inside.next()?.into()),
        false => None,
    };
    let mut statements = Vec::new();
    while !matches!(inside.peek(), None | Some(":")) {
        statements.push(of_element(&mut inside)?);
    }
    let value = match inside.has(":") {
        true => Some(element_value(&mut inside)?),
        false => None,
    };
    inside.words.is_empty().then(|| {
        let change = SetChange { operation, set, key, timeout, statements, value };
        Statement::ChangeSet(Box::new(change))
    })
}

/// A statement of an element that a rule adds.
fn of_element(words: &mut Cursor<'_, '_>) -> Option<Statement> {
    if words.has("counter") {
        if words.peek() == Some("packets") {
            return None;
        }
        return Some(Statement::Counter { packets: 0, bytes: 0 });
    }
    read(words).filter(|statement| matches!(statement, Statement::Limit(_) | Statement::Aside(_)))
}

fn element_value(words: &mut Cursor<'_, '_>) -> Option<Expression> {
    let any = DataType::Other(CompactString::const_new(""));
    assigned(words, Some(&any))
}

fn translation(kind: TranslationKind, words: &mut Cursor<'_, '_>) -> Option<Statement> {
    let mut found =
        Translation { kind, family: None, prefix: false, address: None, port: None, flags: Vec::new() };
    let family = Family::ALL.into_iter().find(|f| words.peek() == Some(TableFamily::from(*f).name()));
    if let Some(family) = family {
        words.next();
        found.family = Some(family);
    }
    found.prefix = words.has("prefix");
    if words.has("to") {
        destination(words, &mut found)?;
    }
    if let Some(flags) = words.peek().filter(|word| word.split(',').all(is_flag)) {
        words.next();
        found.flags = flags.split(',').map(CompactString::from).collect();
    }
    let complete = found.address.is_some() || !matches!(kind, TranslationKind::Dnat | TranslationKind::Snat);
    (complete || found.port.is_some()).then(|| Statement::Translate(Box::new(found)))
}

fn is_flag(word: &str) -> bool {
    matches!(word, "random" | "fully-random" | "persistent")
}

fn destination(words: &mut Cursor<'_, '_>, found: &mut Translation) -> Option<()> {
    let first = words.peek()?;
    if let Some(port) = first.strip_prefix(':') {
        found.port = Some(port_of(port, words)?);
        return Some(());
    }
    let mut ahead = *words;
    if let Some(key) = expression(&mut ahead)
        && ahead.has("map")
    {
        let types = [None, Some(DataType::InetService)];
        let map = elements(&mut ahead, &key, &types)?;
        found.address = Some(Expression::Map(Box::new(key), Box::new(map)));
        *words = ahead;
        return Some(());
    }
    words.next();
    let (address, port) = split_port(first);
    found.address = Some(Expression::Datum(addresses(&address)?));
    if let Some(port) = port {
        found.port = Some(Expression::Datum(datum::typed(port, Some(&DataType::InetService))?));
    }
    Some(())
}

/// A port, or the key of a map whose first word follows the colon directly.
fn port_of(port: &str, words: &mut Cursor<'_, '_>) -> Option<Expression> {
    let service = DataType::InetService;
    if let Some(datum) = datum::typed(port, Some(&service)) {
        words.next();
        return Some(Expression::Datum(datum));
    }
    let mut all = words.words.to_vec();
    *all.first_mut()? = port;
    let mut ahead = Cursor { words: &all };
    let key = expression(&mut ahead)?;
    let found = match ahead.has("map") {
        true => mapped(&mut ahead, key, Some(&service))?,
        false => key,
    };
    let taken = all.len() - ahead.words.len();
    words.words = words.words.get(taken..)?;
    Some(found)
}

/// Addresses without brackets, and the ports after them.
fn split_port(word: &str) -> (CompactString, Option<&str>) {
    if word.starts_with('[') {
        let (address, port) = match word.rsplit_once("]:") {
            Some((address, port)) => (address, Some(port)),
            None => (word.trim_end_matches(']'), None),
        };
        return (address.replace(['[', ']'], "").into(), port);
    }
    match word.split_once(':') {
        Some((address, port)) if !port.contains(':') => (address.into(), Some(port)),
        _ => (word.into(), None),
    }
}

fn addresses(text: &str) -> Option<Datum> {
    datum::typed(text, None)
}
