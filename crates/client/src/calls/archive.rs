//! Session archives.

use super::Key;
use crate::client::{Ask, Client, Download};
use crate::{ClientError, path};
use protocol::Method::{Get, Post};
use protocol::{NewSessionImport, SessionExportQuery, SessionImport};

impl Client {
    /// A session with everything, line by line. One that breaks off is no archive.
    pub async fn export_session(
        &self,
        session: &str,
        query: &SessionExportQuery,
    ) -> Result<Download, ClientError> {
        let path = path::under("sessions", session, "/export");
        self.download(Ask::new(Get, path::with_query(&path, query)?)).await
    }

    pub async fn import_session(
        &self,
        new: &NewSessionImport,
        key: Key<'_>,
    ) -> Result<SessionImport, ClientError> {
        self.ask(Ask::new(Post, "/sessions/import").body(new)?.key(key)).await
    }
}
