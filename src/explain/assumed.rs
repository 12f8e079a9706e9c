//! What was assumed in an explanation.

use super::{AssumedByRule, AssumedObject};
use crate::assume::Assumption;
use crate::diagnostic::Inert;

/// Assumptions by object and rule, in their order.
pub(super) fn by_object<'a>(values: impl Iterator<Item = &'a Assumption>) -> Vec<AssumedObject> {
    let mut objects: Vec<AssumedObject> = Vec::new();
    for value in values {
        let object = value.object.to_string();
        let known = objects.iter_mut().rposition(|known| known.object == object);
        let position = known.unwrap_or_else(|| {
            objects.push(AssumedObject { object, rules: Vec::new() });
            objects.len() - 1
        });
        if let Some(object) = objects.get_mut(position) {
            add(value, &mut object.rules);
        }
    }
    objects
}

fn add(value: &Assumption, rules: &mut Vec<AssumedByRule>) {
    let words = value.rule.words();
    let text = format!("{}={}", Inert(&value.field), Inert(&value.value));
    match rules.iter_mut().find(|rule| rule.words == words) {
        Some(rule) => rule.values.push(text),
        None => rules.push(AssumedByRule { words, values: vec![text] }),
    }
}
