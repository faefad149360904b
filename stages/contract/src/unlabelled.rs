//! Test images without labels: an error unless the pipeline allows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::StageError;

/// What to do if no test image has a label, so that there is nothing to evaluate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnlabelledTest {
    /// The step fails: labels may have been lost, or a split has another name.
    #[default]
    Error,
    /// The step runs without test scores; unlabelled test images are still predicted.
    Keep,
}

impl UnlabelledTest {
    /// Decides whether a step may run with `labelled` of `images` test images. Returns a note on those
    /// without a label.
    ///
    /// # Errors
    /// If none has a label and that is not allowed.
    pub fn allow(self, labelled: usize, images: usize) -> Result<Option<String>, StageError> {
        let found = match images {
            0 => "there are no test images".to_owned(),
            _ => format!("none of the {images} test images has a label"),
        };
        match self {
            Self::Error if labelled == 0 => Err(StageError::new(format!(
                "expected labelled test images, found none: {found}"
            ))
            .hint(
                "check the image set's `classes.json` and the folders of its source; `unlabelled_test: keep` \
                     runs without test scores",
            )),
            _ if labelled == 0 => Ok(Some(format!("{found}: there are no test scores"))),
            _ if labelled < images => Ok(Some(format!(
                "{} of {images} test images have no label and do not count in the test scores",
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
        assert!(error.contains("none of the 3 test images has a label"), "{error}");
        assert!(UnlabelledTest::Error.allow(0, 0).unwrap_err().to_string().contains("no test images"));
        assert!(UnlabelledTest::Keep.allow(0, 3).unwrap().unwrap().contains("no test scores"));
        assert!(UnlabelledTest::Error.allow(2, 3).unwrap().unwrap().starts_with("1 of 3 test images"));
        assert_eq!(UnlabelledTest::Error.allow(3, 3).unwrap(), None);
    }
}
