//! The native client: rmcp as its documentation has it.
//! Takes where the server is; gives a connection to it. Never adds anything of ours.

use std::process::Stdio;

use clap::{Args, ValueEnum};
use rmcp::{
    RoleClient,
    model::ProtocolVersion,
    service::{ClientLifecycleMode, ClientServiceExt as _, RunningService},
    transport::{
        StreamableHttpClientTransport, TokioChildProcess, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

use crate::Result;

/// Where the server is, and how to speak with it.
#[derive(Args)]
pub(crate) struct To {
    /// Over HTTP
    #[arg(long, required_unless_present = "command", conflicts_with = "command")]
    url: Option<String>,
    /// Keep connections open between requests; rmcp's own client opens one for each
    #[arg(long)]
    pooled: bool,
    #[arg(long, value_enum, default_value = "legacy")]
    era: Era,
    /// Over stdio: a command and its arguments
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Era {
    Legacy,
    Modern,
}

pub(crate) type Connection = RunningService<RoleClient, ()>;

impl To {
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let mode = match self.era {
            Era::Legacy => ClientLifecycleMode::Initialize,
            Era::Modern => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
        };
        if let Some(url) = &self.url {
            let transport = if self.pooled {
                let config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
                StreamableHttpClientTransport::with_client(reqwest::Client::new(), config)
            } else {
                StreamableHttpClientTransport::from_uri(url.as_str())
            };
            return Ok(().serve_with_lifecycle(transport, mode).await?);
        }
        let (program, arguments) = self.command.split_first().ok_or("no command")?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments);
        let (transport, _) = TokioChildProcess::builder(command).stderr(Stdio::inherit()).spawn()?;
        Ok(().serve_with_lifecycle(transport, mode).await?)
    }
}
