//! The GitHub Action: its script on a repository with two branches, in an environment like GitHub's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::testdata;

/// A repository with the chart's first version in `main`, and the second in the branch `head`, which is checked out.
struct Repository {
    folder: TempDir,
}

impl Repository {
    fn new() -> Repository {
        let repository = Repository { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(repository.path("work/deploy")).unwrap();
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository.commit("v1");
        repository.git(&["checkout", "--quiet", "-b", "head"]);
        repository.commit("v2");
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn git(&self, arguments: &[&str]) {
        let settings =
            ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
        let output = Command::new("git")
            .args(settings)
            .args(arguments)
            .current_dir(self.path("work"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self, version: &str) {
        let manifests = testdata().join("chart").join(version).join("notes.yaml");
        std::fs::copy(manifests, self.path("work/deploy/notes.yaml")).unwrap();
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--message", version]);
    }

    /// Runs a script of `.ci/` as the steps of action.yml do.
    fn run(&self, script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let inherited = std::env::vars().filter(|(name, _)| !name.starts_with("INPUT_"));
        std::fs::create_dir_all(self.path("temp")).unwrap();
        Command::new("bash")
            .arg(root.join(".ci").join(script))
            .args(arguments)
            .current_dir(self.path("work"))
            .env_clear()
            .envs(inherited)
            .env("KUBERULES", env!("CARGO_BIN_EXE_kuberules"))
            .env("RUNNER_TEMP", self.path("temp"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    /// A text without the names of temporary folders.
    fn plain(&self, text: &str) -> String {
        let temp = self.path("temp").canonicalize().unwrap();
        let text = text.replace(temp.to_str().unwrap(), "TEMP");
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("kuberules-") {
            let end = after.find('/').unwrap_or(0);
            let is_folder = before.ends_with("TEMP/");
            plain.push_str(before);
            plain.push_str(if is_folder { "WORK" } else { "kuberules-" });
            rest = if is_folder { &after[end..] } else { after };
        }
        plain + rest
    }
}

const INPUTS: [(&str, &str); 4] = [
    ("INPUT_PATH", "deploy"),
    ("INPUT_BASE", "main"),
    ("INPUT_DIFF_ARGUMENTS", "--all-nodes"),
    ("INPUT_ARGUMENTS", "--assume-nodes 3 --cluster-cidr 10.244.0.0/16 --kube-version 1.36"),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_pull_request_gets_a_summary_outputs_and_findings() {
    let repository = Repository::new();
    let output = repository.run("action", &[], &INPUTS);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_snapshot!("action_summary", repository.read("summary"));
    assert_snapshot!("action_outputs", repository.plain(&repository.read("output")));
    assert_snapshot!("action_annotations", repository.plain(&text(&output.stdout)));
    let outputs = repository.read("output");
    let sarif = outputs.lines().find_map(|line| line.strip_prefix("sarif=")).unwrap();
    let sarif: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(sarif).unwrap()).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let found: Vec<String> = results
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            let file = place["artifactLocation"]["uri"].as_str().unwrap_or_default();
            format!("{} {file}:{}", result["ruleId"].as_str().unwrap(), place["region"]["startLine"])
        })
        .collect();
    assert_snapshot!("action_sarif", found.join("\n"));
    assert!(repository.path("work/deploy").exists() && !repository.path("work/.git/worktrees").exists());
}

#[test]
fn the_job_fails_where_it_is_asked_to() {
    let repository = Repository::new();
    let fail = |on: &str| {
        let inputs = [&INPUTS[..], &[("INPUT_FAIL_ON", on)]].concat();
        repository.run("action", &[], &inputs).status.code()
    };
    assert_eq!([fail("traffic"), fail("nothing")], [Some(1), Some(0)]);
    let unknown = [&INPUTS[..], &[("INPUT_RENDER", "jsonnet")]].concat();
    let output = repository.run("action", &[], &unknown);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("'jsonnet' is none of plain, helm, kustomize, auto"));
}

#[test]
fn the_job_fails_where_an_expectation_does() {
    let repository = Repository::new();
    let run = |expected: &str| {
        let entry =
            format!("- {{to: notes/notes-web:metrics, from: pods, at: cluster-ip, expect: {expected}}}");
        let file = format!("apiVersion: kuberules/v1\nexpectations:\n{entry}\n");
        std::fs::write(repository.path("work/expectations.yaml"), file).unwrap();
        let inputs =
            [&INPUTS[..], &[("INPUT_EXPECTATIONS", "expectations.yaml"), ("INPUT_LINT", "false")]].concat();
        repository.run("action", &[], &inputs)
    };
    let output = run("works");
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let output = run("refused");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("::error file=expectations.yaml,line=3,title="),
        "{}",
        text(&output.stdout)
    );
}

/// A `gh` that answers from a file and records what it is asked.
const FAKE_GH: &str = r#"#!/usr/bin/env bash
echo "gh $*" | sed 's|/tmp/[^ ]*|FILE|g' >>"$GH_LOG"
case "$*" in *--jq*) cat "$GH_FOUND" ;; esac
"#;

#[test]
fn the_comment_of_a_pull_request_is_updated() {
    use std::os::unix::fs::PermissionsExt;
    let repository = Repository::new();
    let tools = repository.path("tools");
    std::fs::create_dir(&tools).unwrap();
    std::fs::write(tools.join("gh"), FAKE_GH).unwrap();
    std::fs::set_permissions(tools.join("gh"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(repository.path("comment.md"), "1 Service breaks\n").unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let [log, found] = ["log", "found"].map(|name| repository.path(name).display().to_string());
    let comment = |earlier: &str| {
        std::fs::write(&found, earlier).unwrap();
        let environment = [
            ("PATH", path.as_str()),
            ("GH_LOG", &log),
            ("GH_FOUND", &found),
            ("GITHUB_REPOSITORY", "shop/deploy"),
        ];
        let file = repository.path("comment.md").display().to_string();
        assert!(repository.run("comment", &["7", &file], &environment).status.success());
    };
    comment("");
    comment("42\n");
    assert_snapshot!("action_comment", repository.read("log"));
}
