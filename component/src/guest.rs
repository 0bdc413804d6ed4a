//! The contract's exports: WIT in, logic, WIT out. Exists in the sandbox only.
//! Takes and gives the types of the bindings, translated one to one. Must not decide anything.

use std::{cell::RefCell, rc::Rc};

use crate::{
    bindings::{
        exports::pflow::gateway::{calls, discovery, filter, health},
        pflow::gateway::types as wit,
    },
    conversation::Conversation,
    http::wasi::Host,
    model,
};

struct Component;

#[expect(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::allow_attributes,
    reason = "wit-bindgen's export macro"
)]
mod exported {
    use super::Component;
    crate::bindings::export!(Component with_types_in crate::bindings);
}

/// The resource. The component model lets nobody in while a call runs; `RefCell` only tells the compiler.
struct Handle(RefCell<Conversation>);

/// Two calls at once into one conversation: the component model rules it out.
fn busy() -> wit::Error {
    wit::Error::ProtocolError(wit::ProtocolProblem {
        method: String::new(),
        problem: "the conversation is busy".to_owned(),
        delivery: wit::Delivery::NotDelivered,
    })
}

impl Handle {
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Conversation) -> model::Result<T>,
    ) -> Result<T, wit::Error> {
        let mut conversation = self.0.try_borrow_mut().map_err(|_| busy())?;
        work(&mut conversation).map_err(wit::Error::from)
    }
}

impl discovery::Guest for Component {
    type Conversation = Handle;
}

impl discovery::GuestConversation for Handle {
    fn open(
        endpoint: wit::Endpoint,
        attach: Option<wit::Session>,
    ) -> Result<discovery::Conversation, wit::Error> {
        let conversation =
            Conversation::open(Rc::new(Host), endpoint.into(), attach.map(Into::into))?;
        Ok(discovery::Conversation::new(Self(RefCell::new(
            conversation,
        ))))
    }

    fn session(&self) -> wit::Session {
        self.0.borrow().session().clone().into()
    }

    fn renew(&self) -> Result<wit::Session, wit::Error> {
        self.with(|conversation| conversation.renew().map(|session| session.clone().into()))
    }

    fn list_tools(&self) -> Result<wit::Catalog, wit::Error> {
        self.with(|conversation| conversation.list_tools().map(Into::into))
    }

    fn close(&self) -> Result<(), wit::Error> {
        self.with(Conversation::close)
    }
}

impl filter::Guest for Component {
    fn select(
        rules: filter::Rules,
        candidates: Vec<filter::Candidate>,
    ) -> Result<Vec<Option<filter::Reason>>, filter::PatternError> {
        let candidates: Vec<model::Candidate> = candidates.into_iter().map(Into::into).collect();
        match crate::filter::select(&rules.into(), &candidates) {
            Ok(verdicts) => Ok(verdicts
                .into_iter()
                .map(|verdict| verdict.map(Into::into))
                .collect()),
            Err(model::PatternError { pattern, problem }) => {
                Err(filter::PatternError { pattern, problem })
            }
        }
    }
}

impl health::Guest for Component {
    fn check(
        conversation: health::ConversationBorrow<'_>,
        known: Vec<wit::Service>,
    ) -> Result<Vec<health::ServiceHealth>, wit::Error> {
        let known: Vec<model::Service> = known.into_iter().map(Into::into).collect();
        let told = conversation
            .get::<Handle>()
            .with(|conversation| conversation.health(&known))?;
        Ok(told
            .into_iter()
            .map(
                |model::ServiceHealth {
                     name,
                     status,
                     tools,
                     evidence,
                     last_seen,
                 }| health::ServiceHealth {
                    name,
                    status: status.into(),
                    tools,
                    evidence,
                    last_seen,
                },
            )
            .collect())
    }
}

impl calls::Guest for Component {
    fn call_tool(
        conversation: calls::ConversationBorrow<'_>,
        call: calls::Call,
    ) -> Result<calls::Outcome, wit::Error> {
        let calls::Call {
            tool,
            input_schema,
            service,
            arguments,
            request_id,
            progress,
            meta,
        } = call;
        let call = model::Call {
            tool,
            input_schema,
            service,
            arguments,
            request_id,
            progress,
            meta,
        };
        let outcome = conversation
            .get::<Handle>()
            .with(|conversation| conversation.call_tool(&call))?;
        let model::Outcome {
            result,
            failed,
            failure,
        } = outcome;
        Ok(calls::Outcome {
            result,
            failed,
            failure: failure.map(Into::into),
        })
    }

    fn cancel(
        conversation: calls::ConversationBorrow<'_>,
        request_id: u64,
        reason: String,
    ) -> Result<(), wit::Error> {
        conversation
            .get::<Handle>()
            .with(|conversation| conversation.cancel(request_id, &reason))
    }
}

/// Enumerations, both ways: the same names in both worlds.
macro_rules! enums {
    ($($wit:path = $model:path { $($variant:ident),+ $(,)? })+) => {$(
        impl From<$wit> for $model {
            fn from(value: $wit) -> Self {
                match value { $(<$wit>::$variant => Self::$variant),+ }
            }
        }

        impl From<$model> for $wit {
            fn from(value: $model) -> Self {
                match value { $(<$model>::$variant => Self::$variant),+ }
            }
        }
    )+};
}

enums! {
    wit::Kind = model::Kind { Docker, ContextForge, Generic }
    wit::Era = model::Era { Legacy, Modern }
    wit::Attribution = model::Attribution { Declared, Reported, Control, Prefix, Inferred, None }
    wit::Confidence = model::Confidence { Certain, High, Low, None }
    wit::Status = model::Status {
        Ok, Degraded, Offline, Disabled, AuthRequired, Forbidden, RateLimited, Timeout, Unreachable, UpstreamError, Unknown,
    }
    wit::Concern = model::Concern {
        MalformedTool, DuplicateName, PageLimit, RepeatedCursor, NoTools, RoundNumber, AttributionUnavailable, Endpoint, Other,
    }
    wit::Delivery = model::Delivery { NotDelivered, MaybeDelivered }
    filter::Reason = model::Reason {
        ServiceNotIncluded, ServiceExcluded, ToolNotIncluded, ToolExcluded, NotReadOnly, Destructive, ControlTool,
    }
}

/// Records whose fields need nothing but `into`.
macro_rules! records {
    ($($from:ty => $to:ty { $($field:ident),+ $(,)? })+) => {$(
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                Self { $($field: value.$field.into()),+ }
            }
        }
    )+};
}

records! {
    wit::Implementation => model::Implementation { name, version }
    model::Implementation => wit::Implementation { name, version }
    wit::DeclaredService => model::DeclaredService { name, prefix }
    wit::Session => model::Session { era, protocol_version, session_id, kind, kind_evidence, server, announces_tool_changes }
    model::Session => wit::Session { era, protocol_version, session_id, kind, kind_evidence, server, announces_tool_changes }
    wit::Annotations => model::Annotations { title, read_only, destructive, idempotent, open_world }
    model::Annotations => wit::Annotations { title, read_only, destructive, idempotent, open_world }
    model::Provenance => wit::Provenance { service, attribution, confidence, evidence, original_name }
    wit::Service => model::Service { name, tools, attribution, confidence, status, evidence }
    model::Service => wit::Service { name, tools, attribution, confidence, status, evidence }
    model::Warning => wit::Warning { concern, subject, message }
    model::Refusal => wit::Refusal { http_status, challenge, body, delivery }
    model::RateLimit => wit::RateLimit { http_status, retry_after, body }
    model::TransportFailure => wit::TransportFailure { detail, delivery }
    model::ForeignAnswer => wit::ForeignAnswer { http_status, content_type, problem, body }
    model::ProtocolProblem => wit::ProtocolProblem { method, problem, delivery }
    model::SessionLoss => wit::SessionLoss { http_status, body, delivery }
    model::RpcError => wit::RpcError { method, code, message, data }
    model::UpstreamFailure => wit::UpstreamFailure { service, status, message, delivery }
    filter::Rules => model::Rules {
        include_services, exclude_services, include_tools, exclude_tools, read_only, no_destructive, control_tools,
    }
}

impl From<wit::Endpoint> for model::Endpoint {
    fn from(value: wit::Endpoint) -> Self {
        Self {
            url: value.url,
            kind: value.kind.map(Into::into),
            services: value.services.into_iter().map(Into::into).collect(),
            client: value.client.into(),
            era: value.era.map(Into::into),
            max_pages: value.max_pages,
            first_request_id: value.first_request_id,
        }
    }
}

impl From<filter::Candidate> for model::Candidate {
    fn from(value: filter::Candidate) -> Self {
        Self {
            name: value.name,
            service: value.service,
            attribution: value.attribution.into(),
            annotations: value.annotations.map(Into::into),
        }
    }
}

impl From<model::Tool> for wit::Tool {
    fn from(value: model::Tool) -> Self {
        Self {
            name: value.name,
            title: value.title,
            description: value.description,
            input_schema: value.input_schema,
            output_schema: value.output_schema,
            annotations: value.annotations.map(Into::into),
            icons: value.icons,
            meta: value.meta,
            provenance: value.provenance.into(),
        }
    }
}

impl From<model::Catalog> for wit::Catalog {
    fn from(value: model::Catalog) -> Self {
        Self {
            tools: value.tools.into_iter().map(Into::into).collect(),
            services: value.services.into_iter().map(Into::into).collect(),
            warnings: value.warnings.into_iter().map(Into::into).collect(),
            pages: value.pages,
            ttl_ms: value.ttl_ms,
        }
    }
}

impl From<model::Error> for wit::Error {
    fn from(value: model::Error) -> Self {
        match value {
            model::Error::AuthRequired(refusal) => Self::AuthRequired(refusal.into()),
            model::Error::TokenExpired(refusal) => Self::TokenExpired(refusal.into()),
            model::Error::Forbidden(refusal) => Self::Forbidden(refusal.into()),
            model::Error::RateLimited(limit) => Self::RateLimited(limit.into()),
            model::Error::Timeout(failure) => Self::Timeout(failure.into()),
            model::Error::Unreachable(failure) => Self::Unreachable(failure.into()),
            model::Error::Dns(failure) => Self::Dns(failure.into()),
            model::Error::Tls(failure) => Self::Tls(failure.into()),
            model::Error::EgressDenied(failure) => Self::EgressDenied(failure.into()),
            model::Error::Limit(failure) => Self::Limit(failure.into()),
            model::Error::NotMcp(answer) => Self::NotMcp(answer.into()),
            model::Error::Protocol(problem) => Self::ProtocolError(problem.into()),
            model::Error::SessionLost(loss) => Self::SessionLost(loss.into()),
            model::Error::Rejected(error) => Self::Rejected(error.into()),
            model::Error::Upstream(failure) => Self::UpstreamError(failure.into()),
        }
    }
}
