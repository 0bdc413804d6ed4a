//! `--on-change CMD`: a command for every announced change.
//! Takes a command line, split once and never given to a shell; hands it the change as JSON on stdin. Runs one at a time, each within
//! a deadline; what fails is told and forgotten.

use std::{process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt as _, process::Command, sync::mpsc};

use crate::{Error, Result, history::Transition, scrub};

/// How long one run may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Changes that wait for their turn. More than that at once is a storm, and one more line of it helps nobody.
const WAITING: usize = 256;

/// A command to run on changes.
#[derive(Clone, Debug)]
pub struct OnChange {
    argv: Vec<String>,
    deadline: Duration,
}

impl std::str::FromStr for OnChange {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match shlex::split(text) {
            Some(argv) if !argv.is_empty() => Ok(Self { argv, deadline: DEADLINE }),
            _ => {
                Err("a command as in a shell, like 'notify-send gateway'; it is empty or has a quote that does not end"
                    .into())
            }
        }
    }
}

impl OnChange {
    /// Runs it once with this change on stdin.
    ///
    /// # Errors
    ///
    /// `config`: it does not start, fails, or takes too long; then it is ended.
    pub async fn run(&self, transition: &Transition) -> Result<()> {
        let (program, args) = self.argv.split_first().ok_or_else(|| Error::config("--on-change is empty"))?;
        let failed = |what: String| Error::config(format!("--on-change {program} {what}"));
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("does not start: {error}")))?;
        let change = serde_json::to_string(transition).unwrap_or_default();
        let input = format!("{}\n", scrub::json(&change));
        let stdin = child.stdin.take();
        let run = async move {
            if let Some(mut stdin) = stdin {
                // A command that does not read its input is fine.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
            child.wait().await
        };
        match tokio::time::timeout(self.deadline, run).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(format!("failed: {status}"))),
            Ok(Err(error)) => Err(failed(format!("is lost: {error}"))),
            Err(_) => Err(failed(format!("took longer than {} s and was ended", self.deadline.as_secs_f64()))),
        }
    }

    /// Runs it for every announced change that is sent, one after the other.
    #[must_use]
    pub fn start(self) -> Alerts {
        let (sender, mut waiting) = mpsc::channel::<Transition>(WAITING);
        let task = tokio::spawn(async move {
            while let Some(transition) = waiting.recv().await {
                if let Err(error) = self.run(&transition).await {
                    tracing::warn!("{error}");
                }
            }
        });
        Alerts { sender, task }
    }
}

/// Changes on their way to a command.
#[derive(Debug)]
pub struct Alerts {
    sender: mpsc::Sender<Transition>,
    task: tokio::task::JoinHandle<()>,
}

impl Alerts {
    /// Hands over what is announced.
    pub fn tell(&self, transitions: &[Transition]) {
        for transition in transitions.iter().filter(|transition| transition.announced) {
            if self.sender.try_send(transition.clone()).is_err() {
                tracing::warn!("--on-change is too slow: a change of {} was not handed over", transition.gateway);
            }
        }
    }

    /// Waits until all that were handed over are done.
    pub async fn finish(self) {
        drop(self.sender);
        let _ = self.task.await;
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::{history::Moment, report::Status};

    fn change(announced: bool) -> Transition {
        Transition {
            id: 7,
            at: Moment::from_millis(0),
            gateway: "gw; touch /tmp/never".into(),
            service: Some("slack".into()),
            from: Some(Status::Ok),
            to: Status::Offline,
            reason: "$(reboot)".into(),
            announced,
            settled: false,
        }
    }

    #[tokio::test]
    async fn the_command_gets_the_change_as_json_and_no_shell_sees_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out put");
        let command: OnChange = format!("tee -a '{}'", file.display()).parse().unwrap();
        let alerts = command.start();
        alerts.tell(&[change(true), change(false), change(true)]);
        alerts.finish().await;
        let text = std::fs::read_to_string(file).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "only what is announced");
        assert_eq!(
            lines.first().unwrap(),
            &serde_json::json!({"id": 7, "at": "1970-01-01T00:00:00Z", "gateway": "gw; touch /tmp/never", "service": "slack",
                "from": "ok", "to": "offline", "reason": "$(reboot)", "announced": true, "settled": false})
        );
    }

    #[tokio::test]
    async fn a_command_that_hangs_fails_or_is_none_is_told() {
        let hangs = OnChange { argv: vec!["sleep".into(), "600".into()], deadline: Duration::from_millis(50) };
        assert!(hangs.run(&change(true)).await.unwrap_err().message.contains("was ended"));
        let fails: OnChange = "false".parse().unwrap();
        assert!(fails.run(&change(true)).await.unwrap_err().message.contains("failed: exit status: 1"));
        let none: OnChange = "/no/such/program".parse().unwrap();
        assert!(none.run(&change(true)).await.unwrap_err().message.contains("does not start"));
        assert!("".parse::<OnChange>().is_err() && "'open".parse::<OnChange>().is_err());
    }
}
