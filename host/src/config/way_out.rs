//! From an entry to the way out of the sandbox.
//! Takes a configuration; gives what egress wants, with every variable resolved. Never contacts anybody.

use secrecy::ExposeSecret as _;

use super::{GatewayConfig, ProxySetting, Variables};
use crate::{
    Error, Result,
    egress::{EgressOptions, ProxyChoice},
};

impl GatewayConfig {
    /// The way to this gateway.
    ///
    /// # Errors
    ///
    /// `config`: a variable in the entry's `proxy` is not set, or nothing is left of it.
    pub fn way_out(&self) -> Result<EgressOptions> {
        let mut options = EgressOptions::new(self.url.clone());
        options.name.clone_from(&self.name);
        options.kind.clone_from(&self.kind);
        options.paths.clone_from(&self.paths);
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
                    return Err(Error::config("\"proxy\" in the entry is empty").with_hint(
                        "write the proxy's URL, or false for none, or leave it out for what HTTPS_PROXY and the like say",
                    ));
                }
                ProxyChoice::Url(url)
            }
        })
    }
}
