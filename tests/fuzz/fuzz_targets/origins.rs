//! Origins: what is read prints as what reads as itself, and a guest's target has the origin that a URL parser sees in it, or none.

use crate::arbitrary;
use derive_arbitrary::Arbitrary;
use pflow_gateway::egress::Origin;
use url::Url;

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input {
    scheme: Scheme,
    parts: Vec<Part>,
    any: Option<String>,
}

#[derive(Arbitrary, Debug)]
enum Scheme {
    Http,
    Https,
    Upper,
    Other,
}

#[derive(Arbitrary, Debug)]
enum Part {
    Name(u8),
    Number(u32),
    Short(u8),
    Sign(u8),
    Letter(char),
}

/// One input.
pub fn run(input: &Input) {
    let scheme = match input.scheme {
        Scheme::Http => "http://",
        Scheme::Https => "https://",
        Scheme::Upper => "HTTPS://",
        Scheme::Other => "ftp:",
    };
    let rest: String = input
        .parts
        .iter()
        .take(16)
        .map(|part| match part {
            Part::Name(which) => {
                ["example", "com", "localhost", "0x7f", "xn--bcher-kva", "[::1]", "[::ffff:1.2.3.4]", "bücher"]
                    [usize::from(which % 8)]
                .to_owned()
            }
            Part::Number(number) => number.to_string(),
            Part::Short(number) => number.to_string(),
            Part::Sign(which) => [".", ":", "/", "@", "?", "#", "%", "\\", "-", "*", "[", "]", "%2e", "。", "\t", " "]
                [usize::from(which % 16)]
            .to_owned(),
            Part::Letter(letter) => letter.to_string(),
        })
        .collect();
    let text = input.any.clone().unwrap_or_else(|| format!("{scheme}{rest}"));
    if let Ok(origin) = text.parse::<Origin>() {
        let printed = origin.to_string();
        assert_eq!(printed.parse::<Origin>().as_ref(), Ok(&origin), "{printed}");
        assert!(!text.contains('@') && !printed.contains('@'));
        let url = Url::parse(&text).unwrap_or_else(|error| panic!("an origin that is no URL: {text}: {error}"));
        assert!(matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none(), "{text}");
        assert_eq!(Origin::of_url(&url).as_ref(), Ok(&origin));
        assert_eq!(printed.to_ascii_lowercase(), printed);
        assert!(origin.port() > 0);
    }
    // What a component asks for, as the client reads it and as a URL parser does: one place, or none.
    if let Ok(uri) = text.parse::<http::Uri>()
        && let Ok(origin) = Origin::of_uri(&uri)
    {
        let url = Url::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(Origin::of_url(&url).as_ref(), Ok(&origin), "{text}");
    }
}
