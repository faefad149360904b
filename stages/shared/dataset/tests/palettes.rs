//! Palettes of others: every kind of file, every range, and what is refused.

use std::fs;
use std::path::Path;

use igpt_dataset::{DatasetError, LoadedPalette, PaletteRange, PaletteTable, load_palette};

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn floats(values: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    npy("<f4", &format!("({}, 3)", values.len() / 3), &data)
}

/// What is taken of a file without an extension, as a stage sees its input.
fn take(bytes: &[u8], range: Option<PaletteRange>) -> Result<LoadedPalette, DatasetError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0");
    fs::write(&path, bytes).unwrap();
    load_palette(&path, range)
}

#[track_caller]
fn refusal<T>(result: Result<T, DatasetError>) -> String {
    let error = result.err().expect("a refusal");
    let source = error.source.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{error} {source} {}", error.hint.as_deref().unwrap_or_default())
}

/// Black, grey and white.
fn greys() -> PaletteTable {
    PaletteTable { colours: vec![[-1.0; 3], [0.0; 3], [1.0; 3]] }
}

#[test]
fn a_file_is_told_by_its_content() {
    let list = "[[-1,-1,-1],[0,0,0],[1,1,1]]";
    let files = [
        floats(&[-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
        list.as_bytes().to_vec(),
        format!(" {{\"clusters\": {list}}}").into_bytes(),
        format!("\u{feff}{{\"clusters\": {list}}}").into_bytes(),
        format!("{{\"clusters\": {list}, \"do_normalize\": true, \"size\": 32}}").into_bytes(),
        format!(
            "{{\"image_processor\": {{\"clusters\": {list}, \"image_mean\": [0.5, 0.5, 0.5], \
             \"image_processor_type\": \"ImageGPTImageProcessor\", \"rescale_factor\": 0.00392156862745098}}}}"
        )
        .into_bytes(),
    ];
    for bytes in files {
        assert_eq!(take(&bytes, None).unwrap().palette, greys(), "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn the_three_ranges_are_told_apart_or_asked_for() {
    let half = [127.5f32; 3];
    let levels = [[0.0; 3], half, [255.0; 3]].concat();
    let taken = take(&floats(&levels), None).unwrap();
    assert_eq!((taken.palette, taken.range), (greys(), PaletteRange::Levels));
    let taken = take(&npy("|u1", "(2, 3)", &[0, 0, 0, 255, 255, 255]), None).unwrap();
    assert_eq!(taken.palette.colours, [[-1.0; 3], [1.0; 3]]);

    let unit = [[0.0; 3], [0.5; 3], [1.0; 3]].concat();
    let error = refusal(take(&floats(&unit), None));
    assert!(error.contains("cannot tell the palette's range: its values are from 0 to 1"), "{error}");
    assert!(error.contains("with: {range: 0..1}"), "{error}");
    assert_eq!(take(&floats(&unit), Some(PaletteRange::Unit)).unwrap().palette, greys());
    let bright = take(&floats(&unit), Some(PaletteRange::Signed)).unwrap();
    assert_eq!(bright.palette.rgb(), [[128; 3], [191; 3], [255; 3]]);
    // Bytes of 0 and 1 are almost black, or a mask of black and white: nobody but the user knows.
    let bytes = npy("|u1", "(2, 3)", &[0, 0, 0, 1, 1, 1]);
    assert!(refusal(take(&bytes, None)).contains("cannot tell the palette"));
    assert_eq!(take(&bytes, Some(PaletteRange::Levels)).unwrap().palette.rgb(), [[0; 3], [1; 3]]);
    // The format of a processor's settings says that pixels are in -1..1.
    let settings = r#"{"clusters": [[0, 0, 0], [1, 1, 1]], "do_normalize": true}"#;
    assert_eq!(take(settings.as_bytes(), None).unwrap().palette.rgb(), [[128; 3], [255; 3]]);
    let settings = settings.replace("true", "false");
    assert!(refusal(take(settings.as_bytes(), None)).contains("cannot tell the palette"));
}

#[test]
fn numbers_outside_every_range_are_refused() {
    for (values, range, part) in [
        (&[-1.0, 0.0, 2.0][..], None, "found values from -1 to 2"),
        (&[-2.1, 0.0, 0.5], None, "found values from -2.1"),
        (&[0.0, 0.0, 256.0], None, "found values from 0 to 256"),
        (&[0.0, 0.0, f32::NAN], None, "expected finite numbers, found [0.0, 0.0, NaN] at index 0"),
        (&[0.0, 0.0, f32::INFINITY], None, "expected finite numbers"),
        (
            &[0.0, 0.0, 0.0, -0.5, 0.0, 0.0],
            Some(PaletteRange::Unit),
            "in 0..1, found [-0.5, 0.0, 0.0] at index 1",
        ),
        (&[0.0, 9.0, 0.0], Some(PaletteRange::Signed), "expected colours in -1..1"),
        (&[0.0, -1.0, 0.0], Some(PaletteRange::Levels), "expected colours in 0..255"),
        (&[], None, "expected 1 to 65535 colours, found 0"),
        (&[-1.0; 3 * 65_536], None, "expected 1 to 65535 colours, found 65536"),
    ] {
        let error = refusal(take(&floats(values), range));
        assert!(error.contains(part), "{part}: {error}");
    }
    // Rounding of a fit is none of it, and colours may be there twice.
    let taken = take(&floats(&[-1e-6, 0.0, 255.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0]), None).unwrap();
    assert_eq!(taken.palette.rgb(), [[0, 0, 255], [7; 3], [7; 3]]);
}

#[test]
fn what_is_no_palette_is_refused_with_what_was_found() {
    for (bytes, part) in [
        (npy("<f4", "(3,)", &[0; 12]), "expected an array of the shape [k, 3], found [3]"),
        (npy("<f4", "(3, 1)", &[0; 12]), "found [3, 1]"),
        (npy("<c8", "(1, 3)", &[0; 24]), "found `<c8`"),
        (b"PK\x03\x04".to_vec(), "found another kind of file"),
        (b"0.1,0.2,0.3\n".to_vec(), "numpy.save('palette.npy', colours)"),
        (b"".to_vec(), "found another kind of file"),
        (b"{\"size\": 32}".to_vec(), "found JSON without `clusters`"),
        (b"{\"clusters\": null}".to_vec(), "found JSON without `clusters`"),
        (b"{\"clusters\": 9}".to_vec(), "expected a list of colours in `clusters`"),
        (b"[[0, 0]]".to_vec(), "three numbers for the colour at index 0, found [0,0]"),
        (b"[[-1, 0, 0], [0, null, 0]]".to_vec(), "at index 1, found [0,null,0]"),
        (b"[1, 2, 3]".to_vec(), "at index 0, found 1"),
        (b"[[NaN, 0, 0]]".to_vec(), "not valid JSON"),
        (
            b"{\"clusters\": [[-1, 0, 0]], \"do_normalize\": true, \"image_mean\": [0.485, 0.456, 0.406]}"
                .to_vec(),
            "expected `image_mean` 0.5000",
        ),
    ] {
        let error = refusal(take(&bytes, None));
        assert!(error.contains(part), "{part}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(refusal(load_palette(Path::new("/dev/null"), None)).contains("expected a file"));
}

#[test]
fn a_folder_holds_one_palette_under_any_name() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let error = refusal(load_palette(folder, None));
    assert!(error.contains("`clusters.json`") && error.contains("found nothing"), "{error}");
    fs::write(folder.join("notes.txt"), "x").unwrap();
    fs::write(folder.join("config.json"), r#"{"model_type": "imagegpt"}"#).unwrap();
    fs::write(folder.join("embeddings.npy"), npy("<f4", "(3,)", &[0; 12])).unwrap();
    assert!(
        refusal(load_palette(folder, None)).contains("found `config.json`, `embeddings.npy`, `notes.txt`")
    );

    // Under another name, as long as there is one.
    let greys_file = floats(&[-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    fs::write(folder.join("centroids.npy"), &greys_file).unwrap();
    assert_eq!(load_palette(folder, None).unwrap().palette, greys());
    fs::write(folder.join("others.npy"), floats(&[-1.0; 3])).unwrap();
    let error = refusal(load_palette(folder, None));
    assert!(error.contains("two that differ: `centroids.npy` and `others.npy`"), "{error}");

    // A name that is known goes before; several must agree, settings without clusters say nothing.
    fs::write(folder.join("preprocessor_config.json"), r#"{"do_resize": true}"#).unwrap();
    fs::write(folder.join("kmeans_centers.npy"), &greys_file).unwrap();
    let taken = load_palette(folder, None).unwrap();
    assert!(taken.palette == greys() && taken.file.ends_with("kmeans_centers.npy"));
    fs::write(folder.join("clusters.json"), "[[0,0,0],[127.5,127.5,127.5],[255,255,255]]").unwrap();
    assert!(load_palette(folder, None).unwrap().file.ends_with("clusters.json"));
    fs::write(folder.join("clusters.json"), "[[0,0,0],[127,127,127],[255,255,255]]").unwrap();
    let error = refusal(load_palette(folder, None));
    assert!(error.contains("two that differ: `clusters.json` and `kmeans_centers.npy`"), "{error}");
    // A file of a known name that is damaged is not passed over.
    fs::write(folder.join("clusters.json"), "{").unwrap();
    assert!(refusal(load_palette(folder, None)).contains("not valid JSON"));
}

#[test]
fn an_artifact_is_in_its_own_range_however_bright() {
    let dir = tempfile::tempdir().unwrap();
    let bright = PaletteTable { colours: vec![[0.0; 3], [0.5; 3]] };
    bright.write(dir.path()).unwrap();
    assert_eq!(PaletteTable::read(dir.path()).unwrap(), bright);
    // The same numbers as a file of somebody are asked about.
    assert!(refusal(load_palette(&dir.path().join("palette.npy"), None)).contains("`range`"));
}
