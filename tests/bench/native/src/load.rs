//! `pace load`: what a service does under so many clients at once, each with a connection and a session of its own.
//! Takes a URL, a tool, connections and seconds; prints `ready` when all are connected and warm, begins when told (a line on stdin), then
//! prints calls per second and latencies. Never counts an answer that is not the tool's, and judges nothing but answers.

use std::{
    io::{self, BufRead as _},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{Result, wire::Wire};

const LEGACY: &str = "2025-06-18";
const MODERN: &str = "2026-07-28";

#[derive(Args)]
pub(crate) struct Options {
    #[arg(long)]
    url: String,
    /// The variable that holds the bearer token
    #[arg(long)]
    bearer_env: Option<String>,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How long it is measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How many requests each connection makes before that
    #[arg(long, default_value_t = 5)]
    warm: usize,
    /// As its name ends: proxies put something before it
    #[arg(long, default_value = "github_tool_0")]
    tool: String,
    /// Tools that a list must have
    #[arg(long)]
    tools: usize,
    #[arg(long, value_enum, default_value = "call")]
    what: What,
    #[arg(long, value_enum, default_value = "legacy")]
    era: Era,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Calls of one tool
    Call,
    /// Lists of all tools
    List,
    /// The page at the URL: HTTP alone, nothing behind it
    Page,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Era {
    Legacy,
    Modern,
}

/// What its clients saw.
#[derive(Default)]
struct Seen {
    took: Vec<Duration>,
    opened: usize,
}

pub(crate) fn load(options: Options) -> Result {
    let token = options.bearer_env.as_ref().map(std::env::var).transpose()?;
    let options = Arc::new(options);
    let (begin, end) = (Arc::new(Barrier::new(options.connections + 1)), Arc::new(AtomicBool::new(false)));
    let mut clients = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        let (options, token, begin, end) = (Arc::clone(&options), token.clone(), Arc::clone(&begin), Arc::clone(&end));
        clients.push(thread::spawn(move || {
            let connected = Client::connect(&options, token.as_deref());
            // All or nobody: who waits for one that failed waits for ever.
            begin.wait();
            begin.wait();
            let mut client = connected?;
            let mut seen = Seen::default();
            while !end.load(Ordering::Relaxed) {
                let started = Instant::now();
                client.once()?;
                seen.took.push(started.elapsed());
            }
            seen.opened = client.wire.opened;
            client.leave();
            Result::Ok(seen)
        }));
    }
    begin.wait();
    println!("{}", json!({"ready": true}));
    io::stdin().lock().read_line(&mut String::new())?;
    let started = Instant::now();
    begin.wait();
    thread::sleep(Duration::from_secs_f64(options.seconds));
    end.store(true, Ordering::Relaxed);
    let mut all = Seen::default();
    for client in clients {
        let seen = client.join().map_err(|_| "a client panicked")??;
        all.took.extend(seen.took);
        all.opened += seen.opened;
    }
    // Until the last answer: calls that were on their way at the end are in it.
    let took = started.elapsed();
    all.took.sort_unstable();
    let at =
        |share: usize| all.took.get((all.took.len().saturating_sub(1)) * share / 1000).copied().unwrap_or_default();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand calls")]
    let per_second = all.took.len() as f64 / took.as_secs_f64();
    println!(
        "{}",
        json!({
            "count": all.took.len(), "seconds": took.as_secs_f64(), "per_second": per_second,
            "p50_ms": ms(at(500)), "p99_ms": ms(at(990)), "max_ms": ms(at(1000)), "connections_opened": all.opened,
        })
    );
    Ok(())
}

struct Client<'a> {
    options: &'a Options,
    wire: Wire,
    /// Header fields of every request.
    fields: String,
    /// As the server calls it.
    tool: String,
    id: u64,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    result: Option<Value>,
}

impl<'a> Client<'a> {
    /// A session, a list in which the tool is, and some requests that count for nothing.
    fn connect(options: &'a Options, token: Option<&str>) -> Result<Self> {
        let fields = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let wire = Wire::new(&options.url)?;
        let mut client = Self { options, wire, fields, tool: String::new(), id: 0 };
        if options.what != What::Page {
            if options.era == Era::Legacy {
                client.initialize()?;
            }
            let names = client.list()?;
            let name = names
                .into_iter()
                .find(|name| name.ends_with(&options.tool) || name.ends_with(&options.tool.replace('_', "-")));
            client.tool = name.ok_or_else(|| format!("no tool ends with {}", options.tool))?;
        }
        for _ in 0..options.warm {
            client.once()?;
        }
        Ok(client)
    }

    fn initialize(&mut self) -> Result {
        let hello =
            json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "pace", "version": "1"}});
        let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}).to_string();
        let answer = self.wire.post(&self.fields, &message)?;
        if answer.status != 200 {
            return Err(format!("initialize: {} {}", answer.status, self.wire.message(&answer)?).into());
        }
        if let Some(session) = answer.session {
            self.fields.push_str(&format!("Mcp-Session-Id: {session}\r\n"));
        }
        self.fields.push_str(&format!("MCP-Protocol-Version: {LEGACY}\r\n"));
        let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
        self.wire.post(&self.fields, &note)?;
        Ok(())
    }

    /// What is measured.
    fn once(&mut self) -> Result {
        match self.options.what {
            What::Call => self.call(),
            What::List => self.list().map(drop),
            What::Page => {
                let status = self.wire.ask("GET", &self.fields)?.status;
                if status == 200 { Ok(()) } else { Err(format!("{}: {status}", self.options.url).into()) }
            }
        }
    }

    fn call(&mut self) -> Result {
        let name = self.tool.clone();
        let result = self.ask("tools/call", json!({"name": name, "arguments": {"query": "x"}}), Some(&name))?;
        let text = result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default();
        // The server says which tool ran, by the name that it has there.
        if result.get("isError") != Some(&Value::Bool(true)) && text == format!("{} ran", self.options.tool) {
            return Ok(());
        }
        Err(format!("another answer than the server's: {result}").into())
    }

    /// All tools, whatever the pages.
    fn list(&mut self) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::with_capacity(self.options.tools);
        let mut params = json!({});
        loop {
            let mut result = self.ask("tools/list", params, None)?;
            for tool in result.pointer_mut("/tools").and_then(Value::as_array_mut).ok_or("a list without tools")? {
                match tool.get_mut("name").map(Value::take) {
                    Some(Value::String(name)) => names.push(name),
                    _ => return Err("a tool without a name".into()),
                }
            }
            match result.get_mut("nextCursor").map(Value::take) {
                Some(Value::String(cursor)) => params = json!({"cursor": cursor}),
                _ => break,
            }
        }
        if names.len() == self.options.tools {
            Ok(names)
        } else {
            Err(format!("{} tools, {} are there", names.len(), self.options.tools).into())
        }
    }

    fn ask(&mut self, method: &str, mut params: Value, name: Option<&str>) -> Result<Value> {
        self.id += 1;
        let id = self.id.to_string();
        let modern = self.options.era == Era::Modern;
        if modern && let Some(params) = params.as_object_mut() {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "pace", "version": "1"},
            });
            params.insert("_meta".to_owned(), meta);
        }
        let message = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}).to_string();
        let answer = if modern {
            let mut fields = format!("{}MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n", self.fields);
            if let Some(name) = name {
                fields.push_str(&format!("Mcp-Name: {name}\r\n"));
            }
            self.wire.post(&fields, &message)?
        } else {
            self.wire.post(&self.fields, &message)?
        };
        let text = self.wire.message(&answer)?;
        let wrong = || format!("{method}: {} {:.500}", answer.status, text);
        let reply: Reply<'_> = serde_json::from_str(text).map_err(|_| wrong())?;
        if answer.status != 200 || reply.id.map(RawValue::get) != Some(id.as_str()) {
            return Err(wrong().into());
        }
        reply.result.ok_or_else(|| wrong().into())
    }

    /// What a server keeps for a session is not ours to leave there; nobody measures this.
    fn leave(&mut self) {
        if self.options.what == What::Page {
            return;
        }
        drop(self.wire.ask("DELETE", &self.fields));
    }
}
