//! Labels from a file of the user's own, beside a folder or a tar of images.
//!
//! Every file that is listed must be there; images that are not listed are left out and named.

use std::collections::{BTreeMap, BTreeSet};

use igpt_contract::{StageContext, StageError};
use igpt_dataset::{Split, name_list, shown, shown_path};

use crate::image_file::is_image;
use crate::label_file::{LabelFile, LabelRow};
use crate::layout::{SplitImage, SplitImages};
use crate::listing::FileListing;
use crate::skipped::Skipped;
use crate::splits::SplitMap;

/// Gives the listed files the labels and splits that the file says.
///
/// # Errors
/// If a listed file is not there or listed with two labels, or a split is none.
pub(crate) fn arrange(
    listing: &FileListing,
    labels: &LabelFile,
    splits: &SplitMap,
    drop_labels: bool,
    cx: &StageContext,
) -> Result<SplitImages, StageError> {
    let rows = found(listing, labels)?;
    let mut left = Skipped::new("images that the file of labels does not list are", cx);
    let unlisted = listing.files.keys().filter(|name| is_image(name) && !rows.contains_key(name.as_str()));
    unlisted.for_each(|name| left.add(name, "not in the file of labels"));
    left.note();
    let split_of = splits_of(&rows, labels, splits)?;
    let mut others = Skipped::new("images of splits that `splits` does not name are", cx);
    let mut images = Vec::with_capacity(rows.len());
    for (name, row) in &rows {
        match split_of(name, row) {
            Some(split) => images.push(SplitImage {
                name: (*name).to_owned(),
                split,
                class: (!drop_labels).then(|| row.label.clone()),
            }),
            None => others.add(name, "of a split that `splits` does not name"),
        }
    }
    others.note();
    if images.is_empty() {
        return Err(labels.refuse("no listed image is of a split that `splits` names"));
    }
    // Classes are those of all rows: leaving out a split moves no label.
    let classes = if drop_labels { Vec::new() } else { classes(&rows, labels, cx)? };
    Ok(SplitImages { images, classes })
}

/// The rows by the listing's names.
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
                    "`{}` has the {label} `{}`, and `{}` in {}",
                    shown(name),
                    shown(&split[1]),
                    shown(&split[0]),
                    labels.at(other)
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
    Err(labels.refuse_at(first, &what).hint("paths are relative to the folder (or tar) of images"))
}

/// The folder around all files, which paths may leave out.
fn around(listing: &FileListing) -> String {
    let mut tops = listing.files.keys().map(|name| name.split_once('/').map(|(top, _)| top));
    match tops.next() {
        Some(Some(first)) if tops.all(|top| top == Some(first)) => format!("{first}/"),
        _ => String::new(),
    }
}

/// A path without empty and `.` components; none where it leads out.
fn plain(file: &str) -> Option<String> {
    let parts: Vec<&str> = file.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!file.starts_with('/') && !parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

/// What tells the split of a listed file: the column `split`, or else split folders, where every
/// listed file lies in one.
fn splits_of<'a>(
    rows: &BTreeMap<&'a str, &'a LabelRow>,
    labels: &'a LabelFile,
    splits: &'a SplitMap,
) -> Result<impl Fn(&str, &LabelRow) -> Option<Split> + 'a, StageError> {
    // `splits: none` also says that a column of that name means nothing.
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
                        .hint("`splits: {train: [NAME], test: [NAME]}` gives other names"));
                }
                _ => {}
            }
        }
        splits.check_one_test(&tests, |what| labels.refuse(what))?;
    } else if let Some(name) = rows.keys().find(|name| top(name).is_some()) {
        let what = format!(
            "the layout is ambiguous: `{}` lies in a split's folder, and not every listed file does",
            shown(name)
        );
        return Err(labels.refuse(&what).hint("a column `split`, or `splits: none`, tells the splits"));
    }
    Ok(move |name: &str, row: &LabelRow| {
        if by_column || by_folder {
            splits.split(&name_of(name, row).unwrap_or_default())
        } else {
            Some(Split::Train)
        }
    })
}

/// The classes, by label: names in their order; where all are whole numbers, in the order of these.
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
            let what = format!("the labels `{}` and `{}` are one number", shown(other), shown(name));
            return Err(labels.refuse(&what));
        }
    }
    // Numbers are names of classes: the label of `7` is its place among them.
    if let (Some((first, _)), Some((last, _))) = (numbers.first_key_value(), numbers.last_key_value())
        && (*first, *last) != (0, numbers.len() as i128 - 1)
    {
        let n = numbers.len();
        cx.note(format!(
            "the {n} labels are numbers from {first} to {last}, not all of 0 to {}: each is a class of its \
             own, numbered in their order",
            n - 1
        ));
    }
    Ok(numbers.into_values().map(str::to_owned).collect())
}
