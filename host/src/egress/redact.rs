//! Credentials that a gateway sends back: masked before a guest sees them.
//! Takes an answer's headers and body; gives the same, of the same length, with `*` where a credential stood. Never holds text back that cannot
//! be the beginning of one, since event streams live from what is sent at once.
//!
//! Against a gateway that means to give its own credential away this is no protection (it can spell it backwards); against debugging
//! pages, echoing proxies and error messages it is.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use memchr::memmem;
use secrecy::zeroize::Zeroizing;

use super::Credentials;

/// Shorter values are masked in places where they mean something else.
const SHORTEST: usize = 8;

/// What must not be seen.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<Vec<Zeroizing<Vec<u8>>>>);

impl Secrets {
    /// The values of these headers; of `Bearer TOKEN`, the token.
    pub(super) fn of(credentials: &Credentials) -> Self {
        let values = credentials.headers().iter().map(|(_, value)| value.as_bytes());
        let secret = |value: &[u8]| {
            let scheme = value.iter().position(|byte| *byte == b' ').map_or(0, |at| at + 1);
            value.get(scheme..).filter(|secret| secret.len() >= SHORTEST).map(|secret| Zeroizing::new(secret.to_vec()))
        };
        Self(Arc::new(values.filter_map(secret).collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is in there.
    fn found(&self, text: &[u8]) -> bool {
        self.0.iter().any(|secret| memmem::find(text, secret).is_some())
    }

    fn mask(&self, text: &mut [u8]) {
        for secret in self.0.iter() {
            while let Some(at) = memmem::find(text, secret) {
                if let Some(place) = text.get_mut(at..at + secret.len()) {
                    place.fill(b'*');
                }
            }
        }
    }

    /// How many bytes at the end can be the beginning of one.
    fn begun(&self, text: &[u8]) -> usize {
        let begun = |secret: &Zeroizing<Vec<u8>>| {
            let most = text.len().min(secret.len() - 1);
            (1..=most).rev().find(|length| text.ends_with(secret.get(..*length).unwrap_or_default())).unwrap_or(0)
        };
        self.0.iter().map(begun).max().unwrap_or(0)
    }

    pub(super) fn mask_headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if self.found(value.as_bytes()) {
                let mut bytes = value.as_bytes().to_vec();
                self.mask(&mut bytes);
                *value = HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static("*"));
            }
        }
    }
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
        if self.held.is_empty() && !self.secrets.found(&bytes) && self.secrets.begun(&bytes) == 0 {
            return bytes;
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(&bytes);
        self.secrets.mask(&mut text);
        let now = text.len() - self.secrets.begun(&text);
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
                    let held = std::mem::take(&mut self.held);
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

    fn secrets(value: &str) -> Secrets {
        let credentials = Credentials::none().with(http::header::AUTHORIZATION, &value.into()).unwrap();
        Secrets::of(&credentials)
    }

    /// A body in these pieces.
    struct Pieces(std::collections::VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn through(value: &str, pieces: impl Iterator<Item = Bytes>) -> String {
        let masked = Masked::new(Pieces(pieces.collect()), secrets(value));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        String::from_utf8(runtime.block_on(masked.collect()).unwrap().to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_secret_is_masked_however_it_is_cut_into_pieces() {
        let text = "before Bearer aaab-aaab-aaac after, aaab-aaab- not, aaab-aaab-aaab-aaac";
        let expected = "before Bearer ************** after, aaab-aaab- not, aaab-**************";
        for size in 1..text.len() {
            let pieces = text.as_bytes().chunks(size).map(Bytes::copy_from_slice);
            assert_eq!(through("Bearer aaab-aaab-aaac", pieces), expected, "pieces of {size}");
        }
    }

    #[test]
    fn an_unfinished_secret_at_the_end_comes_through() {
        let pieces = [b"data: tok".as_slice(), b"en-1"].map(Bytes::from_static);
        assert_eq!(through("Bearer token-12345", pieces.into_iter()), "data: token-1");
    }

    #[test]
    fn what_cannot_begin_a_secret_is_passed_on_at_once() {
        let mut masked = Masked::new(Pieces(std::collections::VecDeque::new()), secrets("Bearer token-12345"));
        assert_eq!(masked.pass(Bytes::from_static(b"data: {}\n\n")), "data: {}\n\n");
        assert_eq!(masked.pass(Bytes::from_static(b"a t")), "a ");
        // The last letter can begin the secret again.
        assert_eq!(masked.pass(Bytes::from_static(b"est")), "tes");
        assert_eq!(masked.pass(Bytes::from_static(b" ")), "t ");
    }

    #[test]
    fn short_values_are_left_alone() {
        assert!(secrets("Bearer short").is_empty());
        assert!(secrets("shortest").0.len() == 1);
    }

    #[test]
    fn headers_are_masked_too() {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", "Bearer token-12345".parse().unwrap());
        secrets("Bearer token-12345").mask_headers(&mut headers);
        assert_eq!(headers.get("x-echo").unwrap(), "Bearer ***********");
    }
}
