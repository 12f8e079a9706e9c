//! serde's words for a wrong type, rephrased for people who write manifests.

/// A message and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wording {
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// Rewords a message.
pub(super) fn of(message: &str) -> Wording {
    let wrong = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    match wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) {
        Some((found, expected)) => mismatch(found, expected),
        None => Wording { message: message.to_owned(), help: "" },
    }
}

fn mismatch(found: &str, expected: &str) -> Wording {
    let expected = match expected {
        "i64" => "a number",
        "a boolean" => "true or false",
        other => other,
    };
    let (found, is_text) = describe(found);
    let help = match (expected, is_text) {
        ("a string", Found::NumberOrBool) => "write it in quotes",
        ("a number", Found::Text { number: true }) => "write it without quotes",
        ("true or false", Found::Text { .. }) => "write it without quotes",
        _ => "",
    };
    let message = format!("expected {expected}, found {found}");
    Wording { message, help }
}

enum Found {
    Text { number: bool },
    NumberOrBool,
    Other,
}

fn describe(found: &str) -> (String, Found) {
    let within_ticks =
        |prefix| Some(found.strip_prefix(prefix)?.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    if let Some(text) = found.strip_prefix("string ") {
        let number = text.trim_matches('"').parse::<i64>().is_ok();
        return (format!("the string {text}"), Found::Text { number });
    }
    for prefix in ["integer ", "floating point "] {
        if let Some(number) = within_ticks(prefix) {
            return (format!("the number {number}"), Found::NumberOrBool);
        }
    }
    if let Some(value) = within_ticks("boolean ") {
        return (value, Found::NumberOrBool);
    }
    let other = match found {
        "map" => "a map",
        "sequence" => "a sequence",
        "unit value" | "null" => "nothing",
        other => other,
    };
    (other.to_owned(), Found::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_types_are_told_with_their_remedy() {
        for (serde, message, help) in [
            (
                "invalid type: string \"80\", expected i64",
                "expected a number, found the string \"80\"",
                "write it without quotes",
            ),
            (
                "invalid type: integer `1`, expected a string",
                "expected a string, found the number 1",
                "write it in quotes",
            ),
            (
                "invalid type: boolean `true`, expected a string",
                "expected a string, found true",
                "write it in quotes",
            ),
            (
                "invalid type: floating point `1.3`, expected a string",
                "expected a string, found the number 1.3",
                "write it in quotes",
            ),
            ("invalid type: map, expected a sequence", "expected a sequence, found a map", ""),
            ("the object has no name", "the object has no name", ""),
        ] {
            let message = message.to_owned();
            assert_eq!(of(serde), Wording { message, help });
        }
    }
}
