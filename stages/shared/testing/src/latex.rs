//! Tables of LaTeX in an article, where there is a pdfLaTeX.

use std::path::Path;
use std::process::Command;

/// Whether there is a pdfLaTeX with booktabs; says that a test is skipped where there is none.
#[must_use]
pub fn is_installed() -> bool {
    let runs = |program: &str, argument: &str| {
        Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
    };
    let is = runs("pdflatex", "--version") && runs("kpsewhich", "booktabs.sty");
    if !is {
        igpt_fixtures::skipped("tables in an article of LaTeX (no `pdflatex`, or no booktabs.sty)");
    }
    is
}

/// Compiles the tables, by their names, in an article of these options and packages, and puts the PDF into the folder that
/// `IGPT_KEEP` names, if it does.
///
/// # Panics
/// If they do not compile, or one is wider than its text.
#[track_caller]
pub fn compile(options: &str, packages: &str, tables: &[(String, String)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let mut article = format!("\\documentclass{options}{{article}}\n{packages}\\begin{{document}}\n");
    for (name, tex) in tables {
        std::fs::write(at(&format!("{name}.tex")), tex).expect("a table");
        article += &format!("\\input{{{name}}}\n\\clearpage\n");
    }
    article += "\\end{document}\n";
    std::fs::write(at("article.tex"), article).expect("an article");
    let run = Command::new("pdflatex")
        .args(["-interaction=nonstopmode", "-halt-on-error", "article.tex"])
        .current_dir(folder.path())
        .output()
        .expect("pdfLaTeX");
    let log = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && at("article.pdf").exists(), "{log}");
    assert!(!log.contains("Overfull"), "a table is wider than the text ({options}): {log}");
    if let Some(kept) = std::env::var_os("IGPT_KEEP") {
        let columns = if options.is_empty() { "one" } else { "two" };
        let rules = if packages.is_empty() { "plain" } else { "booktabs" };
        let name = format!("{}-{}-{columns}-{rules}.pdf", tables[0].0, tables.len());
        std::fs::copy(at("article.pdf"), Path::new(&kept).join(name)).expect("a copy of the PDF");
    }
}
