//! Stages as a page stores them: each text and each step once, in tables that the journeys refer to by index. Most
//! journeys to one Service differ only in a few addresses.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{PlayStep, Stage};

/// A stage, with `texts` and `steps` besides its journeys. In these a number is a text, and under `steps` a step: its
/// row, its hook and, if it changed the packet, source and destination.
pub(in crate::explain) fn compact(stage: &Stage) -> Value {
    let mut tables = Tables::default();
    let journeys: Vec<Value> = stage.journeys.iter().map(|journey| tables.journey(journey)).collect();
    let mut value = serde_json::to_value(Stage { journeys: Vec::new(), ..stage.clone() }).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("journeys".to_owned(), journeys.into());
        fields.insert("texts".to_owned(), tables.texts.into());
        fields.insert("steps".to_owned(), tables.steps.into());
    }
    value
}

#[derive(Default)]
struct Tables {
    texts: Vec<Value>,
    text_numbers: HashMap<String, usize>,
    steps: Vec<Value>,
    step_numbers: HashMap<PlayStep, usize>,
}

impl Tables {
    fn journey(&mut self, journey: &super::Play) -> Value {
        let mut ways = Vec::new();
        for way in &journey.ways {
            let mut there = Vec::new();
            for hop in &way.there {
                let steps: Vec<usize> = hop.steps.iter().map(|step| self.step(step)).collect();
                there.push(json!({
                    "node": self.text(&hop.node), "packet": self.pair(&hop.packet), "steps": steps
                }));
            }
            let mut fields = self.numbered(&super::PlayWay { there: Vec::new(), ..way.clone() });
            fields.insert("there".to_owned(), there.into());
            ways.push(Value::Object(fields));
        }
        let mut fields = self.numbered(&super::Play { ways: Vec::new(), ..journey.clone() });
        fields.insert("ways".to_owned(), ways.into());
        Value::Object(fields)
    }

    /// With numbers instead of texts.
    fn numbered(&mut self, of: &impl serde::Serialize) -> Map<String, Value> {
        match self.without_texts(serde_json::to_value(of).unwrap_or_default()) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    fn without_texts(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => self.text(&text).into(),
            Value::Array(all) => all.into_iter().map(|one| self.without_texts(one)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(key, value)| (key, self.without_texts(value))).collect()
            }
            other => other,
        }
    }

    fn text(&mut self, text: &str) -> usize {
        if let Some(number) = self.text_numbers.get(text) {
            return *number;
        }
        self.texts.push(text.into());
        self.text_numbers.insert(text.to_owned(), self.texts.len() - 1);
        self.texts.len() - 1
    }

    fn pair(&mut self, packet: &[String; 2]) -> [usize; 2] {
        packet.each_ref().map(|text| self.text(text))
    }

    fn step(&mut self, step: &PlayStep) -> usize {
        if let Some(number) = self.step_numbers.get(step) {
            return *number;
        }
        let hook = self.text(step.hook);
        let value = match &step.packet {
            Some(packet) => json!([step.row, hook, self.pair(packet)]),
            None => json!([step.row, hook]),
        };
        self.steps.push(value);
        self.step_numbers.insert(step.clone(), self.steps.len() - 1);
        self.steps.len() - 1
    }
}
