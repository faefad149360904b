//! What a stage skips is in its step's log and in its notes, with the cause.

use std::fs;

use crate::support::Project;

/// A PNG of one pixel.
const PNG: [u8; 69] = [
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0, 144,
    119, 83, 222, 0, 0, 0, 12, 73, 68, 65, 84, 120, 156, 99, 56, 33, 167, 1, 0, 2, 192, 1, 15, 218, 64, 129,
    185, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

#[test]
fn skipped_files_are_in_the_log_with_their_cause() {
    let project = Project::new(
        "
name: photos
stages:
  folder: {uses: download, in: {archive: ./photos}, with: {source: folder, skip_broken: true}}
  web: {uses: download, in: {archive: ./list.txt}, with: {source: web}}
",
    );
    fs::create_dir_all(project.path("photos/c")).unwrap();
    fs::write(project.path("photos/c/good.png"), PNG).unwrap();
    for i in 0..7 {
        fs::write(project.path(&format!("photos/c/cut{i}.png")), &PNG[..40]).unwrap();
    }
    project.write("list.txt", "nowhere.png\n");
    let ran = project.igpt_flow(&["run", "pipeline.yaml", "--keep-going"]);
    assert_eq!(ran.code, 100, "{}", ran.out);
    assert!(ran.out.contains("skipped 7 of 8 image files (unreadable): `c/cut0.png`"), "{}", ran.out);
    assert!(ran.out.contains("and 2 more (see the step's log)"), "{}", ran.out);
    let log = ran.out.lines().find_map(|line| line.trim().strip_prefix("log ")).unwrap();
    let web = fs::read_to_string(log).unwrap();
    assert!(web.contains("nowhere.png") && web.contains("No such file or directory"), "{web}");
    let folder = fs::read_to_string(log.replace("web.log", "folder.log")).unwrap();
    for i in 0..7 {
        assert!(folder.lines().any(|line| line.starts_with(&format!("skipped: `c/cut{i}.png`"))), "{folder}");
    }
    assert!(folder.contains("unexpected end of file") && folder.contains("7 of 8 image files"), "{folder}");
}
