//! An answer that comes in.
//! Takes the engine's; gives its status, its headers with credentials masked, and its body as it comes, which ends where its size or the time
//! of the operation does, and in which credentials are masked too.

use super::{
    bounds, codes,
    engine::types as http,
    fields::Fields,
    finder,
    given::types::{self as given, ErrorCode, Trailers},
    io::{Input, Pollable},
};

/// An answer that may come.
pub(crate) struct Awaited {
    pub(crate) future: http::FutureIncomingResponse,
    /// Its number, if the request was a message.
    pub(crate) message: Option<usize>,
}

impl given::GuestFutureIncomingResponse for Awaited {
    fn subscribe(&self) -> given::Pollable {
        Pollable::bounded(self.future.subscribe())
    }

    fn get(&self) -> Option<Result<Result<given::IncomingResponse, ErrorCode>, ()>> {
        let Some(came) = self.future.get() else {
            return bounds::over().then_some(Ok(Err(ErrorCode::HttpResponseTimeout)));
        };
        match &came {
            Ok(Ok(response)) => bounds::answered(self.message, response.status()),
            Ok(Err(code)) => bounds::failed(self.message, code),
            Err(()) => {}
        }
        Some(
            came.map(|came| {
                came.map(|response| given::IncomingResponse::new(Response(response))).map_err(codes::error)
            }),
        )
    }
}

/// An answer.
pub(crate) struct Response(http::IncomingResponse);

impl given::GuestIncomingResponse for Response {
    fn status(&self) -> given::StatusCode {
        self.0.status()
    }

    fn headers(&self) -> given::Headers {
        given::Fields::new(Fields::immutable(&masked(&self.0.headers())))
    }

    fn consume(&self) -> Result<given::IncomingBody, ()> {
        self.0.consume().map(|body| given::IncomingBody::new(Body(body)))
    }
}

/// The same fields; where a credential was echoed, without it.
fn masked(headers: &http::Fields) -> http::Fields {
    let copy = headers.clone();
    let Some(finder) = finder().filter(|finder| !finder.is_empty()) else { return copy };
    // Of the body as it came: what masks it changes how long it is.
    let _ = copy.delete("content-length");
    for (name, value) in headers.entries() {
        let text = String::from_utf8_lossy(&value);
        // One of several of a name: all of them are written anew.
        if finder.mask(&text) != text {
            let values: Vec<Vec<u8>> = headers
                .get(&name)
                .iter()
                .map(|value| finder.mask(&String::from_utf8_lossy(value)).into_bytes())
                .collect();
            // What cannot be written without it is left out.
            if copy.set(&name, &values).is_err() {
                let _ = copy.delete(&name);
            }
        }
    }
    copy
}

/// A body.
pub(crate) struct Body(pub(crate) http::IncomingBody);

impl given::GuestIncomingBody for Body {
    fn stream(&self) -> Result<given::InputStream, ()> {
        self.0.stream().map(Input::body)
    }

    fn finish(this: given::IncomingBody) -> given::FutureTrailers {
        given::FutureTrailers::new(After(http::IncomingBody::finish(this.into_inner::<Self>().0)))
    }
}

/// What comes after a body.
pub(crate) struct After(http::FutureTrailers);

impl given::GuestFutureTrailers for After {
    fn subscribe(&self) -> given::Pollable {
        Pollable::bounded(self.0.subscribe())
    }

    fn get(&self) -> Option<Result<Result<Option<Trailers>, ErrorCode>, ()>> {
        let came = self.0.get()?;
        Some(came.map(|came| {
            came.map(|trailers| trailers.map(|fields| given::Fields::new(Fields::immutable(&masked(&fields)))))
                .map_err(codes::error)
        }))
    }
}
