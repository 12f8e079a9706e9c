//! The JSON schemas in `docs/schemas` come from the types that are printed.

use std::path::{Path, PathBuf};

use schemars::{JsonSchema, generate::SchemaSettings};

use crate::assume::json::WithAssumed;
use crate::report::diff::json as diff;
use crate::report::journey;
use crate::report::trace::json as trace;
use crate::{annotate, compare, expect, iptables, lint, nftables, services, what_if};

/// The schema of a form of output, as a file.
fn schema<T: JsonSchema>(name: &str) -> (PathBuf, String) {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), name.into());
    // Only the name distinguishes forms.
    if let Some(field) = schema.pointer_mut("/properties/schema").and_then(|field| field.as_object_mut()) {
        field.insert("const".to_owned(), name.into());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let file = name.trim_start_matches("kuberules.").replace('/', ".") + ".json";
    (folder.join(file), format!("{:#}\n", schema.as_value()))
}

fn all() -> Vec<(PathBuf, String)> {
    vec![
        schema::<annotate::json::LineJson<'_>>(annotate::json::SCHEMA),
        schema::<WithAssumed<'_, compare::check::Report>>(compare::check::SCHEMA),
        schema::<WithAssumed<'_, diff::DiffJson<'_>>>(diff::SCHEMA),
        schema::<WithAssumed<'_, iptables::json::Rulesets<'_>>>(iptables::json::SCHEMA),
        schema::<WithAssumed<'_, journey::Document>>(journey::SCHEMA),
        schema::<WithAssumed<'_, journey::Documents>>(journey::SCHEMA_OF_SEVERAL),
        schema::<WithAssumed<'_, lint::json::Findings<'_>>>(lint::json::SCHEMA),
        schema::<WithAssumed<'_, nftables::json::Explanation<'_>>>(nftables::json::SCHEMA),
        schema::<WithAssumed<'_, services::json::Services<'_>>>(services::json::SCHEMA),
        schema::<WithAssumed<'_, expect::json::TestJson<'_>>>(expect::json::SCHEMA),
        schema::<WithAssumed<'_, what_if::json::WhatIfJson<'_>>>(what_if::json::SCHEMA),
        schema::<WithAssumed<'_, what_if::json::DrainsJson<'_>>>(what_if::json::DRAINS_SCHEMA),
        schema::<WithAssumed<'_, trace::TraceJson<'_>>>(trace::SCHEMA),
        schema::<WithAssumed<'_, trace::TracesJson<'_>>>(trace::SCHEMA_OF_SEVERAL),
    ]
}

/// `INSTA_UPDATE=always` writes them, as it writes snapshots.
#[test]
fn schemas_are_those_of_the_types() {
    let writes = std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always");
    for (path, expected) in all() {
        if writes {
            std::fs::write(&path, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "{} is out of date: INSTA_UPDATE=always writes it", path.display());
    }
}
