//! The pages in a real Chromium, where there is one.

mod driver;

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::super::support::{Project, wait_until};
use super::large::generated;
use super::page::page;
use super::server::Served;
use driver::Browser;

/// Steps whose names and texts would run, were they markup; a matrix, a failure, a picture.
const PIPELINE: &str = r#"
name: "</title><script>document.hacked = 1</script>"
description: "<img src=http://127.0.0.1:9/x onerror='document.hacked = 2'>"
stages:
  a:
    uses: command
    matrix: {x: ["</script><script>document.hacked=3</script>", "-->", "\" onmouseover=alert(1) x=\"", "{}", "e", "f", "g", "h", "i", "j", "k", "l", "m"]}
    with: {run: 'echo "</pre><iframe src=http://127.0.0.1:9/>"; echo > out'}
  picture:
    uses: command
    with:
      run: |
        cat > out <<'END'
        <svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><script>parent.document.hacked = 4</script><rect width="40" height="40" fill="teal"/><image href="http://127.0.0.1:9/y"/></svg>
        END
        sed -i 's/^ *//' out
  fails: {uses: command, in: {x: "a.out.*"}, with: {run: 'echo "<b>bold</b>" >&2; exit 1'}}
  after: {uses: command, in: {x: fails.out}, with: {run: 'cat x > out'}}
"#;

fn hostile() -> Project {
    let project = Project::new(PIPELINE);
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--keep-going"]);
    assert_eq!(ran.code, 100, "{}", ran.err);
    page(&project, &[]);
    project
}

#[test]
fn a_page_from_a_file_asks_for_nothing_and_nothing_in_it_runs() {
    let Some(browser) = Browser::start("the page in a browser") else { return };
    let project = hostile();
    let url = format!("file://{}", project.path("page.html").display());
    browser.offline();
    for (width, dark) in [(1200, false), (1200, true), (390, false)] {
        browser.look(width, dark);
        browser.open(&url);
        let of = |script: &str| browser.script(script);
        assert_eq!(of("return document.hacked === undefined"), json!(true));
        let names =
            of("return [...document.querySelectorAll('#step-table th[scope=row]')].map(e => e.textContent)");
        assert_eq!(names, json!(["a", "picture", "fails", "after"]));
        assert!(
            of("return document.body.innerText").as_str().unwrap().contains("<script>document.hacked = 1")
        );
        assert_eq!(
            of("return document.scripts.length - document.querySelectorAll('script[type]').length"),
            json!(1)
        );
        assert_eq!(of("return [...document.images].map(i => i.complete && i.naturalWidth)"), json!([40]));
        let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(of(overflow), json!(0), "{width}");
        of("document.querySelectorAll('details').forEach(d => d.open = true)");
        assert_eq!(of(overflow), json!(0), "{width} with everything open");
        // The keyboard reaches what scrolls and what opens.
        assert_eq!(
            of("return [...document.querySelectorAll('.scroll, pre')].every(e => e.tabIndex === 0)"),
            json!(true)
        );
        // The filter is the script's.
        of("const i = document.querySelector('[data-filter] input'); i.value = 'x=e]'; i.oninput()");
        let left = of("return [...document.querySelectorAll('#t0 tbody tr')].filter(r => !r.hidden).length");
        assert_eq!(left, json!(1));
    }
    assert_eq!(browser.requests(), [url.clone(), url.clone(), url], "no request beyond the page");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_served_run_changes_its_states_without_a_reload() {
    let Some(browser) = Browser::start("a served run in a browser") else { return };
    let project = Project::new(
        "name: live\nstages:\n  a: {uses: command, matrix: {n: [1, 2]}, with: {run: 'until [ -e \"$LOG.${matrix.n}\" ]; do sleep 0.02; done; echo > out', pass_env: [LOG]}}\n  \
         b: {uses: command, in: {x: \"a.out.*\"}, with: {run: 'until [ -e \"$LOG.3\" ]; do sleep 0.02; done; echo > out', pass_env: [LOG]}}\n",
    );
    let mut run = project.start(&["run", "pipeline.yaml", "--jobs", "1"]);
    wait_until("the run has begun", || project.igpt_flow(&["runs", "--json"]).out.contains("\"running\""));
    let served = Served::new(&project, &["last"]);
    let first = served.said.lines().next().unwrap().to_owned();
    browser.open(&first);
    let text = |selector: &str| {
        let script = format!("return document.querySelector(`{selector}`)?.textContent ?? ''");
        browser.script(&script).as_str().unwrap().to_owned()
    };
    wait_until("the page is there without its token", || {
        let there = browser.script(
            "return location.pathname.startsWith('/run/') && location.search === '' && !!window.igptFlow",
        );
        there == json!(true) && text(".badge").contains("running")
    });
    browser.script("window.mark = 1");
    wait_until("the first instance runs", || text("[data-step='0']").contains("running"));
    project.write("log.1", "");
    wait_until("it is done", || text("[data-step='0']").contains("done"));
    wait_until("its box in the graph says so", || text("g[data-node='0'] .state").contains("1 done"));
    project.write("log.2", "");
    wait_until("the next step runs", || text("[data-node='1']").contains("running"));
    assert_eq!(browser.script("return window.mark"), json!(1), "without a reload");
    project.write("log.3", "");
    assert_eq!(run.wait().unwrap().code(), Some(0));
    wait_until("the end is shown", || text(".badge").contains("succeeded"));
    assert_eq!(browser.script("return window.mark"), json!(1), "without a reload");
    assert_eq!(browser.script("return document.cookie"), json!(""), "scripts do not see the cookie");
    // The list, and two runs compared.
    browser.open(&format!("http://127.0.0.1:{}/", served.port));
    assert!(text("tbody").contains("live"));
    assert_eq!(browser.console(), Vec::<String>::new());
    let elsewhere: Vec<String> = browser.requests();
    let own = format!("http://127.0.0.1:{}/", served.port);
    assert!(elsewhere.iter().all(|url| url.starts_with(&own)), "{elsewhere:?}");
}

#[test]
fn a_box_of_many_steps_changes_its_state_without_a_reload() {
    let Some(browser) = Browser::start("a served run of many steps in a browser") else { return };
    let mut text = String::from("name: many\nstages:\n");
    for n in 0..101 {
        let run = "until [ -e \"$LOG.go\" ]; do sleep 0.02; done; echo > out";
        text += &format!("  s{n}: {{uses: command, with: {{run: '{run}; echo {n}', pass_env: [LOG]}}}}\n");
    }
    let project = Project::new(&text);
    let mut run = project.start(&["run", "pipeline.yaml", "--jobs", "2"]);
    wait_until("the run has begun", || project.igpt_flow(&["runs", "--json"]).out.contains("\"running\""));
    let served = Served::new(&project, &["last"]);
    browser.open(served.said.lines().next().unwrap());
    let box_text = || {
        let script = "return document.querySelector('g.node .state')?.textContent ?? ''";
        browser.script(script).as_str().unwrap().to_owned()
    };
    wait_until("the box says what runs", || box_text() == "◐ 2 running, 99 waiting");
    browser.script("window.mark = 1");
    // The list of its steps is opened by what a filter finds in it, which closes it again.
    let is_open = || browser.script("return document.querySelector('#g0').open") == json!(true);
    let filter = |words: &str| {
        browser.script(&format!(
            "const i = document.querySelector('[data-filter] input'); i.value = '{words}'; i.oninput()"
        ));
    };
    let left = |of: &str| {
        let all = format!("document.querySelectorAll('#g0[open] {of}')");
        browser.script(&format!("return [...{all}].filter(r => !r.hidden).length"))
    };
    filter("s99");
    assert!(is_open());
    assert_eq!((left("table.wide tbody tr"), left("section")), (json!(1), json!(1)));
    filter("");
    assert!(!is_open());
    // It is opened by its link too, and by the user; then it stays open.
    browser.script("location.hash = document.querySelector('a:has(g.node)').getAttribute('href')");
    wait_until("the list is open", is_open);
    filter("nothing");
    assert_eq!((is_open(), left("section")), (true, json!(0)));
    // A link leads to what the filter hid.
    browser.script("location.hash = '#n7'");
    wait_until("the step is shown", || left("section") == json!(1));
    filter("");
    assert_eq!((is_open(), left("section")), (true, json!(101)));
    browser.script("document.querySelector('#g0 > summary').click()");
    filter("s99");
    assert!(is_open());
    browser.script("for (const n of [1, 2]) document.querySelector('#g0 > summary').click()");
    filter("");
    assert!(is_open());
    project.write("log.go", "");
    wait_until("the box counts what is done", || box_text().contains(" done"));
    assert_eq!(browser.script("return window.mark"), json!(1), "without a reload");
    assert_eq!(run.wait().unwrap().code(), Some(0));
    wait_until("all of it is done", || box_text() == "✓ 101 done");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn axe_finds_no_violation_in_light_in_dark_and_on_a_phone() {
    let Some(modules) = std::env::var_os("IGPT_FLOW_NODE_MODULES") else {
        eprintln!(
            "skipped: axe-core on the pages (IGPT_FLOW_NODE_MODULES does not name a folder with its node modules)"
        );
        return;
    };
    if driver::chromium().is_none() {
        eprintln!("skipped: axe-core on the pages (no Chromium)");
        return;
    }
    let project = hostile();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/check.mjs");
    let check = |page: &str| {
        let ran = Command::new("node").arg(&script).arg(page).env("NODE_MODULES", &modules).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{page}: {out}{err}");
        assert!(out.contains("light:") && out.contains("dark:") && out.contains("phone:"), "{out}");
    };
    check(project.path("page.html").to_str().unwrap());
    let large = generated(34);
    page(&large, &[]);
    check(large.path("page.html").to_str().unwrap());
    let runs = project.igpt_flow(&["runs", "--json"]).out;
    let id = runs.split("\"run\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    project.igpt_flow(&["view", &id, &id, "-o", "compared.html"]);
    check(project.path("compared.html").to_str().unwrap());
}
