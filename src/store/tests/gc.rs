//! Collecting garbage on a full disk, and beside runs that end.

use super::*;

#[test]
fn a_disk_with_no_room_for_a_trash_is_cleared_all_the_same() {
    let (_dir, store) = fixture();
    do_steps(&store, 0..3);
    let scratch = store.checkpoints(&material(7).key(), None).unwrap();
    fs::write(scratch.join("state"), b"half").unwrap();
    // Nothing can be made or moved to where a full disk has no room.
    fs::remove_dir(store.tmp_dir()).unwrap();
    fs::write(store.tmp_dir(), b"").unwrap();
    let kept = material(1).key();
    let collected = collect(&store, &Roots { keys: [kept].into(), ..Roots::default() }).unwrap();
    assert_eq!((collected.records.len(), collected.unfinished), (2, 1));
    assert!(!scratch.exists());
    assert_eq!(store.keys().unwrap(), [kept]);
    assert!(store.record(&kept).is_some());
}

#[test]
fn what_a_run_made_before_the_collectors_turn_can_be_kept() {
    let (_dir, store) = fixture();
    let run = store.hold().unwrap();
    assert!(matches!(store.collector(), Err(StoreError::InUse { .. })));
    step(&store, 1).unwrap();
    drop(run);
    let collector = store.collector().unwrap();
    // ScannedEntry out while nobody else can add to it.
    let keep = Roots { keys: store.keys().unwrap().into_iter().collect(), ..Roots::default() };
    let late = std::thread::spawn({
        let store = store.clone();
        move || step(&store, 2).unwrap()
    });
    let garbage = collector.find(&keep).unwrap();
    assert!(collector.delete(&garbage).is_empty());
    assert!(!late.is_finished(), "a step that comes late waits");
    drop(collector);
    assert!(late.join().unwrap());
    assert!(store.record(&material(1).key()).is_some() && store.record(&material(2).key()).is_some());
}

#[test]
fn runs_that_are_not_kept_go_with_their_logs() {
    let (_dir, store) = fixture();
    let [old, new] = [(); 2].map(|()| store.new_run().unwrap());
    fs::write(old.logs_dir().join("s.log"), b"long").unwrap();
    let keep = Roots { runs: [new.id().to_owned()].into(), ..Roots::default() };
    let collected = collect(&store, &keep).unwrap();
    assert_eq!((collected.runs, collected.bytes), (1, 4));
    assert!(!old.path().exists() && new.path().exists());
}
