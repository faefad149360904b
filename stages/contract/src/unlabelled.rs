//! Test images without labels: an error unless the pipeline says that they are meant to have none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::StageError;

/// What to do where no test image has a label, so that nothing can be tested.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnlabelledTest {
    /// The step fails: labels were lost on the way, or a split has another name.
    #[default]
    Error,
    /// The step goes on: it predicts unlabelled test images, or there are none. There are then no
    /// scores of test images.
    Keep,
}

impl UnlabelledTest {
    /// Whether a step with `labelled` among `images` test images may go on. Answers what to tell the
    /// user of those without a label.
    ///
    /// # Errors
    /// If none has a label and that is not asked for.
    pub fn allow(self, labelled: usize, images: usize) -> Result<Option<String>, StageError> {
        let found = match images {
            0 => "there are no test images".to_owned(),
            _ => format!("none of the {images} test images has a class"),
        };
        match self {
            Self::Error if labelled == 0 => Err(StageError::new(format!(
                "expected labelled test images, found none: {found}"
            ))
            .hint(
                "look at the image set's `classes.json` and at its source's folders; `unlabelled_test: keep` \
                     goes on without test scores",
            )),
            _ if labelled == 0 => Ok(Some(format!("{found}: there are no test scores"))),
            _ if labelled < images => Ok(Some(format!(
                "{} of {images} test images have no class: they do not count in the test scores",
                images - labelled
            ))),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_tested_on_no_labels_unless_that_is_meant() {
        let error = UnlabelledTest::Error.allow(0, 3).unwrap_err().to_string();
        assert!(error.contains("none of the 3 test images has a class"), "{error}");
        assert!(UnlabelledTest::Error.allow(0, 0).unwrap_err().to_string().contains("no test images"));
        assert!(UnlabelledTest::Keep.allow(0, 3).unwrap().unwrap().contains("no test scores"));
        assert!(UnlabelledTest::Error.allow(2, 3).unwrap().unwrap().starts_with("1 of 3 test images"));
        assert_eq!(UnlabelledTest::Error.allow(3, 3).unwrap(), None);
    }
}
