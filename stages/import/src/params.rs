//! The parameters of `import`.

use igpt_contract::ParamError;
use igpt_dataset::PaletteRange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `import`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// A repository on the Hugging Face Hub, such as `openai/imagegpt-small`; omit it if you connect the
    /// input `from`.
    pub repo: Option<String>,
    /// A branch, tag or commit of the repository. Results are cached under this name: use a full commit
    /// hash to pin the content.
    pub revision: String,
    /// Attention heads, for weights with OpenAI's names, whose shapes do not determine it: 8 for iGPT-S
    /// and iGPT-M, 16 for iGPT-L.
    pub heads: Option<usize>,
    /// The values of black and white in the palette: `-1..1`, `0..1` or `0..255`. By default it is
    /// detected: a number below 0 means `-1..1`, one above 1 means `0..255`, transformers'
    /// `preprocessor_config.json` is `-1..1`; otherwise it is an error.
    pub range: Option<PaletteRange>,
}

impl Default for Params {
    fn default() -> Self {
        Self { repo: None, revision: "main".to_owned(), heads: None, range: None }
    }
}

impl Params {
    /// Refuses names that are not valid on the hub.
    ///
    /// # Errors
    /// The parameter, what was expected and what was found.
    pub fn check(&self) -> Result<(), ParamError> {
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if let Some(repo) = &self.repo
            && !repo.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
        {
            let what = format!("expected `owner/name` as in `openai/imagegpt-small`, found `{repo}`");
            return Err(ParamError::at("repo", what));
        }
        if !self.revision.split('/').all(plain) {
            let what = format!("expected a branch, tag or commit, found `{}`", self.revision);
            return Err(ParamError::at("revision", what));
        }
        match self.heads {
            Some(0) => Err(ParamError::at("heads", "expected at least 1 head, found 0")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_none_of_the_hubs_are_refused() {
        let check = |repo: &str, revision: &str| {
            let params = Params {
                repo: Some(repo.to_owned()),
                revision: revision.to_owned(),
                heads: None,
                range: None,
            };
            params.check().map_err(|error| error.path)
        };
        assert_eq!(check("openai/imagegpt-small", "refs/pr/2"), Ok(()));
        for repo in ["imagegpt", "a/b/c", "../x", "a/..", "a/b?c", "a/ b", ""] {
            assert_eq!(check(repo, "main"), Err("repo".to_owned()), "{repo}");
        }
        for revision in ["", "a//b", "../main", "a b", "a#b"] {
            assert_eq!(check("a/b", revision), Err("revision".to_owned()), "{revision}");
        }
    }
}
