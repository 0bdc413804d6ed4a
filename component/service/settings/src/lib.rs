//! What a deployment of the service is told by its environment: gateways, clients, names and keys.
//! Takes a way to look up variables; gives [`Settings`], or a [`Problem`] that names the member and the remedy. Never puts the value of a
//! credential into either: those are resolved one by one, by whoever may have them.

mod client;
mod filter;
mod gateway;
mod limits;
mod member;
mod own;
mod problem;
mod setting;
mod template;

use std::collections::BTreeSet;

pub use client::{Client, Clients};
pub use filter::Filter;
pub use gateway::{Auth, DeclaredService, Era, Gateway};
pub use limits::{Inbound, Upstream};
pub use problem::{Problem, Result};
pub use setting::{LONGEST_NAME, LONGEST_TEXT, MOST_SETTINGS, SettingFault, setting_fault};
pub use template::Template;

use member::Member;

/// Gateways by name, each with the members of an entry's `gateway`.
pub const GATEWAYS: &str = "GATEWAYS";
/// Who may use them.
pub const CLIENTS: &str = "CLIENTS";
/// What seals session ids; the first seals, all of them open.
pub const SESSION_KEYS: &str = "SESSION_KEYS";
/// Names by which this service may be asked.
pub const HOSTS: &str = "HOSTS";
/// Origins of web pages that may ask.
pub const ORIGINS: &str = "ORIGINS";
/// What a client may send and take, and how long.
pub const LIMITS: &str = "LIMITS";

/// What whoever talks with clients is told, whatever stands in the settings.
pub const OWN: [&str; 6] = [GATEWAYS, CLIENTS, SESSION_KEYS, HOSTS, ORIGINS, LIMITS];

/// All of it, but for keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// In the order of the text.
    pub gateways: Vec<Gateway>,
    /// Who may come in.
    pub clients: Clients,
    /// Lower case, with a port or without; none: the names of this machine itself.
    pub hosts: Option<Vec<String>>,
    /// Lower case; none: pages of this machine itself, as long as `hosts` says nothing.
    pub origins: Option<Vec<String>>,
    /// For clients.
    pub limits: Inbound,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let text = variable(GATEWAYS).filter(|text| !text.trim().is_empty()).ok_or_else(|| {
            Problem::new(GATEWAYS, "is not set").with_remedy(
                "set it to JSON that names each gateway, like {\"docker\": {\"url\": \"http://127.0.0.1:8811/mcp\"}}",
            )
        })?;
        let gateways = gateway::read(&Member::parse(GATEWAYS, &text)?, variable)?;
        let text = variable(CLIENTS).filter(|text| !text.trim().is_empty()).ok_or_else(|| {
            Problem::new(CLIENTS, "is not set").with_remedy(
                "set it to JSON that names who may come in, like {\"team\": {\"token\": \"${TEAM_TOKEN}\"}}, or to \"anyone\" where \
                 something before this service decides that",
            )
        })?;
        let clients = if text.trim().trim_matches('"') == "anyone" {
            Clients::Anyone
        } else {
            Clients::Named(client::read(&Member::parse(CLIENTS, &text)?, &gateways)?)
        };
        let list = |name: &str| {
            let text = variable(name)?;
            let list: Vec<String> =
                text.split(',').map(|item| item.trim().to_ascii_lowercase()).filter(|item| !item.is_empty()).collect();
            (!list.is_empty()).then_some(list)
        };
        let limits = match variable(LIMITS).filter(|text| !text.trim().is_empty()) {
            None => Inbound::default(),
            Some(text) => Inbound::read(&Member::parse(LIMITS, &text)?)?,
        };
        Ok(Self { gateways, clients, hosts: list(HOSTS), origins: list(ORIGINS), limits })
    }

    /// One gateway.
    #[must_use]
    pub fn gateway(&self, name: &str) -> Option<&Gateway> {
        self.gateways.iter().find(|gateway| gateway.name == name)
    }

    /// Variables that whoever talks with clients must know: these, and no credential of a gateway.
    #[must_use]
    pub fn shown_to_front(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = OWN.into_iter().map(str::to_owned).collect();
        for gateway in &self.gateways {
            names.extend(gateway.url_variables.iter().cloned());
        }
        if let Clients::Named(clients) = &self.clients {
            names.extend(clients.iter().flat_map(|client| client.token.variables()));
        }
        for gateway in &self.gateways {
            for name in gateway.credential_variables() {
                names.remove(&name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests;
