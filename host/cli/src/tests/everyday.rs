//! What people do every day, with the demo gateway: looking for a tool, reading about it, calling it.

use serde_json::json;

use super::{Demo, command, demo, settings, text, written};
use pflow_gateway_base::Class;

/// A file with the demo as its only gateway.
async fn with_demo(token: &str) -> (Demo, tempfile::TempDir, std::path::PathBuf) {
    let demo = demo(token).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    settings(folder.path(), token);
    let header = format!("Authorization=Bearer ${{CLI_TEST_TOKEN:-{token}}}");
    let added = command(&file, &["add", "demo", &demo.url(), "--header", &header, "--no-test"]).await;
    assert_eq!(added.code, 0, "{:?}", added.error);
    (demo, folder, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_are_typed_word_by_word_and_checked_before_anything_is_sent() {
    let (demo, folder, file) = with_demo("secret-of-the-words").await;
    let good = command(&file, &["call", "demo", "weather_get_forecast", "city=Lisbon", "days=2"]).await;
    assert_eq!((good.code, &good.json["result"]["structuredContent"]["city"]), (0, &json!("Lisbon")), "{}", good.json);
    let letter = folder.path().join("letter.txt");
    std::fs::write(&letter, "@everybody: read this\n").unwrap();
    let from_file = format!("text=@{}", letter.display());
    let sent = command(&file, &["call", "demo", "slack_post_message", "channel=general", &from_file]).await;
    assert_eq!(sent.code, 0, "{:?}", sent.error);
    let as_json = command(&file, &["call", "demo", "weather_get_forecast", "--args", r#"{"city": "Lisbon"}"#]).await;
    assert_eq!(as_json.code, 0, "{:?}", as_json.error);

    for (words, says) in [
        (&["weather_get_current"][..], "missing argument: city"),
        (
            &["weather_get_current", "citty=Lisbon"],
            "missing argument: city; unknown argument: citty (did you mean city?)",
        ),
        (&["weather_get_forecast", "city=Lisbon", "days=two"], "days must be an integer, like days=3, and is \"two\""),
        (
            &["weather_convert_temperature", "degrees=1.50", "to=kelvin"],
            "to must be one of celsius, fahrenheit, and is \"kelvin\"",
        ),
        (&["weather_get_forecast", "Lisbon"], "Lisbon: it is no argument"),
    ] {
        let refused = command(&file, &[&["call", "demo"], words].concat()).await;
        let error = refused.error.unwrap();
        assert_eq!((refused.code, error.class, error.message.as_str()), (2, Class::Config, says));
        assert_eq!((&refused.json["ok"], &refused.json["error"]["message"]), (&json!(false), &json!(says)));
    }
    let missing = command(&file, &["call", "demo", "weather_get_forecast"]).await.error.unwrap();
    assert_eq!(missing.hint.unwrap(), "weather_get_forecast(city: string, days?: integer)");
    // The tool itself is asked, and says it in its own words.
    let unchecked = command(&file, &["call", "demo", "weather_get_current", "--no-check"]).await;
    assert_eq!((unchecked.code, unchecked.json["result"].is_null()), (1, false), "{}", unchecked.json);
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tool_is_shown_and_its_example_works() {
    let (demo, _folder, file) = with_demo("secret-of-the-tool").await;
    let shown = command(&file, &["tools", "demo", "weather_get_forecast"]).await;
    assert_eq!(shown.code, 0, "{:?}", shown.error);
    insta::assert_snapshot!("a tool of the demo", text(&shown.text));
    assert_eq!(shown.json["signature"], "weather_get_forecast(city: string, days?: integer)");
    let listed = command(&file, &["tools", "demo", "--json"]).await;
    for tool in listed.json["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let shown = command(&file, &["tools", "demo", name]).await;
        let example = shlex::split(shown.json["example"].as_str().unwrap()).unwrap();
        assert_eq!(example[..2], ["pflow-gateway", "call"]);
        let words: Vec<&str> = example[1..].iter().map(String::as_str).collect();
        let called = command(&file, &words).await;
        // The demo knows no city called CITY; what matters is that the check lets it through.
        assert_ne!(called.code, 2, "{name}: {:?}", called.error);
    }
    let typo = command(&file, &["tools", "demo", "weather_get_forcast"]).await;
    assert_eq!(typo.code, 2);
    assert_eq!(typo.error.unwrap().hint.as_deref(), Some("did you mean weather_get_forecast?"));
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_searched_over_all_gateways_and_priced() {
    let (demo, _folder, file) = with_demo("secret-of-the-search").await;
    let dead = command(&file, &["add", "dead", "http://127.0.0.1:9/mcp", "--no-test"]).await;
    assert_eq!(dead.code, 0);
    let found = command(&file, &["tools", "--search", "forecast of a city"]).await;
    assert_eq!(found.code, 0, "{:?}", found.error);
    assert_eq!(found.json["matches"][0]["name"], "weather_get_forecast");
    assert_eq!((&found.json["gateways"], &found.json["failed"][0]["gateway"]), (&json!(["demo"]), &json!("dead")));
    assert!(text(&found.text).contains("⚠ dead was not searched: "), "{}", found.text);
    let again = command(&file, &["tools", "--search", "forecast of a city"]).await;
    assert_eq!(again.json["matches"], found.json["matches"], "the same question has the same answer");
    let none = command(&file, &["tools", "demo", "--search", "wether"]).await;
    assert_eq!((none.code, &none.json["matches"], &none.json["instead"]), (0, &json!([]), &json!("weather")));
    assert!(text(&none.text).contains("→ did you mean weather?"), "{}", none.text);
    let only_dead = command(&file, &["tools", "dead", "--search", "x"]).await;
    assert_eq!((only_dead.code, only_dead.error.unwrap().class), (1, Class::Unreachable));

    let priced = command(&file, &["tools", "demo", "--service", "weather", "--tokens"]).await;
    let tools = priced.json["tools"].as_array().unwrap();
    let sum: u64 = tools.iter().map(|tool| tool["tokens"].as_u64().unwrap()).sum();
    assert_eq!((tools.len(), priced.json["tokens"].as_u64().unwrap()), (7, sum));
    assert!(text(&priced.text).contains(&format!("About {sum} tokens for 7 tools")), "{}", priced.text);
    assert!(text(&priced.text).contains("an estimate"), "{}", priced.text);
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_in_the_place_of_another_says_what_pflow_gains_and_loses_by_it() {
    let (demo, _folder, file) = with_demo("secret-of-the-replacement").await;
    let url = demo.url();
    let header = "Authorization=Bearer ${CLI_TEST_TOKEN:-secret-of-the-replacement}";
    let add = async |more: &[&str]| command(&file, &[&["add", "demo", &url, "--header", header], more].concat()).await;
    let narrower = add(&["--replace", "--exclude-service", "slack"]).await;
    let lost = narrower.json["loses"].as_array().unwrap();
    assert!(!lost.is_empty() && lost.iter().all(|name| name.as_str().unwrap().starts_with("slack_")), "{lost:?}");
    assert!(text(&narrower.text).contains(&format!("  pflow loses {} tools: slack_", lost.len())), "{}", narrower.text);
    let same = add(&["--replace", "--exclude-service", "slack"]).await;
    assert!(text(&same.text).contains("  pflow gets the same 20 tools as before"), "{}", same.text);
    let wider = add(&["--replace"]).await;
    assert_eq!((wider.json["gains"].as_array().unwrap().len(), &wider.json["loses"]), (lost.len(), &json!([])));
    // Nothing to compare with: nothing was tested, or there was no such entry.
    assert_eq!(add(&["--replace", "--no-test"]).await.json.get("loses"), None);
    command(&file, &["remove", "demo"]).await;
    assert_eq!(add(&["--replace"]).await.json.get("loses"), None);
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_thing_of_an_entry_is_set_and_what_pflow_gains_and_loses_is_said() {
    let (demo, _folder, file) = with_demo("secret-of-the-set").await;
    let entry = || written(&file)["mcpServers"]["demo"].clone();
    let before = entry();
    let tried = command(&file, &["set", "demo", "--exclude-service", "slack", "--dry-run"]).await;
    assert_eq!((tried.code, &tried.json["written"]), (0, &json!(false)), "{:?}", tried.error);
    assert_eq!(entry(), before, "a dry run writes nothing");
    let set = command(&file, &["set", "demo", "--exclude-service", "slack"]).await;
    assert_eq!((set.code, &set.json["gains"]), (0, &json!([])), "{:?}", set.error);
    let lost = set.json["loses"].as_array().unwrap();
    assert!(!lost.is_empty() && lost.iter().all(|name| name.as_str().unwrap().starts_with("slack_")), "{lost:?}");
    assert!(text(&set.text).contains("services.exclude: not set → [\"slack\"]"), "{}", set.text);
    assert!(text(&set.text).contains(&format!("pflow loses {} tools: slack_", lost.len())), "{}", set.text);
    assert_eq!(entry()["gateway"]["services"], json!({"exclude": ["slack"]}));
    let again = command(&file, &["set", "demo", "--exclude-service", "slack"]).await;
    assert_eq!((again.code, &again.json["changed"]), (0, &json!([])));
    let typo = command(&file, &["set", "demo", "--exclude-service", "wether", "--dry-run"]).await;
    assert!(text(&typo.text).contains("⚠ no service matches \"wether\"; did you mean weather?"), "{}", typo.text);
    let back = command(&file, &["set", "demo", "--unset", "exclude-service"]).await;
    assert_eq!((back.code, back.json["gains"].as_array().unwrap().len()), (0, lost.len()));
    assert_eq!(entry(), before, "the entry is as it was");
    for (line, says) in [
        (&["set", "demo"][..], "nothing to change was said of demo"),
        (&["set", "dmo", "--read-only"], "no gateway is called \"dmo\""),
        (&["set", "demo", "--read-only", "--unset", "read-only"], "is to be set and to be unset"),
    ] {
        let error = command(&file, line).await.error.unwrap();
        assert!(error.class == Class::Config && error.message.contains(says) && error.hint.is_some(), "{error:?}");
    }
    demo.stop().await;
    let dead = command(&file, &["set", "demo", "--read-only"]).await;
    assert_eq!(dead.code, 1);
    assert!(dead.error.unwrap().hint.unwrap().contains("nothing was written; --no-test"));
    assert_eq!(entry(), before);
    let untested = command(&file, &["set", "demo", "--read-only", "--no-test"]).await;
    assert_eq!((untested.code, &entry()["gateway"]["tools"]), (0, &json!({"read_only": true})));
}

#[tokio::test]
async fn the_doctor_names_what_is_wrong_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    std::fs::write(
        &file,
        json!({"mcpServers": {
            "gone": {"command": "/gone/bin/pflow-gateway", "args": ["serve", "gone"], "env": {"NO_SUCH_VARIABLE_HERE": "${NO_SUCH_VARIABLE_HERE}"},
                "gateway": {"url": "http://127.0.0.1:9/mcp", "auth": {"type": "bearer", "token": "${NO_SUCH_VARIABLE_HERE}"}}},
            "odd": {"command": "x", "gateway": {"url": 7}}
        }})
        .to_string(),
    )
    .unwrap();
    let told = command(&file, &["doctor"]).await;
    assert_eq!((told.code, &told.json["ok"], told.error), (1, &json!(false), None));
    let of = |name: &str| {
        let all = told.json["findings"].as_array().unwrap().iter();
        all.filter(|finding| finding["name"] == name)
            .map(|finding| finding["detail"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for says in [
        "pflow cannot start it: /gone/bin/pflow-gateway does not exist",
        "the variable NO_SUCH_VARIABLE_HERE is not set",
    ] {
        assert!(of("gone").iter().any(|detail| detail == says), "{says}: {:?}", of("gone"));
    }
    assert!(of("odd")[0].contains("url"), "{:?}", of("odd"));
    for finding in told.json["findings"].as_array().unwrap() {
        assert!(finding["ok"] == json!(true) || finding["remedy"].is_string(), "{finding} has no remedy");
    }
    for area in ["program", "component", "pflow", "proxy", "certificates", "clock", "cache", "history"] {
        assert!(told.json["findings"].as_array().unwrap().iter().any(|finding| finding["area"] == area), "{area}");
    }
    let shown = text(&told.text);
    assert!(
        shown.contains("→ export NO_SUCH_VARIABLE_HERE=…, or pflow settings set-env NO_SUCH_VARIABLE_HERE VALUE"),
        "{shown}"
    );
    assert!(shown.contains("No gateway was contacted"), "{shown}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_doctor_sees_a_folder_that_others_can_write_to() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    std::fs::write(&file, "{}").unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&file, 0o644);
    mode(folder.path(), 0o777);
    let told = command(&file, &["doctor"]).await;
    let shown = text(&told.text);
    assert!(shown.contains(&format!("→ chmod go-w {}", folder.path().display())), "{shown}");
    assert!(shown.contains(&format!("→ chmod 600 {}", file.display())), "{shown}");
    assert_eq!(told.code, 1);
}
