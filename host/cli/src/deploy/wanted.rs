//! What is to be deployed: gateways as the service takes them, and where their secrets are.
//! Takes entries; gives the service's settings, checked by the service's own parser. Never takes an entry in which a credential stands.

use std::collections::BTreeSet;

use pflow_gateway_service_settings::{CLIENTS, GATEWAYS, HOSTS, OWN, SESSION_KEYS, Settings};
use serde_json::{Map, Value, json};

use super::super::args;
use pflow_gateway::config::ConfigFile;
use pflow_gateway_base::{Error, Result, scrub};

/// The variable with the token of the one client that is written.
const TEAM_TOKEN: &str = "TEAM_TOKEN";

/// In the place of a variable that is not set here.
const UNKNOWN: &str = "variable.invalid";

/// A deployment.
pub(super) struct Wanted {
    /// Of the gateways.
    pub(super) names: Vec<String>,
    /// `GATEWAYS`.
    pub(super) gateways: Value,
    /// `CLIENTS`.
    pub(super) clients: Value,
    /// The name by which clients find it.
    pub(super) host: String,
    /// Variables that may hold a secret: those of credentials, and of URLs too.
    pub(super) secrets: Vec<String>,
    /// Scheme, host and port of each gateway.
    pub(super) origins: Vec<String>,
    /// How many.
    pub(super) replicas: u16,
    /// The port of the first, where that is ours to say.
    pub(super) port: u16,
    /// Where the file is.
    pub(super) service: String,
    /// The OCI reference.
    pub(super) image: String,
}

impl Wanted {
    /// Reads the entries: those that are named, or all.
    pub(super) fn of(file: &ConfigFile, asked: &args::Deploy) -> Result<Self> {
        let names: Vec<String> = if asked.names.is_empty() {
            file.gateways().into_iter().map(|(name, _)| name).collect()
        } else {
            asked.names.clone()
        };
        if names.is_empty() {
            return Err(
                Error::config("there is no gateway to deploy").with_hint("add one first: pflow-gateway add NAME URL")
            );
        }
        let mut gateways = Map::new();
        for name in &names {
            // Whatever is wrong with an entry, and that there is none, is said as everywhere.
            let config = file.find(name)?;
            let shown = scrub::line(name, 100);
            let literal = config.auth.literal().or_else(|| config.address.literal_key());
            let default = config.auth.variables().find(|(_, default)| default.is_some_and(|text| !text.is_empty()));
            if literal.is_some() || default.is_some() {
                let what = literal.map_or_else(
                    || "the default of a variable".to_owned(),
                    |what| format!("the credential itself ({})", scrub::line(&what, 60)),
                );
                return Err(Error::config(format!(
                    "{shown}: the entry holds {what}, and a deployment is read by others"
                ))
                .with_hint("put it into a variable, and write ${VARIABLE} in its place, without a default"));
            }
            gateways.insert(name.clone(), of_entry(file.entry(name).unwrap_or(&Value::Null)));
        }
        let gateways = Value::Object(gateways);
        let clients = json!({"team": {"token": format!("${{{TEAM_TOKEN}}}")}});
        let settings = checked(&gateways, &clients)?;
        let mut secrets: BTreeSet<String> = [SESSION_KEYS, TEAM_TOKEN].into_iter().map(str::to_owned).collect();
        let mut origins: BTreeSet<String> = BTreeSet::new();
        for gateway in &settings.gateways {
            secrets.extend(gateway.credential_variables());
            secrets.extend(gateway.url_variables.iter().cloned());
            let (scheme, authority, _) = gateway.parts();
            if authority.contains(UNKNOWN) {
                let names = gateway.url_variables.join(", ");
                return Err(Error::config(format!(
                    "{}: the host in its URL is not known here",
                    scrub::line(&gateway.name, 100)
                ))
                .with_hint(format!("set {names} for this command: engines are told which hosts may be reached")));
            }
            origins.insert(format!("{scheme}://{authority}"));
        }
        Ok(Self {
            names,
            gateways,
            clients,
            host: asked.host.clone(),
            secrets: secrets.into_iter().collect(),
            origins: origins.into_iter().collect(),
            replicas: asked.replicas,
            port: asked.port,
            service: asked.service.display().to_string(),
            image: asked.image.clone(),
        })
    }

    /// All variables that the service is given, without their values.
    pub(super) fn variables(&self) -> Vec<&str> {
        [GATEWAYS, CLIENTS, HOSTS].into_iter().chain(self.secrets.iter().map(String::as_str)).collect()
    }

    /// The values that are no secret.
    pub(super) fn settings(&self) -> Vec<(&str, String)> {
        vec![
            (GATEWAYS, super::text::json(&self.gateways)),
            (CLIENTS, super::text::json(&self.clients)),
            (HOSTS, self.host.clone()),
        ]
    }
}

/// The members that the service reads. What it refuses stays in, so that it is refused.
fn of_entry(entry: &Value) -> Value {
    if let Some(gateway) = entry.get("gateway") {
        let mut gateway = gateway.clone();
        if let Some(members) = gateway.as_object_mut() {
            // How pflow's side of it looks for changes; the service lists when it is asked.
            members.retain(|name, _| !["refresh", "changes"].contains(&name.as_str()));
        }
        return gateway;
    }
    let member = |name: &str| entry.get(name).map(|value| (name.to_owned(), value.clone()));
    ["url", "auth", "headers", "timeout"].into_iter().filter_map(member).collect::<Map<_, _>>().into()
}

/// What the service itself would say of it.
fn checked(gateways: &Value, clients: &Value) -> Result<Settings> {
    let (gateways, clients) = (gateways.to_string(), clients.to_string());
    let variable = |name: &str| match name {
        GATEWAYS => Some(gateways.clone()),
        CLIENTS => Some(clients.clone()),
        other if OWN.contains(&other) => None,
        // Nobody here has to know what a deployment's variables hold.
        other => std::env::var(other).ok().filter(|value| !value.is_empty()).or_else(|| Some(UNKNOWN.to_owned())),
    };
    Settings::read(&variable).map_err(|problem| {
        let error = Error::config(format!("the service cannot take this: {} {}", problem.place, problem.what));
        match problem.remedy {
            Some(remedy) => error.with_hint(remedy),
            None => error.with_hint("change the entry, or deploy the others by name"),
        }
    })
}
