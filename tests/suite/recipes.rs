//! The recipes in docs/ci.md do what they say: each shell block is run in its own repository, with the real program;
//! helm, kubectl and gh are replaced by scripts that print what was rendered before.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::testdata;

/// The shell blocks, by the heading above them.
fn blocks() -> BTreeMap<String, Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let text = std::fs::read_to_string(page).unwrap();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut heading, mut block) = (String::new(), None::<String>);
    for line in text.lines() {
        match (&mut block, line) {
            (Some(_), "```") => found.entry(heading.clone()).or_default().extend(block.take()),
            (Some(block), line) => *block += &format!("{line}\n"),
            (None, "```sh") => block = Some(String::new()),
            (None, line) => {
                if let Some(title) = line.strip_prefix("## ") {
                    heading = title.to_owned();
                }
            }
        }
    }
    found
}

fn script(folder: &Path, name: &str, body: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\nset -e\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A repository whose base has the chart's old version, and its head the new one.
struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    fn new() -> Repository {
        let repository = Repository { folder: tempfile::tempdir().unwrap() };
        let bin = repository.folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::create_dir(repository.folder.path().join("temp")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kuberules"), bin.join("kuberules")).unwrap();
        script(&bin, "helm", "test \"$1\" = template; cat \"$3/rendered.yaml\"");
        script(
            &bin,
            "kubectl",
            "case \"$1 $2\" in kustomize*) cat \"$2/rendered.yaml\" ;; *configmap*) cat ../kube-proxy.yaml ;; *) cat ../cluster.yaml ;; esac",
        );
        script(&bin, "gh", "test \"$1 $2\" = 'pr comment'; test -s \"$5\"");
        repository.run("git init -q repo");
        repository.commit("v1");
        repository.run("cd repo && git update-ref refs/remotes/origin/main HEAD");
        repository.commit("v2");
        repository
    }

    /// Everything that a recipe looks at, as in one version of the chart.
    fn commit(&self, version: &str) {
        let rendered = testdata().join("chart").join(version).join("notes.yaml");
        for path in ["manifests/notes.yaml", "chart/rendered.yaml", "overlays/prod/rendered.yaml"] {
            let path = self.folder.path().join("repo").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::copy(&rendered, path).unwrap();
        }
        self.run(&format!(
            "cd repo && git add -A && git -c user.name=t -c user.email=t@example.com commit -q -m {version}"
        ));
    }

    /// Runs a shell text; returns its exit status.
    fn run(&self, text: &str) -> i32 {
        let folder = self.folder.path();
        let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
        let output = Command::new("sh")
            .args(["-ec", text])
            .current_dir(folder)
            .env("PATH", path)
            .env("RUNNER_TEMP", folder.join("temp"))
            .env("GITHUB_BASE_REF", "main")
            .env("PULL_REQUEST", "7")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        let code = output.status.code().unwrap_or(-1);
        assert!(code == 0 || code == 1, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        code
    }

    fn comment(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("repo/comment.md")).unwrap()
    }
}

#[test]
fn every_recipe_comments_on_the_pull_request() {
    let blocks = blocks();
    for heading in ["Plain manifests, with a worktree of the base", "A chart", "A kustomization"] {
        let repository = Repository::new();
        let block = &blocks[heading][0];
        assert_eq!(repository.run(&format!("cd repo\n{block}")), 1, "{heading}");
        let comment = repository.comment();
        assert!(
            comment.starts_with("**1 Service breaks, 2 stay as they are (3 nodes, all alike)**\n"),
            "{comment}"
        );
        let post = &blocks["One comment that is updated"][0];
        assert_eq!(repository.run(&format!("cd repo\n{post}")), 0, "{heading}");
    }
}

#[test]
fn a_snapshot_of_the_cluster_is_compared_with_yesterdays() {
    let blocks = blocks();
    let [take, compare, ..] = blocks["A snapshot of the cluster, kept in Git"].as_slice() else {
        panic!("two blocks")
    };
    let repository = Repository::new();
    let shop = |name: &str| testdata().join("shop").join(name).display().to_string();
    let config = shop("before-worker-1/kube-proxy.iptables.json");
    repository.run(&format!("cp {config} kube-proxy.yaml"));
    for (state, commits) in [("before.yaml", 1), ("after.yaml", 24)] {
        repository.run(&format!("cp {} cluster.yaml\ncd repo\n{take}", shop(state)));
        for _ in 0..commits {
            repository.run(
                "cd repo && git add -A && git -c user.name=t -c user.email=t@example.com commit -q --allow-empty -m hour",
            );
        }
    }
    let code =
        repository.run(&format!("cd repo\n{}", compare.replace("kuberules diff", "kuberules diff -q")));
    assert_eq!(code, 1, "legacy-erp is gone");
}
