//! A store of the version before is taken along.

use super::*;

/// What that version wrote: a record or run without a checksum.
fn write_old(store: &Store, name: &str, mut value: serde_json::Value) {
    let path = store.root().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    value.as_object_mut().unwrap().retain(|name, _| !["sources", "program", "plan"].contains(&name.as_str()));
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn results_of_stages_and_runs_are_taken_along_those_of_commands_are_not() {
    let (_dir, store) = fixture();
    let artifact = store.insert_files(&[("x", b"1")]).unwrap();
    let [mut training, command] = [1, 2].map(|n| record(n, &[("out", artifact)]));
    training.material.stage = "pretrain".into();
    training.key = training.material.key();
    for record in [&training, &command] {
        write_old(
            &store,
            &format!("records-v1/ab/{}.json", record.key),
            serde_json::to_value(record).unwrap(),
        );
    }
    let run = RunRecord {
        id: "20260101-000000-000".into(),
        pipeline: "p".into(),
        file: "/p.yaml".into(),
        arguments: Vec::new(),
        status: "succeeded".into(),
        plan: None,
        program: Program::default(),
        finished: jiff::Timestamp::UNIX_EPOCH,
        steps: Vec::new(),
    };
    write_old(&store, "runs-v1/20260101-000000-000/run.json", serde_json::to_value(&run).unwrap());
    fs::create_dir(store.root().join("runs-v1/20260101-000000-000/logs")).unwrap();

    let store = Store::open(store.root()).unwrap();
    assert_eq!(store.keys().unwrap(), [training.key]);
    assert_eq!(store.outputs(&training.key).unwrap()["out"], artifact);
    assert_eq!(store.run("last").unwrap().record(), Some(run));
    assert!(!store.root().join("records-v1").exists() && !store.root().join("runs-v1").exists());
    assert!(store.verify(&mut |_, _| {}).unwrap().damage.is_empty());
}
