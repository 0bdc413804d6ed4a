//! Chance, so that many who do the same do not do it in one moment.
//! Takes nothing; gives numbers that nobody has to foresee, and nobody must not: never for secrets.

/// Between 0 and 1; in the middle where the system has no random numbers.
#[must_use]
pub fn fraction() -> f64 {
    let number = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(number) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_between_nothing_and_one_and_not_always_the_same() {
        let drawn: Vec<f64> = (0..50).map(|_| fraction()).collect();
        assert!(drawn.iter().all(|fraction| (0.0..=1.0).contains(fraction)));
        assert!(drawn.windows(2).any(|two| two.first() != two.last()));
    }
}
