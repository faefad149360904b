//! What a command's port gathers: each artifact must have labels of its own, which name its entry.

use std::collections::HashSet;

use super::PlannedInput;
use super::declared::DeclaredStep;
use super::planner::Planner;
use crate::pipeline::Faults;

impl Planner<'_> {
    /// Reports artifacts of a command's gathering port that nothing tells apart.
    pub(super) fn check_fan_in(
        &self,
        declared: &DeclaredStep<'_>,
        inputs: &[PlannedInput],
        faults: &mut Faults,
    ) {
        let mut seen: HashSet<(&str, String)> = HashSet::new();
        for input in inputs.iter().filter(|input| input.gathered) {
            let port = input.port.as_str();
            let mark = declared
                .decl
                .inputs
                .iter()
                .find(|(key, _)| key.text == port)
                .map_or(declared.decl.mark, |(_, n)| n.mark);
            let labels = serde_json::to_string(&input.labels).unwrap_or_default();
            if input.labels.is_empty() {
                faults
                    .push(mark, format!("an artifact that `{port}` gathers has no axis values to name it"))
                    .hint(format!("name the artifacts: `{port}: {{first: a.out, second: b.out}}`; or pass one output, without `*` or a list"));
                return;
            }
            if !seen.insert((port, labels)) {
                faults
                    .push(mark, format!("two artifacts that `{port}` gathers have the same axis values"))
                    .hint(format!("name them: `{port}: {{first: a.*, second: b.*}}`"));
                return;
            }
        }
    }
}
