//! Colours and links: whether a terminal takes them, and their escape sequences.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// What a stream takes besides text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours.
    pub colour: bool,
    /// Links to files (OSC 8).
    pub links: bool,
    /// The progress of the run beside the terminal's title (OSC 9;4).
    pub progress: bool,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It worked.
    Good,
    /// It failed.
    Bad,
    /// It needs attention.
    Warning,
    /// It matters less.
    Faint,
    /// It is under way.
    Active,
}

impl Style {
    /// What this process's terminal takes besides colours, by the environment.
    pub fn terminal() -> Self {
        Self::of_terminal(&|name| std::env::var_os(name))
    }

    /// Links and progress are for terminals that are known to have them: others print the sequences,
    /// or take them for something else.
    fn of_terminal(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        let is_set = |name: &str| text(name).is_some_and(|value| !value.is_empty());
        let program = text("TERM_PROGRAM").unwrap_or_default();
        let term = text("TERM").unwrap_or_default();
        let vte: u32 = text("VTE_VERSION").and_then(|version| version.parse().ok()).unwrap_or(0);
        // Between us and the terminal: they pass on what they know, which differs by version.
        let is_wrapped = is_set("TMUX") || is_set("STY") || term == "dumb";
        let links = matches!(&*program, "iTerm.app" | "WezTerm" | "ghostty" | "vscode" | "rio" | "Hyper")
            || ["WT_SESSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "DOMTERM"].into_iter().any(is_set)
            || ["xterm-kitty", "alacritty", "foot"].iter().any(|name| term.starts_with(name))
            || vte >= 5000;
        // iTerm2 says so where it has progress; before, it showed a notification for each.
        let iterm = program == "iTerm.app" && text("TERM_FEATURES").is_some_and(|all| all.contains('P'));
        let progress = matches!(&*program, "WezTerm" | "ghostty")
            || is_set("WT_SESSION")
            || text("ConEmuANSI").is_some_and(|value| value == "ON")
            || vte >= 8000
            || iterm;
        Self { colour: false, links: links && !is_wrapped, progress: progress && !is_wrapped }
    }

    /// The text in its colour, where colours are wanted.
    pub fn paint(self, role: Role, text: &str) -> String {
        let code = match role {
            Role::Good => "32",
            Role::Bad => "1;31",
            Role::Warning => "33",
            Role::Faint => "2",
            Role::Active => "36",
        };
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The text as a link to a file or folder of this machine, where links are wanted.
    pub fn link(self, path: &Path, text: &str) -> String {
        if !self.links || !path.is_absolute() {
            return text.to_owned();
        }
        format!("\x1b]8;;{}\x1b\\{text}\x1b]8;;\x1b\\", file_url(path))
    }
}

/// The address of a file. It names this machine, so that a terminal elsewhere does not look for the
/// file on its own.
fn file_url(path: &Path) -> String {
    let mut url = format!("file://{}", host());
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' | b'=' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                url.push(char::from(*byte));
            }
            // Writing into a string cannot fail.
            byte => drop(write!(url, "%{byte:02X}")),
        }
    }
    url
}

/// This machine's name; none where it has none that an address can hold.
fn host() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: the system writes at most so many bytes into the buffer.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
    if failed || !name.iter().all(is_plain) {
        String::new()
    } else {
        String::from_utf8_lossy(name).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        let set: Vec<(String, OsString)> =
            set.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        move |name| set.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn only_known_terminals_get_links_and_progress() {
        for (set, links, progress) in [
            (&[("TERM", "xterm-256color")][..], false, false),
            (&[("TERM_PROGRAM", "WezTerm")], true, true),
            (&[("TERM_PROGRAM", "WezTerm"), ("TMUX", "/tmp/tmux")], false, false),
            (&[("WT_SESSION", "1")], true, true),
            (&[("VTE_VERSION", "6800")], true, false),
            (&[("TERM", "xterm-kitty")], true, false),
            (&[("TERM_PROGRAM", "iTerm.app")], true, false),
            (
                &[("TERM_PROGRAM", "iTerm.app"), ("TERM_FEATURES", "T3CwLrMSc7UUw9Ts3BFGsSyHNoSxFP")],
                true,
                true,
            ),
        ] {
            let style = Style::of_terminal(&with(set));
            assert_eq!((style.links, style.progress), (links, progress), "{set:?}");
        }
    }

    #[test]
    fn links_name_the_file_and_its_machine() {
        let style = Style { links: true, ..Style::default() };
        let link = style.link(Path::new("/a b/é;\x1b.log"), "log");
        assert!(link.starts_with("\x1b]8;;file://"), "{link:?}");
        assert!(link.ends_with("/a%20b/%C3%A9%3B%1B.log\x1b\\log\x1b]8;;\x1b\\"), "{link:?}");
        assert_eq!(style.link(Path::new("relative"), "log"), "log");
        assert_eq!(Style::default().link(Path::new("/a"), "log"), "log");
    }
}
