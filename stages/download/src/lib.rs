//! Stage `download`: images with their labels and official splits, from an official archive, from
//! files or drawn.
//!
//! The stage knows formats and places, and nothing of what is done with the images. A bad archive
//! is an error that names the file, what was expected and what was found.

mod archive;
mod cifar;
mod folder;
mod gunzip;
mod locate;
mod members;
mod official;
mod params;
mod picture;
mod shapes;
mod stl10;
mod web;

use std::path::Path;

use igpt_contract::{
    AnyFile, ImageSet, Opt, Out, ParamError, Resources, Stage, StageContext, StageError, StageIo, StageSpec,
};

pub use official::{Archive, ArchiveParams, Dataset, keep};
pub use params::{Exif, Labels, Params, Source};

/// The environment variable that names another place for the official archives: a URL prefix
/// (`http://`, `https://`) or a local folder. It never enters a key: the content is checked.
pub const MIRROR: &str = "IGPT_FLOW_MIRROR";

const ARCHIVE: Opt<AnyFile> = Opt::new(
    "archive",
    "a local archive instead of a download; for `folder` and `web` the images themselves",
);
const IMAGES: Out<ImageSet> = Out::new("images", "the images with their labels and official splits");

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Download;

impl Stage for Download {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "download",
            summary: "gets images with their labels and official splits: CIFAR, STL-10, files, web images, shapes",
            // 2: a JPEG that is cut off is no image any more. 3: rows have names and orientations; the
            // JPEGs that were decoded wrongly are right; WebP, GIF, BMP and TIFF are images.
            version: 3,
            inputs: vec![ARCHIVE.port()],
            outputs: vec![IMAGES.port()],
            // Shapes have a seed of their own: the experiment's changes no data set.
            seeded: false,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 1024, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        ingest(params, io.optional(&ARCHIVE), mirror().as_deref(), io.output(&IMAGES), cx)
    }
}

/// What [`MIRROR`] says.
fn mirror() -> Option<String> {
    std::env::var(MIRROR).ok().filter(|mirror| !mirror.is_empty())
}

/// The stage's work: fills the empty folder `out` with the image set.
///
/// `archive` is a local archive (for `folder` the images); `mirror` what [`MIRROR`] would say.
///
/// # Errors
/// If the archive cannot be had, or is not what it should be.
pub fn ingest(
    params: &Params,
    archive: Option<&Path>,
    mirror: Option<&str>,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let official = |spec| locate::archive(spec, archive, mirror, cx);
    match params.source {
        Source::Cifar10 => official(&cifar::CIFAR10)?.ingest(|members| cifar::ten(members, params, out, cx)),
        Source::Cifar100 => {
            official(&cifar::CIFAR100)?.ingest(|members| cifar::hundred(members, params, out, cx))
        }
        Source::Stl10 => official(&stl10::STL10)?.ingest(|members| stl10::ingest(members, params, out, cx)),
        Source::Folder | Source::Web => {
            let images = archive.ok_or_else(|| {
                let source = params.source.as_str();
                StageError::new(format!("the source `{source}` needs the input `archive`, found none"))
                    .hint("wire a folder or a tar of images: `in: {archive: path/to/images}`")
            })?;
            let ingest = if params.source == Source::Web { web::ingest } else { folder::ingest };
            ingest(images, params, out, cx)
        }
        Source::Shapes if archive.is_some() => {
            Err(StageError::new("the source `shapes` takes no input `archive`, found one"))
        }
        Source::Shapes => shapes::ingest(params, out, cx),
    }
}
