//! Numbers in a LaTeX paper: `values` and `lint`.

use std::process::Command;

use super::support::Project;

const PROBES: &str = r#"
name: probes
stages:
  probe:
    uses: command
    matrix: {layer: [0, 1]}
    with: {run: 'mkdir out; echo "{\"values\": {\"accuracy.test\": 0.7${matrix.layer}15}}" > out/metrics.json'}
  table: {uses: command, in: {p: probe.*}, with: {run: 'mkdir out; echo "a & 0.7015" > out/table.tex'}}
export: {table.out: results/table}
"#;

const PAPER: &str = r"\documentclass{article}
\input{values}
\begin{document}
\tableofcontents
\section{We reach \igpt{probe:layer=1/accuracy.test@p1} percent}
\begin{figure}\caption{At layer 0: \igpt{probe:layer=0/accuracy.test@2}.}\end{figure}
\ifdim\igpt{probe:layer=1/accuracy.test}pt>0.71pt BETTER\else WORSE\fi
By hand: 70.2 percent. % igpt: probe:layer=0/accuracy.test@p1
\input{../results/table/table}
\end{document}
";

/// A project whose paper is right.
fn project() -> Project {
    let project = Project::new(PROBES);
    project.run();
    project.write("paper/main.tex", PAPER);
    let ran = project.igpt_flow(&["values", "pipeline.yaml", "-o", "paper/values.tex"]);
    assert_eq!((ran.code, &*ran.err), (0, ""));
    project
}

/// What `lint` says, with its exit code.
fn lint(project: &Project) -> (i32, String) {
    let ran = project.igpt_flow(&["lint", "paper/main.tex"]);
    assert_eq!(ran.err, "");
    (ran.code, ran.out)
}

#[test]
fn a_paper_that_is_right_is_met_with_silence() {
    let project = project();
    assert_eq!(lint(&project), (0, String::new()));
    let ran = project.igpt_flow(&["lint", "paper/main.tex", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer, serde_json::json!({"ok": true, "findings": [], "hints": []}));
}

#[test]
fn a_number_changed_by_hand_is_found() {
    let project = project();
    let change = |file: &str, old: &str, new: &str| {
        let text = project.read(file);
        assert!(text.contains(old), "{text}");
        project.write(file, &text.replace(old, new));
    };
    change("paper/main.tex", "70.2 percent", "70.9 percent");
    change("paper/values.tex", "{71.2}", "{72.1}");
    project.write("results/table/table.tex", "a & 0.7115\n");
    assert_eq!(
        lint(&project),
        (
            3,
            "paper/values.tex:14: `probe:layer=1/accuracy.test@p1`: 72.1 is outdated: it is 71.2 now\n\
             paper/main.tex:8: `probe:layer=0/accuracy.test@p1`: 70.9 is marked as this number, which is 70.2\n\
             paper/main.tex:9: `results/table/table.tex` differs from the result in the store\n    \
             there  a & 0.7115\n    store  a & 0.7015\n"
                .to_owned()
        )
    );
}

#[test]
fn a_number_whose_pipeline_changed_is_found() {
    let project = project();
    project.edit("0.7${", "0.6${");
    let (code, said) = lint(&project);
    assert_eq!(code, 3);
    assert_eq!(
        said.matches("has no result of the pipeline as it stands: `igpt-flow run pipeline.yaml` makes it")
            .count(),
        5,
        "{said}"
    );
    project.igpt_flow(&["run", "pipeline.yaml"]);
    let (code, said) = lint(&project);
    assert!(
        code == 3 && said.contains("`probe:layer=1/accuracy.test@p1`: 71.2 is outdated: it is 61.2 now"),
        "{said}"
    );
    project.igpt_flow(&["values", "pipeline.yaml", "-o", "paper/values.tex"]);
    let (_, said) = lint(&project);
    assert_eq!(said.lines().count(), 1, "only the number by hand is left: {said}");
}

#[test]
fn unknown_keys_are_named_with_what_may_be_meant() {
    let project = project();
    project.write("paper/main.tex", "\\input{values}\n\\igpt{probe:layer=1/accuracy.tset} \\igpt{probe:layer=1/accuracy.test@9}\n71.16 or 71.15 at 0.713\\textwidth\n");
    let (code, said) = lint(&project);
    assert_eq!(code, 3);
    assert!(said.contains("paper/main.tex:2: `probe:layer=1/accuracy.tset`: no number has this key: did you mean `probe:layer=1/accuracy.test`?"), "{said}");
    assert!(said.contains("`@9` is no way to write a number"), "{said}");
    assert!(
        said.contains("paper/main.tex:3: hint: 71.16 is nearly 71.15, `probe:layer=1/accuracy.test`"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 3, "{said}");
    // A hint alone is no failure.
    project.write("paper/main.tex", "\\input{values}\n71.16\n");
    assert_eq!(lint(&project).0, 0);
    let ran = project.igpt_flow(&["lint", "pipeline.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("no pipeline to check the paper against"), "{}", ran.err);
}

#[test]
fn numbers_of_tables_have_keys() {
    let project = Project::new(
        r#"
name: means
stages:
  table:
    uses: command
    with:
      run: |
        mkdir out
        cat > out/cells.json <<END
        {"columns": [{"name": "accuracy.test", "heading": "test"}, {"name": "dataset", "heading": ""}],
         "rows": [{"name": "fine-tuned, 3", "labels": {}}],
         "cells": [{"row": 0, "column": 0, "value": 0.7085, "error": "NaN", "n": 3, "inputs": []},
                   {"row": 0, "column": 1, "value": "textures", "inputs": []},
                   {"row": 7, "column": 0, "value": 1.0, "inputs": []}]}
        END
"#,
    );
    project.run();
    let ran = project.igpt_flow(&["values", "pipeline.yaml", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let expected = serde_json::json!({
        "table/fine-tuned,3/accuracy.test": 0.7085,
        "table/fine-tuned,3/accuracy.test/error": "NaN",
        "table/fine-tuned,3/accuracy.test/n": 3.0,
    });
    assert_eq!(answer["values"], expected);
}

#[test]
fn values_replace_nothing_but_values() {
    let project = project();
    let ran = project.igpt_flow(&["values", "pipeline.yaml", "-o", "paper/main.tex"]);
    assert!(
        ran.code == 2 && ran.err.contains("`paper/main.tex` was not written by `igpt-flow values`"),
        "{}",
        ran.err
    );
    assert_eq!(project.read("paper/main.tex"), PAPER);
    // Nor what is in another encoding, or no text at all.
    for bytes in [&b"Universit\xe4t: my thesis"[..], &[0xff, 0xd8, 0x00, 0x80]] {
        std::fs::write(project.path("paper/old.tex"), bytes).unwrap();
        let ran = project.igpt_flow(&["values", "pipeline.yaml", "-o", "paper/old.tex"]);
        assert!(ran.code == 2 && ran.err.contains("`paper/old.tex` was not written by"), "{}", ran.err);
        assert_eq!(std::fs::read(project.path("paper/old.tex")).unwrap(), bytes);
    }
    assert_eq!(project.igpt_flow(&["values", "pipeline.yaml", "-o", "/dev/null"]).code, 0);
    let ran = project.igpt_flow(&["values", "pipeline.yaml", "--json"]);
    let values: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(values["values"]["probe:layer=1/accuracy.test"], 0.7115);
}

#[test]
fn latex_typesets_the_numbers_and_names_unknown_keys() {
    if Command::new("pdflatex").arg("--version").output().is_err() {
        eprintln!("skipped: LaTeX (pdflatex is not installed)");
        return;
    }
    let project = project();
    let latex = |file: &str| {
        let ran = Command::new("pdflatex")
            .args(["-interaction=nonstopmode", file])
            .current_dir(project.path("paper"))
            .output()
            .unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stdout).into_owned())
    };
    let typed = PAPER.replace(
        "\\end{document}",
        "\\edef\\x{\\igpt{probe:layer=0/accuracy.test@2}}\\typeout{IS \\x.}\n\\end{document}",
    );
    project.write(
        "paper/main.tex",
        &typed.replace("a & 0.7015", "").replace("\\input{../results/table/table}", ""),
    );
    let (ok, log) = latex("main.tex");
    assert!(ok && log.contains("IS 0.70."), "{log}");
    assert!(project.read("paper/main.toc").contains("We reach 71.2 percent"), "a heading holds the number");
    project.write("paper/bad.tex", "\\documentclass{article}\n\\input{values}\n\\begin{document}\n\\igpt{probe/nothing@p1}\n\\end{document}\n");
    let (ok, log) = latex("bad.tex");
    assert!(!ok && log.contains("unknown key 'probe/nothing@p1'"), "{log}");
}
