//! Where a workspace is: a server, and the names of its schemas there.

use crate::StoreError;
use postgresql::Address;
use std::fmt;
use std::time::Duration;

/// Longest name of a workspace on a server: PostgreSQL cuts names off at 63 bytes.
pub const WORKSPACE_MAX: usize = 48;
/// How long an owner that is not heard of stays the owner, by the server's clock.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// What is long by nature, a fold or a copy, waits this long for one answer.
const PATIENCE_LONG: Duration = Duration::from_secs(3600);

/// A workspace on a server, and who opens it.
#[derive(Clone)]
pub struct PostgresqlOptions {
    /// `postgresql://…`, with its password where it has one.
    pub url: String,
    /// What the workspace is called there: 1 to [`WORKSPACE_MAX`] lower-case letters, digits, `_` or `-`.
    pub workspace: String,
    /// Tells this data root from every other. Who shows the same one proves by the data root's lock that the owner of before
    /// is dead, and does not wait for its lease.
    pub machine: String,
    /// The machine's name, as people are told it.
    pub place: String,
    /// How long the owner may be silent before another daemon takes over.
    pub lease: Duration,
}

impl PostgresqlOptions {
    pub fn new(url: &str, workspace: &str, machine: &str) -> Self {
        let (url, workspace, machine) = (url.to_owned(), workspace.to_owned(), machine.to_owned());
        Self { url, workspace, place: machine.clone(), machine, lease: LEASE }
    }
}

impl PostgresqlOptions {
    /// The schema with the tables of sessions.db and messages.db, for whoever looks with a client of his own.
    pub fn rows_schema(&self) -> String {
        format!("studio_{}$rows", self.workspace)
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for PostgresqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresqlOptions")
            .field("workspace", &self.workspace)
            .field("machine", &self.machine)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// The options, understood.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) address: Address,
    /// The same server, for what takes long.
    pub(crate) patient: Address,
    pub(crate) truth: String,
    pub(crate) rows: String,
    /// Where rows are made before they take the place of the present ones.
    pub(crate) fresh: String,
    pub(crate) machine: String,
    pub(crate) name: String,
    pub(crate) lease: Duration,
}

impl Place {
    pub(crate) fn read(options: &PostgresqlOptions) -> Result<Self, StoreError> {
        let name = &options.workspace;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > WORKSPACE_MAX || !name.chars().all(plain) {
            return Err(StoreError::Name { name: name.clone() });
        }
        let truth = format!("studio_{name}");
        let address = Address::read(&options.url, &truth)?;
        let mut patient = address.clone();
        patient.patience = PATIENCE_LONG;
        Ok(Self {
            address,
            patient,
            // No name of a workspace holds a `$`.
            rows: options.rows_schema(),
            fresh: format!("{truth}$fresh"),
            truth,
            machine: options.machine.clone(),
            name: options.place.clone(),
            lease: options.lease,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} schema {}", self.address, self.truth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_show_no_password() {
        let read = |name: &str| {
            Place::read(&PostgresqlOptions::new("postgresql://me:s3cret@db/team", name, "machine"))
        };
        let long = "w".repeat(WORKSPACE_MAX + 1);
        for bad in ["", "A", "a b", "a$rows", "ä", long.as_str()] {
            assert!(matches!(read(bad), Err(StoreError::Name { .. })), "{bad}");
        }
        let longest = read(&long[1..]).unwrap();
        assert!(longest.fresh.len() <= 63);
        let shown = format!("{longest} {longest:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let options = PostgresqlOptions::new("postgresql://me:s3cret@db/team", "a", "m");
        assert!(!format!("{options:?}").contains("s3cret"));
    }
}
