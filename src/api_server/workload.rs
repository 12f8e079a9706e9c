//! Kinds that make Pods (pkg/apis/apps/validation, pkg/apis/batch/validation, ReplicationController in
//! pkg/apis/core/validation).

use std::collections::BTreeSet;

use super::fault::{Class, Faults};
use super::field::Field;
use super::metadata::{self, Selector};
use super::{pod, rules};

pub(super) fn check(object: &Field<'_>, kind: &str, faults: &mut Faults) {
    metadata::check(object, rules::dns_subdomain, faults);
    let spec = object.child("spec");
    let template = spec.child("template");
    for name in
        ["replicas", "minReadySeconds", "revisionHistoryLimit", "parallelism", "completions", "backoffLimit"]
    {
        faults.if_negative(Class::Value, &spec.child(name));
    }
    match kind {
        "Job" => {}
        "ReplicationController" => check_plain_selector(&spec, faults),
        _ => check_selector(&spec, kind, faults),
    }
    check_strategy(&spec, kind, faults);
    metadata::labels_and_annotations(&template.child("metadata").said_as("spec.template"), faults);
    let claims = spec.child("volumeClaimTemplates").items();
    let claims: Vec<Field<'_>> = claims.iter().map(|claim| claim.at("metadata.name")).collect();
    let claims: BTreeSet<&str> = claims.iter().map(Field::text).collect();
    pod::check_spec(&template.child("spec"), &claims, faults);
    check_restart_policy(&template.at("spec.restartPolicy"), kind, faults);
    let deadline = template.at("spec.activeDeadlineSeconds");
    if kind != "Job" && deadline.is_set() {
        faults.forbidden(
            Class::Template,
            &deadline,
            &format!("activeDeadlineSeconds in {kind} is not Supported"),
        );
    }
}

fn check_selector(spec: &Field<'_>, kind: &str, faults: &mut Faults) {
    let selector = Selector(spec.child("selector"));
    let labels = spec.at("template.metadata.labels");
    if !selector.0.is_set() {
        faults.required(Class::Template, &selector.0, "");
    } else if selector.is_empty() {
        // ReplicaSets have the words of Deployments.
        let kind = if kind == "ReplicaSet" { "deployment".to_owned() } else { kind.to_lowercase() };
        faults.invalid(Class::Template, &selector.0, &format!("empty selector is invalid for {kind}"));
    }
    selector.check(faults);
    if !selector.matches(&labels.pairs()) {
        faults.invalid(Class::Template, &labels, "`selector` does not match template `labels`");
    }
}

/// Its selector is a map; without one it takes the template's labels.
fn check_plain_selector(spec: &Field<'_>, faults: &mut Faults) {
    let (selector, labels) = (spec.child("selector"), spec.at("template.metadata.labels"));
    let (wanted, there) = (selector.pairs(), labels.pairs());
    if wanted.is_empty() && there.is_empty() {
        faults.required(Class::Template, &selector, "");
    }
    if !wanted.iter().all(|pair| there.contains(pair)) {
        faults.invalid(Class::Template, &labels, "`selector` does not match template `labels`");
    }
}

fn check_restart_policy(policy: &Field<'_>, kind: &str, faults: &mut Faults) {
    if kind != "Job" {
        faults.unless_one_of(Class::Template, policy, &["Always"]);
    } else if !matches!(policy.text(), "OnFailure" | "Never") {
        faults.required(Class::Template, policy, "valid values: \"OnFailure\", \"Never\"");
    }
}

fn check_strategy(spec: &Field<'_>, kind: &str, faults: &mut Faults) {
    match kind {
        "Deployment" => {
            let strategy = spec.child("strategy");
            faults.unless_one_of(Class::Value, &strategy.child("type"), &["Recreate", "RollingUpdate"]);
            let rolling = strategy.child("rollingUpdate");
            if strategy.child("type").text() == "Recreate" && rolling.is_set() {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                faults.forbidden(Class::Value, &rolling, detail);
            }
        }
        "StatefulSet" => {
            faults.if_negative(Class::Value, &spec.at("ordinals.start"));
            let management = spec.child("podManagementPolicy");
            if !matches!(management.text(), "" | "OrderedReady" | "Parallel") {
                faults.invalid(Class::Value, &management, "must be 'OrderedReady' or 'Parallel'");
            }
            faults.unless_one_of(
                Class::Value,
                &spec.at("updateStrategy.type"),
                &["RollingUpdate", "OnDelete"],
            );
        }
        "DaemonSet" => {
            faults.unless_one_of(
                Class::Value,
                &spec.at("updateStrategy.type"),
                &["RollingUpdate", "OnDelete"],
            );
        }
        _ => {}
    }
}
