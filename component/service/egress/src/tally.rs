//! What became of the messages of one operation.
//! Takes what the engine said of each; gives what a failure of the operation can rest on. Never calls a message undelivered that the gateway
//! may have read.

/// One message to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It went out, and no answer began.
    Out,
    /// No connection stood.
    Never,
    /// It was answered, with this status.
    Answered(u16),
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    messages: Vec<Fate>,
    requests: u64,
    bytes: u64,
}

/// What became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// None was sent, or none reached the gateway.
    Nothing,
    /// One, answered with 4xx.
    Refused,
    /// One, answered.
    Answered,
    /// One, and no answer began.
    Unanswered,
    /// Several.
    Several,
}

impl Tally {
    /// A request, of any method. Gives how many there are now.
    pub fn request(&mut self) -> u64 {
        self.requests = self.requests.saturating_add(1);
        self.requests
    }

    /// Bytes of an answer. Gives how many all answers have now.
    pub fn received(&mut self, bytes: u64) -> u64 {
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes
    }

    /// A message goes out. Gives its number.
    pub fn message(&mut self) -> usize {
        self.messages.push(Fate::Out);
        self.messages.len().saturating_sub(1)
    }

    /// What became of it.
    pub fn became(&mut self, number: usize, fate: Fate) {
        if let Some(message) = self.messages.get_mut(number) {
            *message = fate;
        }
    }

    /// What a failure can rest on.
    #[must_use]
    pub fn sent(&self) -> Sent {
        let mut reached = self.messages.iter().filter(|fate| **fate != Fate::Never);
        match (reached.next(), reached.next()) {
            (None, _) => Sent::Nothing,
            (Some(Fate::Answered(400..=499)), None) => Sent::Refused,
            (Some(Fate::Answered(_)), None) => Sent::Answered,
            (Some(_), None) => Sent::Unanswered,
            (Some(_), Some(_)) => Sent::Several,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(fates: &[Fate]) -> Sent {
        let mut tally = Tally::default();
        for fate in fates {
            let number = tally.message();
            tally.became(number, *fate);
        }
        tally.sent()
    }

    #[test]
    fn a_message_that_went_out_counts_unless_no_connection_stood() {
        use Fate::{Answered, Never, Out};
        for (fates, sent) in [
            (&[] as &[Fate], Sent::Nothing),
            (&[Never, Never], Sent::Nothing),
            (&[Out], Sent::Unanswered),
            (&[Never, Out], Sent::Unanswered),
            (&[Answered(200)], Sent::Answered),
            (&[Answered(502)], Sent::Answered),
            (&[Answered(404)], Sent::Refused),
            (&[Answered(404), Answered(200)], Sent::Several),
            (&[Out, Out], Sent::Several),
        ] {
            assert_eq!(after(fates), sent, "{fates:?}");
        }
    }
}
