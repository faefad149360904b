//! Checks of the parameters, each and together.

use igpt_contract::ParamError;
use igpt_table::expect::Expectation;
use igpt_table::observe::{is_share, unknown};

use crate::figure_params::{Figure, PlotKind, Scale};
use crate::params::{Column, Params};
use crate::statistics::ErrorBar;

/// Checks the values, each and together.
pub(crate) fn check(params: &Params) -> Result<(), ParamError> {
    if params.rows.is_empty() {
        return Err(ParamError::at("rows", "expected at least one name, such as `layer`; found none"));
    }
    if params.columns.is_empty() {
        return Err(ParamError::at("columns", "expected at least one column; found none"));
    }
    if let Some(name) = repeated(params.rows.iter().cloned()) {
        return Err(ParamError::at("rows", format!("`{name}` is given twice")));
    }
    let headings = || params.columns.iter().map(|c| c.heading().to_owned());
    if let Some(name) = repeated(params.rows.iter().cloned().chain(headings())) {
        let what = format!("the heading `{name}` is used twice; give one of them another `title`");
        return Err(ParamError::at("columns", what));
    }
    if let Some(name) = repeated(params.columns.iter().map(Column::csv_name)) {
        return Err(ParamError::at("columns", format!("two columns show `{name}`")));
    }
    let derived = params.columns.iter().flat_map(|column| derived(params, column));
    if let Some(name) = repeated(params.rows.iter().cloned().chain(derived)) {
        let what = format!(
            "expected names that differ in the CSV file, found two columns `{name}` there; what `rows` \
             names is shown already, and a number makes `.std` and `.n` beside its own column"
        );
        return Err(ParamError::at("columns", what));
    }
    if let Some(column) = params.columns.iter().find(|c| c.digits.is_some_and(|d| d > 15)) {
        let what = format!("`digits` of `{}`: expected at most 15", column.heading());
        return Err(ParamError::at("columns", what));
    }
    let known: Vec<String> = headings().collect();
    for published in &params.published {
        if !known.contains(&published.column) {
            let what = unknown("column", &published.column, &known);
            return Err(ParamError::at("published", what));
        }
        if published.source.trim().is_empty() {
            let what = format!("the number published for `{}` names no source", published.row);
            return Err(ParamError::at("published", what));
        }
    }
    let pairs = params.published.iter().map(|p| format!("{} / {}", p.row, p.column));
    if let Some(cell) = repeated(pairs) {
        return Err(ParamError::at("published", format!("`{cell}` is given twice")));
    }
    if let Some(sort) = &params.sort {
        let known: Vec<String> = params.rows.iter().cloned().chain(headings()).collect();
        if let Some(name) = repeated(sort.order.iter().cloned()) {
            return Err(ParamError::at("sort", format!("`{name}` is given twice in `order`")));
        }
        let whole = sort.by.is_empty() && !sort.order.is_empty();
        if !whole && !known.contains(&sort.by) {
            return Err(ParamError::at("sort", unknown("column", &sort.by, &known)));
        }
    }
    let spread = |std: Option<f64>| std.is_some_and(|std| !std.is_finite() || std < 0.0);
    if let Some(published) = params.published.iter().find(|p| spread(p.std)) {
        let what = format!("`std` of `{}`: expected a number from 0 on", published.row);
        return Err(ParamError::at("published", what));
    }
    if let Some(name) = repeated(params.expected.iter().cloned()) {
        return Err(ParamError::at("expected", format!("`{name}` is given twice")));
    }
    if params.pick.as_ref().is_some_and(|pick| pick.over.is_empty()) {
        return Err(ParamError::at(
            "pick",
            "`over`: expected at least one label, such as `layer`; found none",
        ));
    }
    if let Some(column) = params.columns.iter().find(|c| c.error == ErrorBar::Se && !c.is_share()) {
        let what = format!(
            "`{}`: `error: se` needs a share of a number of images, such as `accuracy.test`; name what \
             counts them: `count: rows.test`",
            column.heading()
        );
        return Err(ParamError::at("columns", what));
    }
    let within = params.best.iter().flat_map(|best| &best.within);
    if let Some(name) = within.into_iter().find(|name| !params.rows.contains(name)) {
        return Err(ParamError::at("best", format!("`within` names `{name}`, which is not one of `rows`")));
    }
    if let Some(name) = params.within.iter().find(|name| !params.rows.contains(name)) {
        return Err(ParamError::at("within", format!("`{name}` is not one of `rows`")));
    }
    params.columns.iter().try_for_each(expectations)?;
    params.figure.as_ref().map_or(Ok(()), figure)
}

/// What a column's results are expected to be.
fn expectations(column: &Column) -> Result<(), ParamError> {
    let wrong =
        |what: String| Err(ParamError::at("columns", format!("`expect` of `{}`: {what}", column.heading())));
    if let Some(fault) = column.expect.iter().find_map(Expectation::fault) {
        return wrong(fault);
    }
    match repeated(column.expect.iter().map(|expectation| expectation.row.clone())) {
        Some(row) if row.is_empty() => wrong("two are for all rows; give each its `row`".to_owned()),
        Some(row) => wrong(format!("the row `{row}` is given twice")),
        None => Ok(()),
    }
}

fn figure(figure: &Figure) -> Result<(), ParamError> {
    let wrong = |what: String| Err(ParamError::at("figure", what));
    let curves = figure.kind == PlotKind::Curves;
    if curves != figure.x.is_empty() {
        return wrong(if curves {
            "`x`: curves have their own; leave it out".to_owned()
        } else {
            "`x`: expected the name on the horizontal axis; found none".to_owned()
        });
    }
    if curves && !(figure.points.is_empty() && figure.also.is_empty()) {
        return wrong("`points` and `also` join numbers; curves have points of their own".to_owned());
    }
    if !(0.0..1.0).contains(&figure.smooth) {
        return wrong(format!("`smooth`: expected a number from 0 to below 1, found {}", figure.smooth));
    }
    if figure.smooth > 0.0 && !curves {
        return wrong("`smooth` is for `kind: curves`".to_owned());
    }
    if figure.kind == PlotKind::Bars && (figure.x_scale, figure.y_scale) != (Scale::Linear, Scale::Linear) {
        return wrong("a bar is as long as its number from 0 on, which an axis of ratios lacks".to_owned());
    }
    let heights = figure.references.iter().map(|r| r.value).chain(figure.y_from);
    if figure.y_scale == Scale::Log && heights.into_iter().any(|y| y <= 0.0) {
        return wrong("`y_from` and `references`: with `y_scale: log` expected numbers above 0".to_owned());
    }
    if figure.claims.iter().any(|claim| claim.text.trim().is_empty() || claim.source.trim().is_empty()) {
        return wrong("`claims`: every statement needs a `text` and a `source`".to_owned());
    }
    if !figure.points.is_empty() {
        if !figure.series.is_empty() && !figure.points.contains(&figure.series) {
            let (series, points) = (&figure.series, &figure.points);
            return wrong(format!("`series` is `{series}`, which is not one of `points` {points:?}"));
        }
        if figure.kind == PlotKind::Bars {
            return wrong("`points` places points by a number along `x`; bars stand on names".to_owned());
        }
    }
    if figure.points.is_empty() && !figure.x_where.is_empty() {
        return wrong("`x_where` says where the `x` of joined points comes from; give `points`".to_owned());
    }
    if !figure.points.is_empty() && !figure.also.is_empty() {
        return wrong(
            "`also` adds series along an `x` that the artifacts have; `points` has none".to_owned(),
        );
    }
    if figure.also.iter().any(|also| also.title.trim().is_empty()) {
        return wrong("`also`: every number needs a `title` for the legend".to_owned());
    }
    if figure.kind == PlotKind::Bars && figure.reverse {
        return wrong(
            "`reverse` is for an axis of numbers; for bars give the `order` of the names".to_owned(),
        );
    }
    if figure.y_from.is_some_and(|y| !y.is_finite()) || figure.references.iter().any(|r| !r.value.is_finite())
    {
        return wrong("`y_from` and `references`: expected finite numbers".to_owned());
    }
    let mut ys = figure.also.iter().map(|also| &also.y).chain([&figure.y]);
    if let Some(y) = ys.find(|y| figure.error == ErrorBar::Se && !is_share(y, &figure.count)) {
        return wrong(format!("`error: se` needs a share of a number of images; `{y}` needs a `count`"));
    }
    Ok(())
}

/// The columns that a column makes in the CSV file, if it holds numbers.
fn derived(params: &Params, column: &Column) -> Vec<String> {
    let name = column.csv_name();
    let mut suffixes = vec!["", ".std", ".n"];
    if column.error == ErrorBar::Se {
        suffixes.push(".se");
    }
    let published = || params.published.iter().filter(|p| p.column == column.heading());
    if !column.expect.is_empty() {
        suffixes.extend([".expected", ".tolerance", ".difference", ".met"]);
    }
    if published().next().is_some() {
        suffixes.extend([".published", ".source"]);
    }
    if published().any(|p| p.std.is_some()) {
        suffixes.push(".published.std");
    }
    suffixes.into_iter().map(|suffix| format!("{name}{suffix}")).collect()
}

/// The first of the names that was there before.
fn repeated(names: impl Iterator<Item = String>) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(name.clone()))
}
