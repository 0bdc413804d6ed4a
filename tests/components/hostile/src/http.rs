//! Raw `wasi:http`: what a decent client would never let through.
//! Takes parts of a request as text; gives one line about what became of it. Holds on to whatever it is told to.

use crate::bindings::wasi::{
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody,
            OutgoingRequest, RequestOptions, Scheme,
        },
    },
    io::streams::{InputStream, StreamError},
};

/// A request in parts.
pub struct Parts<'a> {
    pub method: Method,
    pub scheme: Scheme,
    pub authority: &'a str,
    pub path: &'a str,
    pub headers: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Parts<'a> {
    /// GET of an absolute URL; whatever is before `://` is the scheme.
    pub fn get(url: &'a str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => Scheme::Other(other.to_owned()),
        };
        Self {
            method: Method::Get,
            scheme,
            authority,
            path: if path.is_empty() { "/" } else { path },
            headers: Vec::new(),
        }
    }

    /// The same with another method, as it is written.
    pub fn of(method: &str, url: &'a str) -> Self {
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            "PATCH" => Method::Patch,
            other => Method::Other(other.to_owned()),
        };
        Self { method, ..Self::get(url) }
    }

    /// The request, or which part the host refused.
    pub fn build(&self) -> Result<OutgoingRequest, String> {
        let fields = Fields::new();
        for (name, value) in &self.headers {
            fields.append(name, value).map_err(|e| format!("header refused: {e:?}"))?;
        }
        let request = OutgoingRequest::new(fields);
        request.set_method(&self.method).map_err(|()| "method refused")?;
        request.set_scheme(Some(&self.scheme)).map_err(|()| "scheme refused")?;
        request.set_authority(Some(self.authority)).map_err(|()| "authority refused")?;
        request.set_path_with_query(Some(self.path)).map_err(|()| "path refused")?;
        Ok(request)
    }

    pub fn send(&self) -> Result<FutureIncomingResponse, String> {
        let request = self.build()?;
        let body = request.body().map_err(|()| "no body")?;
        let future = outgoing_handler::handle(request, None).map_err(|code| said(&code))?;
        OutgoingBody::finish(body, None).map_err(|code| said(&code))?;
        Ok(future)
    }

    /// With these limits, in nanoseconds.
    pub fn fetch_within(&self, connect: u64, first_byte: u64, between_bytes: u64) -> String {
        let told = (|| {
            let options = RequestOptions::new();
            options.set_connect_timeout(Some(connect)).map_err(|()| "limit refused")?;
            options.set_first_byte_timeout(Some(first_byte)).map_err(|()| "limit refused")?;
            options.set_between_bytes_timeout(Some(between_bytes)).map_err(|()| "limit refused")?;
            let future = outgoing_handler::handle(self.build()?, Some(options)).map_err(|code| said(&code))?;
            future.subscribe().block();
            match future.get() {
                Some(Ok(Ok(answer))) => Ok(all(answer)),
                Some(Ok(Err(code))) => Err(said(&code)),
                other => Err(format!("{other:?}")),
            }
        })();
        told.unwrap_or_else(|e: String| e)
    }

    pub fn answer(&self) -> Result<IncomingResponse, String> {
        let future = self.send()?;
        future.subscribe().block();
        match future.get() {
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(code))) => Err(said(&code)),
            other => Err(format!("{other:?}")),
        }
    }

    /// Status, headers and body in one text; or the error.
    pub fn fetch(&self) -> String {
        self.answer().map_or_else(|e| e, |answer| all(answer))
    }
}

pub fn said(code: &ErrorCode) -> String {
    format!("error: {code:?}")
}

/// The answer's stream. The body is leaked, so that the stream stays.
pub fn stream(answer: IncomingResponse) -> Result<InputStream, String> {
    let body = answer.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    std::mem::forget((answer, body));
    Ok(stream)
}

fn all(answer: IncomingResponse) -> String {
    let mut text = format!("status: {}\n", answer.status());
    for (name, value) in answer.headers().entries() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(&value)));
    }
    let body: IncomingBody = match answer.consume() {
        Ok(body) => body,
        Err(()) => return text,
    };
    let Ok(stream) = body.stream() else { return text };
    loop {
        match stream.blocking_read(65_536) {
            Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Err(StreamError::Closed) => return text,
            Err(StreamError::LastOperationFailed(e)) => return format!("{text}\nbroken: {}", e.to_debug_string()),
        }
    }
}
