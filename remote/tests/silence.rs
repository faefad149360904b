//! Servers that do not answer, as sockets: one that refuses, one that accepts and says nothing, one that says that
//! nobody may.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use igpt_remote::{Limits, Place, Remote, RemoteError};

/// The environment belongs to a process: each case is one.
const CASE: &str = "IGPT_REMOTE_TEST_CASE";

fn remote() -> Remote {
    let limits = Limits { connect: Duration::from_secs(1), stall: Duration::from_secs(2) };
    Remote::open(&Place::S3("bucket".into(), "x".into()), limits).unwrap()
}

/// Runs this test again with an environment, and in it what `case` does.
fn in_process(test: &str, endpoint: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CASE, test)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", "AKIAHUNTER2")
        .env("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("case: ") && !said.contains("hunter2"), "{said}");
}

fn is(test: &str) -> bool {
    std::env::var_os(CASE).is_some_and(|case| case == *test)
}

/// What is said of an error, which must come within a few seconds.
fn told(began: Instant, error: &RemoteError) {
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    println!("case: {error} / {error:?}");
}

#[test]
fn a_server_that_is_down_is_away() {
    if is("a_server_that_is_down_is_away") {
        let began = Instant::now();
        let error = remote().entry("a").unwrap_err();
        assert!(matches!(error, RemoteError::Away { .. }), "{error:?}");
        return told(began, &error);
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    in_process("a_server_that_is_down_is_away", &format!("http://{free}"));
}

#[test]
fn a_server_that_says_nothing_is_away() {
    if is("a_server_that_says_nothing_is_away") {
        let began = Instant::now();
        let error = remote().put("a", vec![1; 1 << 20]).unwrap_err();
        assert!(matches!(error, RemoteError::Away { .. }), "{error:?}");
        return told(began, &error);
    }
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    in_process("a_server_that_says_nothing_is_away", &format!("http://{}", mute.local_addr().unwrap()));
}

#[test]
fn a_refusal_is_told_apart_and_its_page_is_not_shown() {
    if is("a_refusal_is_told_apart_and_its_page_is_not_shown") {
        let began = Instant::now();
        let error = remote().put("a", b"x".to_vec()).unwrap_err();
        assert!(matches!(error, RemoteError::Denied), "{error:?}");
        return told(began, &error);
    }
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1 << 16]);
            let page =
                "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>hunter2</AWSAccessKeyId></Error>";
            let head = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: application/xml\r\nContent-Length";
            let _ = write!(stream, "{head}: {}\r\n\r\n{page}", page.len());
        }
    });
    in_process("a_refusal_is_told_apart_and_its_page_is_not_shown", &endpoint);
}
