//! Doors for the fuzz targets: masks, cookies, codings and proxies.
//! Takes bytes; gives bytes. Not part of the library: nothing of it is promised to stay.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::{Body, Frame};

use super::{
    Credentials, Origin, Target,
    coding::{Decoder, Packed, codings},
    cookies::Jar,
    proxy::Proxies,
    redact::{Masked, Secrets},
};

/// Pieces of bytes, as a connection gives them.
fn pieces(bytes: &[u8], size: usize) -> impl Iterator<Item = Bytes> + use<'_> {
    bytes.chunks(size.max(1)).map(Bytes::copy_from_slice)
}

/// What a component sees of a body and of a header, when these headers were sent and these values of cookies are kept; the body comes in
/// pieces of this size. None: no header can hold that.
#[must_use]
pub fn masked(sent: &[(&str, &str)], cookies: &[&str], body: &[u8], size: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut credentials = Credentials::none();
    for (name, value) in sent {
        credentials = credentials.with(HeaderName::try_from(*name).ok()?, &(*value).into()).ok()?;
    }
    let secrets = Secrets::default();
    secrets.learn(&credentials);
    secrets.learn_cookies(cookies.iter().copied());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(body) {
        headers.insert("x-echo", value);
    }
    secrets.mask_headers(&mut headers);
    let header = headers.remove("x-echo").map(|value| value.as_bytes().to_vec()).unwrap_or_default();

    let mut masked = Masked::new(Pieces(pieces(body, size)), secrets);
    let mut seen = Vec::new();
    let mut context = Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut masked).poll_frame(&mut context) {
        seen.extend_from_slice(frame.data_ref()?);
    }
    Some((seen, header))
}

struct Pieces<I>(I);

impl<I: Iterator<Item = Bytes> + Unpin> Body for Pieces<I> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Cookies of gateways.
#[derive(Debug, Default)]
pub struct Cookies(Jar);

impl Cookies {
    /// An answer to a request for this path sets these.
    pub fn keep(&self, origin: &Origin, path: &str, set: &[&[u8]]) -> bool {
        let mut headers = HeaderMap::new();
        for value in set.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
            headers.append(header::SET_COOKIE, value);
        }
        self.0.keep(origin, path, &headers)
    }

    /// What a request for this path carries.
    #[must_use]
    pub fn sent(&self, origin: &Origin, path: &str) -> Option<Vec<u8>> {
        self.0.header(origin, path).map(|value| value.as_bytes().to_vec())
    }
}

/// A body without its codings, of at most this size, when it comes in pieces of that size; its largest piece. None: it is refused.
#[must_use]
pub fn decoded(coding: &str, body: &[u8], size: usize, most: usize) -> Option<(Vec<u8>, usize)> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_str(coding).ok()?);
    let mut decoder = Decoder::new(codings(&headers).ok()?, Packed::Fails);
    let (mut all, mut largest) = (Vec::new(), 0);
    for piece in pieces(body, size) {
        decoder.push(piece);
        while let Some(made) = decoder.pull().ok()? {
            largest = largest.max(made.len());
            all.extend_from_slice(&made);
            if all.len() > most {
                return Some((all, largest));
            }
        }
    }
    Some((all, largest))
}

/// The proxy of an origin, as it is shown, when these variables are set; and everything that would be told of it. An error is what is told.
///
/// # Errors
///
/// The setting is wrong.
pub fn proxy(variables: &[(&str, &str)], origin: &Origin) -> Result<Option<String>, String> {
    let of = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let proxies = Proxies::of_environment(of);
    let _ = format!("{proxies:?}");
    match proxies.of(origin) {
        Ok(found) => Ok(found.map(|proxy| format!("{} {}", proxy.shown(), proxy.describe(origin)))),
        Err(failure) => Err(failure.to_string()),
    }
}

/// What is asked in place of what the component asked for.
#[must_use]
pub fn revealed(told: &str, path: &str, query: Option<&str>, asked: &str) -> Option<String> {
    Target::new(told, path, query, Vec::new()).map(|target| target.reveal(asked))
}
