//! Cookies: what is sent was set, by the same origin, and is a header; secure ones stay out of plain text; the jar is bounded.

use crate::arbitrary;
use derive_arbitrary::Arbitrary;
use pflow_gateway::{egress::Origin, fuzzing::Cookies};

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input<'a> {
    answers: Vec<(u8, u8, Vec<Set<'a>>)>,
}

#[derive(Arbitrary, Debug)]
enum Set<'a> {
    Any(&'a [u8]),
    Made {
        name: u8,
        value: &'a str,
        secure: bool,
        domain: Option<u8>,
        path: Option<u8>,
        age: Option<i64>,
        expires: Option<&'a str>,
    },
}

const ORIGINS: [&str; 4] = ["http://gw.example", "https://gw.example", "http://127.0.0.1:81", "https://a.gw.example"];
const PATHS: [&str; 5] = ["/", "/mcp", "/mcp/", "/a/b/mcp", ""];

/// One input.
pub fn run(input: &Input<'_>) {
    let jar = Cookies::default();
    let origins: Vec<Origin> = ORIGINS.iter().map(|origin| origin.parse().expect("an origin")).collect();
    let mut all: Vec<Vec<Vec<u8>>> = vec![Vec::new(); origins.len()];
    for (origin, path, set) in input.answers.iter().take(8) {
        let at = usize::from(*origin) % origins.len();
        let lines: Vec<Vec<u8>> = set
            .iter()
            .take(70)
            .map(|set| match set {
                Set::Any(bytes) => bytes.to_vec(),
                Set::Made { name, value, secure, domain, path, age, expires } => {
                    let mut line = format!("c{}={value}", name % 8);
                    if *secure {
                        line.push_str("; Secure");
                    }
                    if let Some(domain) = domain {
                        line.push_str(&format!(
                            "; Domain={}",
                            ["gw.example", ".example", "evil.example", "a.gw.example"][usize::from(domain % 4)]
                        ));
                    }
                    if let Some(path) = path {
                        line.push_str(&format!("; Path={}", PATHS[usize::from(*path) % PATHS.len()]));
                    }
                    if let Some(age) = age {
                        line.push_str(&format!("; Max-Age={age}"));
                    }
                    if let Some(expires) = expires {
                        line.push_str(&format!("; Expires={expires}"));
                    }
                    line.into_bytes()
                }
            })
            .collect();
        let given: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        jar.keep(&origins[at], PATHS[usize::from(*path) % PATHS.len()], &given);
        all[at].extend(lines);
    }
    for (origin, set) in origins.iter().zip(&all) {
        for path in PATHS {
            let Some(sent) = jar.sent(origin, path) else { continue };
            assert!(sent.len() <= 8 * 1024, "{} bytes", sent.len());
            assert!(!sent.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'), "{sent:?}");
            let text = String::from_utf8_lossy(&sent).into_owned();
            for name in text.split("; ").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name) {
                assert!(
                    set.iter().any(|line| String::from_utf8_lossy(line).contains(name)),
                    "{name} was set by nobody there"
                );
            }
        }
    }
}
