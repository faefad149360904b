//! `run` on a terminal of the test's own: what is drawn, what stays, and what is left behind.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::{Command, Stdio};

use super::support::{Project, wait_until};

const TWO: &str = r#"
name: two
stages:
  slow: {uses: command, grace: 5s, with: {run: 'touch "$LOG.started"; sleep 0.6; echo > out', pass_env: [LOG]}}
  fails: {uses: command, in: {x: slow.out}, with: {run: 'echo why; exit 3'}}
"#;

/// A terminal's two ends: ours, and that of the programs on it.
fn terminal(columns: u16) -> (File, OwnedFd) {
    let size = libc::winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: both numbers are filled in; the two null pointers ask for nothing.
    let failed = unsafe {
        libc::openpty(&mut ours, &mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size) != 0
    };
    assert!(!failed, "{}", std::io::Error::last_os_error());
    // SAFETY: both are open and nobody else's.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

/// Runs a command on a terminal to its end, with a line typed into it once `typed` says so; answers its
/// exit code and all that was written.
fn on_terminal(mut command: Command, columns: u16, typed: impl FnOnce(&mut File)) -> (Option<i32>, String) {
    let (mut ours, theirs) = terminal(columns);
    let stream = || Stdio::from(theirs.try_clone().unwrap());
    command.stdin(stream()).stdout(stream()).stderr(stream());
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "TERM_PROGRAM", "TMUX", "STY", "WT_SESSION", "VTE_VERSION"] {
        if !command.get_envs().any(|(set, _)| set == name) {
            command.env_remove(name);
        }
    }
    if !command.get_envs().any(|(set, _)| set == "TERM") {
        command.env("TERM", "xterm");
    }
    let mut child = command.spawn().unwrap();
    drop((command, theirs));
    let mut reader = ours.try_clone().unwrap();
    let read = std::thread::spawn(move || {
        let mut text = Vec::new();
        let mut bytes = [0; 4096];
        // The end of a terminal that nobody has open is an error.
        while let Ok(n @ 1..) = reader.read(&mut bytes) {
            text.extend(&bytes[..n]);
        }
        String::from_utf8(text).unwrap()
    });
    typed(&mut ours);
    let code = child.wait().unwrap().code();
    (code, read.join().unwrap())
}

/// The widest line between two ends of lines or of drawings, without what is not seen.
fn widest(text: &str) -> usize {
    let mut seen = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
            c => seen.push(c),
        }
    }
    seen.split(['\r', '\n']).map(|line| line.chars().count()).max().unwrap_or_default()
}

#[test]
fn a_run_is_drawn_in_its_terminals_width_and_leaves_its_lines() {
    for columns in [40, 80, 200] {
        let project = Project::new(TWO);
        let command = project.command(&["run", "pipeline.yaml", "slow", "--store", "a"]);
        let (code, text) = on_terminal(command, columns, |_| {});
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("0 of 1 step") && text.contains("elapsed"), "{text:?}");
        assert!(text.contains("\x1b[32mdone\x1b[0m   slow in 0."), "{text:?}");
        let region: String = text.split("\x1b[?2026h").filter(|frame| frame.contains("elapsed")).collect();
        assert!(!region.is_empty() && widest(&region) < columns.into(), "{columns}: {region:?}");
        for hidden in ["\x1b[?25l", "\x1b]8", "\x1b]9"] {
            assert!(!text.contains(hidden), "{hidden:?} in {text:?}");
        }
    }
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_lines() {
    let project = Project::new(TWO);
    let mut command = project.command(&["run", "pipeline.yaml", "slow"]);
    command.env("TERM", "dumb");
    let (code, text) = on_terminal(command, 80, |_| {});
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("start  slow") && !text.contains('\x1b'), "{text:?}");
}

#[test]
fn a_terminal_that_has_them_gets_links_and_the_progress() {
    let project = Project::new(TWO);
    let mut command = project.command(&["run", "pipeline.yaml"]);
    command.env("TERM_PROGRAM", "WezTerm").env("NO_COLOR", "1");
    let (code, text) = on_terminal(command, 80, |_| {});
    assert_eq!(code, Some(100), "{text}");
    assert!(text.contains("fails.log\x1b]8;;\x1b\\"), "{text:?}");
    assert!(text.contains("\x1b]9;4;1;"), "{text:?}");
    let last = text.rfind("\x1b]9;4;").unwrap();
    assert!(text[last..].starts_with("\x1b]9;4;0;"), "the progress is taken away: {text:?}");
    assert!(!text.contains("\x1b[3") && !text.contains("\x1b[1;3"), "no colours: {text:?}");
}

#[test]
fn an_interrupted_run_says_how_to_go_on() {
    let project = Project::new(&TWO.replace("sleep 0.6", "sleep 60"));
    let mut command = project.command(&["run", "pipeline.yaml", "--set", "seed=1"]);
    // The keys of the terminal are for it.
    // SAFETY: both may be called between fork and exec.
    unsafe {
        use std::os::unix::process::CommandExt as _;
        command.pre_exec(|| {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY, 0);
            Ok(())
        });
    }
    let started = project.path("log.started");
    let (code, text) = on_terminal(command, 80, |keyboard| {
        wait_until("the step runs", || started.exists());
        std::thread::sleep(std::time::Duration::from_millis(400));
        keyboard.write_all(b"\x03").unwrap();
    });
    assert_eq!(code, Some(130), "{text}");
    let (_, said) = text.rsplit_once("interrupted; to continue: ").unwrap();
    assert!(said.trim_end().ends_with("run pipeline.yaml --set seed=1"), "{text:?}");
}

#[test]
fn somebody_is_told_of_the_end() {
    let project = Project::new(TWO);
    let tell = r#"echo "$IGPT_FLOW_STATUS $IGPT_FLOW_PIPELINE $IGPT_FLOW_RUN" > told; echo seen; exit 7"#;
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "slow", "--notify", tell]);
    assert_eq!(ran.code, 0, "its failure is not the run's: {}", ran.err);
    assert!(project.read("told").starts_with("succeeded two 20"), "{}", project.read("told"));
    assert!(
        ran.err.contains("seen\nwarning: --notify: the command ended with exit status: 7"),
        "{}",
        ran.err
    );
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--json", "--notify", tell]);
    assert_eq!(ran.code, 100);
    assert!(project.read("told").starts_with("failed two 20") && !ran.out.contains("seen"), "{}", ran.out);
}
