//! Assigns splits and classes from a label file, beside a folder or a tar of images.
//!
//! Every listed file must exist; images that are not listed are skipped.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{Split, name_list, shown, shown_path};

use crate::image_file::is_image;
use crate::label_file::{LabelFile, LabelRow};
use crate::layout::{SplitImage, SplitImages};
use crate::listing::FileListing;
use crate::skipped::Skipped;
use crate::splits::SplitMap;

/// Assigns the labels and splits of the label file to the listed files.
///
/// # Errors
/// If a listed file is missing or has two labels, or a split is unknown.
pub(crate) fn arrange(
    listing: &FileListing,
    labels: &LabelFile,
    splits: &SplitMap,
    drop_labels: bool,
    cx: &StageContext,
) -> Result<SplitImages, StageError> {
    let rows = found(listing, labels)?;
    let mut skipped = Skipped::new("image", "not in the label file", cx);
    let unlisted = listing.files.keys().filter(|name| is_image(name) && !rows.contains_key(name.as_str()));
    unlisted.for_each(|name| skipped.add(name));
    skipped.note();
    let split_of = splits_of(&rows, labels, splits)?;
    let mut others = Skipped::new("image", "of a split that `splits` does not name", cx);
    let mut images = Vec::with_capacity(rows.len());
    for (name, row) in &rows {
        match split_of(name, row) {
            Some(split) => images.push(SplitImage {
                name: (*name).to_owned(),
                split,
                class: (!drop_labels).then(|| row.label.clone()),
            }),
            None => others.add(name),
        }
    }
    others.note();
    if images.is_empty() {
        return Err(labels.refuse("expected images of the splits that `splits` names, found none"));
    }
    // The classes of all rows: skipping a split changes no label.
    let classes = if drop_labels { Vec::new() } else { classes(&rows, labels, cx)? };
    Ok(SplitImages { images, classes })
}

/// The rows by file name.
fn found<'a>(
    listing: &'a FileListing,
    labels: &'a LabelFile,
) -> Result<BTreeMap<&'a str, &'a LabelRow>, StageError> {
    let around = around(listing);
    let mut found: BTreeMap<&str, &LabelRow> = BTreeMap::new();
    let mut missing = Vec::new();
    for row in &labels.rows {
        let plain = plain(&row.file).ok_or_else(|| {
            let what = format!("`{}`: expected a path below the folder of images", shown(&row.file));
            labels.refuse_at(row, &what)
        })?;
        let place = listing.files.get_key_value(&plain);
        let Some((name, _)) = place.or_else(|| listing.files.get_key_value(&format!("{around}{plain}")))
        else {
            missing.push(row);
            continue;
        };
        match found.insert(name, row) {
            Some(other) if (&other.label, &other.split) != (&row.label, &row.split) => {
                let (label, split) = if other.label == row.label {
                    ("split", [&other.split, &row.split].map(|split| split.clone().unwrap_or_default()))
                } else {
                    ("label", [other.label.clone(), row.label.clone()])
                };
                let what = format!(
                    "`{}` has the {label} `{}` here and `{}` in {}",
                    shown(name),
                    shown(&split[1]),
                    shown(&split[0]),
                    labels.position(other)
                );
                return Err(labels.refuse_at(row, &what));
            }
            _ => {}
        }
    }
    let Some(first) = missing.first() else { return Ok(found) };
    let what = format!(
        "{} of the {} listed files are not in `{}`: {}",
        missing.len(),
        labels.rows.len(),
        shown_path(&listing.root),
        name_list(missing.iter().map(|row| row.file.as_str()))
    );
    Err(labels.refuse_at(first, &what).hint("paths are relative to the folder or tar of images"))
}

/// The top folder if it contains all files; paths may omit it.
fn around(listing: &FileListing) -> String {
    let mut tops = listing.files.keys().map(|name| name.split_once('/').map(|(top, _)| top));
    match tops.next() {
        Some(Some(first)) if tops.all(|top| top == Some(first)) => format!("{first}/"),
        _ => String::new(),
    }
}

/// A path without empty and `.` components; `None` if it leads outside.
fn plain(file: &str) -> Option<String> {
    let parts: Vec<&str> = file.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!file.starts_with('/') && !parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

/// A function that gives the split of a listed file: from the column `split`, or else from split folders
/// if every listed file is in one.
fn splits_of<'a>(
    rows: &BTreeMap<&'a str, &'a LabelRow>,
    labels: &'a LabelFile,
    splits: &'a SplitMap,
) -> Result<impl Fn(&str, &LabelRow) -> Option<Split> + 'a, StageError> {
    // `splits: none` also means that a column of that name is ignored.
    let any = !(splits.given && splits.is_empty());
    let by_column = any && labels.rows.iter().any(|row| row.split.is_some());
    let top = |name: &str| name.split_once('/').and_then(|(top, _)| splits.split(top));
    let by_folder = !by_column && rows.keys().all(|name| top(name).is_some());
    let name_of = move |name: &str, row: &LabelRow| -> Option<String> {
        if by_column { row.split.clone() } else { name.split_once('/').map(|(top, _)| top.to_owned()) }
    };
    if by_column || by_folder {
        let mut tests = BTreeSet::new();
        for (name, row) in rows {
            let value = name_of(name, row).unwrap_or_default();
            match splits.split(&value) {
                Some(Split::Test) => drop(tests.insert(value.to_lowercase())),
                None if !splits.given => {
                    let (value, names) = (shown(&value), splits.listed());
                    let what = format!("expected a split ({names}), found `{value}`");
                    return Err(labels
                        .refuse_at(row, &what)
                        .hint("set other names with `splits: {train: [NAME], test: [NAME]}`"));
                }
                _ => {}
            }
        }
        splits.check_one_test(&tests, |what| labels.refuse(what))?;
    } else if let Some(name) = rows.keys().find(|name| top(name).is_some()) {
        let what = format!(
            "the layout is ambiguous: `{}` is in a split folder, but not every listed file is",
            shown(name)
        );
        return Err(labels.refuse(&what).hint("add a column `split`, or set `splits: none`"));
    }
    Ok(move |name: &str, row: &LabelRow| {
        if by_column || by_folder {
            splits.split(&name_of(name, row).unwrap_or_default())
        } else {
            Some(Split::Train)
        }
    })
}

/// The classes, by label: sorted by name, or by number if all are integers.
fn classes(
    rows: &BTreeMap<&str, &LabelRow>,
    labels: &LabelFile,
    cx: &StageContext,
) -> Result<Vec<String>, StageError> {
    let names: BTreeSet<&str> = rows.values().map(|row| row.label.as_str()).collect();
    let mut numbers: BTreeMap<i128, &str> = BTreeMap::new();
    for name in &names {
        let Ok(number) = name.parse::<i64>() else {
            return Ok(names.into_iter().map(str::to_owned).collect());
        };
        if let Some(other) = numbers.insert(number.into(), name) {
            let what = format!("the labels `{}` and `{}` are the same number", shown(other), shown(name));
            return Err(labels.refuse(&what));
        }
    }
    // Numbers are class names: the label of `7` is its index among them.
    if let (Some((first, _)), Some((last, _))) = (numbers.first_key_value(), numbers.last_key_value())
        && (*first, *last) != (0, numbers.len() as i128 - 1)
    {
        let n = numbers.len();
        cx.note(format!(
            "the {n} labels are numbers from {first} to {last}, not 0 to {}: each is a class, in numerical \
             order",
            n - 1
        ));
    }
    Ok(numbers.into_values().map(str::to_owned).collect())
}
