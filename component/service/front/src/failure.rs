//! Failures in words: a class for programs, one sentence, what to do, and whether a call may have run.
//! Takes what the gateway component judged; says it as `serve` does. Never says of a write that may have run that it should be tried again.

use pflow_gateway_advice::without_advice;
use serde_json::{Value, json};

/// Whether a service can have seen the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// It never reached one.
    No,
    /// It may have. What is not known is this.
    #[default]
    Maybe,
}

/// The classes of the contract's errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the contract")]
pub enum Class {
    AuthRequired,
    Forbidden,
    RateLimited,
    Timeout,
    Unreachable,
    Dns,
    Tls,
    EgressDenied,
    Limit,
    NotMcp,
    ProtocolError,
    SessionLost,
    Rejected,
    Blocked,
    Unsupported,
    Other,
    #[default]
    Upstream,
}

/// A failure as the component saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What it is.
    pub class: Class,
    /// HTTP's, where there was an answer.
    pub status: Option<u16>,
    /// The peer's words, or the engine's.
    pub words: String,
    /// The method that was asked, where that is known.
    pub method: Box<str>,
    /// JSON-RPC's, of an error that the peer answered.
    pub code: i64,
    /// The service behind the gateway, when it is to blame.
    pub service: Option<String>,
    /// What is the matter with that service, as the contract names it.
    pub state: &'static str,
    /// Seconds.
    pub retry_after: Option<u32>,
    /// What the component says to do.
    pub advice: Option<Box<str>>,
    /// Whether it can have run.
    pub delivery: Delivery,
}

/// A failure as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For programs.
    pub class: &'static str,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The service to blame.
    pub service: Option<String>,
    /// Seconds.
    pub retry_after: Option<u32>,
}

/// Whether a tool can be called twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// It only reads.
    ReadOnly,
    /// Twice is as good as once.
    Idempotent,
    /// Nothing of the kind.
    Neither,
}

impl Failure {
    /// For `data` of an error, and `_meta` of a result.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "class": self.class, "message": self.message, "hint": self.hint, "service": self.service,
            "retry_after": self.retry_after,
        })
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        self.hint.as_ref().map_or_else(|| self.message.clone(), |hint| format!("{} → {hint}", self.message))
    }

    /// Wrong settings.
    #[must_use]
    pub fn settings(problem: &str) -> Self {
        let message = format!("the settings of this service are wrong: {problem}");
        Self { class: "config", message, hint: None, service: None, retry_after: None }
    }
}

/// What is said of it.
#[must_use]
pub fn explain(gateway: &str, seen: &Seen) -> Failure {
    let plain = plainly(gateway, seen);
    // The gateway component knows the product. What a user's credential is called, nobody here knows.
    let advice = seen.advice.as_deref().filter(|advice| !advice.contains("{credential}"));
    let advice = advice.map(|advice| line(&line(advice).replace("{gateway}", gateway))).filter(|it| !it.is_empty());
    Failure { hint: advice.or(plain.hint), ..plain }
}

fn plainly(gateway: &str, seen: &Seen) -> Failure {
    // One that came as text in a good answer has no status that says anything.
    let status =
        seen.status.filter(|status| *status != 200).map_or_else(String::new, |status| format!(" (HTTP {status})"));
    let words = line(&seen.words);
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    let whoever = "whoever runs this service has to give it another one";
    let (class, message, hint) = match seen.class {
        Class::AuthRequired if seen.status.is_some() => {
            ("auth_required", format!("{gateway} refuses the credential{status}{said}"), whoever.to_owned())
        }
        Class::Forbidden if seen.status.is_some() => (
            "forbidden",
            format!("{gateway} refuses this{status}{said}"),
            "the credential of this service is not allowed to do this".to_owned(),
        ),
        Class::RateLimited if seen.status.is_some() => {
            ("rate_limited", format!("{gateway} asks to slow down{status}{said}"), wait(seen.retry_after))
        }
        Class::Timeout => (
            "timeout",
            format!("{gateway} did not answer in time{said}"),
            "allow more with \"timeout\" of the gateway in GATEWAYS, or look into the gateway's log".to_owned(),
        ),
        Class::Unreachable => ("unreachable", format!("{gateway} cannot be reached{said}"), RUNS.to_owned()),
        Class::Dns => ("dns", format!("{gateway} has no address{said}"), RUNS.to_owned()),
        Class::Tls => ("tls", format!("{gateway} failed in TLS{said}"), RUNS.to_owned()),
        Class::EgressDenied => (
            "egress_denied",
            format!("{gateway} may not be reached{said}"),
            "the log of this service says what was asked for".to_owned(),
        ),
        Class::Limit => (
            "limit",
            format!("{gateway} sent more than is allowed{said}"),
            "narrow the request, or raise the limit".to_owned(),
        ),
        // An engine says the same of a connection that was reset and of what is no HTTP.
        Class::NotMcp if seen.status.is_none() => {
            ("unreachable", format!("{gateway} broke off its answer, or does not speak HTTP{said}"), RUNS.to_owned())
        }
        Class::NotMcp => (
            "not_mcp",
            format!("{gateway} does not answer as MCP{status}{said}"),
            "check the URL in GATEWAYS: gateways usually answer at a path that ends with /mcp".to_owned(),
        ),
        Class::ProtocolError => (
            "protocol_error",
            format!("{gateway} breaks the protocol in its answer to {}{said}", line(&seen.method)),
            "this is the gateway's fault; its version and log may tell more".to_owned(),
        ),
        Class::SessionLost => (
            "session_lost",
            format!("{gateway} lost the session{said}"),
            "the gateway may be restarting, or several run behind one address without sharing sessions".to_owned(),
        ),
        Class::Rejected => (
            "protocol_error",
            format!("{gateway} answers {} with the error {}{said}", line(&seen.method), seen.code),
            "check the tool's name and arguments".to_owned(),
        ),
        Class::Blocked => {
            let (what, why) = match seen.delivery {
                Delivery::No => ("blocked the call, which did not run", "a rule of the gateway stops these arguments"),
                Delivery::Maybe => ("holds the result back", "a rule of the gateway stops this result"),
            };
            ("forbidden", format!("{gateway} {what}{said}"), why.to_owned())
        }
        Class::Unsupported => (
            "config",
            format!("{gateway} cannot do that{said}"),
            "check the members of the gateway in GATEWAYS".to_owned(),
        ),
        Class::Other => ("upstream_error", format!("{gateway} failed{said}"), "look into the gateway's log".to_owned()),
        Class::Upstream | Class::AuthRequired | Class::Forbidden | Class::RateLimited => {
            return of_service(gateway, seen, &words);
        }
    };
    Failure { class, message, hint: Some(hint), service: seen.service.clone(), retry_after: seen.retry_after }
}

const RUNS: &str = "check the URL in GATEWAYS, and that the gateway runs";

fn of_service(gateway: &str, seen: &Seen, words: &str) -> Failure {
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    let failure = |class, message, hint: &str| Failure {
        class,
        message,
        hint: Some(hint.to_owned()),
        service: seen.service.clone(),
        retry_after: seen.retry_after,
    };
    if seen.service.is_none() && words.starts_with("HTTP ") {
        return failure(
            "upstream_error",
            format!("{gateway} answers {words}"),
            "the gateway, or a proxy before it, is in trouble: look into its log",
        );
    }
    if seen.service.is_none() && seen.state == "unknown" {
        return failure(
            "upstream_error",
            format!("{gateway} does not call this tool{said}"),
            "list the tools again: they may have changed",
        );
    }
    let who = seen
        .service
        .as_ref()
        .map_or_else(|| "a service behind the gateway".to_owned(), |name| format!("the service {}", line(name)));
    let (class, what) = match seen.state {
        "auth-required" => ("auth_required", "refuses the gateway's credential"),
        "forbidden" => ("forbidden", "does not allow this"),
        "rate-limited" => ("rate_limited", "asks to slow down"),
        "timeout" => ("timeout", "did not answer in time"),
        "offline" | "unreachable" => ("upstream_error", "cannot be reached by the gateway"),
        "disabled" => ("upstream_error", "is switched off at the gateway"),
        _ => ("upstream_error", "failed"),
    };
    failure(class, format!("{who} {what}{said}"), "look into the gateway's log, and into the service's")
}

/// The same with what it means for the next call: the sentences of `serve`.
#[must_use]
pub fn told_of_call(mut failure: Failure, tool: &str, delivery: Delivery, marked: Marked) -> Failure {
    let tool = line(tool);
    let more = failure.hint.take();
    failure.hint = match (delivery, marked) {
        (Delivery::No, _) => more,
        (Delivery::Maybe, Marked::Neither) => {
            failure.message = without_advice(&failure.message);
            failure.retry_after = None;
            let said = format!(
                "{tool} may have run; check before calling it again. It is not marked read-only or idempotent, so it was not repeated"
            );
            Some(more.map_or(said.clone(), |more| format!("{said}. {}", sentence(&without_advice(&more)))))
        }
        (Delivery::Maybe, Marked::ReadOnly) => Some(and(more, &format!("{tool} only reads: it can be called again"))),
        (Delivery::Maybe, Marked::Idempotent) => {
            Some(and(more, &format!("{tool} is marked idempotent: it can be called again")))
        }
    };
    failure
}

/// How long to wait, in words.
fn wait(seconds: Option<u32>) -> String {
    match seconds {
        Some(0) => "it can be asked again at once, as it says".to_owned(),
        Some(1) => "wait a second; asking again before that can lock the address out".to_owned(),
        Some(seconds @ ..=119) => format!("wait {seconds} seconds; asking again before that can lock the address out"),
        Some(seconds @ ..3_600) => {
            format!("wait {} minutes; asking again before that can lock the address out", seconds.div_ceil(60))
        }
        Some(_) => "wait an hour; asking again before that can lock the address out".to_owned(),
        None => "wait a minute; asking again before that can lock the address out".to_owned(),
    }
}

fn and(more: Option<String>, said: &str) -> String {
    more.map_or_else(|| said.to_owned(), |more| format!("{more}; {said}"))
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Words of a peer, in one line that steers no terminal.
#[must_use]
pub fn line(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(500).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_may_have_run_is_never_to_be_tried_again_in_whoevers_words() {
        let seen = Seen { words: "HTTP 502: Bad gateway, please try again later.".to_owned(), ..Seen::default() };
        let told = told_of_call(explain("g", &seen), "create_issue", Delivery::Maybe, Marked::Neither);
        assert_eq!(told.message, "g answers HTTP 502: Bad gateway");
        assert!(
            told.hint
                .unwrap_or_default()
                .starts_with("create_issue may have run; check before calling it again. It is not marked")
        );
        let told = told_of_call(explain("g", &seen), "list", Delivery::Maybe, Marked::ReadOnly);
        assert!(told.hint.unwrap_or_default().ends_with("list only reads: it can be called again"));
        let told = told_of_call(explain("g", &seen), "create_issue", Delivery::No, Marked::Neither);
        assert!(!told.line().contains("may have run"));
    }
}
