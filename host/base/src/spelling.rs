//! Names that are nearly the one that was typed.
//! Takes a word and the names that there are; gives those that a typing error makes of it. Pure.

use strsim::levenshtein;

/// The known name that a typing error away, or that holds the other.
#[must_use]
pub fn nearest<'a>(wanted: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = wanted.to_lowercase();
    known
        .iter()
        .copied()
        .map(|name| (levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + wanted.chars().count() / 4 || name.to_lowercase().contains(&lower))
        .min()
        .map(|(_, name)| name)
}

/// How far two names are apart when one may be a slip of the other; none when they are just different names.
#[must_use]
pub fn slip(one: &str, other: &str) -> Option<usize> {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let longest = one.chars().count().max(other.chars().count());
    // One letter of a short name, and no more than three of any.
    let allowed = (longest / 5).clamp(1, 3);
    let far = levenshtein(&one, &other);
    (longest > 2 && far <= allowed).then_some(far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_a_few_letters_and_another_services_tool_is_none() {
        assert_eq!(slip("weather_get_curent", "weather_get_current"), Some(1));
        assert_eq!(slip("Wether", "weather"), Some(1));
        assert_eq!(slip("slack__search", "github__search"), None);
        assert_eq!(slip("get_issue", "get_user"), None);
        assert_eq!(slip("a", "b"), None);
    }
}
