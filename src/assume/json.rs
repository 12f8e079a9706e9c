//! What was assumed, as part of an answer in JSON.

use serde::Serialize;

use super::{Assumed, Assumption, Refusal, banner};

/// An answer with the values that were assumed for it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WithAssumed<'a, T> {
    /// The answer.
    #[serde(flatten)]
    pub answer: T,
    /// What was assumed, with `--assume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed: Option<AssumedJson<'a>>,
}

/// Everything that was assumed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AssumedJson<'a> {
    /// The sentence that says so.
    note: &'static str,
    /// The values, in the order of the input.
    values: Vec<AssumedValue<'a>>,
    /// Those of the old state, where two are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_values: Option<Vec<AssumedValue<'a>>>,
    /// What of the change the API server refuses, where two are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    apply_fails: Option<Vec<RefusedChange<'a>>>,
}

/// One value.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AssumedValue<'a> {
    /// Such as `Service shop/web`
    object: String,
    /// Such as `spec.clusterIP`
    field: &'a str,
    /// The value, as text.
    value: &'a str,
    /// Code of the rule by which it was found.
    rule: &'static str,
}

/// A change that the API server refuses.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RefusedChange<'a> {
    /// Such as `Service shop/web`
    object: String,
    /// What the API server says.
    message: &'a str,
}

impl Assumed {
    /// The note, and each value with its object, field and rule.
    pub fn json(&self) -> AssumedJson<'_> {
        AssumedJson { note: banner(), values: self.values_json(), old_values: None, apply_fails: None }
    }

    /// The same with the values of an earlier state beside it, and what of the change the API server refuses.
    pub fn json_after<'a>(&'a self, old: &'a Assumed) -> AssumedJson<'a> {
        let refused = |refusal: &'a Refusal| RefusedChange {
            object: refusal.object.to_string(),
            message: &refusal.message,
        };
        AssumedJson {
            old_values: Some(old.values_json()),
            apply_fails: Some(self.refusals.iter().map(refused).collect()),
            ..self.json()
        }
    }

    fn values_json(&self) -> Vec<AssumedValue<'_>> {
        self.values.iter().map(AssumedValue::from).collect()
    }
}

impl<'a> From<&'a Assumption> for AssumedValue<'a> {
    fn from(assumption: &'a Assumption) -> Self {
        AssumedValue {
            object: assumption.object.to_string(),
            field: &assumption.field,
            value: &assumption.value,
            rule: assumption.rule.code(),
        }
    }
}
