//! The schedule with steps of all needs, failures, and steps that are reopened.

use super::*;

const BUDGET: Budget = Budget { cpus: 2, memory_mib: 1000, gpus: 1 };

fn need(cpus: u32, memory_mib: u64, gpus: u32) -> Need {
    Need { cpus, memory_mib, gpus }
}

fn schedule(edges: &[&[StepId]], needs: Vec<Need>, on_failure: OnFailure) -> Schedule {
    let edges: Vec<Vec<Edge>> =
        edges.iter().map(|from| from.iter().map(|&from| Edge { from, tolerant: false }).collect()).collect();
    let wanted = vec![true; edges.len()];
    Schedule::new(edges, needs, &wanted, BUDGET, on_failure)
}

fn queue_all(schedule: &mut Schedule) {
    while let Some(step) = schedule.next_offer() {
        schedule.queue(step);
    }
}

#[test]
fn a_step_waits_for_all_that_it_reads() {
    let mut s = schedule(&[&[], &[], &[0, 1]], vec![need(1, 0, 0); 3], OnFailure::StopAll);
    queue_all(&mut s);
    assert_eq!((s.next_start(), s.next_start(), s.next_start()), (Some(0), Some(1), None));
    s.settle(0, Outcome::Done);
    assert_eq!(s.next_offer(), None);
    s.settle(1, Outcome::Done);
    assert_eq!(s.next_offer(), Some(2));
}

#[test]
fn two_steps_of_six_tenths_of_the_memory_never_overlap() {
    let mut s = schedule(&[&[], &[]], vec![need(1, 600, 0); 2], OnFailure::StopAll);
    queue_all(&mut s);
    assert_eq!((s.next_start(), s.next_start()), (Some(0), None));
    s.settle(0, Outcome::Done);
    assert_eq!(s.next_start(), Some(1));
}

#[test]
fn a_small_step_passes_one_that_does_not_fit() {
    let mut s =
        schedule(&[&[], &[], &[]], vec![need(1, 0, 1), need(1, 0, 1), need(1, 0, 0)], OnFailure::StopAll);
    queue_all(&mut s);
    assert_eq!((s.next_start(), s.next_start()), (Some(0), Some(2)));
}

#[test]
fn a_large_step_is_not_passed_for_ever() {
    let n = 100;
    let mut needs = vec![need(1, 0, 0); n];
    needs[0] = need(2, 0, 0);
    // One small step runs when the large one comes, and another is always there to pass it.
    let edges = (0..n).map(|step| if step == 0 { &[1][..] } else { &[] }).collect::<Vec<_>>();
    let mut s = schedule(&edges, needs, OnFailure::StopAll);
    queue_all(&mut s);
    let mut running = VecDeque::from([s.next_start().unwrap(), s.next_start().unwrap()]);
    for started in 2.. {
        s.settle(running.pop_front().unwrap(), Outcome::Done);
        queue_all(&mut s);
        while let Some(step) = s.next_start() {
            running.push_back(step);
        }
        if running.contains(&0) {
            assert!(started < 30, "after {started}");
            return;
        }
    }
}

#[test]
fn no_two_running_steps_have_the_same_gpu() {
    let budget = Budget { gpus: 2, cpus: 4, ..BUDGET };
    let mut s =
        Schedule::new(vec![vec![]; 3], vec![need(1, 0, 1); 3], &[true; 3], budget, OnFailure::StopAll);
    queue_all(&mut s);
    assert_eq!((s.next_start(), s.next_start(), s.next_start()), (Some(0), Some(1), None));
    assert_eq!((s.gpus_of(0), s.gpus_of(1)), (&[0][..], &[1][..]));
    s.settle(0, Outcome::Done);
    assert_eq!(s.next_start(), Some(2));
    assert_eq!(s.gpus_of(2), [0]);
}

#[test]
fn a_need_above_the_budget_runs_alone() {
    let mut s = schedule(&[&[], &[]], vec![need(64, 9999, 0), need(1, 0, 0)], OnFailure::StopAll);
    queue_all(&mut s);
    assert_eq!((s.next_start(), s.next_start()), (Some(0), None));
    assert_eq!(s.cpus_of(0), 2);
}

#[test]
fn a_failure_stops_all_or_only_what_is_below() {
    for (on_failure, next) in [(OnFailure::StopAll, None), (OnFailure::StopDependents, Some(2))] {
        let mut s = schedule(&[&[], &[0], &[]], vec![need(2, 0, 0); 3], on_failure);
        queue_all(&mut s);
        assert_eq!(s.next_start(), Some(0));
        assert_eq!(s.settle(0, Outcome::Failed), [1]);
        assert_eq!(s.next_start(), next);
    }
}

#[test]
fn a_chain_longer_than_the_stack_is_skipped_to_its_end() {
    let n = 1_000_000;
    let edge = |step: StepId| (step > 0).then(|| Edge { from: step - 1, tolerant: false });
    let edges = (0..n).map(|step| edge(step).into_iter().collect()).collect();
    let needs = vec![need(1, 0, 0); n];
    let mut s = Schedule::new(edges, needs, &vec![true; n], BUDGET, OnFailure::StopDependents);
    queue_all(&mut s);
    assert_eq!(s.next_start(), Some(0));
    assert!(s.settle(0, Outcome::Failed).into_iter().eq(1..n));
}

#[test]
fn a_tolerant_edge_lets_a_hole_pass() {
    let edges = vec![vec![], vec![Edge { from: 0, tolerant: true }]];
    let mut s = Schedule::new(edges, vec![need(1, 0, 0); 2], &[true; 2], BUDGET, OnFailure::StopDependents);
    queue_all(&mut s);
    s.next_start();
    assert!(s.settle(0, Outcome::Failed).is_empty());
    assert_eq!(s.next_offer(), Some(1));
}

#[test]
fn a_reopened_step_is_made_again_before_what_reads_it() {
    let mut s = schedule(&[&[], &[0], &[0]], vec![need(1, 0, 0); 3], OnFailure::StopAll);
    assert_eq!(s.next_offer(), Some(0));
    s.settle(0, Outcome::Done);
    assert_eq!((s.next_offer(), s.next_offer()), (Some(1), Some(2)));
    // Step 1 was done before; step 2 must run, and needs what step 0 made.
    s.settle(1, Outcome::Done);
    s.reopen(0);
    assert_eq!((s.next_offer(), s.next_offer()), (Some(0), None));
    s.queue(0);
    assert_eq!(s.next_start(), Some(0));
    s.settle(0, Outcome::Done);
    assert_eq!((s.next_offer(), s.next_offer()), (Some(2), None));
    s.queue(2);
    assert_eq!(s.next_start(), Some(2));
    // While it runs, what it reads is lost once more.
    s.wait_again(2);
    s.reopen(0);
    assert_eq!(s.next_offer(), Some(0));
    assert_eq!(s.next_offer(), None);
}

#[test]
fn a_suspended_step_holds_nothing() {
    let mut s = schedule(&[&[], &[]], vec![need(2, 0, 0); 2], OnFailure::StopAll);
    queue_all(&mut s);
    assert_eq!(s.next_start(), Some(0));
    s.suspend(0);
    assert_eq!((s.running(), s.next_start()), (0, Some(1)));
    s.settle(1, Outcome::Done);
    assert_eq!((s.next_offer(), s.next_start()), (None, None));
    s.queue(0);
    assert_eq!(s.next_start(), Some(0));
}

#[test]
fn steps_that_nobody_wants_are_left_out() {
    let edges = vec![vec![], vec![]];
    let mut s = Schedule::new(edges, vec![need(1, 0, 0); 2], &[false, true], BUDGET, OnFailure::StopAll);
    assert_eq!((s.next_offer(), s.next_offer()), (Some(1), None));
    assert_eq!(s.outcome(0), Some(Outcome::LeftOut));
}
