//! An expectation in one line.

use super::fields::Written;
use super::file::{Asked, Expectation, On, Reach};

/// What is expected, as briefly as it was written: `shop/web from pods, nodes: works`.
pub(super) fn title(expectation: &Expectation) -> String {
    let on = match &expectation.on {
        On::All => String::new(),
        On::Any => " on any node".to_owned(),
        On::These(nodes) => format!(" on {}", list(nodes)),
    };
    match &expectation.asked {
        Asked::Exposed(only) if only.is_empty() => format!("nothing is exposed{on}"),
        Asked::Exposed(only) => format!("nothing is exposed but {}{on}", list(only)),
        Asked::Reach(reach) => {
            let from =
                if reach.from.is_empty() { String::new() } else { format!(" from {}", list(&reach.from)) };
            format!("{}{}{from}{on}: {}", list(&reach.to), at(reach), wanted(reach))
        }
    }
}

fn at(reach: &Reach) -> String {
    let kinds: Vec<&str> = reach.at.iter().map(|kind| kind.words()).collect();
    if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) }
}

/// What is expected of it.
pub(super) fn wanted(reach: &Reach) -> String {
    let mut words: Vec<String> = reach.outcome.iter().map(|outcome| outcome.name().to_owned()).collect();
    words.extend(reach.client_ip.iter().map(|ip| format!("client IP {}", ip.name())));
    if let Some(endpoints) = reach.endpoints {
        let counted = |count: usize| format!("{count} endpoint{}", if count == 1 { "" } else { "s" });
        words.extend(endpoints.at_least.map(|count| format!("at least {}", counted(count))));
        words.extend(endpoints.per_zone.map(|count| format!("at least {} in each zone", counted(count))));
    }
    words.join(", ")
}

/// At most this many are listed.
const LISTED: usize = 6;

fn list<T>(all: &[Written<T>]) -> String {
    let listed: Vec<&str> = all.iter().take(LISTED).map(|written| written.text.as_str()).collect();
    match all.len().saturating_sub(LISTED) {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}
