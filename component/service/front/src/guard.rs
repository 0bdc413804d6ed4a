//! Whether a request may be looked at: its host, its origin, its size.
//! Takes the settings and a request; gives a refusal, or none. A web page that reaches this service through somebody's browser (DNS
//! rebinding) must not get further than here.

use pflow_gateway_service_settings::Settings;

use crate::{
    answer::Answer,
    request::{LONGEST_HEADERS, MOST_HEADERS, Request},
};

/// Names of this machine itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Before anything is read of it.
#[must_use]
pub fn too_large(request: &Request) -> Option<Answer> {
    let bytes: usize = request.headers.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    (bytes > LONGEST_HEADERS || request.headers.len() > MOST_HEADERS).then(|| {
        Answer::refusal(
            431,
            &format!("the header fields are too large: at most {MOST_HEADERS} of {LONGEST_HEADERS} bytes together"),
        )
    })
}

/// Host and Origin.
#[must_use]
pub fn from_elsewhere(settings: &Settings, request: &Request) -> Option<Answer> {
    let host = request.authority.as_deref().or_else(|| request.header("host")).unwrap_or_default().to_ascii_lowercase();
    if !knows_host(settings, &host) {
        return Some(Answer::refusal(
            421,
            &format!("this service is not asked as {:?}; whoever runs it names its hosts in HOSTS", shown(&host)),
        ));
    }
    if !request.has("origin") {
        return None;
    }
    let origin = request.header("origin").unwrap_or_default().to_ascii_lowercase();
    if knows_origin(settings, &origin) {
        return None;
    }
    Some(Answer::refusal(
        403,
        &format!("pages of {:?} may not use this service; whoever runs it names origins in ORIGINS", shown(&origin)),
    ))
}

fn knows_host(settings: &Settings, host: &str) -> bool {
    let bare = without_port(host);
    match &settings.hosts {
        Some(hosts) => hosts.iter().any(|known| known == host || known == bare),
        None => LOOPBACK.contains(&bare),
    }
}

fn knows_origin(settings: &Settings, origin: &str) -> bool {
    match (&settings.origins, &settings.hosts) {
        (Some(origins), _) => origins.iter().any(|known| known == origin),
        (None, None) => {
            let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            host.is_some_and(|host| LOOPBACK.contains(&without_port(host)))
        }
        // Whoever named hosts is on a network: no page, unless it is named.
        (None, Some(_)) => false,
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(100).collect()
}
