//! docs/stability.md names every schema, and every schema that it names exists.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_schema_is_named_with_what_prints_it() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = std::fs::read_to_string(docs.join("stability.md")).unwrap();
    let links = page.split("](schemas/").skip(1).filter_map(|rest| rest.split(')').next());
    let named: BTreeSet<String> = links.map(str::to_owned).collect();
    let files = std::fs::read_dir(docs.join("schemas")).unwrap();
    let there: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(named, there);
}
