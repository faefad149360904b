//! Small pipelines that ask for very much: each is refused, or reported, within moments.

use std::fmt::Write as _;

use super::errors::told;
use crate::pipeline::{Overrides, render};
use crate::plan::testing::planned;

/// The errors of a pipeline, and how they are shown.
#[track_caller]
fn errors(yaml: &str) -> (Vec<String>, String) {
    let errors = planned(yaml, &Overrides::default()).err().unwrap_or_default();
    let shown = render(&errors, false);
    (told(&errors), shown)
}

#[test]
fn an_error_far_along_a_line_is_shown_with_what_is_around_it() {
    let filler: String = (0..20_000).map(|i| format!("\"v{i}\": {i}, ")).collect();
    let yaml = format!("{{\"vars\": {{{filler}\"x\": 1}}, \"stagse\": {{}}}}");
    let (told, shown) = errors(&yaml);
    let column = yaml.find("\"stagse\"").unwrap() + 1;
    assert!(column > 70_000);
    assert_eq!(told[1], format!("1:{column} a pipeline has no key `stagse` | did you mean `stages`?"));
    let lines: Vec<&str> = shown.lines().collect();
    let caret = lines.iter().position(|line| line.ends_with('^')).unwrap();
    let at = lines[caret].chars().count() - 1;
    let below: String = lines[caret - 1].chars().skip(at).take(8).collect();
    assert_eq!(below, "\"stagse\"", "{shown}");
    assert!(lines.iter().all(|line| line.chars().count() < 140), "{shown}");
}

#[test]
fn a_range_ends_where_numbers_end() {
    let step = |range: &str| {
        format!(
            "stages: {{a: {{uses: images, with: {{source: shapes}}, matrix: {{n: {{range: {range}}}}}}}}}\n"
        )
    };
    let plan = planned(&step("[9223372036854775806, 9223372036854775807]"), &Overrides::default()).unwrap();
    assert_eq!(plan.steps.len(), 2);
    let whole = "[-9223372036854775808, 9223372036854775807, 9223372036854775807]";
    assert_eq!(planned(&step(whole), &Overrides::default()).unwrap().steps.len(), 3);
}

#[test]
fn steps_are_counted() {
    let mut yaml = String::from("stages:\n");
    for i in 0..11 {
        let _ = writeln!(
            yaml,
            "  a{i}: {{uses: images, with: {{source: shapes}}, matrix: {{n: {{range: [1, 100000]}}}}}}"
        );
    }
    let (told, _) = errors(&yaml);
    assert_eq!(
        told,
        [
            "12:3 with this step the pipeline has more than 1000000 instances of steps | make the matrices and searches smaller, or split the pipeline in two"
        ]
    );
}

#[test]
fn thousands_of_errors_are_told_quickly_and_the_first_are_shown() {
    let mut yaml = String::from("vars:\n");
    for i in 0..1000 {
        let _ = writeln!(yaml, "  name_of_variable_{i}: 1");
    }
    yaml.push_str("stages:\n");
    for i in 0..1000 {
        let _ = writeln!(
            yaml,
            "  a{i}: {{uses: imagess, in: {{x: step_{i}.out}}, seed: \"${{vars.nam_of_variable_{i}}}\"}}"
        );
    }
    let (told, shown) = errors(&yaml);
    assert_eq!(told.len(), 3000);
    assert_eq!(told[0], "1003:14 unknown stage kind `imagess` | did you mean `images`?");
    assert!(shown.ends_with("\nand 2950 more errors\n"), "{}", &shown[shown.len() - 100..]);
    assert_eq!(shown.matches("error: ").count(), 50);
}

#[test]
fn a_fault_of_all_instances_is_told_once() {
    let (told, _) = errors(
        "stages: {a: {uses: images, matrix: {n: {range: [1, 500]}}, with: {source: shape, count: 0}, seed: x}}\n",
    );
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn many_combinations_are_looked_up_and_not_compared() {
    let items = |n: usize| (0..n).map(|i| format!("{{n: {i}}}")).collect::<Vec<_>>().join(", ");
    let yaml = format!(
        "stages: {{a: {{uses: images, with: {{source: shapes}}, matrix: {{n: {{range: [0, 4000]}}, exclude: [{}], include: [{}]}}}}}}\n",
        items(4_000),
        items(4_000)
    );
    assert_eq!(planned(&yaml, &Overrides::default()).unwrap().steps.len(), 4_001);
}
