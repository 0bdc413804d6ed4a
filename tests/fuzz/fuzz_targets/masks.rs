//! Masks: after masking, the secret is nowhere, wherever the bytes are cut; nothing else is touched, and nothing is held back for ever.

use crate::arbitrary;
use derive_arbitrary::Arbitrary;
use pflow_gateway::fuzzing::masked;

/// What is tried.
#[derive(Arbitrary, Debug)]
pub struct Input {
    secrets: Vec<(Place, Secret)>,
    cookies: Vec<Secret>,
    body: Vec<Part>,
    size: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    Bearer,
    Key,
    Custom,
}

/// Secrets of few letters, so that they begin and end as others do.
#[derive(Arbitrary, Debug)]
struct Secret(Vec<Letter>);

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Letter {
    A,
    B,
    Star,
    One,
    Quote,
    Other(u8),
}

#[derive(Arbitrary, Debug)]
enum Part {
    Secret(u8),
    Begun(u8, u8),
    Text(Vec<Letter>),
}

fn text(letters: &[Letter]) -> String {
    letters
        .iter()
        .take(40)
        .map(|letter| match letter {
            Letter::A => 'a',
            Letter::B => 'b',
            Letter::Star => '*',
            Letter::One => '1',
            Letter::Quote => '"',
            Letter::Other(byte) => char::from(b'!' + byte % 90),
        })
        .collect()
}

/// One input.
pub fn run(input: &Input) {
    let secrets: Vec<(Place, String)> =
        input.secrets.iter().take(4).map(|(place, secret)| (*place, text(&secret.0))).collect();
    let cookies: Vec<String> = input.cookies.iter().take(3).map(|secret| text(&secret.0)).collect();
    let all: Vec<&str> =
        secrets.iter().map(|(_, secret)| secret.as_str()).chain(cookies.iter().map(String::as_str)).collect();
    let mut body = String::new();
    for part in input.body.iter().take(20) {
        match part {
            Part::Text(letters) => body.push_str(&text(letters)),
            Part::Secret(which) if !all.is_empty() => body.push_str(all[usize::from(*which) % all.len()]),
            Part::Begun(which, length) if !all.is_empty() => {
                let secret = all[usize::from(*which) % all.len()];
                body.push_str(&secret[..usize::from(*length) % (secret.len() + 1)]);
            }
            Part::Secret(_) | Part::Begun(..) => {}
        }
    }
    let headers: Vec<(String, String)> = secrets
        .iter()
        .enumerate()
        .map(|(at, (place, secret))| match place {
            Place::Bearer => ("authorization".to_owned(), format!("Bearer {secret}")),
            Place::Key => (format!("x-key-{at}"), secret.clone()),
            Place::Custom => (format!("x-custom-{at}"), format!("Custom {secret}")),
        })
        .collect();
    // Of several `Authorization` the last counts.
    let last = secrets.iter().rposition(|(place, _)| matches!(place, Place::Bearer));
    let sent: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
    let size = usize::from(input.size) + 1;
    let Some((seen, header)) = masked(&sent, &cookies, body.as_bytes(), size) else { return };
    assert_eq!(seen.len(), body.len(), "nothing is lost, and nothing is added");
    assert!(seen.iter().zip(body.bytes()).all(|(seen, sent)| *seen == sent || *seen == b'*'), "only stars are put in");
    assert!(header.is_empty() || header.len() == body.len());
    let (seen, header) = (String::from_utf8_lossy(&seen).into_owned(), String::from_utf8_lossy(&header).into_owned());
    for (at, (place, secret)) in secrets.iter().enumerate() {
        let counts = !matches!(place, Place::Bearer) || Some(at) == last;
        // What is masked may spell one that has stars itself.
        if counts && secret.len() >= 8 && !secret.contains('*') {
            assert!(!seen.contains(secret.as_str()), "{secret} in {seen}, pieces of {size}");
            assert!(!header.contains(secret.as_str()), "{secret} in {header}");
        }
    }
    for cookie in &cookies {
        let many = |kind: fn(&u8) -> bool| cookie.bytes().filter(kind).count() >= 4;
        if cookie.len() >= 24 && many(u8::is_ascii_digit) && many(u8::is_ascii_alphabetic) {
            assert!(!seen.contains(cookie), "{cookie} in {seen}");
        }
    }
    // Wherever it is cut, the same is seen.
    for size in [1, 3, body.len().max(1)] {
        let again =
            masked(&sent, &cookies, body.as_bytes(), size).map(|(seen, _)| String::from_utf8_lossy(&seen).into_owned());
        assert_eq!(again.as_deref(), Some(seen.as_str()), "pieces of {size}");
    }
}
