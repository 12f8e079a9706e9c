//! What a listing says of a limit: whether packets pass within or beyond it, and whether it is already reached.

use serde_json::Value;

use super::Limit;

/// A limit, as the first packet of a connection meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Whether what exceeds it passes, instead of what is within it.
    pub(crate) over: bool,
    /// Whether it is reached, as a quota can be: it keeps what was used of it.
    pub(crate) is_reached: bool,
}

/// The length of the shortest IP packet, which counts as used, too (net/netfilter/nft_quota.c, `nft_overquota`).
const SHORTEST_PACKET: u64 = 20;

impl Bound {
    /// The bound of a limit; that of one with a name, which the table has, is looked up by kind and name.
    pub(crate) fn of(limit: &Limit, named: impl FnOnce(&str, &str) -> Bound) -> Bound {
        match limit {
            Limit::Rate { over, .. } | Limit::Connections { over, .. } => {
                Bound { over: *over, is_reached: false }
            }
            Limit::Quota { over, size, used } => {
                let amounts = format!("{size} used {}", used.as_deref().unwrap_or("0 bytes"));
                Bound { over: *over, is_reached: in_text(&amounts) }
            }
            Limit::Named(kind, name) => named(kind, name),
        }
    }

    /// The bound of an element or of a limit with a name, as a listing prints it or as the JSON of nft has it.
    pub(crate) fn of_text(text: &str) -> Bound {
        let inverted = ["\"inv\": true", "\"inv\":true"].iter().any(|word| text.contains(word));
        let over = inverted || text.split_ascii_whitespace().any(|word| word == "over");
        let quota = text.find("quota ").and_then(|at| text.get(at..));
        let is_reached = match quota {
            Some(quota) if quota.contains("{\"") => in_json(quota),
            Some(quota) => in_text(quota),
            None => false,
        };
        Bound { over, is_reached }
    }
}

/// `quota over 10 mbytes used 10 mbytes`
fn in_text(text: &str) -> bool {
    let is_between = |c: char| c.is_ascii_whitespace() || matches!(c, '{' | '}' | ';');
    let words: Vec<&str> = text.split(is_between).filter(|word| !word.is_empty()).collect();
    let mut pairs = words.windows(2).enumerate();
    let size = pairs.find_map(|(at, pair)| Some((at, bytes(pair.first()?, pair.last()?)?)));
    size.is_some_and(|(at, size)| match words.get(at + 2..) {
        Some(["used", number, unit, ..]) => is_reached(size, bytes(number, unit).unwrap_or(0)),
        _ => is_reached(size, 0),
    })
}

/// `quota {"val": 10, "val_unit": "mbytes", "used": 10, "used_unit": "mbytes"}`, or with a name
/// `"bytes": 10485760, "used": 10485760`
fn in_json(text: &str) -> bool {
    let value = text
        .find('{')
        .and_then(|at| serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<Value>().next()?.ok());
    let amount = |number: &str, unit: &str| {
        let (number, unit) = (value.as_ref()?.get(number)?, value.as_ref()?.get(unit));
        bytes(&number.to_string(), unit.and_then(Value::as_str).unwrap_or("bytes"))
    };
    let size = amount("bytes", "").or_else(|| amount("val", "val_unit"));
    size.is_some_and(|size| is_reached(size, amount("used", "used_unit").unwrap_or(0)))
}

/// An amount, which nft prints in the largest unit in which it is a whole number.
fn bytes(number: &str, unit: &str) -> Option<u64> {
    let size = match unit {
        "bytes" => 1,
        "kbytes" => 1 << 10,
        "mbytes" => 1 << 20,
        "gbytes" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(size)
}

/// The kernel lists no more than the size as used (`nft_quota_do_dump`).
fn is_reached(size: u64, used: u64) -> bool {
    used.saturating_add(SHORTEST_PACKET) > size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_reached_if_all_of_it_is_used() {
        for (text, is_reached) in [
            ("quota over 10 mbytes", false),
            ("quota over 10 mbytes used 9 mbytes", false),
            ("quota over 10 mbytes used 10 mbytes", true),
            ("quota 500 bytes used 500 bytes", true),
            ("quota 10 bytes", true),
            ("quota large {\n\t\tover 25 mbytes used 25 mbytes\n\t}", true),
            ("quota large {\n\t\tover 25 mbytes\n\t}", false),
            (
                "quota {\"val\":10,\"val_unit\":\"mbytes\",\"used\":10,\"used_unit\":\"mbytes\",\"inv\":true}",
                true,
            ),
            ("quota {\"name\": \"large\", \"bytes\": 26214400, \"used\": 26214400, \"inv\": true}", true),
            ("quota {\"name\": \"large\", \"bytes\": 26214400, \"used\": 0, \"inv\": true}", false),
            ("counter packets 0 bytes 0 quota 10 mbytes used 10 mbytes", true),
            ("limit rate over 10 kbytes/second burst 5 kbytes", false),
        ] {
            assert_eq!(Bound::of_text(text).is_reached, is_reached, "{text}");
        }
    }
}
