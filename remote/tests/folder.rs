//! A folder as a remote: the same operations as a bucket's, without a server.

use std::fs;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use igpt_remote::{Limits, PART, Place, Remote, RemoteError};

const MOST: u64 = u64::MAX;

fn folder() -> (tempfile::TempDir, Remote) {
    let dir = tempfile::tempdir().unwrap();
    let remote = Remote::open(&Place::Folder(dir.path().to_owned()), Limits::DEFAULT).unwrap();
    (dir, remote)
}

fn got(remote: &Remote, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let n = remote.get(name, MOST, &mut bytes).unwrap()?;
    assert_eq!(n, bytes.len() as u64);
    Some(bytes)
}

fn names(remote: &Remote, below: &str) -> Vec<String> {
    let mut names = Vec::new();
    let all = remote.list(below, |entry| {
        names.push(entry.name);
        ControlFlow::Continue(())
    });
    all.unwrap();
    names.sort();
    names
}

#[test]
fn files_are_put_got_listed_and_deleted() {
    let (_dir, remote) = folder();
    assert_eq!(names(&remote, ""), [""; 0]);
    assert_eq!(names(&remote, "a"), [""; 0]);
    assert!(got(&remote, "a/b").is_none() && remote.entry("a/b").unwrap().is_none());
    remote.put("a/b", b"one".to_vec()).unwrap();
    remote.put("c", Vec::new()).unwrap();
    let entry = remote.entry("a/b").unwrap().unwrap();
    assert_eq!((entry.name.as_str(), entry.size), ("a/b", 3));
    assert!(SystemTime::now().duration_since(entry.modified).unwrap_or_default() < Duration::from_secs(60));
    assert_eq!(got(&remote, "a/b").unwrap(), b"one");
    assert_eq!(got(&remote, "c").unwrap(), b"");
    assert_eq!(
        (names(&remote, ""), names(&remote, "a")),
        (vec!["a/b".into(), "c".into()], vec!["a/b".into()])
    );
    let mut seen = 0;
    let first = remote.list("", |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert!(first.is_ok() && seen == 1);
    remote.delete("a/b").unwrap();
    remote.delete("a/b").unwrap();
    assert!(got(&remote, "a/b").is_none());
}

#[test]
fn of_many_who_make_one_file_one_does() {
    let (_dir, remote) = folder();
    let winners = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for n in 0..16_u8 {
            let (remote, winners) = (&remote, &winners);
            scope.spawn(move || {
                let won = remote.put_new("race", vec![n; 1000]).unwrap();
                winners.fetch_add(u64::from(won), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(winners.into_inner(), 1);
    let bytes = got(&remote, "race").unwrap();
    assert!(bytes.len() == 1000 && bytes.iter().all(|byte| *byte == bytes[0]));
}

#[test]
fn a_large_file_goes_up_in_parts_and_comes_back_whole() {
    let (dir, remote) = folder();
    let from = dir.path().join("outside");
    let bytes: Vec<u8> =
        (0..PART as u32 + 12_345).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&from, &bytes).unwrap();
    let (moved, calls) = (AtomicU64::new(0), AtomicU64::new(0));
    let tell = |n| {
        moved.fetch_add(n, Ordering::Relaxed);
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let sent = remote.put_file("big", &from, &tell).unwrap();
    assert_eq!((sent, moved.into_inner()), (bytes.len() as u64, bytes.len() as u64));
    assert_eq!(calls.into_inner(), 3, "it went up in parts");
    assert!(got(&remote, "big").unwrap() == bytes);
    // No more is taken than was asked for, and a little.
    let mut some = Vec::new();
    let n = remote.get("big", 100, &mut some).unwrap().unwrap();
    assert!(n > 100 && n < bytes.len() as u64, "{n}");
    assert!(matches!(remote.put_file("x", &dir.path().join("none"), &|_| {}), Err(RemoteError::Here(_))));
}

#[test]
fn a_touched_file_is_young_and_the_same() {
    let (dir, remote) = folder();
    remote.put("a/b", b"one".to_vec()).unwrap();
    let old = SystemTime::now() - Duration::from_secs(1_000_000);
    fs::File::options().write(true).open(dir.path().join("a/b")).unwrap().set_modified(old).unwrap();
    assert_eq!(remote.entry("a/b").unwrap().unwrap().modified, old);
    remote.touch("a/b").unwrap();
    assert!(remote.entry("a/b").unwrap().unwrap().modified > old + Duration::from_secs(900_000));
    assert_eq!(got(&remote, "a/b").unwrap(), b"one");
    assert!(matches!(remote.touch("a/c"), Err(RemoteError::Absent)));
}

#[test]
fn a_folder_that_is_not_there_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mounted/later");
    let refused = Remote::open(&Place::Folder(path.clone()), Limits::DEFAULT);
    assert!(matches!(refused, Err(RemoteError::Address { .. })) && !path.exists());
}

#[test]
fn a_name_leads_nowhere_else() {
    let (_dir, remote) = folder();
    for name in ["../x", "a/../../x", "a//b"] {
        assert!(matches!(remote.put(name, Vec::new()), Err(RemoteError::Address { .. })), "{name}");
    }
}

/// One that writes into a file that cannot take it is told of that, and not that the remote is away.
#[test]
fn a_full_disk_here_is_no_fault_of_the_remote() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (_dir, remote) = folder();
    remote.put("a", b"one".to_vec()).unwrap();
    assert!(matches!(remote.get("a", MOST, &mut Full), Err(RemoteError::Here(_))));
}
