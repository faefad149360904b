//! Time limits, which come more than once to a step that works for longer than its job may. Minutes, since Slurm counts
//! in them: with `IGPT_FLOW_SLURM_STORM` alone.

use super::storm::is_asked_for;
use super::{QUICK, on, under_way};
use crate::slurm::loopback::cluster;
use crate::support::Project;

/// A step that keeps what a training keeps where a training keeps it: its newest checkpoint, in a folder below that of its
/// checkpoints, which the next attempt takes along.
const TRAINS: &str = r#"
stages:
  train:
    uses: command
    with:
      run: |
        trap 'exit 1' TERM
        state=$(pwd | sed 's/@/.checkpoints@/')
        left=$(ls -d "$(echo "$state" | sed 's/@.*//')"@* 2>/dev/null | tail -n 1 || true)
        if [ -n "$left" ] && [ "$left" != "$state" ]; then mv "$left" "$state"; fi
        mkdir -p "$state/training"
        n=$(ls "$state/training" | sed 's/step-0*//')
        [ -n "$n" ] || n=0
        echo "from $n" >> "$LOG"
        while [ "$n" -lt 50 ]; do
          sleep 4 & wait $!
          n=$((n + 1))
          rm -f "$state"/training/step-*
          touch "$state/training/step-$(printf %03d "$n")"
        done
        echo "$n" > out
      pass_env: [LOG]
"#;

#[test]
fn every_time_limit_is_followed_by_another_job_as_long_as_it_comes_further() {
    if !is_asked_for("time limits") {
        return;
    }
    let Some(cluster) = cluster() else { return };
    let project = Project::new(TRAINS);
    project.write("cluster.yaml", &QUICK.replace("10m", "1m"));
    project.write("log", "");
    let output = on(&cluster, &project, &[]).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.matches("its job's time was up").count() >= 2, "{out}");
    assert!(!out.contains("FAILED") && !out.contains("attempt 2"), "{out}");
    let from: Vec<u32> =
        project.read("log").lines().map(|line| line.trim_start_matches("from ").parse().unwrap()).collect();
    assert!(
        from[0] == 0 && from.is_sorted_by(|a, b| a < b),
        "each goes on from where the last was: {from:?}"
    );
    assert!(under_way(&project).is_empty(), "{:?}", under_way(&project));
}
