//! The index among several processes, and with one of its two files gone or damaged.

use super::super::index::{Id, Index, Row, id};
use super::*;

fn row(n: u64) -> Row {
    Row { numbers: [n, 1, 2, 3, 4], digest: Digest::of(&n.to_le_bytes()) }
}

fn name(n: u64) -> Id {
    id("file", &n.to_le_bytes())
}

fn learn(store: &Store, n: u64) -> bool {
    let mut index = Index::open(store);
    index.put(name(n), row(n));
    index.flush().unwrap()
}

fn knows(store: &Store, n: u64) -> bool {
    Index::open(store).get(&name(n)) == Some(row(n))
}

#[test]
fn two_runs_that_end_together_both_keep_their_rows() {
    let (_dir, store) = fixture();
    let held = sled::open(store.root().join("index.sled")).unwrap();
    let other = std::thread::spawn({
        let store = store.clone();
        move || learn(&store, 1)
    });
    std::thread::sleep(Duration::from_millis(150));
    drop(held);
    assert!(other.join().unwrap());
    assert!(knows(&store, 1));
}

#[test]
fn each_file_makes_good_for_the_other() {
    let (_dir, store) = fixture();
    let (database, snapshot) = (store.root().join("index.sled"), store.root().join("index.snapshot"));
    assert!(learn(&store, 1));
    fs::remove_dir_all(&database).unwrap();
    assert!(learn(&store, 2));
    fs::remove_file(&snapshot).unwrap();
    assert!(learn(&store, 3));
    for file in fs::read_dir(&database).unwrap().flatten().filter(|file| file.path().is_file()) {
        fs::write(file.path(), b"garbage").unwrap();
    }
    learn(&store, 4);
    assert!(learn(&store, 5));
    assert!([1, 2, 3, 5].iter().all(|n| knows(&store, *n)));
}

#[test]
fn a_snapshot_with_one_wrong_bit_or_of_an_old_version_is_not_believed() {
    let (_dir, store) = fixture();
    let snapshot = store.root().join("index.snapshot");
    assert!(learn(&store, 1));
    let good = fs::read(&snapshot).unwrap();
    let mut bytes = good.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&snapshot, &bytes).unwrap();
    assert_eq!(Index::open(&store).get(&name(1)), None);
    fs::write(&snapshot, [b"igpt-flow index1".as_slice(), &good[48..]].concat()).unwrap();
    assert_eq!(Index::open(&store).get(&name(1)), None);
    assert!(learn(&store, 2));
    assert!(knows(&store, 1) && knows(&store, 2), "it is made again from the database");
}

#[test]
fn a_refusal_of_the_system_costs_no_healthy_database() {
    let (_dir, store) = fixture();
    let database = store.root().join("index.sled");
    assert!(learn(&store, 1));
    // A folder where sled wants its file: the system refuses, as it does on a full disk.
    let (file, aside) = (database.join("db"), database.join("aside"));
    fs::rename(&file, &aside).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(!learn(&store, 2));
    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    fs::remove_file(store.root().join("index.snapshot")).unwrap();
    assert!(learn(&store, 3));
    assert!(knows(&store, 1) && knows(&store, 3));
}
