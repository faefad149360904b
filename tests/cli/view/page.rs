//! A run as one file.

use super::super::support::Project;

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&";

/// A page of the latest run.
#[track_caller]
pub(crate) fn page(project: &Project, arguments: &[&str]) -> String {
    let ran = project.igpt_flow(&[&["view", "-o", "page.html"], arguments].concat());
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    project.read("page.html")
}

#[test]
fn the_same_store_makes_the_same_bytes() {
    let project = Project::new(
        "name: same\ndescription: Two steps\nvars: {n: 2}\nstages:\n  a: {uses: command, matrix: {n: {range: [0, \"${vars.n}\"]}}, with: {run: 'echo ${matrix.n} > out; echo said'}}\n  \
         b: {uses: command, in: {x: \"a.out.*\"}, with: {run: 'cat x/*/* > out || ls -R x > out'}}\n",
    );
    project.run_with(&["--set", "vars.n=3"]);
    let first = page(&project, &[]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(first, page(&project, &[]));
    for text in
        ["same", "Two steps", "5 executed", "a[n=3]", "--set vars.n=3", "why it ran", "said", "Critical path"]
    {
        assert!(first.contains(text), "{text}");
    }
    // A run that reuses everything shows where that was made.
    project.run_with(&["--set", "vars.n=3"]);
    let second = page(&project, &[]);
    assert!(second.contains("5 reused") && second.contains("made by"));
}

#[test]
fn a_page_needs_nothing_else() {
    let project = Project::new("stages:\n  a: {uses: command, with: {run: 'echo 1 > out'}}\n");
    project.run();
    let page = page(&project, &[]);
    assert!(page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'"));
    for word in ["src=\"http", "href=\"http", "url(http", "@import", "src=\"/", "href=\"/"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn the_machine_is_shown_only_on_request() {
    let project = Project::new(
        "name: paths\nstages:\n  a: {uses: command, in: {x: ./input}, with: {run: 'pwd; echo from $PWD; hostname; cat x > out'}}\n  \
         b: {uses: command, with: {run: 'cat /nowhere/at/all/file > out'}}\nexport: {a.out: out.txt}\n",
    );
    project.write("input", "1");
    project.igpt_flow(&["run", "pipeline.yaml", "--keep-going", "--set", "seed=1"]);
    let folder = project.path("").canonicalize().unwrap();
    let folder = folder.to_str().unwrap().trim_end_matches('/');
    let record = project.igpt_flow(&["show", "a", "--json"]).out;
    let host = record.split("\"host\": \"").nth(1).unwrap().split('"').next().unwrap();
    let plain = page(&project, &[]);
    for word in [folder, "/nowhere/at", "run pipeline.yaml", env!("CARGO_BIN_EXE_igpt-flow")] {
        assert!(!plain.contains(word), "{word}");
    }
    if host.len() > 2 && host != "localhost" {
        assert!(!plain.contains(&format!(" {host} ")) && !plain.contains(&format!("{host}\n")), "{host}");
    }
    assert!(plain.contains("…/file") && plain.contains("failed"));
    let whole = page(&project, &["--with-machine"]);
    assert!(whole.contains(folder) && whole.contains("run pipeline.yaml") && whole.contains(host));
}

#[test]
fn hostile_names_and_texts_are_texts() {
    let quoted = HOSTILE.replace('"', "\\\"");
    let project = Project::new(&format!(
        "name: \"{quoted}\"\ndescription: \"{quoted}\"\nstages:\n  a: {{uses: command, matrix: {{x: [\"{quoted}\"]}}, \
         with: {{run: \"echo '</pre><script>alert(2)</script>'; echo > out\", env: {{E: \"{quoted}\"}}}}}}\n"
    ));
    project.run();
    let page = page(&project, &["--with-machine"]);
    assert!(!page.contains("<img src=x") && !page.contains("<script>alert"), "{page}");
    // Its own script, and no other; data elements are of another type.
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"));
}

#[test]
fn what_does_not_fit_is_said_on_the_page_and_on_the_terminal() {
    // A picture of 40 KB without a name: the output of a command.
    let project = Project::new(
        "name: large\nstages:\n  a: {uses: command, with: {run: 'printf \"\\211PNG\\r\\n\\032\\n\" > out; head -c 40000 /dev/zero >> out'}}\n",
    );
    project.run();
    let with = page(&project, &[]);
    assert!(with.contains("src=\"data:image/png;base64,iVBORw0KGgoAAAA"), "the picture is there");
    let ran = project.igpt_flow(&["view", "-o", "page.html", "--max-size", "64KiB"]);
    assert!(ran.out.contains("left out: the picture a.out (39.1 KiB)"), "{}", ran.out);
    let without = project.read("page.html");
    assert!(!without.contains("data:image/png") && without.contains("Not on this page: the picture a.out"));
    assert!(without.len() < 64 << 10, "{}", without.len());
    assert_eq!(project.igpt_flow(&["view", "-o", "x", "--max-size", "much"]).code, 2);
}

#[test]
fn runs_are_compared_by_what_differs() {
    let project = Project::new(
        "name: two\nvars: {n: 1}\nstages:\n  a: {uses: command, with: {run: 'echo ${vars.n} > out'}}\n  \
         b: {uses: command, with: {run: 'echo same > out'}}\n",
    );
    project.run();
    project.run_with(&["--set", "vars.n=2"]);
    let ids: Vec<String> = {
        let found = std::fs::read_dir(project.path("artifacts/runs-v2")).unwrap();
        found.map(|id| id.unwrap().file_name().into_string().unwrap()).collect()
    };
    let page = page(&project, &[&ids[0], &ids[1]]);
    assert!(page.contains("Comparison of 2 runs") && page.contains("echo 2 &gt; out"));
    assert!(!page.contains("echo same"), "what is equal is left out");
}

#[test]
fn numbers_of_compared_runs_lead_to_their_origins() {
    let project = Project::new(
        "name: two\nvars: {n: 1}\nstages:\n  a: {uses: command, in: {raw: ./data.csv}, with: {run: 'cat raw > out; echo ${vars.n} >> out'}}\n  \
         table: {uses: command, in: {a: a.out}, with: {run: 'mkdir out; printf \"| n |\\n|-:|\\n| $(tail -n 1 a) |\\n\" > out/table.md'}}\n",
    );
    project.write("data.csv", "7\n");
    project.run();
    project.run_with(&["--set", "vars.n=2"]);
    let found = std::fs::read_dir(project.path("artifacts/runs-v2")).unwrap();
    let ids: Vec<String> = found.map(|id| id.unwrap().file_name().into_string().unwrap()).collect();
    let page = page(&project, &[&ids[0], &ids[1]]);
    for letter in ["A", "B"] {
        assert!(page.contains(&format!("href=\"#o{letter}1\"")), "no link of {letter}");
        let origin = page.split(&format!("id=\"o{letter}1\"")).nth(1).expect("the place that it leads to");
        let digest = origin.find("data.csv").and_then(|at| origin[at..].find("BLAKE3"));
        assert!(digest.is_some_and(|at| at < 200), "the way back of {letter} ends at the file");
    }
}

#[test]
fn a_killed_run_and_a_store_without_plans_have_pages_too() {
    let project = Project::new(
        "name: old\nstages:\n  a: {uses: command, with: {run: 'echo 1 > out'}}\n  b: {uses: command, in: {x: a.out}, with: {run: 'cat x > out'}}\n",
    );
    project.run();
    let run = std::fs::read_dir(project.path("artifacts/runs-v2")).unwrap().next().unwrap().unwrap().path();
    // As a kill leaves it, and as an earlier version did.
    std::fs::remove_file(run.join("run.json")).unwrap();
    std::fs::remove_file(run.join("plan")).unwrap();
    let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    let until =
        events.find("\"run_finished\"").map_or(events.len(), |at| events[..at].rfind('\n').unwrap() + 1);
    std::fs::write(run.join("events.jsonl"), &events[..until]).unwrap();
    let page = page(&project, &[]);
    assert!(page.contains("unfinished") && page.contains("a.out") && page.contains("<h1>old "));
}
