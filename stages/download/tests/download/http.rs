//! Downloads from a server on loopback that breaks off, refuses and lies.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::{Bench, cifar10_files, data, gzip, tar_of_owned};
use serde_json::json;

/// What the server does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    /// Serves what is asked for, ranges too.
    Serve,
    /// Announces all and closes the connection after so many bytes.
    BreakAfter(usize),
    /// Serves the whole file whatever is asked for.
    IgnoreRange,
    /// Answers another range than the one asked for.
    WrongRange,
    /// Answers a status without a body.
    Status(&'static str),
    /// Serves the whole file without saying how long it is.
    NoLength,
}

/// A server of one file, which follows a script and then serves.
pub(crate) struct Server {
    pub(crate) url: String,
    /// The `Range` header of each request.
    ranges: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    pub(crate) fn new(file: Vec<u8>, script: &'static [Deed]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = ranges.clone();
        std::thread::spawn(move || {
            let mut script = script.iter().copied();
            for stream in listener.incoming() {
                let deed = script.next().unwrap_or(Deed::Serve);
                // A client that hangs up is no concern of the server's.
                let _ = answer(stream.unwrap(), &file, deed, &seen);
            }
        });
        Self { url, ranges }
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.ranges.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    file: &[u8],
    deed: Deed,
    seen: &Mutex<Vec<Option<String>>>,
) -> std::io::Result<()> {
    let mut range = None;
    let mut if_range = None;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_lowercase().as_str() {
            "range" => range = Some(value.to_owned()),
            "if-range" => if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    seen.lock().unwrap().push(range.clone());
    let start = range
        .filter(|_| if_range.as_deref() == Some("\"v1\""))
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let whole = |length: usize| {
        format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
    };
    let rest = |start: usize| {
        let (last, n) = (file.len() - 1, file.len());
        let length = n - start;
        format!(
            "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nConnection: close\r\n\
             Content-Range: bytes {start}-{last}/{n}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let (head, body) = match (deed, start) {
        (Deed::Serve, Some(start)) => (rest(start), &file[start..]),
        (Deed::WrongRange, Some(start)) => (rest(start + 1), &file[start + 1..]),
        (Deed::BreakAfter(n), Some(start)) => (rest(start), &file[start..(start + n).min(file.len())]),
        (Deed::BreakAfter(n), None) => (whole(file.len()), &file[..n.min(file.len())]),
        (Deed::Status(status), _) => {
            (format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), &file[..0])
        }
        (Deed::NoLength, _) => ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned(), file),
        (Deed::IgnoreRange | Deed::Serve | Deed::WrongRange, _) => (whole(file.len()), file),
    };
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

/// An archive in CIFAR-10's layout, of other sizes than the official ones: a downloaded one is
/// refused only after it has arrived whole, which is what these tests look at.
fn archive() -> Vec<u8> {
    gzip(&tar_of_owned(&cifar10_files(50)))
}

const ARRIVED: &str = "bytes, expected 30730000";

fn refusal(server: &Server, bench: &Bench) -> String {
    bench.refusal(json!({"source": "cifar10"}), None, Some(&server.url))
}

#[test]
fn an_interrupted_download_goes_on_where_it_broke_off() {
    let server = Server::new(archive(), &[Deed::BreakAfter(1000), Deed::BreakAfter(500), Deed::Serve]);
    let bench = Bench::new();
    let error = refusal(&server, &bench);
    assert!(error.contains(ARRIVED), "{error}");
    assert_eq!(server.ranges(), [None, Some("bytes=1000-".to_owned()), Some("bytes=1500-".to_owned())]);
    let notes = bench.notes.lock().unwrap().join("\n");
    assert!(notes.contains(&format!("expected {} bytes", archive().len())), "{notes}");
}

#[test]
fn a_wrong_archive_is_deleted_and_fetched_anew() {
    let server = Server::new(archive(), &[]);
    let bench = Bench::new();
    assert!(refusal(&server, &bench).contains("fetches it again"));
    assert_eq!(fs::read_dir(bench.checkpoints()).unwrap().count(), 0);
    refusal(&server, &bench);
    assert_eq!(server.ranges(), [None, None]);
}

#[test]
fn another_run_goes_on_with_what_an_earlier_one_left() {
    let file = archive();
    // Five interruptions in a row that bring nothing end the first run.
    const NOTHING: Deed = Deed::Status("503 Service Unavailable");
    let server = Server::new(file, &[Deed::BreakAfter(2000), NOTHING, NOTHING, NOTHING, NOTHING, NOTHING]);
    let bench = Bench::new();
    let error = refusal(&server, &bench);
    assert!(error.contains("503") && error.contains("times in a row"), "{error}");
    assert_eq!(fs::metadata(bench.checkpoints().join("cifar-10-binary.tar.gz.part")).unwrap().len(), 2000);
    let error = refusal(&server, &bench);
    assert!(error.contains(ARRIVED), "{error}");
    assert_eq!(server.ranges().last().unwrap().as_deref(), Some("bytes=2000-"));
}

#[test]
fn a_server_that_ignores_ranges_starts_over() {
    for deed in
        [&[Deed::BreakAfter(1000), Deed::IgnoreRange][..], &[Deed::BreakAfter(1000), Deed::WrongRange]]
    {
        let server = Server::new(archive(), Box::leak(deed.to_vec().into_boxed_slice()));
        let error = refusal(&server, &Bench::new());
        assert!(error.contains(ARRIVED), "{error}");
    }
}

#[test]
fn a_part_of_another_content_is_not_continued() {
    let bench = Bench::new();
    let part = bench.checkpoints().join("cifar-10-binary.tar.gz.part");
    fs::write(&part, b"something else").unwrap();
    // Another version of the file, and no word about which content the part is of.
    for content in [Some("\"v0\""), None] {
        let server = Server::new(archive(), &[]);
        fs::write(&part, b"something else").unwrap();
        if let Some(tag) = content {
            let url = format!("{}/cifar-10-binary.tar.gz", server.url);
            let content = json!({"url": url, "tag": tag, "size": 99}).to_string();
            fs::write(part.with_extension("part.json"), content).unwrap();
        }
        let error = refusal(&server, &bench);
        assert!(error.contains(ARRIVED), "{error}");
    }
}

#[test]
fn a_length_that_nobody_says_is_as_good() {
    let server = Server::new(archive(), &[Deed::NoLength]);
    let error = refusal(&server, &Bench::new());
    assert!(error.contains(ARRIVED), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_an_error_at_once() {
    let server = Server::new(Vec::new(), &[Deed::Status("404 Not Found")]);
    let error = refusal(&server, &Bench::new());
    assert!(error.contains("404") && error.contains("cifar-10-binary.tar.gz"), "{error}");
    assert!(error.contains("IGPT_FLOW_MIRROR"), "{error}");
    assert_eq!(server.ranges().len(), 1);
}

#[test]
fn a_download_that_always_ends_early_says_what_was_expected() {
    let server = Server::new(archive(), Box::leak(vec![Deed::BreakAfter(0); 9].into_boxed_slice()));
    let error = refusal(&server, &Bench::new());
    assert!(error.contains(&format!("expected {} bytes", archive().len())), "{error}");
    assert!(error.contains("run again to resume"), "{error}");
}

#[test]
fn wrong_bytes_and_nobody_at_home_are_errors() {
    let server = Server::new(b"<html>login</html>".to_vec(), &[]);
    let error = refusal(&server, &Bench::new());
    assert!(error.contains("expected a tar archive"), "{error}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error =
        Bench::new().refusal(json!({"source": "cifar10"}), None, Some(&format!("http://{free}/data/")));
    assert!(error.contains(&format!("http://{free}/data/cifar-10-binary.tar.gz")), "{error}");
}

#[test]
fn the_whole_of_cifar10_arrives_through_an_interruption() {
    let Some(archive) = data("cifar10/cifar-10-binary.tar.gz") else { return };
    let server = Server::new(fs::read(&archive).unwrap(), &[Deed::BreakAfter(100_000_000)]);
    let bench = Bench::new();
    bench.run(json!({"source": "cifar10"}), None, Some(&server.url)).unwrap();
    let over_http = bench.bytes();
    assert_eq!(server.ranges().len(), 2);
    assert!(server.ranges()[1].as_ref().is_some_and(|range| range.starts_with("bytes=")));
    bench.run(json!({"source": "cifar10"}), Some(&archive), None).unwrap();
    assert_eq!(bench.bytes(), over_http);
}
