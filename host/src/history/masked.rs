//! Texts of others, without what looks like a secret.
//! Takes what a gateway or a service said; gives it with the queries and the user info of URLs taken out, and tokens by their known
//! shapes. Never takes out more than that: what is left has to say what is wrong.

/// How tokens of well-known services begin, and how many characters follow at least.
const TOKENS: [(&str, usize); 17] = [
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("github_pat_", 16),
    ("glpat-", 12),
    ("xoxb-", 8),
    ("xoxp-", 8),
    ("xoxa-", 8),
    ("xapp-", 8),
    ("sk-", 16),
    ("sk_live_", 12),
    ("AKIA", 16),
    ("AIza", 24),
    ("eyJ", 24),
    ("hvs.", 16),
];

/// The text as it may be kept and shown.
#[must_use]
pub fn masked(text: &str) -> String {
    without_tokens(&without_secrets_in_urls(text))
}

/// A URL goes on until something that is not in one.
fn ends_a_url(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '"' | '\'' | '<' | '>' | ')' | '\\')
}

fn without_secrets_in_urls(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        // A password may hold anything but what ends the authority; the last @ is the one that counts.
        let end = after.find(|letter| matches!(letter, '/' | '?' | '#') || ends_a_url(letter)).unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        // What looks like a port that is missing begins another URL.
        let (authority, path) = match authority.strip_suffix(':') {
            Some(scheme) if path.starts_with("//") => after.split_at(scheme.len()),
            _ => (authority, path),
        };
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                clean.push_str("…@");
                clean.push_str(host);
            }
            None => clean.push_str(authority),
        }
        let (plain, query) = path.split_at(end_of_path(path));
        clean.push_str(plain);
        rest = query;
        if query.starts_with('?') {
            clean.push_str("?…");
            rest = query.split_at(query.find(ends_a_url).unwrap_or(query.len())).1;
        }
    }
    clean.push_str(rest);
    clean
}

/// Where the path of a URL ends: at its query, at another URL that stands in it, or with the URL.
fn end_of_path(path: &str) -> usize {
    let ends = |(at, letter): &(usize, char)| {
        *letter == '?' || ends_a_url(*letter) || path.get(*at..).is_some_and(|rest| rest.starts_with("://"))
    };
    path.char_indices().find(ends).map_or(path.len(), |(at, _)| at)
}

fn is_of_a_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.')
}

fn without_tokens(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (between, after) = rest.split_at(rest.find(is_of_a_token).unwrap_or(rest.len()));
        let (word, others) = after.split_at(after.find(|letter| !is_of_a_token(letter)).unwrap_or(after.len()));
        clean.push_str(between);
        let found =
            TOKENS.iter().find(|(start, least)| word.strip_prefix(start).is_some_and(|end| end.len() >= *least));
        match found {
            Some((start, _)) => {
                clean.push_str(start);
                clean.push('…');
            }
            None => clean.push_str(word),
        }
        rest = others;
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_user_info_of_urls_are_taken_out() {
        for (text, clean) in [
            ("GET https://h/mcp?key=abc failed", "GET https://h/mcp?… failed"),
            ("a://?x b://y \"c://z?k=1\" ://", "a://?… b://y \"c://z?…\" ://"),
            ("postgres://admin:CANARY-pw@db:5432/x is away", "postgres://…@db:5432/x is away"),
            ("redis://:p@ss@w0rd@h", "redis://…@h"),
            ("https://h/a@b and me@example.com", "https://h/a@b and me@example.com"),
            ("https://u:p@h?q", "https://…@h?…"),
            ("https://proxy/https://u:p@h/a?k=1 x", "https://proxy/https://…@h/a?… x"),
            ("a://b@ca://b@c://d@e", "a://…@ca://…@c://…@e"),
            ("a://b?c://d@e f", "a://b?… f"),
        ] {
            assert_eq!(masked(text), clean);
        }
    }

    #[test]
    fn tokens_are_known_by_their_shape() {
        for token in [
            "ghp_0123456789abcdefghij",
            "github_pat_0123456789_abcdefghij",
            "xoxb-123456-abcdef",
            "sk-proj-0123456789abcdefghij",
            "AKIA0123456789ABCDEF",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
        ] {
            let text = masked(&format!("Bearer {token}, token={token}"));
            assert!(!text.contains(token.get(6..).unwrap_or_default()), "{text}");
        }
        for plain in ["sk-1", "the task-list", "xoxb-", "eyJ", "a.b.c ghp_short", "déjà vu: ghp_"] {
            assert_eq!(masked(plain), plain);
        }
    }
}
