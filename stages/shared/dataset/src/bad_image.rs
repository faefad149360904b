//! Why an image cannot be read or written.

/// Why an image cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BadImage {
    /// Raw pixels of the wrong length, an image that is too large or of another size.
    #[error("{0}")]
    Size(String),
    /// A truncated JPEG, which the decoder would fill up with grey.
    #[error(
        "the jpeg image is truncated: expected its end mark (FF D9), found the end of the file after {0} bytes"
    )]
    Truncated(usize),
    /// An image of a kind that is not supported.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// The error of the decoder.
    #[error("cannot decode the {0} image")]
    Decode(&'static str, #[source] image::ImageError),
    /// The error of the decoder for unusual JPEGs.
    #[error("cannot decode the jpeg image")]
    Jpeg(#[source] jpeg_decoder::Error),
    /// The error of the encoder.
    #[error("cannot encode the image as PNG")]
    Encode(#[source] image::ImageError),
}
