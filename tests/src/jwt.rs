//! Tokens that look like a JWT and are signed by nobody.
//! Takes an expiry; gives a token. Never usable anywhere: the signature is a word.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A token whose `exp` is so many seconds from now; negative: in the past.
#[must_use]
pub fn expiring_in(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let exp = now.saturating_add_signed(seconds);
    with_claims(&json!({"sub": "admin@example.com", "iss": "mcpgateway", "aud": "mcpgateway-api", "exp": exp}))
}

/// A token with these claims.
#[must_use]
pub fn with_claims(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims))
}

/// `exp` of a token, in seconds since 1970-01-01 UTC.
#[must_use]
pub fn expiry(token: &str) -> Option<u64> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?.get("exp")?.as_u64()
}

/// Whether a token's `exp` has passed. A token without one never expires.
#[must_use]
pub fn expired(token: &str) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    expiry(token).is_some_and(|exp| exp <= now)
}
