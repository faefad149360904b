//! A headless Chromium by way of chromedriver: as much of WebDriver as the tests need, over plain HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A browser with one tab.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

fn found(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// The system's Chromium.
pub(crate) fn chromium() -> Option<PathBuf> {
    found(&["chromium", "chromium-browser", "google-chrome"])
}

impl Browser {
    /// Starts one; none, and a word about it, where there is no Chromium.
    pub(crate) fn start(what: &str) -> Option<Self> {
        let (Some(chromium), Some(chromedriver)) = (chromium(), found(&["chromedriver"])) else {
            eprintln!("skipped: {what} (no chromium with its chromedriver)");
            return None;
        };
        let mut driver = Command::new(chromedriver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(driver.stdout.take().unwrap());
        let mut said = String::new();
        let port = loop {
            assert!(out.read_line(&mut said).unwrap() > 0, "chromedriver ended: {said}");
            let port = said.split("started successfully on port ").nth(1);
            if let Some(port) = port.and_then(|rest| rest.trim().trim_end_matches('.').parse().ok()) {
                break port;
            }
        };
        // It may go on to write.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let mut browser = Self { driver, port, session: String::new() };
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        let options = json!({"binary": chromium, "args": arguments});
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let answer = browser.post("/session", &capabilities);
        browser.session = answer["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Some(browser)
    }

    /// Opens an address.
    pub(crate) fn open(&self, url: &str) {
        self.ask("url", &json!({"url": url}));
    }

    /// What a script answers.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Switches the network off.
    pub(crate) fn offline(&self) {
        self.developer("Network.enable", &json!({}));
        let off = json!({"offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0});
        self.developer("Network.emulateNetworkConditions", &off);
    }

    /// The width of the window, and whether it is dark.
    pub(crate) fn look(&self, width: u32, dark: bool) {
        let size = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500});
        self.developer("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.developer("Emulation.setEmulatedMedia", &features);
    }

    /// The addresses that were asked for, but those that hold their content.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.ask("se/log", &json!({"type": "performance"}));
        let entries = log.as_array().unwrap().iter();
        let messages =
            entries.map(|entry| serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap());
        messages
            .filter(|message| message["message"]["method"] == "Network.requestWillBeSent")
            .map(|message| message["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
            .filter(|url| !url.starts_with("data:"))
            .collect()
    }

    /// What the console says.
    pub(crate) fn console(&self) -> Vec<String> {
        let log = self.ask("se/log", &json!({"type": "browser"}));
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    fn developer(&self, command: &str, parameters: &Value) {
        self.ask("goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    fn ask(&self, what: &str, body: &Value) -> Value {
        self.post(&format!("/session/{}/{what}", self.session), body)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let answer = self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.port,
            body.len()
        ));
        let value: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert!(value["value"].get("error").is_none(), "{path}: {value:#}");
        value["value"].clone()
    }

    /// The body of the answer, which says how long it is.
    fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let (mut length, mut line) = (0, String::new());
        while stream.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            let end = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                self.session
            );
            self.send(&end);
        }
        // It may have ended.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
