//! Hidden and system files, which are not part of a data set.

/// Folders and files that systems and tools leave behind, in addition to names that begin with a dot
/// (`.git`, `.ipynb_checkpoints`, `.DS_Store`, macOS's `._x.jpg`).
const SYSTEM: [&str; 12] = [
    // Archives made by macOS.
    "__macosx",
    // Network storage (Synology, QNAP).
    "@eadir",
    "#recycle",
    "@recycle",
    "@recently-snapshot",
    // Windows.
    "$recycle.bin",
    "system volume information",
    "thumbs.db",
    "desktop.ini",
    "ehthumbs.db",
    // File systems.
    "lost+found",
    // Python.
    "__pycache__",
];

/// Whether a component of a path is hidden or a system file.
pub(crate) fn is_hidden(component: &str) -> bool {
    component.starts_with('.') || SYSTEM.contains(&component.to_ascii_lowercase().as_str())
}

/// The beginning of a path up to its first hidden component; `None` if nothing is hidden.
pub(crate) fn hidden_part(path: &str) -> Option<&str> {
    let mut end = 0;
    for part in path.split('/') {
        end += part.len();
        if is_hidden(part) {
            return Some(&path[..end]);
        }
        end += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_is_what_begins_with_a_dot_or_belongs_to_a_system() {
        for name in [".git", ".ipynb_checkpoints", "__MACOSX", "@eaDir", "Thumbs.db", "lost+found", "._a.jpg"]
        {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["cat", "a.jpg", "_", "@", "eaDir", "MACOSX", "recycle"] {
            assert!(!is_hidden(name), "{name}");
        }
        assert_eq!(hidden_part("train/.git/x/.y.png"), Some("train/.git"));
        assert_eq!(hidden_part("train/cat/a.png"), None);
    }
}
