//! A gateway of three services on loopback, to try everything without one.
//! Takes an address and a token; gives a URL that works like a real gateway. Never listens outside of loopback, never leaves the machine.
//!
//! The services are MCP servers of their own, each with another kind of credential; the gateway holds these credentials and
//! forwards calls. Data is made up and lives in memory.

mod aggregate;
mod backend;
mod forward;
mod github;
mod http;
mod service;
mod slack;
mod weather;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
};

use self::{
    aggregate::Aggregate,
    backend::Backend,
    forward::Forward,
    http::{Authentication, Listening, Style},
};
use pflow_gateway_base::{Class, Error, Result, random};

/// How the demo gateway shall be.
#[derive(Clone)]
pub struct Options {
    /// Where the gateway listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The token that the gateway wants.
    pub token: String,
    /// Tools on one page of `tools/list`.
    pub page_size: NonZeroUsize,
}

/// A demo gateway that runs until it is stopped or dropped.
pub struct Demo {
    gateway: Listening,
    backends: Vec<Listening>,
    services: Vec<DemoService>,
}

/// A service behind the demo gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoService {
    /// Its name.
    pub name: &'static str,
    /// What it wants from the gateway, in words.
    pub credential: &'static str,
    /// How many tools it has.
    pub tools: usize,
}

impl Demo {
    /// Starts the services and the gateway in front of them.
    ///
    /// # Errors
    ///
    /// `config`: the address is not a loopback address, cannot be used, or the token is no header value.
    pub async fn start(options: Options) -> Result<Self> {
        if !options.listen.ip().is_loopback() {
            return Err(Error::config(format!("the demo gateway does not listen on {}", options.listen))
                .with_hint("its data and its services are for this machine only: use 127.0.0.1 or [::1]"));
        }
        let (mut backends, mut ways, mut ways_in) = (Vec::new(), Vec::new(), Vec::new());
        for (name, authentication, backend) in [
            ("github", Authentication::Bearer(random_token("ghp_")?), Backend::new(github::Github::new())),
            (
                "slack",
                Authentication::ApiKey { header: "x-api-key", value: random_token("xoxb-")? },
                Backend::new(slack::Slack::new()),
            ),
            ("weather", Authentication::None, Backend::new(weather::Weather)),
        ] {
            let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
            let listening = Listening::open(any, authentication.clone(), Style::Stateless, backend)
                .await
                .map_err(|error| cannot_listen(any, error))?;
            let way = Forward::new(listening.url(), &authentication)
                .map_err(|error| Error::new(Class::Internal, error.to_string()))?;
            ways.push((name, way));
            ways_in.push((name, authentication.describe()));
            backends.push(listening);
        }
        let aggregate = Aggregate::over(ways, options.page_size)
            .await
            .map_err(|error| Error::new(Class::Internal, "a demo service does not answer").because(error))?;
        let services = ways_in
            .into_iter()
            .map(|(name, credential)| DemoService { name, credential, tools: aggregate.count(name) })
            .collect();
        let gateway =
            Listening::open(options.listen, Authentication::Bearer(options.token), Style::Sessions, aggregate)
                .await
                .map_err(|error| cannot_listen(options.listen, error))?;
        Ok(Self { gateway, backends, services })
    }

    /// The gateway's MCP URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// The services behind it.
    #[must_use]
    pub fn services(&self) -> &[DemoService] {
        &self.services
    }

    /// Ends the gateway, then the services.
    pub async fn stop(self) {
        self.gateway.stop().await;
        for backend in self.backends {
            backend.stop().await;
        }
    }
}

fn cannot_listen(address: SocketAddr, error: std::io::Error) -> Error {
    Error::config(format!("cannot listen on {address}"))
        .because(error)
        .with_hint("choose another with --listen; port 0 takes a free one")
}

/// A token that nobody can guess, behind a prefix as its product has it.
///
/// # Errors
///
/// `internal`: the system has no random numbers.
pub fn random_token(prefix: &str) -> Result<String> {
    let token = random::token();
    let token = token.map_err(|error| Error::new(Class::Internal, "there is no token for the demo").because(error))?;
    Ok(format!("{prefix}{token}"))
}
