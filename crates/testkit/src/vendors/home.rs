//! A home for one program, with the settings that lead it to the scripted server.

use super::{KEEP, TEST_KEY, VendorCli, VendorRun, Vendors};
use crate::search_path;
use crate::skipped::variable;
use serde_json::json;
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The model each program is asked for. Codex's has direct tools; its newer ones have code mode.
const MODELS: [(VendorCli, &str); 4] = [
    (VendorCli::Claude, "claude-opus-5-5"),
    (VendorCli::Codex, "gpt-5.5"),
    (VendorCli::Gemini, "gemini-2.5-flash"),
    (VendorCli::Kimi, "scripted"),
];

/// What a headless run may do without being asked. Kimi's has only one way, which is in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// The program's default: whatever would be asked is refused.
    Default,
    /// Edits are made, the rest as by default.
    Edits,
    /// The vendor's most permissive mode.
    Everything,
}

/// Gone when dropped.
#[derive(Debug)]
pub struct VendorHome {
    dir: tempfile::TempDir,
    cli: VendorCli,
    program: PathBuf,
    server: SocketAddr,
}

impl VendorHome {
    pub(super) fn new(vendors: &Vendors, cli: VendorCli, server: SocketAddr) -> Self {
        // Codex makes no helpers below the system's temporary folder, so homes are where tests are built.
        let test = std::env::current_exe().expect("find the running test");
        let homes = test.parent().expect("a test is in a folder").join("vendor-homes");
        std::fs::create_dir_all(&homes).expect("make the folder for homes");
        let mut dir = tempfile::Builder::new().prefix(cli.name()).tempdir_in(homes).expect("make a home");
        if variable(KEEP).is_some() {
            dir.disable_cleanup(true);
            let _ = writeln!(std::io::stderr(), "kept: {}", dir.path().display());
        }
        let home = Self { dir, cli, program: vendors.program(cli), server };
        std::fs::create_dir_all(home.folder()).expect("make the vendor's folder");
        if let (Some(path), Some(text)) = (home.settings(), home.first_settings()) {
            std::fs::write(path, text).expect("write the settings");
        }
        home
    }

    pub fn cli(&self) -> VendorCli {
        self.cli
    }

    /// What HOME is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where the program keeps its things: `.claude`, `.codex`, `.gemini`, `.kimi-code`.
    pub fn folder(&self) -> PathBuf {
        self.path().join(match self.cli {
            VendorCli::Claude => ".claude",
            VendorCli::Codex => ".codex",
            VendorCli::Gemini => ".gemini",
            VendorCli::Kimi => ".kimi-code",
        })
    }

    /// The file of its settings; none where the environment says all.
    pub fn settings(&self) -> Option<PathBuf> {
        match self.cli {
            VendorCli::Claude => None,
            VendorCli::Gemini => Some(self.folder().join("settings.json")),
            VendorCli::Codex | VendorCli::Kimi => Some(self.folder().join("config.toml")),
        }
    }

    fn first_settings(&self) -> Option<String> {
        let url = format!("http://{}/v1", self.server);
        Some(match self.cli {
            VendorCli::Claude => return None,
            VendorCli::Codex => format!(
                "model = \"{}\"\nmodel_provider = \"scripted\"\ncheck_for_update_on_startup = false\n\n\
                 [analytics]\nenabled = false\n\n[feedback]\nenabled = false\n\n\
                 [model_providers.scripted]\nname = \"scripted\"\nbase_url = \"{url}\"\n\
                 env_key = \"CODITECT_TEST_KEY\"\nwire_api = \"responses\"\n",
                self.model()
            ),
            VendorCli::Gemini => json!({
                "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}},
                "privacy": {"usageStatisticsEnabled": false},
                "telemetry": {"enabled": false},
                "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false},
                "tools": {"sandbox": false},
            })
            .to_string(),
            VendorCli::Kimi => format!(
                "telemetry = false\ndefault_model = \"scripted\"\n\n\
                 [providers.scripted]\ntype = \"kimi\"\nbase_url = \"{url}\"\napi_key = \"{TEST_KEY}\"\n\n\
                 [models.scripted]\nprovider = \"scripted\"\nmodel = \"kimi-k2\"\nmax_context_size = 262144\n"
            ),
        })
    }

    pub fn model(&self) -> &'static str {
        MODELS.iter().find(|(cli, _)| *cli == self.cli).map_or("", |(_, model)| model)
    }

    /// The whole environment the program is given, for who starts it by other ways than [`Self::command`].
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let home = self.path().as_os_str();
        let url = OsString::from(format!("http://{}", self.server));
        let mut variables: Vec<(&'static str, OsString)> = vec![
            ("HOME", home.into()),
            ("PATH", search_path()),
            ("TMPDIR", std::env::temp_dir().into()),
            ("LANG", "C.UTF-8".into()),
            ("TERM", "dumb".into()),
        ];
        variables.extend(match self.cli {
            VendorCli::Claude => vec![
                ("ANTHROPIC_BASE_URL", url),
                ("ANTHROPIC_API_KEY", TEST_KEY.into()),
                ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".into()),
                ("DISABLE_TELEMETRY", "1".into()),
                ("DISABLE_AUTOUPDATER", "1".into()),
                ("DISABLE_ERROR_REPORTING", "1".into()),
                // Without it the most permissive mode is refused to root, who runs tests in containers.
                ("IS_SANDBOX", "1".into()),
            ],
            VendorCli::Codex => {
                vec![("CODEX_HOME", self.folder().into()), ("CODITECT_TEST_KEY", TEST_KEY.into())]
            }
            VendorCli::Gemini => vec![
                ("GEMINI_CLI_HOME", home.into()),
                ("GEMINI_API_KEY", TEST_KEY.into()),
                ("GOOGLE_GEMINI_BASE_URL", url),
                ("GEMINI_CLI_NO_RELAUNCH", "1".into()),
            ],
            VendorCli::Kimi => {
                vec![("KIMI_CODE_HOME", self.folder().into()), ("KIMI_DISABLE_TELEMETRY", "1".into())]
            }
        });
        variables
    }

    /// The program in that folder, with its own environment and nothing on its standard input.
    #[expect(clippy::disallowed_methods, reason = "tests start the real programs")]
    pub fn command(&self, place: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(self.variables()).args(arguments).current_dir(place).stdin(Stdio::null());
        command
    }

    /// One prompt without a face: the program's own headless mode, its events as JSON lines. What else it is told
    /// stands in `more`, before the prompt.
    pub fn headless(&self, place: &Path, prompt: &str, permission: Permission, more: &[&str]) -> Command {
        let mode: &[&str] = match (self.cli, permission) {
            (VendorCli::Claude, Permission::Default) => &["--permission-mode", "default"],
            (VendorCli::Claude, Permission::Edits) => &["--permission-mode", "acceptEdits"],
            (VendorCli::Claude, Permission::Everything) => &["--permission-mode", "bypassPermissions"],
            (VendorCli::Codex, Permission::Default) => {
                &["-c", "approval_policy=\"never\"", "--sandbox", "read-only"]
            }
            (VendorCli::Codex, Permission::Edits) => {
                &["-c", "approval_policy=\"never\"", "--sandbox", "workspace-write"]
            }
            (VendorCli::Codex, Permission::Everything) => &["--dangerously-bypass-approvals-and-sandbox"],
            (VendorCli::Gemini, Permission::Default) => &["--approval-mode", "default"],
            (VendorCli::Gemini, Permission::Edits) => &["--approval-mode", "auto_edit"],
            (VendorCli::Gemini, Permission::Everything) => &["--approval-mode", "yolo"],
            (VendorCli::Kimi, _) => &[],
        };
        let (before, after): (&[&str], &[&str]) = match self.cli {
            VendorCli::Claude => (&["--output-format", "stream-json", "--verbose"], &["-p", prompt]),
            VendorCli::Codex => (&["exec", "--json", "--skip-git-repo-check"], &[prompt]),
            VendorCli::Gemini => {
                (&["-m", self.model(), "--output-format", "stream-json", "--skip-trust"], &["-p", prompt])
            }
            VendorCli::Kimi => (&["--output-format", "stream-json"], &["-p", prompt]),
        };
        self.command(place, &[before, mode, more, after].concat())
    }

    /// Starts it; its process group ends with what this returns.
    pub fn start(&self, command: Command) -> VendorRun {
        VendorRun::start(command)
    }
}
