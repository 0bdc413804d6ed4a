//! The sandbox: what a component must survive. An error of the contract is an answer; a trap, a limit that is reached or a result made
//! of nothing is none.
//! Looks at what came back, with answers that no gateway should send.

use std::time::Duration;

use serde_json::json;

use super::{
    super::{
        gateway::{Gateway, tool_with},
        imitation::{Answer, End, Received},
        stage::Stage,
        verdict::{Miss, Verdict, describe, fails, wrong},
    },
    checks,
    listing::the_two,
};
use pflow_gateway_runtime::{Failure, Stopped};

checks! { Sandbox:
    starts, "gateway",
        "starts within the default limits",
        "an instance";
    survives_garbage, "types.failure",
        "survives bytes that are nothing",
        "an error of the contract, for 64 KiB of noise that calls itself JSON, and as an event stream";
    survives_nesting, "types.failure",
        "survives JSON that is nested 100,000 deep",
        "an error of the contract, or the tool left out; for the answer as a whole and within a tool";
    survives_wrong_types, "types.failure",
        "survives JSON of all the wrong types",
        "an error of the contract, for results that are lists, numbers, texts and null";
    survives_a_flood_of_events, "discovery.conversation.list-tools",
        "survives a flood of notifications before the answer",
        "the tools, after 5,000 notifications";
    is_not_fooled_by_an_endless_body, "types.failure",
        "takes a body that never ends for no answer",
        "an error, its own or the host's when the time is over";
    survives_odd_headers, "discovery.conversation.open",
        "survives headers that it does not know",
        "a connection, although answers have 60 odd headers";
    survives_long_names, "discovery.conversation.list-tools",
        "survives names and texts of absurd length",
        "an answer or an error of the contract, for a name of 1 MiB";
}

/// Anything that the component itself says is an answer; that the host had to stop it, is not.
fn survived<T>(what: &str, answer: Result<T, Failure>) -> Result<(), Miss> {
    match answer {
        Ok(_) | Err(Failure::Gateway(..)) => Ok(()),
        Err(failure) => wrong(format!("{what}: {}", describe(&failure))),
    }
}

/// Must be an error of the contract.
async fn errs(stage: &Stage, what: &str, answer: Answer) -> Result<(), Miss> {
    let mut scene = stage.open(Gateway::legacy().always("tools/list", answer)).await?;
    let found = fails(scene.guest.list_tools().await, |_| true);
    found.map(drop).map_err(|miss| match miss {
        Miss::Wrong(found) => Miss::Wrong(format!("{what}: {found}")),
        other @ Miss::NotOffered(_) => other,
    })
}

async fn starts(stage: Stage) -> Verdict {
    stage.scene(Gateway::legacy()).await?;
    Ok("it starts".to_owned())
}

/// The same on every run, and nothing like text.
fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect()
}

async fn survives_garbage(stage: Stage) -> Verdict {
    errs(&stage, "noise as JSON", Answer::new(200, "application/json", noise(65_536))).await?;
    errs(&stage, "noise as an event stream", Answer::stream(noise(65_536))).await?;
    errs(&stage, "noise as something else", Answer::new(200, "application/octet-stream", noise(65_536))).await?;
    Ok("an error each time".to_owned())
}

async fn survives_nesting(stage: Stage) -> Verdict {
    const DEPTH: usize = 100_000;
    let (open, close) = ("[".repeat(DEPTH), "]".repeat(DEPTH));
    errs(&stage, "as the answer", Answer::new(200, "application/json", format!("{open}{close}"))).await?;
    let within = move |request: &Received, _: usize| {
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"tools\":[{{\"name\":\"deep\",\"inputSchema\":{{\"type\":\"object\",\"enum\":{open}{close}}}}}]}}}}",
            request.id()
        );
        Some(Answer::new(200, "application/json", text))
    };
    let mut scene = stage.open(Gateway::legacy().on("tools/list", within)).await?;
    survived("within a tool", scene.guest.list_tools().await)?;
    Ok("survived".to_owned())
}

async fn survives_wrong_types(stage: Stage) -> Verdict {
    for result in
        [json!([]), json!(7), json!("tools"), json!(null), json!({"tools": {}}), json!({"tools": 1}), json!({})]
    {
        let said = result.clone();
        let answer = move |request: &Received, _: usize| Some(Answer::result(request, &said));
        let mut scene = stage.open(Gateway::legacy().on("tools/list", answer)).await?;
        fails(scene.guest.list_tools().await, |_| true).map_err(|miss| match miss {
            Miss::Wrong(found) => Miss::Wrong(format!("{result}: {found}")),
            other @ Miss::NotOffered(_) => other,
        })?;
    }
    Ok("an error each time".to_owned())
}

async fn survives_a_flood_of_events(stage: Stage) -> Verdict {
    let flood = |request: &Received, _: usize| {
        let notice = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"debug\",\"data\":\"x\"}}\n\n";
        let page = Gateway::legacy().page(request).unwrap_or_default();
        let answer = json!({"jsonrpc": "2.0", "id": request.id(), "result": page});
        Some(Answer::stream(format!("{}data: {answer}\n\n", notice.repeat(5_000))))
    };
    the_two(&stage.open(Gateway::legacy().on("tools/list", flood)).await?.list().await?)
}

async fn is_not_fooled_by_an_endless_body(stage: Stage) -> Verdict {
    // Soon enough for a person who waits; starting and connecting have their usual time.
    const ENOUGH: Duration = Duration::from_millis(1_500);
    let endless = Answer::new(200, "application/json", "{").ending(End::Never);
    let mut scene = stage.open(Gateway::legacy().always("tools/list", endless)).await?;
    scene.guest.hurry(ENOUGH);
    match scene.guest.list_tools().await {
        Ok(_) => wrong("a catalogue"),
        Err(failure @ Failure::Gateway(..)) => Ok(describe(&failure)),
        Err(Failure::Host(late @ Stopped::Late(_))) => Ok(late.to_string()),
        Err(failure) => wrong(describe(&failure)),
    }
}

async fn survives_odd_headers(stage: Stage) -> Verdict {
    const NAMES: [&str; 3] = ["x-odd", "link", "set-cookie"];
    let odd = |request: &Received, _: usize| {
        let mut answer = Gateway::legacy().answer(request, 0);
        for n in 0..60 {
            let name = NAMES.get(n % NAMES.len()).copied().unwrap_or("x-odd");
            answer = answer.with(name, &format!("<{n}>; rel=\"next\"; {}", "\u{e4}\t ".repeat(n)));
        }
        Some(answer)
    };
    the_two(&stage.open(Gateway::legacy().on("*", odd)).await?.list().await?)
}

async fn survives_long_names(stage: Stage) -> Verdict {
    let long = "x".repeat(1 << 20);
    let tools = vec![tool_with(&long, json!({"title": long, "description": long}))];
    let mut scene = stage.open(Gateway::legacy().tools(tools)).await?;
    survived("a name of 1 MiB", scene.guest.list_tools().await)?;
    Ok("survived".to_owned())
}
