//! The processes below this one, whatever their groups and sessions.

/// The processes below this one, except those in `but` and what is below those.
#[cfg(target_os = "linux")]
pub(super) fn below(but: &[libc::pid_t]) -> Vec<libc::pid_t> {
    let us = std::process::id().cast_signed();
    let parents = parents();
    let is_below = |pid: libc::pid_t| {
        let mut at = pid;
        // A bound, as processes come and go while we look.
        for _ in 0..=parents.len() {
            if but.contains(&at) {
                return false;
            }
            match parents.get(&at) {
                Some(&parent) if parent == us => return true,
                Some(&parent) => at = parent,
                None => return false,
            }
        }
        false
    };
    parents.keys().copied().filter(|pid| is_below(*pid)).collect()
}

/// Every process that `/proc` shows, and its parent.
#[cfg(target_os = "linux")]
fn parents() -> std::collections::BTreeMap<libc::pid_t, libc::pid_t> {
    let Ok(items) = std::fs::read_dir("/proc") else { return Default::default() };
    let processes = items.flatten().filter_map(|item| item.file_name().to_str()?.parse().ok());
    let with_parent = |pid: libc::pid_t| {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, parent(&stat)?))
    };
    processes.filter_map(with_parent).collect()
}

/// The parent in a `stat` line of `/proc`. The name before it is in parentheses, and may hold some.
#[cfg(target_os = "linux")]
fn parent(stat: &[u8]) -> Option<libc::pid_t> {
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[after + 1..]).ok()?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// None that could be named: the groups have to do.
#[cfg(not(target_os = "linux"))]
pub(super) fn below(_but: &[libc::pid_t]) -> Vec<libc::pid_t> {
    Vec::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_hide_the_parent() {
        assert_eq!(parent(b"12 (sh) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent(b"12 (a) R 1 (b) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent(b"nonsense"), None);
    }

    #[test]
    fn a_child_is_found() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id().cast_signed();
        assert!(below(&[]).contains(&pid));
        assert!(!below(&[pid]).contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
