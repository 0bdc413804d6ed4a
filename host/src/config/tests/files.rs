//! The file: finding, changing, writing.

use std::{collections::BTreeSet, fs, sync::Barrier};

use proptest::prelude::*;

use super::*;

const SERVERS: &str = r#"{
  "other": [1.0, 1e400000, 12345678901234567890123, "\u00e9\/"],
  "mcpServers" : {
    "files": { "command":"npx","args":[ ],  "weird" : 0.10 },
    "docker": {"command": "pflow-gateway", "gateway": {"url": "http://127.0.0.1:8811/mcp"}},
    "cf": {"type": "http", "url": "http://127.0.0.1:4444/servers/1/mcp"}
  },
  "last": null
}
"#;

fn good() -> String {
    // serde_json takes no number that large; the rest is what must survive as it is.
    SERVERS.replace("1e400000, ", "")
}

#[test]
fn a_missing_file_is_an_empty_one() {
    let folder = Folder::new();
    let file = folder.load();
    assert!(file.gateways().is_empty() && !file.contains("x"));
    assert_eq!(file.path(), folder.file());
    let error = file.find("docker").unwrap_err();
    assert!(error.hint.unwrap().contains("add NAME URL"));
}

#[test]
fn gateways_are_listed_in_the_files_order_and_other_servers_are_not() {
    let names: Vec<String> = Folder::with(&good()).load().gateways().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["docker", "cf"]);
}

#[test]
fn a_target_is_a_name_or_a_url() {
    let file = Folder::with(&good()).load();
    assert_eq!(file.find("docker").unwrap().url.as_str(), "http://127.0.0.1:8811/mcp");
    let typed = file.find("https://gateway.example/mcp").unwrap();
    assert_eq!((typed.name.as_str(), typed.auth), ("https://gateway.example/mcp", Auth::none()));
    for (target, message, hint) in [
        ("dokcer", r#"there is no gateway "dokcer""#, "did you mean docker? (known: docker, cf)"),
        ("Docker", r#"there is no gateway "Docker""#, "did you mean docker?"),
        ("zzz", r#"there is no gateway "zzz""#, "known: docker, cf"),
        ("localhost:8811/mcp", "there is no gateway", "a URL starts with http:// or https://"),
        ("files", "files is an MCP server that pflow starts itself", "\"gateway\" member"),
        ("ftp://x", "the URL must start with http:// or https://", ""),
    ] {
        let error = file.find(target).unwrap_err();
        assert_eq!(error.class, Class::Config);
        assert!(error.message.contains(message), "{target}: {error:?}");
        assert!(error.hint.unwrap_or_default().contains(hint), "{target}");
    }
}

#[test]
fn broken_json_is_named_with_file_line_and_column() {
    let folder = Folder::with("{\n  \"mcpServers\": {\n    \"a\": }\n}\n");
    let error = ConfigFile::load(&folder.file()).unwrap_err();
    assert_eq!(error.class, Class::Config);
    assert_eq!(error.message, format!("{}, line 3, column 10: expected value", folder.file().display()));
}

#[test]
fn a_file_of_another_shape_is_refused() {
    for text in ["[]", "5", r#"{"mcpServers": []}"#, r#"{"mcpServers": null}"#, "", "\u{feff}{}"] {
        let folder = Folder::with(text);
        assert_eq!(ConfigFile::load(&folder.file()).unwrap_err().class, Class::Config, "{text:?}");
        assert_eq!(folder.text(), text);
    }
    let folder = Folder::new();
    fs::write(folder.file(), b"{}\n\"\xff\"").unwrap();
    assert!(ConfigFile::load(&folder.file()).unwrap_err().message.ends_with("line 2: not UTF-8"));
}

#[test]
fn only_the_changed_entry_changes() {
    let folder = Folder::with(&good());
    let mut file = folder.load();
    file.put(vec![("new".into(), json!({"command": "x", "args": ["a"]}))], Replace::No).unwrap();
    assert!(file.contains("new"));
    file.save().unwrap();
    let added = "\"cf\": {\"type\": \"http\", \"url\": \"http://127.0.0.1:4444/servers/1/mcp\"},\n    \"new\": {\n      \"command\": \"x\",\n      \"args\": [\n        \"a\"\n      ]\n    }\n  },";
    let before = "\"cf\": {\"type\": \"http\", \"url\": \"http://127.0.0.1:4444/servers/1/mcp\"}\n  },";
    assert_eq!(folder.text(), good().replace(before, added));

    let mut file = folder.load();
    assert_eq!(file.remove("new"), Some(json!({"command": "x", "args": ["a"]})));
    assert_eq!(file.remove("new"), None);
    file.save().unwrap();
    assert_eq!(folder.text(), good());
}

#[test]
fn an_entry_is_replaced_where_it_is_and_only_when_asked() {
    let folder = Folder::with(&good());
    let mut file = folder.load();
    let error = file.put(vec![("docker".into(), json!({}))], Replace::No).unwrap_err();
    assert!(error.message.ends_with("already has an entry docker"), "{error:?}");
    file.put(vec![("docker".into(), json!({"a": 1}))], Replace::Yes).unwrap();
    file.save().unwrap();
    let old = r#"{"command": "pflow-gateway", "gateway": {"url": "http://127.0.0.1:8811/mcp"}}"#;
    assert_eq!(folder.text(), good().replace(old, "{\n      \"a\": 1\n    }"));
}

#[test]
fn several_entries_are_added_or_none() {
    let folder = Folder::with(&good());
    let mut file = folder.load();
    let both = vec![("new".into(), json!({})), ("docker".into(), json!({}))];
    file.put(both, Replace::No).unwrap_err();
    assert!(!file.contains("new"));
    file.save().unwrap();
    assert_eq!(folder.text(), good());
}

#[test]
fn the_first_middle_last_and_only_entry_can_be_removed() {
    for names in [["files", "docker", "cf"], ["cf", "docker", "files"], ["docker", "cf", "files"]] {
        let folder = Folder::with(&good());
        let mut left: BTreeSet<&str> = names.into();
        for name in names {
            let mut file = folder.load();
            file.remove(name).unwrap();
            file.save().unwrap();
            left.remove(name);
            let now: Value = serde_json::from_str(&folder.text()).unwrap();
            let servers: BTreeSet<&str> = now["mcpServers"].as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(servers, left);
            assert!(folder.text().contains("[1.0, 12345678901234567890123, \"\\u00e9\\/\"]"));
        }
    }
}

#[test]
fn a_first_entry_makes_the_file_its_folder_and_its_mode() {
    for text in [None, Some("{}"), Some("{ }\n"), Some("{\"mcpServers\": {}}"), Some("{\"a\": 1}")] {
        let folder = text.map_or_else(Folder::new, Folder::with);
        let path = if text.is_some() { folder.file() } else { folder.path().join("deep/er/mcp-servers.json") };
        let mut file = ConfigFile::load(&path).unwrap();
        file.put(vec![("gw".into(), json!({"type": "http"}))], Replace::No).unwrap();
        file.save().unwrap();
        let written: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(written["mcpServers"]["gw"], json!({"type": "http"}), "{text:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[test]
fn a_new_file_looks_as_if_pflow_wrote_it() {
    let folder = Folder::new();
    let mut file = folder.load();
    file.put(vec![("gw".into(), json!({"type": "http"}))], Replace::No).unwrap();
    file.save().unwrap();
    assert_eq!(folder.text(), "{\n  \"mcpServers\": {\n    \"gw\": {\n      \"type\": \"http\"\n    }\n  }\n}\n");
}

#[test]
fn a_file_that_changed_meanwhile_is_not_overwritten() {
    for change in [Some("{\"mcpServers\": {\"theirs\": {}}}"), None] {
        let folder = Folder::with(&good());
        let mut file = folder.load();
        file.put(vec![("ours".into(), json!({}))], Replace::No).unwrap();
        match change {
            Some(text) => fs::write(folder.file(), text).unwrap(),
            None => fs::remove_file(folder.file()).unwrap(),
        }
        let error = file.save().unwrap_err();
        assert!(error.message.contains("changed by another program"), "{error:?}");
        assert_eq!(fs::read_to_string(folder.file()).ok().as_deref(), change);
        assert!(fs::read_dir(folder.path()).unwrap().count() <= 1, "a temporary file was left behind");
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_stays_one() {
    for exists in [true, false] {
        let (folder, real) = (Folder::new(), Folder::new());
        if exists {
            fs::write(real.file(), good()).unwrap();
        }
        std::os::unix::fs::symlink(real.file(), folder.file()).unwrap();
        let mut file = folder.load();
        file.put(vec![("new".into(), json!({}))], Replace::No).unwrap();
        file.save().unwrap();
        assert!(fs::symlink_metadata(folder.file()).unwrap().is_symlink());
        assert!(real.text().contains("\"new\""));
    }
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let folder = Folder::with(&good());
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (folder, barrier) = (&folder, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for _ in 0..1000 {
                    let mut file = ConfigFile::load(&folder.file()).unwrap();
                    file.put(vec![(format!("gw{number}"), json!({"n": number}))], Replace::No).unwrap();
                    if file.save().is_ok() {
                        return;
                    }
                }
                panic!("writer {number} never got through");
            });
        }
    });
    let file = folder.load();
    assert!((0..8).all(|number| file.contains(&format!("gw{number}"))), "{}", folder.text());
    assert!(["files", "docker", "cf"].iter().all(|name| file.contains(name)));
}

#[test]
fn names_with_escapes_are_the_names_that_they_mean() {
    let folder = Folder::with("{\"mcpServers\": {\"\\u0067w\": {\"type\": \"http\"}, \"a\\\"}b\": [\"]}\\\\\"]}}");
    let mut file = folder.load();
    assert!(file.contains("gw"));
    file.put(vec![("gw".into(), json!(1)), ("x\"y".into(), json!(2))], Replace::Yes).unwrap();
    file.save().unwrap();
    let now: Value = serde_json::from_str(&folder.text()).unwrap();
    assert_eq!(now, json!({"mcpServers": {"gw": 1, "a\"}b": ["]}\\"], "x\"y": 2}}));
    assert!(folder.text().contains("\"\\u0067w\": 1"));
}

#[test]
fn of_an_entry_that_is_there_twice_the_last_one_counts_as_in_pflow() {
    let folder = Folder::with(r#"{"mcpServers": {"gw": {"n": 1}, "gw": {"n": 2}, "x": 3}}"#);
    let mut file = folder.load();
    assert_eq!(file.entry("gw"), Some(&json!({"n": 2})));
    file.remove("gw");
    file.save().unwrap();
    assert_eq!(folder.text(), r#"{"mcpServers": {"x": 3}}"#);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
        "[ -~äöü€\u{1F600}\n\"\\\\{}\\[\\]:,]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\{},:]{0,6}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn other_entries_keep_every_byte(
        entries in prop::collection::btree_map("[a-z\"\\\\{},: ]{1,6}", any_json(), 0..5),
        top in any_json(),
        pretty in any::<bool>(),
        value in any_json(),
    ) {
        let document = json!({"before": top, "mcpServers": Value::Object(entries.clone().into_iter().collect()), "after": top});
        let print = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        let text = print(&document).unwrap();
        let folder = Folder::with(&text);

        let mut file = folder.load();
        file.put(vec![("NEW".into(), value.clone())], Replace::No).unwrap();
        file.save().unwrap();
        let added = folder.text();
        let now: Value = serde_json::from_str(&added).unwrap();
        let was: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&now["before"], &was["before"]);
        prop_assert_eq!(&now["after"], &was["after"]);
        for name in entries.keys() {
            prop_assert_eq!(&now["mcpServers"][name], &was["mcpServers"][name]);
        }
        let reprinted: Value = serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap();
        prop_assert_eq!(&now["mcpServers"]["NEW"], &reprinted);

        let mut file = folder.load();
        file.remove("NEW");
        file.save().unwrap();
        if entries.is_empty() {
            let now: Value = serde_json::from_str(&folder.text()).unwrap();
            prop_assert_eq!(now, was);
        } else {
            prop_assert_eq!(folder.text(), text);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~\n{}\\[\\]\":,mcpServers]{0,60}") {
        let folder = Folder::with(&text);
        if let Ok(mut file) = ConfigFile::load(&folder.file()) {
            let _ = file.gateways();
            let _ = file.put(vec![("x".into(), json!(1))], Replace::Yes);
            file.remove("x");
        }
    }
}
