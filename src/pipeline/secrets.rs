//! What is not to be seen: values of secret variables and credentials in URLs, shown as `***`.

use serde_json::Value;

/// Stands for what is hidden.
pub const REDACTED: &str = "***";

/// The least length of a string that is hidden wherever it stands, in bytes. A shorter one is hidden
/// where it stands alone: it would make holes into other words.
const LONG: usize = 4;
/// The least length of an environment variable's value that is taken for a secret, in bytes.
const LEAST_PASSED: usize = 6;

/// Texts to hide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Hides a string from now on, and of several lines each.
    pub fn add(&mut self, text: &str) {
        let lines = text.lines().map(str::trim).filter(|line| line.len() >= LONG);
        for text in lines.chain([text]) {
            if !text.trim().is_empty() && !self.0.iter().any(|known| known == text) {
                self.0.push(text.to_owned());
            }
        }
        // A string that holds another one goes first.
        self.0.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    }

    /// Hides the value of an environment variable that is passed on to a command. Paths, and what is
    /// as short as a setting, stay: they are in everything that is printed.
    pub fn add_passed(&mut self, value: &str) {
        if value.len() >= LEAST_PASSED && !value.starts_with(['/', '.']) && !value.contains(":/") {
            self.add(value);
        }
    }

    /// The text with all that is to be hidden as [`REDACTED`], credentials in URLs included.
    pub fn mask(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.0 {
            if shown.contains(secret.as_str()) {
                shown = if secret.len() < LONG {
                    replace_words(&shown, secret)
                } else {
                    shown.replace(secret, REDACTED)
                };
            }
        }
        mask_urls(&shown).unwrap_or(shown)
    }
}

impl Secrets {
    /// Hides what is to be hidden in every text of a value.
    pub fn mask_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.mask(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_value(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.mask_value(member)),
            Value::Number(number) if self.0.iter().any(|secret| *secret == number.to_string()) => {
                *value = REDACTED.into();
            }
            _ => {}
        }
    }
}

/// The text with credentials in its URLs hidden; `None` where there are none.
pub fn mask_urls(text: &str) -> Option<String> {
    if !text.contains("://") {
        return None;
    }
    let mut shown = String::new();
    let mut rest = text;
    let mut any = false;
    while let Some(at) = rest.find("://").map(|at| at + 3) {
        let (before, after) = rest.split_at(at);
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || "/?#\"'`<>".contains(c);
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        rest = after;
        if let Some(end) = authority.rfind('@').filter(|end| *end > 0 && authority[..*end] != *REDACTED) {
            shown.push_str(REDACTED);
            rest = &after[end..];
            any = true;
        }
    }
    shown.push_str(rest);
    any.then_some(shown)
}

/// Replaces a string where no letter or digit stands beside it.
fn replace_words(text: &str, word: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, found) = rest.split_at(at);
        let after = &found[word.len()..];
        let beside =
            before.chars().next_back().or(shown.chars().next_back()).into_iter().chain(after.chars().next());
        let alone = !beside.into_iter().any(char::is_alphanumeric);
        shown.push_str(before);
        shown.push_str(if alone { REDACTED } else { word });
        rest = after;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let mut secrets = Secrets::default();
        for text in ["hunter2", "hunter2-long", "ab", "one line\nother line", ""] {
            secrets.add(text);
        }
        for (text, shown) in [
            ("--set vars.token=hunter2", "--set vars.token=***"),
            ("xhunter2-longx hunter2", "x***x ***"),
            ("ab cab ab. (ab)", "*** cab ***. (***)"),
            ("other line", "***"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(secrets.mask(text), shown);
        }
    }

    #[test]
    fn credentials_in_urls_are_hidden_without_being_named() {
        for (text, shown) in [
            ("https://user:pass@host/x", "https://***@host/x"),
            ("see https://token@host and ftp://a:b@c/d@e", "see https://***@host and ftp://***@c/d@e"),
            ("https://u:p@ss@host?q=a@b", "https://***@host?q=a@b"),
        ] {
            assert_eq!(mask_urls(text).as_deref(), Some(shown));
        }
        for plain in
            ["https://host/@user", "user@host", "https://***@host/x", "git@host:x", "a://", "https://@x"]
        {
            assert_eq!(mask_urls(plain), None, "{plain}");
        }
    }

    #[test]
    fn paths_and_settings_that_are_passed_on_stay() {
        let mut secrets = Secrets::default();
        for value in ["/data", "/a:/b", "0", "cuda", "https://x/y", "hf_abcdef"] {
            secrets.add_passed(value);
        }
        assert_eq!(secrets.mask("/data/x cuda hf_abcdef"), "/data/x cuda ***");
    }
}
