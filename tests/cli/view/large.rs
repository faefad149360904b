//! Pages of runs with many steps.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::support::Project;
use super::page::page;

/// Data, `count` times three steps that are written out, of which the seventh training fails, and a table.
pub(crate) fn generated(count: usize) -> Project {
    let mut text =
        String::from("name: generated\nstages:\n  data: {uses: command, with: {run: 'echo > out'}}\n");
    for n in 0..count {
        let step = |name: &str, input: &str, run: &str| {
            format!("  {name}_{n}: {{uses: command, in: {{x: {input}.out}}, with: {{run: '{run}'}}}}\n")
        };
        text += &step("prepare", "data", &format!("echo {n} > out; echo said"));
        text += &step("train", &format!("prepare_{n}"), &format!("echo {n} > out; [ {n} != 7 ]"));
        text += &step("evaluate", &format!("train_{n}"), &format!("echo {n} > out"));
    }
    let inputs: Vec<String> = (0..count).map(|n| format!("e{n}: evaluate_{n}.out")).collect();
    let _ = writeln!(
        text,
        "  table: {{uses: command, in: {{{}}}, with: {{run: 'echo > out'}}}}",
        inputs.join(", ")
    );
    let project = Project::new(&text);
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--keep-going"]);
    assert_eq!(ran.code, 100, "{}", ran.err);
    project
}

/// The texts between two others.
fn between<'t>(text: &'t str, before: &str, after: char) -> Vec<&'t str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap_or_default()).collect()
}

#[track_caller]
fn assert_links(page: &str) {
    let ids = between(page, " id=\"", '"');
    let places: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), places.len(), "an id twice");
    let dead: Vec<&str> =
        between(page, "href=\"#", '"').into_iter().filter(|to| !places.contains(to)).collect();
    assert!(dead.is_empty(), "{dead:?}");
}

#[test]
fn steps_that_are_alike_share_a_box_that_leads_to_their_list() {
    let project = generated(34);
    let page = page(&project, &[]);
    assert_links(&page);
    let boxes = between(&page, "<g class=\"node ", '>');
    assert_eq!(boxes.len(), 5, "{boxes:?}");
    for (name, title, state) in [
        ("data", "command", "✓ done"),
        ("prepare_*", "command ×34", "✓ 34 done"),
        ("train_*", "command ×34", "✗ 1 failed, 33 done"),
        ("evaluate_*", "command ×34", "✓ 33 done, 1 skipped"),
        ("table", "command", "– skipped"),
    ] {
        let drawn = page.split(&format!(">{name}</text>")).nth(1).unwrap_or_else(|| panic!("no {name}"));
        let texts = between(drawn, "<text class=", '<');
        assert!(
            texts[0].ends_with(&format!(">{title}")) && texts[1].ends_with(&format!(">{state}")),
            "{texts:?}"
        );
    }
    // The box of the trainings leads to a list of them.
    let list =
        page.split("<details class=\"shared\" id=\"g2\">").nth(1).expect("the list that its link leads to");
    let list = list.split("</table>").next().unwrap();
    assert!(page.contains("<a href=\"#g2\">") && list.contains("train_*") && list.contains("command ×34"));
    assert_eq!(list.matches("<tr>").count(), 1 + 34);
    assert!(!list.contains(">prepare_1<"));
    // The same in a smaller pipeline, step by step.
    let small = self::page(&generated(8), &[]);
    assert_links(&small);
    assert_eq!(small.matches("<g class=\"node ").count(), 26);
    assert!(!small.contains("share a box"));
}

#[test]
fn steps_are_told_in_full_as_far_as_the_page_may_weigh() {
    let project = generated(40);
    let whole = page(&project, &[]);
    let told = |page: &str| page.matches("<div class=\"body\" id=\"s").count();
    assert_eq!(told(&whole), 122);
    assert!(!whole.contains("Not on this page"));
    let ran = project.igpt_flow(&["view", "-o", "page.html", "--max-size", "250KiB"]);
    let cut = project.read("page.html");
    assert!(cut.len() < 250 << 10 && whole.len() > 250 << 10, "{} of {}", cut.len(), whole.len());
    assert!((1..122).contains(&told(&cut)), "{}", told(&cut));
    let said = format!("parameters, inputs and logs of {} of 122 steps", 122 - told(&cut));
    assert!(cut.contains(&format!("Not on this page: {said}.")), "{said}");
    assert!(ran.out.contains(&format!("left out: {said}")), "{}", ran.out);
    // What failed is the last to go, and what is left out has its line.
    assert!(cut.contains("exit status 1"));
    assert_links(&cut);
    let tiny = page(&project, &["--max-size", "1KiB"]);
    assert_eq!(told(&tiny), 0);
    assert_links(&tiny);
}
