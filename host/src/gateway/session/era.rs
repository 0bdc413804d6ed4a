//! Which era an origin spoke last: a legacy peer is then not asked a modern question first.
//! Takes origins; gives eras. A hint, no more: when anything goes wrong with it the peer is asked anew, and an old one is forgotten.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::SharedSession;
use crate::{
    Deadline,
    egress::Origin,
    files,
    gateway::failure::Failure,
    gateway::{background::apart, convert},
    report::Era,
    runtime::{Conversation, types},
};

/// After that the peer is asked anew: it may have learned the modern era, and would answer in the legacy one for ever.
const KEPT: Duration = Duration::from_hours(24);
/// Origins to remember; the ones seen longest ago are forgotten first.
const MOST: usize = 500;

/// What is remembered, in one of pflow's folders.
#[derive(Clone, Debug)]
struct Eras {
    file: PathBuf,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Seen {
    era: Era,
    /// Seconds since 1970-01-01 UTC.
    at: u64,
}

impl Eras {
    fn new(pflow_folder: &Path) -> Self {
        Self { file: pflow_folder.join("gateway").join("eras.json") }
    }

    /// What this origin spoke, if that was seen lately.
    fn of(&self, origin: &str) -> Option<Era> {
        let seen = self.read().remove(origin)?;
        fresh(&seen).then_some(seen.era)
    }

    /// Keeps it. Nothing depends on it, so a folder that cannot be written to is no error.
    fn remember(&self, origin: &str, era: Era) {
        let mut all = self.read();
        if all.get(origin).is_some_and(|seen| seen.era == era && fresh(seen)) {
            return;
        }
        all.insert(origin.to_owned(), Seen { era, at: now() });
        while all.len() > MOST {
            let Some(oldest) = all.iter().min_by_key(|(_, seen)| seen.at).map(|(origin, _)| origin.clone()) else {
                break;
            };
            all.remove(&oldest);
        }
        if let Err(error) = self.write(&all) {
            tracing::debug!(file = %self.file.display(), "the era is not remembered: {error}");
        }
    }

    /// What was remembered does not fit what was seen.
    fn forget(&self, origin: &str) {
        let mut all = self.read();
        if all.remove(origin).is_some()
            && let Err(error) = self.write(&all)
        {
            tracing::debug!(file = %self.file.display(), "the era is not forgotten: {error}");
        }
    }

    fn read(&self) -> BTreeMap<String, Seen> {
        fs::read(&self.file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Whole or not at all. Of two who write at once, one is forgotten.
    fn write(&self, all: &BTreeMap<String, Seen>) -> std::io::Result<()> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        // pflow's folder is pflow's to make.
        if !folder.parent().is_some_and(Path::is_dir) {
            return Ok(());
        }
        files::private_folder(folder)?;
        files::replace(&self.file, &serde_json::to_vec(all)?)
    }
}

impl SharedSession {
    /// Opens a session: in the era that the user said, in the one that the origin spoke last, or as with a peer that nobody knows.
    pub(super) async fn agree(
        &self,
        conversation: &mut Conversation,
        endpoint: &types::Endpoint,
        by: Deadline,
    ) -> Result<(), Failure> {
        let remembered = if endpoint.era_is_fixed { None } else { self.remembered_era().await };
        let within = self.peer.left_of(by)?;
        let Some(era) = remembered else { return Ok(conversation.open(endpoint, None, within).await?) };
        let failure =
            match conversation.open(&types::Endpoint { era: Some(era), ..endpoint.clone() }, None, within).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure.into(),
            };
        match doubt(&failure) {
            Doubt::None => Err(failure),
            Doubt::Later => {
                self.forget_era().await;
                Err(failure)
            }
            Doubt::Now => {
                self.forget_era().await;
                Ok(conversation.open(endpoint, None, self.peer.left_of(by)?).await?)
            }
        }
    }

    /// What the origin spoke last, as far as that is known.
    async fn remembered_era(&self) -> Option<types::Era> {
        let (origin, eras) = self.origin_and_eras()?;
        Some(match apart(move || eras.of(&origin)).await.ok()?? {
            Era::Legacy => types::Era::Legacy,
            Era::Modern => types::Era::Modern,
        })
    }

    pub(super) async fn remember_era(&self, session: &types::Session) {
        // What the user says is not seen.
        if self.peer.config().era.is_some() {
            return;
        }
        if let Some((origin, eras)) = self.origin_and_eras() {
            let era = convert::era(session.era);
            let _ = apart(move || eras.remember(&origin, era)).await;
        }
    }

    async fn forget_era(&self) {
        if let Some((origin, eras)) = self.origin_and_eras() {
            let _ = apart(move || eras.forget(&origin)).await;
        }
    }

    fn origin_and_eras(&self) -> Option<(String, Eras)> {
        let origin = Origin::of_url(&self.peer.config().url).ok()?;
        Some((origin.to_string(), Eras::new(self.peer.config().folder.as_deref()?)))
    }
}

/// What a failure says of the era that was remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Nothing: the peer did not hear the question, or wants to be left alone.
    None,
    /// It may be the wrong one. Asking again now is harmful or impossible.
    Later,
    /// It may be the wrong one.
    Now,
}

fn doubt(failure: &Failure) -> Doubt {
    use types::{Delivery, FailureCode as Code};

    let Failure::Gateway(judged, _) = failure else { return Doubt::Later };
    match judged.code {
        Code::Dns | Code::Tls | Code::EgressDenied | Code::RateLimited | Code::Unsupported => Doubt::None,
        Code::Unreachable | Code::Timeout | Code::Limit if judged.delivery == Delivery::NotDelivered => Doubt::None,
        // Gateways lock an address out after a few credentials that they refuse. And an instance whose time is up cannot ask.
        Code::AuthRequired | Code::TokenExpired => Doubt::Later,
        _ => Doubt::Now,
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn fresh(seen: &Seen) -> bool {
    // A clock that was set back makes it look as if it came from the future: then it is not to be trusted either.
    now().checked_sub(seen.at).is_some_and(|age| age < KEPT.as_secs())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn an_era_is_remembered_for_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let eras = Eras::new(folder.path());
        assert_eq!(eras.of("http://h:1"), None);
        eras.remember("http://h:1", Era::Legacy);
        eras.remember("http://h:2", Era::Modern);
        assert_eq!((eras.of("http://h:1"), eras.of("http://h:2")), (Some(Era::Legacy), Some(Era::Modern)));
        let aged = |at: u64| {
            let all = BTreeMap::from([("http://h:1".to_owned(), Seen { era: Era::Legacy, at })]);
            eras.write(&all).unwrap();
            eras.of("http://h:1")
        };
        assert_eq!(aged(now() - KEPT.as_secs()), None);
        assert_eq!(aged(now() + 1_000), None);
        assert_eq!(aged(now() - 60), Some(Era::Legacy));
    }

    #[test]
    fn a_broken_file_is_nothing_remembered_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let eras = Eras::new(folder.path());
        eras.remember("http://h:1", Era::Legacy);
        fs::write(&eras.file, "{").unwrap();
        assert_eq!(eras.of("http://h:1"), None);
        eras.remember("http://h:1", Era::Modern);
        assert_eq!(eras.of("http://h:1"), Some(Era::Modern));
    }

    #[test]
    fn it_never_grows_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let eras = Eras::new(folder.path());
        let all =
            (0..=MOST).map(|at| (format!("http://h:{at}"), Seen { era: Era::Legacy, at: now() - 1_000 + at as u64 }));
        eras.write(&all.collect()).unwrap();
        eras.remember("http://new:1", Era::Modern);
        assert!(eras.read().len() <= MOST);
        assert_eq!(eras.of("http://new:1"), Some(Era::Modern));
        assert_eq!(eras.of("http://h:0"), None);
    }
}
