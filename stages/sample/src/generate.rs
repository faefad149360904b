//! Generates images pixel by pixel.

use igpt_contract::{StageContext, StageError, Stream};
use igpt_model::Decoder;

use crate::sampler::Sampler;

/// The start of an image that is to be generated.
#[derive(Debug, Clone)]
pub(crate) struct Prompt {
    /// The given tokens, from the first on; the same number for every image.
    pub(crate) given: Vec<u16>,
    /// The image's own randomness, so that it does not depend on other images.
    pub(crate) stream: Stream,
}

/// The complete tokens of the images. `batch` of them are generated at once, which changes no bit.
///
/// # Errors
/// If a logit is not finite, or the run is cancelled.
pub(crate) fn images(
    decoder: &Decoder,
    sampler: &mut Sampler,
    mut prompts: Vec<Prompt>,
    batch: usize,
    cx: &StageContext,
) -> Result<Vec<Vec<u16>>, StageError> {
    let (positions, vocab) = (decoder.config().n_positions, decoder.config().vocab);
    let total = (prompts.len() * positions) as u64;
    let mut rows = Vec::with_capacity(prompts.len());
    for prompts in prompts.chunks_mut(batch) {
        let mut drawn = vec![Vec::with_capacity(positions); prompts.len()];
        let mut previous: Vec<u16> = Vec::with_capacity(prompts.len());
        let mut decoding = decoder.begin(prompts.len());
        for t in 0..positions {
            cx.check()?;
            let logits = decoding.step(&previous);
            previous.clear();
            for (prompt, logits) in prompts.iter_mut().zip(logits.chunks_exact(vocab)) {
                let token = match prompt.given.get(t) {
                    Some(token) => Some(*token),
                    None => sampler.token(logits, &mut prompt.stream),
                };
                previous.push(token.ok_or_else(not_a_number)?);
            }
            drawn.iter_mut().zip(&previous).for_each(|(row, token)| row.push(*token));
            let done = (rows.len() * positions + (t + 1) * prompts.len()) as u64;
            cx.progress(done, total, "tokens");
        }
        rows.extend(drawn);
    }
    Ok(rows)
}

fn not_a_number() -> StageError {
    StageError::new("expected finite logits, found others: the training of the network has diverged")
        .hint("check the training loss; a lower learning rate or `clip` may help")
}
