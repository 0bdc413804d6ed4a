//! `add`, `adopt`, `remove` and `list`: pflow's mcp-servers.json.
//! Takes flags; writes entries, or takes them out. Writes nothing before the gateway has answered, unless told so.

use std::{fmt::Write as _, path::Path};

use serde_json::{Value, json};

use super::{
    adopt::Adopted,
    args, claims,
    context::{Context, credential},
    render,
    screen::{Reply, careful, say, yes},
    set::{self, Difference},
    steps::{Steps, To},
};
use pflow_gateway::{
    Gateway,
    config::{Claims, ConfigFile, Filter, GatewayConfig, Launcher, NewGateway, Replace, Settings, Variables},
    definitions::Store,
    history::{Last, Moment, SnapshotTool},
    report,
    seen::Seen,
    serve::{FileSnapshots, Snapshots},
};
use pflow_gateway_base::{Class, Error, Result, scrub};

/// One entry, or one per service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    Whole,
    PerService,
}

/// Whether the gateway must answer before anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Tested,
    Untested,
}

/// What was done to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Added,
    Adopted,
}

impl Done {
    fn words(self, names: &str, file: &str) -> String {
        match self {
            Self::Added => format!("Added {names} to {file}"),
            Self::Adopted => format!("Adopted {names} in {file}"),
        }
    }
}

/// A gateway to write.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) new: NewGateway,
    pub(super) split: Split,
    pub(super) replace: Replace,
    /// What the entry was before, when it is one that pflow used by itself.
    pub(super) adopted: Option<Adopted>,
}

/// What was written.
pub(super) struct Written {
    pub(super) names: Vec<String>,
    pub(super) entries: serde_json::Map<String, Value>,
    /// Declared services that there is no entry for.
    pub(super) absent: Vec<String>,
}

impl Written {
    /// What to say of the services that there is no entry for.
    pub(super) fn warnings(&self) -> Vec<String> {
        let words = |name: &String| {
            let name = scrub::line(name, 100);
            format!(
                "{name} has no entry: the gateway lists no tool of it now; once it does, add it with the same command and --replace"
            )
        };
        self.absent.iter().map(words).collect()
    }
}

impl Plan {
    /// The same, with the product that answered when the user named none: `pflow mcp list` shows it without asking. Generic is
    /// no evidence of anything, and stays open.
    pub(super) fn with_seen(&self, kind: Option<report::Kind>) -> Self {
        let kind = self.new.kind.clone().or(kind.filter(|kind| !kind.is_generic()));
        let new = NewGateway { kind, ..self.new.clone() };
        Self { new, ..self.clone() }
    }

    /// From the flags that `add`, `setup` and `adopt` share.
    pub(super) fn new(
        context: &Context,
        name: &str,
        url: &str,
        entry: &args::Entry,
        auth: &args::Auth,
    ) -> Result<Self> {
        let absolute = |file: &std::path::PathBuf| {
            std::path::absolute(file).map_err(|error| Error::config(file.display().to_string()).because(error))
        };
        let pick = &entry.pick;
        let new = NewGateway {
            name: name.to_owned(),
            address: GatewayConfig::for_url(url)?.address,
            kind: entry.kind.clone(),
            era: context.era.and_then(args::EraName::fixed),
            auth: credential(auth)?.unwrap_or_default(),
            services: entry.services.clone(),
            settings: Settings::of(&entry.settings)?,
            filter: pick.filter(&entry.include_services),
            claims: args::TrustName::of(entry.trust),
            changes: entry.changes.map(Into::into),
            timeout: context.timeout,
            ca_file: auth.ca_file.as_ref().map(absolute).transpose()?,
            allow_origins: entry.allow_origins.clone(),
            paths: entry.paths.clone(),
            launcher: Launcher::current()?,
            config_file: context.chosen_file().map(|file| absolute(&file)).transpose()?,
        };
        // Says now what is wrong with a name, not after a test that took a minute.
        new.entry()?;
        Ok(Self { new, split: Split::Whole, replace: Replace::No, adopted: None })
    }

    /// Refuses a name that is taken.
    pub(super) fn check_free(&self, file: &ConfigFile) -> Result<()> {
        if self.replace == Replace::No && file.contains(&self.new.name) {
            return Err(Error::config(format!("{} has an entry \"{}\" already", file.path().display(), self.new.name))
                .with_hint("choose another name, or overwrite it with --replace"));
        }
        Ok(())
    }

    /// What to say of a credential in plain text in an entry that pflow used by itself; `add` refuses to write one.
    fn literal(&self) -> Option<String> {
        let place = self.adopted.as_ref().and_then(|_| self.new.auth.literal())?;
        Some(format!(
            "the entry holds a credential in plain text ({place}): keep it in a variable (pflow settings set-env VAR VALUE), and write \
             ${{VAR}} in its place"
        ))
    }

    /// Opens the gateway as it will be.
    pub(super) async fn open(&self, context: &Context) -> Result<Gateway> {
        let mut config = self.new.to_config()?;
        // What runs for it once it is written tests it now.
        config.component = context.component_of(&self.new.name);
        context.open(config).await
    }

    /// The services to make entries for: those that the filter keeps.
    async fn services(&self, gateway: &Gateway) -> Result<Vec<String>> {
        let tools = gateway.tools(&Filter::default()).await?;
        let kept: std::collections::BTreeSet<String> = tools
            .tools
            .into_iter()
            .filter(|tool| tool.attribution != report::Attribution::Control)
            .filter_map(|tool| tool.service)
            .collect();
        if kept.is_empty() {
            return Err(Error::config(format!("{} does not tell which services are behind it", self.new.name))
                .with_hint("declare them with --service NAME=PREFIX or NAME=TOOL,TOOL, or leave out --per-service"));
        }
        Ok(kept.into_iter().collect())
    }

    /// The entries, and the services that they are of.
    async fn entries(&self, gateway: Option<&Gateway>) -> Result<Vec<(String, Value)>> {
        match (self.split, gateway) {
            (Split::Whole, _) => Ok(vec![self.new.entry()?]),
            (Split::PerService, Some(gateway)) => Ok(self.new.entries_per_service(&self.services(gateway).await?)?),
            (Split::PerService, None) => {
                let declared: Vec<String> = self.new.services.iter().map(|service| service.name.clone()).collect();
                if declared.is_empty() {
                    return Err(Error::config(
                        "--per-service needs the gateway's answer, and --no-test forbids to ask",
                    )
                    .with_hint("leave out --no-test, or declare the services with --service"));
                }
                Ok(self.new.entries_per_service(&declared)?)
            }
        }
    }

    /// Writes the entries. Reads the file anew: a test may have taken a while.
    pub(super) async fn write(&self, context: &Context, gateway: Option<&Gateway>) -> Result<Written> {
        let mut entries = self.entries(gateway).await?;
        let public = gateway.is_some_and(Gateway::shall_stay_public);
        for members in entries.iter_mut().filter_map(|(_, entry)| entry.as_object_mut()) {
            if let Some(adopted) = &self.adopted {
                adopted.put_into(members);
            }
            if let Some(Value::Object(gateway)) = members.get_mut("gateway").filter(|_| public) {
                gateway.insert("addresses".to_owned(), "public".into());
            }
        }
        let mut file = context.edit()?;
        let names = entries.iter().map(|(name, _)| name.clone()).collect();
        let shown = entries.iter().cloned().collect();
        file.put(entries, self.replace)?;
        context.save(&file)?;
        let absent = gateway.map(|gateway| self.absent(gateway)).unwrap_or_default();
        Ok(Written { names, entries: shown, absent })
    }

    /// The entry in whose place this one comes, when it is one of the same gateway.
    fn replaced(&self, context: &Context) -> Option<GatewayConfig> {
        if self.replace == Replace::No || self.split != Split::Whole || self.adopted.is_some() {
            return None;
        }
        let file = context.file().ok()?;
        let before = file.entry(&self.new.name).and_then(|_| file.find(&self.new.name).ok())?;
        (before.address == self.new.address).then_some(before)
    }

    /// Declared services that no entry was made for: nothing of them is listed.
    fn absent(&self, gateway: &Gateway) -> Vec<String> {
        if self.split == Split::Whole {
            return Vec::new();
        }
        let tools = gateway.seen_tools();
        let listed = |name: &str| tools.iter().any(|tool| tool.service.as_deref() == Some(name));
        let mut absent: Vec<_> = self.new.services.iter().map(|service| service.name.clone()).collect();
        absent.retain(|name| !listed(name));
        absent.dedup();
        absent
    }

    /// What was listed while this was tested is what the first look is compared with.
    pub(super) async fn remember(
        &self,
        context: &Context,
        gateway: &Gateway,
        kind: Option<report::Kind>,
        names: &[String],
    ) {
        if let (Ok(file), Ok(folder), false) = (context.file(), context.memory(), gateway.saw_a_part()) {
            let seen = Seen::of(kind, gateway.seen_kind().map(|_| gateway.seen_tools()).as_deref());
            let entries: Vec<_> = names.iter().filter_map(|name| file.find(name).ok()).collect();
            let _ = tokio::task::spawn_blocking(move || seen.keep(&folder, &entries)).await;
        }
        let (history, url, names) = (context.history(), self.new.address.url().to_string(), names.to_vec());
        if gateway.saw_a_part() {
            return;
        }
        let seen = gateway.seen_tools().into_iter();
        let mut tools: Vec<_> = seen.map(|tool| SnapshotTool { name: tool.name, service: tool.service }).collect();
        tools.sort();
        let keep = move || names.iter().for_each(|name| history.listed(name, &url, &tools, Moment::now()));
        // Without it the first look has nothing to compare with; that is all.
        let _ = tokio::task::spawn_blocking(keep).await;
        // Entries for one service each, and those whose services were chosen afterwards, have other filters than what was tested.
        let entry = context.file().ok().and_then(|file| file.find(&self.new.name).ok());
        let same = |entry: &GatewayConfig| self.split == Split::Whole && entry.filter == gateway.config().filter;
        if let Some(entry) = entry.filter(same) {
            let gateway = gateway.clone();
            let _ = tokio::task::spawn_blocking(move || gateway.keep_for(&entry)).await;
        }
    }
}

/// `add`.
pub(super) async fn add(context: &Context, add: &args::Add) -> Reply {
    let shape = json!({"gateway": add.name, "added": [], "entries": {}, "test": null});
    let plan = Plan::new(context, &add.name, &add.url, &add.entry, &add.auth).and_then(|mut plan| {
        plan.split = if add.per_service { Split::PerService } else { Split::Whole };
        plan.replace = if add.replace { Replace::Yes } else { Replace::No };
        plan.check_free(&context.file()?)?;
        Ok(plan)
    });
    let proof = if add.no_test { Proof::Untested } else { Proof::Tested };
    if let Some(place) = plan.as_ref().ok().and_then(|plan| plan.new.address.literal_key()) {
        say(&format!(
            "{} the URL holds what looks like a key in plain text ({place}); it is kept out of all output, but stands in the file\n  → keep it in a variable, and write ${{VAR}} in its place, in single quotes\n",
            careful()
        ));
    }
    match plan {
        Ok(plan) => carry_out(context, &plan, proof, Done::Added).await,
        Err(error) => Reply::failed(shape, error),
    }
}

/// Tests, writes, and says what to do next.
pub(super) async fn carry_out(context: &Context, plan: &Plan, proof: Proof, done: Done) -> Reply {
    let name = plan.new.name.clone();
    let mut shape = json!({"gateway": name, "added": [], "entries": {}, "test": null});
    let _waiting = context.waiting.on(&name);
    let gateway = match proof {
        Proof::Untested => None,
        Proof::Tested => match plan.open(context).await {
            Ok(gateway) => Some(gateway),
            Err(error) => return Reply::failed(shape, error),
        },
    };
    let mut text = String::new();
    let mut seen = None;
    if let Some(gateway) = &gateway {
        let steps = Steps::of(context, gateway, To::Stdout);
        let report = steps.test(context, gateway).await;
        seen.clone_from(&report.kind);
        text.push_str(&steps.rest(&report));
        if let Some(members) = shape.as_object_mut() {
            members.insert("test".to_owned(), serde_json::to_value(&report).unwrap_or_default());
        }
        if !report.ok {
            gateway.close().await;
            let error = report.error.clone().unwrap_or_else(|| Error::new(Class::UpstreamError, "the test failed"));
            let nothing = "nothing was written; --no-test writes the entry all the same";
            let hint = error.hint.clone().map_or_else(|| nothing.to_owned(), |hint| format!("{hint} ({nothing})"));
            let error = error.with_hint(hint);
            return Reply { text, told: render::tells(&report, &error), ..Reply::failed(shape, error) };
        }
    }
    let mut plan = plan.with_seen(seen.clone());
    let mut declared = Vec::new();
    let mut chosen = None;
    if let Some(gateway) = &gateway {
        match settled(context, &mut plan, gateway).await {
            Ok((said, anew)) => {
                declared = said;
                if let Some((anew, report)) = anew {
                    // What the first test found to be wanting was just added.
                    text = render::test(&report);
                    if let Some(members) = shape.as_object_mut() {
                        members.insert("test".to_owned(), serde_json::to_value(&report).unwrap_or_default());
                    }
                    chosen = Some(anew);
                }
            }
            Err(error) => {
                gateway.close().await;
                return Reply { text, ..Reply::failed(shape, error) };
            }
        }
    }
    let tested = gateway;
    let gateway = chosen.as_ref().or(tested.as_ref()).cloned();
    let change = match (plan.replaced(context), &gateway) {
        (Some(before), Some(gateway)) => set::instead_of(context, before, gateway).await,
        _ => None,
    };
    let written = plan.write(context, gateway.as_ref()).await;
    // The test said so already.
    let exposed = if gateway.is_none() { plan.new.to_config().ok().and_then(|config| config.exposed()) } else { None };
    let idle = match &gateway {
        Some(gateway) if written.is_ok() => keeps_nothing(gateway).await,
        _ => None,
    };
    if let Some(gateway) = &gateway {
        if let Ok(written) = &written {
            plan.remember(context, gateway, seen, &written.names).await;
        }
        gateway.close().await;
    }
    if let (Some(tested), Some(_)) = (&tested, &chosen) {
        tested.close().await;
    }
    match (written, context.path()) {
        (Ok(written), Ok(path)) => {
            let found = Found { declared, change, exposed, idle };
            text.push_str(&found.tell(written, &path, &plan, done, &mut shape));
            Reply::good(text, &shape)
        }
        (Err(error), _) | (_, Err(error)) => Reply { text, ..Reply::failed(shape, error) },
    }
}

/// What there is to say of an entry that was written.
struct Found {
    declared: Vec<String>,
    /// For pflow, where another entry stood there.
    change: Option<Difference>,
    /// That the credential can be read on its way.
    exposed: Option<String>,
    /// How many tools there are, when the filter keeps none.
    idle: Option<usize>,
}

impl Found {
    fn tell(self, written: Written, path: &Path, plan: &Plan, done: Done, shape: &mut Value) -> String {
        let mut text = String::new();
        let next: Vec<String> = written.names.iter().map(|name| format!("pflow mcp sync {name}")).collect();
        for declared in &self.declared {
            let _ = writeln!(text, "{} {declared}", yes());
        }
        let _ = writeln!(text, "{} {}", yes(), done.words(&written.names.join(", "), &path.display().to_string()));
        if let Some(change) = &self.change {
            // What is odd about the filter, the test has said.
            let _ = change.say(&mut text);
        }
        for next in &next {
            let _ = writeln!(text, "  → {next}");
        }
        let warnings: Vec<_> = written.warnings().into_iter().chain(self.exposed).chain(plan.literal()).collect();
        for warning in &warnings {
            let _ = writeln!(text, "{} {warning}", careful());
        }
        if let Some(total) = self.idle {
            let total = render::count(total, "tool");
            let _ = writeln!(text, "{} its filter keeps none of the {total}; change it with --replace", careful());
        }
        if let Some(members) = shape.as_object_mut() {
            members.insert("added".to_owned(), written.names.into());
            members.insert("declared".to_owned(), self.declared.into());
            members.insert("entries".to_owned(), Value::Object(written.entries));
            if let Some(change) = self.change {
                members.insert("gains".to_owned(), change.gains.into());
                members.insert("loses".to_owned(), change.loses.into());
            }
            members.insert("file".to_owned(), path.display().to_string().into());
            members.insert("next".to_owned(), next.into());
            members.insert("warnings".to_owned(), warnings.into());
            members.insert("error".to_owned(), Value::Null);
        }
        text
    }
}

/// Declares what names tell; gives what was declared, and the gateway as it is then, tested.
async fn settled(
    context: &Context,
    plan: &mut Plan,
    gateway: &Gateway,
) -> Result<(Vec<String>, Option<(Gateway, report::Test)>)> {
    let settled = claims::settle(plan, gateway).await?;
    if let Some(error) = settled.refusal() {
        return Err(error);
    }
    if settled.declared.is_empty() {
        return Ok((settled.declared, None));
    }
    let anew = plan.open(context).await?;
    let report = anew.test().await;
    Ok((settled.declared, Some((anew, report))))
}

/// The number of tools, when the gateway's own filter lets none of them through.
async fn keeps_nothing(gateway: &Gateway) -> Option<usize> {
    if gateway.config().filter == Filter::default() {
        return None;
    }
    let tools = gateway.tools(&Filter::default()).await.ok()?;
    (tools.tools.is_empty() && tools.total > 0).then_some(tools.total)
}

/// `remove`.
pub(super) fn remove(context: &Context, remove: &args::Remove) -> Reply {
    let shape = json!({"gateway": remove.name, "removed": []});
    match take_out(context, &remove.name) {
        Ok(path) => {
            let text = format!(
                "{} Removed {} from {path}\n  → pflow mcp sync --all takes its tools out of pflow's registry\n",
                yes(),
                remove.name
            );
            Reply::good(text, &json!({"gateway": remove.name, "removed": [remove.name], "file": path, "error": null}))
        }
        Err(error) => Reply::failed(shape, error),
    }
}

pub(super) fn take_out(context: &Context, name: &str) -> Result<String> {
    let mut file = context.edit()?;
    if !file.contains(name)
        && let Some(error) = super::group::is_meant(&file, name, &context.program)
    {
        return Err(error);
    }
    // Only gateways: other servers are pflow's own business. An entry that is broken may go.
    let known = file.gateways().into_iter().find(|(known, _)| known == name);
    let Some((_, config)) = known else {
        file.find(name)?;
        return Err(Error::config(format!("\"{name}\" is not the name of an entry in {}", file.path().display())));
    };
    file.remove(name);
    context.save(&file)?;
    if let Ok(config) = config {
        forget(context, &config);
    }
    Ok(file.path().display().to_string())
}

/// Nothing is remembered of a gateway that is no entry any more.
pub(super) fn forget(context: &Context, config: &GatewayConfig) {
    if let Ok(folder) = context.memory() {
        FileSnapshots::new(&folder, config).forget();
        Store::at(&folder, config).forget();
        Seen::forget(&folder, &config.name);
    }
}

/// `list`.
pub(super) fn list(context: &Context) -> Reply {
    let file = match context.file() {
        Ok(file) => file,
        Err(error) => return Reply::failed(json!({"gateways": []}), error),
    };
    let folder = context.memory().ok();
    let history = context.history();
    let mut rows = Vec::new();
    let mut gateways = Vec::new();
    for (name, config) in file.gateways() {
        match config {
            Ok(config) => {
                let last = folder.as_ref().and_then(|folder| FileSnapshots::new(folder, &config).load());
                let seen = last.as_ref().map(|snapshot| {
                    let services: std::collections::BTreeSet<&str> =
                        snapshot.tools.tools.iter().filter_map(|tool| tool.service.as_deref()).collect();
                    (snapshot.tools.tools.len(), services.len())
                });
                let last = history.last(&name, Moment::now());
                let looked = folder.as_ref().and_then(|folder| Seen::last(folder, &config)).unwrap_or_default();
                let kind = config.kind.clone().or_else(|| looked.kind.clone());
                rows.push(row(&name, &config, seen, &looked, last.as_ref()));
                gateways.push(json!({
                    "last": last, "seen": {"tools": looked.tools, "services": looked.services},
                    "gateway": name, "kind": kind, "url": config.shown(), "auth": config.auth.describe(),
                    "filter": config.filter.words(), "settings": config.settings, "plain": config.plain, "tools": seen.map(|(tools, _)| tools), "services": seen.map(|(_, services)| services),
                    "error": null,
                }));
            }
            Err(error) => {
                let error = Error::from(error);
                gateways.push(json!({"gateway": name, "kind": null, "url": null, "error": error}));
                rows.push(render::Listed::unusable(name, error));
            }
        }
    }
    let mut remarks = file.remarks();
    for (name, config) in file.gateways() {
        let Ok(config) = config else { continue };
        remarks.extend(file.refused(&config).into_iter().map(|want| {
            format!("{} wants to {want}: not before `{} trust FILE`", scrub::line(&name, 100), context.program)
        }));
        let launch = Variables::of_this_user().ok().and_then(|variables| file.launch(&name, &variables));
        let doubts = launch.into_iter().flat_map(|launch| launch.broken.into_iter().chain(launch.doubts));
        remarks.extend(doubts.map(|doubt| format!("{}: {doubt}", scrub::line(&name, 100))));
        remarks.extend(unsaid(&config, folder.as_deref()).map(|words| format!("{}: {words}", scrub::line(&name, 100))));
        let others = config.remarks.into_iter().filter(|remark| !remarks.contains(remark)).collect::<Vec<_>>();
        remarks.extend(others);
    }
    for (name, misfit) in file.misfits() {
        let error = Error::from(misfit);
        gateways.push(json!({"gateway": name, "kind": null, "url": null, "error": error}));
        rows.push(render::Listed::unusable(name, error));
    }
    for remark in &remarks {
        say(&format!("{} {remark}\n", careful()));
    }
    if rows.is_empty() {
        say(&format!("No gateways in {}\n  → {} add NAME URL\n", file.path().display(), context.program));
    }
    let file = file.path().display().to_string();
    Reply::good(render::list(&rows), &json!({"file": file, "gateways": gateways, "warnings": remarks}))
}

/// What to say of an entry that keeps services and is from before one could say whom to believe; nothing where all of it is certain.
fn unsaid(config: &GatewayConfig, memory: Option<&Path>) -> Option<&'static str> {
    if config.claims != Claims::Unsaid || config.filter.include_services.is_empty() {
        return None;
    }
    let last = memory.and_then(|folder| FileSnapshots::new(folder, config).load());
    let doubtful = |tool: &report::Tool| tool.service.is_some() && tool.confidence != report::Confidence::Certain;
    last.is_none_or(|last| last.tools.tools.iter().any(doubtful)).then_some(
        "it keeps tools of some services even where nobody but the tools themselves says that they are from there; write \
         \"trust\": \"certain\" into its \"gateway\" to leave those out, or \"trust\": \"claims\" to keep it so",
    )
}

fn row(
    name: &str,
    config: &GatewayConfig,
    snapshot: Option<(usize, usize)>,
    looked: &Seen,
    last: Option<&Last>,
) -> render::Listed {
    let mut facts = Vec::new();
    if let Some(last) = last {
        facts.push(last.words());
    }
    let of = |tools, services| format!("{} of {}", render::count(tools, "tool"), render::count(services, "service"));
    let filter = config.filter.words();
    match (snapshot, looked.tools) {
        (Some((tools, services)), _) => facts.push(of(tools, services)),
        (None, Some(tools)) if filter.is_none() => facts.push(of(tools, looked.services.len())),
        (None, Some(tools)) => facts.push(format!("{} before its filter", of(tools, looked.services.len()))),
        (None, None) => {}
    }
    if let Some(words) = filter {
        facts.push(scrub::line(&words, 300));
    }
    if config.plain {
        facts.push("pflow talks to it directly; `adopt` changes that".to_owned());
    }
    render::Listed {
        name: name.to_owned(),
        kind: config.kind.as_ref().or(looked.kind.as_ref()).map_or_else(|| "?".to_owned(), ToString::to_string),
        url: config.shown().to_owned(),
        credential: config.auth.describe(),
        facts: facts.join(", "),
        problem: None,
    }
}
