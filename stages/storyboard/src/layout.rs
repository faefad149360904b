//! Where everything goes, in dots: six panels beside each other, a strip for each image.

use igpt_plot::{Size, mm, pt, wrap};

use crate::load::Story;

/// The sizes of letters, in points: headings, and what stands below them and beside cells.
pub(crate) const HEADING: f64 = 8.0;
pub(crate) const SMALL: f64 = 7.0;
/// The distance of two lines of text, as a share of the letters' size.
const LINE: f64 = 1.25;
/// The width of the text of a paper, in millimetres.
const WIDTH: f64 = 174.0;
/// Room round the picture, between panels (an arrow is there) and between strips, in millimetres.
const MARGIN: f64 = 1.0;
const GAP: f64 = 4.6;
const STRIP_GAP: f64 = 2.2;
/// How much wider the sequence is than an image.
const SEQUENCE: f64 = 1.75;
/// The distance of two lines of the sequence, in cells.
const PITCH: f64 = 1.7;

/// What a panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PanelKind {
    Original,
    Small,
    Quantised,
    Sequence,
    Autoregressive,
    Bert,
}

/// A column of panels.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) kind: PanelKind,
    pub(crate) left: f64,
    pub(crate) width: f64,
    /// The heading and the caption below it, cut into lines.
    pub(crate) heading: Vec<String>,
    pub(crate) caption: Vec<String>,
}

/// A rectangle: left, top, right, bottom.
pub(crate) type Rect = (f64, f64, f64, f64);

/// The measures of a picture.
#[derive(Debug, Clone)]
pub(crate) struct StoryLayout {
    pub(crate) size: Size,
    pub(crate) panels: Vec<Panel>,
    /// The height of an image.
    pub(crate) side: f64,
    /// Where the first strip begins, and the next.
    pub(crate) top: f64,
    pub(crate) step: f64,
    /// The room between two panels.
    pub(crate) gap: f64,
}

impl StoryLayout {
    /// The layout of a story.
    pub(crate) fn of(story: &Story) -> Self {
        let dots = |x: f64| f64::from(mm(x));
        let (margin, gap) = (dots(MARGIN), dots(GAP));
        let kinds = kinds(story);
        let shares: f64 = kinds.iter().map(|kind| share(*kind)).sum();
        let side = (dots(WIDTH) - 2.0 * margin - gap * (kinds.len() - 1) as f64) / shares;
        let mut left = margin;
        let mut panels = Vec::new();
        for kind in kinds {
            let width = side * share(kind);
            // A heading may reach a little into the gaps.
            let room = width + 0.7 * gap;
            let (heading, caption) = texts(kind, story);
            let (heading, caption) = (wrap(&heading, HEADING, room), wrap(&caption, SMALL, room));
            panels.push(Panel { kind, left, width, heading, caption });
            left += width + gap;
        }
        let heading = |panel: &Panel| panel.heading.len() as f64 * line(HEADING);
        let headings = panels.iter().map(heading).fold(0.0, f64::max);
        let captions =
            panels.iter().map(|panel| panel.caption.len() as f64 * line(SMALL)).fold(0.0, f64::max);
        let top = margin + headings + captions + 0.4 * line(SMALL);
        let step = side + line(SMALL) + dots(STRIP_GAP);
        let height = top + step * story.scenes.len() as f64 - dots(STRIP_GAP) + margin;
        Self { size: Size { width: mm(WIDTH), height: height.ceil() as u32 }, panels, side, top, step, gap }
    }

    /// The height of all headings.
    pub(crate) fn captions_at(&self) -> f64 {
        let lines = self.panels.iter().map(|panel| panel.heading.len()).max().unwrap_or_default();
        f64::from(mm(MARGIN)) + lines as f64 * line(HEADING)
    }

    /// The largest rectangle of so many cells in the middle of a panel's square.
    pub(crate) fn fit(&self, panel: &Panel, strip: usize, width: usize, height: usize) -> Rect {
        let cell = (panel.width / width as f64).min(self.side / height as f64);
        let (w, h) = (cell * width as f64, cell * height as f64);
        let left = panel.left + (panel.width - w) / 2.0;
        let top = self.top + self.step * strip as f64 + (self.side - h) / 2.0;
        (left, top, left + w, top + h)
    }
}

/// The distance of two lines of text.
pub(crate) fn line(points: f64) -> f64 {
    LINE * pt(points)
}

fn share(kind: PanelKind) -> f64 {
    if kind == PanelKind::Sequence { SEQUENCE } else { 1.0 }
}

fn kinds(story: &Story) -> Vec<PanelKind> {
    let small = story.scenes.iter().all(|scene| scene.small.is_some());
    let first = [PanelKind::Original].into_iter().chain(small.then_some(PanelKind::Small));
    first
        .chain([PanelKind::Quantised, PanelKind::Sequence, PanelKind::Autoregressive, PanelKind::Bert])
        .collect()
}

/// What stands above a panel.
fn texts(kind: PanelKind, story: &Story) -> (String, String) {
    let (heading, caption) = match kind {
        PanelKind::Original => {
            let mut sizes = story.scenes.iter().map(|scene| scene.original.dimensions());
            let first = sizes.next().unwrap_or_default();
            let same = sizes.all(|size| size == first);
            let (width, height) = first;
            ("Original", if same { format!("{height} × {width} pixels") } else { "of any size".to_owned() })
        }
        PanelKind::Small => ("Input resolution", format!("{} × {} pixels", story.height, story.width)),
        PanelKind::Quantised => {
            return (format!("{} colours", story.vocab), "nearest of the palette".to_owned());
        }
        PanelKind::Sequence => {
            ("Raster sequence", format!("{} tokens, row by row", story.height * story.width))
        }
        PanelKind::Autoregressive => ("Autoregressive", "the framed pixel, given those before".to_owned()),
        PanelKind::Bert => ("BERT", "the framed pixels, given the rest".to_owned()),
    };
    (heading.to_owned(), caption)
}

/// The cells of a sequence, wrapped into lines of two rows of the image each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SequenceLines {
    left: f64,
    top: f64,
    /// The side of a cell.
    pub(crate) cell: f64,
    pub(crate) per_line: usize,
    pub(crate) lines: usize,
}

impl SequenceLines {
    /// The lines of a panel, to the right of their numbers.
    pub(crate) fn of(layout: &StoryLayout, panel: &Panel, strip: usize, story: &Story) -> Self {
        let n = story.height * story.width;
        let per_line = 2 * story.width;
        let lines = n.div_ceil(per_line);
        let numbers = igpt_plot::width(&n.to_string(), SMALL) + 0.3 * pt(SMALL);
        let cell = ((panel.width - numbers) / per_line as f64).min(layout.side / (PITCH * lines as f64));
        let height = cell * (PITCH * (lines - 1) as f64 + 1.0);
        let top = layout.top + layout.step * strip as f64 + (layout.side - height) / 2.0;
        Self { left: panel.left + panel.width - cell * per_line as f64, top, cell, per_line, lines }
    }

    /// Where a cell is.
    pub(crate) fn place(&self, i: usize) -> Rect {
        let (line, column) = (i / self.per_line, i % self.per_line);
        let left = self.left + self.cell * column as f64;
        let top = self.top + PITCH * self.cell * line as f64;
        (left, top, left + self.cell, top + self.cell)
    }

    /// Every which line has its number written beside it, so that none lies on another.
    pub(crate) fn numbered(&self) -> usize {
        (0.95 * line(SMALL) / (PITCH * self.cell)).ceil().max(1.0) as usize
    }
}
