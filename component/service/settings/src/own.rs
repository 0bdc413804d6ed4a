//! What a user sets for the gateway component: texts by name, in a gateway's `settings`, as in an entry of `mcp-servers.json`.
//! Takes the member; gives names and texts, sorted. Never a credential, and never what a variable holds: the component reads all of it.

use crate::{Problem, Result, member::Member};

/// Settings of one gateway.
const MOST: usize = 50;
/// Letters of a name.
const LONGEST_NAME: usize = 64;
/// Bytes of a value.
const LONGEST: usize = 4_096;
/// From so many letters and digits in a row on a text looks like a key.
const KEY: usize = 20;

const SECRET_WORDS: [&str; 13] = [
    "key",
    "apikey",
    "token",
    "accesstoken",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "jwt",
];
const KEYS: [&str; 9] = ["ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "sk-", "AKIA", "eyJhbGciO"];

pub(crate) fn read(settings: &Member) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (name, member) in settings.members()? {
        let text = member.string()?;
        let letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(letter) {
            return Err(Problem::new(settings.path(), "has a name that is none")
                .with_remedy("take letters, digits, hyphens, underscores and dots, 64 at most"));
        }
        if text.len() > LONGEST || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(Problem::new(
                member.path(),
                format!("is longer than {LONGEST} bytes, or has control characters"),
            )
            .with_remedy("put it where the component can read it, and name the place"));
        }
        if text.contains("${") {
            return Err(Problem::new(member.path(), "names a variable, and variables are not put in here")
                .with_remedy("write the text itself; where it is a credential, it belongs into auth"));
        }
        if looks_secret(&name, text) {
            return Err(Problem::new(member.path(), "looks like a credential")
                .with_remedy("the gateway component is given none: write it into auth or headers"));
        }
        all.push((name, text.to_owned()));
    }
    if all.len() > MOST {
        return Err(Problem::new(settings.path(), format!("has more than {MOST} settings"))
            .with_remedy("let one of them name a page that the component reads"));
    }
    all.sort();
    Ok(all)
}

fn looks_secret(name: &str, text: &str) -> bool {
    let named = name.split(['-', '_', '.']).any(|word| SECRET_WORDS.contains(&word.to_ascii_lowercase().as_str()));
    let is_key = |word: &str| {
        let has = |what: fn(&char) -> bool| word.chars().any(|c| what(&c));
        word.len() >= KEY && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
            || KEYS.iter().any(|start| word.starts_with(start))
    };
    named || text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-+".contains(c))).any(is_key)
}
