//! Statements in JSON that kube-proxy never writes.

use compact_str::{CompactString, format_compact};
use serde_json::Value;

use super::expression::{assigned, compared, elements, expression, selector};
use super::value::{fields, names, number, of, only};
use crate::net::Family;
use crate::nftables::parse::word::Words;
use crate::nftables::ruleset::{
    Comparison, DataType, Datum, Diversion, Duration, Expression, Limit, Log, MapValue, Operator, Selector,
    SetChange, SetOperation, Statement, TableFamily, Translation, TranslationKind,
};

pub(super) fn statement(value: &Value) -> Option<Statement> {
    if let Some(text) = value.as_str() {
        return of_text(text);
    }
    let (kind, body) = only(value)?;
    match kind {
        "match" => comparison(body),
        "vmap" => look_up(body),
        "mangle" => assignment(body),
        "limit" | "quota" if body.is_string() => {
            Some(Statement::Limit(Limit::Named(kind.into(), body.as_str()?.into())))
        }
        "limit" => rate(body).map(Statement::Limit),
        "quota" => quota(body).map(Statement::Limit),
        "ct count" => Some(Statement::Limit(Limit::Connections {
            over: is_over(body),
            count: number(body.get("val")?)?,
        })),
        "ct helper" | "ct timeout" | "ct expectation" => {
            let target = Selector::Conntrack(None, kind.strip_prefix("ct ")?.into());
            let name = match body.as_str() {
                Some(name) => Expression::Datum(Datum::Name(name.into())),
                None => assigned(body, Some(&string()))?,
            };
            Some(Statement::Assign(Box::new((target, name))))
        }
        "reject" => {
            let kind = body.get("type")?.as_str()?;
            Some(Statement::RejectWith(match body.get("expr") {
                Some(code) => format_compact!("{kind} {}", code.as_str()?),
                None => kind.into(),
            }))
        }
        "notrack" => Some(Statement::Notrack),
        "log" => log(body).map(Statement::Log),
        "queue" => queue(body).map(|text| Statement::Divert(Diversion::Program, text)),
        "tproxy" => target(kind, body).map(|text| Statement::Divert(Diversion::Socket, text)),
        "fwd" => target(kind, body).map(|text| Statement::Divert(Diversion::Interface, text)),
        "synproxy" => synproxy(body).map(|text| Statement::Divert(Diversion::Proxy, text)),
        "dup" => target(kind, body).map(Statement::Aside),
        "flow" => Some(Statement::Aside(format_compact!("flow add {}", body.get("flowtable")?.as_str()?))),
        "last" => last(body).map(Statement::Aside),
        "counter" => {
            Some(Statement::Aside(format_compact!("counter name {}", assigned(body, Some(&string()))?)))
        }
        "reset" => {
            let option = of(body, "tcp option")?.get("name")?.as_str()?;
            Some(Statement::Aside(format_compact!("reset tcp option {option}")))
        }
        "set" | "map" => change(kind, body),
        "meter" => meter(body),
        other => translation(TranslationKind::from_name(other)?, body),
    }
}

fn string() -> DataType {
    DataType::Other(CompactString::const_new("string"))
}

/// nft 1.0.6 prints the text of a statement for which its JSON has no form.
fn of_text(text: &str) -> Option<Statement> {
    let words: Vec<&str> = Words::of(text).map(|word| word.text).collect();
    let (statement, length) = crate::nftables::parse::general::statement(&words)?;
    (length == words.len()).then_some(statement)
}

/// How long ago a packet last met the rule, in milliseconds.
fn last(body: &Value) -> Option<CompactString> {
    if body.is_null() {
        return Some("last used never".into());
    }
    Some(format_compact!("last used {}", Duration(of(body, "used")?.as_u64()?)))
}

fn comparison(body: &Value) -> Option<Statement> {
    let [sign, left, right] = fields(body, ["op", "left", "right"])?;
    let left = expression(left)?;
    let right = compared(right, &left)?;
    let of_bits =
        left.data_type().is_some_and(|kind| kind.is_bits()) && matches!(right, Expression::Datum(_));
    let operator = match sign.as_str()? {
        "in" => Operator::Implied,
        "==" if of_bits || matches!(left, Expression::Binary(..)) => Operator::Equal,
        "==" => Operator::Implied,
        sign => Operator::from_sign(sign)?,
    };
    Some(Statement::Compare(Box::new(Comparison { left, operator, right })))
}

fn look_up(body: &Value) -> Option<Statement> {
    let [key, data] = fields(body, ["key", "data"])?;
    let key = expression(key)?;
    let map = elements(data, &key, &[])?;
    let holds_verdicts = match &map {
        Expression::Set(elements) => {
            elements.iter().all(|element| matches!(element.value, Some(MapValue::Verdict(_))))
        }
        _ => true,
    };
    holds_verdicts.then(|| Statement::LookUp(Box::new((key, map))))
}

fn assignment(body: &Value) -> Option<Statement> {
    let [target, value] = fields(body, ["key", "value"])?;
    let target = selector(target)?;
    let any = DataType::Other(CompactString::const_new(""));
    let kind = target.data_type().unwrap_or(any);
    let value = assigned(value, Some(&kind))?;
    Some(Statement::Assign(Box::new((target, value))))
}

fn is_over(body: &Value) -> bool {
    body.get("inv") == Some(&Value::Bool(true))
}

fn rate(body: &Value) -> Option<Limit> {
    let (rate, burst) = (body.get("rate")?.as_u64()?, body.get("burst").and_then(Value::as_u64));
    let per = body.get("per")?.as_str()?;
    let unit = body.get("rate_unit").and_then(Value::as_str);
    let rate = match unit {
        Some(unit) => format_compact!("{rate} {unit}/{per}"),
        None => format_compact!("{rate}/{per}"),
    };
    // nft 1.0.6 assumes this burst if none is given, and does not print it.
    let default = if unit.is_some() { 0 } else { 5 };
    let burst_unit = body.get("burst_unit").and_then(Value::as_str).unwrap_or("packets");
    let burst = burst.filter(|burst| *burst != default).map(|burst| format_compact!("{burst} {burst_unit}"));
    Some(Limit::Rate { over: is_over(body), rate, burst })
}

fn quota(body: &Value) -> Option<Limit> {
    let amount = |name: &str| {
        let unit = body.get(format!("{name}_unit"))?.as_str()?;
        Some(format_compact!("{} {unit}", body.get(name)?.as_u64()?))
    };
    Some(Limit::Quota { over: is_over(body), size: amount("val")?, used: amount("used") })
}

fn log(body: &Value) -> Option<Log> {
    let mut log = Log::default();
    let Some(options) = body.as_object() else { return body.is_null().then_some(log) };
    for name in ["prefix", "group", "snaplen", "queue-threshold", "level", "flags"] {
        let value = match (name, options.get(name)) {
            (_, None) => continue,
            ("prefix", Some(value)) => format_compact!("\"{}\"", value.as_str()?),
            (_, Some(Value::Number(value))) => format_compact!("{value}"),
            ("flags", Some(value)) => {
                let flags = log_flags(&names(value));
                log.options.extend(flags.into_iter().map(|flags| (CompactString::const_new("flags"), flags)));
                continue;
            }
            (_, Some(value)) => names(value).join(",").into(),
        };
        log.options.push((name.into(), value));
    }
    let known = ["prefix", "group", "snaplen", "queue-threshold", "level", "flags"];
    options.keys().all(|name| known.contains(&name.as_str())).then_some(log)
}

/// Flags as in the listing: those of TCP together, the others one by one.
fn log_flags(flags: &[String]) -> Vec<CompactString> {
    let of_tcp: Vec<&str> = flags.iter().filter_map(|flag| flag.strip_prefix("tcp ")).collect();
    let of_tcp = (!of_tcp.is_empty()).then(|| format_compact!("tcp {}", of_tcp.join(",")));
    let others = flags.iter().filter(|flag| !flag.starts_with("tcp ")).map(CompactString::from);
    of_tcp.into_iter().chain(others).collect()
}

fn queue(body: &Value) -> Option<CompactString> {
    let mut text = CompactString::from("queue");
    if let Some(flags) = body.get("flags") {
        text = format_compact!("{text} flags {}", names(flags).join(","));
    }
    match body.get("num") {
        Some(Value::Number(number)) => text = format_compact!("{text} to {number}"),
        Some(range) => match of(range, "range") {
            Some(ends) => {
                let ends: Vec<String> = ends.as_array()?.iter().map(Value::to_string).collect();
                text = format_compact!("{text} to {}", ends.join("-"));
            }
            None => text = format_compact!("{text} to {}", assigned(range, None)?),
        },
        None => {}
    }
    Some(text)
}

fn target(name: &str, body: &Value) -> Option<CompactString> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let mut out = CompactString::from(name);
    if let Some(family) = body.get("family") {
        out = format_compact!("{out} {}", text(family)?);
    }
    out.push_str(" to ");
    if let Some(address) = body.get("addr") {
        let address = text(address)?;
        // Only IPv6 needs brackets to set the port apart.
        let is_apart = (body.get("port").is_some() || name == "tproxy") && address.contains(':');
        out.push_str(&if is_apart { format!("[{address}]") } else { address });
    }
    if let Some(port) = body.get("port") {
        out = format_compact!("{out}:{}", text(port)?);
    }
    if let Some(device) = body.get("dev") {
        out = match body.get("addr") {
            Some(_) => format_compact!("{out} device \"{}\"", text(device)?),
            None => format_compact!("{out}\"{}\"", text(device)?),
        };
    }
    Some(out)
}

fn synproxy(body: &Value) -> Option<CompactString> {
    let mut text = CompactString::from("synproxy");
    if let Some(name) = body.as_str() {
        return Some(format_compact!("{text} name \"{name}\""));
    }
    for option in ["mss", "wscale"] {
        if let Some(value) = body.get(option) {
            text = format_compact!("{text} {option} {value}");
        }
    }
    for flag in body.get("flags").map(names).unwrap_or_default() {
        text = format_compact!("{text} {flag}");
    }
    Some(text)
}

/// The key of an element that a rule adds, and its timeout.
fn key_of(value: &Value) -> Option<(Expression, Option<CompactString>)> {
    match of(value, "elem") {
        Some(wrapped) => {
            let timeout = match wrapped.get("timeout") {
                Some(Value::Number(seconds)) => {
                    Some(format_compact!("{}", Duration::of_seconds(seconds.as_u64()?)))
                }
                Some(text) => Some(text.as_str()?.into()),
                None => None,
            };
            Some((expression(wrapped.get("val")?)?, timeout))
        }
        None => Some((expression(value)?, None)),
    }
}

fn change(kind: &str, body: &Value) -> Option<Statement> {
    let operation = SetOperation::from_name(body.get("op")?.as_str()?)?;
    let set = body.get(kind)?.as_str()?.strip_prefix('@')?.into();
    let (key, timeout) = key_of(body.get("elem")?)?;
    let statements = body.get("stmt").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let statements: Option<Vec<_>> = statements.iter().map(of_element).collect();
    let any = DataType::Other(CompactString::const_new(""));
    let value = match body.get("data") {
        Some(value) => Some(assigned(value, Some(&any))?),
        None => None,
    };
    let change = SetChange { operation, set, key, timeout, statements: statements?, value };
    Some(Statement::ChangeSet(Box::new(change)))
}

fn meter(body: &Value) -> Option<Statement> {
    let (key, timeout) = key_of(body.get("key")?)?;
    let name = body.get("name")?.as_str()?;
    let set = match body.get("size").and_then(Value::as_u64) {
        Some(size) => format_compact!("{name} size {size}"),
        None => name.into(),
    };
    let statements = vec![of_element(body.get("stmt")?)?];
    let operation = SetOperation::Meter;
    let change = SetChange { operation, set, key, timeout, statements, value: None };
    Some(Statement::ChangeSet(Box::new(change)))
}

fn translation(kind: TranslationKind, body: &Value) -> Option<Statement> {
    let family = body.get("family").and_then(Value::as_str);
    let known = ["family", "addr", "port", "flags", "type_flags"];
    if body.as_object().is_some_and(|all| all.keys().any(|key| !known.contains(&key.as_str()))) {
        return None;
    }
    let service = DataType::InetService;
    let address = match body.get("addr") {
        Some(address) => Some(destination(address)?),
        None => None,
    };
    let port = match body.get("port") {
        Some(port) => Some(assigned(port, Some(&service))?),
        None => None,
    };
    let flags = body.get("flags").map(names).unwrap_or_default().into_iter().map(CompactString::from);
    // JSON has a flag for what the listing calls a prefix.
    let flags = flags.filter(|flag| flag != "netmap");
    let prefix = match body.get("type_flags") {
        Some(flags) if *flags == "prefix" => true,
        Some(_) => return None,
        None => false,
    };
    Some(Statement::Translate(Box::new(Translation {
        kind,
        family: Family::ALL.into_iter().find(|f| Some(TableFamily::from(*f).name()) == family),
        prefix,
        address,
        port,
        flags: flags.collect(),
    })))
}

/// An address, several addresses, or the value from a map.
fn destination(value: &Value) -> Option<Expression> {
    if let Some(datum) = super::element::typed(value, None) {
        return Some(Expression::Datum(datum));
    }
    expression(value).filter(|found| matches!(found, Expression::Map(..)))
}

/// A statement of an element that a rule adds.
fn of_element(value: &Value) -> Option<Statement> {
    match only(value)? {
        ("counter", _) => Some(Statement::Counter { packets: 0, bytes: 0 }),
        // The time is left out here, too.
        ("last", _) => Some(Statement::Aside("last".into())),
        _ => statement(value),
    }
}
