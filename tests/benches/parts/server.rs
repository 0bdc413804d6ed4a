//! An MCP server that is never the slow one, within the process that measures.
//! Takes what a list and a call shall weigh; gives a URL. Reads HTTP with `Content-Length` alone, answers each request in one write, and stops
//! at the first surprise.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

/// Starts it, on a port of its own, until the process ends.
pub(super) fn serve(tools: usize, page: usize) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let pages = Arc::new(pages(tools, page));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let pages = Arc::clone(&pages);
            thread::spawn(move || connection(&stream.unwrap(), &pages));
        }
    });
    url
}

/// The results of `tools/list`; the cursor is the number of the page.
fn pages(tools: usize, page: usize) -> Vec<String> {
    let starts: Vec<usize> = (0..tools).step_by(page).collect();
    let one = |(number, start): (usize, &usize)| {
        let tools: Vec<Value> = (*start..(start + page).min(tools)).map(tool).collect();
        let next = (number + 1 < starts.len()).then(|| (number + 1).to_string());
        let mut result = json!({"tools": tools});
        if let Some(next) = next {
            result["nextCursor"] = json!(next);
        }
        result.to_string()
    };
    starts.iter().enumerate().map(one).collect()
}

/// One of half a kilobyte, as those of the large gateways are.
pub(super) fn tool(number: usize) -> Value {
    json!({
        "name": format!("github__list_issues_{number}"),
        "description": "List the issues of a repository, newest first. Give \"state\" for those that are open or closed alone.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "owner": {"type": "string", "description": "Whose repository"},
                "repo": {"type": "string", "description": "Its name"},
                "state": {"type": "string", "enum": ["open", "closed", "all"], "default": "open"},
                "page": {"type": "integer", "minimum": 1},
            },
            "required": ["owner", "repo"],
        },
        "annotations": {"title": "List issues", "readOnlyHint": true},
    })
}

/// What is asked, as far as it matters.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: String,
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
struct Params {
    cursor: Option<String>,
    name: Option<String>,
}

fn connection(stream: &TcpStream, pages: &[String]) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body).unwrap();
        let mut stream = stream;
        stream.write_all(&answer(&body, pages)).unwrap();
    }
}

fn answer(body: &[u8], pages: &[String]) -> Vec<u8> {
    if body.is_empty() {
        // The end of a session, or a stream that nobody needs.
        return b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n".to_vec();
    }
    let asked: Asked<'_> = serde_json::from_slice(body).unwrap();
    let Some(id) = asked.id else {
        return b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_vec();
    };
    let result = match asked.method.as_str() {
        "initialize" => {
            r#""result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"parts","version":"0"}}"#.to_owned()
        }
        "tools/list" => {
            let number: usize = asked.params.cursor.map_or(0, |cursor| cursor.parse().unwrap());
            format!(r#""result":{}"#, pages[number])
        }
        // As many letters as its name says.
        "tools/call" => {
            let letters = "a".repeat(asked.params.name.unwrap().parse().unwrap());
            format!(r#""result":{{"content":[{{"type":"text","text":"{letters}"}}]}}"#)
        }
        _ => r#""error":{"code":-32601,"message":"Method not found"}"#.to_owned(),
    };
    let message = format!(r#"{{"jsonrpc":"2.0","id":{id},{result}}}"#);
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", message.len());
    (head + &message).into_bytes()
}
