//! Stage `download`: reads images with their labels and official splits, from an official archive or from
//! files, or draws them.
//!
//! An archive that is not valid is an error that names the file, what was expected and what was found.

mod archive_stage;
mod catalogue;
mod cifar;
mod csv;
mod devkit;
mod drawing;
mod drawn_split;
mod folder;
mod forward_reader;
mod gunzip;
mod hidden;
mod image_file;
mod imagenet;
mod imagenet_val;
mod label_file;
mod labels_from_file;
mod layout;
mod layout_checks;
mod listing;
mod local_archive;
mod locate;
mod matlab;
mod params;
mod shapes;
mod skipped;
mod splits;
mod stl10;
mod tarball;
mod textures;
mod web;
mod write;

use std::path::Path;

use igpt_contract::{
    AnyFile, ImageSet, Known, KnownInputs, KnownOutputs, Opt, Out, ParamError, Resources, Stage,
    StageContext, StageError, StageIo, StageSpec,
};

pub use archive_stage::{Archive, ArchiveParams, OfficialDataset, fetch_archive};
use catalogue::{CIFAR10, CIFAR100, STL10};
pub use drawn_split::DrawnSplit;
pub use locate::MIRROR;
pub use params::{EmptyClasses, Exif, LabelChoice, Params, Source};
pub use splits::{NoSplits, OneOrMany, SplitNames, Splits};

const ARCHIVE: Opt<AnyFile> = Opt::new(
    "archive",
    "a local archive instead of a download; the images themselves for `imagenet`, `folder` and `web`",
);
const LABELS: Opt<AnyFile> = Opt::new(
    "labels",
    "for `folder`: a CSV or Parquet file of labels with the columns `file`, `label` and optionally `split`",
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
            summary: "reads images with labels and official splits: CIFAR, STL-10, ImageNet, files, web images, drawn shapes and textures",
            // 2: a JPEG that is cut off is no image any more.
            // 3: layouts that can be read in two ways, classes without images and hidden folders; joined
            //    archives are read to their end, names in archives and lists are cleaned; rows have
            //    names and orientations; JPEGs that were decoded wrongly are right; WebP, GIF, BMP and
            //    TIFF are images.
            version: 3,
            inputs: vec![ARCHIVE.port(), LABELS.port()],
            outputs: vec![IMAGES.port()],
            // Drawn sets have a seed of their own: the pipeline's seed changes no data set.
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

    fn foresee(&self, params: &Params, _: &KnownInputs<'_>) -> KnownOutputs {
        [(IMAGES.name, Known::default().shaped(params.shape()))].into()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let given = Inputs { archive: io.optional(&ARCHIVE), labels: io.optional(&LABELS) };
        ingest(params, given, locate::mirror().as_deref(), io.output(&IMAGES), cx)
    }
}

/// The stage's inputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inputs<'a> {
    /// A local archive, or the images.
    pub archive: Option<&'a Path>,
    /// A label file.
    pub labels: Option<&'a Path>,
}

/// The stage's work: fills the empty folder `out` with the image set. `mirror` is the value of
/// [`MIRROR`].
///
/// # Errors
/// If the archive cannot be obtained or is not valid.
pub fn ingest(
    params: &Params,
    given: Inputs<'_>,
    mirror: Option<&str>,
    out: &Path,
    cx: &StageContext,
) -> Result<(), StageError> {
    let Inputs { archive, labels } = given;
    if labels.is_some() && params.source != Source::Folder {
        let what = format!("the source `{}` does not take the input `labels`", params.source.as_str());
        return Err(StageError::new(what));
    }
    let official = |spec| locate::archive(spec, archive, mirror, cx);
    match params.source {
        Source::Cifar10 => official(&CIFAR10)?.ingest(|members| cifar::ten(members, params, out, cx)),
        Source::Cifar100 => official(&CIFAR100)?.ingest(|members| cifar::hundred(members, params, out, cx)),
        Source::Stl10 => official(&STL10)?.ingest(|members| stl10::ingest(members, params, out, cx)),
        Source::Imagenet | Source::Folder | Source::Web => {
            let images = archive.ok_or_else(|| {
                let source = params.source.as_str();
                StageError::new(format!("the source `{source}` needs the input `archive`"))
                    .hint("set a folder or tar of images: `in: {archive: path/to/images}`")
            })?;
            match params.source {
                Source::Imagenet => imagenet::ingest(images, params, out, cx),
                Source::Web => web::ingest(images, params, out, cx),
                _ => folder::ingest(images, labels, params, out, cx),
            }
        }
        Source::Shapes | Source::Textures if archive.is_some() => {
            let source = params.source.as_str();
            Err(StageError::new(format!("the source `{source}` does not take the input `archive`")))
        }
        Source::Shapes => shapes::SHAPES.ingest(params, out, cx),
        Source::Textures => textures::TEXTURES.ingest(params, out, cx),
    }
}
