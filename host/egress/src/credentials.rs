//! What the host adds to requests for the gateway's own origin.
//! Takes resolved header values; gives headers that are marked as sensitive. Never prints a value, and overwrites it when dropped.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde::Deserialize;

use super::Target;

/// Headers to add to requests for the gateway's own origin, values resolved.
///
/// The memory of every value is overwritten when the last clone is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    headers: Vec<(HeaderName, HeaderValue)>,
    target: Option<Target>,
    expiry: Option<SystemTime>,
}

/// A value that cannot be in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("contains a line break or another control character")]
pub struct NotAHeaderValue;

impl Credentials {
    /// No headers.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a header. A later one of the same name replaces the earlier.
    ///
    /// # Errors
    ///
    /// The value contains control characters. The error does not contain the value.
    pub fn with(mut self, name: HeaderName, value: &SecretString) -> Result<Self, NotAHeaderValue> {
        let text = value.expose_secret();
        if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return Err(NotAHeaderValue);
        }
        let owned = Bytes::from_owner(Zeroizing::new(text.as_bytes().to_vec()));
        let mut value = HeaderValue::from_maybe_shared(owned).map_err(|_| NotAHeaderValue)?;
        value.set_sensitive(true);
        if name == header::AUTHORIZATION {
            self.expiry = expiry_of(text);
        }
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        Ok(self)
    }

    /// What is hidden of the gateway's URL.
    #[must_use]
    pub fn at(self, target: Option<Target>) -> Self {
        Self { target, ..self }
    }

    pub(super) fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// When the bearer token ends, if it is a JWT that says so. Read, never verified: only good for telling "expired" from "wrong".
    #[must_use]
    pub fn expiry(&self) -> Option<SystemTime> {
        self.expiry
    }

    /// How long ago the bearer token ended, if it is a JWT that says so and it has.
    #[must_use]
    pub fn expired_since(&self) -> Option<Duration> {
        self.expiry.and_then(|expiry| SystemTime::now().duration_since(expiry).ok())
    }

    /// The names of the headers.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.iter().map(|(name, _)| name)
    }

    /// Nothing to add.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    pub(super) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// `exp` (RFC 7519 section 4.1.4) of a JWT in a bearer header.
fn expiry_of(authorization: &str) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }

    let (scheme, token) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut parts = token.trim().split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?);
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(exp).ok()?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn bearer(token: &str) -> Credentials {
        Credentials::none().with(header::AUTHORIZATION, &SecretString::from(format!("Bearer {token}"))).unwrap()
    }

    fn jwt(claims: &str) -> String {
        format!("eyJhbGciOiJIUzI1NiJ9.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let credentials = bearer("hunter2").with(HeaderName::from_static("x-api-key"), &"swordfish".into()).unwrap();
        let shown = format!("{credentials:?} {credentials:#?} {:?}", credentials.headers());
        assert!(shown.contains("authorization") && shown.contains("x-api-key"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    }

    #[test]
    fn a_value_that_would_start_another_header_is_refused_without_being_shown() {
        for value in ["a\r\nHost: evil", "a\nb", "a\0b", "a\tb", "a\x7fb", "tail\n"] {
            let refused = Credentials::none().with(header::AUTHORIZATION, &value.into());
            assert_eq!(refused.err(), Some(NotAHeaderValue), "{value:?}");
        }
        assert!(!NotAHeaderValue.to_string().contains("evil"));
    }

    #[test]
    fn the_expiry_of_a_jwt_is_read() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(bearer(&jwt(r#"{"exp":1700000000}"#)).expiry(), Some(at(1_700_000_000)));
        assert_eq!(bearer(&jwt(r#"{"sub":"x","exp":1700000000.0}"#)).expiry(), Some(at(1_700_000_000)));
        assert!(bearer(&jwt(r#"{"exp":1700000000}"#)).expired_since().unwrap() > Duration::from_secs(1_000));
        assert_eq!(bearer(&jwt(r#"{"exp":32503680000}"#)).expired_since(), None);
    }

    #[test]
    fn what_is_not_a_jwt_has_no_expiry() {
        for token in [
            "opaque".to_owned(),
            "a.b".into(),
            "a.b.c".into(),
            "a.b.c.d".into(),
            jwt("{}"),
            jwt(r#"{"exp":"soon"}"#),
            jwt(r#"{"exp":-1}"#),
            jwt(r#"{"exp":1e300}"#),
            jwt("[]"),
            format!("{}.more", jwt(r#"{"exp":1}"#)),
        ] {
            assert_eq!(bearer(&token).expiry(), None, "{token}");
        }
        let basic =
            Credentials::none().with(header::AUTHORIZATION, &format!("Basic {}", jwt(r#"{"exp":1}"#)).into()).unwrap();
        assert_eq!(basic.expiry(), None);
    }
}
