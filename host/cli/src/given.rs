//! The arguments of `call`, as they were typed.
//! Takes words, files and stdin; gives what is to be checked and sent. Reads no more than one request may hold.

use std::{fs::File, io::Read};

use super::args;
use pflow_gateway::arguments::{Given, Word, Words};
use pflow_gateway_base::{
    Error, Result,
    json::{Json, NotJson},
    scrub, sentence,
};

/// A file or stdin at most, in bytes: the highest that `request_body_bytes` of an entry may be.
const LARGEST: u64 = 1 << 30;

/// What was given for a call.
///
/// # Errors
///
/// `config`: it cannot be read; names the word and how to write it.
pub(super) fn given(call: &args::Call) -> Result<Given> {
    match (call.args.as_deref(), call.words.as_slice()) {
        (Some("-"), _) => object("--args -", stdin("--args -")?),
        (Some(text), _) => object("--args", text.to_owned()),
        (None, [only]) if only == "-" => object("what stdin holds", stdin("-")?),
        (None, words) => words_of(words),
    }
}

fn words_of(all: &[String]) -> Result<Given> {
    let mut words = Words::default();
    for word in all {
        let shown = scrub::line(word, 60);
        let wrong = |why: String| Error::config(format!("{shown}: {why}"));
        match Word::read(word) {
            Some(Word::Text(name, text)) => words.text(name, text),
            Some(Word::TextFile(name, file)) => words.text(name, read(&file)?),
            Some(Word::Json(name, text)) => words.json(name.clone(), text).map_err(|error| {
                wrong(sentence(&error))
                    .with_hint(format!("write text as {name}=TEXT; := takes JSON, like {name}:='[1, 2]'"))
            })?,
            Some(Word::JsonFile(name, file)) => {
                words.json(name, read(&file)?).map_err(|error| wrong(sentence(&error)))?;
            }
            None if word == "-" => {
                return Err(Error::config("- reads all arguments from stdin, and there are others")
                    .with_hint("give - alone, or name=VALUE for each argument"));
            }
            None => {
                return Err(wrong("it is no argument".to_owned()).with_hint(
                    "write name=VALUE, like city=Lisbon, name:=JSON or name=@FILE; or all of them as JSON with --args",
                ));
            }
        }
    }
    match words.twice() {
        Some(name) => Err(Error::config(format!("the argument {} is given twice", scrub::line(name, 60)))
            .with_hint("give it once; several values are a list, like tags:='[\"a\", \"b\"]'")),
        None => Ok(Given::Words(words)),
    }
}

/// A JSON object.
fn object(from: &str, text: String) -> Result<Given> {
    let wrong = |why: String| {
        Error::config(format!("{from} {why}"))
            .with_hint("give a JSON object in single quotes, like --args '{\"city\": \"Lisbon\"}', or name=VALUE for each argument")
    };
    Json::object(text).map(Given::Json).map_err(|error| match error {
        NotJson::Syntax(error) => wrong(format!("is not valid JSON: {error}")),
        NotJson::Unsound(why) => wrong(format!("is not JSON that everybody can read: {why}")),
        NotJson::NoObject => wrong("is not a JSON object".to_owned()),
    })
}

fn stdin(from: &str) -> Result<String> {
    bounded(std::io::stdin().lock()).map_err(|why| Error::config(format!("{from} cannot be read from stdin: {why}")))
}

fn read(file: &str) -> Result<String> {
    File::open(file).map_err(|error| error.to_string()).and_then(bounded).map_err(|why| {
        Error::config(format!("the file {} cannot be read: {why}", scrub::line(file, 200)))
            .with_hint("check its name; a text that begins with @ is written @@")
    })
}

fn bounded(from: impl Read) -> std::result::Result<String, String> {
    let mut text = String::new();
    let read = from.take(LARGEST.saturating_add(1)).read_to_string(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    })?;
    if read as u64 > LARGEST {
        return Err(format!("it has more than {LARGEST} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use pflow_gateway_base::Class;

    fn read_words(words: &[&str]) -> Result<Given> {
        words_of(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_one_json_object() {
        let Given::Json(json) = object("--args", "{\"a\": 1.0}".to_owned()).unwrap() else { unreachable!() };
        assert_eq!(json.get(), "{\"a\": 1.0}");
        for wrong in ["", "[1]", "{\"a\": }", "7"] {
            let error = object("--args", wrong.to_owned()).unwrap_err();
            assert_eq!((error.class, error.hint.is_some()), (Class::Config, true), "{wrong}");
        }
    }

    #[test]
    fn a_word_that_is_no_argument_says_how_one_is_written() {
        for (words, says) in [
            (&["Lisbon"][..], "Lisbon: it is no argument"),
            (&["a=1", "-"], "- reads all arguments from stdin"),
            (&["a=1", "a=2"], "the argument a is given twice"),
            (&["a:=x"], "a:=x: it is not valid JSON"),
            (&["a=@/nonexistent/file"], "the file /nonexistent/file cannot be read"),
        ] {
            let error = read_words(words).unwrap_err();
            assert!(error.message.starts_with(says) && error.hint.is_some(), "{words:?}: {error:?}");
        }
    }

    #[test]
    fn what_is_too_large_or_no_text_is_refused() {
        assert_eq!(bounded(&[0xff_u8, 0xfe][..]).unwrap_err(), "it is not UTF-8 text");
        assert_eq!(bounded("x\n".as_bytes()).unwrap(), "x\n", "every byte stays");
    }
}
