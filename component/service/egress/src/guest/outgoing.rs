//! A request on its way out.
//! Takes what the gateway component asks for; makes the engine's request when its body is first needed or it is sent, with the credential,
//! and only to where it may go. Until then, and afterwards, its maker sees its own headers alone.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::{
    Egress, OPEN, bounds, codes,
    engine::{self, types as http},
    fields::Fields,
    given::{
        outgoing_handler,
        types::{self as given, ErrorCode, Method, Scheme, Trailers},
    },
    io::Output,
    received::Awaited,
};
use crate::policy::{self, Asked};

/// A request, as its maker sees it.
pub(crate) struct Request {
    asked: RefCell<Made>,
    /// The engine's, once it is made.
    sealed: Rc<RefCell<Sealed>>,
    has_body: Cell<bool>,
}

struct Made {
    headers: http::Fields,
    method: http::Method,
    scheme: Option<http::Scheme>,
    authority: Option<String>,
    path: Option<String>,
}

/// The engine's request and body.
#[derive(Default)]
enum Sealed {
    /// Not yet: it may still change.
    #[default]
    Open,
    Ready {
        request: http::OutgoingRequest,
        body: Option<http::OutgoingBody>,
    },
    /// It went out.
    Sent {
        body: Option<http::OutgoingBody>,
    },
    /// It may not go there; its body goes nowhere.
    Refused(http::ErrorCode),
}

impl Request {
    /// Makes the engine's request, once.
    fn seal(&self) {
        let mut sealed = self.sealed.borrow_mut();
        if matches!(*sealed, Sealed::Open) {
            *sealed = self.asked.borrow().complete();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Made)) -> Result<(), ()> {
        if !matches!(*self.sealed.borrow(), Sealed::Open) {
            return Err(());
        }
        change(&mut self.asked.borrow_mut());
        Ok(())
    }
}

impl Made {
    /// The engine's request, with what proves who asks; or why there is none.
    fn complete(&self) -> Sealed {
        self.try_complete().unwrap_or_else(Sealed::Refused)
    }

    fn try_complete(&self) -> Result<Sealed, http::ErrorCode> {
        let denied = |why: String| http::ErrorCode::InternalError(Some(why));
        OPEN.with_borrow(|open| {
            let open = open.as_ref().ok_or(http::ErrorCode::HttpRequestDenied)?;
            let (method, scheme) = (codes::method_name(&self.method), codes::scheme_name(self.scheme.as_ref()));
            let (authority, path) =
                (self.authority.as_deref().unwrap_or_default(), self.path.as_deref().unwrap_or("/"));
            let allowed = policy::allow(&open.gateway, Asked { method: &method, scheme: &scheme, authority, path });
            if let Err(why) = allowed {
                eprint(&why);
                return Err(http::ErrorCode::HttpRequestDenied);
            }
            let headers = self.headers.clone();
            for (name, value) in &open.credential.headers {
                let set = headers.set(name, &[value.clone().into_bytes()]);
                set.map_err(|_| denied(format!("the engine does not let the header {name} be set")))?;
            }
            let request = http::OutgoingRequest::new(headers);
            request
                .set_method(&self.method)
                .and_then(|()| request.set_scheme(self.scheme.as_ref()))
                .and_then(|()| request.set_authority(self.authority.as_deref()))
                .and_then(|()| request.set_path_with_query(self.path.as_deref()))
                .map_err(|()| http::ErrorCode::HttpRequestUriInvalid)?;
            let body = request.body().ok();
            Ok(Sealed::Ready { request, body })
        })
    }
}

/// A denial is an attack or a mistake of ours: whoever runs the service wants to know.
fn eprint(why: &str) {
    use std::io::Write as _;
    let line = format!("{}\n", serde_line(why));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn serde_line(why: &str) -> String {
    // Every character that would need an escape is out of place in such a sentence.
    let plain: String = why.chars().filter(|c| !c.is_control() && *c != '"' && *c != '\\').collect();
    format!("{{\"level\":\"error\",\"target\":\"egress\",\"message\":\"{plain}\"}}")
}

impl given::GuestOutgoingRequest for Request {
    fn new(headers: given::Headers) -> Self {
        Self {
            asked: RefCell::new(Made {
                headers: headers.into_inner::<Fields>().into_inner(),
                method: http::Method::Get,
                scheme: None,
                authority: None,
                path: None,
            }),
            sealed: Rc::default(),
            has_body: Cell::new(false),
        }
    }

    fn body(&self) -> Result<given::OutgoingBody, ()> {
        if self.has_body.replace(true) {
            return Err(());
        }
        // What is written before the request is complete goes to where it is complete for then.
        Ok(given::OutgoingBody::new(Body { of: Of::Request(Rc::clone(&self.sealed)) }))
    }

    fn method(&self) -> Method {
        codes::given_method(&self.asked.borrow().method)
    }

    fn set_method(&self, method: Method) -> Result<(), ()> {
        self.change(|made| made.method = codes::method(method))
    }

    fn path_with_query(&self) -> Option<String> {
        self.asked.borrow().path.clone()
    }

    fn set_path_with_query(&self, path: Option<String>) -> Result<(), ()> {
        self.change(|made| made.path = path)
    }

    fn scheme(&self) -> Option<Scheme> {
        self.asked.borrow().scheme.as_ref().map(codes::given_scheme)
    }

    fn set_scheme(&self, scheme: Option<Scheme>) -> Result<(), ()> {
        self.change(|made| made.scheme = scheme.map(codes::scheme))
    }

    fn authority(&self) -> Option<String> {
        self.asked.borrow().authority.clone()
    }

    fn set_authority(&self, authority: Option<String>) -> Result<(), ()> {
        self.change(|made| made.authority = authority)
    }

    fn headers(&self) -> given::Headers {
        given::Fields::new(Fields::immutable(&self.asked.borrow().headers))
    }
}

impl outgoing_handler::Guest for Egress {
    fn handle(
        request: given::OutgoingRequest,
        options: Option<given::RequestOptions>,
    ) -> Result<given::FutureIncomingResponse, ErrorCode> {
        let request = request.into_inner::<Request>();
        request.seal();
        let mut sealed = request.sealed.borrow_mut();
        match std::mem::take(&mut *sealed) {
            Sealed::Ready { request, body } => {
                *sealed = Sealed::Sent { body };
                let message = bounds::request(&codes::method_name(&request.method())).map_err(codes::error)?;
                let options = patience(options.map(|options| options.into_inner::<Options>().0));
                let handled = engine::outgoing_handler::handle(request, Some(options));
                let future = handled.inspect_err(|code| bounds::failed(message, code)).map_err(codes::error)?;
                Ok(given::FutureIncomingResponse::new(Awaited { future, message }))
            }
            Sealed::Refused(why) => {
                let told = codes::error(why.clone());
                *sealed = Sealed::Refused(why);
                Err(told)
            }
            // It goes out once: whoever holds it no more cannot send it again.
            other => {
                *sealed = other;
                Err(ErrorCode::HttpRequestDenied)
            }
        }
    }
}

/// As long as the component says, and never longer than the operation: engines wait for ten minutes by themselves.
fn patience(said: Option<http::RequestOptions>) -> http::RequestOptions {
    let options = said.unwrap_or_else(http::RequestOptions::new);
    let left = bounds::left();
    let within = |said: Option<u64>, most: u64| Some(said.map_or(most, |said| said.min(most)));
    // An engine that knows no such limit has one of its own; the operation ends all the same.
    let _ = options.set_connect_timeout(within(options.connect_timeout(), left.min(CONNECT)));
    let _ = options.set_first_byte_timeout(within(options.first_byte_timeout(), left));
    let _ = options.set_between_bytes_timeout(within(options.between_bytes_timeout(), left));
    options
}

/// Nanoseconds for a connection to stand.
const CONNECT: u64 = 10_000_000_000;

/// A body that is being written.
pub(crate) struct Body {
    of: Of,
}

enum Of {
    Request(Rc<RefCell<Sealed>>),
    Response(http::OutgoingBody),
}

impl Body {
    pub(crate) fn of_response(body: http::OutgoingBody) -> Self {
        Self { of: Of::Response(body) }
    }
}

impl given::GuestOutgoingBody for Body {
    fn write(&self) -> Result<given::OutputStream, ()> {
        match &self.of {
            Of::Response(body) => body.write().map(Output::body),
            Of::Request(sealed) => match &*sealed.borrow() {
                Sealed::Ready { body: Some(body), .. } | Sealed::Sent { body: Some(body) } => {
                    body.write().map(Output::body)
                }
                // Before it is sent nobody knows where it goes.
                _ => Err(()),
            },
        }
    }

    fn finish(this: given::OutgoingBody, trailers: Option<Trailers>) -> Result<(), ErrorCode> {
        let trailers = trailers.map(|trailers| trailers.into_inner::<Fields>().into_inner());
        let body = match this.into_inner::<Self>().of {
            Of::Response(body) => Some(body),
            Of::Request(sealed) => match &mut *sealed.borrow_mut() {
                Sealed::Ready { body, .. } | Sealed::Sent { body } => body.take(),
                Sealed::Open | Sealed::Refused(_) => None,
            },
        };
        body.map_or(Ok(()), |body| http::OutgoingBody::finish(body, trailers)).map_err(codes::error)
    }
}

/// How long it may take.
pub(crate) struct Options(http::RequestOptions);

impl given::GuestRequestOptions for Options {
    fn new() -> Self {
        Self(http::RequestOptions::new())
    }

    fn connect_timeout(&self) -> Option<given::Duration> {
        self.0.connect_timeout()
    }

    fn set_connect_timeout(&self, duration: Option<given::Duration>) -> Result<(), ()> {
        self.0.set_connect_timeout(duration)
    }

    fn first_byte_timeout(&self) -> Option<given::Duration> {
        self.0.first_byte_timeout()
    }

    fn set_first_byte_timeout(&self, duration: Option<given::Duration>) -> Result<(), ()> {
        self.0.set_first_byte_timeout(duration)
    }

    fn between_bytes_timeout(&self) -> Option<given::Duration> {
        self.0.between_bytes_timeout()
    }

    fn set_between_bytes_timeout(&self, duration: Option<given::Duration>) -> Result<(), ()> {
        self.0.set_between_bytes_timeout(duration)
    }
}
