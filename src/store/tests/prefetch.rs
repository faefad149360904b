//! What is looked up ahead is what the run would look up itself.

use std::path::PathBuf;

use super::*;
use crate::store::prefetch::look_up;

fn ended(store: &Store, file: &str, keys: &[Digest]) {
    let steps = keys.iter().map(|key| StepRecord {
        name: "s".into(),
        key: Some(*key),
        outcome: "done".into(),
        log: "s".into(),
    });
    let folder = store.new_run().unwrap();
    let record = RunRecord {
        id: folder.id().into(),
        pipeline: "p".into(),
        file: PathBuf::from(file),
        arguments: Vec::new(),
        status: "succeeded".into(),
        plan: None,
        program: Program::this(),
        finished: jiff::Timestamp::UNIX_EPOCH,
        steps: steps.collect(),
    };
    folder.finish(&record).unwrap();
}

#[test]
fn the_last_run_of_the_pipeline_says_what_is_looked_up() {
    let (_dir, store) = fixture();
    let [first, second, third] = [1, 2, 3].map(|n| {
        assert!(step(&store, n).unwrap());
        material(n).key()
    });
    ended(&store, "/a.yaml", &[first, second, material(9).key()]);
    ended(&store, "/b.yaml", &[third]);
    store.new_run().unwrap(); // the run that asks

    let found = Default::default();
    look_up(&store, Path::new("/a.yaml"), &found);
    let found = found.into_inner().unwrap();
    assert_eq!(found.len(), 2, "no record, no other pipeline's");
    assert_eq!(found[&first], store.outputs(&first));
    assert_eq!(found[&second], store.outputs(&second));

    let asked = [(first, None)].into_iter().collect::<std::collections::HashMap<_, _>>().into();
    look_up(&store, Path::new("/a.yaml"), &asked);
    let found = asked.into_inner().unwrap();
    assert_eq!((&found[&first], &found[&second]), (&None, &store.outputs(&second)), "not again");
}

#[test]
fn without_a_store_nothing_is_foreseen_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("artifacts");
    let prefetch = Prefetch::begin(&root, Path::new("/pipeline.yaml"));
    assert!(prefetch.take(&Digest::of(b"key")).is_none());
    assert!(!root.exists());
}
