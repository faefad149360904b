//! Whether a model and tokens belong together: colour 7 of one palette is not colour 7 of another.

use igpt_contract::{Digest, StageError};

use crate::error::ModelError;
use crate::weights::ModelCard;

impl ModelCard {
    /// Refuses tokens of another palette (by its digest), resolution or vocabulary than the
    /// network was trained on. Where one side does not know its palette (weights or tokens from
    /// elsewhere), any will do.
    ///
    /// # Errors
    /// The text of [`ModelError::Tokens`], with both sides of every difference.
    pub fn check_tokens(
        &self,
        palette: Option<Digest>,
        height: usize,
        width: usize,
        vocab: usize,
    ) -> Result<(), StageError> {
        let mut differences = Vec::new();
        if let (Some(own), Some(theirs)) = (self.palette, palette)
            && own != theirs
        {
            differences.push(format!("  palette     model {own}, tokens {theirs}"));
        }
        if (self.height, self.width) != (height, width) {
            let model = format!("{} x {}", self.height, self.width);
            differences.push(format!("  resolution  model {model}, tokens {height} x {width}"));
        }
        if self.config.vocab != vocab {
            differences.push(format!("  vocabulary  model {}, tokens {vocab}", self.config.vocab));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(StageError::new(ModelError::Tokens(differences).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{GptConfig, Preset};
    use crate::objective::Objective;

    #[test]
    fn tokens_of_another_palette_or_size_are_refused_with_both_sides() {
        let config = GptConfig::preset(Preset::Tiny, 64, 16).unwrap();
        let (ours, other) = (Digest::of(b"ours"), Digest::of(b"other"));
        let mut card = ModelCard::new(&config, Objective::Autoregressive, 8, 8);
        assert!(card.check_tokens(Some(other), 8, 8, 16).is_ok());
        card.palette = Some(ours);
        assert!(card.check_tokens(Some(ours), 8, 8, 16).is_ok());
        assert!(card.check_tokens(None, 8, 8, 16).is_ok());
        let error = card.check_tokens(Some(other), 4, 16, 16).unwrap_err().to_string();
        for part in [&ours.to_string(), &other.to_string(), "model 8 x 8, tokens 4 x 16"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("vocabulary"), "{error}");
    }
}
