//! Stage `palette`: the few hundred colours that images are reduced to (section 3.2: "we
//! create our own 9-bit color palette by clustering (R, G, B) pixel values using k-means with
//! k = 512"), fitted to the training images or read from a file.

mod histogram;
mod kmeans;
mod params;
mod seed;
mod tree;

use std::path::Path;

use igpt_contract::{
    AnyFile, ImageSet, Known, KnownInputs, KnownOutputs, LabelledInput, Many, MetricValues, Metrics, Opt,
    Out, Palette, ParamError, Resources, Stage, StageContext, StageError, StageIo, StageSpec,
};
use igpt_dataset::{
    Encoding, ImageSetReader, LoadedPalette, PaletteInfo, PaletteTable, Split, decode, load_palette,
    shown_path, swatches,
};

pub use histogram::{Colours, Histogram};
pub use kmeans::{KMeansFit, StopRule, fit, inertia};
pub use params::Params;

/// What a fit costs for each pixel and colour.
const FLOPS_OF_COLOUR: f64 = 10.0;

const IMAGES: Many<ImageSet> =
    Many::new("images", "the images; those of the official training split are clustered");
const FROM: Opt<AnyFile> = Opt::new(
    "from",
    "a palette to use instead of fitting one: `.npy`, `clusters.json` or `preprocessor_config.json`, or a \
     folder with one of them",
);
const PALETTE: Out<Palette> = Out::new("palette", "the colours");
const METRICS: Out<Metrics> = Out::new("metrics", "how well the colours fit the training images");

/// The stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct PaletteFit;

impl Stage for PaletteFit {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "palette",
            summary: "clusters the colours of the training images by k-means, or reads a palette from a file",
            // 2: `sample` draws in another way.
            // 3: an exact palette has no `psnr_db` among its metrics; one in `from` in 0..1 is no longer
            //    taken for one in -1..1.
            version: 3,
            inputs: vec![IMAGES.port(), FROM.port()],
            outputs: vec![PALETTE.port(), METRICS.port()],
            seeded: true,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 0, memory_mib: 1024, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params.check()
    }

    fn flops(&self, params: &Params, inputs: &KnownInputs<'_>) -> Option<f64> {
        // The search tree spares most of the comparisons of a pixel with all colours.
        Some(inputs.shape(IMAGES.name).pixels()? * params.colours as f64 * FLOPS_OF_COLOUR)
    }

    fn foresee(&self, _: &Params, _: &KnownInputs<'_>) -> KnownOutputs {
        let numbers = [
            "colours",
            "iterations",
            "converged",
            "relocated",
            "inertia",
            "inertia.levels",
            "psnr_db",
            "pixels",
            "distinct_colours",
        ];
        [(METRICS.name, Known::metrics(numbers, [""; 0]))].into()
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let pool = cx.thread_pool()?;
        pool.install(|| run(params, io, cx))
    }
}

fn run(params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
    let images = io.many(&IMAGES);
    if images.is_empty() && io.optional(&FROM).is_none() {
        return Err(StageError::new("expected the input `images` or `from`, found neither").hint(
            "connect an image set to `images` to fit a palette, or a palette file to `from` to use it",
        ));
    }
    let taken = io.optional(&FROM).map(|path| taken(params, path, cx)).transpose()?;
    if let (None, Some(range)) = (&taken, params.range) {
        let what = format!("`range` is set to {} without a palette in `from`", range.as_str());
        return Err(StageError::new(what).hint("remove `range`: a fit reads the bytes of pixels"));
    }
    let colours = training_colours(images, cx)?;
    let (palette, fitted) = match taken {
        Some(palette) => (palette, None),
        None => {
            let (palette, fit) = fit_palette(params, &colours, cx)?;
            (palette, Some(fit))
        }
    };

    let k = palette.colours.len();
    let mut metrics = MetricValues::default().with("colours", k as f64);
    if let Some(fit) = &fitted {
        metrics = metrics
            .with("iterations", f64::from(fit.iterations))
            .with("converged", f64::from(u8::from(fit.converged)))
            .with("relocated", f64::from(fit.relocated));
        if !fit.converged {
            cx.note(format!(
                "warning: the palette has not converged after {} iterations; raise `max_iterations` or `tolerance`",
                fit.iterations
            ));
        }
    }
    let out = io.output(&PALETTE);
    if !colours.is_empty() {
        // For the palette as it is written, in single precision, over all training pixels.
        let centres: Vec<[f64; 3]> =
            palette.colours.iter().map(|colour| colour.map(|c| 127.5 * (f64::from(c) + 1.0))).collect();
        let levels = inertia(&colours, &centres);
        let pixels = colours.pixels();
        let psnr_db = 10.0 * (255.0 * 255.0 * 3.0 * pixels as f64 / levels).log10();
        let info = PaletteInfo {
            k,
            inertia: levels / (127.5 * 127.5),
            // Without any error the ratio is infinite, which JSON cannot express.
            psnr_db: psnr_db.min(999.0),
            iterations: fitted.as_ref().map_or(0, |fit| u64::from(fit.iterations)),
            pixels,
            distinct_colours: colours.len() as u64,
        };
        info.write(out)?;
        metrics = metrics
            .with("inertia", info.inertia)
            .with("inertia.levels", levels)
            .with("pixels", pixels as f64)
            .with("distinct_colours", colours.len() as f64);
        if levels > 0.0 {
            metrics = metrics.with("psnr_db", info.psnr_db);
        }
    }
    palette.write(out)?;
    swatches(&palette.rgb())
        .save_with_format(out.join("palette.png"), image::ImageFormat::Png)
        .map_err(|error| StageError::caused("cannot write `palette.png`", error))?;
    metrics.write(io.output(&METRICS))?;
    Ok(())
}

/// The colours of the training images of all sets.
fn training_colours(images: &[LabelledInput], cx: &StageContext) -> Result<Colours, StageError> {
    if images.is_empty() {
        return Ok(Colours::default());
    }
    let readers: Vec<ImageSetReader> =
        images.iter().map(|input| ImageSetReader::open(&input.path)).collect::<Result<_, _>>()?;
    let total = readers.iter().map(|reader| reader.counts().train).sum();
    let mut histogram = Histogram::default();
    let mut done = 0;
    for reader in &readers {
        for row in reader.rows() {
            let row = row?;
            if row.split != Split::Train {
                break;
            }
            if row.encoding == Encoding::Rgb {
                histogram.add(&row.pixels);
            } else {
                let image = decode(&row)
                    .map_err(|error| StageError::caused(format!("cannot decode image {}", row.id), error))?;
                histogram.add(image.as_raw());
            }
            done += 1;
            if done % 1024 == 0 {
                cx.check()?;
                cx.progress(done, total, "images");
            }
        }
    }
    cx.progress(done, total, "images");
    Ok(histogram.colours())
}

/// Reads the palette in `from`. Parameters of a fit are refused: they would change nothing but the cache
/// key.
fn taken(params: &Params, path: &Path, cx: &StageContext) -> Result<PaletteTable, StageError> {
    let default = Params::default();
    let given = [
        ("`sample`", params.sample != default.sample),
        ("`max_iterations`", params.max_iterations != default.max_iterations),
        ("`tolerance`", params.tolerance != default.tolerance),
    ];
    let given: Vec<&str> = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect();
    if !given.is_empty() {
        let what = format!(
            "expected no parameters of a fit together with a palette in `from`, found {}",
            given.join(", ")
        );
        return Err(StageError::new(what).hint("remove them, or fit a palette without `from`"));
    }
    let LoadedPalette { palette, range, file } = load_palette(path, params.range)?;
    cx.note(format!("`{}`: {} colours in {}", shown_path(&file), palette.colours.len(), range.as_str()));
    let (expected, found) = (params.colours, palette.colours.len());
    // The default is the same as not setting it.
    if expected != default.colours && expected != found {
        let what = format!("`{}`: expected {expected} colours (`colours`), found {found}", shown_path(path));
        return Err(StageError::new(what).hint("remove `colours`, or use another palette"));
    }
    Ok(palette)
}

/// Fits a palette; its colours are sorted by luminance.
fn fit_palette(
    params: &Params,
    colours: &Colours,
    cx: &StageContext,
) -> Result<(PaletteTable, KMeansFit), StageError> {
    let all = colours.len();
    let sampled;
    let colours = if params.sample == 0 {
        colours
    } else {
        sampled = colours.sample(params.sample, &mut cx.stream("sample"));
        &sampled
    };
    let k = params.colours;
    if colours.len() < k {
        let found = colours.len();
        if all >= k {
            let what = format!(
                "`sample` {} drew {found} distinct colours, fewer than `colours` {k}; the training images have {all}",
                params.sample
            );
            return Err(StageError::new(what).hint("raise `sample`, or set it to 0 to use all pixels"));
        }
        let what = format!("expected training images of at least {k} distinct colours, found {found}");
        return Err(StageError::new(what).hint(if found < 2 {
            "check that the image set has a training split".to_owned()
        } else {
            format!("set `colours` to {found} or less")
        }));
    }
    let stop = StopRule { max_iterations: params.max_iterations, tolerance: params.tolerance };
    let mut fit = fit(colours, k, stop, &mut cx.stream("seeding"), |iteration| {
        cx.progress(u64::from(iteration), u64::from(stop.max_iterations), "iterations");
        cx.check()
    })?;
    let luminance = |c: &[f64; 3]| 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
    fit.centres.sort_by(|a, b| luminance(a).total_cmp(&luminance(b)));
    Ok((PaletteTable::from_levels(&fit.centres), fit))
}

#[cfg(test)]
mod tests;
