//! `--on-change CMD`: a command for every change that a watcher is told.
//! Takes a command line, split once and never given to a shell; hands it the change as JSON on stdin. Runs one at a time, each within
//! a deadline; what fails is told and forgotten, and what was not run before the end is run at the next start.

use std::{path::Path, process::Stdio, sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt as _, process::Command, sync::mpsc};

use super::MonitorError;
use crate::{
    history::{Moment, Transition, Watcher},
    programs,
    report::Status,
    scrub, sentence,
};

/// How long one run may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Changes that wait for their turn in memory; the watcher remembers the others for its next start.
const WAITING: usize = 1_024;
/// These take a command line of their own as an argument.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "env"];

/// A command to run on changes.
#[derive(Clone, Debug)]
pub struct OnChange {
    text: String,
    program: String,
    args: Vec<String>,
    deadline: Duration,
}

impl std::str::FromStr for OnChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = shlex::split(text).into_iter().flatten();
        let program = words.next().ok_or(
            "a command as in a shell, like 'notify-send gateway'; it is empty or has a quote that does not end",
        )?;
        Ok(Self { text: text.to_owned(), program, args: words.collect(), deadline: DEADLINE })
    }
}

impl OnChange {
    /// As it was typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Looks the program up; what else there is to say about the command.
    ///
    /// # Errors
    ///
    /// There is no such program, or it cannot be run; of class `config`.
    pub fn check(&self) -> Result<Option<String>, MonitorError> {
        let program = &self.program;
        let shown = scrub::line(program, 200);
        if programs::is_path(program) {
            let path = Path::new(program);
            if !path.exists() {
                return Err(MonitorError::NoFile { program: shown });
            }
            if !programs::runs(path) {
                return Err(MonitorError::NotExecutable { program: shown });
            }
        } else if !programs::is_on_path(program) {
            return Err(MonitorError::NotOnPath { program: shown });
        }
        let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let word = shell_word(&self.text).filter(|_| !SHELLS.contains(&name));
        Ok(word.map(|word| {
            format!(
                "--on-change runs without a shell: {shown} gets {word} as it is; write sh -c '…' if a shell is meant"
            )
        }))
    }

    /// Runs it once with this change on stdin.
    ///
    /// # Errors
    ///
    /// It does not start, fails, or takes too long; then it is ended. Of class `config`.
    pub async fn run(&self, transition: &Transition) -> Result<(), MonitorError> {
        self.give(&serde_json::to_string(transition).unwrap_or_default()).await
    }

    /// Runs it once with a change that is made up, and says so.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn try_out(&self, gateway: &str) -> Result<serde_json::Value, MonitorError> {
        let made_up = Transition {
            id: 0,
            at: Moment::now(),
            gateway: gateway.to_owned(),
            service: None,
            from: Some(Status::Ok),
            to: Status::Unreachable,
            reason: "this is a test of --on-change: nothing has changed".to_owned(),
            announced: true,
            settled: false,
            held_back: 0,
            tool: None,
            change: None,
        };
        let mut change = serde_json::to_value(made_up).unwrap_or_default();
        if let Some(members) = change.as_object_mut() {
            members.insert("test".to_owned(), true.into());
        }
        self.give(&change.to_string()).await?;
        Ok(change)
    }

    async fn give(&self, change: &str) -> Result<(), MonitorError> {
        let program = || self.program.clone();
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| MonitorError::NotStarted { program: program(), source })?;
        let input = format!("{}\n", scrub::json(change));
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
            Ok(Ok(status)) => Err(MonitorError::Failed { program: program(), status }),
            Ok(Err(source)) => Err(MonitorError::Lost { program: program(), source }),
            Err(_) => Err(MonitorError::TooLong { program: program(), limit: self.deadline }),
        }
    }
}

/// The first character that means something to a shell and nothing here.
fn shell_word(text: &str) -> Option<char> {
    let (mut quote, mut escaped) = (None, false);
    for letter in text.chars() {
        match (letter, quote) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            ('\'' | '"', None) => quote = Some(letter),
            _ if quote == Some(letter) => quote = None,
            ('|' | '&' | ';' | '<' | '>' | '`' | '$', None) | ('`' | '$', Some('"')) => return Some(letter),
            _ => {}
        }
    }
    None
}

/// Changes on their way to a command, or to nobody but the watcher's memory.
#[derive(Debug)]
pub struct Alerts {
    sender: mpsc::Sender<Transition>,
    task: tokio::task::JoinHandle<()>,
}

impl Alerts {
    /// Runs the command for every change that is told, one after the other. Without a command, a change came through when it was told.
    #[must_use]
    pub fn start(command: Option<OnChange>, watcher: Arc<Watcher>) -> Self {
        let (sender, mut waiting) = mpsc::channel::<Transition>(WAITING);
        let task = tokio::spawn(async move {
            while let Some(transition) = waiting.recv().await {
                if let Some(command) = &command
                    && let Err(error) = command.run(&transition).await
                {
                    tracing::warn!("{}", sentence(&error));
                }
                let watcher = Arc::clone(&watcher);
                let _ = tokio::task::spawn_blocking(move || watcher.delivered(transition.id)).await;
            }
        });
        Self { sender, task }
    }

    /// Hands over what is news.
    pub fn tell(&self, transitions: &[Transition]) {
        for transition in transitions {
            if self.sender.try_send(transition.clone()).is_err() {
                tracing::warn!(
                    "--on-change is too slow: a change of {} is handed over at the next start",
                    transition.gateway
                );
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
    use crate::history::{Floor, History};

    fn change(id: i64) -> Transition {
        Transition {
            id,
            at: Moment::from_millis(0),
            gateway: "gw; touch /tmp/never".into(),
            service: Some("slack".into()),
            from: Some(Status::Ok),
            to: Status::Offline,
            reason: "$(reboot)".into(),
            announced: true,
            settled: false,
            held_back: 0,
            tool: None,
            change: None,
        }
    }

    #[tokio::test]
    async fn the_command_gets_the_change_as_json_and_no_shell_sees_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out put");
        let command: OnChange = format!("tee -a '{}'", file.display()).parse().unwrap();
        let watcher = Watcher::passing(History::new(folder.path()), "test", Floor::default());
        let alerts = Alerts::start(Some(command), Arc::new(watcher));
        alerts.tell(&[change(7), change(8)]);
        alerts.finish().await;
        let text = std::fs::read_to_string(file).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines.first().unwrap(),
            &serde_json::json!({"id": 7, "at": "1970-01-01T00:00:00Z", "gateway": "gw; touch /tmp/never", "service": "slack",
                "from": "ok", "to": "offline", "reason": "$(reboot)", "announced": true, "settled": false})
        );
    }

    #[tokio::test]
    async fn a_command_that_hangs_fails_or_is_none_is_told() {
        let hangs = OnChange { deadline: Duration::from_millis(50), .."sleep 600".parse().unwrap() };
        assert!(matches!(hangs.run(&change(1)).await.unwrap_err(), MonitorError::TooLong { .. }));
        let fails: OnChange = "false".parse().unwrap();
        assert!(fails.run(&change(1)).await.unwrap_err().to_string().ends_with(" failed: exit status: 1"));
        let none: OnChange = "/no/such/program".parse().unwrap();
        assert!(matches!(none.run(&change(1)).await.unwrap_err(), MonitorError::NotStarted { .. }));
        assert!("".parse::<OnChange>().is_err() && "'open".parse::<OnChange>().is_err());
    }

    #[test]
    fn a_program_that_cannot_run_is_told_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notify");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let check = |text: &str| text.parse::<OnChange>().unwrap().check();
        assert!(check("no-such-program --x").unwrap_err().to_string().contains("no program no-such-program in PATH"));
        assert!(check("/no/such/program").unwrap_err().to_string().contains("there is no file /no/such/program"));
        assert!(check(&file.display().to_string()).unwrap_err().to_string().contains("is not executable"));
        assert!(check(&folder.path().display().to_string()).unwrap_err().to_string().contains("is not executable"));
        assert_eq!(check("cat '|' \"a;b\" \\> '$HOME'").unwrap(), None);
        for (text, word) in [("echo hi | cat", '|'), ("cat > f", '>'), ("echo \"$HOME\"", '$'), ("true && true", '&')] {
            let told = check(text).unwrap().unwrap();
            assert!(told.contains("without a shell") && told.contains(word), "{told}");
        }
        assert_eq!(check("sh -c \"echo $HOME\" | cat").unwrap(), None, "a shell is what they are for");
    }
}
