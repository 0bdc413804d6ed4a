//! `health.check`: how the services behind a gateway are.
//! Looks at the states and at what was done to the gateway to find them. Which product's API a component asks, is its own business.

use http::Method;
use serde_json::json;

use super::{
    super::{
        gateway::{Gateway, tool},
        imitation::Received,
        stage::{Scene, Stage},
        verdict::{Miss, Verdict, ok, same, shown, want, wrong},
    },
    checks,
};
use pflow_gateway_runtime::{
    health::ServiceHealth,
    types::{Attribution, Confidence, Service, Status},
};

checks! { Health:
    knows_every_service, "health.check",
        "says how each known service is, and on what that rests",
        "github and slack, each once, with evidence that is not empty";
    invents_no_state, "types.status.unknown",
        "calls a service neither well nor ill when nothing was seen",
        "unknown, for a gateway that reports nothing";
    keeps_bad_news, "health.check",
        "does not call a service well that the last catalog knew to be down",
        "not ok for slack, which was offline and of which nothing new is said";
    counts_tools, "health.service-health.tools",
        "repeats how many tools each service has",
        "3 for github, 0 for slack";
    nothing_known, "health.check",
        "says nothing of services when none is known",
        "an empty list, for a gateway without tools that reports nothing";
    has_no_side_effects, "health.check",
        "has no side effects on the gateway",
        "no tool called, no session ended or opened, nothing but GET and POST";
    never_probes_the_endpoint, "health.check",
        "never probes the MCP endpoint with a bare GET",
        "no GET of the MCP URL";
    asks_the_product, "health.check",
        "says so when the product's own API calls one service unreachable",
        "slack not ok and github ok, for ContextForge's GET /v1/gateways";
}

fn known(name: &str, tools: u32, status: Status) -> Service {
    Service {
        name: name.to_owned(),
        tools,
        attribution: Attribution::Reported,
        confidence: Confidence::Certain,
        status,
        evidence: vec!["the last catalog says so".to_owned()],
    }
}

/// A gateway with nothing but MCP.
async fn plain(stage: &Stage) -> Result<Scene, Miss> {
    stage.open(Gateway::legacy()).await
}

fn of<'a>(states: &'a [ServiceHealth], name: &str) -> Result<&'a ServiceHealth, Miss> {
    let mut found = states.iter().filter(|state| state.name == name);
    match (found.next(), found.next()) {
        (Some(state), None) => Ok(state),
        (None, _) => wrong(format!("nothing about {name}: {}", in_words(states))),
        (Some(_), Some(_)) => wrong(format!("{name} twice: {}", in_words(states))),
    }
}

fn in_words(states: &[ServiceHealth]) -> String {
    shown(&states.iter().map(|state| (state.name.as_str(), state.status)).collect::<Vec<_>>())
}

async fn knows_every_service(stage: Stage) -> Verdict {
    let mut scene = plain(&stage).await?;
    let services = [known("github", 3, Status::Unknown), known("slack", 1, Status::Unknown)];
    let states = ok("check", scene.guest.check_health(&services).await)?;
    for name in ["github", "slack"] {
        let evidence = &of(&states, name)?.evidence;
        want(evidence.iter().any(|phrase| !phrase.is_empty()), || format!("no evidence for {name}"))?;
    }
    same("services:", &states.len(), &2)?;
    Ok(in_words(&states))
}

async fn invents_no_state(stage: Stage) -> Verdict {
    let mut scene = plain(&stage).await?;
    let states = ok("check", scene.guest.check_health(&[known("github", 3, Status::Unknown)]).await)?;
    same("github is", &of(&states, "github")?.status, &Status::Unknown)?;
    Ok("unknown".to_owned())
}

async fn keeps_bad_news(stage: Stage) -> Verdict {
    let mut scene = plain(&stage).await?;
    let services = [known("github", 3, Status::Ok), known("slack", 0, Status::Offline)];
    let states = ok("check", scene.guest.check_health(&services).await)?;
    let slack = of(&states, "slack")?.status;
    want(slack != Status::Ok, || "slack is ok".to_owned())?;
    Ok(format!("slack is {}", shown(&slack)))
}

async fn counts_tools(stage: Stage) -> Verdict {
    let mut scene = plain(&stage).await?;
    let services = [known("github", 3, Status::Ok), known("slack", 0, Status::Unknown)];
    let states = ok("check", scene.guest.check_health(&services).await)?;
    same("the tools are", &(of(&states, "github")?.tools, of(&states, "slack")?.tools), &(3, 0))?;
    Ok("3 and 0".to_owned())
}

async fn nothing_known(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy().tools(Vec::new())).await?;
    let states = ok("check", scene.guest.check_health(&[]).await)?;
    want(states.is_empty(), || in_words(&states))?;
    Ok("nothing".to_owned())
}

/// What was sent since the conversation was opened.
async fn while_checking(stage: &Stage) -> Result<(Scene, Vec<Received>), Miss> {
    let mut scene = plain(stage).await?;
    let before = scene.peer.received().len();
    ok("check", scene.guest.check_health(&[known("github", 3, Status::Unknown)]).await)?;
    let sent = scene.peer.received().split_off(before);
    Ok((scene, sent))
}

async fn has_no_side_effects(stage: Stage) -> Verdict {
    let (_scene, sent) = while_checking(&stage).await?;
    let harmless = |request: &&Received| {
        request.method == Method::GET
            || (request.method == Method::POST && ["ping", "tools/list", "server/discover"].contains(&request.rpc()))
    };
    let harmful: Vec<_> = sent.iter().filter(|request| !harmless(request)).map(Received::what).collect();
    want(harmful.is_empty(), || shown(&harmful))?;
    Ok(format!("{} requests, all of them harmless", sent.len()))
}

async fn never_probes_the_endpoint(stage: Stage) -> Verdict {
    let (_scene, sent) = while_checking(&stage).await?;
    let probes = sent.iter().filter(|request| request.method == Method::GET && request.path == "/mcp").count();
    same("GETs of the MCP URL:", &probes, &0)?;
    Ok("none".to_owned())
}

async fn asks_the_product(stage: Stage) -> Verdict {
    const PATH: &str = "/servers/0123456789abcdef0123456789abcdef/mcp";
    let row = |slug: &str, reachable: bool| {
        json!({
            "id": slug, "name": slug, "slug": slug, "enabled": true, "reachable": reachable, "transport": "STREAMABLEHTTP",
            "lastSeen": null, "lastError": null, "toolCount": 1,
        })
    };
    let tools = json!([
        {"name": "github-list-issues", "originalName": "list_issues", "gatewaySlug": "github", "enabled": true, "reachable": true},
        {"name": "slack-send-message", "originalName": "send_message", "gatewaySlug": "slack", "enabled": true, "reachable": false},
    ]);
    let gateway = Gateway::legacy()
        .at(PATH)
        .named("mcp-streamable-http")
        .tools(vec![tool("github-list-issues"), tool("slack-send-message")])
        .route("/v1/gateways", json!([row("github", true), row("slack", false)]))
        .route("/gateways", json!([row("github", true), row("slack", false)]))
        .route("/v1/servers/0123456789abcdef0123456789abcdef/tools", tools.clone())
        .route("/servers/0123456789abcdef0123456789abcdef/tools", tools);
    let mut scene = stage.scene(gateway).await?;
    scene.endpoint.kind = Some("context-forge".to_owned());
    scene.open().await?;
    let services = [known("github", 1, Status::Unknown), known("slack", 1, Status::Unknown)];
    let states = ok("check", scene.guest.check_health(&services).await)?;
    if scene.peer.with_method(&Method::GET).is_empty() {
        return Err(Miss::NotOffered("it does not ask ContextForge's API".to_owned()));
    }
    let (github, slack) = (of(&states, "github")?.status, of(&states, "slack")?.status);
    want(github == Status::Ok && ![Status::Ok, Status::Unknown].contains(&slack), || in_words(&states))?;
    Ok(format!("github {}, slack {}", shown(&github), shown(&slack)))
}
