//! What `test`, `services`, `tools`, `call` and `serve` are told: one question to a gateway.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{Auth, FILTER, Pick};

/// `test` and `services`.
#[derive(Args, Debug)]
pub(crate) struct Look {
    /// A name, or a URL
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) auth: Auth,
}

/// `tools`.
#[derive(Args, Debug)]
pub(crate) struct Tools {
    /// A name, or a URL; all gateways when --search is given without it
    #[arg(required_unless_present = "search")]
    pub(crate) target: Option<String>,
    /// Show this tool alone: what it takes and returns, and how to call it
    #[arg(conflicts_with_all = ["search", "tokens"])]
    pub(crate) tool: Option<String>,
    /// Rank the tools by these words, in names, descriptions and arguments
    #[arg(long, value_name = "WORDS", conflicts_with = "tokens")]
    pub(crate) search: Option<String>,
    /// Estimate what each tool costs a model that is shown it, in tokens
    #[arg(long)]
    pub(crate) tokens: bool,
    /// Show what the component's rules think of the tools: invisible text, names that look alike; fails when something is found
    #[arg(long, conflicts_with_all = ["search", "tokens", "tool"])]
    pub(crate) review: bool,
    /// Only tools of these services (glob); may be repeated
    #[arg(long = "service", visible_alias = "include-service", value_name = "GLOB", help_heading = FILTER)]
    pub(crate) services: Vec<String>,
    #[command(flatten)]
    pub(crate) pick: Pick,
    #[command(flatten)]
    pub(crate) auth: Auth,
}

/// `call`.
#[derive(Args, Debug)]
pub(crate) struct Call {
    /// A name, or a URL
    pub(crate) target: String,
    /// The tool's exact name at the gateway
    pub(crate) tool: String,
    /// The tool's arguments: city=Lisbon, days:=3 (JSON), body=@letter.txt (a file; @@ is an @), or - for all of them as JSON from stdin
    #[arg(value_name = "ARGUMENT")]
    pub(crate) words: Vec<String>,
    /// All arguments, a JSON object; - reads them from stdin
    #[arg(long, value_name = "JSON", allow_hyphen_values = true, conflicts_with = "words")]
    pub(crate) args: Option<String>,
    /// Send the arguments without checking them against the tool's input schema
    #[arg(long)]
    pub(crate) no_check: bool,
    /// Save images, audio and embedded resources of the result into this folder; no file is written over
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) auth: Auth,
}

/// `serve`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// A name, or a URL
    pub(crate) target: String,
}
