//! Checks against what is known of outputs: parts that cannot be, parameters that do not fit the inputs,
//! metrics that no candidate of a search has. Without them a slip would be reported after the training.

use igpt_contract::{Foreseen, KnownInputs, KnownOutputs, Sought};

use super::Work;
use super::declared::{DeclaredStep, Planned};
use super::params::{Searched, WrittenParams};
use super::planner::Planner;
use super::schema::ParamFault;
use super::search::SearchDecl;
use crate::pipeline::{Faults, Mark};

/// How many parts a hint lists.
const MAX_LISTED: usize = 20;

impl Planner<'_> {
    /// Whether an output may have that part; reports where it cannot.
    pub(super) fn check_part(
        &self,
        planned: Planned,
        port: &str,
        part: Option<&str>,
        whole: impl Fn() -> String,
        mark: Mark,
        faults: &mut Faults,
    ) -> bool {
        let Some(part) = part else { return true };
        let parts = self.known_outputs.output(planned, port).and_then(|known| known.parts.as_ref());
        let Some(parts) = parts.filter(|parts| !parts.iter().any(|name| is_same(name, part))) else {
            return true;
        };
        let whole = whole();
        faults.push(mark, format!("`{whole}` has no part `{part}`")).hint(listed(&whole, parts));
        false
    }

    /// What is known of what a step will make; reports which of its parameters cannot fit its inputs.
    pub(super) fn foresee(
        &self,
        declared: &DeclaredStep<'_>,
        work: &Work,
        inputs: &KnownInputs<'_>,
        searched: Option<Searched<'_>>,
        faults: &mut Faults,
    ) -> Foreseen {
        let Work::Stage { stage, params, .. } = work else { return Foreseen::default() };
        for misfit in stage.misfits(params, inputs) {
            // A parameter that is not written out is reported where its input is.
            let input = declared.decl.inputs.iter().find(|(key, _)| key.text == misfit.port);
            let step = input.map_or(declared.decl.mark, |(_, node)| node.mark);
            let written = WrittenParams { with: declared.decl.with, step, searched };
            let path = misfit.path.split('.').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            let fault =
                ParamFault { path, at_key: false, message: misfit.what, hint: None, names: misfit.name };
            written.report(&format!("step `{}`", declared.decl.name), vec![fault], faults);
        }
        stage.foresee(params, inputs)
    }
}

/// That the metric which decides a search is one that a candidate may have.
pub(super) fn check_deciding<'a>(
    search: &SearchDecl,
    candidates: impl Iterator<Item = &'a KnownOutputs> + Clone,
    faults: &mut Faults,
) {
    let all = candidates.map(|outputs| outputs.get(search.port.as_str())?.metrics.as_ref());
    let may_have = |known: Option<&igpt_contract::MetricNames>| {
        known.is_none_or(|names| names.may_have(&search.metric, Sought::Number))
    };
    if all.clone().any(may_have) {
        return;
    }
    let mut there: Vec<&String> = all.flatten().flat_map(|names| &names.numbers).collect();
    if there.is_empty() {
        return;
    }
    there.sort();
    there.dedup();
    let what = format!("`{}` has no metric `{}`", search.port, search.metric);
    faults.push(search.port_mark, what).suggest(&search.metric, "metrics", there);
}

/// Whether a part has that name; a number may be named without its zeros.
fn is_same(part: &str, name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bare = |text: &str| text.trim_start_matches('0').len();
    part == name
        || (digits(part)
            && digits(name)
            && part[part.len() - bare(part)..] == name[name.len() - bare(name)..])
}

/// The parts that there are, for a hint.
fn listed(whole: &str, parts: &[String]) -> String {
    let numbers: Option<Vec<u64>> = parts.iter().map(|part| part.parse().ok()).collect();
    let is_range =
        numbers.is_some_and(|all| all.len() > 2 && all.windows(2).all(|pair| pair[1] == pair[0] + 1));
    match parts {
        [] => "it has no parts".to_owned(),
        [first, .., last] if is_range => format!("it has the parts `{whole}/{first}` to `{whole}/{last}`"),
        _ => {
            let shown: Vec<String> =
                parts.iter().take(MAX_LISTED).map(|part| format!("`{whole}/{part}`")).collect();
            let more = if parts.len() > MAX_LISTED { ", ..." } else { "" };
            format!("it has {}{more}", shown.join(", "))
        }
    }
}
