//! `discovery.conversation.list-tools`: reading the catalogue, whatever way a gateway frames it.
//! Looks at the catalogue, and at the cursors that come back to the gateway.

use serde_json::{Value, json};

use super::{
    super::{
        gateway::{Gateway, cursor_of, tool, tool_with},
        imitation::{Answer, Received, response},
        stage::Stage,
        verdict::{Miss, Verdict, same, same_json, shown, want, wrong},
    },
    checks,
};
use pflow_gateway_runtime::types;

checks! { Discovery:
    reads_json, "discovery.conversation.list-tools",
        "lists tools that come as JSON",
        "the two tools, sorted by name, from one page";
    reads_a_stream, "discovery.conversation.list-tools",
        "lists tools that come as an event stream",
        "the two tools, sorted by name, from one page";
    reads_a_modern_stream, "discovery.conversation.list-tools",
        "lists tools of a modern gateway that come as an event stream",
        "the two tools, sorted by name, from one page";
    reads_odd_line_ends, "discovery.conversation.list-tools",
        "reads event streams with CRLF, comments, several data lines and unknown fields",
        "the two tools";
    reads_any_cuts, "discovery.conversation.list-tools",
        "reads event streams that arrive a few bytes at a time",
        "the two tools, their names whole";
    waits_for_its_answer, "discovery.conversation.list-tools",
        "waits for the answer to its own request",
        "the two tools, not those of an answer to another id that comes before";
    reads_all_pages, "types.catalog.pages",
        "reads all pages, one of them empty",
        "5 tools from 4 pages, sorted by name; every cursor came back as it was handed out";
    stops_at_a_repeated_cursor, "types.concern.repeated-cursor",
        "stops when a cursor comes for the second time",
        "an end, the tools that were read, and the warning repeated-cursor";
    stops_at_the_page_limit, "types.endpoint.max-pages",
        "reads no more pages than the host allows",
        "2 requests, 2 pages, and the warning page-limit";
    keeps_tools_exactly, "types.tool",
        "passes a tool on with everything that it came with",
        "name, title, description, schemas, annotations, icons and _meta as on the wire";
    leaves_malformed_tools_out, "types.concern.malformed-tool",
        "leaves out tools that are against the protocol, one by one",
        "the 2 good tools, and a warning malformed-tool for each of the 3 others";
    notices_duplicates, "types.concern.duplicate-name",
        "notices two tools of one name",
        "the warning duplicate-name, about that tool";
    notices_an_empty_list, "types.concern.no-tools",
        "notices that a gateway lists no tools",
        "an empty catalogue with the warning no-tools";
    notices_round_numbers, "types.concern.round-number",
        "notices a catalogue that ends at a round number",
        "the warning round-number, for 100 tools and not for 101";
    passes_the_lifetime_on, "types.catalog.ttl-ms",
        "passes on how long the catalogue may be cached",
        "ttl-ms 60000 where the gateway says so, none where it does not";
    lists_a_thousand_tools, "discovery.conversation.list-tools",
        "lists a thousand tools within the default limits",
        "1,000 tools from 10 pages";
}

fn names(catalog: &types::Catalog) -> Vec<&str> {
    catalog.tools.iter().map(|tool| tool.name.as_str()).collect()
}

fn has(catalog: &types::Catalog, concern: types::Concern) -> Result<(), Miss> {
    let concerns: Vec<_> = catalog.warnings.iter().map(|warning| warning.concern).collect();
    want(concerns.contains(&concern), || {
        format!("no warning {}; the warnings are {}", shown(&concern), shown(&concerns))
    })
}

/// The usual two tools.
pub(super) fn the_two(catalog: &types::Catalog) -> Verdict {
    want(names(catalog) == ["list_messages", "send_message"], || shown(&names(catalog)))?;
    same("pages:", &catalog.pages, &1)?;
    Ok("list_messages, send_message".to_owned())
}

async fn listed(stage: Stage, gateway: Gateway) -> Verdict {
    the_two(&stage.open(gateway).await?.list().await?)
}

async fn reads_json(stage: Stage) -> Verdict {
    listed(stage, Gateway::legacy()).await
}

async fn reads_a_stream(stage: Stage) -> Verdict {
    listed(stage, Gateway::legacy().streaming()).await
}

async fn reads_a_modern_stream(stage: Stage) -> Verdict {
    listed(stage, Gateway::modern().streaming()).await
}

/// The usual page, as a response.
fn page_for(request: &Received) -> Value {
    let page = Gateway::legacy().page(request).unwrap_or_default();
    response(request, &page)
}

async fn reads_odd_line_ends(stage: Stage) -> Verdict {
    let odd = |request: &Received, _: usize| {
        let message = page_for(request).to_string();
        // The same JSON on two lines: cut where white space is allowed.
        let (head, tail) = message.split_once("\"result\":")?;
        let text = format!(
            ": keep-alive\r\n\r\nretry: 500\r\nid: 1\r\n\r\n:\r\nfoo: bar\r\nevent: message\r\ndata: {head}\"result\":\r\ndata:{tail}\r\n\r\n"
        );
        Some(Answer::stream(text))
    };
    listed(stage, Gateway::legacy().on("tools/list", odd)).await
}

async fn reads_any_cuts(stage: Stage) -> Verdict {
    let tools = vec![tool("größe_messen"), tool("日本_リスト")];
    let gateway = Gateway::legacy().tools(tools);
    let cut = |request: &Received, _: usize| {
        let page = json!({"tools": [tool("größe_messen"), tool("日本_リスト")]});
        Some(Answer::events([&response(request, &page)]).in_pieces_of(5))
    };
    let catalog = stage.open(gateway.on("tools/list", cut)).await?.list().await?;
    want(names(&catalog) == ["größe_messen", "日本_リスト"], || shown(&names(&catalog)))?;
    Ok("größe_messen, 日本_リスト".to_owned())
}

async fn waits_for_its_answer(stage: Stage) -> Verdict {
    let others_first = |request: &Received, _: usize| {
        let foreign = json!({"jsonrpc": "2.0", "id": 123_456, "result": {"tools": [tool("of_another_request")]}});
        let notice =
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}});
        Some(Answer::events([&notice, &foreign, &page_for(request)]))
    };
    listed(stage, Gateway::legacy().on("tools/list", others_first)).await
}

async fn reads_all_pages(stage: Stage) -> Verdict {
    let pages = vec![
        vec![tool("write_file"), tool("append_file")],
        Vec::new(),
        vec![tool("read_file"), tool("zip_files")],
        vec![tool("move_file")],
    ];
    let mut scene = stage.open(Gateway::legacy().pages(pages)).await?;
    let catalog = scene.list().await?;
    let asked: Vec<Value> = scene.peer.asked("tools/list").iter().map(|r| r.at("/params/cursor").clone()).collect();
    let handed_out = [Value::Null, json!(cursor_of(1)), json!(cursor_of(2)), json!(cursor_of(3))];
    want(asked == handed_out, || format!("the cursors {}", shown(&asked)))?;
    let expected = ["append_file", "move_file", "read_file", "write_file", "zip_files"];
    want(names(&catalog) == expected, || shown(&names(&catalog)))?;
    same("pages:", &catalog.pages, &4)?;
    Ok("5 tools from 4 pages".to_owned())
}

async fn stops_at_a_repeated_cursor(stage: Stage) -> Verdict {
    let again = |request: &Received, before: usize| {
        let page = json!({"tools": [tool(&format!("tool_{before}"))], "nextCursor": "again"});
        Some(Answer::result(request, &page))
    };
    let mut scene = stage.open(Gateway::legacy().on("tools/list", again)).await?;
    let catalog = scene.list().await?;
    let asked = scene.peer.asked("tools/list").len();
    want(asked <= 3, || format!("{asked} requests"))?;
    has(&catalog, types::Concern::RepeatedCursor)?;
    want(!catalog.tools.is_empty(), || "no tool of the pages that were read".to_owned())?;
    Ok(format!("stopped after {asked} pages"))
}

async fn stops_at_the_page_limit(stage: Stage) -> Verdict {
    let pages = (0..4).map(|page| vec![tool(&format!("tool_{page}"))]).collect();
    let mut scene = stage.scene(Gateway::legacy().pages(pages)).await?;
    scene.endpoint.max_pages = 2;
    scene.open().await?;
    let catalog = scene.list().await?;
    same("requests:", &scene.peer.asked("tools/list").len(), &2)?;
    same("pages:", &catalog.pages, &2)?;
    has(&catalog, types::Concern::PageLimit)?;
    Ok("2 pages and the warning".to_owned())
}

async fn keeps_tools_exactly(stage: Stage) -> Verdict {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"größe": {"type": "integer", "maximum": 9_007_199_254_740_993_u64, "default": 1.5}, "a.b": {"$ref": "#/$defs/x"}},
        "required": ["größe"], "additionalProperties": false, "$defs": {"x": {"anyOf": [{"type": "null"}, {"const": ""}]}},
    });
    let output = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}});
    let icons = json!([{"src": "https://example.com/i.png", "mimeType": "image/png"}]);
    let meta = json!({"example.com/colour": "grün", "n": [1, null]});
    let described = "Line one.\nLine two — “quoted” \u{1f600}";
    let whole = tool_with(
        "Messen.größe/v2",
        json!({
            "title": "Größe messen", "description": described, "inputSchema": schema, "outputSchema": output,
            "annotations": {"title": "M", "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false},
            "icons": icons, "_meta": meta,
        }),
    );
    let catalog = stage.open(Gateway::legacy().tools(vec![whole])).await?.list().await?;
    let [tool] = catalog.tools.as_slice() else { return wrong(format!("{} tools", catalog.tools.len())) };
    same("the name is", &tool.name.as_str(), &"Messen.größe/v2")?;
    same("the title is", &tool.title.as_deref(), &Some("Größe messen"))?;
    same("the description is", &tool.description.as_deref(), &Some(described))?;
    same_json("input-schema is", &tool.input_schema, &schema)?;
    same_json("output-schema is", tool.output_schema.as_deref().unwrap_or("null"), &output)?;
    same_json("icons are", tool.icons.as_deref().unwrap_or("null"), &icons)?;
    same_json("meta is", tool.meta.as_deref().unwrap_or("null"), &meta)?;
    let Some(hints) = &tool.annotations else { return wrong("annotations are none") };
    same("the title in the annotations is", &hints.title.as_deref(), &Some("M"))?;
    same(
        "the hints are",
        &[hints.read_only, hints.destructive, hints.idempotent, hints.open_world],
        &[Some(true), Some(false), Some(true), Some(false)],
    )?;
    Ok("all of it".to_owned())
}

async fn leaves_malformed_tools_out(stage: Stage) -> Verdict {
    let tools = vec![
        tool("good_one"),
        json!({"description": "has no name", "inputSchema": {"type": "object"}}),
        json!({"name": "without_schema"}),
        json!({"name": "schema_is_text", "inputSchema": "object"}),
        tool("good_two"),
    ];
    let catalog = stage.open(Gateway::legacy().tools(tools)).await?.list().await?;
    want(names(&catalog) == ["good_one", "good_two"], || shown(&names(&catalog)))?;
    let told = catalog.warnings.iter().filter(|w| w.concern == types::Concern::MalformedTool).count();
    same("warnings malformed-tool:", &told, &3)?;
    Ok("2 tools, 3 warnings".to_owned())
}

async fn notices_duplicates(stage: Stage) -> Verdict {
    let tools = vec![tool("send_message"), tool("read_file"), tool("send_message")];
    let catalog = stage.open(Gateway::legacy().tools(tools)).await?.list().await?;
    has(&catalog, types::Concern::DuplicateName)?;
    let about: Vec<_> = catalog
        .warnings
        .iter()
        .filter(|warning| warning.concern == types::Concern::DuplicateName)
        .map(|warning| warning.subject.as_deref().unwrap_or("nothing"))
        .collect();
    want(about == ["send_message"], || format!("duplicate-name about {}", shown(&about)))?;
    Ok("duplicate-name: send_message".to_owned())
}

async fn notices_an_empty_list(stage: Stage) -> Verdict {
    let catalog = stage.open(Gateway::legacy().tools(Vec::new())).await?.list().await?;
    want(catalog.tools.is_empty(), || shown(&names(&catalog)))?;
    has(&catalog, types::Concern::NoTools)?;
    Ok("no tools, and the warning".to_owned())
}

async fn notices_round_numbers(stage: Stage) -> Verdict {
    for (count, round) in [(100, true), (101, false)] {
        let tools = (0..count).map(|n| tool(&format!("tool{n}"))).collect();
        let catalog = stage.open(Gateway::legacy().tools(tools)).await?.list().await?;
        let told = catalog.warnings.iter().any(|warning| warning.concern == types::Concern::RoundNumber);
        want(told == round, || format!("{} warning for {count} tools", if told { "a" } else { "no" }))?;
    }
    Ok("for 100, not for 101".to_owned())
}

async fn passes_the_lifetime_on(stage: Stage) -> Verdict {
    let told = stage.open(Gateway::modern().cacheable(60_000)).await?.list().await?.ttl_ms;
    same("ttl-ms is", &told, &Some(60_000))?;
    let silent = stage.open(Gateway::legacy()).await?.list().await?.ttl_ms;
    same("without ttlMs, ttl-ms is", &silent, &None)?;
    Ok("60000, and none".to_owned())
}

async fn lists_a_thousand_tools(stage: Stage) -> Verdict {
    let text = "What it does, at some length. ".repeat(20);
    let pages = (0..10)
        .map(|page| (0..100).map(|n| tool_with(&format!("tool_{page}_{n:02}"), json!({"description": text}))).collect())
        .collect();
    let catalog = stage.open(Gateway::legacy().pages(pages)).await?.list().await?;
    same("tools:", &catalog.tools.len(), &1_000)?;
    same("pages:", &catalog.pages, &10)?;
    let sorted = names(&catalog).is_sorted();
    want(sorted, || "they are not sorted by name".to_owned())?;
    Ok("1,000 tools from 10 pages".to_owned())
}
