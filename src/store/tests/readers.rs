//! Those who only read: they write nothing, need no right to write, and condemn nothing in a hurry.

use super::*;

/// What the child of a test does: looks at an object while no file can be opened.
pub(super) fn look_without_files(store: &Store) {
    let artifact = store.insert_files(&[("x", b"right")]).unwrap();
    let (digest, size) = store.entries(&artifact).unwrap()[0].file().unwrap();
    let path = store.path_of_file(&digest);
    // Touched, so that it must be hashed to be believed.
    fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only read or write the struct they are given.
    let allow = |limit: &libc::rlimit| unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    assert_eq!(allow(&libc::rlimit { rlim_cur: 0, ..limit }), 0);
    let sound = store.is_intact(&digest, size);
    assert_eq!(allow(&limit), 0);
    assert!(!sound, "it could not be told");
    assert!(path.exists(), "and was not condemned for that");
    assert!(store.contains(&artifact));
}

#[test]
fn an_object_that_cannot_be_read_now_is_not_set_aside() {
    let (_dir, store) = fixture();
    assert!(spawn("starved", &store, None).wait().unwrap().success());
}

#[test]
fn looking_at_a_store_makes_nothing() {
    let (dir, store) = fixture();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(matches!(Store::open_existing(&empty), Err(StoreError::Absent { .. })));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    for folder in ["work-v1", "locks-v1", "tmp-v1"] {
        fs::remove_dir(store.root().join(folder)).unwrap();
    }
    let there = || fs::read_dir(store.root()).unwrap().count();
    let before = there();
    let seen = Store::open_existing(store.root()).unwrap();
    assert!(seen.keys().unwrap().is_empty());
    assert_eq!(there(), before);
    // Whoever writes makes what is missing.
    assert!(seen.try_lock(&material(0).key()).unwrap().is_some());
    seen.insert_files(&[("x", b"1")]).unwrap();
}

#[test]
fn a_store_that_cannot_be_written_is_verified_and_left_alone() {
    let (_dir, store) = fixture();
    do_steps(&store, 0..2);
    let out = store.record(&material(1).key()).unwrap().outputs["out"];
    let path = store.path_of_file(&files_of(&store, &out)[1]);
    rot(&path);
    // Files where folders belong refuse what a read-only file system refuses, even to root.
    for folder in ["locks-v1", "quarantine-v1"] {
        let _ = fs::remove_dir_all(store.root().join(folder));
        fs::write(store.root().join(folder), b"").unwrap();
    }
    let found = store.verify(&mut |_, _| {}).unwrap();
    assert_eq!(found.damage.len(), 1);
    assert_eq!(found.damage[0].moved_to, path);
    assert_eq!(found.lost.iter().map(|record| record.key).collect::<Vec<_>>(), [material(1).key()]);
}
