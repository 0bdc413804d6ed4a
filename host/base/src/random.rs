//! The system's random numbers.
//! Takes nothing; gives what nobody can guess. Never makes do with less: where the system has none, that is an error.

pub use getrandom::Error as NoRandomness;

/// 128 bits, as 32 hexadecimal digits.
///
/// # Errors
///
/// The system has no random numbers.
pub fn token() -> Result<String, NoRandomness> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(crate::digest::hex(&bytes))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn no_two_tokens_are_the_same() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_ne!(one, other);
        assert!([one, other].iter().all(|token| token.len() == 32 && token.chars().all(|c| c.is_ascii_hexdigit())));
    }
}
