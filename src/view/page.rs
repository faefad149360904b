//! The frame of every page: one file that needs nothing else, with a policy that lets nothing else in.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("assets/view.css");
const SCRIPT: &str = include_str!("assets/view.js");
const LIVE: &str = include_str!("assets/live.js");

/// What a page weighs without its content, with some for headings, in bytes.
pub(crate) const FRAME: u64 = (STYLE.len() + SCRIPT.len() + LIVE.len() + 4096) as u64;

/// Where a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// From a file, which asks nobody for anything.
    File,
    /// From the server, which it may ask for what is new.
    Served,
}

/// A page.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// Links to its parts, by their addresses.
    pub(crate) nav: Vec<(String, &'static str)>,
    pub(crate) body: Markup,
    /// What a served page follows: the address of its events, or none.
    pub(crate) live: Option<String>,
    /// What a served page fetches anew from time to time.
    pub(crate) refreshed: bool,
}

impl Page<'_> {
    /// The document. Equal pages are equal bytes.
    pub(crate) fn render(&self, medium: Medium) -> String {
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    @if medium == Medium::File { meta http-equiv="Content-Security-Policy" content=(policy(medium)); }
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="referrer" content="no-referrer";
                    title { (self.title) }
                    // A browser would ask for one.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body data-live=[self.live.as_ref()] data-refreshed[self.refreshed] {
                    a.skip href="#main" { "Skip to the content" }
                    @if !self.nav.is_empty() {
                        nav.top aria-label="Parts of this page" { ul tabindex="-1" {
                            @for (href, text) in &self.nav { li { a href=(href) { (text) } } }
                        } }
                    }
                    main #main { (self.body) }
                    footer { "Made by igpt-flow " (env!("CARGO_PKG_VERSION")) "." }
                    script { (PreEscaped(SCRIPT)) }
                    @if medium == Medium::Served { script { (PreEscaped(LIVE)) } }
                }
            }
        };
        document.into_string()
    }
}

/// The content-security policy: our own style and scripts by their hashes, pictures that the page brings
/// along, and nothing else.
pub(crate) fn policy(medium: Medium) -> &'static str {
    static FILE: OnceLock<String> = OnceLock::new();
    static SERVED: OnceLock<String> = OnceLock::new();
    let own = |scripts: &[&str]| {
        let hashes: Vec<String> = scripts.iter().map(|script| hash(script)).collect();
        format!(
            "default-src 'none'; img-src data:; style-src {}; script-src {}; base-uri 'none'",
            hash(STYLE),
            hashes.join(" ")
        )
    };
    match medium {
        Medium::File => FILE.get_or_init(|| format!("{}; form-action 'none'", own(&[SCRIPT]))),
        Medium::Served => SERVED.get_or_init(|| {
            let own = own(&[SCRIPT, LIVE]);
            format!("{own}; connect-src 'self'; form-action 'self'; frame-ancestors 'none'")
        }),
    }
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_lets_in_what_the_page_has_and_nothing_else() {
        let page = Page { title: "<t>", nav: vec![], body: html! {}, live: None, refreshed: false };
        let text = page.render(Medium::File);
        assert!(text.contains("<title>&lt;t&gt;</title>"));
        let policy = policy(Medium::File);
        assert!(policy.starts_with("default-src 'none'; img-src data:; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"));
        assert_eq!(hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
        // An element of script or style could end early.
        for asset in [STYLE, SCRIPT, LIVE] {
            assert!(!asset.contains("</") && !asset.contains("<!--"));
        }
    }
}
