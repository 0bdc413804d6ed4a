//! Variables and credentials, compared with what pflow 0.16.0 did (`expand_env_vars_nested`, `build_auth_headers`; observed).

use std::time::{Duration, Instant};

use http::{HeaderName, header};
use secrecy::ExposeSecret as _;

use super::*;

fn resolved(text: &str, variables: &Variables) -> Result<String, Vec<String>> {
    Template::new(text)
        .resolve(variables)
        .map(|value| value.expose_secret().to_owned())
        .map_err(|missing| missing.names)
}

#[test]
fn references_resolve_as_in_pflow() {
    let variables = Variables::from_map([("A", "a"), ("EMPTY", ""), ("lower", "l"), ("NEST", "${A}"), ("CLOSE", "}")]);
    for (written, pflow) in [
        ("${A}", "a"),
        ("x${A}y${A}z", "xayaz"),
        ("${EMPTY}", ""),
        ("${EMPTY:-d}", ""),
        ("${B:-d}", "d"),
        ("${B:-}", ""),
        ("${B:-${A}}", "${A}"),
        ("${A:-${B}}", "a}"),
        ("${B:-a:-b}", "a:-b"),
        ("$A", "$A"),
        ("${}", "${}"),
        ("${1A}", "${1A}"),
        ("${A", "${A"),
        ("$${A}", "$a"),
        ("${${A}}", "${a}"),
        ("${A-d}", "${A-d}"),
        ("${A:d}", "${A:d}"),
        ("${A:-d", "${A:-d"),
        ("${lower}", "l"),
        ("${NEST}", "${A}"),
        ("${CLOSE}", "}"),
        ("${_X:-u}", "u"),
        ("${Ä}", "${Ä}"),
        ("${A }", "${A }"),
        ("${ A}", "${ A}"),
        ("${B:-\n}", "\n"),
        ("$", "$"),
        ("${", "${"),
        ("x$", "x$"),
        ("${A}${", "a${"),
        ("€${A}€", "€a€"),
        ("${B:-€}", "€"),
        ("${A}}", "a}"),
        ("", ""),
    ] {
        assert_eq!(resolved(written, &variables).as_deref(), Ok(pflow), "{written:?}");
    }
    assert_eq!(resolved("${B}", &variables), Err(vec!["B".to_owned()]));
    assert_eq!(resolved("${a}", &variables), Err(vec!["a".to_owned()]));
    assert_eq!(resolved("${C} ${B} ${C} ${A}", &variables), Err(vec!["B".to_owned(), "C".to_owned()]));
}

#[test]
fn settings_are_read_as_in_pflow() {
    for (settings, pflow) in [
        (r#"{"env":{"TOK":"s"}}"#, Some("s")),
        (r#"{"env":{"tok":"s"}}"#, Some("s")),
        (r#"{"env":{"Tok":"1","TOK":"2"}}"#, Some("1")),
        (r#"{"env":{"TOK":5}}"#, None),
        (r#"{"env":{"TOK":true}}"#, None),
        (r#"{"env":null}"#, None),
        (r#"{"env":{"TOK":"s","X":null}}"#, None),
        ("[]", None),
        ("nope", None),
        ("", None),
        (r#"{"version":1,"env":{"TOK":"s"}}"#, None),
        (r#"{"registry":{"output_mode":"bad"},"env":{"TOK":"s"}}"#, None),
        (r#"{"registry":null,"env":{"TOK":"s"}}"#, None),
        (r#"{"registry":{"nodes":{"allow":"x"}},"env":{"TOK":"s"}}"#, None),
        (r#"{"registry":{"nodes":{"deny":[1]}},"env":{"TOK":"s"}}"#, None),
        (r#"{"runtime":{"template_resolution_mode":"x"},"env":{"TOK":"s"}}"#, None),
        (r#"{"llm":{"default_model":null},"env":{"TOK":"s"}}"#, Some("s")),
        (r#"{"llm":{"default_model":1},"env":{"TOK":"s"}}"#, None),
        (r#"{"llm":{"tts_model":null},"env":{"TOK":"s"}}"#, None),
        (r#"{"unknown":1,"env":{"TOK":"s"}}"#, Some("s")),
        (r#"{"env":{"TOK":""}}"#, Some("")),
        (r#"{"env":{"TOK":"${A}"}}"#, Some("${A}")),
        (r#"{"env":{"TOK":"s"},"env":{}}"#, None),
        ("\u{feff}{\"env\":{\"TOK\":\"s\"}}", None),
        (r#"{"env":{"TOK":"s"}} x"#, None),
    ] {
        let settings_only = Variables::from_map([("A", "a")]).with_settings(settings);
        assert_eq!(resolved("${TOK}", &settings_only).ok().as_deref(), pflow, "{settings}");
        let both = Variables::from_map([("TOK", "e")]).with_settings(settings);
        assert_eq!(resolved("${TOK}", &both).as_deref(), Ok("e"), "{settings}");
    }
}

#[test]
fn a_token_that_was_rotated_in_settings_is_found_when_asked_for() {
    let variables = Variables::from_map([("TOK", "old"), ("ONLY", "here")]).with_settings(r#"{"env":{"TOK":"new"}}"#);
    assert_eq!(resolved("${TOK}", &variables).as_deref(), Ok("old"));
    let variables = variables.preferring(Precedence::Settings);
    assert_eq!(resolved("${TOK} ${ONLY}", &variables).as_deref(), Ok("new here"));
}

#[test]
fn the_settings_in_pflows_folder_are_found() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("settings.json"), r#"{"env":{"PFLOW_GATEWAY_TEST_ONLY":"s"}}"#).unwrap();
    let variables = Variables::load(folder.path());
    assert_eq!(resolved("${pflow_gateway_test_only}", &variables).as_deref(), Ok("s"));
    assert!(resolved("${PATH}", &variables).is_ok());
    assert!(!format!("{variables:?}").contains("PATH"));
}

#[test]
fn a_missing_variable_is_named_with_its_place_and_what_to_do() {
    let missing = Template::new("${GW_TOKEN}").at("mcp-servers.json: docker.gateway.auth.token");
    let error = Error::from(missing.resolve(&Variables::default()).unwrap_err());
    assert_eq!(error.class, Class::Config);
    assert_eq!(error.message, "mcp-servers.json: docker.gateway.auth.token: the variable GW_TOKEN is not set");
    assert_eq!(
        error.hint.as_deref(),
        Some("set it with `pflow settings set-env GW_TOKEN VALUE` or `export GW_TOKEN=VALUE`")
    );
}

#[test]
fn a_printed_template_shows_references_and_no_literal_value() {
    for (written, shown) in [
        ("${TOKEN}", "${TOKEN}"),
        ("hunter2", "…"),
        ("Bearer ${TOKEN}", "…${TOKEN}"),
        ("${TOKEN:-hunter2}", "${TOKEN:-…}"),
        ("", ""),
    ] {
        assert_eq!(Template::new(written).to_string(), shown);
        assert_eq!(format!("{:?}", Template::new(written)), shown);
    }
    let auth = Auth::bearer(Template::variable("TOKEN"))
        .with_headers(vec![(HeaderName::from_static("x-team"), Template::new("hunter2"))]);
    assert_eq!(auth.describe(), "bearer ${TOKEN}, x-team: …");
    assert_eq!(Auth::none().describe(), "none");
    assert!(!format!("{auth:?}").contains("hunter2"));
}

/// The headers that an authentication gives, values shown.
async fn sent(auth: Auth) -> Result<Vec<(String, String)>, Error> {
    let variables = Variables::from_map([("T", "t"), ("EMPTY", ""), ("TAB", "a\tb"), ("LINE", "secret\n")]);
    let credentials = auth.resolve(&variables).await?;
    assert!(!format!("{credentials:?}").contains("secret"));
    Ok(credentials.revealed())
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn credentials_are_built_as_in_pflow() {
    let template = |text: &str| Template::new(text);
    let header = |value: &str| vec![(header::AUTHORIZATION, template(value))];
    for (auth, pflow) in [
        (Auth::none(), pairs(&[])),
        (Auth::bearer(template("${T}")), pairs(&[("authorization", "Bearer t")])),
        (Auth::bearer(template(" t ")), pairs(&[("authorization", "Bearer  t ")])),
        (Auth::bearer(template("")), pairs(&[])),
        (Auth::bearer(template("${EMPTY}")), pairs(&[])),
        (Auth::bearer(template("${NONE:-}")), pairs(&[])),
        (Auth::api_key(None, template("k")), pairs(&[("x-api-key", "k")])),
        (Auth::api_key(Some("X-Y".parse().unwrap()), template("k")), pairs(&[("x-y", "k")])),
        (Auth::api_key(None, template("")), pairs(&[])),
        (Auth::basic(template("u:v"), template("pä")), pairs(&[("authorization", "Basic dTp2OnDDpA==")])),
        (Auth::basic(template("u"), template("")), pairs(&[])),
        (Auth::bearer(template("t")).with_headers(header("Bearer h")), pairs(&[("authorization", "Bearer t")])),
        (Auth::none().with_headers(header("Bearer h")), pairs(&[("authorization", "Bearer h")])),
    ] {
        let shown = auth.describe();
        assert_eq!(sent(auth).await.unwrap(), pflow, "{shown}");
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_sent_is_an_error_that_does_not_show_it() {
    for auth in [
        Auth::bearer(Template::variable("LINE")),
        Auth::bearer(Template::variable("TAB")),
        Auth::api_key(None, Template::variable("LINE")),
        Auth::basic(Template::variable("LINE"), Template::new("p")),
        Auth::basic(Template::new("u"), Template::variable("LINE")),
        Auth::none().with_headers(vec![(HeaderName::from_static("x-a"), Template::variable("LINE"))]),
    ] {
        let error = sent(auth).await.unwrap_err();
        assert_eq!(error.class, Class::Config);
        assert!(error.message.contains("line break") && !error.message.contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_command_runs_without_a_shell_and_its_output_is_trimmed() {
    let auth = Auth::command(r#"printf '  %s\n\n' "a b;$HOME" "#).unwrap();
    // printf takes the further word as a second round of the format.
    assert_eq!(sent(auth).await.unwrap(), pairs(&[("authorization", "Bearer a b;$HOME")]));
    let auth = Auth::command("echo ${T}").unwrap();
    assert_eq!(sent(auth).await.unwrap(), pairs(&[("authorization", "Bearer t")]));
}

#[tokio::test]
async fn a_token_command_that_fails_says_how_and_shows_no_output() {
    for (command, says) in [
        ("sh -c 'echo secret; echo secret >&2; exit 3'", "sh failed: exit status: 3"),
        ("true", "true printed nothing"),
        ("printf 'secret\\nsecret'", "line break"),
        ("printf '\\377secret'", "not UTF-8"),
        ("/nonexistent/program", "/nonexistent/program cannot be started"),
        ("sh -c 'yes secret'", "printed more than 32768 bytes"),
    ] {
        let error = sent(Auth::command(command).unwrap()).await.unwrap_err();
        assert_eq!(error.class, Class::Config);
        assert!(error.message.contains(says), "{command}: {error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{command}: {error:?}");
    }
}

#[tokio::test]
async fn a_token_command_that_hangs_is_given_up() {
    let started = Instant::now();
    let hang = ["sleep".to_owned(), "600".into()];
    let error = auth::run(&hang, "", &Variables::default(), Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(error.message, "the token command sleep did not finish within 0.2 s");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_command_line_that_is_none_is_refused() {
    for line in ["", "   ", "'unfinished", "''"] {
        assert_eq!(Auth::command(line).unwrap_err().class, Class::Config, "{line:?}");
    }
}
