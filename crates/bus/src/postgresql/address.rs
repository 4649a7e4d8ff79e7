//! Where the bus is: a server, and the workspace, which names a schema in its database.

use crate::error::BusError;
use std::fmt;

/// Longest name of a workspace: PostgreSQL cuts names off at 63 bytes.
pub const WORKSPACE_MAX: usize = 48;

#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) server: postgresql::Address,
    /// The schema, and the channel its bell rings on.
    pub(crate) schema: String,
}

/// Without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} schema {}", self.server, self.schema)
    }
}

impl Address {
    pub(crate) fn read(url: &str, workspace: &str) -> Result<Self, BusError> {
        let schema = schema_of(workspace)?;
        Ok(Self { server: postgresql::Address::read(url, &schema)?, schema })
    }
}

fn schema_of(workspace: &str) -> Result<String, BusError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    if workspace.is_empty() || workspace.len() > WORKSPACE_MAX || !workspace.chars().all(plain) {
        return Err(BusError::Invalid(format!(
            "a workspace has a name of 1 to {WORKSPACE_MAX} lower-case letters, digits, `_` or `-`"
        )));
    }
    Ok(format!("coditect_{workspace}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_a_plain_name() {
        let url = "postgresql://me:hunter2-s3cret@db.example:5433/team";
        let read = |workspace: &str| Address::read(url, workspace);
        let address = read("team_a-1").unwrap();
        assert_eq!(address.to_string(), "db.example:5433/team schema coditect_team_a-1");
        let long = "w".repeat(WORKSPACE_MAX + 1);
        for bad in ["", "A", "a b", "a\"", "ä", long.as_str()] {
            assert!(matches!(read(bad), Err(BusError::Invalid(_))), "{bad}");
        }
        read(&long[1..]).map(drop).unwrap();
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        for broken in ["?no_such_option=1", "?sslmode=x", "?sslrootcert=%zz"] {
            let error = Address::read(&format!("postgresql://me:s3cret@db/team{broken}"), "w").err().unwrap();
            assert!(matches!(error, BusError::BadAddress(_)), "{broken}");
            assert!(!format!("{error} {error:?} {:?}", error.refusal()).contains("s3cret"), "{broken}");
        }
    }
}
