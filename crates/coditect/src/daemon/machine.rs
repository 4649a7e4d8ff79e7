//! `machine-id.json`: which machine a data root is on, made once and never changed.

use super::DaemonError;
use model::{Clock, Entropy};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes the file where there is none. One that is there is left as it is: older installs have one too.
pub(crate) fn identify(path: &Path, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<(), DaemonError> {
    if path.exists() {
        return Ok(());
    }
    let mut random = [0u8; 16];
    entropy.fill(&mut random);
    let id = u128::from_be_bytes(random);
    let name = bus::system::host_name();
    let text =
        serde_json::json!({ "machine_id": format!("{id:032x}"), "name": name, "created_at": clock.now() })
            .to_string();
    write(path, &text).map_err(|error| DaemonError::Io { action: "write", path: path.to_owned(), error })
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bus::system::{SystemClock, SystemEntropy};

    #[test]
    fn a_machine_gets_its_id_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine-id.json");
        identify(&path, &SystemClock, &SystemEntropy).unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        let value: serde_json::Value = serde_json::from_str(&first).unwrap();
        assert_eq!(value["machine_id"].as_str().map(str::len), Some(32));
        identify(&path, &SystemClock, &SystemEntropy).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    }
}
