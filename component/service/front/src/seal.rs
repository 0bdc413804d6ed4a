//! A legacy session that needs no store: the session id is the session, sealed.
//! Takes a session and keys; gives an id that any replica with one of the keys can open, and nobody can make or read without. The first key
//! seals; the others still open what they sealed, for as long as they are named.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chacha20poly1305::{AeadInPlace as _, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use pflow_gateway_service_settings::{Problem, SESSION_KEYS};
use serde::{Deserialize, Serialize};

use crate::upstream::Session;

/// Bytes before what is sealed.
pub const NONCE: usize = 24;
/// Bytes behind it.
const TAG: usize = 16;
/// What else is sealed with such a key some day is not taken for a session.
const PURPOSE: &[u8] = b"pflow-gateway session 1";
/// An id is a header's value.
const LONGEST: usize = 16 * 1024;
/// Seconds after which a client has to say hello again.
pub const LIFETIME: u64 = 24 * 60 * 60;

/// What an id holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// For this gateway.
    #[serde(rename = "g")]
    pub gateway: String,
    /// For this client; empty for anyone.
    #[serde(rename = "c")]
    pub client: String,
    /// Seconds since 1970-01-01 UTC.
    #[serde(rename = "t")]
    pub since: u64,
    /// The revision that was agreed with the client.
    #[serde(rename = "v")]
    pub version: String,
    /// With the gateway.
    #[serde(rename = "s")]
    pub session: Session,
}

/// Keys, the present one first.
pub struct Keys(Vec<[u8; 32]>);

impl Keys {
    /// Reads `SESSION_KEYS`: one or more, with commas between them, each 32 bytes in hex or base64.
    ///
    /// # Errors
    ///
    /// None, or one that is no key.
    pub fn read(text: Option<String>) -> Result<Self, Problem> {
        const HOW: &str =
            "make one with: openssl rand -hex 32, and name the one before it behind a comma while its sessions live";
        let text = text.filter(|text| !text.trim().is_empty());
        let text = text.ok_or_else(|| Problem::new(SESSION_KEYS, "is not set").with_remedy(HOW))?;
        let mut keys = Vec::new();
        for (at, word) in text.split(',').enumerate() {
            let key = key(word.trim());
            keys.push(key.ok_or_else(|| {
                Problem::new(format!("{SESSION_KEYS}[{at}]"), "is not 32 bytes in hex or base64").with_remedy(HOW)
            })?);
        }
        Ok(Self(keys))
    }

    /// The id. None when there is no key, or the session is larger than a header may be.
    #[must_use]
    pub fn seal(&self, sealed: &Sealed, nonce: [u8; NONCE]) -> Option<String> {
        let cipher = XChaCha20Poly1305::new(self.0.first()?.into());
        let mut bytes = serde_json::to_vec(sealed).ok()?;
        let tag = cipher.encrypt_in_place_detached(XNonce::from_slice(&nonce), PURPOSE, &mut bytes).ok()?;
        let id = URL_SAFE_NO_PAD.encode([&nonce, bytes.as_slice(), tag.as_slice()].concat());
        (id.len() <= LONGEST).then_some(id)
    }

    /// What the id holds, if one of the keys sealed it and it has not ended.
    #[must_use]
    pub fn open(&self, id: &str, now: u64) -> Option<Sealed> {
        if id.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (nonce, rest) = bytes.split_at_checked(NONCE)?;
        let (text, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
        let plain = self.0.iter().find_map(|key| {
            let mut plain = text.to_vec();
            let cipher = XChaCha20Poly1305::new(key.into());
            let nonce = XNonce::from_slice(nonce);
            cipher.decrypt_in_place_detached(nonce, PURPOSE, &mut plain, Tag::from_slice(tag)).ok()?;
            Some(plain)
        })?;
        let sealed: Sealed = serde_json::from_slice(&plain).ok()?;
        // Clocks of replicas differ a little.
        (now <= sealed.since.saturating_add(LIFETIME) && sealed.since <= now.saturating_add(300)).then_some(sealed)
    }
}

fn key(word: &str) -> Option<[u8; 32]> {
    if word.len() == 64 {
        let mut key = [0; 32];
        for (at, byte) in key.iter_mut().enumerate() {
            let digits = word.get(at.checked_mul(2)?..at.checked_mul(2)?.checked_add(2)?)?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        return Some(key);
    }
    STANDARD.decode(word).ok().or_else(|| URL_SAFE_NO_PAD.decode(word).ok())?.try_into().ok()
}
