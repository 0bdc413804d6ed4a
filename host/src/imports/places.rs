//! Where MCP clients keep the servers of their user.
//! Takes this user's environment; gives paths, whether they are there or not. Files of a folder that somebody works in are not among
//! them: whoever wrote the project wrote those, so they are read only when they are named.

use std::path::PathBuf;

/// A client with a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `claude_desktop_config.json`.
    ClaudeDesktop,
    /// `.claude.json`.
    ClaudeCode,
    /// `config.toml`.
    Codex,
    /// `mcp.json`.
    Cursor,
    /// `settings.json` of the Gemini CLI.
    Gemini,
    /// `mcp.json` of the user's profile.
    VsCode,
    /// `mcp_config.json`.
    Windsurf,
}

impl Client {
    /// As its makers call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::Cursor => "Cursor",
            Self::Gemini => "Gemini CLI",
            Self::VsCode => "VS Code",
            Self::Windsurf => "Windsurf",
        }
    }
}

/// The usual places on this platform.
#[must_use]
pub fn usual() -> Vec<(Client, PathBuf)> {
    let folder = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let Some(home) = std::env::home_dir().filter(|home| !home.as_os_str().is_empty()) else { return Vec::new() };
    // What applications of this user's desktop write.
    let applications = if cfg!(target_vendor = "apple") {
        home.join("Library/Application Support")
    } else if cfg!(windows) {
        folder("APPDATA").unwrap_or_else(|| home.join("AppData/Roaming"))
    } else {
        folder("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).unwrap_or_else(|| home.join(".config"))
    };
    let codex = folder("CODEX_HOME").unwrap_or_else(|| home.join(".codex"));
    vec![
        (Client::ClaudeDesktop, applications.join("Claude/claude_desktop_config.json")),
        (Client::ClaudeCode, home.join(".claude.json")),
        (Client::Codex, codex.join("config.toml")),
        (Client::Cursor, home.join(".cursor/mcp.json")),
        (Client::Gemini, home.join(".gemini/settings.json")),
        (Client::VsCode, applications.join("Code/User/mcp.json")),
        (Client::Windsurf, home.join(".codeium/windsurf/mcp_config.json")),
    ]
}
