//! What is not to leave the machine: absolute paths and its name, in every text of a page.

use std::borrow::Cow;

use crate::report::clean;

/// How texts are shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mask {
    /// Whether they are shown whole.
    whole: bool,
    /// Names of this machine and of those that results were made on.
    hosts: Vec<String>,
}

impl Mask {
    /// Shows texts as they are.
    pub(crate) fn whole() -> Self {
        Self { whole: true, hosts: Vec::new() }
    }

    /// Shortens absolute paths, and hides these names of machines.
    pub(crate) fn of(hosts: impl IntoIterator<Item = String>) -> Self {
        let mut hosts: Vec<String> =
            hosts.into_iter().filter(|host| host.len() > 2 && host != "localhost").collect();
        hosts.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        hosts.dedup();
        Self { whole: false, hosts }
    }

    /// Whether the machine is shown.
    pub(crate) fn shows_machine(&self) -> bool {
        self.whole
    }

    /// A text as a page has it: without control characters, and without what names the machine.
    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let clean = clean::lines(text);
        if self.whole {
            return clean;
        }
        let mut shown = clean;
        if shown.contains('/') {
            shown = Cow::Owned(shorten(&shown.replace("file://", "file:")));
        }
        for host in &self.hosts {
            if shown.contains(host.as_str()) {
                shown = Cow::Owned(replace_word(&shown, host));
            }
        }
        shown
    }
}

/// Every absolute path of two names or more as its last name: `/home/me/data/x.npy` is `…/x.npy`.
fn shorten(text: &str) -> String {
    let is_start =
        |before: Option<char>| before.is_none_or(|c| c.is_whitespace() || "\"'`=(,[{:;|>".contains(c));
    let is_end = |c: char| c.is_whitespace() || "\"'`<>|;,)]}:".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        if c == '/' && is_start(before) {
            let path = &rest[..rest.find(is_end).unwrap_or(rest.len())];
            let mut names = path.split('/').filter(|name| !name.is_empty());
            if !path.starts_with("//") && names.clone().count() > 1 {
                out.push_str("…/");
                out.push_str(names.next_back().unwrap_or_default());
                rest = &rest[path.len()..];
                before = Some('x');
                continue;
            }
        }
        out.push(c);
        before = Some(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// A name where it stands alone, replaced.
fn replace_word(text: &str, word: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let alone = !before.ends_with(is_part) && !after.starts_with(is_part);
        out.push_str(before);
        out.push_str(if alone { "…" } else { word });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_hosts_are_left_out_and_little_else() {
        let mask = Mask::of(["box17".to_owned(), "localhost".to_owned()]);
        for (text, shown) in [
            ("cannot read `/home/me/a b/x`", "cannot read `…/a b/x`"),
            ("--out=/tmp/job/x.log: no", "--out=…/x.log: no"),
            ("file:///home/me/x and https://host.org/a/b?c", "file:…/x and https://host.org/a/b?c"),
            ("1/2 of a/b/c, ../results/x // no", "1/2 of a/b/c, ../results/x // no"),
            ("/dev and /", "/dev and /"),
            ("on box17, box171 localhost", "on …, box171 localhost"),
            ("\"/a/b\",\n'/c/d/'", "\"…/b\",\n'…/d'"),
        ] {
            assert_eq!(mask.text(text), shown);
        }
        assert_eq!(Mask::whole().text("/home/me/\u{1b}[1mx box17"), "/home/me/x box17");
    }
}
