//! Every JSON that the program prints is valid against its schema in `docs/schemas`, and contains nothing that the
//! schema does not name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// Validates a text if it is JSON of the program's own.
pub fn validate(output: &[u8]) {
    if output.first() != Some(&b'{') {
        return;
    }
    let Ok(json) = serde_json::from_slice::<Value>(output) else { return };
    // Beside what is nft's own.
    let own = json.get("kuberules").unwrap_or(&json);
    let Some(name) = own["schema"].as_str() else { return };
    let validator = validators().get(name).unwrap_or_else(|| panic!("no schema of {name} in docs/schemas"));
    let faults: Vec<String> = validator
        .iter_errors(own)
        .take(5)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "not valid against {name}:\n{}", faults.join("\n"));
}

fn validators() -> &'static BTreeMap<String, Validator> {
    static VALIDATORS: OnceLock<BTreeMap<String, Validator>> = OnceLock::new();
    VALIDATORS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|file| file.extension().is_some_and(|end| end == "json"))
            .map(|file| read(&file))
            .collect()
    })
}

fn read(file: &Path) -> (String, Validator) {
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    close(&mut schema);
    let name = schema["title"].as_str().unwrap().to_owned();
    (name, jsonschema::validator_for(&schema).unwrap())
}

/// Fields may be added within a version, so a schema allows others; but it must name those that are printed today.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // The variants of an enum are parts of the object around them.
            fields.iter_mut().filter(|(name, _)| *name != "oneOf").for_each(|(_, inner)| close(inner));
            if fields.contains_key("properties") {
                fields.insert("unevaluatedProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
