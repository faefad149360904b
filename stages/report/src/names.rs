//! The names that a report looks up in its artifacts, each with the path of its parameter. At least one
//! artifact must have it.

use igpt_table::Pick;

use crate::figure_params::{Figure, PlotKind};
use crate::params::Params;

/// A path of a parameter and the name that it holds.
type Named<'a> = (String, &'a str);

/// All of them.
pub(crate) fn all(params: &Params) -> Vec<Named<'_>> {
    let mut names: Vec<Named<'_>> = params.pick.iter().flat_map(of_pick).collect();
    names.extend(of_table(params));
    names.extend(params.figure.iter().flat_map(of_figure));
    names
}

/// Those that decide which artifacts are picked.
pub(crate) fn of_pick(pick: &Pick) -> Vec<Named<'_>> {
    let mut names = numbered("pick.over", &pick.over);
    names.push(("pick.metric".to_owned(), &pick.metric));
    names
}

/// Those of the table.
pub(crate) fn of_table(params: &Params) -> Vec<Named<'_>> {
    let mut names = numbered("rows", &params.rows);
    let columns = || params.columns.iter().enumerate();
    names.extend(columns().map(|(i, column)| (format!("columns.{i}.metric"), column.metric.as_str())));
    names.extend(columns().flat_map(|(i, column)| {
        column.only.keys().map(move |name| (format!("columns.{i}.where"), name.as_str()))
    }));
    names.extend(params.best.iter().map(|best| ("best.metric".to_owned(), best.metric.as_str())));
    names
}

/// Those of a figure.
pub(crate) fn of_figure(figure: &Figure) -> Vec<Named<'_>> {
    let axes = [("figure.x", &figure.x), ("figure.y", &figure.y)];
    // Of curves nothing is known before they are there.
    let axes = axes.into_iter().filter(|_| figure.kind != PlotKind::Curves);
    let mut names: Vec<Named<'_>> = axes.map(|(path, name)| (path.to_owned(), name.as_str())).collect();
    names.extend(numbered("figure.points", &figure.points));
    let optional = [("figure.series", &figure.series), ("figure.count", &figure.count)];
    let optional = optional.into_iter().filter(|(_, name)| !name.is_empty());
    names.extend(optional.map(|(path, name)| (path.to_owned(), name.as_str())));
    let also = figure.also.iter().enumerate();
    names.extend(also.map(|(i, also)| (format!("figure.also.{i}.y"), also.y.as_str())));
    names
}

fn numbered<'a>(path: &str, names: &'a [String]) -> Vec<Named<'a>> {
    names.iter().enumerate().map(|(i, name)| (format!("{path}.{i}"), name.as_str())).collect()
}
