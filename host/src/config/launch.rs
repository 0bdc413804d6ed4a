//! What pflow would start for an entry, and whether it can: program, arguments, variables.
//! Takes an entry; gives what is wrong with it. Starts nothing, and never changes the entry.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{GatewayConfig, Launcher, ProxySetting, Template, Variables};
use crate::{
    egress::{Origin, leads_elsewhere, variables_of_the_way},
    programs, scrub,
};

/// How entries were started before: `python -m` looks for modules in the folder that pflow is run in, before all others.
const OLD_FORM: [&str; 2] = ["-m", "pflow_gateway"];

/// What was found about how pflow starts an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The program as it is written.
    pub command: String,
    /// Why pflow cannot start it; it is certain.
    pub broken: Option<String>,
    /// What will not be as meant.
    pub doubts: Vec<String>,
    /// The folder that pflow is run in could put its own code into it.
    pub is_unsafe: bool,
    /// Why pflow that is installed beside the program lacks `pflow mcp gateway`; workflows run all the same.
    pub unhooked: Option<String>,
}

impl Launch {
    /// Looks at an entry of ours. None: pflow starts nothing for it.
    #[must_use]
    pub fn of(name: &str, entry: &Value, config: &GatewayConfig, variables: &Variables) -> Option<Self> {
        entry.get("gateway")?;
        let command = entry.get("command").and_then(Value::as_str).unwrap_or_default();
        let mut launch = Self { command: scrub::line(command, 300), ..Self::default() };
        if command.is_empty() {
            launch.broken = Some("the entry has no \"command\", so there is nothing that pflow could start".into());
            return Some(launch);
        }
        let resolved = Template::new(command).resolve(variables);
        let command = resolved.as_ref().map_or(command, secrecy::ExposeSecret::expose_secret);
        match place(command) {
            Place::Runs => launch.unhooked = unhooked(Path::new(command)),
            Place::Missing => launch.broken = Some(format!("{} does not exist", launch.command)),
            Place::NotAProgram => launch.broken = Some(format!("{} cannot be executed", launch.command)),
            Place::NotOnPath => {
                launch.doubts.push(format!("{} is not on this PATH; pflow needs it on its own", launch.command));
            }
        }
        let args = words(entry);
        if is_old_form(entry) {
            launch.doubts.push(old_form_words());
            launch.is_unsafe = true;
        }
        let served = args.iter().position(|word| *word == "serve").and_then(|at| args.get(at + 1));
        match served {
            Some(served) if *served == name => {}
            Some(served) => launch.doubts.push(format!(
                "\"args\" say serve {}, so pflow gets that gateway and not {}",
                scrub::line(served, 100),
                scrub::line(name, 100)
            )),
            None => launch.doubts.push(format!("\"args\" do not say serve {}", scrub::line(name, 100))),
        }
        let env = entry.get("env").and_then(Value::as_object);
        let lacks =
            |variable: &str| !env.is_some_and(|env| env.contains_key(variable)) && !variables.in_settings(variable);
        let mut missing: Vec<&str> = config
            .variables()
            .filter(|(name, default)| default.is_none() && lacks(name))
            .map(|(name, _)| name)
            .collect();
        missing.dedup();
        for variable in missing {
            launch.doubts.push(format!(
                "\"env\" lacks {variable}, and pflow hands on only what is named there: add \"env\": {{\"{variable}\": \"${{{variable}}}\"}}"
            ));
        }
        launch.doubts.extend(other_way(config, env, variables));
        Some(launch)
    }
}

/// The proxy or the authorities that the environment names now, and that pflow does not hand on.
fn other_way(config: &GatewayConfig, env: Option<&Map<String, Value>>, variables: &Variables) -> Option<String> {
    let origin = Origin::of_url(&config.url).ok()?;
    let set = |name: &str| variables.in_environment(name).filter(|value| !value.is_empty());
    let handed_on = |name: &str| env.is_some_and(|env| env.contains_key(name));
    let other_proxy = config.proxy == ProxySetting::Environment && leads_elsewhere(&origin, set, handed_on);
    let lacking: Vec<&str> = variables_of_the_way(origin.scheme())
        .into_iter()
        .filter(|name| set(name).is_some() && !handed_on(name))
        .filter(|name| other_proxy || name.starts_with("SSL_"))
        .collect();
    let set = match lacking.as_slice() {
        [] => return None,
        [one] => format!("{one} is set"),
        more => format!("{} are set", more.join(" and ")),
    };
    let lines: Vec<String> = lacking.iter().map(|name| format!("\"{name}\": \"${{{name}:-}}\"")).collect();
    Some(format!(
        "{set} here, and pflow hands on only what \"env\" names, so its own way to the gateway is another one: add \"env\": {{{}}}",
        lines.join(", ")
    ))
}

/// Whether the entry is started by `python -m pflow_gateway`.
pub(super) fn is_old_form(entry: &Value) -> bool {
    entry.get("gateway").is_some() && words(entry).starts_with(&OLD_FORM)
}

/// What is wrong with that.
pub(super) fn old_form_words() -> String {
    "it is started by python -m, which also runs files of the folder that pflow is started in; `adopt` rewrites it"
        .into()
}

/// The entry, started by another program.
#[must_use]
pub fn relaunched(entry: &Value, launcher: &Launcher) -> Value {
    let mut entry = entry.clone();
    let args = words(&entry);
    let own = args.iter().position(|word| *word == "serve").and_then(|at| args.get(at..)).unwrap_or_default();
    let args: Vec<Value> =
        launcher.args.iter().map(|word| json!(word)).chain(own.iter().map(|word| json!(word))).collect();
    if let Some(members) = entry.as_object_mut() {
        members.insert("command".to_owned(), json!(launcher.command));
        members.insert("args".to_owned(), Value::Array(args));
    }
    entry
}

fn words(entry: &Value) -> Vec<&str> {
    entry.get("args").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The hook's file among Python's packages, and what switches the hook off.
const HOOK: &str = "pflow_gateway.pth";
const OFF: &str = "PFLOW_GATEWAY_DISABLE";

/// The start-up hook of pflow in the environment that this program is in.
#[must_use]
pub fn hook_of(program: &Path) -> Option<PathBuf> {
    let root = program.parent()?.parent()?;
    let pythons = std::fs::read_dir(root.join("lib")).into_iter().flatten().flatten().map(|python| python.path());
    // On Windows there is no folder for each version.
    let mut packages = pythons.chain([root.join("Lib")]).map(|python| python.join("site-packages").join(HOOK));
    packages.find(|hook| hook.is_file())
}

/// Why pflow beside this program is without its hook. None: it has it, or is somewhere else.
fn unhooked(program: &Path) -> Option<String> {
    let folder = program.parent()?;
    if !programs::runs(&folder.join(format!("pflow{}", std::env::consts::EXE_SUFFIX))) {
        return None;
    }
    let pythons = std::fs::read_dir(folder.parent()?.join("lib")).ok()?;
    let mut packages = pythons.flatten().map(|python| python.path().join("site-packages")).filter(|path| path.is_dir());
    let hooked = packages.any(|packages| packages.join(HOOK).exists());
    if !hooked {
        return Some(format!("the pflow beside it is without {HOOK}, so without `pflow mcp gateway`"));
    }
    let off = std::env::var(OFF).is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
    off.then(|| format!("{OFF} switches `pflow mcp gateway` off"))
}

enum Place {
    Runs,
    Missing,
    NotAProgram,
    NotOnPath,
}

/// Where the system would find a program.
fn place(command: &str) -> Place {
    if programs::is_path(command) {
        let path = Path::new(command);
        return match std::fs::metadata(path) {
            Ok(_) if programs::runs(path) => Place::Runs,
            Ok(_) => Place::NotAProgram,
            Err(_) => Place::Missing,
        };
    }
    if programs::is_on_path(command) { Place::Runs } else { Place::NotOnPath }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::config::entry;

    fn look(name: &str, entry: &Value) -> Launch {
        let variables = Variables::from_maps([].into(), vec![("KEPT".to_owned(), "x".to_owned())]);
        Launch::of(name, entry, &entry::read(name, entry).unwrap(), &variables).unwrap()
    }

    #[test]
    fn a_program_that_is_gone_or_none_is_told_from_one_that_may_be_found() {
        let command = |command: &str| {
            look("g", &json!({"command": command, "args": ["serve", "g"], "gateway": {"url": "http://h"}}))
        };
        assert_eq!(command("/bin/sh"), Launch { command: "/bin/sh".into(), ..Launch::default() });
        assert_eq!(command("sh").doubts, Vec::<String>::new());
        assert!(command("/gone/bin/python").broken.unwrap().contains("/gone/bin/python does not exist"));
        assert!(command("/etc/passwd").broken.unwrap().contains("cannot be executed"));
        assert!(command("/etc").broken.unwrap().contains("cannot be executed"));
        assert!(command("").broken.unwrap().contains("no \"command\""));
        let nowhere = command("no-such-program-anywhere");
        assert!(nowhere.broken.is_none() && nowhere.doubts.join("").contains("not on this PATH"), "{nowhere:?}");
    }

    #[test]
    fn arguments_for_another_gateway_and_variables_that_are_not_handed_on_are_said() {
        let entry = |args: Value, env: Value| {
            json!({"command": "/bin/sh", "args": args, "env": env, "gateway": {"url": "http://h/${IN_URL}",
                "auth": {"type": "bearer", "token": "${TOKEN}"}, "headers": {"a": "${KEPT}${WITH:-x}"}}})
        };
        let env = json!({"TOKEN": "${TOKEN}", "IN_URL": "${IN_URL}"});
        let doubts = |entry: Value| look("b", &entry).doubts.join("; ");
        assert_eq!(doubts(entry(json!(["serve", "b"]), env.clone())), "");
        assert!(doubts(entry(json!(["serve", "a"]), env.clone())).contains("say serve a, so pflow gets that gateway"));
        assert!(doubts(entry(json!(["demo"]), env.clone())).contains("do not say serve b"));
        let lacking = doubts(entry(json!(["serve", "b"]), json!({})));
        assert!(lacking.contains("lacks IN_URL") && lacking.contains("lacks TOKEN"), "{lacking}");
        assert!(!lacking.contains("KEPT") && !lacking.contains("WITH"), "{lacking}");
        assert!(doubts(entry(json!(["-m", "pflow_gateway", "serve", "b"]), env)).contains("python -m"));
    }

    #[test]
    fn a_proxy_or_an_authority_that_pflow_does_not_hand_on_is_said() {
        let doubts = |env: Value, more: Value, set: &[(&str, &str)]| {
            let mut gateway = json!({"url": "https://gw.corp/mcp"});
            gateway.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let entry = json!({"command": "/bin/sh", "args": ["serve", "g"], "env": env, "gateway": gateway});
            let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let variables = Variables::from_maps(set, Vec::new());
            Launch::of("g", &entry, &entry::read("g", &entry).unwrap(), &variables).unwrap().doubts.join("; ")
        };
        let (proxy, file) = (("HTTPS_PROXY", "http://p:1"), ("SSL_CERT_FILE", "/ca.pem"));
        let handed_on = json!({"HTTPS_PROXY": "${HTTPS_PROXY:-}", "SSL_CERT_FILE": "${SSL_CERT_FILE:-}"});
        assert!(doubts(json!({}), json!({}), &[proxy]).starts_with("HTTPS_PROXY is set here"));
        assert!(doubts(json!({}), json!({}), &[file]).contains("\"SSL_CERT_FILE\": \"${SSL_CERT_FILE:-}\""));
        for (env, more, set) in [
            (handed_on, json!({}), vec![proxy, file]),
            (json!({}), json!({"proxy": false}), vec![proxy]),
            (json!({}), json!({}), vec![proxy, ("NO_PROXY", "corp")]),
            (json!({}), json!({}), vec![("HTTPS_PROXY", ""), ("SSL_CERT_FILE", "")]),
            (json!({}), json!({}), vec![("HTTP_PROXY", "http://p:1")]),
        ] {
            assert_eq!(doubts(env, more, &set), "", "{set:?}");
        }
    }

    #[test]
    fn pflow_without_its_hook_is_told_and_pflow_somewhere_else_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        let packages = folder.path().join("lib/python3.12/site-packages");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&packages).unwrap();
        let program = bin.join("pflow-gateway");
        assert_eq!(unhooked(&program), None, "no pflow is there");
        std::fs::copy("/bin/sh", bin.join("pflow")).unwrap();
        assert!(unhooked(&program).is_some_and(|why| why.contains("without pflow_gateway.pth")));
        std::fs::write(packages.join(HOOK), "").unwrap();
        assert_eq!(unhooked(&program), None);
    }

    #[test]
    fn another_launcher_leaves_everything_else() {
        let before = json!({"note": 1, "command": "python", "args": ["-m", "pflow_gateway", "serve", "g", "--config", "f"], "gateway": {}});
        let launcher = Launcher { command: "/opt/pflow-gateway".into(), args: Vec::new() };
        assert!(is_old_form(&before));
        let after = relaunched(&before, &launcher);
        assert_eq!(
            after,
            json!({"note": 1, "command": "/opt/pflow-gateway", "args": ["serve", "g", "--config", "f"], "gateway": {}})
        );
        assert!(!is_old_form(&after));
    }
}
