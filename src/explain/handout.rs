//! The lecture as a handout in Markdown: the whole way step by step, and the questions with the program's answers.

use std::fmt::Write;

use super::lecture::Question;
use super::stage::{Play, PlayWay, Row, Stage, StageCase};
use crate::diagnostic::Inert;
use crate::markup::markdown as escaped;

/// The page next to the handout.
const PAGE: &str = "lecture.html";

/// Prints the way of the first question's example, then the questions.
pub fn print(stages: &[Stage], questions: &[Question]) -> String {
    let mut out = String::new();
    if let Some((stage, play)) = stages.first().and_then(|stage| Some((stage, first_play(stage)?))) {
        let _ = writeln!(out, "# The whole path of a connection to Service {}\n", escaped(&stage.service));
        let _ = writeln!(out, "The same, moving: [{PAGE}]({PAGE}).\n");
        play.ways.iter().take(1).for_each(|way| steps(stage, play, way, &mut out));
    }
    out.push_str("## Five questions for a class\n\nEach link opens the page at the step in question.\n\n");
    for (i, question) in questions.iter().enumerate() {
        self::question(i + 1, question, stages, &mut out);
    }
    out
}

/// What the page plays when it is opened.
fn first_play(stage: &Stage) -> Option<&Play> {
    let has_endpoint = |case: &StageCase| stage.endpoints.iter().any(|one| one.node == case.node);
    let case = stage.cases.iter().find(|case| case.client == "pod" && !has_endpoint(case))?;
    stage.journeys.get(case.journey)
}

fn question(number: usize, question: &Question, stages: &[Stage], out: &mut String) {
    let Question { question, answer, state } = question;
    let _ = writeln!(out, "{number}. **[{question}]({PAGE}#{state})** {}\n", escaped(answer));
    if let Some(play) = play_of(state, stages) {
        for way in &play.ways {
            let chance = if way.chance == "1" { String::new() } else { format!("{}: ", way.chance) };
            let _ = writeln!(out, "   - {chance}{}", escaped(&way.meaning));
        }
        out.push('\n');
    }
}

/// The journey that a state of the page plays.
fn play_of<'s>(state: &str, stages: &'s [Stage]) -> Option<&'s Play> {
    let part = |key: &str| {
        state
            .split('&')
            .find_map(|part| part.split_once('=').filter(|(k, _)| *k == key).map(|(_, value)| value))
    };
    let variant = part("variant").unwrap_or_default();
    let is_it = |stage: &&Stage| Some(stage.service.as_str()) == part("service") && stage.variant == variant;
    let stage = stages.iter().find(is_it)?;
    let mode = part("mode").filter(|mode| *mode != "both").unwrap_or("iptables");
    let wanted = |case: &&StageCase| {
        let policy = stage.policies.get(case.policy);
        let address = stage.addresses.get(case.address);
        case.mode == mode
            && Some(case.client) == part("client")
            && stage.nodes.get(case.node).is_some_and(|node| Some(node.name.as_str()) == part("node"))
            && address.is_some_and(|address| Some(address.id.as_str()) == part("address"))
            && policy.is_some_and(|policy| part("policy").map_or(policy.given, |value| policy.value == value))
    };
    stage.journeys.get(stage.cases.iter().find(wanted)?.journey)
}

fn steps(stage: &Stage, play: &Play, way: &PlayWay, out: &mut String) {
    let mut list = List { number: 0, out };
    let asks = format!("{} opens a connection to {}.", play.client, play.destination);
    list.item(&asks, "", &[play.source.clone(), play.destination.clone()], None);
    for hop in &way.there {
        let mut packet = &hop.packet;
        list.item(&format!("The packet comes to {}.", hop.node), &hop.node, packet, None);
        for step in &hop.steps {
            packet = step.packet.as_ref().unwrap_or(packet);
            if let Some(row) = stage.rows.get(step.row) {
                list.item(&row.sentence, &format!("{}, {}", hop.node, step.hook), packet, Some(row));
            }
        }
    }
    if way.server.is_empty() {
        let _ = writeln!(list.out, "**{}.**\n", escaped(&way.meaning));
        return;
    }
    let server = if way.pod.is_empty() { way.server.clone() } else { format!("pod {}", way.pod) };
    let seen = way.back.first().map(|hop| hop.packet.clone()).unwrap_or_default();
    let [from, client] = &seen;
    list.item(
        &format!("{server} gets the packet, and sees {client} as its client."),
        "",
        &[client.clone(), from.clone()],
        None,
    );
    list.item(&format!("{server} answers: source and destination are the other way round."), "", &seen, None);
    for hop in &way.back {
        let words = match hop.translated {
            Some(_) => "Connection tracking knows the connection and translates the reply back.",
            None => "The reply passes unchanged: nothing was translated here.",
        };
        list.item(words, &hop.node, hop.translated.as_ref().unwrap_or(&hop.packet), None);
    }
    let _ = writeln!(list.out, "**{}.**\n", escaped(&way.meaning));
}

struct List<'o> {
    number: usize,
    out: &'o mut String,
}

impl List<'_> {
    fn item(&mut self, sentence: &str, place: &str, packet: &[String; 2], row: Option<&Row>) {
        self.number += 1;
        let number = format!("{}. ", self.number);
        let indent = " ".repeat(number.len());
        let place = if place.is_empty() { String::new() } else { format!("{}: ", escaped(place)) };
        let [source, destination] = packet.each_ref().map(|text| escaped(text));
        let _ = writeln!(self.out, "{number}{place}{}", escaped(sentence));
        let _ = writeln!(self.out, "{indent}From {source} to {destination}.\n");
        if let Some(row) = row.filter(|row| !row.text.is_empty()) {
            let lines = row
                .text
                .lines()
                .map(|line| format!("{indent}{}", Inert(line).to_string().replace("```", "'''")));
            let text = lines.collect::<Vec<_>>().join("\n");
            let _ = writeln!(self.out, "{indent}```\n{text}\n{indent}```\n");
        }
    }
}
