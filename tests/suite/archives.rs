//! The archives of a release: `.ci/package` makes what `cargo binstall` and krew look for.

use std::path::Path;
use std::process::Command;

/// The settings of `Cargo.toml`.
fn manifest() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// The files of the archive for a target, and its name.
fn packed(target: &str, folder: &Path) -> (String, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A file stands in for the program: that of the tests is large and would take minutes to pack.
    let program = folder.join("program");
    std::fs::write(&program, "a program").unwrap();
    let output = Command::new(root.join(".ci/package"))
        .env("RUNNER", env!("CARGO_BIN_EXE_kuberules"))
        .args([&program, Path::new(target), folder])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let archive = Path::new(printed.lines().next().unwrap()).to_owned();
    let sum = printed.lines().nth(1).unwrap();
    let sums = Command::new("sha256sum").args(["--check", "--quiet", sum]).current_dir(folder).status();
    assert!(sums.unwrap().success(), "{sum}");
    let list = Command::new("tar").arg("-tzf").arg(&archive).output().unwrap();
    let files = String::from_utf8(list.stdout).unwrap().lines().map(str::to_owned).collect();
    (archive.file_name().unwrap().to_str().unwrap().to_owned(), files)
}

/// A template of binstall, filled in.
fn filled(template: &str, words: &[(&str, &str)]) -> String {
    let fill = |text: String, (name, value): &(&str, &str)| text.replace(&format!("{{ {name} }}"), value);
    let text = words.iter().fold(template.to_owned(), fill);
    assert!(!text.contains('{'), "{text}");
    text
}

#[test]
fn binstall_finds_every_program_in_the_archive() {
    let manifest = manifest();
    let package = &manifest["package"];
    let settings = &package["metadata"]["binstall"];
    let target = "x86_64-unknown-linux-musl";
    let folder = tempfile::tempdir().unwrap();
    let (archive, files) = packed(target, folder.path());
    let of_package = |key: &str| package[key].as_str().unwrap();
    let words = [
        ("repo", of_package("repository")),
        ("name", of_package("name")),
        ("version", of_package("version")),
        ("target", target),
        ("archive-suffix", ".tar.gz"),
        ("binary-ext", ""),
    ];
    let address = filled(settings["pkg-url"].as_str().unwrap(), &words);
    assert!(address.ends_with(&format!("/v{}/{archive}", of_package("version"))), "{address}, {archive}");
    let programs = manifest["bin"].as_array().unwrap();
    assert_eq!(programs.len(), 3);
    for program in programs {
        let words = [&words[..], &[("bin", program["name"].as_str().unwrap())]].concat();
        let path = filled(settings["bin-dir"].as_str().unwrap(), &words);
        assert!(files.contains(&path), "{path}: {files:?}");
    }
    for other in ["completions/kuberules.bash", "man/kuberules.1", "man/kuberules-trace.1", "LICENSE-MIT"] {
        assert!(files.iter().any(|file| file.ends_with(other)), "{other}: {files:?}");
    }
}

#[test]
fn the_plugin_is_called_as_kubectl_looks_for_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let krew = std::fs::read_to_string(root.join(".krew.yaml")).unwrap();
    assert!(krew.contains("bin: kubectl-rules") && krew.contains("*/kubectl-rules"), "{krew}");
}
