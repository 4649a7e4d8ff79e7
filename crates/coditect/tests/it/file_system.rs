//! Where no data root may be.

use crate::house::{House, program, text};

/// Mounts a FUSE file system nobody serves and starts the daemon there. It is another user's, so that the kernel
/// answers by itself. Exit code 90 says that this machine lets nobody mount.
const SCRIPT: &str = r#"
exec 3<>/dev/fuse || exit 90
mount -i -t fuse -o fd=3,rootmode=40000,user_id=65534,group_id=65534 none "$1" || exit 90
exec 3>&-
shift
exec "$@"
"#;
const NO_MOUNT: i32 = 90;

#[test]
fn a_data_root_on_fuse_is_refused_before_anything_is_made() {
    let house = House::new();
    let mount = house.dir.path().join("bucket");
    std::fs::create_dir(&mount).unwrap();
    for root in [mount.clone(), mount.join("deep/data")] {
        let mut command = program("unshare");
        command.args(["--mount", "sh", "-c", SCRIPT, "sh"]).arg(&mount).arg(env!("CARGO_BIN_EXE_coditect"));
        command.arg("--data-root").arg(&root).args(["daemon", "run"]);
        let output = match command.output() {
            Ok(output) if output.status.code() != Some(NO_MOUNT) && output.status.code() != Some(127) => {
                output
            }
            _ => {
                testkit::skipped("a FUSE file system", "this machine does not let the test mount one");
                return;
            }
        };
        if text(&output).contains("unshare failed") {
            testkit::skipped(
                "a FUSE file system",
                "this machine does not let the test make a mount namespace",
            );
            return;
        }
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("FUSE") && said.contains("file_system_unsafe"), "{said}");
        assert!(said.contains("--data-root"), "no next step: {said}");
    }
    assert_eq!(std::fs::read_dir(&mount).unwrap().count(), 0);
}
