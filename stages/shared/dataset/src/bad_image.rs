//! Why bytes are not the image that they should be.

/// Why bytes are not the image that they should be.
#[derive(Debug, thiserror::Error)]
pub enum BadImage {
    /// Raw pixels of the wrong length, an image that is too large or of another size.
    #[error("{0}")]
    Size(String),
    /// A JPEG that the decoder would fill up with grey.
    #[error("the jpeg image is cut off: expected its end mark (FF D9), found the end of its {0} bytes")]
    CutOff(usize),
    /// An image of a kind that no decoder here reads.
    #[error("{0} is not read")]
    Unread(&'static str),
    /// The decoder's answer.
    #[error("cannot decode the {0} image")]
    Decode(&'static str, #[source] image::ImageError),
    /// The answer of the decoder for the odd ones.
    #[error("cannot decode the jpeg image")]
    Jpeg(#[source] jpeg_decoder::Error),
    /// The encoder's answer.
    #[error("cannot encode the image as PNG")]
    Encode(#[source] image::ImageError),
}
