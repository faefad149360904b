//! Stage `import`: reads a released network with its palette, from a folder or the Hugging Face hub, for use
//! in `tokenize`, `features`, `probe`, `finetune` and `sample`.
//!
//! The stage finds the files; `igpt-released` reads them.

mod hub;
mod params;

use std::path::{Path, PathBuf};

use igpt_contract::{
    AnyFile, Model, Opt, Out, Palette, ParamError, Resources, Stage, StageContext, StageError, StageIo,
    StageSpec,
};
use igpt_dataset::swatches;
use igpt_model::save_model;
use igpt_released::{ReadOptions, Released};

pub use hub::ENDPOINT;
pub use params::Params;

const FROM: Opt<AnyFile> = Opt::new(
    "from",
    "a folder with the network, instead of `repo`: Hugging Face's ImageGPT, or weights with OpenAI's names",
);
const COLOURS: Opt<AnyFile> = Opt::new(
    "palette",
    "the colours, if the network's folder has none: `.npy`, `clusters.json` or `preprocessor_config.json`, \
     or a folder with one of them",
);
const MODEL: Out<Model> = Out::new("model", "the network");
const PALETTE: Out<Palette> = Out::new("palette", "the colours of its tokens");

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Import;

impl Stage for Import {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "import",
            summary: "imports a released network with its palette: Hugging Face's ImageGPT, OpenAI's weights",
            // 2: networks without a head over the colours come in; a class head of others is left out; a
            // palette in 0..1 is no longer taken for one in -1..1.
            version: 2,
            inputs: vec![FROM.port(), COLOURS.port()],
            outputs: vec![MODEL.port(), PALETTE.port()],
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 2048, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let endpoint = std::env::var(ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty());
        let folder = folder(params, io.optional(&FROM), endpoint.as_deref(), cx)?;
        let options =
            ReadOptions { palette: io.optional(&COLOURS), range: params.range, heads: params.heads };
        let Released { gpt, card, palette, notes } = igpt_released::read(&folder, options)?;
        for note in notes {
            cx.note(note);
        }
        cx.check()?;
        save_model(io.output(&MODEL), &gpt, &card)
            .map_err(|error| StageError::caused("cannot write the model", error))?;
        let out = io.output(&PALETTE);
        palette.write(out)?;
        swatches(&palette.rgb())
            .save_with_format(out.join("palette.png"), image::ImageFormat::Png)
            .map_err(|error| StageError::caused("cannot write `palette.png`", error))
    }
}

/// The network's folder on this machine; `endpoint` is the value of [`ENDPOINT`].
///
/// # Errors
/// If both or neither of `from` and `repo` are set, or the files cannot be downloaded.
pub fn folder(
    params: &Params,
    from: Option<&Path>,
    endpoint: Option<&str>,
    cx: &StageContext,
) -> Result<PathBuf, StageError> {
    match (from, &params.repo) {
        (Some(_), Some(repo)) => {
            let what = format!("expected either the input `from` or `repo`, found both (`repo: {repo}`)");
            Err(StageError::new(what).hint("remove one of them"))
        }
        (Some(folder), None) => Ok(folder.to_owned()),
        (None, Some(repo)) => hub::fetch_network(repo, &params.revision, endpoint, cx),
        (None, None) => {
            Err(StageError::new("expected the input `from` or the parameter `repo`, found neither")
                .hint("set `in: {from: path/to/folder}` or `with: {repo: openai/imagegpt-small}`"))
        }
    }
}
