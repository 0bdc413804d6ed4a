//! What is taken, what is refused, and how both are said.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use serde_json::{Value, json};

use super::{Given, Problem, Schema, Word, Words, fitting};
use crate::{Class, Error, json::Json, report::Tool, serve::tests_tool as listed};

fn tool(schema: Value) -> Tool {
    let mut tool = listed("forecast", None);
    tool.input_schema = schema.into();
    tool
}

fn weather() -> Tool {
    tool(json!({
        "type": "object",
        "properties": {
            "days": {"type": "integer", "minimum": 1, "maximum": 6},
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "height": {"type": ["number", "null"]},
            "exact": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "where": {"$ref": "#/$defs/place"},
            "level": {"anyOf": [{"type": "integer"}, {"enum": ["all", "none"]}]},
            "code": {"enum": [1, 2, "three"]},
            "any": {}
        },
        "required": ["city"],
        "$defs": {"place": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
            "required": ["x"], "additionalProperties": false}}
    }))
}

fn given(words: &[&str]) -> Given {
    let mut given = Words::default();
    for word in words {
        match Word::read(word).unwrap() {
            Word::Text(name, text) => given.text(name, text),
            Word::Json(name, text) => given.json(name, text).unwrap(),
            other => unreachable!("{other:?}"),
        }
    }
    Given::Words(given)
}

fn typed(tool: &Tool, words: &[&str]) -> Result<String, String> {
    fitting(tool, given(words)).map(|json| json.to_string()).map_err(|error| error.to_string())
}

fn json_given(tool: &Tool, text: &str) -> Result<String, String> {
    let given = Given::Json(Json::object(text.to_owned()).unwrap());
    fitting(tool, given).map(|json| json.to_string()).map_err(|error| error.to_string())
}

#[test]
fn a_word_is_a_text_json_or_a_file() {
    let read = |word: &str| Word::read(word);
    let own = str::to_owned;
    assert_eq!(read("a=b=c"), Some(Word::Text(own("a"), own("b=c"))));
    assert_eq!(read("a="), Some(Word::Text(own("a"), String::new())));
    assert_eq!(read("a:=[1]"), Some(Word::Json(own("a"), own("[1]"))));
    assert_eq!(read("a=b:=c"), Some(Word::Text(own("a"), own("b:=c"))));
    assert_eq!(read("a=@f.txt"), Some(Word::TextFile(own("a"), own("f.txt"))));
    assert_eq!(read("a:=@f.json"), Some(Word::JsonFile(own("a"), own("f.json"))));
    assert_eq!(read("a=@@mara"), Some(Word::Text(own("a"), own("@mara"))));
    for none in ["city", "=x", ":=x", ""] {
        assert_eq!(read(none), None, "{none}");
    }
}

#[test]
fn a_text_becomes_what_the_schema_wants_and_no_digit_changes() {
    let weather = weather();
    for (word, json) in [
        ("days=3", r#""days":3"#),
        ("height=1.10", r#""height":1.10"#),
        ("height=25000000000000000001", r#""height":25000000000000000001"#),
        ("height=null", r#""height":null"#),
        ("exact=true", r#""exact":true"#),
        ("tags=[\"a\", \"b\"]", r#""tags":["a", "b"]"#),
        ("where={\"x\": 1.0}", r#""where":{"x": 1.0}"#),
        ("level=7", r#""level":7"#),
        ("level=all", r#""level":"all""#),
        ("code=2", r#""code":2"#),
        ("code=three", r#""code":"three""#),
        ("unit=celsius", r#""unit":"celsius""#),
        // Where the schema says nothing, `=` is a text.
        ("any=3", r#""any":"3""#),
        ("any:=3", r#""any":3"#),
    ] {
        assert_eq!(typed(&weather, &["city=Lisbon", word]), Ok(format!("{{\"city\":\"Lisbon\",{json}}}")), "{word}");
    }
    assert_eq!(typed(&weather, &["city=42"]), Ok("{\"city\":\"42\"}".to_owned()), "a text stays one");
    assert_eq!(typed(&weather, &["city=null"]), Ok("{\"city\":\"null\"}".to_owned()));
}

#[test]
fn what_does_not_fit_is_named_before_anything_is_sent() {
    let weather = weather();
    for (words, says) in [
        (&[][..], "missing argument: city"),
        (&["citty=Lisbon"], "missing argument: city; unknown argument: citty (did you mean city?)"),
        (&["city=Lisbon", "dayz=3"], "unknown argument: dayz (did you mean days?)"),
        (&["city=Lisbon", "colour=red"], "unknown argument: colour"),
        (&["city=x", "days=three"], "days must be an integer, like days=3, and is \"three\""),
        (&["city=x", "days=2.5"], "days must be an integer, like days=3, and is \"2.5\""),
        (&["city=x", "days=03"], "days must be an integer, like days=3, and is \"03\""),
        (&["city=x", "days=7"], "days must be at most 6, and is 7"),
        (&["city=x", "exact=yes"], "exact must be a boolean, like exact=true or exact=false, and is \"yes\""),
        (&["city=x", "unit=kelvin"], "unit must be one of celsius, fahrenheit, and is \"kelvin\""),
        (
            &["city=x", "unit=celcius"],
            "unit must be one of celsius, fahrenheit (did you mean celsius?), and is \"celcius\"",
        ),
        (&["city=x", "tags=a,b"], "tags must be a list (string[]), like tags:='[\"a\", \"b\"]', and is \"a,b\""),
        (&["city=x", "tags:=[1]"], "tags[0] must be a string, and is 1"),
        (
            &["city=x", "where:={\"z\":1}"],
            "missing argument: where.x; unknown argument: where.z (did you mean where.x?)",
        ),
        (&["city=x", "level=some"], "level must be an integer or \"all\" or \"none\", and is \"some\""),
        (&["city:=7"], "city must be a string, and is 7"),
    ] {
        assert_eq!(typed(&weather, words).unwrap_err(), says, "{words:?}");
    }
    let unfit = fitting(&weather, given(&[])).unwrap_err();
    assert_eq!(unfit.problems, [Problem::Missing("city".to_owned())]);
    let error = Error::from(unfit);
    assert_eq!((error.class, error.exit_code()), (Class::Config, 2));
    let hint = error.hint.unwrap();
    assert!(hint.starts_with("forecast(city: string, days?: integer, unit?: \"celsius\" | \"fahrenheit\","), "{hint}");
}

#[test]
fn json_is_held_to_what_json_schema_says_and_to_no_more() {
    let weather = weather();
    for good in [r#"{"city":"x","other":1}"#, r#"{"city":"x","days":null}"#, r#"{"city":"x","days":3.0}"#] {
        assert_eq!(json_given(&weather, good), Ok(good.to_owned()));
    }
    assert_eq!(json_given(&weather, "{}").unwrap_err(), "missing argument: city");
    assert_eq!(json_given(&weather, r#"{"city":null}"#).unwrap_err(), "city must be a string, and is null");
    let closed = tool(json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false}));
    assert_eq!(json_given(&closed, r#"{"b":1}"#).unwrap_err(), "unknown argument: b (did you mean a?)");
}

#[test]
fn names_are_refused_only_where_the_schema_is_all_there_is() {
    for open in [
        json!({"type": "object"}),
        json!({"type": "object", "properties": {"a": {}}, "additionalProperties": true}),
        json!({"type": "object", "properties": {"a": {}}, "patternProperties": {"^x": {}}}),
        json!({"type": "object", "properties": {"a": {}}, "allOf": [{"properties": {"b": {}}}]}),
    ] {
        assert_eq!(typed(&tool(open.clone()), &["b=1"]), Ok("{\"b\":\"1\"}".to_owned()), "{open}");
    }
}

#[test]
fn a_schema_that_cannot_be_read_refuses_nothing() {
    for odd in [json!("none"), json!([]), json!({"type": "array"}), json!(null)] {
        assert_eq!(typed(&tool(odd.clone()), &["a=1", "b:=2"]), Ok("{\"a\":\"1\",\"b\":2}".to_owned()), "{odd}");
    }
}

#[test]
fn a_schema_that_leads_into_itself_ends() {
    let parts: Vec<Value> = std::iter::repeat_n(json!({"$ref": "#/$defs/a"}), 50).collect();
    let endless =
        tool(json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#/$defs/b"}},
        "$defs": {"a": {"anyOf": parts, "allOf": parts, "type": ["string", "integer"]}, "b": {"$ref": "#/$defs/b"}}}));
    assert_eq!(typed(&endless, &["a=1", "b=x"]).unwrap(), "{\"a\":1,\"b\":\"x\"}");
    let _ = Schema::of(&endless).unwrap().signature("f");
}

/// Each object has two arguments of the kind of the next one: twice as many with every step.
#[test]
fn a_schema_that_doubles_with_every_step_is_shown_within_a_bound() {
    let step = |keyword: &str| -> Value {
        let mut defs = serde_json::Map::new();
        for at in 0..60 {
            let next = json!({"$ref": format!("#/$defs/s{}", at + 1)});
            let twice: Value = match keyword {
                "properties" => json!({"type": "object", "required": ["a", "b"], "properties": {"a": next, "b": next}}),
                _ => json!({keyword: vec![next; 40]}),
            };
            defs.insert(format!("s{at}"), twice);
        }
        defs.insert("s60".to_owned(), json!({"type": "string"}));
        json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/s0"}}, "required": ["x"], "$defs": defs})
    };
    for keyword in ["properties", "anyOf"] {
        let tool = tool(step(keyword));
        let schema = Schema::of(&tool).unwrap();
        let arguments = schema.arguments();
        assert!(schema.kind(arguments.first().unwrap().schema).len() < 1_000);
        assert!(schema.example().is_none_or(|typed| typed.join(" ").len() < 100_000));
    }
}

#[test]
fn an_example_passes_the_check_that_it_is_an_example_of() {
    for (schema, words) in [
        (weather().input_schema.to_value(), json!(["city=CITY"])),
        (
            json!({"type": "object", "required": ["n", "on", "many", "at", "kind", "place", "mail"], "properties": {
                "n": {"type": "integer", "minimum": 5}, "on": {"type": "boolean"},
                "many": {"type": "array", "items": {"type": "string"}, "minItems": 2},
                "at": {"type": "string", "format": "date"}, "kind": {"enum": ["big", "small"]},
                "place": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}, "y": {}}},
                "mail": {"type": "string", "minLength": 6, "maxLength": 8}}}),
            json!([
                "n=5",
                "on=true",
                "many:=[\"MANY\",\"MANY\"]",
                "at=2026-01-31",
                "kind=big",
                "place:={\"x\":1}",
                "mail=MAILXX"
            ]),
        ),
        (json!({"type": "object"}), json!([])),
    ] {
        let tool = tool(schema);
        let example = Schema::of(&tool).unwrap().example().unwrap();
        assert_eq!(json!(example), words);
        let words: Vec<&str> = example.iter().map(String::as_str).collect();
        assert!(typed(&tool, &words).is_ok());
    }
    // What nothing fits has no example.
    let never =
        tool(json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "minLength": 900}}}));
    assert_eq!(Schema::of(&never).unwrap().example(), None);
}
