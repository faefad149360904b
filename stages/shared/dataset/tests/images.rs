//! Image files of all kinds against the pixels that Pillow reads in them. The JPEGs are made by
//! `benches/jpeg_variants.py --samples`; others are encoded here.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use igpt_dataset::{BadImage, Encoding, ImageRow, RowKey, Split, decode, decode_file, orientation, turned};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

fn jpegs(refused: bool) -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/jpegs");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".jpg") && name.starts_with("refused") == refused
    });
    files.sort();
    files
}

/// The pixels of a binary PPM of 18x14.
fn ppm(path: PathBuf) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    bytes[bytes.len() - 3 * 18 * 14..].to_vec()
}

#[test]
fn jpegs_of_every_kind_of_coding_are_what_libjpeg_reads() {
    let files = jpegs(false);
    assert_eq!(files.len(), 15);
    for path in files {
        let image = decode_file(&fs::read(&path).unwrap(), Encoding::Jpeg).unwrap();
        assert_eq!(image.dimensions(), (18, 14));
        let expected = ppm(path.with_extension("ppm"));
        let most = image.as_raw().iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(4), "{}: {most:?} levels apart", path.display());
    }
}

#[test]
fn jpegs_that_no_decoder_reads_are_refused_by_their_kind() {
    let kinds = ["12 bits", "arithmetic", "arithmetic", "lossless"];
    let files = jpegs(true);
    assert_eq!(files.len(), kinds.len());
    for (path, kind) in files.iter().zip(kinds) {
        let error = decode_file(&fs::read(path).unwrap(), Encoding::Jpeg).unwrap_err();
        assert!(
            matches!(error, BadImage::Unsupported(what) if what.contains(kind)),
            "{}: {error}",
            path.display()
        );
    }
    // Chroma of two samples across, by the header.
    let plain = jpegs(false).into_iter().find(|path| path.ends_with("4-2-0-interleaved.jpg")).unwrap();
    let mut thin = fs::read(plain).unwrap();
    let frame = thin.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    thin[frame + 7..frame + 9].copy_from_slice(&4u16.to_be_bytes());
    let error = decode_file(&thin, Encoding::Jpeg).unwrap_err();
    assert!(matches!(error, BadImage::Unsupported(what) if what.contains("4 pixels across")), "{error}");
}

#[test]
fn jpegs_of_every_kind_are_refused_when_cut_off() {
    for path in jpegs(false) {
        let whole = fs::read(&path).unwrap();
        for kept in [whole.len() - 2, whole.len() - 12, whole.len() * 9 / 10] {
            assert!(decode_file(&whole[..kept], Encoding::Jpeg).is_err(), "{} to {kept}", path.display());
        }
    }
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

const LOSSLESS: [(ImageFormat, Encoding); 4] = [
    (ImageFormat::Png, Encoding::Png),
    (ImageFormat::WebP, Encoding::Webp),
    (ImageFormat::Bmp, Encoding::Bmp),
    (ImageFormat::Tiff, Encoding::Tiff),
];

#[test]
fn transparency_is_dropped_and_the_colours_below_it_are_kept() {
    let image = RgbaImage::from_fn(7, 5, |x, y| Rgba([30 * x as u8, 40 * y as u8, 9, (x * y) as u8]));
    let opaque = DynamicImage::from(RgbImage::from_fn(7, 5, |x, y| Rgb([30 * x as u8, 40 * y as u8, 9])));
    for (format, encoding) in LOSSLESS {
        let bytes = written(&DynamicImage::from(image.clone()), format);
        assert_eq!(Encoding::of_file(&bytes), Some(encoding));
        assert_eq!(DynamicImage::from(decode_file(&bytes, encoding).unwrap()), opaque, "{format:?}");
        // Cut off within its pixels.
        assert!(decode_file(&bytes[..bytes.len() / 2], encoding).is_err(), "{format:?}");
    }
}

#[test]
fn a_gif_is_its_first_frame_and_one_that_is_a_part_of_the_picture_is_refused() {
    let image =
        DynamicImage::from(RgbImage::from_fn(
            6,
            4,
            |x, _| if x < 3 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) },
        ));
    let mut bytes = written(&image, ImageFormat::Gif);
    assert_eq!(Encoding::of_file(&bytes), Some(Encoding::Gif));
    assert_eq!(DynamicImage::from(decode_file(&bytes, Encoding::Gif).unwrap()), image);
    assert!(decode_file(&bytes[..bytes.len() - 8], Encoding::Gif).is_err());
    // A canvas that is wider than the frame.
    bytes[6] = 9;
    let error = decode_file(&bytes, Encoding::Gif).unwrap_err().to_string();
    assert!(error.contains("first frame does not cover the whole image"), "{error}");
}

/// An Exif block with an orientation, in either order of bytes, behind another tag.
fn exif(turn: u8, little: bool) -> Vec<u8> {
    type Bytes<T, const N: usize> = fn(T) -> [u8; N];
    let (u16s, u32s): (Bytes<u16, 2>, Bytes<u32, 4>) =
        if little { (u16::to_le_bytes, u32::to_le_bytes) } else { (u16::to_be_bytes, u32::to_be_bytes) };
    let entry = |tag: u16, value: u16| [&u16s(tag)[..], &u16s(3), &u32s(1), &u16s(value), &[0; 2]].concat();
    let head = [if little { b"II" } else { b"MM" }, &u16s(42)[..], &u32s(8), &u16s(2)].concat();
    [head, entry(0x10f, 7), entry(0x112, turn.into()), vec![0; 4]].concat()
}

/// A JPEG, PNG or WebP of 70x66 with an Exif block.
fn turned_file(encoding: Encoding, exif: &[u8]) -> Vec<u8> {
    let image = DynamicImage::from(RgbImage::from_fn(70, 66, |x, y| Rgb([3 * x as u8, 3 * y as u8, 90])));
    match encoding {
        Encoding::Jpeg => {
            let bytes = written(&image, ImageFormat::Jpeg);
            let length = (exif.len() as u16 + 8).to_be_bytes();
            [&bytes[..2], &[0xff, 0xe1], &length, b"Exif\0\0", exif, &bytes[2..]].concat()
        }
        Encoding::Png => {
            let bytes = written(&image, ImageFormat::Png);
            let at = bytes.len() - 12;
            // Readers of `eXIf` pass its checksum over, as that of any chunk that may be left out.
            [&bytes[..at], &(exif.len() as u32).to_be_bytes(), b"eXIf", exif, &[0; 4], &bytes[at..]].concat()
        }
        _ => {
            let bytes = written(&image, ImageFormat::WebP);
            [&bytes[..], b"EXIF", &(exif.len() as u32).to_le_bytes(), exif].concat()
        }
    }
}

#[test]
fn orientations_are_read_in_both_orders_of_bytes_and_damage_is_upright() {
    for encoding in [Encoding::Jpeg, Encoding::Png, Encoding::Webp] {
        for turn in 1..=8 {
            for little in [true, false] {
                let bytes = turned_file(encoding, &exif(turn, little));
                assert_eq!(orientation(&bytes, encoding), turn, "{encoding:?}");
            }
        }
        for wrong in [exif(0, true), exif(9, false), exif(6, true)[..20].to_vec(), Vec::new(), vec![0xff; 40]]
        {
            assert_eq!(orientation(&turned_file(encoding, &wrong), encoding), 1, "{encoding:?}");
        }
        // Any end of the file.
        let bytes = turned_file(encoding, &exif(6, true));
        for end in 0..bytes.len() {
            orientation(&bytes[..end], encoding);
        }
    }
}

#[test]
fn the_eight_orientations_turn_and_mirror_as_exif_says() {
    // Two pixels: the first is red, and so is what the camera held up and left.
    let image = RgbImage::from_raw(2, 1, vec![255, 0, 0, 0, 0, 255]).unwrap();
    let red_at = |turn| {
        let image = turned(image.clone(), turn);
        let (x, y, _) = image.enumerate_pixels().find(|(.., pixel)| pixel[0] == 255).unwrap();
        (image.dimensions(), (x, y))
    };
    let wide = [1, 2, 3, 4].map(red_at);
    assert_eq!(wide, [(0, 0), (1, 0), (1, 0), (0, 0)].map(|red| ((2, 1), red)));
    let tall = [5, 6, 7, 8].map(red_at);
    assert_eq!(tall, [(0, 0), (0, 0), (0, 1), (0, 1)].map(|red| ((1, 2), red)));
}

#[test]
fn a_row_is_turned_when_it_is_decoded() {
    let pixels = turned_file(Encoding::Jpeg, &exif(6, true));
    let flat = decode_file(&pixels, Encoding::Jpeg).unwrap();
    let key = RowKey { id: 0, split: Split::Train, label: -1, view: 0 };
    let mut row = ImageRow::new(key, &RgbImage::new(66, 70)).unwrap();
    (row.encoding, row.orientation, row.pixels) = (Encoding::Jpeg, 6, pixels);
    assert_eq!(decode(&row).unwrap(), turned(flat, 6));
}
