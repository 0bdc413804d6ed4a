//! Who asks: bearer tokens, each a client's of its own.
//! Takes the settings and `Authorization`; gives the client. Takes as long for a wrong token as for a right one, and never says whose it is.

use pflow_gateway_service_settings::{Client, Clients, Problem, Settings};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{answer::Answer, request::Request};

/// Tokens that are shorter are guessed.
const SHORTEST: usize = 16;

/// Who was let in.
#[derive(Clone, Debug, PartialEq)]
pub enum Visitor {
    /// Whoever it is.
    Anyone,
    /// One of those named.
    Client(Client),
}

impl Visitor {
    /// What it is called; empty for anyone.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Anyone => "",
            Self::Client(client) => &client.name,
        }
    }

    /// Whether it may use a gateway.
    #[must_use]
    pub fn may_use(&self, gateway: &str) -> bool {
        match self {
            Self::Anyone => true,
            Self::Client(client) => {
                client.gateways.as_ref().is_none_or(|names| names.iter().any(|name| name == gateway))
            }
        }
    }
}

/// The clients' tokens, as digests: what is compared has one length.
pub struct Authenticator {
    known: Option<Vec<(Client, [u8; 32])>>,
}

impl Authenticator {
    /// Resolves the tokens.
    ///
    /// # Errors
    ///
    /// A variable that is not set, a token that is too short, and two clients with one token.
    pub fn new(settings: &Settings, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let Clients::Named(clients) = &settings.clients else { return Ok(Self { known: None }) };
        let mut known: Vec<(Client, [u8; 32])> = Vec::new();
        for client in clients {
            let place = format!("CLIENTS.{}.token", client.name);
            let token = client.token.resolve(&place, variable)?;
            let token = token.trim();
            if token.len() < SHORTEST {
                return Err(Problem::new(
                    place,
                    format!("is shorter than {SHORTEST} characters, and would be guessed"),
                )
                .with_remedy("make one with: openssl rand -hex 32"));
            }
            let digest = Sha256::digest(token).into();
            if let Some((other, _)) = known.iter().find(|(_, one)| *one == digest) {
                return Err(Problem::new(place, format!("is the token of {} too", other.name))
                    .with_remedy("give each client a token of its own"));
            }
            known.push((client.clone(), digest));
        }
        Ok(Self { known: Some(known) })
    }

    /// Who brings this request.
    ///
    /// # Errors
    ///
    /// 401, with a challenge.
    pub fn visitor(&self, request: &Request) -> Result<Visitor, Answer> {
        let Some(known) = &self.known else { return Ok(Visitor::Anyone) };
        let brought = request.header("authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let Some(token) = brought else {
            return Err(refused(
                "Bearer realm=\"pflow-gateway\"",
                "this service wants a bearer token in Authorization",
            ));
        };
        let digest: [u8; 32] = Sha256::digest(token).into();
        // All of them, whichever fits.
        let mut found = None;
        for (client, one) in known {
            if bool::from(one.ct_eq(&digest)) {
                found = Some(client);
            }
        }
        found.map(|client| Visitor::Client(client.clone())).ok_or_else(|| {
            refused(
                "Bearer realm=\"pflow-gateway\", error=\"invalid_token\"",
                "this service does not know the bearer token; ask whoever runs it for the present one",
            )
        })
    }
}

fn refused(challenge: &str, message: &str) -> Answer {
    Answer::refusal(401, message).with("WWW-Authenticate", challenge)
}
