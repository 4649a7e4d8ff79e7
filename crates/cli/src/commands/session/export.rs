//! `coditect session export`: a whole session as lines of JSON.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::launcher;
use clap::Args;
use protocol::SessionExportQuery;
use std::io::{self, Write};

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Id or short id of the session, or the start of it
    session: String,
    /// All it comes from and all that came out of it, too
    #[arg(long)]
    family: bool,
}

impl Export {
    /// What comes is written as it comes: with and without `--json` it is lines of JSON.
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let query = SessionExportQuery { family: self.family };
        let bytes = context.block(async {
            let client = context.client();
            launcher::reach(context, &client).await?;
            let mut archive = client.export_session(&self.session, &query).await?;
            let (mut out, mut bytes) = (io::stdout().lock(), 0);
            while let Some(piece) = archive.next().await? {
                out.write_all(&piece)?;
                bytes += piece.len();
            }
            out.flush()?;
            Ok(bytes)
        })?;
        context
            .screen
            .say(&format!("{bytes} bytes, whole; read in with `coditect session import archive FILE`"));
        Ok(Exit::Done)
    }
}
