//! What to do about the usual accidents before a gateway: a Host check, a bot check, the wrong scheme, an unknown path, a proxy that gave up.
//! Takes the words of a failure, in which the component names the accident; gives a hint. None when it is none of these.

use crate::config::GatewayConfig;

/// The hint for an accident that these words name.
pub(super) fn usual(words: &str, config: &GatewayConfig) -> Option<String> {
    let url = &config.url;
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let names = |accident: &str| words.contains(accident);
    Some(if names("a bot check stands before the gateway") {
        "let this client through there, by its address or a token of that service, or use an address of the gateway that is not behind the check"
            .to_owned()
    } else if names("does not take the host name in this URL") {
        format!(
            "the Host header is \"{host}\", as in the URL: add it to the gateway's allowed hosts, or use a name that is allowed there"
        )
    } else if names("this port wants https://") {
        format!("write https:// in the URL: https://{host}{}", url.path())
    } else if names("the API gateway before it knows no such path") {
        format!(
            "check the path and the stage in the URL: AWS answers so to a path that does not exist, here {}",
            url.path()
        )
    } else if names("gave up waiting") {
        "a longer --timeout does not help: raise the time limit of the proxy or of the gateway, or ask the tool for less"
            .to_owned()
    } else {
        return None;
    })
}

/// How long to wait, in words.
pub(super) fn wait(seconds: Option<u32>) -> String {
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn every_accident_has_a_remedy_that_names_the_value() {
        let config = GatewayConfig::for_url("http://gw.example:8080/prod/mcp").unwrap();
        let hint = |words: &str| usual(words, &config).unwrap_or_default();
        assert!(hint("HTTP 421: the gateway does not take the host name in this URL").contains("\"gw.example:8080\""));
        assert!(hint("this port wants https://: 400").ends_with("https://gw.example:8080/prod/mcp"));
        assert!(hint("the API gateway before it knows no such path").contains("/prod/mcp"));
        assert!(hint("a bot check stands before the gateway: Just a moment").contains("let this client through"));
        assert!(hint("HTTP 524: a proxy before the gateway gave up waiting").contains("proxy"));
        assert_eq!(usual("HTTP 403: no", &config), None);
    }

    #[test]
    fn a_wait_is_said_as_people_say_it() {
        let start = |seconds| wait(seconds).split(';').next().unwrap_or_default().to_owned();
        assert_eq!(wait(Some(0)), "it can be asked again at once, as it says");
        assert_eq!(start(Some(1)), "wait a second");
        assert_eq!(start(Some(17)), "wait 17 seconds");
        assert_eq!(start(Some(900)), "wait 15 minutes");
        assert_eq!(start(Some(3_600)), "wait an hour");
        assert_eq!(start(None), "wait a minute");
    }
}
