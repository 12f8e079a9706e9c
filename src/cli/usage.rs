//! Arguments that cannot be understood, answered with what is meant.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{is_command, program, stdout};
use crate::diagnostic::{Diagnostic, Inert};

/// The exit status of what could not be done.
const FAILED: u8 = 2;

/// Flags that other programs have, and what is meant here.
const FLAGS: &[(&[&str], &str)] = &[
    (&["mode", "proxy", "backend"], "--proxy-mode iptables|nftables"),
    (
        &["release", "kubernetes-version", "k8s-version", "kube-proxy-version", "kubelet-version", "kube"],
        "--kube-version X.Y",
    ),
    (
        &["pod-cidr", "pod-network-cidr", "pod-network", "cidr", "cluster-network", "pods"],
        "--cluster-cidr CIDR",
    ),
    (&["source", "src", "client"], "--from SOURCE"),
    (&["dest", "dst", "destination", "target", "service", "svc"], "--to DESTINATION"),
    (&["proto", "tcp", "udp", "sctp"], "--protocol tcp|udp|sctp"),
    (&["format", "out"], "--output FORMAT"),
    (&["json"], "--output json"),
    (&["markdown", "md"], "--output markdown"),
    (&["file", "files", "input", "manifest", "manifests"], "-f FILE, or just the file"),
    (&["ns"], "--namespace NAME"),
    (&["nodename", "node-name", "hostname", "host"], "--node NAME"),
    (&["all", "nodes", "every-node"], "--all-nodes"),
    (&["capture", "rules", "dump", "save"], "--captured FILE"),
    (&["ipv4", "4"], "--family ipv4"),
    (&["ipv6", "6"], "--family ipv6"),
    (&["no-color", "nocolor", "monochrome"], "--color never"),
    (&["configuration", "kube-proxy-config"], "--config FILE"),
    (&["masquerade-bit"], "--iptables-masquerade-bit BIT"),
    (&["silent", "no-warnings"], "--quiet"),
];

/// Flags by which other programs find a cluster.
const OF_CLUSTERS: [&str; 8] = ["kubeconfig", "context", "cluster", "server", "token", "user", "watch", "w"];

/// Words that other programs have for a subcommand.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["get", "list", "ls", "svc", "status"], "services"),
    (&["describe", "show", "why"], "explain"),
    (&["validate", "vet"], "lint"),
    (&["verify", "audit"], "check"),
    (&["compare", "upgrade"], "diff"),
    (&["render", "build", "generate", "template", "save"], "compile"),
    (&["walk", "ping", "reach", "connect", "simulate"], "trace"),
    (&["completion"], "completions"),
];

/// Prints help, version or a usage error, each where it belongs.
pub(super) fn show(message: &clap::Error) -> ExitCode {
    if let Some(answer) = answer(message) {
        // Where standard error is gone, nobody is left to tell.
        let _ = writeln!(io::stderr(), "{}", program::named(&answer.to_string()));
        return ExitCode::from(FAILED);
    }
    let failed = message.use_stderr();
    if failed && std::env::args_os().any(|argument| !is_printable(&argument.to_string_lossy())) {
        return show_inert(message);
    }
    let printed = if failed { Ok(()) } else { stdout::open().map(drop) }.and_then(|()| message.print());
    match printed {
        Err(error) if !failed && error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(FAILED),
        _ if failed => ExitCode::from(FAILED),
        _ => ExitCode::SUCCESS,
    }
}

fn answer(message: &clap::Error) -> Option<Diagnostic> {
    let context = |kind| match message.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match message.kind() {
        ErrorKind::UnknownArgument => unknown_flag(&context(ContextKind::InvalidArg)?),
        ErrorKind::InvalidSubcommand => unknown_command(&context(ContextKind::InvalidSubcommand)?),
        _ => None,
    }
}

fn unknown_flag(argument: &str) -> Option<Diagnostic> {
    let name = argument.trim_start_matches('-').split('=').next().unwrap_or_default();
    let fault = Diagnostic::error(format!("there is no flag {argument}"));
    let command = std::env::args().skip(1).find(|word| is_command(word));
    let Some(command) = command else {
        return Some(fault.help("flags come after their subcommand: kuberules trace --node worker-1 ..."));
    };
    // The first argument decides what the line is about.
    if !std::env::args().nth(1).is_some_and(|first| is_command(&first)) && argument.starts_with('-') {
        return Some(
            fault.help(format!("flags come after their subcommand: kuberules {command} {argument}")),
        );
    }
    if OF_CLUSTERS.contains(&name) {
        return Some(fault.help(format!(
            "kuberules asks no cluster: pipe kubectl get services,endpointslices,nodes,pods -A -o yaml into kuberules \
             {command}"
        )));
    }
    let (_, meant) = FLAGS.iter().find(|(others, _)| others.contains(&name))?;
    Some(fault.help(format!("use {meant}; kuberules {command} --help lists them all")))
}

fn unknown_command(word: &str) -> Option<Diagnostic> {
    let others: Vec<String> = std::env::args().skip(1).collect();
    let is_file = std::path::Path::new(word).exists() || word.ends_with(".yaml") || word.ends_with(".json");
    if is_file {
        let later = others.iter().find(|word| is_command(word)).cloned();
        let command = later.unwrap_or_else(|| "services".to_owned());
        return Some(
            Diagnostic::error(format!("the subcommand comes first, and {word} is a file"))
                .help(format!("kuberules {command} {word}")),
        );
    }
    let (_, meant) = COMMANDS.iter().find(|(others, _)| others.contains(&word))?;
    Some(
        Diagnostic::error(format!("there is no subcommand {word}"))
            .help(format!("use {meant}: see kuberules {meant} -h")),
    )
}

/// Prints a usage error that may quote an argument which would steer a terminal.
fn show_inert(message: &clap::Error) -> ExitCode {
    let mut out = io::stderr().lock();
    for line in message.render().to_string().lines() {
        // Where standard error is gone, nobody is left to tell.
        let _ = writeln!(out, "{}", Inert(line));
    }
    ExitCode::from(FAILED)
}

fn is_printable(text: &str) -> bool {
    Inert(text).to_string() == text
}
