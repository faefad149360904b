//! The store as a whole: what survives kills, crowds and full disks.
//!
//! Some tests need a second process: it is this same test binary, asked for the test `child`, which
//! does what the environment says and does nothing without it.

mod checkout;
mod export;
mod gc;
mod index;
mod jobs;
mod migrate;
mod prefetch;
mod readers;
mod receive;
mod verify;
mod work;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use igpt_contract::MetricValues;

use super::*;
use crate::key::{KEY_SCHEMA, KeyMaterial};

fn fixture() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

fn material(n: u64) -> KeyMaterial {
    KeyMaterial {
        schema: KEY_SCHEMA,
        stage: "command".into(),
        version: 1,
        params: BTreeMap::from([("n".into(), n.into())]),
        seed: None,
        numerics: None,
        inputs: BTreeMap::new(),
    }
}

fn record(n: u64, outputs: &[(&str, Artifact)]) -> Record {
    let material = material(n);
    Record {
        key: material.key(),
        outputs: outputs.iter().map(|(port, artifact)| ((*port).to_owned(), *artifact)).collect(),
        material,
        sources: BTreeMap::new(),
        facts: BTreeMap::new(),
        metrics: MetricValues::default().with("loss", f64::NAN),
        cost: Cost { wall_s: 0.5, cpu_s: 0.25, peak_memory_mib: 12.0 },
        host: host(),
        instruction_set: "test".into(),
        program: Program::this(),
        finished: jiff::Timestamp::UNIX_EPOCH,
        pipeline: "p".into(),
        step: format!("s{n}"),
        run: "r".into(),
    }
}

/// A file as an artifact, and the digests of a tree's files.
fn file(bytes: &[u8]) -> Artifact {
    let (digest, bytes) = (Digest::of(bytes), bytes.len() as u64);
    Artifact { digest, form: Form::File, bytes, files: 1 }
}

fn files_of(store: &Store, artifact: &Artifact) -> Vec<Digest> {
    store.entries(artifact).unwrap().iter().map(|entry| entry.file().unwrap().0).collect()
}

/// Changes a bit of a file as a failing disk does: size and date stay.
fn rot(path: &Path) {
    let date = fs::metadata(path).unwrap().modified().unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(date).unwrap();
}

/// Waits for the right to work on a key, as the executor does.
fn lock(store: &Store, key: &Digest) -> KeyLock {
    loop {
        match store.try_lock(key).unwrap() {
            Some(lock) => return lock,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Does step `n` as a worker does: a small tree from a work folder, admitted and committed.
fn step(store: &Store, n: u64) -> Result<bool> {
    let key = material(n).key();
    let lock = lock(store, &key);
    if store.outputs(&key).is_some_and(|outputs| outputs.values().all(|out| store.contains(out))) {
        return Ok(false);
    }
    let out = store.fresh_scratch(&key, None)?.join("out");
    let written = fs::create_dir_all(out.join("sub"))
        .and_then(|()| fs::write(out.join("a"), n.to_string().repeat(50)))
        .and_then(|()| fs::write(out.join("sub/b"), vec![n as u8; 5_000]));
    written.map_err(|e| StoreError::io("write", &out, e))?;
    let artifact = store.insert(&out)?;
    lock.commit(&record(n, &[("out", artifact)]))?;
    Ok(true)
}

fn do_steps(store: &Store, steps: std::ops::Range<u64>) {
    for n in steps {
        step(store, n).unwrap();
    }
}

#[test]
fn child() {
    let Ok(work) = std::env::var("STORE_TEST_CHILD") else { return };
    let (what, root) = work.split_once(':').unwrap();
    let store = Store::open(Path::new(root)).unwrap();
    match what {
        "steps" => do_steps(&store, 0..u64::MAX),
        "hold" => {
            let _lock = lock(&store, &material(0).key());
            fs::write(store.root().join("held"), b"").unwrap();
            std::thread::sleep(Duration::from_secs(60));
        }
        "big" => {
            // The system answers a write over the limit with this signal, unless it is ignored.
            // SAFETY: ignoring a signal is sound at any time.
            unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
            let key = material(1).key();
            let lock = lock(&store, &key);
            let big = vec![7; 200_000];
            let error = store.insert_files(&[("x", &big)]).unwrap_err();
            assert!(error.to_string().contains("cannot write"), "{error}");
            let ghost = file(&big);
            let error = lock.commit(&record(1, &[("out", ghost)])).unwrap_err();
            assert!(error.to_string().contains("output `out` is not in the store"), "{error}");
        }
        "starved" => readers::look_without_files(&store),
        other => panic!("unknown work {other}"),
    }
}

fn spawn(what: &str, store: &Store, file_size_limit: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "store::tests::child", "--test-threads=1"])
        .env("STORE_TEST_CHILD", format!("{what}:{}", store.root().display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(limit) = file_size_limit {
        // SAFETY: setrlimit is safe to call between fork and exec.
        unsafe {
            command.pre_exec(move || {
                let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
                match libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
    }
    command.spawn().unwrap()
}

#[test]
fn a_record_answers_what_was_committed() {
    let (_dir, store) = fixture();
    assert!(step(&store, 3).unwrap());
    assert!(!step(&store, 3).unwrap(), "done once");
    let key = material(3).key();
    let found = store.record(&key).unwrap();
    assert_eq!(found.material, material(3));
    assert!(found.metrics.values["loss"].is_nan());
    assert!(!store.root().join("work-v1").join(key.to_string()).exists(), "scratch is gone");
    assert!(!store.root().join("locks-v1").join(key.to_string()).exists(), "and the lock file");
}

#[test]
fn a_record_is_committed_with_its_objects_and_stands_without_them() {
    let (_dir, store) = fixture();
    let lock = lock(&store, &material(1).key());
    let error = lock.commit(&record(1, &[("out", file(b"ghost"))])).unwrap_err();
    assert!(matches!(error, StoreError::NotCommitted { .. }), "{error}");
    assert!(store.record(&material(1).key()).is_none());

    step(&store, 2).unwrap();
    let out = store.record(&material(2).key()).unwrap().outputs["out"];
    fs::remove_file(store.path_of_file(&files_of(&store, &out)[1])).unwrap();
    assert_eq!(store.outputs(&material(2).key()).unwrap()["out"], out);
    assert!(!store.contains(&out), "whoever reads it finds out");
}

#[test]
fn outputs_are_found_by_any_name() {
    let (_dir, store) = fixture();
    let ports = ["key", "material", "outputs", ",\"material\":"];
    store.insert_bytes(b"out").unwrap();
    let outputs = ports.map(|port| (port, file(b"out")));
    lock(&store, &material(1).key()).commit(&record(1, &outputs)).unwrap();
    let found = store.outputs(&material(1).key()).unwrap();
    assert_eq!(found, store.record(&material(1).key()).unwrap().outputs);
    assert_eq!(found.len(), ports.len());
}

#[test]
fn sweeping_takes_the_work_of_recorded_steps_only() {
    let (_dir, store) = fixture();
    step(&store, 1).unwrap();
    let left = |n: u64| {
        let scratch = store.fresh_scratch(&material(n).key(), None).unwrap();
        fs::write(scratch.join("file"), "left").unwrap();
        store.checkpoints(&material(n).key(), None).unwrap();
        scratch
    };
    // 1: killed between its commit and its clean-up; 2: unfinished, with checkpoints.
    let (recorded, unfinished) = (left(1), left(2));
    let lock = lock(&store, &material(1).key());
    store.sweep_work().unwrap();
    assert!(recorded.exists(), "somebody works in it");
    drop(lock);
    store.sweep_work().unwrap();
    let there = fs::read_dir(store.root().join("work-v1")).unwrap().count();
    assert!(!recorded.exists() && unfinished.exists() && there == 2, "{there}");
}

#[test]
fn a_lock_commits_only_its_own_key() {
    let (_dir, store) = fixture();
    let lock = lock(&store, &material(1).key());
    assert!(matches!(lock.commit(&record(2, &[])), Err(StoreError::NotCommitted { .. })));
}

#[test]
fn a_torn_record_is_set_aside_and_missed() {
    let (_dir, store) = fixture();
    step(&store, 1).unwrap();
    let path = store.record_path(&material(1).key());
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(store.record(&material(1).key()).is_none());
    assert!(!path.exists() && store.root().join("quarantine-v1").is_dir());
    assert!(step(&store, 1).unwrap());
}

#[test]
fn an_object_edited_in_place_is_noticed_on_use() {
    let (_dir, store) = fixture();
    let artifact = store.insert_files(&[("x", b"right")]).unwrap();
    let path = store.path_of_file(&files_of(&store, &artifact)[0]);
    // Touched but right: believed, and dated back so that it is not hashed every time.
    fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    assert!(store.contains(&artifact));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, b"wrong").unwrap();
    assert!(!store.contains(&artifact));
    assert!(matches!(
        store.copy_out(&artifact, &store.root().join("tmp-v1/m")),
        Err(StoreError::Missing { .. })
    ));
}

#[test]
fn a_part_is_the_same_artifact_as_its_folder_alone() {
    let (dir, store) = fixture();
    let (whole, alone) = (dir.path().join("whole"), dir.path().join("alone"));
    for folder in [whole.join("5"), whole.join("50"), alone.clone()] {
        fs::create_dir_all(folder.join("in ner")).unwrap();
        fs::write(folder.join("in ner/x"), b"1").unwrap();
        fs::write(folder.join("y"), b"2").unwrap();
    }
    fs::write(whole.join("top"), b"3").unwrap();
    let (whole, alone) = (store.insert(&whole).unwrap(), store.insert(&alone).unwrap());
    assert_eq!(store.peek_part(&whole, "5").unwrap(), alone);
    assert_eq!(store.part(&whole, "5").unwrap(), alone);
    assert_eq!(store.part(&whole, "top").unwrap(), file(b"3"));
    let error = store.part(&whole, "6").unwrap_err().to_string();
    assert!(error.contains("no part `6`") && error.contains("5, 50, top"), "{error}");
    assert!(store.part(&whole, "").is_err());
}

#[test]
fn a_number_names_its_part_however_it_is_padded() {
    let (dir, store) = fixture();
    let folder = dir.path().join("checkpoints");
    for (name, text) in [("00000000", "0"), ("00001000", "1"), ("00010000", "2"), ("7", "3"), ("07", "4")] {
        fs::create_dir_all(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("x"), text).unwrap();
    }
    let whole = store.insert(&folder).unwrap();
    let part = |name: &str| store.part(&whole, name).unwrap();
    assert_eq!(part("1000"), part("00001000"));
    assert_eq!(store.peek_part(&whole, "1000").unwrap(), part("00001000"));
    assert_eq!((part("0"), part("10000")), (part("00000000"), part("00010000")));
    assert_ne!(part("7"), part("07"), "the exact name comes first");
    for none in ["100", "1e3", "007"] {
        assert!(store.part(&whole, none).is_err(), "{none}");
    }
}

#[test]
fn a_second_name_of_an_output_cannot_write_into_the_object() {
    let (dir, store) = fixture();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    fs::write(&one, b"pixels").unwrap();
    fs::hard_link(&one, &two).unwrap();
    let artifact = store.insert(&one).unwrap();
    fs::write(&two, b"stroke").unwrap();
    assert!(store.contains(&artifact));
    assert_eq!(fs::read(store.path_of_file(&artifact.digest)).unwrap(), b"pixels");
}

#[test]
fn a_moved_store_is_the_same_store() {
    let (dir, store) = fixture();
    step(&store, 1).unwrap();
    let moved = dir.path().join("moved");
    fs::rename(store.root(), &moved).unwrap();
    let store = Store::open(&moved).unwrap();
    assert!(store.record(&material(1).key()).is_some());
}

#[test]
fn a_lock_keeps_others_out_and_dies_with_its_process() {
    let (_dir, store) = fixture();
    let key = material(0).key();
    let mut holder = spawn("hold", &store, None);
    let started = Instant::now();
    while !store.root().join("held").exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "the child never took the lock");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(store.try_lock(&key).unwrap().is_none());
    assert_eq!(store.holder(&key).unwrap(), format!("process {} on {}", holder.id(), host()));
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(store.holder(&key).is_none());
    drop(lock(&store, &key));
    assert!(store.try_lock(&key).unwrap().is_some());
}

#[test]
fn a_crowd_does_each_step_once() {
    let (_dir, store) = fixture();
    let done: usize = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..10).filter(|n| step(&store, *n).unwrap()).count())).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(done, 10);
}

#[test]
fn kills_leave_a_store_that_the_next_run_continues_from() {
    let (_dir, store) = fixture();
    let mut random = 12_345_u64;
    for _ in 0..12 {
        let mut worker = spawn("steps", &store, None);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis(20 + random % 120));
        worker.kill().unwrap();
        worker.wait().unwrap();
        for key in store.keys().unwrap() {
            assert!(store.record(&key).is_some(), "a record came before its objects");
        }
    }
    let survived = store.keys().unwrap().len() as u64;
    assert!(survived > 0, "no step was ever done");
    assert!(store.verify(&mut |_, _| {}).unwrap().damage.is_empty());
    for n in 0..survived + 3 {
        assert_eq!(step(&store, n).unwrap(), n >= survived, "steps are done in order, none is lost");
    }
}

#[test]
fn a_full_disk_fails_the_step_and_leaves_the_store_whole() {
    let (_dir, store) = fixture();
    step(&store, 0).unwrap();
    // A limit on the size of files is the closest to a full disk that needs no rights.
    assert!(spawn("big", &store, Some(100_000)).wait().unwrap().success());
    assert!(store.record(&material(1).key()).is_none());
    assert!(store.record(&material(0).key()).is_some());
    assert_eq!(fs::read_dir(store.root().join("tmp-v1")).unwrap().count(), 0);
    assert!(step(&store, 1).unwrap());
}

/// Deletes all but what `keep` names.
fn collect(store: &Store, keep: &Roots) -> Result<Garbage> {
    let collector = store.collector()?;
    let garbage = collector.find(keep)?;
    assert!(collector.delete(&garbage).is_empty());
    Ok(garbage)
}

#[test]
fn gc_deletes_what_nothing_names_and_waits_for_no_run() {
    let (_dir, store) = fixture();
    do_steps(&store, 0..4);
    let kept = material(1).key();
    let keep = Roots { keys: [kept].into(), ..Roots::default() };
    let garbage = store.garbage(&keep).unwrap();
    assert_eq!(garbage.records.len(), 3);
    assert!(store.record(&material(0).key()).is_some(), "a dry run deletes nothing");
    {
        let _run = store.hold().unwrap();
        assert!(matches!(collect(&store, &keep), Err(StoreError::InUse { .. })));
    }
    let collected = collect(&store, &keep).unwrap();
    assert_eq!((collected.bytes, collected.objects), (garbage.bytes, garbage.objects));
    assert!(store.record(&kept).is_some());
    assert_eq!(store.keys().unwrap(), [kept]);
    assert_eq!(store.garbage(&keep).unwrap().bytes, 0);
    assert!(step(&store, 0).unwrap(), "and what was deleted is made again");
}
