//! When a run should be done: its schedule, rehearsed with the times that are known.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// A step that is still to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// How long it should still take, in seconds; none where nothing is known of it.
    pub seconds: Option<f64>,
    /// The steps, by their place in the list, that must be done before it. Others are done already.
    pub after: Vec<usize>,
    /// The processor slots that it takes; 0 means all of them.
    pub cpus: u32,
}

/// How long something should take.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outlook {
    /// Seconds, by what is known.
    pub seconds: f64,
    /// The steps of which nothing is known: they count for nothing here.
    pub unknown: usize,
}

/// How long the steps should take together on so many processor slots.
pub fn total(tasks: &[Task], slots: u32) -> Outlook {
    let slots = slots.max(1);
    let need = |task: &Task| if task.cpus == 0 { slots } else { task.cpus.min(slots) };
    let mut waits_for: Vec<usize> = tasks.iter().map(|task| task.after.len()).collect();
    let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (step, task) in tasks.iter().enumerate() {
        task.after.iter().for_each(|before| followers.entry(*before).or_default().push(step));
    }
    let mut ready: BTreeSet<usize> = (0..tasks.len()).filter(|step| waits_for[*step] == 0).collect();
    // What runs, by its end; times are never not-a-number, so that their bits sort as they do.
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let (mut now, mut free) = (0.0, slots);
    loop {
        while free > 0
            && let Some(step) = ready.iter().copied().find(|step| need(&tasks[*step]) <= free)
        {
            ready.remove(&step);
            free -= need(&tasks[step]);
            let end = now + seconds(&tasks[step]);
            running.push(Reverse((end.to_bits(), step)));
        }
        let Some(Reverse((end, step))) = running.pop() else { break };
        now = f64::from_bits(end);
        free += need(&tasks[step]);
        for follower in followers.get(&step).into_iter().flatten() {
            waits_for[*follower] -= 1;
            if waits_for[*follower] == 0 {
                ready.insert(*follower);
            }
        }
    }
    Outlook { seconds: now, unknown: tasks.iter().filter(|task| task.seconds.is_none()).count() }
}

/// The chain of steps that takes longest, each after the one before it: no number of processors makes
/// the whole quicker. Every step stands after those that it waits for.
pub fn critical_path(tasks: &[Task]) -> (Vec<usize>, Outlook) {
    let mut until = vec![0.0; tasks.len()];
    let mut through: Vec<Option<usize>> = vec![None; tasks.len()];
    for (step, task) in tasks.iter().enumerate() {
        let latest = task.after.iter().copied().max_by(|a, b| f64::total_cmp(&until[*a], &until[*b]));
        through[step] = latest;
        until[step] = latest.map_or(0.0, |before| until[before]) + seconds(task);
    }
    let last = (0..tasks.len()).max_by(|a, b| f64::total_cmp(&until[*a], &until[*b]));
    let mut path: Vec<usize> = std::iter::successors(last, |step| through[*step]).collect();
    path.reverse();
    let unknown = path.iter().filter(|step| tasks[**step].seconds.is_none()).count();
    (path, Outlook { seconds: last.map_or(0.0, |last| until[last]), unknown })
}

fn seconds(task: &Task) -> f64 {
    task.seconds.filter(|seconds| seconds.is_finite()).unwrap_or(0.0).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(seconds: f64, after: &[usize], cpus: u32) -> Task {
        Task { seconds: Some(seconds), after: after.to_vec(), cpus }
    }

    #[test]
    fn steps_run_side_by_side_where_there_is_room() {
        let tasks = [task(3.0, &[], 1), task(5.0, &[], 1), task(4.0, &[0], 1), task(1.0, &[1, 2], 0)];
        assert_eq!(total(&tasks, 1), Outlook { seconds: 13.0, unknown: 0 });
        assert_eq!(total(&tasks, 2), Outlook { seconds: 8.0, unknown: 0 });
        assert_eq!(critical_path(&tasks), (vec![0, 2, 3], Outlook { seconds: 8.0, unknown: 0 }));
    }

    #[test]
    fn a_step_that_needs_all_slots_runs_alone() {
        let tasks = [task(2.0, &[], 0), task(2.0, &[], 0), task(2.0, &[], 9)];
        assert_eq!(total(&tasks, 4).seconds, 6.0);
    }

    #[test]
    fn what_is_not_known_is_counted_and_not_guessed() {
        let tasks = [task(2.0, &[], 1), Task { seconds: None, after: vec![0], cpus: 1 }];
        assert_eq!(total(&tasks, 4), Outlook { seconds: 2.0, unknown: 1 });
        assert_eq!(critical_path(&tasks).1.unknown, 1);
        assert_eq!(total(&[], 4), Outlook::default());
        assert_eq!(critical_path(&[]), (vec![], Outlook::default()));
    }
}
