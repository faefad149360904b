//! What the events of a run say about one of its steps. Records are shared between runs, and a later
//! run may replace them; the events of a run never change.

use serde::Deserialize;

use crate::store::RunFolder;

/// A step's part of the events of a run.
#[derive(Debug, Default, PartialEq)]
pub(super) struct StepEvents {
    /// The last state; none if no event is about the step.
    pub(super) state: Option<StepState>,
    /// Why the step ran, if it did.
    pub(super) reason: Option<String>,
}

/// The state of a step.
#[derive(Debug, PartialEq)]
pub(super) enum StepState {
    /// It was cached.
    Reused,
    /// It started, and the run ended before it did.
    Started,
    /// It succeeded.
    Succeeded,
    /// Another run did the work meanwhile.
    Adopted,
    /// It failed, with this error.
    Failed(String),
    /// It was not started, for this reason.
    Skipped(String),
}

/// Reads the events of a run about a step. Unreadable lines are ignored.
pub(super) fn step_events(run: &RunFolder, step: &str) -> StepEvents {
    parse(&std::fs::read_to_string(run.events_path()).unwrap_or_default(), step)
}

fn parse(text: &str, step: &str) -> StepEvents {
    // Only what is needed, so that events of other versions can be read too.
    #[derive(Deserialize)]
    struct Line {
        event: String,
        step: Option<String>,
        reason: Option<String>,
        error: Option<String>,
        #[serde(default)]
        adopted: bool,
        #[serde(default)]
        retried: bool,
    }
    let mut found = StepEvents::default();
    // Every line about the step holds its name: most other lines need no parsing.
    let quoted = serde_json::Value::from(step).to_string();
    for line in text.lines().filter(|line| line.contains(&quoted)) {
        let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
        if line.step.as_deref() != Some(step) {
            continue;
        }
        found.state = Some(match &*line.event {
            "step_reused" => StepState::Reused,
            "step_started" => {
                found.reason = line.reason;
                StepState::Started
            }
            "step_succeeded" if line.adopted => StepState::Adopted,
            "step_succeeded" => StepState::Succeeded,
            "step_failed" if !line.retried => StepState::Failed(line.error.unwrap_or_default()),
            "step_skipped" => StepState::Skipped(line.reason.unwrap_or_default()),
            _ => continue,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_of_a_step_counts() {
        let events = r#"{"event":"step_started","step":"a","reason":"no result yet","attempt":1}
{"event":"step_failed","step":"a","error":"flaky","retried":true}
{"event":"step_noted","step":"b","text":"about \"a\""}
{"event":"step_started","step":"a","reason":"no result yet","attempt":2}
{"event":"step_failed","step":"a","error":"broken","retried":false}
{"event":"step_succeeded","step":"c","adopted":true}
{"event":"step_sta"#;
        let parsed = |step| parse(events, step);
        let reason = Some("no result yet".to_owned());
        assert_eq!(parsed("a"), StepEvents { state: Some(StepState::Failed("broken".into())), reason });
        assert_eq!(parsed("b"), StepEvents::default());
        assert_eq!(parsed("c").state, Some(StepState::Adopted));
    }
}
