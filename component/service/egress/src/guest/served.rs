//! The half of `wasi:http` with which servers answer. The gateway component is none, and the interface cannot be exported without it.
//! Takes and gives the engine's, one to one.

use super::{
    Egress, codes,
    engine::types as http,
    fields::Fields,
    given::types::{self as given, ErrorCode, Method, Scheme},
    io,
    outgoing::{Body, Options, Request},
    received::{After, Awaited, Body as Incoming, Response},
};

impl given::Guest for Egress {
    type Fields = Fields;
    type IncomingRequest = Asked;
    type OutgoingRequest = Request;
    type RequestOptions = Options;
    type ResponseOutparam = Outparam;
    type IncomingResponse = Response;
    type IncomingBody = Incoming;
    type FutureTrailers = After;
    type OutgoingResponse = Answer;
    type OutgoingBody = Body;
    type FutureIncomingResponse = Awaited;

    fn http_error_code(error: given::IoErrorBorrow<'_>) -> Option<ErrorCode> {
        io::code_of(&error)
    }
}

/// A request that a server received.
pub(crate) struct Asked(http::IncomingRequest);

impl given::GuestIncomingRequest for Asked {
    fn method(&self) -> Method {
        codes::given_method(&self.0.method())
    }

    fn path_with_query(&self) -> Option<String> {
        self.0.path_with_query()
    }

    fn scheme(&self) -> Option<Scheme> {
        self.0.scheme().as_ref().map(codes::given_scheme)
    }

    fn authority(&self) -> Option<String> {
        self.0.authority()
    }

    fn headers(&self) -> given::Headers {
        given::Fields::new(Fields::immutable(&self.0.headers()))
    }

    fn consume(&self) -> Result<given::IncomingBody, ()> {
        self.0.consume().map(|body| given::IncomingBody::new(Incoming(body)))
    }
}

/// An answer that a server makes.
pub(crate) struct Answer(http::OutgoingResponse);

impl given::GuestOutgoingResponse for Answer {
    fn new(headers: given::Headers) -> Self {
        Self(http::OutgoingResponse::new(headers.into_inner::<Fields>().into_inner()))
    }

    fn status_code(&self) -> given::StatusCode {
        self.0.status_code()
    }

    fn set_status_code(&self, status: given::StatusCode) -> Result<(), ()> {
        self.0.set_status_code(status)
    }

    fn headers(&self) -> given::Headers {
        given::Fields::new(Fields::immutable(&self.0.headers()))
    }

    fn body(&self) -> Result<given::OutgoingBody, ()> {
        self.0.body().map(|body| given::OutgoingBody::new(Body::of_response(body)))
    }
}

/// Where a server's answer goes.
pub(crate) struct Outparam(http::ResponseOutparam);

impl given::GuestResponseOutparam for Outparam {
    fn set(param: given::ResponseOutparam, response: Result<given::OutgoingResponse, ErrorCode>) {
        let response = response.map(|response| response.into_inner::<Answer>().0);
        // Why there is none, nobody asks who holds no such thing.
        let response = response.map_err(|_| http::ErrorCode::InternalError(None));
        http::ResponseOutparam::set(param.into_inner::<Self>().0, response);
    }
}
