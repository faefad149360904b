//! What an attempt leaves behind, and a record that takes the place of another.

use super::*;

#[test]
fn a_failed_attempt_loses_its_scratch_and_keeps_its_checkpoints() {
    let (_dir, store) = fixture();
    let key = material(1).key();
    let scratch = store.fresh_scratch(&key, None).unwrap();
    fs::write(scratch.join("big"), b"big").unwrap();
    let checkpoints = store.checkpoints(&key, None).unwrap();
    fs::write(checkpoints.join("state"), b"half").unwrap();
    store.discard_scratch(&key, None);
    assert!(!scratch.exists() && checkpoints.join("state").exists());
    store.discard_scratch(&key, None);
}

#[test]
fn a_forced_step_replaces_its_record_or_leaves_it() {
    let (_dir, store) = fixture();
    step(&store, 1).unwrap();
    let key = material(1).key();
    let good = store.record(&key).unwrap();
    let again = Record { run: "again".into(), ..good.clone() };
    lock(&store, &key).commit(&again).unwrap();
    assert_eq!(store.record(&key).unwrap().run, "again");
    // No room for the new one: the old one stands.
    fs::remove_dir(store.tmp_dir()).unwrap();
    fs::write(store.tmp_dir(), b"").unwrap();
    assert!(lock(&store, &key).commit(&good).is_err());
    assert_eq!(store.record(&key).unwrap().run, "again");
}
