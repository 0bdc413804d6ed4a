//! `call --save`: what of a result is no text, as files.
//! Takes a `CallToolResult` and a folder; gives what was written. A name is never the gateway's choice of a place: nothing is written
//! outside of the folder, through a link, or over a file.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;

use super::screen::{careful, yes};
use pflow_gateway::report::Call;
use pflow_gateway_base::{
    Error, Result, files,
    json::{Json, elements, pick, unquote},
    scrub,
};

/// Letters of a name.
const LONGEST: usize = 80;
/// Files of one result: more of them are nobody's wish.
const MOST: usize = 1_000;
/// What other systems do not take as a file's name.
const RESERVED: [&str; 8] = ["con", "prn", "aux", "nul", "com", "lpt", "conin", "conout"];

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Saved {
    pub(super) file: String,
    /// Which block of the result it is of, from 0.
    pub(super) block: usize,
    #[serde(rename = "mimeType")]
    pub(super) mime: Option<String>,
    pub(super) bytes: usize,
}

/// What was written, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) saved: Vec<Saved>,
    pub(super) failed: Vec<String>,
}

impl Outcome {
    /// For people: below what the result says.
    pub(super) fn words(&self) -> String {
        let mut text = String::new();
        for saved in &self.saved {
            let _ = writeln!(text, "{} Saved {} ({} bytes)", yes(), scrub::line(&saved.file, 300), saved.bytes);
        }
        if self.saved.is_empty() && self.failed.is_empty() {
            let _ = writeln!(text, "{} the result holds nothing to save", careful());
        }
        text
    }

    /// That something is missing. The tool ran all the same.
    pub(super) fn error(&self) -> Option<Error> {
        let first = self.failed.first()?;
        let more = self.failed.len().saturating_sub(1);
        let more = if more == 0 { String::new() } else { format!(", and {more} more") };
        Some(
            Error::new(
                pflow_gateway_base::Class::Internal,
                format!("the tool answered, and not all of the answer was saved: {first}{more}"),
            )
            .with_hint("the call ran; the whole result is in --json, and calling again would run it again"),
        )
    }
}

/// A report of a call, with the files.
#[derive(Serialize)]
pub(super) struct WithFiles<'a> {
    gateway: &'a str,
    tool: &'a str,
    service: Option<&'a str>,
    ok: bool,
    result: Option<&'a Json>,
    saved: &'a [Saved],
    unsaved: &'a [String],
    error: Option<&'a Error>,
}

impl<'a> WithFiles<'a> {
    pub(super) fn of(report: &'a Call, outcome: &'a Outcome, error: Option<&'a Error>) -> Self {
        Self {
            gateway: &report.gateway,
            tool: &report.tool,
            service: report.service.as_deref(),
            ok: report.ok,
            result: report.result.as_ref(),
            saved: &outcome.saved,
            unsaved: &outcome.failed,
            error,
        }
    }
}

/// What a block holds.
struct Content {
    stem: String,
    mime: Option<String>,
    bytes: Vec<u8>,
}

/// Makes the folder, and sees that files can be made in it: before anything is sent.
pub(super) fn prepare(folder: &Path) -> Result<()> {
    let shown = scrub::line(&folder.display().to_string(), 300);
    fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder)).map(drop).map_err(|error| {
        Error::config(format!("cannot save to {shown}"))
            .because(error)
            .with_hint("nothing was sent; name a folder that you may write to")
    })
}

/// Saves what is not text.
pub(super) fn save(result: &Json, tool: &str, folder: &Path) -> Outcome {
    let mut outcome = Outcome::default();
    let [content] = pick(result.get(), ["content"]).unwrap_or_default();
    let Some(content) = content.filter(|content| content.starts_with('[')) else { return outcome };
    let mut block = 0;
    elements(content, &mut |value| {
        if outcome.saved.len() < MOST {
            match contents(value.get(), tool) {
                Ok(Some(content)) => match write(folder, &content) {
                    Ok(path) => outcome.saved.push(Saved {
                        file: path.display().to_string(),
                        block,
                        mime: content.mime,
                        bytes: content.bytes.len(),
                    }),
                    Err(error) => outcome.failed.push(format!("block {block} could not be written: {error}")),
                },
                Ok(None) => {}
                Err(why) => outcome.failed.push(format!("block {block} {why}")),
            }
        } else if outcome.failed.is_empty() {
            outcome.failed.push(format!("there are more than {MOST} files in it; the rest was not saved"));
        }
        block += 1;
    });
    outcome
}

/// None: it is a text, or holds nothing by itself.
fn contents(block: &str, tool: &str) -> std::result::Result<Option<Content>, String> {
    let Some([kind, data, mime, resource]) = pick(block, ["type", "data", "mimeType", "resource"]) else {
        return Ok(None);
    };
    let word = |json: Option<&str>| json.and_then(unquote).map(|word| scrub::line(&word, 100));
    match word(kind).as_deref() {
        Some("image" | "audio") => {
            let bytes = decoded(data.and_then(unquote).as_deref())?;
            Ok(Some(Content { stem: tool.to_owned(), mime: word(mime), bytes }))
        }
        Some("resource") => {
            let names = ["uri", "mimeType", "blob", "text"];
            let Some([uri, mime, blob, text]) = resource.and_then(|inside| pick(inside, names)) else {
                return Ok(None);
            };
            let bytes = match (blob, text.and_then(unquote)) {
                (Some(blob), _) => decoded(unquote(blob).as_deref())?,
                (None, Some(text)) => text.into_owned().into_bytes(),
                (None, None) => return Err("is a resource without content".to_owned()),
            };
            let uri = word(uri).unwrap_or_default();
            let end =
                uri.split(['?', '#']).next().unwrap_or_default().rsplit(['/', '\\', ':']).next().unwrap_or_default();
            let stem = if end.is_empty() { tool.to_owned() } else { end.to_owned() };
            Ok(Some(Content { stem, mime: word(mime), bytes }))
        }
        _ => Ok(None),
    }
}

fn decoded(data: Option<&str>) -> std::result::Result<Vec<u8>, String> {
    let data = data.ok_or("has no data")?;
    BASE64_STANDARD.decode(data.trim()).map_err(|_| "is not valid base64".to_owned())
}

/// Writes to the first name that is free.
fn write(folder: &Path, content: &Content) -> io::Result<PathBuf> {
    let name = name(&content.stem, content.mime.as_deref());
    let (stem, end) =
        name.rsplit_once('.').map_or((name.as_str(), String::new()), |(stem, end)| (stem, format!(".{end}")));
    for number in 1..=MOST.saturating_mul(10) {
        let path = folder.join(if number == 1 { name.clone() } else { format!("{stem}-{number}{end}") });
        // Only a name that nothing has, not even a link that leads nowhere.
        match options().open(&path) {
            Ok(mut file) => {
                return fill(&mut file, &content.bytes)
                    .map(|()| path.clone())
                    .inspect_err(|_| drop(fs::remove_file(&path)));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("there are too many files called {name}")))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    files::for_this_user(&mut options);
    options
}

fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.flush()
}

/// A name of plain letters that begins with none that means something.
fn name(stem: &str, mime: Option<&str>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = stem.chars().map(plain).take(LONGEST).collect();
    let name = name.trim_start_matches(['.', '-', '_']).trim_end_matches('.');
    let first = name.split('.').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit());
    let name = if name.is_empty() || RESERVED.iter().any(|reserved| first.eq_ignore_ascii_case(reserved)) {
        format!("file_{name}")
    } else {
        name.to_owned()
    };
    // Its own end counts when it has one: a gateway may call PNG data image/*.
    let has_end = name.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && (1..=8).contains(&end.len()));
    if has_end { name } else { format!("{name}.{}", end_of(mime)) }
}

/// What the names of such files end with.
fn end_of(mime: Option<&str>) -> &'static str {
    let mime = mime.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match mime.as_str() {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "image/bmp" => "bmp",
        "image/tiff" => "tiff",
        "image/avif" => "avif",
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/ogg" => "ogg",
        "audio/flac" => "flac",
        "audio/mp4" | "audio/aac" => "m4a",
        "audio/webm" | "video/webm" => "webm",
        "video/mp4" => "mp4",
        "application/pdf" => "pdf",
        "application/json" => "json",
        "application/zip" => "zip",
        "text/plain" => "txt",
        "text/markdown" => "md",
        "text/html" => "html",
        "text/csv" => "csv",
        "text/xml" | "application/xml" => "xml",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn result(content: &str) -> Json {
        Json::parse(format!("{{\"content\": {content}}}")).unwrap()
    }

    #[test]
    fn a_name_is_plain_and_stays_in_its_folder() {
        for (stem, mime, wanted) in [
            ("chart", Some("image/png"), "chart.png"),
            ("../../etc/passwd", None, "etc_passwd.bin"),
            ("..", Some("text/plain"), "file_.txt"),
            (".bashrc", None, "bashrc.bin"),
            ("-rf", None, "rf.bin"),
            ("a b\u{202e}ü/c\0.txt", None, "a_b___c_.txt"),
            ("CON", Some("text/plain"), "file_CON.txt"),
            ("com1.txt", None, "file_com1.txt"),
            ("report.pdf", Some("image/png"), "report.pdf"),
        ] {
            assert_eq!(name(stem, mime), wanted, "{stem:?}");
        }
        assert!(name(&"x".repeat(5_000), None).len() < 100);
    }

    #[test]
    fn images_audio_and_resources_are_saved_and_texts_and_links_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let result = result(
            r#"[{"type":"text","text":"hi"},{"type":"image","data":"iVBORw==","mimeType":"image/png"},
            {"type":"audio","data":"AAA=","mimeType":"audio/wav"},
            {"type":"resource","resource":{"uri":"file:///x/../../a%2fb.txt?k=v","text":"inside \u00fc"}},
            {"type":"resource","resource":{"uri":"x://y/","blob":"AQID"}},
            {"type":"resource_link","uri":"file:///etc/passwd"}]"#,
        );
        let outcome = save(&result, "make_chart", folder.path());
        let names: Vec<_> =
            outcome.saved.iter().map(|saved| saved.file.rsplit('/').next().unwrap().to_owned()).collect();
        assert_eq!(names, ["make_chart.png", "make_chart.wav", "a_2fb.txt", "make_chart.bin"]);
        assert_eq!(outcome.saved.iter().map(|saved| saved.block).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(fs::read(folder.path().join("make_chart.png")).unwrap(), b"\x89PNG");
        assert_eq!(fs::read_to_string(folder.path().join("a_2fb.txt")).unwrap(), "inside ü");
        assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
    }

    #[test]
    fn nothing_is_written_over_or_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("t.png"), "mine").unwrap();
        let outside = folder.path().join("outside");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&outside, folder.path().join("t-2.png")).unwrap();
        let two = result(
            r#"[{"type":"image","data":"iVBORw==","mimeType":"image/png"},{"type":"image","data":"no base64!","mimeType":"image/png"}]"#,
        );
        let outcome = save(&two, "t", folder.path());
        assert_eq!(fs::read_to_string(folder.path().join("t.png")).unwrap(), "mine");
        assert!(!outside.exists());
        let last = if cfg!(unix) { "t-3.png" } else { "t-2.png" };
        assert_eq!(fs::read(folder.path().join(last)).unwrap(), b"\x89PNG");
        assert_eq!(outcome.failed, ["block 1 is not valid base64"]);
    }
}
