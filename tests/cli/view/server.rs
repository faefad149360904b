//! Whom the server answers, and with what.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::super::support::{Project, signal, tree, wait_until};

const PIPELINE: &str = "name: served\nstages:\n  a: {uses: command, with: {run: 'echo hello > out'}}\n  \
                        b: {uses: command, in: {x: a.out}, with: {run: 'cat x > out'}}\n";

/// A server of a project's store.
pub(crate) struct Served {
    child: Child,
    pub(crate) port: u16,
    pub(crate) token: String,
    /// What else it printed at its start.
    pub(crate) said: String,
}

impl Served {
    pub(crate) fn new(project: &Project, arguments: &[&str]) -> Self {
        Self::with(project, arguments, None)
    }

    fn with(project: &Project, arguments: &[&str], ssh: Option<&str>) -> Self {
        let mut command = project.command(&[&["view"], arguments].concat());
        command.env_remove("SSH_CONNECTION").stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(ssh) = ssh {
            command.env("SSH_CONNECTION", ssh);
        }
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("Ctrl-C") {
            assert!(out.read_line(&mut said).unwrap() > 0, "{said}");
        }
        let address = said.lines().next().unwrap();
        let rest = address.strip_prefix("http://127.0.0.1:").unwrap();
        let port = rest.split('/').next().unwrap().parse().unwrap();
        let token = address.split("token=").nth(1).unwrap().to_owned();
        // It may go on to write.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        Self { child, port, token, said }
    }

    /// The answer to these bytes.
    pub(crate) fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A refused connection may be reset after its answer.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn cookie(&self) -> String {
        format!("Cookie: igpt-flow-{}={}\r\n", self.port, self.token)
    }

    /// The answer to one who has the cookie.
    pub(crate) fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}\r\n", self.port, self.cookie()))
    }

    fn status(&self, method: &str, path: &str, headers: &str) -> u16 {
        let answer = self.raw(&format!("{method} {path} HTTP/1.1\r\n{headers}\r\n"));
        answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn served() -> (Project, Served, String) {
    let project = Project::new(PIPELINE);
    project.run();
    let served = Served::new(&project, &[]);
    let id = std::fs::read_dir(project.path("artifacts/runs-v2")).unwrap().next().unwrap().unwrap();
    (project, served, id.file_name().into_string().unwrap())
}

#[test]
fn nobody_is_let_in_without_the_token_and_from_elsewhere() {
    let (_project, served, id) = served();
    let host = format!("Host: 127.0.0.1:{}\r\n", served.port);
    let (cookie, token) = (served.cookie(), &served.token);
    for path in ["/", &format!("/run/{id}"), &format!("/run/{id}/events"), "/nowhere"] {
        assert_eq!(served.status("GET", path, &host), 403, "{path}");
        assert_eq!(served.status("GET", &format!("{path}?token=0123"), &host), 403, "{path}");
        for foreign in
            ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1]", "", "localhost.evil"]
        {
            let foreign = format!("Host: {foreign}\r\n{cookie}");
            assert_eq!(served.status("GET", path, &foreign), 403, "{path} {foreign}");
        }
    }
    assert_eq!(served.status("GET", "/", &cookie), 403, "no host at all");
    assert_eq!(served.status("GET", "/", &format!("{host}{}", cookie.replace(token.as_str(), "0"))), 403);
    assert_eq!(served.status("GET", "/", &format!("{host}{cookie}")), 200);
    assert_eq!(
        served.status("GET", "/", &format!("Host: localhost:1\r\n{cookie}")),
        200,
        "by way of `ssh -L`"
    );
}

#[test]
fn the_token_is_exchanged_for_a_strict_cookie() {
    let (_project, served, _) = served();
    let token = &served.token;
    assert_eq!(token.len(), 32);
    let answer = served.raw(&format!("GET /?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let expected =
        format!("Set-Cookie: igpt-flow-{}={token}; HttpOnly; SameSite=Strict; Path=/\r\n", served.port);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&expected), "{answer}");
    assert!(answer.contains("url=/\"") && !answer.contains("token="), "{answer}");
    let page = served.get("/");
    assert!(!page.contains(token.as_str()), "a page does not hold the token");
    let lower = page.split("\r\n\r\n").next().unwrap().to_lowercase();
    assert!(!lower.contains("access-control"), "{lower}");
    for header in [
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "frame-ancestors 'none'",
    ] {
        assert!(lower.contains(header), "{header}: {lower}");
    }
    assert!(!lower.contains("unsafe"));
    // Not off to another site.
    let answer =
        served.raw(&format!("GET //evil.example/?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert!(!answer.contains("evil.example"), "{answer}");
}

#[test]
fn the_server_only_shows() {
    let (project, served, id) = served();
    let before = tree(&project.path("artifacts"));
    let headers = format!("Host: 127.0.0.1:{}\r\n{}", served.port, served.cookie());
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        assert_eq!(served.status(method, "/", &headers), 405, "{method}");
    }
    let answer = served.raw(&format!("HEAD /run/{id} HTTP/1.1\r\n{headers}\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty(), "{answer}");
    for path in [
        "/",
        &format!("/run/{id}"),
        &format!("/run/{id}/step/0"),
        &format!("/compare?run={id}&run={id}"),
        "/compare",
    ] {
        assert!(served.get(path).starts_with("HTTP/1.1 200"), "{path}");
    }
    assert_eq!(before, tree(&project.path("artifacts")), "nothing was written");
}

#[test]
fn no_address_leads_out_of_the_runs() {
    let (project, served, id) = served();
    project.write("artifacts/runs-v2.txt", "secret");
    for path in [
        "/run/..",
        "/run/%2e%2e",
        "/run/..%2f..%2fpipeline.yaml",
        "/run/../../pipeline.yaml",
        "/../../../../etc/passwd",
        "/run/%2Fetc%2Fpasswd",
        "/run/last",
        "/run/20",
        "/run/",
        &format!("/run/{id}/step/2"),
        &format!("/run/{id}/step/-1"),
        &format!("/run/{id}/../{id}"),
        &format!("/run/{id}/events/x"),
        &format!("/compare?run={id}&run=.."),
    ] {
        let answer = served.get(path);
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(!answer.contains("root:") && !answer.contains("stages:"));
    }
}

#[test]
fn what_is_no_request_is_refused_within_bounds() {
    let (_project, served, _) = served();
    let starts = |request: &str, status: &str| {
        let answer = served.raw(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    };
    starts("nonsense\r\n\r\n", "400");
    starts("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", "400");
    starts("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "400");
    starts(&format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100)), "431");
    starts(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(40_000)), "431");
    // A request that does not end is not waited for.
    starts("GET / HTTP/1.1\r\nHost: localhost\r\n", "408");
    // Who says nothing keeps nobody out.
    let silent: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(("127.0.0.1", served.port)).unwrap()).collect();
    assert!(served.get("/").starts_with("HTTP/1.1 200"));
    drop(silent);
}

#[test]
fn so_many_connections_and_no_more() {
    let (_project, served, _) = served();
    let _open: Vec<TcpStream> =
        (0..64).map(|_| TcpStream::connect(("127.0.0.1", served.port)).unwrap()).collect();
    wait_until("the server is full", || served.get("/").starts_with("HTTP/1.1 503"));
    wait_until("silent ones were let go", || served.get("/").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_run_is_followed_until_it_ends() {
    let project = Project::new(
        "name: followed\nstages:\n  a: {uses: command, with: {run: 'until [ -e \"$LOG.go\" ]; do sleep 0.02; done; echo > out', pass_env: [LOG]}}\n  \
         b: {uses: command, in: {x: a.out}, with: {run: 'cat x > out'}}\n",
    );
    let mut run = project.start(&["run", "pipeline.yaml"]);
    wait_until("the run has begun", || {
        let ids = std::fs::read_dir(project.path("artifacts/runs-v2"));
        ids.is_ok_and(|mut ids| ids.next().is_some_and(|id| id.unwrap().path().join("events.jsonl").exists()))
    });
    let served = Served::new(&project, &["last"]);
    let id = std::fs::read_dir(project.path("artifacts/runs-v2")).unwrap().next().unwrap().unwrap();
    let id = id.file_name().into_string().unwrap();
    assert!(served.said.contains(&format!("/run/{id}?token=")), "{}", served.said);
    wait_until("the step is shown as running", || {
        let page = served.get(&format!("/run/{id}"));
        page.contains("data-running") && page.contains("1 running")
    });
    assert!(served.get("/").contains("running"));
    let mut stream = TcpStream::connect(("127.0.0.1", served.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!("GET /run/{id}/events HTTP/1.1\r\nHost: localhost\r\n{}\r\n", served.cookie());
    stream.write_all(request.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut text = String::new();
    while !text.contains("\"running\"") {
        assert!(stream.read_line(&mut text).unwrap() > 0, "{text}");
    }
    assert!(text.contains("Content-Type: text/event-stream"), "{text}");
    project.write("log.go", "");
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("\"done\"") && text.contains("\"ended\":true"), "{text}");
    assert_eq!(run.wait().unwrap().code(), Some(0));
    wait_until("its end is recorded", || served.get(&format!("/run/{id}")).contains("succeeded"));
}

#[test]
fn the_way_in_over_ssh_is_told_and_an_interrupt_ends_it_well() {
    let project = Project::new(PIPELINE);
    project.run();
    let mut served = Served::with(&project, &[], Some("10.0.0.1 1 10.0.0.2 22"));
    let line = format!("ssh -L {0}:127.0.0.1:{0} ", served.port);
    assert!(served.said.contains(&line), "{}", served.said);
    signal(&served.child, "-INT");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    let again = Served::new(&project, &[]);
    assert!(!again.said.contains("ssh"), "{}", again.said);
    let taken = project.igpt_flow(&["view", "--port", &again.port.to_string()]);
    assert!(taken.code == 1 && taken.err.contains("cannot serve on port"), "{}", taken.err);
}
