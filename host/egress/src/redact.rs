//! Credentials that a gateway sends back: masked before a guest sees them.
//! Takes an answer's headers and body; gives the same, of the same length, with `*` where a credential stood. Never holds text back that cannot
//! be the beginning of one, since event streams live from what is sent at once.
//!
//! Against a gateway that means to give its own credential away this is no protection (it can spell it backwards); against debugging
//! pages, echoing proxies and error messages it is.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::{Body, Frame, SizeHint};
use memchr::memmem;
use pflow_gateway_base::sync::RwLock;
use secrecy::zeroize::Zeroizing;

use super::Credentials;

/// Shorter values are masked in places where they mean something else.
const SHORTEST: usize = 8;

/// Credentials that are remembered, the present one among them: the answer to a request may come after the next rotation.
const GENERATIONS: usize = 4;

type Secret = Zeroizing<Vec<u8>>;

/// What must not be seen. Clones share it, so that an answer under way also hides what is set meanwhile.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<RwLock<State>>);

#[derive(Default)]
struct State {
    /// What proxies were given; it stays.
    proxies: Vec<Secret>,
    generations: VecDeque<Vec<Secret>>,
    cookies: Vec<Secret>,
    all: Arc<Now>,
    /// Without the cookies.
    credentials: Arc<Now>,
}

/// All of them at one moment; the longest first, so that no part is masked before the whole.
#[derive(Default)]
struct Now(Vec<Secret>);

impl Secrets {
    /// Hides these too, and forgets the oldest.
    pub(super) fn learn(&self, credentials: &Credentials) {
        let generation = credentials.headers().iter().flat_map(|(name, value)| spellings(name, value));
        let hidden = credentials.target().into_iter().flat_map(super::Target::secrets);
        let hidden = hidden.filter(|secret| secret.len() >= SHORTEST).map(|secret| Zeroizing::new(secret.to_vec()));
        let generation = generation.chain(hidden).collect();
        self.change(|state| {
            state.generations.push_front(generation);
            state.generations.truncate(GENERATIONS);
        });
    }

    /// Hides what proxies are given as `Basic`: one that forwards may show it as a gateway does.
    pub(super) fn learn_proxies(&self, given: &[HeaderValue]) {
        let hidden: Vec<Secret> =
            given.iter().flat_map(|value| spellings(&header::PROXY_AUTHORIZATION, value)).collect();
        self.change(|state| state.proxies = hidden);
    }

    /// Hides these values of cookies, in place of those before.
    pub(super) fn learn_cookies<'a>(&self, values: impl Iterator<Item = &'a str>) {
        let cookies = values.filter(|value| is_token(value)).map(|value| Zeroizing::new(value.into())).collect();
        self.change(|state| state.cookies = cookies);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.write();
        change(&mut state);
        let lasting = || state.generations.iter().flatten().chain(&state.proxies);
        let credentials = Now::of(lasting());
        let all = Now::of(lasting().chain(&state.cookies));
        (state.credentials, state.all) = (Arc::new(credentials), Arc::new(all));
    }

    fn now(&self) -> Arc<Now> {
        Arc::clone(&self.0.read().all)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.now().0.is_empty()
    }

    /// The text without them.
    pub(super) fn masked(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.now().mask(&mut bytes, Behind::Nothing);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(super) fn mask_headers(&self, headers: &mut HeaderMap) {
        let (all, credentials) = {
            let state = self.0.read();
            (Arc::clone(&state.all), Arc::clone(&state.credentials))
        };
        for (name, value) in headers.iter_mut() {
            // A session's id may well be a cookie's value too; without it there is no session.
            let secrets = if name.as_str() == "mcp-session-id" { &credentials } else { &all };
            if secrets.found(value.as_bytes()) {
                let mut bytes = value.as_bytes().to_vec();
                secrets.mask(&mut bytes, Behind::Nothing);
                *value = HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static("*"));
            }
        }
    }
}

/// The ways in which a header's value can come back.
fn spellings(name: &HeaderName, value: &HeaderValue) -> Vec<Secret> {
    let value = value.as_bytes();
    let (scheme, rest) = match value.iter().position(|byte| *byte == b' ') {
        Some(at) => value.split_at(at),
        None => (value, &[] as &[u8]),
    };
    let rest = rest.trim_ascii_start();
    let known = [b"bearer".as_slice(), b"basic", b"token", b"apikey"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
    let mut found = Vec::new();
    if rest.is_empty() || !(known || *name == header::AUTHORIZATION) {
        found.push(value.to_vec());
    }
    if !rest.is_empty() && (known || *name == header::AUTHORIZATION || !rest.contains(&b' ')) {
        found.push(rest.to_vec());
    }
    if scheme.eq_ignore_ascii_case(b"basic")
        && let Ok(both) = BASE64_STANDARD.decode(rest)
    {
        if let Some(colon) = both.iter().position(|byte| *byte == b':') {
            found.extend(both.get(colon + 1..).map(<[u8]>::to_vec));
        }
        found.push(both);
    }
    // As they stand in JSON, where that is otherwise.
    let escaped: Vec<_> = found
        .iter()
        .filter(|secret| secret.contains(&b'"') || secret.contains(&b'\\'))
        .filter_map(|secret| std::str::from_utf8(secret).ok())
        .filter_map(|secret| serde_json::to_string(secret).ok())
        .filter_map(|quoted| Some(quoted.strip_prefix('"')?.strip_suffix('"')?.as_bytes().to_vec()))
        .collect();
    found.extend(escaped);
    // Stars alone are what masking makes: no secret, and found again for ever.
    found.retain(|secret| secret.len() >= SHORTEST && secret.iter().any(|byte| *byte != b'*'));
    found.into_iter().map(Zeroizing::new).collect()
}

/// Whether a cookie's value is a secret, and not a language or the name of a machine, which also stand in results.
fn is_token(value: &str) -> bool {
    let many = |kind: fn(&u8) -> bool| value.bytes().filter(kind).count() >= 4;
    value.len() >= 24 && many(u8::is_ascii_digit) && many(u8::is_ascii_alphabetic)
}

impl Now {
    fn of<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        let mut all: Vec<Secret> = secrets.cloned().collect();
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self(all)
    }

    /// Whether one of them is in there.
    fn found(&self, text: &[u8]) -> bool {
        self.0.iter().any(|secret| memmem::find(text, secret).is_some())
    }

    /// Masks from left to right, at each place the longest that stands there, so that it does not matter how a body was cut. Gives how much
    /// of the text is done: behind that may stand the beginning of one.
    fn mask(&self, text: &mut [u8], behind: Behind) -> usize {
        let mut next: Vec<Option<usize>> = self.0.iter().map(|_| Some(0)).collect();
        let mut places: Vec<Option<usize>> = vec![None; self.0.len()];
        let (mut at, mut held) = (0, None);
        loop {
            for ((secret, from), place) in self.0.iter().zip(&mut next).zip(&mut places) {
                // Looked for again only when the last place is passed, so that all of it is looked at once.
                if place.is_none_or(|place| place < at)
                    && let Some(start) = from.map(|from| from.max(at))
                {
                    *place = text.get(start..).and_then(|rest| memmem::find(rest, secret)).map(|found| start + found);
                    *from = *place;
                }
            }
            // The longest come first, and the first of the least is taken.
            let found = places.iter().zip(&self.0).filter_map(|(place, secret)| Some(((*place)?, secret.len())));
            let found = found.filter(|(place, _)| *place >= at).min_by_key(|(place, _)| *place);
            if behind == Behind::More && held.is_none_or(|held| held < at) {
                held = Some(text.len() - self.begun(text.get(at..).unwrap_or_default()));
            }
            let end = held.unwrap_or(text.len());
            match found {
                Some((place, length)) if place < end => {
                    text.get_mut(place..place + length).unwrap_or_default().fill(b'*');
                    at = place + length;
                }
                _ => return end.max(at),
            }
        }
    }

    /// How many bytes at the end can be the beginning of one.
    fn begun(&self, text: &[u8]) -> usize {
        let begun = |secret: &Secret| {
            let most = text.len().min(secret.len() - 1);
            (1..=most).rev().find(|length| text.ends_with(secret.get(..*length).unwrap_or_default())).unwrap_or(0)
        };
        self.0.iter().map(begun).max().unwrap_or(0)
    }
}

/// What comes behind a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// Perhaps more of it.
    More,
    Nothing,
}

/// A body without the secrets.
pub(super) struct Masked<B> {
    inner: B,
    secrets: Secrets,
    /// May be the beginning of a secret.
    held: Zeroizing<Vec<u8>>,
}

impl<B> Masked<B> {
    pub(super) fn new(inner: B, secrets: Secrets) -> Self {
        Self { inner, secrets, held: Zeroizing::default() }
    }

    /// What of this can be passed on now.
    fn pass(&mut self, bytes: Bytes) -> Bytes {
        let secrets = self.secrets.now();
        if self.held.is_empty() && !secrets.found(&bytes) && secrets.begun(&bytes) == 0 {
            return bytes;
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(&bytes);
        let now = secrets.mask(&mut text, Behind::More);
        self.held = Zeroizing::new(text.split_off(now));
        Bytes::copy_from_slice(&text)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Masked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.held.is_empty() => return Poll::Ready(None),
                None => {
                    let mut held = std::mem::take(&mut self.held);
                    // A short one may stand in what looked like the beginning of a long one.
                    self.secrets.now().mask(&mut held, Behind::Nothing);
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&held)))));
                }
            };
            let bytes = match frame.into_data() {
                Ok(bytes) => bytes,
                Err(other) => {
                    // Nothing that the contract knows is in trailers.
                    if let Ok(mut trailers) = other.into_trailers() {
                        self.secrets.mask_headers(&mut trailers);
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                    continue;
                }
            };
            let passed = self.pass(bytes);
            // An empty frame would look like the end to some.
            if !passed.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(passed))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.len() as u64;
        let mut hint = self.inner.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint.set_lower(hint.lower().saturating_add(held));
        hint
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::convert::Infallible;

    use http_body_util::BodyExt as _;

    use super::*;

    fn credentials(name: HeaderName, value: &str) -> Credentials {
        Credentials::none().with(name, &value.into()).unwrap()
    }

    fn secrets_in(name: HeaderName, value: &str) -> Secrets {
        let secrets = Secrets::default();
        secrets.learn(&credentials(name, value));
        secrets
    }

    fn secrets(value: &str) -> Secrets {
        secrets_in(header::AUTHORIZATION, value)
    }

    /// A body in these pieces.
    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn through(secrets: Secrets, pieces: impl Iterator<Item = Bytes>) -> String {
        let masked = Masked::new(Pieces(pieces.collect()), secrets);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        String::from_utf8(runtime.block_on(masked.collect()).unwrap().to_bytes().to_vec()).unwrap()
    }

    fn shown(secrets: &Secrets, text: &str) -> String {
        through(secrets.clone(), std::iter::once(Bytes::copy_from_slice(text.as_bytes())))
    }

    #[test]
    fn a_secret_is_masked_however_it_is_cut_into_pieces() {
        let text = "before Bearer aaab-aaab-aaac after, aaab-aaab- not, aaab-aaab-aaab-aaac";
        let expected = "before Bearer ************** after, aaab-aaab- not, aaab-**************";
        for size in 1..text.len() {
            let pieces = text.as_bytes().chunks(size).map(Bytes::copy_from_slice);
            assert_eq!(through(secrets("Bearer aaab-aaab-aaac"), pieces), expected, "pieces of {size}");
        }
    }

    #[test]
    fn an_unfinished_secret_at_the_end_comes_through() {
        let pieces = [b"data: tok".as_slice(), b"en-1"].map(Bytes::from_static);
        assert_eq!(through(secrets("Bearer token-12345"), pieces.into_iter()), "data: token-1");
    }

    #[test]
    fn a_secret_within_the_beginning_of_another_is_masked_wherever_the_text_is_cut() {
        let secrets = Secrets::default();
        let both = credentials(HeaderName::from_static("x-long"), "abcdefgh12345678")
            .with(HeaderName::from_static("x-short"), &"efgh1234".into())
            .unwrap();
        secrets.learn(&both);
        let text = "abcdefgh12345678 abcdefgh1234 efgh12345678 abcdefgh1234";
        let expected = "**************** abcd******** ********5678 abcd********";
        for size in 1..=text.len() {
            let pieces = text.as_bytes().chunks(size).map(Bytes::copy_from_slice);
            assert_eq!(through(secrets.clone(), pieces), expected, "pieces of {size}");
        }
    }

    #[test]
    fn what_a_proxy_was_given_is_masked_and_stays_so_over_rotations() {
        let secrets = Secrets::default();
        let given = format!("Basic {}", BASE64_STANDARD.encode("me:pass-w0rd"));
        secrets.learn_proxies(&[HeaderValue::from_str(&given).unwrap()]);
        for _ in 0..GENERATIONS * 2 {
            secrets.learn(&credentials(header::AUTHORIZATION, "Bearer 0123456789"));
        }
        let seen = shown(&secrets, &format!("{given} me:pass-w0rd pass-w0rd 0123456789"));
        assert!(!seen.contains("pass-w0rd") && !seen.contains(given.get(6..).unwrap()), "{seen}");
    }

    #[test]
    fn what_cannot_begin_a_secret_is_passed_on_at_once() {
        let mut masked = Masked::new(Pieces(VecDeque::new()), secrets("Bearer token-12345"));
        assert_eq!(masked.pass(Bytes::from_static(b"data: {}\n\n")), "data: {}\n\n");
        assert_eq!(masked.pass(Bytes::from_static(b"a t")), "a ");
        // The last letter can begin the secret again.
        assert_eq!(masked.pass(Bytes::from_static(b"est")), "tes");
        assert_eq!(masked.pass(Bytes::from_static(b" ")), "t ");
    }

    #[test]
    fn short_values_are_left_alone() {
        assert!(secrets("Bearer short").is_empty());
        assert!(secrets("shortest").now().0.len() == 1);
    }

    #[test]
    fn masking_ends_for_every_secret() {
        // A placeholder that was copied from a form.
        assert_eq!(shown(&secrets("Bearer ********"), "a ************ b"), "a ************ b");
        assert!(secrets("Bearer ********").is_empty());
        for secret in ["*a******", "******a*", "aaaaaaaa", "a*a*a*a*a"] {
            let secrets = secrets(&format!("Bearer {secret}"));
            let stars = "*".repeat(secret.len());
            assert_eq!(shown(&secrets, &format!("<{secret}{secret}>")), format!("<{stars}{stars}>"), "{secret}");
        }
    }

    #[test]
    fn a_password_is_masked_alone_too() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("ann:open sesame \"now\""));
        let secrets = secrets(&basic);
        assert_eq!(shown(&secrets, "user ann, password open sesame \"now\"!"), "user ann, password *****************!");
        assert_eq!(
            shown(&secrets, r#"{"password":"open sesame \"now\""}"#),
            format!(r#"{{"password":"{}"}}"#, "*".repeat(19))
        );
        assert_eq!(shown(&secrets, &basic), format!("Basic {}", "*".repeat(basic.len() - 6)));
    }

    #[test]
    fn a_key_with_blanks_is_masked_whole() {
        let key = HeaderName::from_static("x-api-key");
        assert_eq!(shown(&secrets_in(key.clone(), "correct horse battery"), "key correct horse battery."), {
            format!("key {}.", "*".repeat(21))
        });
        // With a scheme of its own, the rest is the secret.
        assert_eq!(shown(&secrets_in(key, "Bearer sk-123456789"), "sk-123456789"), "*".repeat(12));
    }

    #[test]
    fn after_a_rotation_the_old_and_the_new_credential_are_masked() {
        let secrets = secrets("Bearer old-token-1");
        let mut under_way = Masked::new(Pieces(VecDeque::new()), secrets.clone());
        secrets.learn(&credentials(header::AUTHORIZATION, "Bearer new-token-2"));
        assert_eq!(under_way.pass(Bytes::from_static(b"old-token-1 new-token-2.")), "*********** ***********.");
        for turn in 0..GENERATIONS {
            secrets.learn(&credentials(header::AUTHORIZATION, &format!("Bearer later-token-{turn}")));
        }
        assert_eq!(secrets.now().0.len(), GENERATIONS);
    }

    #[test]
    fn cookies_that_are_tokens_are_masked_and_others_are_not() {
        let secrets = Secrets::default();
        secrets.learn_cookies(["eu-west-1-production-frontend", "kq3vA81xT0mZp72LwYc4BnDe"].into_iter());
        assert_eq!(
            shown(&secrets, "eu-west-1-production-frontend kq3vA81xT0mZp72LwYc4BnDe"),
            format!("eu-west-1-production-frontend {}", "*".repeat(24))
        );
        let mut headers = HeaderMap::new();
        headers.insert("mcp-session-id", "kq3vA81xT0mZp72LwYc4BnDe".parse().unwrap());
        secrets.mask_headers(&mut headers);
        assert_eq!(headers.get("mcp-session-id").unwrap(), "kq3vA81xT0mZp72LwYc4BnDe");
    }

    #[test]
    fn headers_are_masked_too() {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", "Bearer token-12345".parse().unwrap());
        secrets("Bearer token-12345").mask_headers(&mut headers);
        assert_eq!(headers.get("x-echo").unwrap(), "Bearer ***********");
    }
}
