//! The stage from a folder and from a hub on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use igpt_contract::{DynStage as _, LabelledInput, StageContext, StageError, StageIo, stream};
use igpt_dataset::PaletteTable;
use igpt_import::{Import, Params, folder};
use igpt_model::{Gpt, ModelCard, ModelParams, Objective, Preset, load_model, named_parameters};
use igpt_testing::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;

fn palette() -> PaletteTable {
    PaletteTable { colours: (0..8).map(|i| [i as f32 / 8.0; 3]).collect() }
}

/// The files of a published network.
fn files() -> BTreeMap<String, Vec<u8>> {
    let params = ModelParams { preset: Preset::Tiny, zero_head: false, ..ModelParams::default() };
    let config = params.config(16, 8).unwrap();
    let gpt = Gpt::init(&config, &mut stream(1, "init"), &Default::default());
    let card = ModelCard {
        palette: Some(palette().digest()),
        step: 9,
        ..ModelCard::new(&config, Objective::Autoregressive, 4, 4)
    };
    let dir = tempfile::tempdir().unwrap();
    igpt_released::write(dir.path(), &gpt, &card, &palette()).unwrap();
    let entries = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

/// A hub of one repository, `me/tiny`, which breaks off the first answer of each large file.
struct Hub {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::<String>::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                let mut start = 0;
                for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
                    let range = line.to_lowercase();
                    if let Some(range) = range.strip_prefix("range: bytes=") {
                        start = range.trim_end_matches('-').parse().unwrap();
                    }
                }
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let again = seen.lock().unwrap().contains(&path);
                seen.lock().unwrap().push(path.clone());
                let file = path.strip_prefix("/me/tiny/resolve/main/").and_then(|name| files.get(name));
                let Some(file) = file else {
                    let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                    continue;
                };
                let status = if start == 0 { "200 OK" } else { "206 Partial Content" };
                let body = &file[start..];
                let range = format!("Content-Range: bytes {start}-{}/{}\r\n", file.len() - 1, file.len());
                let head = format!(
                    "HTTP/1.1 {status}\r\nETag: \"v1\"\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
                    if start == 0 { "" } else { &range },
                    body.len()
                );
                let broken = !again && body.len() > 100_000;
                let body = if broken { &body[..50_000] } else { body };
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            }
        });
        Self { url, asked }
    }

    fn asked(&self, end: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|path| path.ends_with(end)).count()
    }
}

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn context(&self) -> StageContext {
        StageContext::new(0, 1, self.folder("checkpoints"), |_| ())
    }

    fn write(&self, name: &str, files: &BTreeMap<String, Vec<u8>>) -> PathBuf {
        let folder = self.folder(name);
        for (file, bytes) in files {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
        folder
    }

    fn run(&self, params: Value, inputs: &[(&str, &Path)]) -> Result<(), StageError> {
        let input = |path: &Path| vec![LabelledInput { path: path.to_owned(), labels: Default::default() }];
        let io = StageIo {
            inputs: inputs.iter().map(|(name, path)| ((*name).to_owned(), input(path))).collect(),
            outputs: ["model", "palette"].map(|name| (name.to_owned(), self.folder(name))).into(),
        };
        let params = Import.complete(&params).map_err(|error| StageError::new(error.to_string()))?;
        Import.run(&params, &io, &self.context())
    }
}

#[test]
fn a_folder_becomes_a_model_and_its_palette() {
    let bench = Bench::new();
    let mut files = files();
    let published = bench.write("published", &files);
    bench.run(json!({}), &[("from", &published)]).unwrap();
    let (gpt, card) = load_model(&bench.folder("model"), &Default::default()).unwrap();
    assert_eq!((card.step, card.palette), (9, Some(palette().digest())));
    assert_eq!(named_parameters(&gpt).len(), 5 + 4 * 6);
    assert_eq!(PaletteTable::read(&bench.folder("palette")).unwrap(), palette());
    assert!(bench.folder("palette").join("palette.png").is_file());
    // The palette may come from elsewhere.
    files.remove("preprocessor_config.json");
    let bare = bench.write("bare", &files);
    let error = bench.run(json!({}), &[("from", &bare)]).unwrap_err();
    assert!(error.to_string().contains("expected a palette"), "{error}");
    let colours = bench.folder("palette");
    bench.run(json!({}), &[("from", &bare), ("palette", &colours)]).unwrap();
}

#[test]
fn the_contract_is_kept() {
    let bench = Bench::new();
    let mut trial = Trial::new(Import);
    trial.input_at("from", &bench.write("published", &files()));
    trial.check(&json!({}));
}

#[test]
fn one_place_is_named_and_no_more() {
    let bench = Bench::new();
    let error = bench.run(json!({}), &[]).unwrap_err();
    assert!(error.to_string().contains("found neither"), "{error}");
    let published = bench.write("published", &files());
    let error = bench.run(json!({"repo": "me/tiny"}), &[("from", &published)]).unwrap_err();
    assert!(error.to_string().contains("found both"), "{error}");
    assert!(bench.run(json!({"repo": "tiny"}), &[]).unwrap_err().to_string().contains("owner/name"));
}

fn params(repo: &str, revision: &str) -> Params {
    Params { repo: Some(repo.to_owned()), revision: revision.to_owned(), heads: None, range: None }
}

#[test]
fn a_network_comes_from_the_hub_through_interruptions() {
    let bench = Bench::new();
    let hub = Hub::new(files());
    let got = folder(&params("me/tiny", "main"), None, Some(&hub.url), &bench.context()).unwrap();
    for (name, bytes) in files() {
        assert!(std::fs::read(got.join(&name)).unwrap() == bytes, "{name}");
    }
    assert_eq!((hub.asked("model.safetensors"), hub.asked("config.json")), (2, 2));
}

#[test]
fn shards_are_fetched_by_their_index() {
    let bench = Bench::new();
    let mut files = files();
    let weights = files.remove("model.safetensors").unwrap();
    files.insert("model-1.safetensors".to_owned(), weights);
    let index = json!({"weight_map": {"lm_head.weight": "model-1.safetensors"}}).to_string();
    files.insert("model.safetensors.index.json".to_owned(), index.into_bytes());
    let hub = Hub::new(files.clone());
    let got = folder(&params("me/tiny", "main"), None, Some(&hub.url), &bench.context()).unwrap();
    assert!(got.join("model-1.safetensors").is_file());

    let index = json!({"weight_map": {"lm_head.weight": "../x.safetensors"}}).to_string();
    files.insert("model.safetensors.index.json".to_owned(), index.into_bytes());
    let hub = Hub::new(files);
    let bench = Bench::new();
    let error = folder(&params("me/tiny", "main"), None, Some(&hub.url), &bench.context()).unwrap_err();
    assert!(error.to_string().contains("`../x.safetensors` is not a valid name of a shard"), "{error}");
}

#[test]
fn what_the_hub_has_not_says_what_to_do() {
    let mut files = files();
    files.remove("model.safetensors");
    files.insert("pytorch_model.bin".to_owned(), b"PK".to_vec());
    let hub = Hub::new(files);
    let bench = Bench::new();
    let refusal = |repo, revision, offline| {
        let cx = bench.context().offline(offline);
        match folder(&params(repo, revision), None, Some(&hub.url), &cx).unwrap_err() {
            StageError::Failed { what, hint, .. } => format!("{what}\n{}", hint.unwrap_or_default()),
            StageError::Cancelled => panic!("nobody cancelled"),
        }
    };
    let pickle = refusal("me/tiny", "main", false);
    assert!(pickle.contains("reading one runs code") && pickle.contains("refs/pr/N"), "{pickle}");
    assert_eq!(hub.asked("pytorch_model.bin"), 0);
    let absent = refusal("me/other", "main", false);
    assert!(absent.contains("404") && absent.contains("me/other/resolve/main/config.json"), "{absent}");
    assert!(refusal("me/tiny", "refs/pr/1", false).contains("refs%2Fpr%2F1"));
    let offline = refusal("me/tiny", "main", true);
    assert!(offline.contains("may not be used") && offline.contains("{from: path/to/folder}"), "{offline}");
}
