//! Damage is found, quarantined, and what was made from it taken out.

use super::*;
use crate::key::KeyInput;

fn keys(records: &[Record]) -> Vec<Digest> {
    records.iter().map(|record| record.key).collect()
}

#[test]
fn damage_is_set_aside_so_that_it_is_made_again() {
    let (_dir, store) = fixture();
    do_steps(&store, 0..3);
    let out = store.record(&material(1).key()).unwrap().outputs["out"];
    rot(&store.path_of_file(&files_of(&store, &out)[1]));
    let found = store.verify(&mut |_, _| {}).unwrap();
    assert_eq!((found.damage.len(), keys(&found.lost)), (1, vec![material(1).key()]));
    assert!(found.doubted.is_empty() && !store.contains(&out));
    assert!(step(&store, 1).unwrap());
    let found = store.verify(&mut |_, _| {}).unwrap();
    assert!(found.damage.is_empty() && found.doubted.is_empty(), "{found:?}");
}

#[test]
fn what_was_made_from_damage_is_doubted_and_taken_out() {
    let (_dir, store) = fixture();
    let commit = |n: u64, from: Option<(&Artifact, Option<Digest>)>, out: &[u8]| {
        let artifact = store.insert_files(&[("x", out)]).unwrap();
        let mut record = record(n, &[("out", artifact)]);
        if let Some((input, maker)) = from {
            record.material.inputs.insert("in".into(), vec![KeyInput::plain(input.digest)]);
            let source = maker.map(|key| InputSource::Step { key, port: "out".into(), part: None });
            record.sources.extend(source.map(|source| ("in".to_owned(), vec![source])));
        }
        record.key = record.material.key();
        lock(&store, &record.key).commit(&record).unwrap();
        (artifact, record.key)
    };
    let (first, first_key) = commit(1, None, b"pixels");
    let (second, second_key) = commit(2, Some((&first, Some(first_key))), b"tokens");
    // The record of an older version, which does not say who made its input.
    let (_, third_key) = commit(3, Some((&second, None)), b"model");
    let (_, other_key) = commit(4, None, b"else");
    rot(&store.path_of_file(&Digest::of(b"pixels")));
    let found = store.verify(&mut |_, _| {}).unwrap();
    assert_eq!(keys(&found.lost), [first_key]);
    assert_eq!(keys(&found.doubted), [second_key, third_key]);
    assert!(store.outputs(&second_key).is_none() && store.outputs(&third_key).is_none());
    assert!(store.outputs(&other_key).is_some());
    // Made again, it is no longer in doubt.
    let mut again = record(2, &[("out", second)]);
    again.material.inputs.insert("in".into(), vec![KeyInput::plain(first.digest)]);
    again.key = again.material.key();
    again.finished = jiff::Timestamp::now();
    lock(&store, &again.key).commit(&again).unwrap();
    assert!(store.verify(&mut |_, _| {}).unwrap().doubted.is_empty());
}

#[test]
fn damaged_records_runs_and_notes_are_told() {
    let (dir, store) = fixture();
    do_steps(&store, 0..2);
    let run = store.new_run().unwrap();
    let ended = RunRecord {
        id: run.id().into(),
        pipeline: "p".into(),
        file: "/p.yaml".into(),
        arguments: Vec::new(),
        status: "succeeded".into(),
        plan: None,
        program: Program::this(),
        finished: jiff::Timestamp::UNIX_EPOCH,
        steps: Vec::new(),
    };
    run.finish(&ended).unwrap();
    let artifact = store.insert_files(&[("x", b"1")]).unwrap();
    for name in ["a", "b"] {
        store.export(&artifact, &dir.path().join(name), false, &mut Caches::open(&store)).unwrap();
    }
    assert!(store.verify(&mut |_, _| {}).unwrap().damage.is_empty());
    let notes = store.notes_path();
    let text = fs::read_to_string(&notes).unwrap().replacen("tree", "tee!", 1);
    fs::write(&notes, text).unwrap();
    rot(&store.record_path(&material(1).key()));
    rot(&run.path().join("run.json"));
    let kinds = |found: Verification| found.damage.iter().map(|damage| damage.kind).collect::<Vec<_>>();
    assert_eq!(kinds(store.verify(&mut |_, _| {}).unwrap()), ["note of an export", "record", "run"]);
    assert!(kinds(store.verify(&mut |_, _| {}).unwrap()).is_empty());
    assert_eq!(store.export_notes().unwrap().len(), 1, "the other note stays");
}
