//! A synthetic ImageNet from its official archives to a table, and the same from folders, from links
//! and by a file of labels; links, and what they lead to, as inputs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::{Project, tree};

const CLASSES: usize = 100;
const VAL: usize = 200;

/// The class numbered `id` in the kit's order, as `meta.mat` beside this file has it (SciPy's
/// `savemat` wrote it).
fn wnid(id: usize) -> String {
    format!("n{:08}", 1_440_764 + id * 37 % 101 * 1000)
}

/// A PNG of 8 x 8 pixels of one colour, not compressed.
fn png(colour: [u8; 3]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
    };
    let mut pixels = Vec::new();
    for _ in 0..8 {
        pixels.push(0);
        pixels.extend(colour.repeat(8));
    }
    let (a, b) = pixels.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    let size = pixels.len() as u16;
    let mut zlib = vec![0x78, 1, 1];
    zlib.extend([size.to_le_bytes(), (!size).to_le_bytes()].concat());
    zlib.extend(pixels);
    zlib.extend((b << 16 | a).to_be_bytes());
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in
        [(b"IHDR", &[0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 0][..]), (b"IDAT", &zlib), (b"IEND", &[])]
    {
        let body = [&kind[..], data].concat();
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(&body);
        file.extend(crc(&body).to_be_bytes());
    }
    file
}

/// The colour of a class, a little different for each image.
fn picture(id: usize, i: usize) -> Vec<u8> {
    png([id % 10, id / 10, i % 10].map(|digit| 25 * digit as u8))
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn link(target: &Path, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

fn tar(folder: &Path, archive: &Path, options: &str) {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut command = Command::new("tar");
    command.arg(options).arg(archive).arg("-C").arg(folder).args(names);
    assert!(command.status().unwrap().success());
}

/// ImageNet below `root` three times: `official`, `unpacked` and `links`; and its labels as a CSV.
fn write(root: &Path) {
    let unpacked = root.join("unpacked");
    for id in 1..=CLASSES {
        for i in 0..20 {
            put(&unpacked.join(format!("train/{0}/{0}_{i}.JPEG", wnid(id))), &picture(id, i));
        }
    }
    let mut truth = String::new();
    let mut csv = "file,label,split\n".to_owned();
    for id in 1..=CLASSES {
        for i in 0..20 {
            csv += &format!("train/{0}/{0}_{i}.JPEG,{0},train\n", wnid(id));
        }
    }
    for number in 1..=VAL {
        let id = number * 7 % CLASSES + 1;
        truth += &format!("{id}\n");
        let name = format!("ILSVRC2012_val_{number:08}.JPEG");
        put(&unpacked.join("val").join(&name), &picture(id, number));
        csv += &format!("val/{name},{},val\n", wnid(id));
        link(&unpacked.join("val").join(&name), &root.join("links/val").join(wnid(id)).join(&name));
    }
    put(&root.join("labels.csv"), csv.as_bytes());
    let kit = root.join("kit/ILSVRC2012_devkit_t12/data");
    put(&kit.join("meta.mat"), include_bytes!("meta.mat"));
    put(&kit.join("ILSVRC2012_validation_ground_truth.txt"), truth.as_bytes());
    link(&root.join("kit/ILSVRC2012_devkit_t12"), &unpacked.join("ILSVRC2012_devkit_t12"));
    let (official, tars) = (root.join("official"), root.join("tars"));
    fs::create_dir_all(&official).unwrap();
    fs::create_dir_all(&tars).unwrap();
    for id in 1..=CLASSES {
        let folder = unpacked.join("train").join(wnid(id));
        tar(&folder, &tars.join(format!("{}.tar", wnid(id))), "-cf");
        link(&folder, &root.join("links/train").join(wnid(id)));
    }
    tar(&tars, &official.join("ILSVRC2012_img_train.tar"), "-cf");
    tar(&unpacked.join("val"), &official.join("ILSVRC2012_img_val.tar"), "-cf");
    tar(&root.join("kit"), &official.join("ILSVRC2012_devkit_t12.tar.gz"), "-czf");
}

#[test]
fn imagenet_from_its_archives_to_a_table_and_equal_tokens_from_folders_links_and_a_csv() {
    let project = Project::new(
        r#"
stages:
  official: {uses: download, in: {archive: ./data/official}, with: {source: imagenet}}
  unpacked: {uses: download, in: {archive: ./data/unpacked}, with: {source: imagenet}}
  links: {uses: download, in: {archive: ./data/links}, with: {source: imagenet}}
  folder: {uses: download, in: {archive: ./data/links}, with: {source: folder, name: imagenet}}
  csv: {uses: download, in: {archive: ./data/unpacked, labels: ./data/labels.csv}, with: {source: folder, name: imagenet}}
  small: {uses: augment, in: {images: official.images}, with: {side: 8}}
  palette: {uses: palette, in: {images: small.images}, with: {colours: 16}}
  small_links: {uses: augment, in: {images: links.images}, with: {side: 8}}
  small_csv: {uses: augment, in: {images: csv.images}, with: {side: 8}}
  tokens: {uses: tokenize, in: {images: small.images, palette: palette.palette}}
  tokens_links: {uses: tokenize, in: {images: small_links.images, palette: palette.palette}}
  tokens_csv: {uses: tokenize, in: {images: small_csv.images, palette: palette.palette}}
  pretrain: {uses: pretrain, in: {tokens: tokens.tokens}, with: {model: {preset: tiny, n_layer: 1, n_embd: 32}, steps: 5, batch: 16}}
  features: {uses: features, in: {model: pretrain.model, tokens: tokens.tokens}, with: {layers: [1]}}
  probe: {uses: probe, matrix: {layer: [1]}, in: {features: "features.layers/${matrix.layer}"}}
  table: {uses: report, in: {metrics: probe.*}, with: {rows: [layer], columns: [{metric: rows.train}, {metric: rows.test}]}}
export:
  official.images: out/official
  unpacked.images: out/unpacked
  links.images: out/links
  folder.images: out/folder
  tokens.tokens: out/tokens
  tokens_links.tokens: out/tokens_links
  tokens_csv.tokens: out/tokens_csv
  table.table: out/table
"#,
    );
    write(&project.path("data"));
    let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let words = project.read("out/official/synsets.csv");
    assert!(words.contains(&format!("{},\"thing 7\"\n", wnid(7))), "{words}");
    assert_eq!(project.read("out/unpacked/synsets.csv"), words);
    for set in ["official", "unpacked"] {
        fs::remove_file(project.path(&format!("out/{set}/synsets.csv"))).unwrap();
    }
    // `tree` has whole paths.
    let files = |name: &str| {
        let folder = project.path(name);
        let below = |(path, bytes): (std::path::PathBuf, Vec<u8>)| {
            (path.strip_prefix(&folder).map(Path::to_owned).unwrap_or(path), bytes)
        };
        let all = tree(&folder).into_iter().map(below);
        all.filter(|(path, _)| !path.ends_with("provenance.json"))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    for set in ["unpacked", "links", "folder"] {
        assert!(files("out/official") == files(&format!("out/{set}")), "{set}");
    }
    assert!(files("out/tokens") == files("out/tokens_links"));
    assert!(files("out/tokens") == files("out/tokens_csv"));
    let table = project.read("out/table/table.csv");
    assert!(table.contains("2000") && table.contains("200"), "{table}");
}

#[test]
fn what_a_link_leads_to_is_what_is_hashed_and_what_the_stage_reads() {
    let project = Project::new(
        r#"
stages:
  real: {uses: download, in: {archive: ./real}, with: {source: folder, name: x}}
  links: {uses: download, in: {archive: ./links}, with: {source: folder, name: x}}
export: {real.images: out/real, links.images: out/links}
"#,
    );
    for (name, colour) in [("cat/1.png", [9, 9, 9]), ("cat/2.png", [90, 0, 0]), ("dog/1.png", [0, 0, 90])] {
        put(&project.path("pool").join(name), &png(colour));
        put(&project.path("real").join(name), &png(colour));
    }
    // A folder by an absolute link, a file by a relative one, and one that stays in the folder.
    link(&project.path("pool/cat"), &project.path("links/cat"));
    link(Path::new("../../pool/dog/1.png"), &project.path("links/dog/1.png"));
    let run = |code: i32| {
        let ran = project.igpt_flow(&["run", "pipeline.yaml"]);
        assert_eq!(ran.code, code, "{}\n{}", ran.out, ran.err);
        ran.out + &ran.err
    };
    let shard = |set: &str| fs::read(project.path(&format!("out/{set}/images-00000.parquet"))).unwrap();
    run(0);
    let before = shard("links");
    assert_eq!(before, shard("real"));
    assert!(run(0).contains("0 executed"));
    // What a link leads to becomes another image: that step runs again, the other does not.
    fs::write(project.path("pool/cat/2.png"), png([0, 90, 0])).unwrap();
    let said = run(0);
    assert!(said.contains("1 executed"), "{said}");
    assert_ne!(shard("links"), before);
    // A link that leads elsewhere, to equal bytes, is equal content.
    fs::remove_file(project.path("links/dog/1.png")).unwrap();
    link(Path::new("../../real/dog/1.png"), &project.path("links/dog/1.png"));
    assert!(run(0).contains("0 executed"));
    // Circles: one out of the folder and back, one within it.
    link(&project.path("links"), &project.path("links/dog/round"));
    let said = run(100);
    assert!(said.contains("a link to a folder that contains it"), "{said}");
    fs::remove_file(project.path("links/dog/round")).unwrap();
    link(Path::new("."), &project.path("links/dog/round"));
    let said = run(100);
    assert!(said.contains("a link to a folder that contains it"), "{said}");
    fs::remove_file(project.path("links/dog/round")).unwrap();
    link(Path::new("nowhere.png"), &project.path("links/dog/2.png"));
    let said = run(100);
    assert!(said.contains("2.png"), "{said}");
}
