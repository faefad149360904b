//! Damaged image files of every kind are images or errors, never a panic, and take no more memory
//! than the decoders' bounds allow. Short by default; `IGPT_FUZZ_SECONDS` makes each kind's walk long.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use igpt_contract::{Stream, stream};
use igpt_dataset::{Encoding, decode_file};
use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};
use rand::RngExt as _;

/// The bytes in use, and the most that were.
struct Counting;
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator; the counters are beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let used = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(used, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a file may take: an image of 256 MiB, as the decoder has it and as RGB, with the
/// coefficients of a progressive JPEG (twice its samples) below.
const BOUND: usize = 1 << 30;

fn picture() -> RgbImage {
    RgbImage::from_fn(37, 29, |x, y| image::Rgb([(x * y) as u8, (x * 7) as u8, (y * 5) as u8]))
}

/// Whole files to damage, some of each kind.
fn files() -> Vec<(Encoding, Vec<u8>)> {
    let rgb = DynamicImage::from(picture());
    let pixel = |x: u32, y: u32| image::Rgba([(x * y) as u8, x as u8, y as u8, (x ^ y) as u8]);
    let rgba = DynamicImage::from(RgbaImage::from_fn(20, 31, pixel));
    let forms = [rgb.clone(), rgba, rgb.grayscale(), DynamicImage::from(rgb.to_rgb16())];
    let mut files = Vec::new();
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        for form in &forms {
            let mut bytes = Cursor::new(Vec::new());
            // Not every kind has every form.
            if form.write_to(&mut bytes, format).is_ok() {
                let bytes = bytes.into_inner();
                files.push((Encoding::of_file(&bytes).unwrap(), bytes));
            }
        }
    }
    // Those that the second decoder reads.
    let jpegs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jpegs");
    for entry in fs::read_dir(jpegs).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        if path.to_string_lossy().contains("refused") {
            continue;
        }
        if let Some(encoding) = Encoding::of_file(&bytes) {
            files.push((encoding, bytes));
        }
    }
    files
}

/// Changes a file as accidents and adversaries do: sizes and lengths stand near its beginning.
fn damage(random: &mut Stream, bytes: &mut Vec<u8>) {
    let end = bytes.len();
    for _ in 0..random.random_range(1..4) {
        let at = match random.random_range(0..3) {
            0 => random.random_range(0..end.min(64)),
            1 => random.random_range(0..end.min(1024)),
            _ => random.random_range(0..end),
        };
        match random.random_range(0..7) {
            0 => bytes[at] = random.random(),
            1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => bytes[at] = 0xff,
            3 => bytes[at..(at + 4).min(end)].fill(0x7f),
            4 => bytes[at..(at + 4).min(end)].fill(0),
            5 => {
                let from = random.random_range(0..end);
                let n = random.random_range(1..64).min(end - at).min(end - from);
                bytes.copy_within(from..from + n, at);
            }
            _ => {}
        }
    }
    match random.random_range(0..10) {
        0 => bytes.truncate(random.random_range(1..end)),
        1 => {
            let at = random.random_range(0..end);
            bytes.splice(at..at, vec![random.random(); random.random_range(1..40)]);
        }
        _ => {}
    }
}

#[test]
fn damaged_images_neither_panic_nor_take_memory_without_bound() {
    let seconds = std::env::var("IGPT_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(6));
    let (files, mut random, began) = (files(), stream(7, "damaged images"), Instant::now());
    // By kind: files tried, images among them, the most bytes that one took.
    let mut tried: BTreeMap<&str, (u64, u64, usize)> = BTreeMap::new();
    let mut n = 0;
    while began.elapsed() < time || n < files.len() {
        let (encoding, whole) = &files[n % files.len()];
        let mut bytes = whole.clone();
        if n >= files.len() {
            damage(&mut random, &mut bytes);
        }
        let before = IN_USE.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        let image = decode_file(&bytes, *encoding);
        let took = MOST.load(Ordering::Relaxed) - before;
        assert!(n >= files.len() || image.is_ok(), "file {n} ({encoding:?}), whole: {:?}", image.err());
        if took > BOUND {
            let path = std::env::temp_dir().join(format!("damaged.{}", encoding.as_str()));
            fs::write(&path, &bytes).unwrap();
            panic!("{} took {} MiB", path.display(), took >> 20);
        }
        let kind = tried.entry(encoding.as_str()).or_default();
        *kind = (kind.0 + 1, kind.1 + u64::from(image.is_ok()), kind.2.max(took));
        n += 1;
    }
    for (kind, (files, images, most)) in &tried {
        println!("{kind}: {files} files, {images} images, at most {} MiB", most >> 20);
    }
    let kinds: Vec<&str> = tried.keys().copied().collect();
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    assert!(tried.values().all(|(files, images, _)| images < files), "{tried:?}");
}
