//! `metadata`, labels and selectors (k8s.io/apimachinery/pkg/api/validation, pkg/apis/meta/v1/validation).

use super::fault::{Class, Faults};
use super::field::Field;
use super::rules;

/// What a kind's name must be.
pub(super) type NameRule = fn(&str) -> Vec<&'static str>;

/// All annotations of an object together may have so many bytes.
const ANNOTATION_BYTES: usize = 256 << 10;

/// `metadata` of an object in a namespace.
pub(super) fn check(object: &Field<'_>, rule: NameRule, faults: &mut Faults) {
    let metadata = object.child("metadata");
    let name = metadata.child("name");
    if !name.text().is_empty() {
        faults.all_invalid(Class::Name, &name, rule(name.text()));
    } else if metadata.child("generateName").text().is_empty() {
        faults.required(Class::Name, &name, "name or generateName is required");
    }
    let namespace = metadata.child("namespace");
    if !namespace.text().is_empty() {
        faults.all_invalid(Class::Name, &namespace, rules::dns_label(namespace.text()));
    }
    labels_and_annotations(&metadata, faults);
    for finalizer in metadata.child("finalizers").items() {
        faults.all_invalid(Class::Name, &finalizer, rules::qualified_name(finalizer.text()));
    }
}

/// Labels and annotations of an object or of a template.
pub(super) fn labels_and_annotations(metadata: &Field<'_>, faults: &mut Faults) {
    labels(&metadata.child("labels"), faults);
    let annotations = metadata.child("annotations");
    let pairs = annotations.pairs();
    for (key, _) in &pairs {
        key_is_sound(&annotations, key, &key.to_ascii_lowercase(), faults);
    }
    let bytes: usize = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATION_BYTES {
        faults.invalid_value(Class::Count, &annotations, "too long", "must have at most 262144 bytes");
    }
}

/// A map of labels.
pub(super) fn labels(labels: &Field<'_>, faults: &mut Faults) {
    for (key, value) in labels.pairs() {
        key_is_sound(labels, key, key, faults);
        for broken in rules::label_value(value) {
            faults.invalid_value(Class::Name, labels, &format!("{value:?}"), broken);
        }
    }
}

fn key_is_sound(map: &Field<'_>, key: &str, as_checked: &str, faults: &mut Faults) {
    for broken in rules::qualified_name(as_checked) {
        faults.invalid_value(Class::Name, map, &format!("{key:?}"), broken);
    }
}

/// A label selector.
pub(super) struct Selector<'t>(pub(super) Field<'t>);

impl Selector<'_> {
    pub(super) fn check(&self, faults: &mut Faults) {
        labels(&self.0.child("matchLabels"), faults);
        for expression in self.0.child("matchExpressions").items() {
            check_expression(&expression, faults);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.child("matchLabels").pairs().is_empty() && self.0.child("matchExpressions").items().is_empty()
    }

    /// Whether labels are selected; false where the selector is not there.
    pub(super) fn matches(&self, labels: &[(&str, &str)]) -> bool {
        let value = |key: &str| labels.iter().rev().find(|(k, _)| *k == key).map(|(_, value)| *value);
        let all_equal =
            self.0.child("matchLabels").pairs().iter().all(|(key, want)| value(key) == Some(*want));
        let expressions = self.0.child("matchExpressions").items();
        let meets = |expression: &Field<'_>| {
            let values = expression.child("values").items();
            let found = value(expression.child("key").text());
            let among = || values.iter().any(|value| Some(value.text()) == found);
            match expression.child("operator").text() {
                "In" => among(),
                "NotIn" => !among(),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => true,
            }
        };
        self.0.is_set() && all_equal && expressions.iter().all(meets)
    }
}

fn check_expression(expression: &Field<'_>, faults: &mut Faults) {
    let (operator, values) = (expression.child("operator"), expression.child("values"));
    match operator.text() {
        "In" | "NotIn" if values.items().is_empty() => {
            faults.required(Class::Count, &values, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.items().is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            faults.forbidden(Class::Value, &values, detail);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ => faults.invalid(Class::Value, &operator, "not a valid selector operator"),
    }
    let key = expression.child("key");
    faults.all_invalid(Class::Name, &key, rules::qualified_name(key.text()));
    for value in values.items() {
        faults.all_invalid(Class::Name, &value, rules::label_value(value.text()));
    }
}
