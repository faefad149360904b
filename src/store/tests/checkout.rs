//! Content going into the store and coming out of it.

use std::os::unix::fs::symlink;

use super::*;
use crate::store::LinkedObjects;

/// A folder with all that a tree may hold.
fn folder(dir: &Path) -> PathBuf {
    let folder = dir.join("folder");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    fs::write(folder.join("sub/x"), b"1").unwrap();
    fs::write(folder.join("run"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("sub/x", folder.join("link")).unwrap();
    folder
}

#[test]
fn a_copy_is_the_tree_that_went_in_and_the_copiers_own() {
    let (dir, store) = fixture();
    let artifact = store.insert(&folder(dir.path())).unwrap();
    assert!(!dir.path().join("folder").exists(), "it was moved");
    let to = dir.path().join("to");
    store.copy_out(&artifact, &to).unwrap();
    assert!(to.join("sub/x").symlink_metadata().unwrap().is_file());
    assert_eq!(fs::metadata(to.join("run")).unwrap().permissions().mode() & 0o100, 0o100);
    assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("sub/x"));
    assert!(to.join("empty").is_dir());
    fs::write(to.join("sub/x"), b"changed").unwrap();
    assert!(store.contains(&artifact));
    fs::write(to.join("sub/x"), b"1").unwrap();
    assert_eq!(store.insert(&to).unwrap(), artifact, "the same tree is the same artifact");
}

#[test]
fn an_executable_file_is_an_artifact_of_its_own() {
    let (dir, store) = fixture();
    let tree = store.insert(&folder(dir.path())).unwrap();
    let run = store.part(&tree, "run").unwrap();
    assert_eq!(run.form, Form::Executable);
    let to = dir.path().join("tool");
    store.copy_out(&run, &to).unwrap();
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o100, 0o100);
    assert_eq!(store.insert(&to).unwrap(), run);
    let linked = dir.path().join("linked");
    store.link_out(&run, &linked, &mut LinkedObjects::default()).unwrap();
    assert!(linked.symlink_metadata().unwrap().is_file(), "an object cannot be executed");
}

#[test]
fn links_lead_to_objects_and_are_taken_for_them() {
    let (dir, store) = fixture();
    let artifact = store.insert(&folder(dir.path())).unwrap();
    let (to, mut linked) = (dir.path().join("to"), LinkedObjects::default());
    store.link_out(&artifact, &to, &mut linked).unwrap();
    assert!(to.join("sub/x").is_symlink() && fs::read(to.join("sub/x")).unwrap() == b"1");
    assert!(store.first_touched(&linked).is_none());
    let object = to.join("sub/x").canonicalize().unwrap();
    // What `cp -r` makes of a linked input.
    assert_eq!(store.insert(&to).unwrap(), artifact);

    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, b"1").unwrap();
    assert_eq!(store.first_touched(&linked), Some(Digest::of(b"1")), "it was written, if the same");
    assert!(store.contains(&artifact), "and is healed");
    fs::write(&object, b"2").unwrap();
    assert!(store.first_touched(&linked).is_some() && !store.contains(&artifact));
}

#[test]
fn an_output_may_not_lead_out_of_itself() {
    let (dir, store) = fixture();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    symlink("/etc/passwd", out.join("link")).unwrap();
    for path in [&out, &out.join("link")] {
        let error = store.insert(path).unwrap_err().to_string();
        assert!(error.contains("out/link` is a symbolic link that leaves it"), "{error}");
    }
}

#[test]
fn rot_is_found_on_the_way_out() {
    let (dir, store) = fixture();
    let artifact = store.insert_files(&[("x", b"right"), ("y", b"other")]).unwrap();
    let path = store.path_of_file(&Digest::of(b"right"));
    rot(&path);
    assert!(store.contains(&artifact), "a look at its date does not tell");
    let lost = |to: &str| {
        let error = store.copy_out(&artifact, &dir.path().join(to)).unwrap_err();
        assert!(matches!(error, StoreError::Missing { digest } if digest == Digest::of(b"right")));
    };
    lost("one");
    assert!(!path.exists() && store.take_quarantined().len() == 1);
    lost("two");
    // What makes it again puts it back, also where the damaged one was not noticed yet.
    store.insert_files(&[("x", b"right")]).unwrap();
    rot(&path);
    store.insert_files(&[("x", b"right")]).unwrap();
    store.copy_out(&artifact, &dir.path().join("three")).unwrap();
}

#[test]
fn a_damaged_manifest_is_set_aside_and_put_back() {
    let (_dir, store) = fixture();
    let files: [(&str, &[u8]); 1] = [("x", b"1")];
    let artifact = store.insert_files(&files).unwrap();
    rot(&store.path_of_file(&artifact.digest));
    assert!(matches!(store.entries(&artifact), Err(StoreError::Missing { .. })));
    assert_eq!(store.insert_files(&files).unwrap(), artifact);
    assert!(store.entries(&artifact).is_ok());
}

#[test]
fn an_output_that_is_written_after_it_was_hashed_is_noticed() {
    let (dir, store) = fixture();
    let out = dir.path().join("out");
    fs::write(&out, b"1").unwrap();
    let mut late = fs::File::options().append(true).open(&out).unwrap();
    let artifact = store.insert(&out).unwrap();
    std::io::Write::write_all(&mut late, b"2").unwrap();
    let lock = lock(&store, &material(1).key());
    let error = lock.commit(&record(1, &[("out", artifact)])).unwrap_err();
    assert!(matches!(error, StoreError::NotCommitted { .. }), "{error}");
}

#[test]
fn a_copy_from_outside_is_what_the_key_says_or_an_error() {
    let (dir, store) = fixture();
    let input = folder(dir.path());
    let place = |path: &Path| ExternalPath { path: path.to_owned(), ..ExternalPath::default() };
    let read = Caches::open(&store).input(&place(&input)).unwrap();
    let to = dir.path().join("to");
    copy_external(&place(&input), &read.artifact, &to).unwrap();
    assert_eq!(Caches::open(&store).input(&place(&to)).unwrap().artifact, read.artifact);
    // Files that patterns chose are a tree of themselves alone.
    let some = ExternalPath { names: Some(vec!["sub/x".into(), "run".into()]), ..place(&input) };
    let chosen = Caches::open(&store).input(&some).unwrap();
    let to = dir.path().join("some");
    copy_external(&some, &chosen.artifact, &to).unwrap();
    assert!(to.join("sub/x").is_file() && to.join("run").is_file() && !to.join("link").exists());
    fs::write(input.join("sub/x"), b"2").unwrap();
    for (place, read, to) in [(place(&input), read, "late"), (some, chosen, "later")] {
        let error = copy_external(&place, &read.artifact, &dir.path().join(to)).unwrap_err();
        assert!(matches!(error, StoreError::Changed { .. }));
    }
}

#[test]
fn objects_respect_the_umask() {
    let (_dir, store) = fixture();
    let digest = store.insert_bytes(b"1").unwrap();
    let mode = fs::metadata(store.path_of_file(&digest)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444 & !crate::store::insert::umask());
}
