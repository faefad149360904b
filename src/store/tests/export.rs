//! Exports are restored, and what is the user's stays the user's.

use std::os::unix::fs::symlink;

use super::*;

fn export(store: &Store, artifact: &Artifact, to: &Path) -> Result<Exported> {
    store.export(artifact, to, false, &mut Caches::open(store))
}

#[test]
fn a_tree_is_restored_around_what_is_the_users() {
    let (dir, store) = fixture();
    let artifact = store.insert_files(&[("table.md", b"| 1 |"), ("sub/x.svg", b"<svg/>")]).unwrap();
    let to = dir.path().join("results/all");
    assert_eq!(export(&store, &artifact, &to).unwrap(), Exported::Written);
    assert_eq!(export(&store, &artifact, &to).unwrap(), Exported::Unchanged);
    fs::remove_dir_all(to.join("sub")).unwrap();
    fs::write(to.join("mine"), b"the user's").unwrap();
    assert_eq!(export(&store, &artifact, &to).unwrap(), Exported::Restored);
    assert!(to.join("sub/x.svg").is_file() && to.join("mine").exists());
    assert!(!fs::metadata(to.join("table.md")).unwrap().permissions().readonly());

    // A new result replaces the old one and takes away what the old one alone had.
    let newer = store.insert_files(&[("table.md", b"| 2 |")]).unwrap();
    assert_eq!(export(&store, &newer, &to).unwrap(), Exported::Restored);
    assert!(!to.join("sub").exists() && to.join("mine").exists());
    assert_eq!(fs::read(to.join("table.md")).unwrap(), b"| 2 |");
    let names: Vec<_> =
        fs::read_dir(dir.path().join("results")).unwrap().map(|i| i.unwrap().file_name()).collect();
    assert_eq!(names, ["all"], "nothing is left beside it");
}

#[test]
fn a_changed_file_is_left_or_kept_beside() {
    let (dir, store) = fixture();
    let to = dir.path().join("table.md");
    let [one, two] = [b"| 1 |", b"| 2 |"].map(|text| store.insert_files(&[("t", text)]).unwrap());
    let [one, two] = [one, two].map(|tree| store.part(&tree, "t").unwrap());
    export(&store, &one, &to).unwrap();
    fs::write(&to, b"| 1 | and my notes").unwrap();
    assert_eq!(export(&store, &one, &to).unwrap(), Exported::Left(to.clone()));
    let error = export(&store, &two, &to).unwrap_err();
    assert!(matches!(error, StoreError::Edited { .. }) && error.hint().is_some(), "{error}");
    assert_eq!(fs::read(&to).unwrap(), b"| 1 | and my notes");
    let kept = dir.path().join("table.md.bak");
    let mut files = Caches::open(&store);
    assert_eq!(store.export(&two, &to, true, &mut files).unwrap(), Exported::Overwritten(kept.clone()));
    assert_eq!(
        (fs::read(&to).unwrap(), fs::read(&kept).unwrap()),
        (b"| 2 |".into(), b"| 1 | and my notes".into())
    );
    assert_eq!(store.export(&two, &to, true, &mut files).unwrap(), Exported::Unchanged);
}

#[test]
fn a_foreign_file_is_refused() {
    let (dir, store) = fixture();
    let tree = store.insert_files(&[("t", b"| 1 |"), ("u", b"| 2 |")]).unwrap();
    let [table, other] = ["t", "u"].map(|part| store.part(&tree, part).unwrap());
    let foreign = dir.path().join("foreign.md");
    fs::write(&foreign, b"precious").unwrap();
    for artifact in [&table, &tree] {
        let error = export(&store, artifact, &foreign).unwrap_err();
        assert!(matches!(error, StoreError::NotOurs { .. }) && error.hint().is_some());
    }
    assert_eq!(fs::read(&foreign).unwrap(), b"precious");
    assert!(store.check_export(&foreign, &mut Caches::open(&store)).is_err());
    // Equal content is not overwritten, whoever wrote it; content of the store may be.
    fs::write(&foreign, b"| 1 |").unwrap();
    assert_eq!(export(&store, &table, &foreign).unwrap(), Exported::Unchanged);
    assert_eq!(export(&store, &other, &foreign).unwrap(), Exported::Restored);
    // A folder of the user's does not give way to a file.
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine"), b"1").unwrap();
    assert!(matches!(export(&store, &table, &folder), Err(StoreError::NotOurs { .. })));
}

#[test]
fn a_moved_project_and_a_new_store_know_their_exports() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let [one, two]: [&[(&str, &[u8])]; 2] = [&[("t", b"1")], &[("t", b"2")]];
    let in_store = |project: &Path, files| {
        let store = Store::open(&project.join("artifacts")).unwrap();
        let tree = store.insert_files(files).unwrap();
        (store.part(&tree, "t").unwrap(), store)
    };
    let (table, store) = in_store(&old, one);
    export(&store, &table, &old.join("t.md")).unwrap();
    fs::rename(&old, &new).unwrap();
    // Its objects were collected, so that the notes alone can tell.
    fs::remove_dir_all(new.join("artifacts/objects-v1")).unwrap();
    let _ = xattr::remove(new.join("t.md"), "user.igpt-flow.digest");
    let (table, store) = in_store(&new, two);
    assert_eq!(export(&store, &table, &new.join("t.md")).unwrap(), Exported::Restored);

    fs::remove_dir_all(new.join("artifacts")).unwrap();
    if xattr::get(new.join("t.md"), "user.igpt-flow.digest").is_ok_and(|mark| mark.is_some()) {
        let (table, store) = in_store(&new, one);
        assert_eq!(export(&store, &table, &new.join("t.md")).unwrap(), Exported::Restored);
    }
}

#[test]
fn line_ends_of_a_checkout_are_no_change_of_the_users() {
    let (dir, store) = fixture();
    let tree = store.insert_files(&[("t", b"a\nb\n"), ("u", b"c\n")]).unwrap();
    let to = dir.path().join("t.md");
    export(&store, &store.part(&tree, "t").unwrap(), &to).unwrap();
    fs::remove_file(&to).unwrap();
    fs::write(&to, b"a\r\nb\r\n").unwrap();
    assert_eq!(export(&store, &store.part(&tree, "u").unwrap(), &to).unwrap(), Exported::Restored);
}

#[test]
fn an_export_goes_where_links_lead_but_never_into_the_store() {
    let (dir, store) = fixture();
    let scratch = dir.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    symlink(&scratch, dir.path().join("results")).unwrap();
    symlink(scratch.join("table"), dir.path().join("table.md")).unwrap();
    let tree = store.insert_files(&[("x", b"1")]).unwrap();
    let file = store.part(&tree, "x").unwrap();
    export(&store, &tree, &dir.path().join("results")).unwrap();
    export(&store, &file, &dir.path().join("table.md")).unwrap();
    assert!(dir.path().join("table.md").is_symlink() && dir.path().join("results").is_symlink());
    assert_eq!(fs::read(scratch.join("x")).unwrap(), b"1");
    assert_eq!(fs::read(scratch.join("table")).unwrap(), b"1");
    symlink(store.root().join("objects-v1"), dir.path().join("inside")).unwrap();
    assert!(export(&store, &tree, &dir.path().join("inside")).is_err());
    assert!(export(&store, &tree, &store.root().join("results")).is_err());
}

#[test]
fn the_longest_names_are_exported_and_kept_beside() {
    let (dir, store) = fixture();
    let to = dir.path().join("n".repeat(255));
    let tree = store.insert_files(&[("x", b"1"), ("y", b"2")]).unwrap();
    let [one, two] = ["x", "y"].map(|part| store.part(&tree, part).unwrap());
    assert_eq!(export(&store, &one, &to).unwrap(), Exported::Written);
    fs::write(&to, b"mine").unwrap();
    let exported = store.export(&two, &to, true, &mut Caches::open(&store)).unwrap();
    let Exported::Overwritten(kept) = exported else { panic!("{exported:?}") };
    assert_eq!(fs::read(kept).unwrap(), b"mine");
}

#[test]
fn what_a_killed_export_left_is_removed_by_the_next() {
    let (dir, store) = fixture();
    let tree = store.insert_files(&[("x", b"1")]).unwrap();
    fs::create_dir(dir.path().join(".igpt-flow-1-2-3")).unwrap();
    fs::write(dir.path().join(".igpt-flow-4-5-6"), b"half").unwrap();
    export(&store, &tree, &dir.path().join("out")).unwrap();
    let left = fs::read_dir(dir.path()).unwrap().flatten();
    let left = left.filter(|item| item.file_name().to_string_lossy().starts_with(".igpt-flow-")).count();
    assert_eq!(left, 0);
}

#[test]
fn exports_to_one_place_take_turns() {
    let (dir, store) = fixture();
    let to = dir.path().join("out");
    let trees: Vec<Artifact> =
        (0..2_u8).map(|n| store.insert_files(&[("a", &[n]), ("b", &[n]), ("c", &[n])]).unwrap()).collect();
    export(&store, &trees[0], &to).unwrap();
    std::thread::scope(|scope| {
        for tree in &trees {
            scope.spawn(|| (0..30).for_each(|_| drop(export(&store, tree, &to).unwrap())));
        }
        let reader = scope.spawn(|| {
            for _ in 0..300 {
                // Through one open folder: the files of one export, whichever it is.
                let Ok(folder) = fs::File::open(&to) else { continue };
                let of = |name: &str| {
                    use std::os::fd::AsRawFd as _;
                    fs::read(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd())).ok()
                };
                if let (Some(a), Some(c)) = (of("a"), of("c")) {
                    assert_eq!(a, c);
                }
            }
        });
        reader.join().unwrap();
    });
}

#[test]
fn a_path_with_an_extension_takes_the_one_file_that_has_it() {
    let (dir, store) = fixture();
    let table =
        store.insert_files(&[("table.md", b"| 1 |"), ("table.tex", b"1"), ("sub/x.csv", b"1")]).unwrap();
    let fitting = |name: &str| store.fitting(&table, Path::new(name)).unwrap();
    let tex = fitting("results/mine.tex");
    assert!(tex.is_file() && tex.bytes == 1);
    for whole in ["results/mine", "results/mine.csv", "results/v1.2"] {
        assert_eq!(fitting(whole), table, "{whole}");
    }
    let figures = store.insert_files(&[("a.svg", b"1"), ("b.svg", b"2")]).unwrap();
    assert_eq!(store.fitting(&figures, Path::new("f.svg")).unwrap(), figures, "it is not said which");
    // What an earlier version put there as a folder gives way.
    let to = dir.path().join("mine.tex");
    assert_eq!(export(&store, &table, &to).unwrap(), Exported::Written);
    assert_eq!(export(&store, &tex, &to).unwrap(), Exported::Restored);
    assert_eq!(fs::read(&to).unwrap(), b"1");
}
