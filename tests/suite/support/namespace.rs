//! Network namespaces. They live as long as the values: nothing outside them is touched, and nothing is left behind.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

use crate::support::kernel::EMPTY;

/// How long the kernel may take to give up the interfaces of a namespace.
const END: Duration = Duration::from_secs(30);

/// A new network namespace.
pub(crate) struct Namespace {
    file: File,
}

impl Namespace {
    pub(crate) fn new() -> Namespace {
        let made = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        };
        // A thread can have a namespace of its own, just like a process.
        Namespace { file: std::thread::spawn(made).join().unwrap() }
    }

    /// The path by which `ip` finds it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Works inside.
    pub(crate) fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            inside.join().unwrap()
        })
    }

    /// Runs a bash script inside, which must succeed.
    pub(crate) fn run(&self, script: &str) -> String {
        self.run_with(script, "")
    }

    /// Whether a bash script that reads `input` succeeds, and its standard error.
    pub(crate) fn try_with(&self, script: &str, input: &str) -> (bool, String) {
        let Output { status, stderr, .. } = self.output(script, input);
        (status.success(), String::from_utf8_lossy(&stderr).into_owned())
    }

    /// Runs a bash script that reads `input`.
    pub(crate) fn run_with(&self, script: &str, input: &str) -> String {
        let Output { status, stdout, stderr } = self.output(script, input);
        assert!(status.success(), "{script}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// The same, and what came of it.
    pub(crate) fn output(&self, script: &str, input: &str) -> Output {
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(input.as_bytes()).unwrap();
        (&file).rewind().unwrap();
        let command = || {
            let mut bash = Command::new("bash");
            bash.args(["-euo", "pipefail", "-c", script]).stdin(file).output().unwrap()
        };
        self.within(command)
    }

    /// Sets sysctls; those that this kernel does not have are skipped.
    pub(crate) fn set(&self, sysctls: &[(&str, &str)]) {
        self.within(|| {
            for (path, value) in sysctls {
                let _ = std::fs::write(format!("/proc/sys/net/{path}"), value);
            }
        });
    }
    /// Takes its rules and interfaces away, as a namespace that ends should. If something keeps a reference to an
    /// interface for good, the kernel frees neither that namespace nor any that ends later, and their rules fill the
    /// memory (`unregister_netdevice: waiting for eth0 to become free` in its log). So that the test that does it is
    /// found, the kernel may not take long.
    pub(crate) fn empty(&self) {
        let mut bash = Command::new("bash");
        bash.args(["-c", EMPTY]);
        let Ok(mut child) = self.within(|| bash.spawn()) else { return };
        let start = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && start.elapsed() < END {
            std::thread::sleep(Duration::from_millis(5));
        }
        let has_ended = matches!(child.try_wait(), Ok(Some(_)));
        assert!(has_ended || std::thread::panicking(), "the kernel does not free the interfaces of a test");
    }

    /// Whether the older backend of iptables was used, whose tables stay until a namespace ends.
    pub(crate) fn has_legacy_tables(&self) -> bool {
        let names = ["ip_tables_names", "ip6_tables_names"];
        self.within(|| {
            names.iter().any(|name| {
                std::fs::read(format!("/proc/thread-self/net/{name}")).is_ok_and(|text| !text.is_empty())
            })
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.empty();
    }
}
