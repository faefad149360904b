//! What the pages say of steps that are with Slurm.

use std::process::Stdio;

use super::{many, on};
use crate::slurm::loopback::cluster;
use crate::support::wait_until;
use crate::view::server::Served;

#[test]
fn pages_say_where_steps_are_in_slurm_and_where_they_ran() {
    let Some(cluster) = cluster() else { return };
    let project = many(4, "until [ -e \"$LOG.go\" ]; do sleep 0.1; done");
    // A step a node, of which there are three.
    project.write("cluster.yaml", &format!("{}steps: {{one: {{cpus: 4}}}}\n", super::QUICK));
    let mut child = on(&cluster, &project, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let page = |more: &[&str]| {
        let ran = project.igpt_flow(&[&["view", "last", "-o", "page.html"], more].concat());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        project.read("page.html")
    };
    wait_until("steps run and wait", || project.read("log").lines().count() >= 1);
    let served = Served::new(&project, &["last"]);
    let id = served.said.split("/run/").nth(1).unwrap().split('?').next().unwrap().to_owned();
    let says = |page: &str| {
        let waits = page.contains("queued (Resources)") || page.contains("queued (Priority)");
        waits && page.contains("running on n") && page.contains("job in Slurm") && page.contains("runs on")
    };
    wait_until("the server says it", || says(&served.get(&format!("/run/{id}"))));
    wait_until("the file says it", || says(&page(&["--with-machine"])));
    // One that is handed on names no machine.
    let handed_on = page(&[]);
    assert!(handed_on.contains("queued (") && handed_on.contains("job in Slurm"));
    assert!(!handed_on.contains("running on n") && !handed_on.contains("runs on"));
    project.write("log.go", "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let ended = page(&["--with-machine"]);
    assert_eq!(ended.matches("ran on").count(), 5, "every step");
    assert_eq!(ended.matches("job in Slurm").count(), 5, "every step");
    assert!(!ended.contains("runs on") && !ended.contains("queued ("));
}
