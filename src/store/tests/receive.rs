//! Objects and records from elsewhere.

use super::*;

#[test]
fn only_the_bytes_of_the_digest_become_an_object() {
    let (_dir, store) = fixture();
    let digest = Digest::of(b"right");
    let fill = |bytes: &'static [u8]| move |to: &mut dyn std::io::Write| to.write_all(bytes).is_ok();
    assert_eq!(store.receive(&digest, fill(b"wrong")).unwrap(), (true, false));
    assert_eq!(store.receive(&digest, fill(b"")).unwrap(), (true, false));
    assert!(!store.path_of_file(&digest).exists());
    assert_eq!(store.receive(&digest, fill(b"right")).unwrap(), (true, true));
    assert!(store.contains(&file(b"right")) && store.is_whole(&digest, 5));
    assert_eq!(fs::read_dir(store.tmp_dir()).unwrap().count(), 0, "nothing is left aside");
}

#[test]
fn what_is_not_here_is_told_manifest_first() {
    let (_dir, store) = fixture();
    let tree = store.insert_files(&[("a", b"1"), ("b", b"22"), ("sub/c", b"22")]).unwrap();
    assert_eq!(store.absent(&tree, None).unwrap(), Absent::Files(Vec::new()));
    assert_eq!(store.sized_objects(&tree).unwrap().len(), 3, "two files' bytes and the manifest");
    fs::remove_file(store.path_of_file(&Digest::of(b"22"))).unwrap();
    let gone = Absent::Files(vec![(Digest::of(b"22"), 2)]);
    assert_eq!(store.absent(&tree, None).unwrap(), gone);
    assert_eq!(store.absent(&tree, Some("a")).unwrap(), Absent::Files(Vec::new()));
    assert_eq!(store.absent(&tree, Some("sub")).unwrap(), gone);
    assert!(matches!(store.absent(&tree, Some("d")), Err(StoreError::NoPart { .. })));
    assert!(matches!(store.sized_objects(&tree), Err(StoreError::Missing { .. })));
    fs::remove_file(store.path_of_file(&tree.digest)).unwrap();
    assert_eq!(store.absent(&tree, None).unwrap(), Absent::Manifest(tree.digest));
}

#[test]
fn a_record_of_others_is_known_as_theirs_until_the_step_is_done_here() {
    let (_dir, store) = fixture();
    let record = record(1, &[("out", file(b"elsewhere"))]);
    assert!(store.adopt(&record).unwrap() && store.is_foreign(&record.key));
    assert!(!store.adopt(&record).unwrap(), "one that is there stays");
    step(&store, 2).unwrap();
    assert!(!store.is_foreign(&material(2).key()));
    let digest = store.insert_bytes(b"elsewhere").unwrap();
    assert_eq!(digest, Digest::of(b"elsewhere"));
    store.try_lock(&record.key).unwrap().unwrap().commit(&record).unwrap();
    assert!(!store.is_foreign(&record.key));
    // What is collected leaves nothing behind.
    let theirs = super::record(3, &[("out", file(b"x"))]);
    assert!(store.adopt(&theirs).unwrap());
    collect(&store, &Roots::default()).unwrap();
    assert!(!store.is_foreign(&theirs.key));
}

#[test]
fn a_foreign_record_must_follow_from_its_material() {
    let (_dir, store) = fixture();
    let honest = record(1, &[]);
    assert!(store.adopt(&honest).unwrap());
    let text = fs::read(store.path_of_record(&honest.key)).unwrap();
    assert!(Store::read_foreign(&honest.key, &text).is_some_and(|record| record.key == honest.key));
    assert!(Store::read_foreign(&material(2).key(), &text).is_none());
    let mut torn = text.clone();
    torn[20] ^= 1;
    assert!(Store::read_foreign(&honest.key, &torn).is_none());
    let forged = Record { key: material(2).key(), ..honest };
    assert!(matches!(store.adopt(&forged), Err(StoreError::NotCommitted { .. })));
}
