//! Every kind of file survives a round trip, is the same bytes each time, and is refused by name
//! where it is not what it should be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use igpt_contract::Digest;
use igpt_dataset::{
    DatasetError, Encoding, FeatureTable, FeatureWriter, ImageRow, ImageSetInfo, ImageSetReader,
    ImageSetWriter, LayerInfo, PaletteTable, PredictionTable, RowKey, Split, SplitCounts, TokenTable,
    TokensInfo, TokensReader, TokensWriter, decode, palette_digest,
};
use image::{Rgb, RgbImage};
use parquet::file::reader::FileReader as _;
use tempfile::TempDir;

fn key(i: u64, n_train: u64) -> RowKey {
    let split = if i < n_train { Split::Train } else { Split::Test };
    RowKey { id: i, split, label: (i % 4) as i32 - 1, view: 0 }
}

fn classes() -> Vec<String> {
    ["cat", "dog", "frog"].map(str::to_owned).to_vec()
}

fn write_images(dir: &Path, n: u64) -> Result<SplitCounts, DatasetError> {
    let info = ImageSetInfo { name: "test".to_owned(), classes: classes() };
    let mut writer = ImageSetWriter::create(dir, &info)?;
    for i in 0..n {
        // Some above 64 pixels a side, which are kept as PNG.
        let side = if i % 50 == 7 { 65 } else { 8 };
        let image = RgbImage::from_fn(side, 9, |x, y| Rgb([i as u8, x as u8, y as u8]));
        writer.append(ImageRow::new(key(i, n - n / 4), &image).unwrap().named(format!("{i}.png")))?;
    }
    writer.finish()
}

fn tokens_info() -> TokensInfo {
    TokensInfo {
        name: "test".to_owned(),
        height: 3,
        width: 2,
        vocab: 512,
        palette: Some(Digest::of(b"palette")),
        classes: classes(),
        sets: Vec::new(),
    }
}

fn write_tokens(dir: &Path, n: u64) -> Result<SplitCounts, DatasetError> {
    let mut writer = TokensWriter::create(dir, &tokens_info())?;
    for i in 0..n {
        let tokens: [u16; 6] = std::array::from_fn(|t| ((i as usize * 7 + t * 101) % 512) as u16);
        writer.append(key(i, n - n / 4), &tokens)?;
    }
    writer.finish()
}

fn layer_info() -> LayerInfo {
    LayerInfo {
        name: "test".to_owned(),
        classes: classes(),
        sets: Vec::new(),
        dim: 5,
        layer: 2,
        joined: Vec::new(),
        n_layer: 4,
        n_embd: 5,
        preset: None,
        pooling: "mean".to_owned(),
        norm: "pre".to_owned(),
        objective: "autoregressive".to_owned(),
    }
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    fs::read_dir(dir).unwrap().map(|found| entry(found.unwrap())).collect()
}

/// Writes twice into two folders, compares the bytes and answers one.
fn twice(write: impl Fn(&Path)) -> TempDir {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(first.path());
    write(second.path());
    assert_eq!(files(first.path()), files(second.path()));
    first
}

#[test]
fn images_survive_their_files() {
    // More than a row group.
    let n = 5000;
    let dir = twice(|dir| {
        assert_eq!(write_images(dir, n).unwrap(), SplitCounts { train: 3750, test: 1250 });
    });
    let reader = ImageSetReader::open(dir.path()).unwrap();
    assert_eq!(reader.info().classes, classes());
    let rows: Vec<ImageRow> = reader.rows().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 5000);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row.key(), key(i as u64, 3750));
        assert_eq!((row.name.as_str(), row.orientation), (format!("{i}.png").as_str(), 1));
        assert_eq!(row.encoding, if row.width == 65 { Encoding::Png } else { Encoding::Rgb });
        let image = decode(row).unwrap();
        assert_eq!(image.dimensions(), (u32::from(row.width), 9));
        assert_eq!(image.get_pixel(3, 2), &Rgb([i as u8, 3, 2]));
    }
    // The training images end within a row group.
    for (split, expected) in [(Split::Train, &rows[..3750]), (Split::Test, &rows[3750..])] {
        assert_eq!(reader.rows_of(split).map(Result::unwrap).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn tokens_survive_their_files_as_a_whole_and_by_group() {
    let n = 20_000;
    let dir = twice(|dir| {
        write_tokens(dir, n).unwrap();
    });
    let table = TokenTable::read(dir.path()).unwrap();
    assert_eq!((table.len(), &table.info), (20_000, &tokens_info()));
    assert_eq!(table.rows_of(Split::Test), 15_000..20_000);
    assert_eq!(table.row(1234)[2], ((1234 * 7 + 202) % 512) as u16);
    assert_eq!(table.key(1234), key(1234, 15_000));
    let reader = TokensReader::open(dir.path()).unwrap();
    assert!(reader.groups() > 1);
    let mut row = 0;
    for (group, part) in reader.tables().map(Result::unwrap).enumerate() {
        assert_eq!(part.len(), reader.group_rows(group));
        assert_eq!(part.tokens[..], table.tokens[6 * row..][..part.tokens.len()]);
        row += part.len();
    }
    assert_eq!(row, table.len());
}

#[test]
fn a_set_of_several_shards_reads_back_whole() {
    let n = 70_000;
    let dir = tempfile::tempdir().unwrap();
    write_tokens(dir.path(), n).unwrap();
    write_images(dir.path(), n).unwrap();
    for name in ["tokens-00001.parquet", "images-00001.parquet"] {
        assert!(dir.path().join(name).exists(), "{name}");
    }
    let table = TokenTable::read(dir.path()).unwrap();
    assert_eq!(table.len() as u64, n);
    let reader = ImageSetReader::open(dir.path()).unwrap();
    let mut rows = reader.rows();
    for i in 0..n {
        let expected = key(i, n - n / 4);
        assert_eq!((table.key(i as usize), rows.next().unwrap().unwrap().key()), (expected, expected));
        assert_eq!(table.row(i as usize)[1], ((i * 7 + 101) % 512) as u16);
    }
    assert!(rows.next().is_none());
}

#[test]
fn a_shard_of_tokens_says_its_resolution_and_palette() {
    let dir = tempfile::tempdir().unwrap();
    write_tokens(dir.path(), 3).unwrap();
    let file = fs::File::open(dir.path().join("tokens-00000.parquet")).unwrap();
    let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
    let footer = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let value = |key| footer.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()).unwrap();
    let found = ["igpt.height", "igpt.width", "igpt.vocab", "igpt.palette"].map(value);
    assert_eq!(found, ["3", "2", "512", &Digest::of(b"palette").to_string()]);
}

#[test]
fn features_survive_their_files_however_they_are_appended() {
    let keys: Vec<RowKey> = (0..100).map(|i| key(i, 70)).collect();
    let values: Vec<f32> = (0..500).map(|i| (i as f32).sqrt() - 3.0).collect();
    let one = tempfile::tempdir().unwrap();
    let mut writer = FeatureWriter::create(one.path(), &layer_info()).unwrap();
    for (keys, values) in keys.chunks(7).zip(values.chunks(35)) {
        writer.append(keys, values).unwrap();
    }
    writer.finish().unwrap();
    let table = FeatureTable::read(one.path()).unwrap();
    assert_eq!((table.values.as_slice(), &table.info, table.dim), (values.as_slice(), &layer_info(), 5));
    assert_eq!(table.key(77), key(77, 70));
    let other = twice(|dir| table.write(dir).unwrap());
    assert_eq!(files(one.path()), files(other.path()));
}

#[test]
fn a_copy_of_features_alone_still_says_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let writer = FeatureWriter::create(dir.path(), &layer_info()).unwrap();
    writer.finish().unwrap();
    let file = fs::File::open(dir.path().join("features.parquet")).unwrap();
    let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
    let footer = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let value = |key| footer.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()).unwrap();
    let info = layer_info();
    assert_eq!(value("igpt.kind"), "feature-layer");
    assert_eq!((value("igpt.layer"), value("igpt.pooling")), (info.layer.to_string(), info.pooling));
    assert_eq!(value("igpt.classes"), serde_json::to_string(&info.classes).unwrap());
}

#[test]
fn numbers_of_steps_are_a_table_with_nulls_and_not_a_number() {
    let row = |labels: &[(&str, i64)], x, value| igpt_contract::MetricRow {
        step: "probe".to_owned(),
        labels: labels.iter().map(|(axis, value)| ((*axis).to_owned(), (*value).into())).collect(),
        metric: "loss".to_owned(),
        x,
        value,
    };
    let rows = [row(&[("layer", 3)], None, f64::NAN), row(&[], Some(2.0), 0.5)];
    let path = tempfile::tempdir().unwrap().keep().join("numbers.parquet");
    igpt_dataset::write_metric_rows(&rows, &path).unwrap();
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(fs::File::open(&path).unwrap(), 9);
    let batch = reader.unwrap().next().unwrap().unwrap();
    let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["step", "layer", "metric", "x", "value"]);
    assert_eq!(
        (batch.column(1).null_count(), batch.column(3).null_count(), batch.column(4).null_count()),
        (1, 1, 0)
    );
    let values = batch.column(4).as_any().downcast_ref::<arrow_array::Float64Array>().unwrap();
    assert!(values.value(0).is_nan() && values.value(1) == 0.5);
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    assert!(
        igpt_dataset::write_metric_rows(&rows, &path).unwrap_err().to_string().contains("numbers.parquet")
    );
}

#[test]
fn predictions_survive_their_file() {
    let keys: Vec<RowKey> = (0..8).map(|i| key(i, 4)).collect();
    let log_probs: Vec<f32> = (0..24).map(|i| -((i * 7 % 5) as f32)).collect();
    let table = PredictionTable::new(keys, 3, log_probs);
    let dir = twice(|dir| table.write(dir).unwrap());
    assert_eq!(PredictionTable::read(dir.path()).unwrap(), table);
    assert_eq!(table.predicted[0], 0);
    assert!(table.accuracy().is_some());
}

#[test]
fn a_palette_survives_its_files_and_those_of_others() {
    let palette = PaletteTable::from_levels(&[[0.0, 127.5, 255.0], [226.0, 211.9, 177.1]]);
    assert_eq!(palette.rgb(), [[0, 128, 255], [226, 212, 177]]);
    let dir = twice(|dir| palette.write(dir).unwrap());
    assert_eq!(PaletteTable::read(dir.path()).unwrap(), palette);
    let bytes = fs::read(dir.path().join("palette.npy")).unwrap();
    assert_eq!(palette_digest(dir.path()).unwrap(), Digest::of(&bytes));
    // Another folder with the numbers in a Hugging Face configuration is the same palette.
    let other = tempfile::tempdir().unwrap();
    let clusters = fs::read_to_string(dir.path().join("clusters.json")).unwrap();
    let config = clusters.replacen('{', r#"{"size": 32, "resample": 2,"#, 1);
    fs::write(other.path().join("preprocessor_config.json"), config).unwrap();
    assert_eq!(palette_digest(other.path()).unwrap(), palette.digest());
}

#[test]
fn the_fixture_palettes_are_read() {
    for path in igpt_fixtures::fixtures("kmeans/palette_f32.npy") {
        let palette = PaletteTable::read(&path).unwrap();
        // Our own file of it is numpy's, to the byte.
        assert_eq!(palette.digest(), Digest::of(&fs::read(&path).unwrap()));
    }
}

fn refusal<T>(result: Result<T, DatasetError>) -> String {
    result.err().expect("a refusal").to_string()
}

#[test]
fn rows_that_do_not_belong_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = TokensWriter::create(dir.path(), &tokens_info()).unwrap();
    writer.append(key(5, 9), &[0; 6]).unwrap();
    assert!(refusal(writer.append(key(5, 9), &[0; 6])).contains("order"));
    assert!(refusal(writer.append(RowKey { label: 3, ..key(6, 9) }, &[0; 6])).contains("label 3"));
    assert!(refusal(writer.append(key(6, 9), &[0; 5])).contains("expected 6 tokens, found 5"));
    assert!(refusal(writer.append(key(6, 9), &[512; 6])).contains("below the 512 colours, found 512"));
    writer.append(key(20, 9), &[0; 6]).unwrap();
    assert!(refusal(writer.append(key(6, 9), &[0; 6])).contains("order"), "training rows come first");
    let info = TokensInfo { vocab: 0, ..tokens_info() };
    assert!(refusal(TokensWriter::create(dir.path(), &info).map(|_| ())).contains("vocab"));
}

#[test]
fn files_that_are_missing_or_others_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    assert!(refusal(TokenTable::read(path)).contains("tokens.json"));
    write_tokens(path, 10).unwrap();
    let json = path.join("tokens.json");
    let good = fs::read_to_string(&json).unwrap();
    fs::write(&json, good.replace("\"vocab\": 512", "\"vocab\": 100")).unwrap();
    assert!(refusal(TokenTable::read(path)).contains("below the 100 colours"));
    fs::write(&json, good.replace("\"width\": 2", "\"width\": 3")).unwrap();
    assert!(refusal(TokenTable::read(path)).contains("rows of 9 tokens, found 6"));
    fs::write(&json, good.replace("\"test\": 2", "\"test\": 3")).unwrap();
    assert!(refusal(TokenTable::read(path)).contains("expected the 11 rows"));
    fs::write(&json, good).unwrap();
    fs::copy(path.join("tokens-00000.parquet"), path.join("images-00000.parquet")).unwrap();
    fs::write(path.join("classes.json"), r#"{"name": "x", "classes": [], "rows": {"train": 8, "test": 2}}"#)
        .unwrap();
    let reader = ImageSetReader::open(path).unwrap();
    let rows: Vec<_> = reader.rows().collect();
    assert_eq!(rows.len(), 1);
    assert!(refusal(rows.into_iter().next().unwrap()).contains("expected a column `height`"));
    fs::write(path.join("tokens-00000.parquet"), "PAR1 not quite PAR1").unwrap();
    assert!(refusal(TokenTable::read(path)).contains("Parquet"));
    fs::remove_file(path.join("tokens-00000.parquet")).unwrap();
    assert!(refusal(TokenTable::read(path)).contains("`tokens-00000.parquet`"));
    assert!(refusal(PaletteTable::read(path)).contains("`palette.npy`"));
    assert!(refusal(FeatureTable::read(path)).contains("layer.json"));
    assert!(refusal(PredictionTable::read(path)).contains("predictions.parquet"));
}

#[test]
fn a_set_without_rows_is_a_set() {
    let dir = tempfile::tempdir().unwrap();
    write_images(dir.path(), 0).unwrap();
    write_tokens(dir.path(), 0).unwrap();
    assert_eq!(ImageSetReader::open(dir.path()).unwrap().rows().count(), 0);
    assert!(TokenTable::read(dir.path()).unwrap().is_empty());
}

#[test]
fn images_without_names_and_orientations_are_upright_and_unnamed() {
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let dir = tempfile::tempdir().unwrap();
    write_images(dir.path(), 8).unwrap();
    let path = dir.path().join("images-00000.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path).unwrap()).unwrap();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    let schema = batch.schema();
    let others = |field: &str| !["name", "orientation"].contains(&field);
    let kept: Vec<usize> = (0..schema.fields().len()).filter(|i| others(schema.field(*i).name())).collect();
    let batch = batch.project(&kept).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let reader = ImageSetReader::open(dir.path()).unwrap();
    let rows: Vec<ImageRow> = reader.rows().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row.name.is_empty() && row.orientation == 1));
}
