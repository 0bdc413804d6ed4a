//! The headers that prove to a gateway who asks.
//! Takes its settings and the variables; gives header fields and every text that must never be seen again. Never a part of it where a
//! variable is missing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pflow_gateway_service_settings::{Auth, Gateway, Problem, Result};

/// What is added to a request.
#[derive(Clone, Default)]
pub struct Credential {
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is masked wherever it comes back.
    pub secrets: Vec<String>,
}

impl Credential {
    /// Resolves what the settings point to.
    ///
    /// # Errors
    ///
    /// A variable that is not set, or a value that is no header's.
    pub fn of(gateway: &Gateway, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let mut credential = Self::default();
        match &gateway.auth {
            Auth::None => {}
            Auth::Bearer(token) => {
                let place = gateway.place("auth.token");
                let token = token.resolve(&place, variable)?;
                credential.add(&place, "Authorization", &format!("Bearer {token}"), &[&token])?;
            }
            Auth::ApiKey { header, key } => {
                let place = gateway.place("auth.key");
                let key = key.resolve(&place, variable)?;
                credential.add(&place, header, &key, &[&key])?;
            }
            Auth::Basic { username, password } => {
                let place = gateway.place("auth.password");
                let username = username.resolve(&gateway.place("auth.username"), variable)?;
                let password = password.resolve(&place, variable)?;
                let both = STANDARD.encode(format!("{username}:{password}"));
                credential.add(
                    &place,
                    "Authorization",
                    &format!("Basic {both}"),
                    &[&both, &format!("{username}:{password}"), &password],
                )?;
            }
        }
        for (name, template) in &gateway.headers {
            let place = gateway.place(&format!("headers.{name}"));
            let value = template.resolve(&place, variable)?;
            // One without variables stands in the settings for everybody to read.
            let secret: Vec<String> = template.variables().iter().filter_map(|name| variable(name)).collect();
            let secret: Vec<&str> = secret.iter().map(String::as_str).collect();
            credential.add(&place, name, &value, &secret)?;
        }
        Ok(credential)
    }

    fn add(&mut self, place: &str, name: &str, value: &str, secrets: &[&str]) -> Result<()> {
        let value = value.trim();
        if value.is_empty() || value.bytes().any(|byte| byte.is_ascii_control() || !byte.is_ascii()) {
            return Err(Problem::new(place, "resolves to what no header can carry")
                .with_remedy("look for a line break or a letter that is not ASCII in the variable"));
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self.secrets.extend(secrets.iter().map(|secret| secret.trim().to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use pflow_gateway_service_settings::{CLIENTS, GATEWAYS, Settings};

    use super::*;

    fn of(gateway: &str) -> Result<Credential> {
        let gateways = format!("{{\"a\": {gateway}}}");
        let find = |name: &str| match name {
            GATEWAYS => Some(gateways.clone()),
            CLIENTS => Some("anyone".to_owned()),
            "TOKEN" => Some("s3cret\n".to_owned()),
            "BROKEN" => Some("a\nb".to_owned()),
            _ => None,
        };
        let settings = Settings::read(&find)?;
        Credential::of(settings.gateway("a").unwrap(), &find)
    }

    #[test]
    fn every_kind_becomes_the_header_that_it_is() {
        for (auth, header) in [
            (r#"{"type": "bearer", "token": "${TOKEN}"}"#, ("Authorization", "Bearer s3cret")),
            (r#"{"type": "api_key", "key": "${TOKEN}"}"#, ("X-API-Key", "s3cret")),
            (
                r#"{"type": "basic", "username": "u", "password": "${TOKEN:-x}"}"#,
                ("Authorization", "Basic dTpzM2NyZXQK"),
            ),
        ] {
            let credential = of(&format!(r#"{{"url": "http://x/mcp", "auth": {auth}}}"#)).unwrap();
            assert_eq!(credential.headers, [(header.0.to_owned(), header.1.to_owned())]);
            assert!(credential.secrets.contains(&"s3cret".to_owned()));
        }
        let credential = of(r#"{"url": "http://x/mcp", "headers": {"X-Team": "a", "X-Key": "k-${TOKEN}"}}"#).unwrap();
        assert_eq!(credential.secrets, ["s3cret"]);
    }

    #[test]
    fn a_credential_that_is_not_there_is_no_half_one() {
        let told = |auth: &str| of(&format!(r#"{{"url": "http://x/mcp", "auth": {auth}}}"#)).err().unwrap().to_string();
        assert_eq!(
            told(r#"{"type": "bearer", "token": "${NOBODY}"}"#),
            "GATEWAYS.a.auth.token points to NOBODY, which is not set → give the service the variable NOBODY"
        );
        assert!(
            told(r#"{"type": "bearer", "token": "${BROKEN}"}"#)
                .starts_with("GATEWAYS.a.auth.token resolves to what no header")
        );
    }
}
