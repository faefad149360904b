//! Steps that were given to a cluster, and the folders of attempts that may go on unseen.

use super::*;
use crate::store::{JobNews, Place};

#[test]
fn who_begins_takes_the_checkpoints_along_and_who_was_cut_off_writes_into_nothing() {
    let (_dir, store) = fixture();
    let key = material(1).key();
    let first = store.checkpoints(&key, Some("first")).unwrap();
    fs::write(first.join("step-1"), b"1").unwrap();
    fs::write(first.join("step-2.partial"), b"half").unwrap();
    assert_eq!(store.checkpoint_state(&key), ["step-1 1"]);
    let second = store.checkpoints(&key, Some("second")).unwrap();
    assert!(second.join("step-1").exists() && !first.exists(), "they are the second's now");
    assert!(fs::write(first.join("step-2"), b"2").is_err(), "the first has nowhere to write");
    let scratch =
        [Some("first"), Some("second"), None].map(|attempt| store.fresh_scratch(&key, attempt).unwrap());
    assert!(scratch.iter().all(|path| path.is_dir()), "each has a folder of its own");
    // A run on one machine goes on from there.
    let local = store.checkpoints(&key, None).unwrap();
    assert!(local.join("step-1").exists());
    step(&store, 1).unwrap();
    store.sweep_work().unwrap();
    assert_eq!(fs::read_dir(store.root().join("work-v1")).unwrap().count(), 0, "a result needs none of it");
}

#[test]
fn a_job_is_claimed_once_and_what_is_new_of_it_is_heard() {
    let (_dir, store) = fixture();
    let key = material(1).key();
    let folder = store.job_folder(&key);
    assert!(folder.claim(&serde_json::json!({"token": "x"})).unwrap());
    assert!(!folder.claim(&serde_json::json!({"token": "y"})).unwrap());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(folder.path().join("job.json")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "it may hold credentials");
    let place = Place { batch: "b".into(), task: 3 };
    folder.put_place(&place).unwrap();
    assert_eq!((folder.place(), store.jobs()), (Some(place), vec![key]));
    assert!(matches!(store.collector(), Err(StoreError::OnCluster { steps: 1, .. })));
    folder.put_outcome(&serde_json::json!({"ok": true})).unwrap();
    assert_eq!(store.job_news(), [(key, JobNews::Ended)]);
    folder.take_note(JobNews::Ended);
    assert!(store.job_news().is_empty() && folder.outcome::<serde_json::Value>().is_some());
    fs::write(folder.path().join("outcome.json"), "{}").unwrap();
    assert_eq!(folder.outcome::<serde_json::Value>(), None, "damaged, it is none");
    folder.remove();
    assert!(store.jobs().is_empty() && folder.put_place(&Place { batch: "c".into(), task: 0 }).is_err());
}

#[test]
fn what_no_job_names_of_submissions_is_swept() {
    let (_dir, store) = fixture();
    let folder = store.job_folder(&material(1).key());
    folder.claim(&serde_json::json!({"a": 1})).unwrap();
    folder.put_place(&Place { batch: "used".into(), task: 0 }).unwrap();
    for name in ["used", "left", "held"] {
        store.batch(name).create(&[serde_json::json!({"a": 1})]).unwrap();
    }
    let _held = store.batch("held").lock().unwrap();
    store.sweep_batches();
    let there = ["used", "left", "held"].map(|name| store.batch(name).path().exists());
    assert_eq!(there, [true, false, true]);
}
