//! `kuberules diff CLUSTER --drain NODE` and its like: what a change of a running cluster would do.

use std::ffi::OsString;

use clap::Args;

use super::arguments::{InputArguments, SettingsArguments};
use super::assume;
use super::pipeline::Pipeline;
use super::session::{Answer, Session, Stop};
use crate::diagnostic::Diagnostic;
use crate::what_if::consequences::{self, Consequence};
use crate::what_if::{self, Changes, Object, Scale};

/// What is tried on one snapshot.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What if (with one snapshot)")]
pub(super) struct WhatIfArguments {
    /// The node is drained, as kubectl drain does it (repeatable)
    #[arg(long, value_name = "NODE")]
    drain: Vec<String>,
    /// Each node is drained in turn: the Services that clients lose
    #[arg(long, conflicts_with_all = ["drain", "unready", "zone_down", "delete", "scale"])]
    all_drains: bool,
    /// The Pod fails readiness: NAMESPACE/NAME (repeatable)
    #[arg(long, value_name = "POD")]
    unready: Vec<String>,
    /// The zone is lost, with its machines (repeatable)
    #[arg(long, value_name = "ZONE")]
    zone_down: Vec<String>,
    /// The object is deleted, such as svc:NAMESPACE/NAME (repeatable)
    ///
    /// Or node/NAME, pod:NAMESPACE/NAME, deployment:NAMESPACE/NAME.
    #[arg(long, value_name = "OBJECT", value_parser = Object::read)]
    delete: Vec<Object>,
    /// Scale a workload to N Pods: NAMESPACE/NAME=N (repeatable)
    #[arg(long, value_name = "WORKLOAD=N", value_parser = Scale::read)]
    scale: Vec<Scale>,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Markdown,
    Json,
}

impl WhatIfArguments {
    /// Whether anything is tried.
    pub(super) fn is_asked(&self) -> bool {
        self.all_drains || !self.changes().is_empty()
    }

    fn changes(&self) -> Changes {
        Changes {
            unready: self.unready.clone(),
            delete: self.delete.clone(),
            scale: self.scale.clone(),
            zones_down: self.zone_down.clone(),
            drain: self.drain.clone(),
        }
    }

    /// Tries it. Exit 1 where somebody loses, unless nothing shall fail.
    ///
    /// # Errors
    /// Something that is not there; reported by the session.
    pub(super) fn run(
        &self,
        snapshots: &[OsString],
        settings: &SettingsArguments,
        (form, may_fail): (Form, bool),
        session: &mut Session,
    ) -> Result<Answer, Stop> {
        let [snapshot] = snapshots else {
            let fault = Diagnostic::error("--drain and its like are tried on one snapshot");
            return Err(session.stop(fault.help("leave the second one out")));
        };
        let pipeline = Pipeline::read(&InputArguments::of(vec![snapshot.clone()]), settings, session)?;
        session.progress().stage("following the change");
        let (text, loses) = match self.all_drains {
            true => all_drains(&pipeline, form, session)?,
            false => self.steps(&pipeline, form, session)?,
        };
        Ok(Answer { differs: loses && may_fail, ..Answer::text(text) })
    }

    fn steps(&self, pipeline: &Pipeline, form: Form, session: &mut Session) -> Result<(String, bool), Stop> {
        let assumed = pipeline.assumed.as_ref();
        let stages = what_if::stages(&pipeline.snapshot, &pipeline.settings, &self.changes());
        let stages = stages.map_err(|faults| session.stop(faults))?;
        let changes = consequences::of_stages(&stages, &pipeline.settings);
        let changes = changes.map_err(|faults| session.stop(faults))?;
        let loses = changes.iter().any(|change| change.clients.iter().any(Consequence::is_loss));
        let print = || what_if::text::print(&stages, &changes);
        let text = match form {
            Form::Text => assume::comment(assumed) + &print(),
            Form::Markdown => assume::quote(assumed) + &fenced(&print()),
            Form::Json => assume::print_json(&what_if::json::json(&stages, &changes), assumed),
        };
        Ok((text, loses))
    }
}

fn all_drains(pipeline: &Pipeline, form: Form, session: &mut Session) -> Result<(String, bool), Stop> {
    let assumed = pipeline.assumed.as_ref();
    let drains = what_if::all_drains(&pipeline.snapshot, &pipeline.settings);
    let drains = drains.map_err(|faults| session.stop(faults))?;
    if drains.is_empty() {
        let fault = Diagnostic::error("--all-drains: the input has no Nodes");
        return Err(session.stop(fault.help("add the output of kubectl get nodes -o yaml to the input")));
    }
    let print = || what_if::text::print_drains(&drains);
    let text = match form {
        Form::Text => assume::comment(assumed) + &print(),
        Form::Markdown => assume::quote(assumed) + &fenced(&print()),
        Form::Json => assume::print_json(&what_if::json::drains(&drains), assumed),
    };
    Ok((text, drains.iter().any(|drain| !drain.lost.is_empty())))
}

/// The verdict, then the steps as they are.
fn fenced(text: &str) -> String {
    let (verdict, rest) = text.split_once('\n').unwrap_or((text, ""));
    let longest = rest.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("**{}**\n\n{fence}text{rest}{fence}\n", crate::markup::markdown(verdict))
}
