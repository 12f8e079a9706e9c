//! What the compiler does not see: files stand where they belong.

use std::path::{Path, PathBuf};

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// `assert_snapshot!` puts them there; `insta::assert_snapshot!` would not.
#[test]
fn snapshots_stand_in_one_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let elsewhere = ["src", "tests"].into_iter().flat_map(|folder| files(&root.join(folder)));
    let is_snapshot = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "snap");
    assert_eq!(elsewhere.filter(is_snapshot).collect::<Vec<_>>(), Vec::<PathBuf>::new());
}
