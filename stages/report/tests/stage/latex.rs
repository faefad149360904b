//! The LaTeX of every kind of table compiles in a minimal article, where there is a pdfLaTeX.

use std::process::Command;

use serde_json::json;

use crate::support::{columns, layers, report};
use crate::tables::errors;

#[test]
fn tables_compile_in_a_minimal_article() {
    if Command::new("pdflatex").arg("--version").output().is_err() {
        igpt_fixtures::skipped("tables in an article of LaTeX (`pdflatex` is not on the path)");
        return;
    }
    let (artifacts, errors) = errors();
    let mut se = columns();
    se["columns"][1]["error"] = json!("se");
    se["title"] = json!("α & β_2 ≥ 5 %: {√(p(1 − p)/N)} ~ #1 ^ \\ \"quoted\" – µ × 10⁻³");
    // Names of several words and many columns: wider than the text, were they not broken.
    let mut wide = errors.clone();
    for i in 0..2 {
        let mut column = wide["columns"][i].clone();
        column["title"] = json!(format!("{} again", column["title"].as_str().unwrap()));
        column["where"]["method"] = json!("ours");
        wide["columns"].as_array_mut().unwrap().push(column);
    }
    wide["expected"] = json!(["ours, with a head at the best layer and other weights", "iGPT-L"]);
    let tables = [
        ("wide", report(&artifacts, &wide).unwrap().tex),
        ("probes", report(&layers(), &columns()).unwrap().tex),
        ("errors", report(&artifacts, &errors).unwrap().tex),
        ("signs", report(&layers(), &se).unwrap().tex),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut article = String::from("\\documentclass{article}\n\\begin{document}\n");
    for (name, tex) in &tables {
        std::fs::write(folder.path().join(format!("{name}.tex")), tex).unwrap();
        article += &format!("\\input{{{name}}}\n");
    }
    article += "\\end{document}\n";
    std::fs::write(folder.path().join("article.tex"), article).unwrap();
    let run = Command::new("pdflatex")
        .args(["-interaction=nonstopmode", "-halt-on-error", "article.tex"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && folder.path().join("article.pdf").exists(), "{log}");
    assert!(!log.contains("Overfull"), "a table is wider than the text: {log}");
}
