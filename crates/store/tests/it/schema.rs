//! A workspace's schemas on the server CODITECT_TEST_POSTGRES names; they are dropped when the test is over.

use postgresql::{Address, Client};
use store::PostgresqlOptions;

const VARIABLE: &str = "CODITECT_TEST_POSTGRES";

pub(crate) struct Schema {
    pub(crate) url: String,
    pub(crate) workspace: String,
    /// Somebody else's, who drops it.
    borrowed: bool,
}

#[expect(clippy::disallowed_methods, reason = "the runner of the tests names the server")]
fn url() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|url| !url.is_empty())
}

impl Schema {
    /// None, loudly, without a server.
    pub(crate) fn new() -> Option<Self> {
        let Some(url) = url() else {
            testkit::skipped("PostgreSQL", &format!("set {VARIABLE} or run cargo xtask test"));
            return None;
        };
        // Nobody else has a folder of this name now.
        let folder = tempfile::tempdir().unwrap();
        let name: String = folder
            .path()
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .rev()
            .take(8)
            .map(|c| format!("{c:02x}"))
            .collect();
        Some(Self { url, workspace: format!("test_{name}"), borrowed: false })
    }

    pub(crate) fn borrowed(workspace: &str) -> Self {
        Self { url: url().unwrap(), workspace: workspace.to_owned(), borrowed: true }
    }

    pub(crate) fn options(&self, machine: &str) -> PostgresqlOptions {
        PostgresqlOptions::new(&self.url, &self.workspace, machine)
    }

    /// Beside the store, with its tables in the path.
    pub(crate) fn sql(&self) -> Client {
        let mut client = Client::connect(&Address::read(&self.url, "test").unwrap()).unwrap();
        let path =
            format!("SET search_path TO \"studio_{0}$rows\", \"studio_{0}\", pg_catalog", self.workspace);
        client.batch_execute(&path).unwrap();
        client
    }

    pub(crate) fn forget_rows(&self) {
        self.sql().batch_execute(&format!("DROP SCHEMA \"studio_{}$rows\" CASCADE", self.workspace)).unwrap();
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if self.borrowed {
            return;
        }
        let Ok(address) = Address::read(&self.url, "test") else { return };
        let Ok(mut client) = Client::connect(&address) else { return };
        for ending in ["", "$rows", "$fresh", "$old"] {
            let drop = format!("DROP SCHEMA IF EXISTS \"studio_{}{ending}\" CASCADE", self.workspace);
            let _ = client.batch_execute(&drop);
        }
    }
}
