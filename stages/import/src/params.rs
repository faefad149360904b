//! The parameters of `import`.

use igpt_contract::ParamError;
use igpt_dataset::PaletteRange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `import` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// A repository of the Hugging Face hub: `openai/imagegpt-small`. Left out where `from` is wired.
    pub repo: Option<String>,
    /// A branch, tag or commit of it. A result is kept under this name: take a commit's full hash to
    /// say for good what it is.
    pub revision: String,
    /// Attention heads, for weights by OpenAI's names whose shapes do not tell: 8 for iGPT-S and M,
    /// 16 for iGPT-L.
    pub heads: Option<usize>,
    /// Between which numbers the palette has its colours, from black to white: `-1..1`, `0..1` or
    /// `0..255`. Left out, the numbers must tell: one below 0 means `-1..1`, one above 1 means
    /// `0..255`, transformers' `preprocessor_config.json` is `-1..1`; anything else is an error.
    pub range: Option<PaletteRange>,
}

impl Default for Params {
    fn default() -> Self {
        Self { repo: None, revision: "main".to_owned(), heads: None, range: None }
    }
}

impl Params {
    /// Refuses names that are none of the hub's.
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
            let what = format!("`repo` is `{repo}`, expected `owner/name` as in `openai/imagegpt-small`");
            return Err(ParamError::at("repo", what));
        }
        if !self.revision.split('/').all(plain) {
            let what = format!("`revision` is `{}`, expected a branch, tag or commit", self.revision);
            return Err(ParamError::at("revision", what));
        }
        match self.heads {
            Some(0) => Err(ParamError::at("heads", "`heads` is 0, expected at least 1")),
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
