//! What to do about a gateway that asks for time.
//! Takes seconds; gives a hint. Never says that asking sooner does no harm.

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
    use super::*;

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
