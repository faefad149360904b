//! Images from a network, pixel by pixel.

use igpt_contract::{StageContext, StageError, Stream};
use igpt_model::Decoder;

use crate::draw::Draw;

/// An image that is to be drawn.
#[derive(Debug, Clone)]
pub(crate) struct Canvas {
    /// The tokens that are given, from the first on; as many for every image.
    pub(crate) given: Vec<u16>,
    /// The image's own randomness, so that no other image moves it.
    pub(crate) stream: Stream,
}

/// The whole token rows of the images, `batch` of them at once, which moves no bit.
///
/// # Errors
/// If the network yields what is not a number, or the run is cancelled.
pub(crate) fn images(
    decoder: &Decoder,
    draw: &mut Draw,
    mut canvases: Vec<Canvas>,
    batch: usize,
    cx: &StageContext,
) -> Result<Vec<Vec<u16>>, StageError> {
    let (positions, vocab) = (decoder.config().n_positions, decoder.config().vocab);
    let total = (canvases.len() * positions) as u64;
    let mut rows = Vec::with_capacity(canvases.len());
    for canvases in canvases.chunks_mut(batch) {
        let mut drawn = vec![Vec::with_capacity(positions); canvases.len()];
        let mut previous: Vec<u16> = Vec::with_capacity(canvases.len());
        let mut decoding = decoder.begin(canvases.len());
        for t in 0..positions {
            cx.check()?;
            let logits = decoding.step(&previous);
            previous.clear();
            for (canvas, logits) in canvases.iter_mut().zip(logits.chunks_exact(vocab)) {
                let token = match canvas.given.get(t) {
                    Some(token) => Some(*token),
                    None => draw.token(logits, &mut canvas.stream),
                };
                previous.push(token.ok_or_else(not_a_number)?);
            }
            drawn.iter_mut().zip(&previous).for_each(|(row, token)| row.push(*token));
            let done = (rows.len() * positions + (t + 1) * canvases.len()) as u64;
            cx.progress(done, total, "tokens");
        }
        rows.extend(drawn);
    }
    Ok(rows)
}

fn not_a_number() -> StageError {
    StageError::new("expected logits that are numbers, found others: the network's training has diverged")
        .hint("look at the training's loss; a lower learning rate or a clip of the gradient may help")
}
