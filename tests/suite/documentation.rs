//! Every command in the README and the documentation prints what is shown below it.

use crate::support::schemas;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::in_parallel;

/// A line `$ command` of a `console` block and the lines below it.
struct Example {
    place: String,
    command: String,
    printed: Vec<String>,
}

#[test]
fn every_command_prints_what_the_documentation_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    files.extend(markdown(&root.join("docs")));
    let pages: Vec<Vec<Example>> = files.iter().map(|file| examples(file)).collect();
    assert!(pages.iter().any(|page| !page.is_empty()));
    // A page's commands are run one after the other: some use what earlier ones made.
    let faults = in_parallel(&pages, |page| page.iter().filter_map(fault).collect::<Vec<_>>()).concat();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let nested: Vec<PathBuf> =
        paths.iter().filter(|path| path.is_dir()).flat_map(|path| markdown(path)).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.extend(nested);
    paths
}

fn examples(file: &Path) -> Vec<Example> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut found: Vec<Example> = Vec::new();
    let mut inside = false;
    for (i, line) in text.lines().enumerate() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(command), _) => found.push(Example {
                    place: format!("{}:{}", file.file_name().unwrap().display(), i + 1),
                    command: command.to_owned(),
                    printed: Vec::new(),
                }),
                (None, Some(example)) => example.printed.push(line.to_owned()),
                (None, None) => {}
            },
            (false, _) => {}
        }
    }
    found
}

/// Runs the command in the project's root, with the program on the path. A line `...` stands for any lines.
fn fault(example: &Example) -> Option<String> {
    let is_required = std::env::var_os("KUBERULES_REQUIRE_KERNEL").is_some();
    let lacks_jq = || Command::new("jq").arg("--version").output().is_err();
    if example.command.contains("| jq ") && !is_required && lacks_jq() {
        crate::support::kernel::tell("skipped: jq is not installed");
        return None;
    }
    let program = Path::new(env!("CARGO_BIN_EXE_kuberules"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {}", example.command)])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path)
        .output()
        .unwrap();
    schemas::validate(&output.stdout);
    let actual = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = actual.lines().map(str::trim_end).collect();
    let expected: Vec<&str> = example.printed.iter().map(String::as_str).collect();
    (!fits(&expected, &lines)).then(|| {
        format!("{}: $ {}\n{actual}(exit {:?})", example.place, example.command, output.status.code())
    })
}

fn fits(expected: &[&str], actual: &[&str]) -> bool {
    match expected {
        [] => actual.is_empty(),
        ["..."] => true,
        ["...", rest @ ..] => (0..=actual.len()).any(|skipped| fits(rest, &actual[skipped..])),
        [line, rest @ ..] => actual.first() == Some(line) && fits(rest, &actual[1..]),
    }
}

/// The picture is what its script draws.
#[test]
fn the_picture_shows_what_the_program_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let drawn = Command::new("python3")
        .args(["docs/picture.py", env!("CARGO_BIN_EXE_kuberules")])
        .current_dir(root)
        .output();
    let Ok(drawn) = drawn else { return crate::support::kernel::tell("skipped: python3 is not installed") };
    let expected = std::fs::read_to_string(root.join("docs/picture.svg")).unwrap();
    let drawn = String::from_utf8(drawn.stdout).unwrap();
    assert!(drawn == expected, "docs/picture.svg is out of date: docs/picture.py draws it");
}
