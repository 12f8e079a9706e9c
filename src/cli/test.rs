//! `kuberules test`

use std::ffi::{OsStr, OsString};
use std::mem::ManuallyDrop;
use std::path::Path;

use clap::{Args, ValueEnum};

use super::arguments::{AnswerArguments, InputArguments, SettingsArguments};
use super::assume;
use super::output::PendingFiles;
use super::pipeline::Pipeline;
use super::release;
use super::session::{Answer, Session, Stop};
use super::stdin::{self, Piped};
use crate::diagnostic::Diagnostic;
use crate::expect::{self, Ground, Report, Side};
use crate::node;

/// Checks expectations about who reaches what: kept in Git, they guard every change.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  kuberules test expectations.yaml cluster.yaml
  kuberules test expectations.yaml manifests/ --assume --output github
  kuberules test --write expectations.yaml cluster.yaml
  kuberules test --write cluster.yaml > expectations.yaml")]
pub(super) struct Arguments {
    /// The file of expectations; `-` for standard input
    #[arg(value_name = "EXPECTATIONS")]
    expectations: OsString,
    #[command(flatten)]
    input: InputArguments,
    /// Write EXPECTATIONS from the input: what holds there today. Without INPUT the one file named is the input, and
    /// standard output gets them
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    answer: AnswerArguments<OutputFormat>,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Json,
    /// A JUnit report
    Junit,
    /// Annotations of GitHub Actions
    Github,
}

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    if arguments.write {
        return write(arguments, session);
    }
    let expectations = read_expectations(arguments, session)?;
    let inputs = ManuallyDrop::new(Inputs::read(&arguments.input, &arguments.answer.settings, session)?);
    let ground = inputs.ground(session)?;
    session.progress().stage("asking the nodes");
    let verdicts = expect::evaluate(&expectations, &ground).map_err(|faults| session.stop(faults))?;
    let report = Report::new(&verdicts, &ground);
    let assumed = inputs.first.assumed.as_ref();
    let text = match arguments.answer.output {
        OutputFormat::Text => assume::comment(assumed) + &expect::text::print(&report),
        OutputFormat::Json => assume::print_json(&expect::json::json(&report), assumed),
        OutputFormat::Junit => expect::junit::print(&report),
        OutputFormat::Github => assume::annotation(assumed) + &expect::github::print(&report),
    };
    Ok(Answer { differs: report.failed() > 0, ..Answer::text(text) })
}

fn read_expectations(arguments: &Arguments, session: &mut Session) -> Result<Vec<expect::Expectation>, Stop> {
    let path = &arguments.expectations;
    let is_stdin = path == "-";
    if is_stdin && arguments.input.reads_stdin() {
        let fault = Diagnostic::error("standard input cannot be both the expectations and the cluster");
        return Err(session.stop(fault.help("name the file of one of them")));
    }
    let read = match is_stdin {
        true => {
            let stdin = stdin::open(Piped::Expectations).map_err(|fault| session.stop(fault))?;
            std::io::read_to_string(stdin)
        }
        false => std::fs::read_to_string(path),
    };
    let name = if is_stdin { "<stdin>".into() } else { path.to_string_lossy() };
    let text =
        read.map_err(|error| session.stop(Diagnostic::error(format!("cannot read {name}: {error}"))))?;
    session.take_checked(expect::read(&name, &text))
}

/// A cluster as the nodes of each release see it.
struct Inputs {
    first: Pipeline,
    /// The nodes that see it as the first does; none for all.
    names: Option<Vec<String>>,
    others: Vec<(Pipeline, Vec<String>)>,
}

impl Inputs {
    fn read(
        input: &InputArguments,
        settings: &SettingsArguments,
        session: &mut Session,
    ) -> Result<Inputs, Stop> {
        session.take_each_node_by_its_release();
        let first = Pipeline::read(input, settings, session)?;
        if first.cluster.nodes.is_empty() {
            let fault = Diagnostic::error("the input has no Nodes, so there is no node to ask");
            let help = "add the output of kubectl get nodes -o yaml to the input, or --assume some";
            return Err(session.stop(fault.help(help)));
        }
        let groups = release::of_nodes(&first.snapshot);
        if settings.kube_version.is_some() || groups.len() < 2 {
            return Ok(Inputs { first, names: None, others: Vec::new() });
        }
        let mut names = Vec::new();
        let mut others = Vec::new();
        for (release, group) in groups {
            session.note(format!("kube-proxy {release} on {}, as reported", group.join(", ")));
            if release == first.settings.release {
                names = group;
                continue;
            }
            let mut settings = settings.clone();
            (settings.kube_version, settings.release_is_meant) = (Some(release), true);
            others.push((Pipeline::after(None, first.snapshot.clone(), &settings, session)?, group));
        }
        Ok(Inputs { first, names: Some(names), others })
    }

    fn ground(&self, session: &mut Session) -> Result<Ground<'_>, Stop> {
        let first = Side { cluster: &self.first.cluster, settings: &self.first.settings };
        let others = self.others.iter().map(|(pipeline, names)| {
            (Side { cluster: &pipeline.cluster, settings: &pipeline.settings }, Some(names.clone()))
        });
        let sides: Vec<_> = [(first, self.names.clone())].into_iter().chain(others).collect();
        self.check_nodes(session)?;
        let families = node::families(&self.first.cluster, &self.first.settings);
        Ok(Ground::new(&self.first.snapshot, sides, families))
    }

    /// What keeps kube-proxy from starting on a node is reported as by any other subcommand.
    fn check_nodes(&self, session: &mut Session) -> Result<(), Stop> {
        for node in self.first.cluster.nodes.iter().take(1) {
            for family in self.first.families() {
                self.first.node_plan(node, family, session)?;
            }
        }
        Ok(())
    }
}

/// Writes what holds in the input. With only one name that is the input, and the text goes to standard output.
fn write(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    let names_file = !arguments.input.input.is_empty();
    let input = match names_file {
        true => arguments.input.clone(),
        false => InputArguments { input: vec![arguments.expectations.clone()], ..arguments.input.clone() },
    };
    let to_stdout = !names_file || arguments.expectations == "-";
    if !to_stdout {
        check_target(&arguments.expectations, session)?;
    }
    let inputs = ManuallyDrop::new(Inputs::read(&input, &arguments.answer.settings, session)?);
    let ground = inputs.ground(session)?;
    session.progress().stage("asking the nodes");
    let (text, count) = expect::write(&ground);
    if to_stdout {
        return Ok(Answer::text(text));
    }
    let path = Path::new(&arguments.expectations);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut files = PendingFiles::default();
    files.add(folder, &name, &text.into()).map_err(|faults| session.stop(faults))?;
    session.note(format!("{count} expectations written to {}", path.display()));
    Ok(Answer { files, ..Answer::default() })
}

/// An existing file is overwritten only if it is a file of expectations.
fn check_target(path: &OsStr, session: &mut Session) -> Result<(), Stop> {
    match std::fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() && !expect::is_expectations(&text) => {
            let message = format!("{} exists and is not a file of expectations", path.to_string_lossy());
            let help = "name the file to write first, then the cluster; this one is not overwritten";
            Err(session.stop(Diagnostic::error(message).help(help)))
        }
        _ => Ok(()),
    }
}
