//! `edit`: an entry in the user's own editor.
//! Takes the name of an entry; opens its JSON alone, and writes it once it can be read. What was typed is never lost: it is opened again
//! after a mistake, and is left in a file when nobody goes on.

use std::{fmt::Write as _, io::Write as _};

use serde_json::{Map, Value, json};

use super::{
    answers::Answers,
    args,
    context::Context,
    screen::{Reply, careful, explain, say, yes},
    set,
};
use pflow_gateway::config::{ConfigFile, names_a_secret};
use pflow_gateway_base::{Error, Result, files, scrub};

/// What says which editor, the first that is set.
const EDITORS: [&str; 2] = ["VISUAL", "EDITOR"];

/// `edit`.
pub(super) async fn edit(context: &Context, edit: &args::Edit, answers: &mut Answers) -> Reply {
    let shape = json!({"gateway": edit.name, "changed": [], "gains": [], "loses": [], "tools": null, "written": false, "warnings": []});
    match edited(context, edit, answers).await {
        Ok((text, json)) => Reply::good(text, &json),
        Err(error) => Reply::failed(shape, error),
    }
}

async fn edited(context: &Context, edit: &args::Edit, answers: &mut Answers) -> Result<(String, Value)> {
    let file = context.file()?;
    let before = file.entry_text(&edit.name).map(str::to_owned);
    let known = file.gateways().into_iter().any(|(name, _)| name == edit.name);
    let (Some(before), true) = (before, known) else {
        file.find(&edit.name)?;
        return Err(Error::config("an entry is edited by its name, not by its URL").with_hint("`list` shows the names"));
    };
    let editor = editor(&edit.name, &context.program)?;
    let typed = Typed::new(&edit.name, &before)?;
    loop {
        typed.open(&editor).await?;
        let text = match typed.text() {
            Ok(text) => text,
            Err(error) => return Err(typed.kept(error)),
        };
        if text.trim() == before.trim() {
            let text = format!("{} {} stays as it was\n", yes(), scrub::line(&edit.name, 100));
            return Ok((text, report(edit, &file, &[], None, false, &[])));
        }
        match carry_out(context, edit, &file, &before, &text).await {
            Ok(done) => return Ok(done),
            Err(error) if answers.can_correct() => {
                say(&explain(&error));
                if !answers.agree("Go on editing", "y").await.unwrap_or(false) {
                    return Err(typed.kept(error));
                }
            }
            Err(error) => return Err(typed.kept(error)),
        }
    }
}

/// The editor, and its own arguments.
fn editor(name: &str, program: &str) -> Result<Vec<String>> {
    let chosen = EDITORS.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let Some(chosen) = chosen else {
        let name = scrub::line(name, 100);
        return Err(Error::config("neither VISUAL nor EDITOR names an editor").with_hint(format!(
            "export EDITOR=nano, or change one thing without an editor: {program} set {name} --exclude 'delete_*'"
        )));
    };
    // As a shell splits it: `code --wait`. It runs without one.
    shlex::split(&chosen).filter(|words| !words.is_empty()).ok_or_else(|| {
        Error::config("VISUAL or EDITOR has a quote that does not end")
            .with_hint("write it as in a shell, like EDITOR='code --wait'")
    })
}

/// What is typed, in a file for this user alone.
struct Typed {
    file: tempfile::TempPath,
}

impl Typed {
    fn new(name: &str, text: &str) -> Result<Self> {
        let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
        let cannot = |error: std::io::Error| {
            Error::config("cannot make a file to edit").because(error).with_hint("check TMPDIR, and free space")
        };
        let mut file =
            tempfile::Builder::new().prefix(&format!("{plain}-")).suffix(".json").tempfile().map_err(cannot)?;
        file.write_all(text.trim_end().as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(cannot)?;
        Ok(Self { file: file.into_temp_path() })
    }

    /// Until the editor has ended.
    async fn open(&self, editor: &[String]) -> Result<()> {
        let Some((program, args)) = editor.split_first() else { return Ok(()) };
        let shown = scrub::line(program, 200);
        let status = tokio::process::Command::new(program).args(args).arg(&self.file).kill_on_drop(true).status().await;
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                Err(Error::config(format!("the editor {shown} ended with {status}")).with_hint("nothing was written"))
            }
            Err(error) => Err(Error::config(format!("cannot start the editor {shown}"))
                .because(error)
                .with_hint("set EDITOR to a program that is there, like nano")),
        }
    }

    fn text(&self) -> Result<String> {
        let wrong =
            |why: String| Error::config(format!("cannot read what was edited: {why}")).with_hint("nothing was written");
        let bytes = files::read_regular(&self.file).map_err(|error| wrong(error.to_string()))?;
        String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))
    }

    /// The same error; what was typed stays where it is.
    fn kept(self, error: Error) -> Error {
        let place = self.file.keep().unwrap_or_else(|error| error.path.to_path_buf());
        let kept = format!("nothing was written; what you typed is in {}", place.display());
        let hint = error.hint.as_ref().map_or_else(|| kept.clone(), |hint| format!("{hint} ({kept})"));
        error.with_hint(hint)
    }
}

/// Reads what was typed as the server file is read, compares, and writes.
async fn carry_out(
    context: &Context,
    edit: &args::Edit,
    file: &ConfigFile,
    before: &str,
    text: &str,
) -> Result<(String, Value)> {
    let name = &edit.name;
    let entry: Value = serde_json::from_str(text).map_err(|error| {
        Error::config("this is not valid JSON").because(error).with_hint("correct it, or leave it as it was")
    })?;
    let was = file.entry(name).cloned().unwrap_or_default();
    let mut after = file.clone();
    after.put_text(name, text.trim())?;
    let (before_config, after_config) = (file.find(name), after.find(name)?);
    if let Some(place) = after_config.auth.literal().filter(|_| !after_config.plain) {
        let literal_before = before_config.as_ref().is_ok_and(|config| config.auth.literal().is_some());
        if !literal_before {
            return Err(Error::config(format!("a credential stands there in plain text ({place})"))
                .with_hint("keep it in a variable (pflow settings set-env VAR VALUE), and write ${VAR} in its place"));
        }
    }
    let mut said = String::new();
    let mut changed = Vec::new();
    differences("", &was, &entry, &mut changed);
    if changed.is_empty() {
        changed.push(("layout".to_owned(), Value::Null, Value::Null));
    }
    // An entry that could not be read before is compared with nothing.
    let seen = match before_config {
        Ok(before_config) if !edit.no_test => Some(set::difference(context, before_config, after_config).await?),
        _ => None,
    };
    if !edit.dry_run {
        let mut now = context.edit()?;
        if now.entry_text(name) != Some(before) {
            return Err(Error::config(format!("{} was changed by another program meanwhile", scrub::line(name, 100)))
                .with_hint("look at it, then edit it again"));
        }
        now.put_text(name, text.trim())?;
        context.save(&now)?;
        if let Some(seen) = &seen {
            context.history().left_out(name, &seen.loses);
        }
    }
    let done = if edit.dry_run { "Would change" } else { "Changed" };
    let _ = writeln!(said, "{} {done} {} in {}", yes(), scrub::line(name, 100), file.path().display());
    let word =
        |value: &Value| if value.is_null() { "not set".to_owned() } else { scrub::line(&value.to_string(), 200) };
    for (member, was, now) in &changed {
        if member == "layout" {
            let _ = writeln!(said, "  only how it is laid out");
        } else {
            let _ = writeln!(said, "  {}: {} → {}", scrub::line(member, 100), word(was), word(now));
        }
    }
    let warnings = seen.as_ref().map(|seen| seen.say(&mut said)).unwrap_or_default();
    for warning in &warnings {
        let _ = writeln!(said, "{} {}", careful(), scrub::line(warning, 300));
    }
    if !edit.dry_run {
        let _ = writeln!(said, "  → pflow mcp sync {}", scrub::line(name, 100));
    }
    Ok((said, report(edit, file, &changed, seen.as_ref(), !edit.dry_run, &warnings)))
}

fn report(
    edit: &args::Edit,
    file: &ConfigFile,
    changed: &[(String, Value, Value)],
    seen: Option<&set::Difference>,
    written: bool,
    warnings: &[String],
) -> Value {
    let changed: Vec<_> =
        changed.iter().map(|(member, was, now)| json!({"member": member, "before": was, "now": now})).collect();
    json!({
        "gateway": edit.name, "file": file.path().display().to_string(), "changed": changed,
        "gains": seen.map(|seen| &seen.gains), "loses": seen.map(|seen| &seen.loses),
        "tools": seen.map(set::Difference::tools), "written": written, "warnings": warnings, "error": null,
    })
}

/// Members that are not as they were. The value of what may be a credential is not repeated.
fn differences(path: &str, was: &Value, now: &Value, all: &mut Vec<(String, Value, Value)>) {
    if was == now {
        return;
    }
    if let (Value::Object(was), Value::Object(now)) = (was, now) {
        let mut names: Vec<&String> = was.keys().collect();
        names.extend(now.keys().filter(|name| !was.contains_key(*name)));
        let null = Value::Null;
        for name in names {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            differences(&inner, member(was, name).unwrap_or(&null), member(now, name).unwrap_or(&null), all);
        }
        return;
    }
    let last = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let secret =
        names_a_secret(&last) || path.split('.').any(|part| matches!(part, "auth" | "headers" | "env" | "adopted"));
    let shown = |value: &Value| match value {
        Value::String(text) if secret && !text.contains("${") => Value::from("…"),
        Value::Object(_) | Value::Array(_) if secret => Value::from("…"),
        other => other.clone(),
    };
    all.push((path.to_owned(), shown(was), shown(now)));
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_by_its_place_and_a_credential_is_not_repeated() {
        let was = json!({"command": "x", "gateway": {"url": "http://a", "auth": {"type": "bearer", "token": "s3cret"}, "tools": {"include": ["a"]}}});
        let now = json!({"command": "x", "gateway": {"url": "http://b", "auth": {"type": "bearer", "token": "${TOK}"}, "timeout": 5}});
        let mut all = Vec::new();
        differences("", &was, &now, &mut all);
        let expected = [
            ("gateway.url", json!("http://a"), json!("http://b")),
            ("gateway.auth.token", json!("…"), json!("${TOK}")),
            ("gateway.tools", json!({"include": ["a"]}), Value::Null),
            ("gateway.timeout", Value::Null, json!(5)),
        ];
        assert_eq!(all, expected.map(|(member, was, now)| (member.to_owned(), was, now)));
    }
}
