//! Proxies: whatever the variables hold, a password is never told, and a wrong setting never means "without".

use crate::arbitrary;
use derive_arbitrary::Arbitrary;
use pflow_gateway::{egress::Origin, fuzzing::proxy};

const PASSWORD: &str = "pass-w0rd-of-a-proxy";

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input {
    scheme: u8,
    user: String,
    host: String,
    no: Vec<Exception>,
    https: bool,
    plain: Option<String>,
}

#[derive(Arbitrary, Debug)]
enum Exception {
    Star,
    Name,
    Dotted,
    Network(u8),
    Any(String),
}

/// One input.
pub fn run(input: &Input) {
    let scheme = ["http://", "https://", "socks5://", "socks5h://", "socks4://", ""][usize::from(input.scheme % 6)];
    let url = input.plain.clone().unwrap_or_else(|| format!("{scheme}{}:{PASSWORD}@{}", input.user, input.host));
    let no: Vec<String> = input
        .no
        .iter()
        .take(6)
        .map(|exception| match exception {
            Exception::Star => "*".to_owned(),
            Exception::Name => "gw.example".to_owned(),
            Exception::Dotted => ".example".to_owned(),
            Exception::Network(bits) => format!("10.0.0.0/{bits}"),
            Exception::Any(text) => text.clone(),
        })
        .collect();
    let no = no.join(",");
    let set = if input.https { "https_proxy" } else { "http_proxy" };
    for (origin, name) in
        [("http://gw.example", "http_proxy"), ("https://10.0.0.9:81", "https_proxy"), ("https://[::1]", "https_proxy")]
    {
        let origin: Origin = origin.parse().expect("an origin");
        let variables = [(set, url.as_str()), ("no_proxy", no.as_str())];
        let told = proxy(&variables, &origin);
        let words = format!("{told:?}");
        assert!(!words.contains(PASSWORD), "{words}");
        if url.trim().is_empty() || set != name {
            assert_eq!(told, Ok(None), "nothing is set for it");
        } else if input.no.is_empty() {
            assert!(!matches!(told, Ok(None)), "{url:?} means \"without\"");
        }
    }
}
