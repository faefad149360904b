//! Progress bars on a terminal: one for the run, one for each running step.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::clean::one_line;
use super::line;
use crate::event::{Consumer, Event, Numbered};

/// The terminal consumer.
pub struct Bars {
    all: MultiProgress,
    run: ProgressBar,
    steps: BTreeMap<String, ProgressBar>,
}

impl Default for Bars {
    fn default() -> Self {
        let all = MultiProgress::new();
        let run =
            all.add(ProgressBar::new(0).with_style(style("{bar:30.green} {pos}/{len} steps {elapsed}")));
        Self { all, run, steps: BTreeMap::new() }
    }
}

/// A style from a template of ours; the plain bar where it does not parse.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Bars {
    fn end(&mut self, step: &str) {
        if let Some(bar) = self.steps.remove(step) {
            bar.finish_and_clear();
        }
        self.run.inc(1);
    }
}

impl Consumer for Bars {
    fn take(&mut self, event: &Numbered) {
        match &event.event {
            Event::RunStarted { steps, .. } => self.run.set_length(*steps as u64),
            Event::StepStarted { step, .. } => {
                let bar = self.all.insert_before(&self.run, ProgressBar::new(0));
                bar.set_style(style("  {prefix} {bar:30.cyan} {pos}/{len} {msg} {eta}"));
                bar.set_prefix(one_line(step).into_owned());
                // One that waited for room is started anew.
                if let Some(old) = self.steps.insert(step.clone(), bar) {
                    old.finish_and_clear();
                }
            }
            Event::StepProgressed { step, done, total, unit } => {
                if let Some(bar) = self.steps.get(step) {
                    bar.set_length(*total);
                    bar.set_position(*done);
                    bar.set_message(one_line(unit).into_owned());
                }
            }
            Event::StepFailed { step, retried: true, .. } => {
                if let Some(bar) = self.steps.remove(step) {
                    bar.finish_and_clear();
                }
            }
            Event::StepReused { step, .. }
            | Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepSkipped { step, .. } => self.end(step),
            Event::RunFinished { .. } => self.run.finish_and_clear(),
            _ => {}
        }
        let starts = matches!(event.event, Event::StepStarted { attempt: 1, .. });
        if let Some(text) = line(&event.event).filter(|_| !starts) {
            // A terminal that went away cannot be told.
            let _ = self.all.println(text);
        }
    }
}
