//! `kuberules annotate`

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::arguments::{InputArguments, SettingsArguments};
use super::pipeline::Pipeline;
use super::session::{Answer, Session, Stop};
use super::stdin::{self, Piped};
use crate::annotate::counters::{self, Counters};
use crate::annotate::{Index, annotations, json, suffix};
use crate::diagnostic::{Diagnostic, Diagnostics, Inert};

/// Says what the hashed names of kube-proxy's chains and sets in a text mean.
///
/// The text comes from standard input, line by line: a ruleset, `nft monitor trace`, the kernel's TRACE lines, `conntrack
/// -L`. Every line is printed as it is; those with a name of kube-proxy, or with a connection to a Service, are followed by
/// what it is about. Where the text has counters, the rules that refuse or drop come last, by packets.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  iptables-save -c | kuberules annotate cluster.yaml --counters
  nft monitor trace | kuberules annotate cluster.yaml
  conntrack -L | kuberules annotate cluster.yaml")]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Read the text from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Print only the rules that refuse or drop, by packets
    #[arg(long)]
    counters: bool,
    /// The form of the answer; json is an object for each line
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Json,
}

/// The longest line that is looked at as a whole; of a longer one each part is.
const LONGEST: u64 = 1 << 26;

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<Answer, Stop> {
    if arguments.input.reads_stdin() && arguments.text.is_none() {
        let fault =
            Diagnostic::error("standard input is the text to annotate, so the cluster must be in files");
        return Err(session.stop(fault.help("give the cluster as INPUT, or the text as --text FILE")));
    }
    let text = text(arguments).map_err(|fault| session.stop(fault))?;
    let mut settings = arguments.settings.clone();
    settings.stand_in_for_ipvs = true;
    let pipeline = Pipeline::read(&arguments.input, &settings, session)?;
    let index = Index::new(&pipeline.cluster);
    session.stream(|out| Annotator { arguments, index: &index, counters: Counters::default() }.run(text, out))
}

/// The text, which is opened ahead of the cluster: at a bare terminal nothing waits.
fn text(arguments: &Arguments) -> Result<Box<dyn Read>, Diagnostics> {
    let Some(path) = &arguments.text else { return Ok(Box::new(stdin::open(Piped::Text)?)) };
    let file = File::open(path).map_err(|error| {
        Diagnostic::error(format!("cannot read {}: {error}", Inert(&path.display().to_string())))
    })?;
    Ok(Box::new(file))
}

struct Annotator<'a> {
    arguments: &'a Arguments,
    index: &'a Index,
    counters: Counters,
}

impl Annotator<'_> {
    fn run(mut self, text: impl Read, out: &mut dyn Write) -> io::Result<()> {
        let mut text = BufReader::with_capacity(1 << 16, text);
        let mut line = Vec::new();
        loop {
            // Shows what was written before waiting for more.
            if text.buffer().is_empty() {
                out.flush()?;
            }
            line.clear();
            if text.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            self.line(&line, out)?;
        }
        self.end(out)
    }

    fn line(&mut self, line: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let length = line.len() - line.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let (bytes, ending) = line.split_at(length);
        let text = String::from_utf8_lossy(bytes);
        self.counters.read(&text, self.index);
        if self.arguments.counters {
            return Ok(());
        }
        let found = annotations(&text, self.index);
        match self.arguments.output {
            OutputFormat::Text => {
                out.write_all(bytes)?;
                out.write_all(suffix(&found).as_bytes())?;
                out.write_all(ending)
            }
            OutputFormat::Json => write_json(&json::line(&text, &found), out),
        }
    }

    fn end(self, out: &mut dyn Write) -> io::Result<()> {
        let counted = self.counters.finish();
        match self.arguments.output {
            _ if counted.is_empty() && !self.arguments.counters => Ok(()),
            OutputFormat::Text => out.write_all(counters::table(&counted).as_bytes()),
            OutputFormat::Json => write_json(&json::counters(&counted), out),
        }
    }
}

fn write_json(line: &json::LineJson<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
