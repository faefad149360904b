//! What the events of a run say of one of its steps. Records are shared between runs and may be made
//! again by later ones; a run's own events stay what they were.

use serde::Deserialize;

use crate::store::RunFolder;

/// What became of a step in a run, in the run's own words.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    /// How it went; none where the events say nothing of it.
    pub(super) end: Option<End>,
    /// Why its work was begun, where it was.
    pub(super) reason: Option<String>,
}

/// How a step went.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// Its outputs were there.
    Reused,
    /// Its work was begun; the run did not live to see the end.
    Started,
    /// It was done.
    Done,
    /// Another run did it meanwhile.
    Adopted,
    /// It failed: the error.
    Failed(String),
    /// It was not begun: why.
    Skipped(String),
}

/// Reads what a run says of a step. A line that cannot be read says nothing.
pub(super) fn told(run: &RunFolder, step: &str) -> Told {
    from_events(&std::fs::read_to_string(run.events_path()).unwrap_or_default(), step)
}

fn from_events(text: &str, step: &str) -> Told {
    // Only what is needed here, so that the events of other versions can be read as well.
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
    let mut told = Told::default();
    // The name is in every line that is about the step: most of the others need not be parsed.
    let quoted = serde_json::Value::from(step).to_string();
    for line in text.lines().filter(|line| line.contains(&quoted)) {
        let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
        if line.step.as_deref() != Some(step) {
            continue;
        }
        told.end = Some(match &*line.event {
            "step_reused" => End::Reused,
            "step_started" => {
                told.reason = line.reason;
                End::Started
            }
            "step_succeeded" if line.adopted => End::Adopted,
            "step_succeeded" => End::Done,
            "step_failed" if !line.retried => End::Failed(line.error.unwrap_or_default()),
            "step_skipped" => End::Skipped(line.reason.unwrap_or_default()),
            _ => continue,
        });
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_step_counts() {
        let events = r#"{"event":"step_started","step":"a","reason":"no result yet","attempt":1}
{"event":"step_failed","step":"a","error":"flaky","retried":true}
{"event":"step_noted","step":"b","text":"about \"a\""}
{"event":"step_started","step":"a","reason":"no result yet","attempt":2}
{"event":"step_failed","step":"a","error":"broken","retried":false}
{"event":"step_succeeded","step":"c","adopted":true}
{"event":"step_sta"#;
        let told = |step| from_events(events, step);
        let reason = Some("no result yet".to_owned());
        assert_eq!(told("a"), Told { end: Some(End::Failed("broken".into())), reason });
        assert_eq!(told("b"), Told::default());
        assert_eq!(told("c").end, Some(End::Adopted));
    }
}
