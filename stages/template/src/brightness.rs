//! How bright images are.

use std::path::Path;

use igpt_contract::{MetricValues, StageContext, StageError};
use igpt_dataset::{ImageSetReader, Split, decode};

use crate::Params;

/// The mean brightness of each split that has images: the mean of red, green and blue over 255.
///
/// # Errors
/// If the images cannot be read, or there are none.
pub(crate) fn measure(params: &Params, images: &Path, cx: &StageContext) -> Result<MetricValues, StageError> {
    let reader = ImageSetReader::open(images)?;
    let most = if params.images == 0 { usize::MAX } else { params.images as usize };
    let (mut metrics, mut done) = (MetricValues::default(), 0);
    for split in [Split::Train, Split::Test] {
        let (mut sum, mut n) = (0.0, 0);
        for row in reader.rows_of(split).take(most) {
            // A run that is being stopped waits for this.
            cx.check()?;
            let row = row?;
            let image = decode(&row)
                .map_err(|error| StageError::caused(format!("image {} of `{split}`", row.id), error))?;
            sum += brightness(image.as_raw(), params.trim);
            n += 1;
            done += 1;
            cx.progress(done, 0, "images");
        }
        if n > 0 {
            metrics = metrics.with(format!("brightness.{split}"), sum / f64::from(n));
        }
    }
    if done == 0 {
        return Err(StageError::new("the image set has no image"));
    }
    Ok(metrics)
}

/// The mean of the values over 255, without the share `trim` at either end. Summed in their order, so
/// that it is the same number everywhere.
fn brightness(values: &[u8], trim: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    let left_out = (trim * values.len() as f64) as usize;
    let kept = &values[left_out..values.len() - left_out];
    kept.iter().map(|value| f64::from(*value)).sum::<f64>() / (255.0 * kept.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_at_either_end_is_left_out() {
        assert_eq!(brightness(&[0, 51, 51, 255], 0.0), 0.35);
        assert_eq!(brightness(&[255, 51, 0, 51], 0.25), 0.2);
    }
}
