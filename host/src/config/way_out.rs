//! From an entry to the way out of the sandbox.
//! Takes a configuration; gives what egress wants, with every variable resolved. Never contacts anybody.

use secrecy::ExposeSecret as _;

use super::error::{EntryError, Result};
use super::{GatewayConfig, ProxySetting, Variables, usual_paths};
use crate::egress::{EgressOptions, ProxyChoice};

impl GatewayConfig {
    /// The way to this gateway.
    ///
    /// # Errors
    ///
    /// `config`: a variable in the entry's `proxy` is not set, or nothing is left of it.
    pub fn way_out(&self) -> Result<EgressOptions> {
        let mut options = EgressOptions::new(self.url.clone());
        options.name.clone_from(&self.name);
        options.paths = usual_paths::of(&self.url, self.kind.as_ref());
        options.paths.extend_from_slice(&self.paths);
        options.allow_origins.clone_from(&self.allow_origins);
        options.addresses = self.addresses;
        options.ca_file.clone_from(&self.ca_file);
        options.proxy = self.proxy.choice()?;
        options.timeout = self.timeout;
        Ok(options)
    }
}

impl ProxySetting {
    fn choice(&self) -> Result<ProxyChoice> {
        Ok(match self {
            Self::Environment => ProxyChoice::Environment,
            Self::None => ProxyChoice::None,
            Self::Url(template) => {
                // Without a home folder the environment still counts.
                let variables = Variables::of_this_user().unwrap_or_default();
                let url = template.resolve(&variables)?;
                if url.expose_secret().trim().is_empty() {
                    return Err(EntryError::Proxy.into());
                }
                ProxyChoice::Url(url)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::config::{ConfigError, Template};

    #[test]
    fn a_proxys_variable_that_is_not_set_is_named() {
        let mut config = GatewayConfig::for_url("http://127.0.0.1:9/mcp").unwrap();
        config.proxy = ProxySetting::Url(Template::new("http://${NO_SUCH_PROXY_VARIABLE}"));
        let error = config.way_out().unwrap_err();
        assert!(matches!(&error, ConfigError::Unset { name } if name == "NO_SUCH_PROXY_VARIABLE"), "{error:?}");
    }
}
