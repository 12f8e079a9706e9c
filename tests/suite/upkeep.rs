//! What the compiler does not check: files are where they belong.

use std::path::{Path, PathBuf};

use kuberules::settings::Release;

/// Every file under a folder.
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

/// Words in backticks and links that are paths in this project.
fn paths(text: &str) -> Vec<&str> {
    let words = text.split(['`', '(', ')', ' ', '\n']);
    let is_path = |word: &&str| {
        ["src/", "tests/", "docs/", "fuzz/", "benches/", "testdata/"]
            .iter()
            .any(|folder| word.starts_with(folder))
            && !word.contains(['*', '{', '<'])
            && !word.contains("NAME")
            && !word.contains("KRnnn")
            && !word.contains("TARGET")
            && !word.contains("SUBCOMMAND")
    };
    words.map(|word| word.trim_end_matches([',', '.', ';', ':'])).filter(is_path).collect()
}

#[test]
fn the_files_that_pages_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["CONTRIBUTING.md", "ARCHITECTURE.md", "docs/promises.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let gone: Vec<&str> = paths(&text).into_iter().filter(|path| !root.join(path).exists()).collect();
        assert!(gone.is_empty(), "{page} names {gone:?}");
    }
}

/// Names of tests have at least three words; flags and codes fewer.
#[test]
fn the_tests_that_promises_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["src", "tests"].into_iter().flat_map(|folder| files(&root.join(folder)));
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let sources: Vec<String> =
        sources.filter(is_source).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let text = std::fs::read_to_string(root.join("docs/promises.md")).unwrap();
    let is_test = |word: &&str| {
        let is_name = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
        word.matches('_').count() >= 2 && word.chars().all(is_name)
    };
    let named: Vec<&str> = text.split('`').filter(is_test).collect();
    assert!(named.len() > 20, "{named:?}");
    let has = |name: &&str| sources.iter().any(|source| source.contains(&format!("fn {name}(")));
    let gone: Vec<&str> = named.into_iter().filter(|name| !has(name)).collect();
    assert!(gone.is_empty(), "docs/promises.md names {gone:?}");
}

#[test]
fn the_readme_names_the_newest_release() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("README.md")).unwrap();
    let range = format!("`--kube-version 1.30` to `{}`", Release::NEWEST);
    assert!(text.contains(&range), "README.md lacks {range}");
}
