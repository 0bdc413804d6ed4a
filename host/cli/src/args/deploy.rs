//! The words of `deploy`.
//! Takes what clap gives; gives typed values, whose letters need no quotes anywhere. Never looks whether anything is there.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// `deploy`.
#[derive(Args, Debug)]
pub(crate) struct Deploy {
    /// Names of entries [default: all gateways]
    pub(crate) names: Vec<String>,
    /// What runs the service
    #[arg(long, value_enum)]
    pub(crate) engine: EngineName,
    /// Where the files go
    #[arg(long, value_name = "FOLDER", default_value = "deploy", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// The name by which clients find it
    #[arg(long, value_name = "NAME", default_value = "mcp.example.com", value_parser = host_name)]
    pub(crate) host: String,
    /// How many run
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) replicas: u16,
    /// The port of the first of them, for wasmtime
    #[arg(long, value_name = "PORT", default_value = "8081", value_parser = clap::value_parser!(u16).range(1..=65_400))]
    pub(crate) port: u16,
    /// Where service.wasm is on the machine that runs it
    #[arg(long, value_name = "FILE", default_value = "/usr/local/lib/pflow-gateway/service.wasm")]
    pub(crate) service: PathBuf,
    /// Where service.wasm is in a registry, for Kubernetes
    #[arg(long, value_name = "REFERENCE", default_value = concat!("registry.example.com/pflow-gateway-service:", env!("CARGO_PKG_VERSION")))]
    pub(crate) image: String,
    /// Overwrite files that deploy did not write
    #[arg(long)]
    pub(crate) force: bool,
}

/// What runs the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// `wasmtime serve`, under systemd and behind nginx
    Wasmtime,
    /// wasmCloud 2, on Kubernetes
    Wasmcloud,
    /// Spin
    Spin,
}

impl EngineName {
    /// As it is typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Wasmtime => "wasmtime",
            Self::Wasmcloud => "wasmcloud",
            Self::Spin => "spin",
        }
    }
}

/// Letters that need no quotes anywhere.
fn host_name(text: &str) -> Result<String, String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '.';
    if text.is_empty() || !text.chars().all(fits) {
        return Err("a name like mcp.example.com, without scheme, port or path".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}
