//! Faults in HTTP: statuses, headers, framing, bodies. They meet every request, whatever it asks.
//! Gives rows of the table. Never a status that MCP gives a meaning of its own in that place.

use std::{io::Write as _, sync::OnceLock};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use pflow_gateway::Class::{Forbidden, Limit, NotMcp, ProtocolError, Timeout, Unreachable, UpstreamError};
use serde_json::json;

use super::{
    Family, Fault, Stage, Turn,
    acts::{answer, body, bytes, ms, script},
};
use crate::reply::{Answer, Reply, Step, chunked_head, head};

const HTML: &str = "<!doctype html><html><head><title>Sign in</title></head><body><h1>Welcome</h1></body></html>";

fn html(status: u16) -> Option<Reply> {
    body(status, "text/html; charset=utf-8", HTML)
}

fn redirect(status: u16, location: &str) -> Option<Reply> {
    answer(Answer::empty(status).with("Location", location))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Into memory: nothing can fail.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}

/// Made once: it is half a megabyte.
fn bomb() -> Bytes {
    static BOMB: OnceLock<Bytes> = OnceLock::new();
    BOMB.get_or_init(|| gzip(&" ".repeat(1 << 29)).into()).clone()
}

fn every(name: &'static str, does: &'static str, act: fn(&Turn<'_>) -> Option<Reply>) -> Fault {
    Fault::reply(name, Family::Http, Stage::Every, does, act).requests(4)
}

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = statuses();
    faults.extend(bodies());
    faults
}

fn statuses() -> Vec<Fault> {
    vec![
        every("http-301-other-origin", "Redirects to another host for good.", |_| {
            redirect(301, "http://other.invalid/mcp")
        })
        .fails(NotMcp),
        every("http-302-login-page", "Redirects to a sign-in page elsewhere.", |_| {
            redirect(302, "https://login.invalid/")
        })
        .fails(NotMcp),
        every("http-307-other-origin", "Redirects the POST to another host.", |_| {
            redirect(307, "http://other.invalid/mcp")
        })
        .fails(NotMcp),
        every("http-307-slash", "Redirects to the same path with a slash.", |turn| {
            if turn.seen.target.ends_with('/') { None } else { redirect(307, "/mcp/") }
        })
        // Each at both, and only the second is more than a redirect.
        .calls(2)
        .requests(20),
        every("http-301-slash-inside", "Redirects to the address inside, with a slash.", |_| {
            redirect(301, "http://127.0.0.1:9/mcp/")
        })
        .fails(NotMcp),
        every("http-307-to-itself", "Redirects to the same URL for ever.", |_| redirect(307, "/mcp"))
            .fails(NotMcp)
            .requests(30),
        every("http-400-text", "Answers 400 with a text.", |_| answer(Answer::go_error(400, "bad request")))
            .fails(NotMcp),
        every("http-400-detail", "Answers 400 with JSON that is not JSON-RPC.", |_| {
            answer(Answer::json(400, &json!({"detail": "Bad Request"})))
        })
        .fails(NotMcp),
        every("http-403", "Refuses the caller.", |_| answer(Answer::json(403, &json!({"detail": "Access denied"}))))
            .fails(Forbidden),
        every("http-403-csrf", "Refuses the caller with a page.", |_| html(403)).fails(Forbidden),
        every("http-404-json", "Knows no such path, in JSON.", |_| {
            answer(Answer::json(404, &json!({"detail": "Not Found"})))
        })
        .fails(NotMcp),
        every("http-404-html", "Knows no such path, in HTML.", |_| html(404)).fails(NotMcp),
        every("http-405", "Allows no POST.", |_| answer(Answer::empty(405).with("Allow", "GET, HEAD"))).fails(NotMcp),
        every("http-406", "Finds nothing acceptable.", |_| answer(Answer::go_error(406, "Not Acceptable")))
            .fails(NotMcp),
        every("http-410", "Says that the endpoint is gone.", |_| answer(Answer::go_error(410, "Gone"))).fails(NotMcp),
        every("http-415", "Refuses the content type.", |_| {
            answer(Answer::go_error(415, "Content-Type must be 'application/json'"))
        })
        .fails(NotMcp),
        every("http-500", "Fails inside.", |_| answer(Answer::go_error(500, "Internal Server Error")))
            .fails(UpstreamError),
        every("http-500-json-rpc", "Fails inside, with a JSON-RPC error.", |turn| {
            answer(Answer::json(500, &crate::rpc::error(&turn.seen.rpc_id(), -32603, "Internal error")))
        })
        .fails(UpstreamError),
        every("http-502", "A proxy cannot reach the gateway.", |_| {
            body(502, "text/html", "<html><h1>502 Bad Gateway</h1></html>")
        })
        .fails(UpstreamError),
        every("http-503-retry-after", "Is unavailable for half a minute.", |_| {
            answer(Answer::go_error(503, "Service Unavailable").with("Retry-After", "30"))
        })
        .fails(UpstreamError),
        every("http-503-wakes-up", "Is unavailable for a second, once.", |turn| {
            if turn.once() {
                answer(Answer::go_error(503, "Service Unavailable").with("Retry-After", "1"))
            } else {
                None
            }
        })
        .requests(10)
        .within(5),
        every("http-504", "A proxy waited in vain.", |_| {
            body(504, "text/html", "<html><h1>504 Gateway Time-out</h1></html>")
        })
        .fails(Timeout),
        every("http-421-host", "Does not take the name in the Host header.", |_| {
            answer(Answer::body(421, "text/plain", "Invalid Host header"))
        })
        .fails(Forbidden),
        every("http-403-bot-check", "Wants to see a browser first (Cloudflare).", |_| {
            answer(
                Answer::body(403, "text/html", "<!DOCTYPE html><title>Just a moment...</title>")
                    .with("cf-mitigated", "challenge"),
            )
        })
        .fails(Forbidden),
        every("http-400-https-port", "Speaks TLS on this port, and says so in plain HTTP (nginx).", |_| {
            body(400, "text/html", "<title>400 The plain HTTP request was sent to HTTPS port</title>")
        })
        .fails(NotMcp),
        every("http-204", "Answers with no content at all.", |_| answer(Answer::bare(204))).fails(NotMcp),
        every("http-101", "Switches protocols that nobody asked to switch.", |_| {
            script(vec![
                bytes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
                Step::Close,
            ])
        })
        .fails(NotMcp),
    ]
}

fn bodies() -> Vec<Fault> {
    vec![
        every("http-200-empty", "Answers 200 with an empty body.", |_| body(200, "application/json", "")).fails(NotMcp),
        every("http-200-html", "Answers 200 with a web page.", |_| html(200)).fails(NotMcp),
        every("http-200-html-as-json", "Answers 200 with a web page that calls itself JSON.", |_| {
            body(200, "application/json", HTML)
        })
        .fails(NotMcp),
        every("http-200-text", "Answers 200 with plain text.", |_| body(200, "text/plain", "OK")).fails(NotMcp),
        every("http-200-other-json", "Answers 200 with JSON that is not JSON-RPC.", |_| {
            body(200, "application/json", "{\"status\":\"ok\"}")
        })
        .fails(NotMcp),
        every("http-200-octets", "Answers 200 with bytes.", |_| body(200, "application/octet-stream", vec![0_u8, 159, 146, 150]))
            .fails(NotMcp),
        every("http-zstd-unasked", "Answers with a coding that nobody asked for.", |_| {
            answer(Answer::body(200, "application/json", "(\u{b5}/\u{fd}").with("Content-Encoding", "zstd"))
        })
        .fails(ProtocolError),
        every("http-gzip-not", "Calls an answer gzip that is not.", |_| {
            answer(Answer::json(200, &json!({"jsonrpc": "2.0", "id": 1, "result": {}})).with("Content-Encoding", "gzip"))
        })
        .fails(ProtocolError),
        every("http-gzip-bomb", "Compresses half a gigabyte of blanks.", |_| {
            answer(Answer::body(200, "application/json", bomb()).with("Content-Encoding", "gzip"))
        })
        .fails(Limit)
        .within(20),
        Fault::message("http-gzip", Family::Http, Stage::Answers, "Compresses its answers.", |_, m| {
            answer(Answer::body(200, "application/json", gzip(&m.to_string())).with("Content-Encoding", "gzip"))
        }),
        Fault::message("http-gzip-stream", Family::Http, Stage::Answers, "Compresses its event streams.", |_, m| {
            let events = format!("event: message\ndata: {m}\n\n");
            answer(Answer::body(200, "text/event-stream", gzip(&events)).with("Content-Encoding", "gzip"))
        }),
        every("http-huge-header", "Sends a header of one megabyte.", |_| {
            answer(Answer::json(200, &json!({})).with("X-Padding", "x".repeat(1 << 20)))
        })
        .fails(Limit),
        every("http-endless-headers", "Sends headers for ever.", |_| {
            let line = format!("X-Padding: {}\r\n", "x".repeat(1000));
            script(vec![bytes("HTTP/1.1 200 OK\r\n"), Step::Flood(line.into(), ms(0))])
        })
        .fails(Limit),
        every("http-endless-body", "Sends a body for ever.", |_| {
            let mut piece = b"10000\r\n".to_vec();
            piece.extend(std::iter::repeat_n(b' ', 0x10000));
            piece.extend_from_slice(b"\r\n");
            script(vec![bytes(chunked_head(200, "application/json")), Step::Flood(piece.into(), ms(0))])
        })
        .fails(Limit)
        .within(20),
        every("http-slow-body", "Sends one byte of the body every 100 ms.", |_| {
            script(vec![bytes(head(200, "application/json", 100_000)), Step::Flood(" ".into(), ms(100))])
        })
        .fails(Timeout)
        .at_deadline(),
        every("http-slow-headers", "Sends one header every 100 ms.", |_| {
            script(vec![bytes("HTTP/1.1 200 OK\r\n"), Step::Flood("X-A: b\r\n".into(), ms(100))])
        })
        .fails(Timeout)
        .at_deadline(),
        every("http-body-stops", "Promises 500 bytes, sends 17, and stays silent.", |_| {
            let mut start = head(200, "application/json", 500);
            start.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
            script(vec![bytes(start), Step::Hang])
        })
        .fails(Timeout)
        .at_deadline(),
        every("http-chunked-garbage", "Sends chunks whose sizes are no numbers.", |_| {
            let mut start = chunked_head(200, "application/json");
            start.extend_from_slice(b"zzzz\r\n{}\r\n");
            script(vec![bytes(start), Step::Close])
        })
        .fails(Unreachable),
        every("http-two-lengths", "Sends two lengths that differ.", |_| {
            let text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}";
            script(vec![bytes(text), Step::Close])
        })
        .fails(NotMcp),
        every("http-not-http", "Speaks another protocol.", |_| script(vec![bytes("SSH-2.0-OpenSSH_9.6\r\n"), Step::Close]))
            .fails(NotMcp),
    ]
}
