//! The server of the pages: on this machine alone, for who has its token, read-only.
//!
//! A server and not a framework: it answers GET and HEAD, one request a connection, in threads of a fixed
//! number, and reads no body. What would need more of HTTP would need another server.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use igpt_contract::Digest;
use maud::html;

use super::compare::{self, compare_page};
use super::data::json;
use super::http::{Answer, Request, begin_events, read, write};
use super::list::{Filter, list_page};
use super::live::Follower;
use super::page::{Medium, Page, policy};
use super::planned::PlannedRun;
use super::run::Run;
use super::run_page::{one_step, run_page};
use crate::store::{RunFolder, Store, StoreError};

/// How many connections are answered at a time, and how many of those may follow a run.
const CONNECTIONS: usize = 64;
const FOLLOWERS: usize = 24;

/// How often a run is looked at, and after how many looks without news the reader is asked whether he is
/// still there.
const LOOK: Duration = Duration::from_millis(250);
const QUIET: u32 = 40;

/// What a run is read with: the store with the run's remote behind it, and the plan made again from what the run
/// was made of.
pub(crate) type Look = dyn Fn(&RunFolder) -> (Store, Option<PlannedRun>) + Send + Sync;

/// A server that is ready.
pub(crate) struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    look: Box<Look>,
    with_machine: bool,
    max_size: u64,
    token: String,
    cookie: String,
    followers: AtomicUsize,
    stopped: &'static AtomicBool,
}

impl Server {
    /// Listens on this machine's own address. Port 0 is any that is free. It ends when `stopped` is set.
    ///
    /// # Errors
    /// Where the port is taken, or the system has no random bytes.
    pub(crate) fn bind(
        store: Store,
        port: u16,
        look: Box<Look>,
        (with_machine, max_size): (bool, u64),
        stopped: &'static AtomicBool,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let token = random()?;
        // Browsers tell cookies of one machine apart by their names, not by ports.
        let cookie = format!("igpt-flow-{}", listener.local_addr()?.port());
        let followers = AtomicUsize::new(0);
        let shared = Shared { store, look, with_machine, max_size, token, cookie, followers, stopped };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// The port.
    ///
    /// # Errors
    /// Where the system does not say.
    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// What opens this path in a browser, the token included.
    ///
    /// # Errors
    /// As [`Self::port`].
    pub(crate) fn url(&self, path: &str) -> io::Result<String> {
        Ok(format!("http://127.0.0.1:{}{path}?token={}", self.port()?, self.shared.token))
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// Where the system refuses to wait for connections.
    pub(crate) fn run(self) -> io::Result<()> {
        let open = Arc::new(AtomicUsize::new(0));
        while !self.shared.stopped.load(Ordering::Relaxed) {
            if !is_ready(&self.listener)? {
                continue;
            }
            let Ok((mut stream, _)) = self.listener.accept() else { continue };
            if open.load(Ordering::Relaxed) >= CONNECTIONS {
                let answer = Answer::refusal("503 Service Unavailable", "too many connections");
                // Who is refused may have gone.
                let _ = stream
                    .set_nonblocking(false)
                    .and_then(|()| write(&mut stream, &answer, policy(Medium::Served), false));
                continue;
            }
            let taken = Taken::new(&open);
            let shared = Arc::clone(&self.shared);
            let answer = move || {
                let _taken = taken;
                // A reader that has gone is no failure.
                let _ = stream.set_nonblocking(false).and_then(|()| shared.answer(stream));
            };
            // Without a thread the connection is closed.
            let _ = std::thread::Builder::new().spawn(answer);
        }
        Ok(())
    }
}

/// One of a limited number, given back when it is dropped.
struct Taken(Arc<AtomicUsize>);

impl Taken {
    fn new(of: &Arc<AtomicUsize>) -> Self {
        of.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(of))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits for a connection, for a fifth of a second or until a signal.
fn is_ready(listener: &TcpListener) -> io::Result<bool> {
    let mut wanted = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd, of a descriptor that is open.
    match unsafe { libc::poll(&raw mut wanted, 1, 200) } {
        -1 => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
        ready => Ok(ready > 0),
    }
}

/// 128 random bits from the system.
fn random() -> io::Result<String> {
    use std::io::Read as _;
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether two secrets are one, in a time that says nothing of where they differ.
fn is_same(a: &str, b: &str) -> bool {
    let [a, b] = [a, b].map(|text| Digest::of(text.as_bytes()).to_string().into_bytes());
    a.iter().zip(&b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let policy = policy(Medium::Served);
        let request = match read(&mut stream) {
            Ok(request) => request,
            Err(answer) => return write(&mut stream, &answer, policy, false),
        };
        let head_only = request.method == "HEAD";
        if let Err(refusal) = self.admit(&request) {
            return write(&mut stream, &refusal, policy, head_only);
        }
        let parts: Vec<&str> = request.path.split('/').skip(1).collect();
        if let ["run", id, "events"] = parts[..]
            && !head_only
        {
            return match self.folder(id) {
                Ok(folder) => self.follow(&mut stream, folder),
                Err(answer) => write(&mut stream, &answer, policy, false),
            };
        }
        let answer = self.page(&request, &parts).unwrap_or_else(|refusal| refusal);
        write(&mut stream, &answer, policy, head_only)
    }

    /// Whether the request may be answered. One with the token gets a cookie; a page of ours then goes on
    /// to the address without it, so that the browser sends the cookie wherever the link was clicked.
    fn admit(&self, request: &Request) -> Result<(), Answer> {
        let host = request.host.as_deref().unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        if !matches!(name, "127.0.0.1" | "localhost") {
            return Err(Answer::refusal(
                "403 Forbidden",
                "this server answers to 127.0.0.1 and localhost alone",
            ));
        }
        if !matches!(&*request.method, "GET" | "HEAD") {
            let refusal = Answer::refusal("405 Method Not Allowed", "this server only shows");
            let headers = [refusal.headers, vec![("Allow", "GET, HEAD".to_owned())]].concat();
            return Err(Answer { headers, ..refusal });
        }
        let cookies = request.cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        if cookies.filter(|(name, _)| *name == self.cookie).any(|(_, value)| is_same(value, &self.token)) {
            return Ok(());
        }
        let said = request.query.iter().find(|(name, _)| name == "token");
        if !said.is_some_and(|(_, value)| is_same(value, &self.token)) {
            let why = "no token: open the address that `igpt-flow view` printed";
            return Err(Answer::refusal("403 Forbidden", why));
        }
        let to = if request.path.starts_with("//") { "/" } else { &request.path };
        let body = html! {
            meta charset="utf-8";
            meta http-equiv="refresh" content={ "0; url=" (to.replace([';', ',', '\'', '"'], "")) };
            title { "igpt-flow" }
            a href=(to) { "Go on" }
        };
        let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie, self.token);
        Err(Answer { headers: vec![("Set-Cookie", cookie)], ..Answer::page(body.into_string()) })
    }

    fn page(&self, request: &Request, parts: &[&str]) -> Result<Answer, Answer> {
        let asked = |name: &str| {
            let found = request.query.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let body = match parts {
            [""] => {
                let (pipeline, status, before) = (asked("pipeline"), asked("status"), asked("before"));
                list_page(&self.store, &Filter { pipeline, status, before })
                    .map_err(|error| failed(&error))?
            }
            ["run", id] => {
                let run = self.run(&self.folder(id)?);
                run_page(&run, Medium::Served, self.max_size).html
            }
            ["run", id, "step", step] => {
                let run = self.run(&self.folder(id)?);
                let step = step.parse().ok().and_then(|step| one_step(&run, step));
                step.ok_or_else(|| missing("the run has no such step"))?
            }
            ["compare"] => self.compare(request)?,
            _ => return Err(missing("there is no such page")),
        };
        Ok(Answer::page(body))
    }

    fn compare(&self, request: &Request) -> Result<String, Answer> {
        let mut ids: Vec<&String> =
            request.query.iter().filter(|(name, _)| name == "run").map(|(_, id)| id).collect();
        ids.dedup();
        if ids.len() < 2 || ids.len() > compare::RUNS {
            let body = html! {
                h1 { "Comparison" }
                p { "Choose 2 to " (compare::RUNS) " runs in the " a href="/" { "list of runs" } "." }
            };
            let page = Page { title: "Comparison", nav: Vec::new(), body, live: None, refreshed: false };
            return Ok(page.render(Medium::Served));
        }
        let runs = ids.into_iter().map(|id| Ok(self.run(&self.folder(id)?)));
        Ok(compare_page(&runs.collect::<Result<Vec<Run>, Answer>>()?, Medium::Served))
    }

    /// A run by its whole id. The id is looked up among those that there are: it is never a path.
    fn folder(&self, id: &str) -> Result<RunFolder, Answer> {
        let runs = self.store.runs().map_err(|error| failed(&error))?;
        runs.into_iter().find(|run| run.id() == id).ok_or_else(|| missing("the store has no such run"))
    }

    fn run(&self, folder: &RunFolder) -> Run {
        let (store, planned) = (self.look)(folder);
        Run::read(&store, folder, planned, Medium::Served, self.with_machine)
    }

    /// Sends what is new in a run until it ends, its reader goes or the server stops.
    fn follow(&self, stream: &mut TcpStream, folder: RunFolder) -> io::Result<()> {
        let policy = policy(Medium::Served);
        if self.followers.fetch_add(1, Ordering::Relaxed) >= FOLLOWERS {
            self.followers.fetch_sub(1, Ordering::Relaxed);
            let busy = Answer::refusal("503 Service Unavailable", "too many pages follow a run");
            return write(stream, &busy, policy, false);
        }
        let run = self.run(&folder);
        let done = begin_events(stream, policy).and_then(|()| self.send(stream, Follower::new(folder, run)));
        self.followers.fetch_sub(1, Ordering::Relaxed);
        done
    }

    fn send(&self, stream: &mut TcpStream, mut follower: Follower) -> io::Result<()> {
        let mut quiet = 0;
        while !self.stopped.load(Ordering::Relaxed) {
            match follower.news() {
                Some(news) => {
                    quiet = 0;
                    stream.write_all(format!("data: {}\n\n", json(&news)).as_bytes())?;
                    stream.flush()?;
                    if news.ended {
                        return Ok(());
                    }
                }
                None if quiet == QUIET => {
                    quiet = 0;
                    stream.write_all(b": still here\n\n")?;
                }
                None => quiet += 1,
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

fn missing(what: &str) -> Answer {
    Answer::refusal("404 Not Found", what)
}

fn failed(error: &StoreError) -> Answer {
    Answer::refusal("500 Internal Server Error", &format!("the store cannot be read: {error}"))
}
