//! Secrets in parameters: found where the values with secrets and those without differ.
//!
//! A step is worked out with the secrets, and its `with` once more with `***` in their place. What
//! differs may only be the value of an environment variable or a string of a stage; it is left out of
//! the key, of the store and of all that is printed. Credentials in URLs are hidden alike.

use serde_json::Value;

use super::Redaction;
use super::declared::StepKind;
use super::planner::Planner;
use crate::pipeline::secrets::mask_urls;
use crate::pipeline::{Faults, SECRET_PLACES, Scope, StepDecl};

impl Planner<'_> {
    /// What is to be hidden in the parameters of an instance; reports secrets in other places.
    pub(super) fn redactions_in(
        &self,
        decl: &StepDecl<'_>,
        kind: StepKind<'_>,
        scope: &Scope<'_>,
        with: &Value,
        faults: &mut Faults,
    ) -> Vec<Redaction> {
        let mut found = Vec::new();
        if self.redacted.is_none() && !has_url(with) {
            return Vec::new();
        }
        let shown = self
            .redacted
            .zip(decl.with)
            .and_then(|(vars, node)| Scope { vars, ..*scope }.with_secrets(node, &mut Faults::default()));
        differences(with, shown.as_ref().map(|shown| &shown.value), &mut Vec::new(), &mut found);
        for Masked { path, is_secret, is_text, .. } in &found {
            let may_stand = match kind {
                StepKind::Command => path.len() == 2 && path[0] == "env",
                StepKind::Stage(_) => *is_text,
            };
            if *is_secret && !may_stand {
                let mark =
                    decl.with.map_or(decl.mark, |node| node.descend(path.iter().map(String::as_str)).0.mark);
                faults
                    .push(mark, format!("`{}` contains a secret, which is not allowed here", path.join(".")))
                    .hint(SECRET_PLACES);
            }
        }
        found.into_iter().map(|found| Redaction { path: found.path, shown: found.shown }).collect()
    }
}

fn has_url(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("://"),
        Value::Array(items) => items.iter().any(has_url),
        Value::Object(members) => members.values().any(has_url),
        _ => false,
    }
}

struct Masked {
    path: Vec<String>,
    shown: String,
    /// Whether a secret variable is in it, and not only a URL's credentials.
    is_secret: bool,
    is_text: bool,
}

/// The leaves of a value that are not shown as they are.
fn differences(value: &Value, shown: Option<&Value>, path: &mut Vec<String>, found: &mut Vec<Masked>) {
    let mut below = |name: String, value: &Value, shown: Option<&Value>| {
        path.push(name);
        differences(value, shown, path, found);
        path.pop();
    };
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                below(i.to_string(), item, shown.and_then(|shown| shown.get(i)));
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                below(name.clone(), member, shown.and_then(|shown| shown.get(name)));
            }
        }
        leaf => {
            let text = leaf.as_str();
            // Numbers that became texts differ as well, and hold no secret: only texts do, once hidden.
            let secret =
                shown.and_then(Value::as_str).filter(|shown| text != Some(shown) && shown.contains("***"));
            let visible = secret.or(text).unwrap_or_default();
            let masked = mask_urls(visible);
            if secret.is_some() || masked.is_some() {
                found.push(Masked {
                    path: path.clone(),
                    shown: masked.unwrap_or_else(|| visible.to_owned()),
                    is_secret: secret.is_some(),
                    is_text: text.is_some(),
                });
            }
        }
    }
}
