//! Errors about unknown names, with what may have been meant.

/// The error for an unknown name.
pub fn unknown(what: &str, name: &str, known: &[String]) -> String {
    let near = known
        .iter()
        .map(|k| (distance(name, k), k))
        .min()
        .filter(|(d, _)| *d <= 1 + name.chars().count() / 3);
    let longer = || known.iter().find(|k| !name.is_empty() && k.starts_with(name));
    let meant = near.map(|(_, k)| k).or_else(longer);
    let meant = meant.map_or(String::new(), |k| format!("; did you mean `{k}`?"));
    let list: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
    format!("there is no {what} `{name}`{meant} (there are {})", list.join(", "))
}

/// The edit distance between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_gets_a_suggestion() {
        let known = ["accuracy.test".to_owned(), "loss.test".to_owned()];
        let text = unknown("metric", "acuracy.test", &known);
        assert_eq!(
            text,
            "there is no metric `acuracy.test`; did you mean `accuracy.test`? \
             (there are `accuracy.test`, `loss.test`)"
        );
        assert!(!unknown("metric", "perplexity", &known).contains("did you mean"));
    }
}
