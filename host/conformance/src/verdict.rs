//! What a check finds, in words.
//! Takes answers and errors of the candidate; gives a [`Verdict`]. Whatever the candidate wrote is bounded before it is shown.

use std::fmt::Debug;

use serde_json::Value;

use pflow_gateway_base::{Advice as _, scrub};
use pflow_gateway_runtime::{Failure, types};

/// Text of a candidate or a kit's value on the screen, in characters.
const SHOWN: usize = 300;

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// What was found instead.
    Wrong(String),
    /// The contract leaves it to the component, and this one does not do it.
    NotOffered(String),
}

/// What was found, or why that is not good.
pub(super) type Verdict = Result<String, Miss>;

/// Not as expected.
pub(super) fn wrong<T>(found: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Wrong(found.into()))
}

/// Goes on only when it is so.
pub(super) fn want(is_so: bool, found: impl FnOnce() -> String) -> Result<(), Miss> {
    if is_so { Ok(()) } else { Err(Miss::Wrong(found())) }
}

/// Goes on only when both are the same.
pub(super) fn same<T: Debug + PartialEq>(what: &str, found: &T, expected: &T) -> Result<(), Miss> {
    want(found == expected, || format!("{what} {}, not {}", shown(found), shown(expected)))
}

/// Goes on only when both are the same JSON.
pub(super) fn same_json(what: &str, found: &str, expected: &Value) -> Result<(), Miss> {
    let value: Value = serde_json::from_str(found)
        .map_err(|error| Miss::Wrong(format!("{what} is not valid JSON ({error}): {}", scrub::line(found, SHOWN))))?;
    match difference(&value, expected) {
        None => Ok(()),
        Some(different) => wrong(format!("{what} another one: {}", scrub::line(&different, SHOWN))),
    }
}

/// The first place at which two JSON values differ, as a JSON pointer, and how.
fn difference(found: &Value, expected: &Value) -> Option<String> {
    let below = |at: &dyn std::fmt::Display, found: Option<&Value>, expected: Option<&Value>| match (found, expected) {
        (Some(found), Some(expected)) => difference(found, expected).map(|inner| format!("/{at}{inner}")),
        (Some(found), None) => Some(format!("/{at} is {found}, and should not be there")),
        (None, Some(expected)) => Some(format!("/{at} is missing, and should be {expected}")),
        (None, None) => None,
    };
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.keys().chain(found.keys()).find_map(|name| below(name, found.get(name), expected.get(name)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            (0..found.len().max(expected.len())).find_map(|at| below(&at, found.get(at), expected.get(at)))
        }
        _ => (found != expected).then(|| format!(" is {found}, not {expected}")),
    }
}

/// A value, bounded.
pub(super) fn shown(value: &impl Debug) -> String {
    // `Era::Legacy` is generated; its case is what the WIT file knows.
    let text = ["Attribution", "Concern", "Confidence", "Era", "Reason", "Status"]
        .iter()
        .fold(format!("{value:?}"), |text, name| text.replace(&format!("{name}::"), ""));
    scrub::line(&text, SHOWN)
}

/// The answer, which must be there.
pub(super) fn ok<T>(what: &str, answer: Result<T, Failure>) -> Result<T, Miss> {
    answer.map_err(|failure| Miss::Wrong(format!("{what}: {}", describe(&failure))))
}

/// Must be a failure of the contract that fits.
pub(super) fn fails<T>(answer: Result<T, Failure>, fits: impl FnOnce(&types::Failure) -> bool) -> Verdict {
    match answer {
        Ok(_) => wrong("a result instead of an error"),
        Err(failure) => {
            let found = describe(&failure);
            match failure {
                Failure::Gateway(error, _) if fits(&error) => Ok(found),
                _ => wrong(found),
            }
        }
    }
}

/// A failure in one line.
pub(super) fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Gateway(error, _) => {
            format!("{} {}", name_of(&error.code), scrub::line(&details(error), SHOWN)).trim_end().to_owned()
        }
        Failure::Host(stopped) => format!("the host stopped it: {}", scrub::line(&stopped.message(), SHOWN)),
    }
}

/// The code's name in the WIT file.
fn name_of(code: &types::FailureCode) -> String {
    use types::FailureCode as Code;

    let name = match code {
        Code::AuthRequired => "auth-required",
        Code::TokenExpired => "token-expired",
        Code::Forbidden => "forbidden",
        Code::Blocked => "blocked",
        Code::RateLimited => "rate-limited",
        Code::Timeout => "timeout",
        Code::Unreachable => "unreachable",
        Code::Dns => "dns",
        Code::Tls => "tls",
        Code::EgressDenied => "egress-denied",
        Code::Limit => "limit",
        Code::NotMcp => "not-mcp",
        Code::ProtocolError => "protocol-error",
        Code::SessionLost => "session-lost",
        Code::Rejected => "rejected",
        Code::UpstreamError => "upstream-error",
        Code::Unsupported => "unsupported",
        Code::Other(what) => return format!("other({})", scrub::line(what, 100)),
    };
    name.to_owned()
}

/// What it carries, the delivery first: that is what a caller decides by.
fn details(failure: &types::Failure) -> String {
    let delivery = match failure.delivery {
        types::Delivery::NotDelivered => "not delivered",
        types::Delivery::MaybeDelivered => "maybe delivered",
    };
    let mut known = vec![delivery.to_owned()];
    known.extend(failure.method.clone());
    known.extend(failure.http_status.map(|status| format!("HTTP {status}")));
    known.extend(failure.rpc_code().map(|code| format!("code {code}")));
    known.extend(failure.retry_after.map(|seconds| format!("retry after {seconds} s")));
    known.extend(failure.service.as_ref().map(|service| format!("service {service}")));
    known.extend(failure.service_status.map(|status| shown(&status)));
    let message = if failure.message.is_empty() { String::new() } else { format!(": {}", failure.message) };
    format!("({}{message})", known.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_that_differs_is_told_by_the_place() {
        let expected = json!({"a": [1, {"b": true}], "c": null});
        for (found, told) in [
            (json!({"c": null, "a": [1, {"b": true}]}), None),
            (json!({"a": [1, {"b": 2}], "c": null}), Some("/a/1/b is 2, not true")),
            (json!({"a": [1], "c": null}), Some("/a/1 is missing, and should be {\"b\":true}")),
            (json!({"a": [1, {"b": true}], "c": null, "d": 4}), Some("/d is 4, and should not be there")),
            (json!([]), Some(" is [], not {\"a\":[1,{\"b\":true}],\"c\":null}")),
        ] {
            assert_eq!(difference(&found, &expected).as_deref(), told);
        }
    }
}
