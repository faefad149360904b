//! The official archives: where they are, which files they hold, how large, and their checksums.
//!
//! CIFAR-10 and CIFAR-100: <https://www.cs.toronto.edu/~kriz/cifar.html>; the checksums are those of the
//! archives' files. STL-10: <https://cs.stanford.edu/~acoates/stl10/>; its checksums are torchvision's
//! (`torchvision/datasets/stl10.py`).

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

/// An official archive.
#[derive(Debug)]
pub(crate) struct OfficialArchive {
    /// The source's name.
    pub(crate) name: &'static str,
    /// The folder of the official server, with `/` at its end.
    pub(crate) url: &'static str,
    /// The archive's file name.
    pub(crate) file: &'static str,
    /// The files that are read; others are ignored.
    pub(crate) files: &'static [OfficialFile],
    /// The most bytes that the archive has when expanded.
    pub(crate) total: u64,
}

/// A file of an official archive.
#[derive(Debug)]
pub(crate) struct OfficialFile {
    /// The name without its folders.
    pub(crate) name: &'static str,
    /// The size in bytes; 0 for lists, which only have a maximum.
    pub(crate) size: u64,
    /// The MD5 of the bytes; empty if none is published.
    pub(crate) md5: &'static str,
    /// Whether a subset of the archive may lack it.
    pub(crate) optional: bool,
}

/// The most bytes of a list: of class names, or of STL-10's folds, ten lines of 1,000 numbers.
const MAX_LIST: u64 = 1 << 16;

const CIFAR_URL: &str = "https://www.cs.toronto.edu/~kriz/";

const fn batch(name: &'static str, md5: &'static str) -> OfficialFile {
    OfficialFile::data(name, 30_730_000, md5)
}

pub(crate) static CIFAR10: OfficialArchive = OfficialArchive {
    name: "CIFAR-10",
    url: CIFAR_URL,
    file: "cifar-10-binary.tar.gz",
    files: &[
        OfficialFile::list("batches.meta.txt"),
        batch("data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"),
        batch("data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"),
        batch("data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"),
        batch("data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"),
        batch("data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"),
        batch("test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d"),
    ],
    total: 1 << 28,
};

pub(crate) static CIFAR100: OfficialArchive = OfficialArchive {
    name: "CIFAR-100",
    url: CIFAR_URL,
    file: "cifar-100-binary.tar.gz",
    files: &[
        OfficialFile::list("coarse_label_names.txt"),
        OfficialFile::list("fine_label_names.txt"),
        OfficialFile::data("train.bin", 153_700_000, "6172c7755cfe09b2fe270c85cebc1b15"),
        OfficialFile::data("test.bin", 30_740_000, "4499cfba6c016c1be1438163640a0898"),
    ],
    total: 1 << 28,
};

/// The training images of each of the ten folds of the official protocol.
pub(crate) const FOLDS: &str = "fold_indices.txt";
pub(crate) const N_FOLDS: usize = 10;

pub(crate) static STL10: OfficialArchive = OfficialArchive {
    name: "STL-10",
    url: "http://ai.stanford.edu/~acoates/stl10/",
    file: "stl10_binary.tar.gz",
    files: &[
        OfficialFile::list("class_names.txt"),
        OfficialFile::list(FOLDS).optional(),
        OfficialFile::data("train_X.bin", 138_240_000, "918c2871b30a85fa023e0c44e0bee87f"),
        OfficialFile::data("train_y.bin", 5_000, "5a34089d4802c674881badbb80307741"),
        OfficialFile::data("test_X.bin", 221_184_000, "7f263ba9f9e0b06b93213547f721ac82"),
        OfficialFile::data("test_y.bin", 8_000, "36f9794fa4beb8a2c72628de14fa638e"),
    ],
    // The 100,000 unlabelled images, which are not read, take 2.8 GB of it.
    total: 1 << 32,
};

/// All known archives, to tell one from another.
static ALL: [&OfficialArchive; 3] = [&CIFAR10, &CIFAR100, &STL10];

impl OfficialArchive {
    pub(crate) fn file(&self, name: &str) -> Option<&'static OfficialFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Refuses a file of another archive, before gigabytes of it are read.
    pub(crate) fn check_other(&self, name: &str) -> Result<(), String> {
        match ALL.iter().find(|official| official.file(name).is_some()) {
            Some(other) => Err(format!(
                "expected the files of {} (`{}`), found `{name}` of {} (`{}`)",
                self.name, self.file, other.name, other.file
            )),
            None => Ok(()),
        }
    }
}

impl OfficialFile {
    /// A file of images or labels, with its published size and MD5.
    pub(crate) const fn data(name: &'static str, size: u64, md5: &'static str) -> Self {
        Self { name, size, md5, optional: false }
    }

    /// A short text, whose size and MD5 are not published.
    pub(crate) const fn list(name: &'static str) -> Self {
        Self { name, size: 0, md5: "", optional: false }
    }

    /// The same file, which a subset of the archive may lack.
    pub(crate) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    pub(crate) fn check_size(&self, found: u64, subset: bool) -> Result<(), String> {
        let (name, expected) = (self.name, self.size);
        match expected {
            0 if found > MAX_LIST => {
                Err(format!("`{name}` has {found} bytes, expected a list of at most {MAX_LIST}"))
            }
            1.. if found != expected && !subset => {
                Err(format!("`{name}` has {found} bytes, expected {expected}"))
            }
            // The user's own archive may be a subset of the official one.
            1.. if found > expected => {
                Err(format!("`{name}` has {found} bytes, expected at most the official {expected}"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_md5(&self, bytes: &[u8]) -> Result<(), String> {
        if self.md5.is_empty() || bytes.len() as u64 != self.size {
            return Ok(());
        }
        let found = Md5::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        if found == self.md5 {
            return Ok(());
        }
        Err(format!("`{}` has the MD5 {found}, expected the official {}", self.name, self.md5))
    }
}
