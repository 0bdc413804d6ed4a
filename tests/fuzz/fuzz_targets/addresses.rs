//! URLs of gateways: whatever is written, its query and its keys are in nothing that is shown, and what is asked is below what is told.

use crate::arbitrary;
use derive_arbitrary::Arbitrary;
use pflow_gateway::{
    Error,
    config::{GatewayConfig, shown_target},
    fuzzing::revealed,
};

const KEY: &str = "k3y-of-a-gateway-0123456789";

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input {
    parts: Vec<Part>,
    any: Option<String>,
    asked: String,
}

#[derive(Arbitrary, Debug)]
enum Part {
    Sign(u8),
    Variable(bool),
    Word(u8),
    Letter(char),
}

/// One input.
pub fn run(input: &Input) {
    let rest: String = input
        .parts
        .iter()
        .take(16)
        .map(|part| match part {
            Part::Sign(which) => ["/", "?", "#", "&", "=", "@", ":", ".", "%2f", "${", "}", "..", "\\", "//"]
                [usize::from(which % 14)]
            .to_owned(),
            Part::Variable(true) => format!("${{FUZZ_NO_SUCH_VARIABLE:-{KEY}}}"),
            Part::Variable(false) => "${FUZZ_NO_SUCH_VARIABLE}".to_owned(),
            Part::Word(which) => {
                ["mcp", "servers", "s", "token", "gw.example", "8811"][usize::from(which % 6)].to_owned()
            }
            Part::Letter(letter) => letter.to_string(),
        })
        .collect();
    let text = input.any.clone().unwrap_or_else(|| format!("http://gw.example{rest}"));
    for text in
        [format!("{text}?k={KEY}"), format!("http://gw.example/{KEY}/{}?{KEY}", rest.replace(['?', '#'], "")), text]
    {
        let _ = shown_target(&text);
        match GatewayConfig::for_url(&text) {
            Ok(config) => {
                // A key may be the name of a host: there it is no secret.
                let host = config.url.host_str().unwrap_or_default().to_owned();
                let shown = format!("{} {} {:?} {}", config.shown(), config.url, config.address, config.name)
                    .replace(&host, "");
                assert!(!shown.contains(KEY), "{text}: {shown}");
                assert!(config.url.query().is_none() && config.url.username().is_empty());
                let _ = (config.exposed(), config.address.literal_key());
            }
            Err(error) => {
                // With what it comes from: that is in logs.
                let said = format!("{:?}", Error::from(error));
                assert!(
                    text.find(['?', '#']).is_none() || !text.starts_with("http") || !said.contains(KEY),
                    "{text}: {said}"
                );
            }
        }
    }
    if let Some(asked) = revealed("/s/abcd***/mcp", "/s/secret-key/mcp", Some("k=v"), &input.asked) {
        assert!(asked.len() <= input.asked.len() + 64);
        assert!(asked == input.asked || asked.contains("secret-key") || asked.starts_with("/s"), "{asked}");
    }
}
