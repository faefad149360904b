//! The stage from artifacts to artifacts: what is drawn, what leaves it as it is, what is refused.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use igpt_contract::{StageError, stream};
use igpt_dataset::{PaletteTable, RowKey, Split, TokenTable, TokensInfo, TokensWriter};
use igpt_model::{Gpt, Input, ModelCard, ModelParams, Objective, Preset, save_model};
use igpt_sample::Sample;
use igpt_testing::Trial;
use rand::RngExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

const SIDE: usize = 6;
const VOCAB: usize = 12;

fn palette() -> PaletteTable {
    PaletteTable { colours: (0..VOCAB).map(|i| [i as f32 / 12.0, -0.5, 0.25]).collect() }
}

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        palette().write(&bench.folder("palette")).unwrap();
        bench.model(Objective::Autoregressive);
        bench
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn model(&self, objective: Objective) -> Gpt {
        let params = ModelParams { preset: Preset::Tiny, zero_head: false, ..ModelParams::default() };
        let config = params.config(SIDE * SIDE, VOCAB).unwrap();
        let gpt = Gpt::init(&config, &mut stream(0, "init"), &Device::flex());
        let card =
            ModelCard { palette: Some(palette().digest()), ..ModelCard::new(&config, objective, SIDE, SIDE) };
        save_model(&self.folder("model"), &gpt, &card).unwrap();
        gpt
    }

    /// Three training images and five test images, two views of each.
    fn tokens(&self) -> PathBuf {
        let folder = self.folder("tokens");
        let info = TokensInfo {
            name: "noise".to_owned(),
            height: SIDE,
            width: SIDE,
            vocab: VOCAB,
            palette: Some(palette().digest()),
            classes: vec!["a".to_owned(), "b".to_owned()],
            sets: Vec::new(),
        };
        let mut random = stream(1, "tokens");
        let mut writer = TokensWriter::create(&folder, &info).unwrap();
        for id in 0..8u64 {
            for view in 0..2 {
                let split = if id < 3 { Split::Train } else { Split::Test };
                let key = RowKey { id, split, label: (id % 2) as i32, view };
                let tokens: Vec<u16> =
                    (0..SIDE * SIDE).map(|_| random.random_range(0..VOCAB as u16)).collect();
                writer.append(key, &tokens).unwrap();
            }
        }
        writer.finish().unwrap();
        folder
    }

    fn trial(&self, tokens: Option<&Path>) -> Trial {
        let mut trial = Trial::new(Sample).threads(2);
        trial.input_at("model", &self.folder("model"));
        trial.input_at("palette", &self.folder("palette"));
        tokens.into_iter().for_each(|tokens| trial.input_at("tokens", tokens));
        trial
    }

    fn run(&self, params: Value, tokens: Option<&Path>, seed: u64) -> Result<Drawn, StageError> {
        let outputs = self.trial(tokens).seed(seed).run(&params)?;
        let samples = TokenTable::read(outputs.folder("samples")).unwrap();
        let grid = std::fs::read(outputs.folder("grid").join("grid.png")).unwrap();
        Ok(Drawn { samples, grid })
    }

    #[track_caller]
    fn refusal(&self, params: Value, tokens: Option<&Path>) -> String {
        self.run(params, tokens, 0).unwrap_err().to_string()
    }
}

#[derive(Debug)]
struct Drawn {
    samples: TokenTable,
    grid: Vec<u8>,
}

#[test]
fn the_contract_is_kept() {
    let bench = Bench::new();
    bench.trial(None).check(&json!({"rows": 2, "columns": 2}));
    bench.trial(Some(&bench.tokens())).check(&json!({"rows": 2, "columns": 2}));
}

#[test]
fn images_from_nothing_are_those_of_their_own_streams() {
    let bench = Bench::new();
    let run = |params: Value, seed| bench.run(params, None, seed).unwrap();
    let drawn = run(json!({"rows": 3, "columns": 4}), 0);
    assert_eq!((drawn.samples.len(), drawn.samples.info.palette), (12, Some(palette().digest())));
    assert!(drawn.samples.labels.iter().all(|label| *label == -1));
    assert_eq!(drawn.samples.rows_of(Split::Train).len(), 12);
    // The number at once moves no bit; nor do more images those before them.
    let again = run(json!({"rows": 3, "columns": 4, "batch": 5}), 0);
    assert!(again.samples == drawn.samples && again.grid == drawn.grid);
    let more = run(json!({"rows": 5, "columns": 3}), 0);
    assert_eq!(more.samples.tokens[..12 * SIDE * SIDE], drawn.samples.tokens);
    assert_ne!(run(json!({"rows": 3, "columns": 4}), 1).samples.tokens, drawn.samples.tokens);
    let picture = image::load_from_memory(&drawn.grid).unwrap();
    assert_eq!((picture.width(), picture.height()), (4 * (6 * 4 + 2) + 2, 3 * (6 * 4 + 2) + 2));
}

#[test]
fn completions_keep_what_is_given_and_are_views_of_their_image() {
    let bench = Bench::new();
    let tokens = bench.tokens();
    let drawn =
        bench.run(json!({"rows": 3, "columns": 2, "skip": 1, "keep": 0.5}), Some(&tokens), 0).unwrap();
    let originals = TokenTable::read(&tokens).unwrap();
    let given = SIDE * SIDE / 2;
    assert_eq!(drawn.samples.len(), 6);
    for row in 0..6 {
        let key = drawn.samples.key(row);
        let image = 4 + row as u64 / 2;
        assert_eq!((key.id, key.split, key.view), (image, Split::Test, row as u16 % 2));
        assert_eq!(key.label, (image % 2) as i32);
        let original = (0..originals.len()).find(|i| originals.ids[*i] == image).unwrap();
        assert_eq!(drawn.samples.row(row)[..given], originals.row(original)[..given]);
        assert_ne!(drawn.samples.row(row)[given..], originals.row(original)[given..]);
    }
    assert_ne!(drawn.samples.row(0), drawn.samples.row(1));
    let picture = image::load_from_memory(&drawn.grid).unwrap().to_rgb8();
    assert_eq!(picture.width(), 2 + 24 + 8 + 24 + 2 + 24 + 8 + 24 + 2);
    // The lower half of the first column was not given.
    assert_eq!(picture.get_pixel(3, 2 + 12).0, [200; 3]);
    let colour = palette().rgb()[usize::from(originals.row(8)[0])];
    assert_eq!(picture.get_pixel(2, 2).0, colour);
}

/// Greedy drawing (`top_k: 1`) follows the full forward pass.
#[test]
fn the_likeliest_colours_are_those_of_the_full_forward_pass() {
    let bench = Bench::new();
    let gpt = bench.model(Objective::Autoregressive);
    let tokens = bench.tokens();
    let drawn =
        bench.run(json!({"rows": 2, "columns": 1, "top_k": 1, "keep": 0.2}), Some(&tokens), 0).unwrap();
    for row in 0..2 {
        let tokens: Vec<i64> = drawn.samples.row(row).iter().map(|token| i64::from(*token)).collect();
        let x = Tensor::<2, Int>::from_data(TensorData::new(tokens, [1, SIDE * SIDE]), &Device::flex());
        let logits: Vec<f32> =
            gpt.logits(x, &Input::Autoregressive, None).into_data().iter::<f32>().collect();
        for (t, logits) in logits.chunks(VOCAB).enumerate().skip(SIDE) {
            let likeliest = (0..VOCAB).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
            assert_eq!(usize::from(drawn.samples.row(row)[t]), likeliest, "row {row}, position {t}");
        }
    }
}

#[test]
fn what_cannot_be_drawn_says_why() {
    let bench = Bench::new();
    let tokens = bench.tokens();
    assert!(bench.refusal(json!({"rows": 6}), Some(&tokens)).contains("at least 6 test images"));
    for (params, part) in [
        (json!({"keep": 1.0}), "`keep` is 1, expected a number between 0 and 1"),
        (json!({"temperature": 0.0}), "`temperature` is 0, expected a number above 0"),
        (json!({"rows": 0}), "`rows` is 0"),
        (json!({"scale": 65}), "`scale` is 65"),
        (json!({"batch": 0}), "`batch` is 0"),
        (json!({"topk": 3}), "unknown field `topk`"),
    ] {
        let error = bench.refusal(params, None);
        assert!(error.contains(part), "{error}");
    }
    PaletteTable { colours: vec![[0.0; 3]; VOCAB] }.write(&bench.folder("palette")).unwrap();
    let error = bench.refusal(json!({}), None);
    assert!(error.contains("the model does not belong to these tokens"), "{error}");
    palette().write(&bench.folder("palette")).unwrap();
    bench.model(Objective::Bert);
    assert!(bench.refusal(json!({}), None).contains("cannot generate images in order"));
}
