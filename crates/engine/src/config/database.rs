//! Where the workspace's data are, as config.json says it: in files of this machine, or on a server.

use serde::{Deserialize, Serialize};

/// None of it: files. Read when the daemon starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `postgresql://…`, without a password.
    pub url: Option<String>,
    /// Name of the environment variable that holds the URL, for one that has a password.
    pub url_env: Option<String>,
    /// What the workspace is called there: 1 to [`store::WORKSPACE_MAX`] lower-case letters, digits, `_` or `-`. None means
    /// the workspace's name.
    pub name: Option<String>,
}

impl DatabaseConfig {
    pub fn is_configured(&self) -> bool {
        self.url.is_some() || self.url_env.is_some()
    }

    /// The URL, wherever it is kept.
    pub fn address(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
        match (&self.url_env, &self.url) {
            (Some(name), _) => {
                environment(name).ok_or_else(|| format!("{name} is not set (database.url_env)"))
            }
            (None, Some(url)) => Ok(url.clone()),
            (None, None) => Err("neither database.url nor database.url_env is set".to_owned()),
        }
    }

    /// Whether it names one place, without a password; else why not.
    pub fn check(&self) -> Result<(), String> {
        if self.url.is_some() && self.url_env.is_some() {
            return Err("database.url and database.url_env say the same thing; keep one of them".to_owned());
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        let fits =
            |name: &String| (1..=store::WORKSPACE_MAX).contains(&name.len()) && name.chars().all(plain);
        if !self.name.iter().all(fits) {
            return Err(format!(
                "database.name has 1 to {} lower-case letters, digits, `_` or `-`",
                store::WORKSPACE_MAX
            ));
        }
        let Some(url) = &self.url else { return Ok(()) };
        if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
            return Err("database.url must start with postgresql:// or postgres://".to_owned());
        }
        if store::holds_password(url) {
            return Err(
                "database.url holds a password; put the URL into an environment variable and name it in \
                database.url_env"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_without_its_password() {
        let check = |text: &str| serde_json::from_str::<DatabaseConfig>(text).unwrap().check();
        for (text, why) in [
            (r#"{"url":"postgresql://me:secret@db/x"}"#, "url_env"),
            (r#"{"url":"postgresql://db/x?password=secret"}"#, "url_env"),
            (r#"{"url":"mysql://db/x"}"#, "must start with"),
            (r#"{"url":"postgresql://db/x","url_env":"B"}"#, "keep one"),
            (r#"{"url_env":"B","name":"Us"}"#, "database.name"),
            (r#"{"url_env":"B","name":""}"#, "database.name"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{error}");
        }
        for good in [r#"{"url":"postgresql://me@db:5432/x","name":"us-1"}"#, r#"{"url_env":"DB"}"#, "{}"] {
            check(good).unwrap();
        }
    }
}
