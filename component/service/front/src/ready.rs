//! Settings that can be used, and what this server is called.
//! Takes the environment; gives [`Ready`], or what is wrong with it in one line. Must not be changed by a request: an instance reads it once.

use std::rc::Rc;

use pflow_gateway_service_settings::{CLIENTS, Clients, Filter, GATEWAYS, Problem, SESSION_KEYS, Settings};

use crate::{
    authentication::Authenticator,
    seal::Keys,
    upstream::{Catalog, Outside},
};

/// `serverInfo.name`.
pub const NAME: &str = "pflow-gateway-service";
/// `serverInfo.version`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Settings that can be used.
pub struct Ready {
    /// Gateways, clients and names.
    pub settings: Settings,
    /// Tokens.
    pub authenticator: Authenticator,
    /// What seals session ids.
    pub keys: Keys,
}

/// An outside that may keep what was read once: an instance's environment is always the same.
pub trait Prepared: Outside + Sized {
    /// The settings.
    ///
    /// # Errors
    ///
    /// What is wrong with them, in one line.
    fn ready(&self) -> Result<Rc<Ready>, String> {
        Ready::read(self).map(Rc::new)
    }
}

impl Ready {
    /// Reads all of it.
    ///
    /// # Errors
    ///
    /// What is wrong, in one line.
    pub fn read<O: Outside>(outside: &O) -> Result<Self, String> {
        let variable = |name: &str| outside.variable(name);
        let read = || {
            let settings = Settings::read(&variable)?;
            let authenticator = Authenticator::new(&settings, &variable)?;
            let keys = Keys::read(variable(SESSION_KEYS))?;
            Ok(Self { settings, authenticator, keys })
        };
        read().map_err(|problem: Problem| problem.to_string())
    }

    /// What a request for one gateway would find out, of all of them: credentials, and globs. Asks no gateway.
    ///
    /// # Errors
    ///
    /// What is wrong, in one line.
    pub fn usable<O: Outside>(&self, outside: &O) -> Result<(), String> {
        let none = Catalog::default();
        let glob = |place: &str, name: &str, filter: &Filter| {
            outside.select(filter, &none).map(drop).map_err(|problem| format!("{place}.{name}: {problem}"))
        };
        for gateway in &self.settings.gateways {
            outside.way_out(gateway)?;
            glob(GATEWAYS, &gateway.name, &gateway.filter)?;
        }
        if let Clients::Named(clients) = &self.settings.clients {
            for client in clients {
                glob(CLIENTS, &client.name, &client.filter)?;
            }
        }
        Ok(())
    }
}
