//! The stage kind `storyboard`: the paper's Figure 1, drawn from the artifacts of a pipeline.
//!
//! It shows some images in every state between file and loss: the original, the input resolution, the
//! colours of the palette, the sequence of tokens, and what the two objectives see of it (sections 2.1
//! and 3.2). Only the masks are drawn here, by the function that training uses.

mod layout;
mod load;
mod paint;
mod params;

use igpt_contract::{
    Figure, ImageSet, In, Opt, Out, Palette, ParamError, Resources, Stage, StageContext, StageError, StageIo,
    StageSpec, Tokens,
};

pub use params::{Params, SplitName};

use layout::StoryLayout;

const IMAGES: In<ImageSet> = In::new("images", "the original images");
const SMALL: Opt<ImageSet> = Opt::new("small", "the same images at the input resolution");
const TOKENS: In<Tokens> = In::new("tokens", "the tokens of these images");
const PALETTE: In<Palette> = In::new("palette", "the palette of the tokens");
const FIGURE: Out<Figure> = Out::new("figure", "the picture as `figure.svg`, `figure.pdf` and `figure.png`");

/// From images to what the objectives see.
#[derive(Debug, Clone, Copy, Default)]
pub struct Storyboard;

impl Stage for Storyboard {
    type Params = Params;

    fn spec(&self) -> StageSpec {
        StageSpec {
            name: "storyboard",
            summary: "shows how images become tokens and what each objective sees, as Figure 1 (SVG, PDF, PNG)",
            // 2: PDF.
            version: 2,
            inputs: vec![IMAGES.port(), SMALL.port(), TOKENS.port(), PALETTE.port()],
            outputs: vec![FIGURE.port()],
            seeded: true,
            device_dependent: false,
            isolated: false,
            unkeyed: &[],
            resources: Resources { cpus: 1, memory_mib: 256, gpus: 0 },
        }
    }

    fn check(&self, params: &Params) -> Result<(), ParamError> {
        params::check(params)
    }

    fn run(&self, params: &Params, io: &StageIo, cx: &StageContext) -> Result<(), StageError> {
        let (images, small) = (io.input(&IMAGES), io.optional(&SMALL));
        let story = load::load(params, images, small, io.input(&TOKENS), io.input(&PALETTE), cx)?;
        cx.check()?;
        let layout = StoryLayout::of(&story);
        igpt_plot::draw(io.output(&FIGURE), "figure", layout.size, |area| {
            paint::paint(area, &story, &layout)
        })
        .map_err(|error| StageError::caused("the picture could not be drawn", error))?;
        let names: Vec<&str> = story.scenes.iter().map(|scene| scene.name.as_str()).collect();
        cx.note(format!("shows {}", names.join(", ")));
        Ok(())
    }
}
