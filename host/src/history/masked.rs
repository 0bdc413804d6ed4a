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
pub(crate) fn masked(text: &str) -> String {
    without_tokens(&without_secrets_in_urls(text))
}

/// A URL goes on until something that is not in one.
fn ends_a_url(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '"' | '\'' | '<' | '>' | ')' | '\\')
}

fn without_secrets_in_urls(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at);
        clean.push_str(before);
        clean.push_str("://");
        let after = after.strip_prefix("://").unwrap_or(after);
        let (url, others) = after.split_at(after.find(ends_a_url).unwrap_or(after.len()));
        // A password may hold anything but what ends the authority; the last @ is the one that counts.
        let (authority, path) = url.split_at(url.find(['/', '?', '#']).unwrap_or(url.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                clean.push_str("…@");
                clean.push_str(host);
            }
            None => clean.push_str(authority),
        }
        match path.split_once('?') {
            Some((plain, _)) => {
                clean.push_str(plain);
                clean.push_str("?…");
            }
            None => clean.push_str(path),
        }
        rest = others;
    }
    clean.push_str(rest);
    clean
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
