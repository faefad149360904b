//! Rows of numbers as CSV and as JSON.

use std::borrow::Cow;

use igpt_contract::MetricRow;
use serde_json::{Value, json as object};

/// The rows as CSV with a line of headings: `step`, a column for each axis, `metric`, `x`, `value`. What a
/// row lacks is empty; what is no finite number is `NaN`, `inf` or `-inf`.
pub fn csv(rows: &[MetricRow]) -> String {
    let axes = MetricRow::label_columns(rows);
    let headings = ["step"].into_iter().chain(axes.iter().map(|(_, column)| column.as_str()));
    let mut text = line(headings.chain(["metric", "x", "value"]).map(Cow::Borrowed));
    for row in rows {
        let labels = axes.iter().map(|(axis, _)| row.labels.get(axis).map_or(Cow::Borrowed(""), label));
        let numbers = [
            row.metric.as_str().into(),
            row.x.map(number).unwrap_or_default().into(),
            number(row.value).into(),
        ];
        text.push_str(&line([Cow::Borrowed(&*row.step)].into_iter().chain(labels).chain(numbers)));
    }
    text
}

/// The rows as a JSON list of objects. What is no finite number is a text, as in `metrics.json`.
pub fn json(rows: &[MetricRow]) -> Value {
    let number = |x: f64| if x.is_finite() { object!(x) } else { object!(number(x)) };
    let row = |row: &MetricRow| {
        object!({
            "step": row.step, "labels": row.labels, "metric": row.metric, "x": row.x.map(number),
            "value": number(row.value),
        })
    };
    Value::Array(rows.iter().map(row).collect())
}

/// A number that reads back as the same one.
fn number(x: f64) -> String {
    x.to_string()
}

/// The value of an axis: a text as it is, anything else as JSON.
fn label(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| value.to_string().into(), Cow::Borrowed)
}

fn line<'a>(fields: impl Iterator<Item = Cow<'a, str>>) -> String {
    let field = |field: Cow<'a, str>| match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.into_owned(),
    };
    fields.map(field).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use igpt_contract::{Labels, MetricValues};

    fn rows() -> Vec<MetricRow> {
        let mut metrics = MetricValues::default().with("loss", f64::NAN);
        metrics.curves.insert("loss.train".into(), vec![(1.0, 2.5), (2.0, f64::INFINITY)]);
        let labels: Labels = [("layer".to_owned(), 3.into()), ("x".to_owned(), "a,\"b\"".into())].into();
        let other = MetricValues::default().with("accuracy.test", 0.1 + 0.2);
        [MetricRow::of_step("train", &labels, &metrics), MetricRow::of_step("probe", &Labels::new(), &other)]
            .concat()
    }

    #[test]
    fn a_row_for_each_number_and_what_is_lacking_is_empty() {
        assert_eq!(
            csv(&rows()),
            "step,layer,label.x,metric,x,value\n\
             train,3,\"a,\"\"b\"\"\",loss,,NaN\n\
             train,3,\"a,\"\"b\"\"\",loss.train,1,2.5\n\
             train,3,\"a,\"\"b\"\"\",loss.train,2,inf\n\
             probe,,,accuracy.test,,0.30000000000000004\n"
        );
    }

    #[test]
    fn json_keeps_what_is_not_a_number() {
        let text = json(&rows()).to_string();
        assert!(text.contains(r#""metric":"loss","x":null,"value":"NaN""#), "{text}");
        assert!(text.contains(r#""x":2.0,"value":"inf""#), "{text}");
        assert!(text.contains(r#""labels":{"layer":3,"x":"a,\"b\""}"#), "{text}");
    }
}
