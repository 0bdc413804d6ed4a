//! What stands before gateways: compression, balancers with cookies, redirects, services that wake up, connections that end unseen.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use pflow_gateway_base::sync::Mutex;

use super::*;

/// A server that keeps what it was asked, and answers with what `answer` makes of the number and the text of each request; none closes.
pub(super) struct Scripted {
    pub(super) server: Server,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(super) async fn start(answer: impl Fn(usize, &str) -> Option<Vec<u8>> + Clone + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&asked);
        let server = Server::start(move |_, mut stream| {
            let (answer, keep) = (answer.clone(), Arc::clone(&keep));
            async move {
                while let Some(request) = read_request(&mut stream).await? {
                    let number = {
                        let mut asked = keep.lock();
                        asked.push(request.clone());
                        asked.len() - 1
                    };
                    let Some(bytes) = answer(number, &request) else { return Ok(()) };
                    stream.write_all(&bytes).await?;
                }
                Ok(())
            }
        })
        .await;
        Self { server, asked }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    answer("200 OK", headers, body)
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn post(url: &str, method: &str) -> Request<WasiBody> {
    let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{}}}}"#);
    Request::post(url).header("content-type", "application/json").body(body(message)).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_compressed_answer_is_asked_for_and_read() {
    let gateway = Scripted::start(|_, _| Some(ok("content-encoding: gzip\r\n", &gzip(b"{\"tools\":[]}")))).await;
    let url = gateway.server.url();
    let visit = visit();
    let request = Request::get(&url).header("accept-encoding", "zstd").body(body("")).unwrap();
    let response = egress(&url).send(request, None, &visit).await.unwrap();
    assert!(response.headers().get(header::CONTENT_ENCODING).is_none(), "{response:?}");
    assert!(response.headers().get(header::CONTENT_LENGTH).is_none(), "{response:?}");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{\"tools\":[]}");
    let asked = gateway.asked();
    assert_eq!(asked[0].matches("accept-encoding").count(), 1, "{asked:?}");
    assert!(asked[0].contains("accept-encoding: gzip, deflate, br\r\n"), "{asked:?}");
}

#[tokio::test]
async fn a_compressed_answer_is_bounded_by_what_it_becomes() {
    let bomb = gzip(&vec![0; 30_000_000]);
    let sent = bomb.len();
    let gateway = Scripted::start(move |_, _| Some(ok("content-encoding: gzip\r\n", &bomb))).await;
    let limits = EgressLimits { response_body: 1_000_000, ..EgressLimits::default() };
    let (egress, visit) = (limited(&gateway.server.url(), &limits), visit());
    let failure = fetch_on(&egress, get(&gateway.server.url()), &visit).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::BodyTooLarge { limit: 1_000_000, .. }), "{failure:?}");
    assert!(sent < 100_000 && visit.received() < 1_100_000, "{}", visit.received());
}

#[tokio::test]
async fn a_compressed_stream_passes_on_each_event_when_it_comes() {
    let server = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n")
            .await?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        for event in 0..3 {
            encoder.write_all(format!("data: {event}\n\n").as_bytes())?;
            encoder.flush()?;
            let bytes = std::mem::take(encoder.get_mut());
            stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
            stream.write_all(&bytes).await?;
            stream.write_all(b"\r\n").await?;
            // The next one only once this one was seen.
            if stream.read_u8().await.is_err() {
                break;
            }
        }
        std::future::pending().await
    })
    .await;
    let egress = egress(&server.url());
    let visit = visit();
    let mut stream = egress.send(get(&server.url()), None, &visit).await.unwrap().into_body();
    let frame = tokio::time::timeout(Duration::from_secs(4), stream.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "data: 0\n\n");
}

#[tokio::test]
async fn an_unknown_coding_is_named_unless_the_answer_is_a_refusal_anyway() {
    let gateway = Scripted::start(|number, _| {
        Some(answer(if number == 0 { "200 OK" } else { "401 No" }, "content-encoding: zstd\r\n", b"(\xb5/\xfd...."))
    })
    .await;
    let egress = egress(&gateway.server.url());
    let error = Error::from(fetch(&egress, get(&gateway.server.url())).await.unwrap_err());
    let at = gateway.server.address;
    assert_eq!(error.message, format!("the answer of http://{at} is compressed with zstd, which is not understood"));
    assert!(error.hint.unwrap().contains("gzip, deflate and br"));
    assert_eq!(fetch(&egress, get(&gateway.server.url())).await.unwrap(), (401, Bytes::new()));
}

#[tokio::test]
async fn what_says_that_it_is_compressed_and_is_not_is_an_error_and_an_empty_answer_is_none() {
    let gateway = Scripted::start(|number, _| {
        Some(ok("content-encoding: gzip\r\n", if number == 0 { b"{\"tools\":[]}" } else { b"" }))
    })
    .await;
    let egress = egress(&gateway.server.url());
    let failure = fetch(&egress, get(&gateway.server.url())).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::NotCoded { .. }), "{failure:?}");
    assert_eq!(failure.delivery(), Delivery::MaybeDelivered);
    assert_eq!(fetch(&egress, get(&gateway.server.url())).await.unwrap(), (200, Bytes::new()));
}

#[tokio::test]
async fn a_request_without_a_body_has_none() {
    let gateway = Server::echo().await;
    let egress = egress(&gateway.url());
    for method in [Method::GET, Method::DELETE] {
        // As the sandbox gives it: a body of unknown length, with nothing in it.
        let unknown = Nothing.boxed_unsync();
        let request = Request::builder().method(method.clone()).uri(gateway.url()).body(unknown).unwrap();
        let (_, sent) = fetch(&egress, request).await.unwrap();
        let sent = String::from_utf8_lossy(&sent).to_lowercase();
        assert!(sent.starts_with(&method.as_str().to_lowercase()), "{sent}");
        assert!(!sent.contains("transfer-encoding") && !sent.contains("content-"), "{sent}");
    }
    let (_, sent) = fetch(&egress, Request::post(gateway.url()).body(body("")).unwrap()).await.unwrap();
    assert!(String::from_utf8_lossy(&sent).contains("content-length: 0\r\n"), "{sent:?}");
    let (_, sent) = fetch(&egress, Request::post(gateway.url()).body(body("{}")).unwrap()).await.unwrap();
    assert!(String::from_utf8_lossy(&sent).contains("content-length: 2\r\n"), "{sent:?}");
}

/// A body that ends at once, and does not say so before.
struct Nothing;

impl http_body::Body for Nothing {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }
}

#[tokio::test]
async fn cookies_are_kept_by_the_host_and_seen_by_nobody() {
    let gateway = Scripted::start(|number, _| {
        Some(ok(&format!("set-cookie: lb=node-{number}; Path=/; HttpOnly\r\nset-cookie: other=1\r\n"), b"{}"))
    })
    .await;
    let url = gateway.server.url();
    let egress = egress(&url);
    let visit = visit();
    for _ in 0..2 {
        let response = egress.send(get(&url), None, &visit).await.unwrap();
        assert!(response.headers().get(header::SET_COOKIE).is_none(), "{response:?}");
    }
    let guests = Request::get(&url).header("cookie", "lb=stolen").body(body("")).unwrap();
    fetch(&egress, guests).await.unwrap();
    egress.forget_cookies();
    fetch(&egress, get(&url)).await.unwrap();
    let sent: Vec<_> = gateway
        .asked()
        .iter()
        .map(|asked| asked.lines().find_map(|line| line.strip_prefix("cookie: ")).unwrap_or("").to_owned())
        .collect();
    assert_eq!(sent, ["", "lb=node-0; other=1", "lb=node-1; other=1", ""]);
    assert!(!format!("{egress:?} {visit:?}").contains("node-"), "{egress:?}");
}

#[tokio::test]
async fn cookies_never_go_to_another_origin() {
    let gateway = Scripted::start(|_, _| Some(ok("set-cookie: sid=1; Path=/; Domain=127.0.0.1\r\n", b"{}"))).await;
    let further = Server::echo().await;
    let mut options = options(&gateway.server.url());
    options.allow_origins = vec![format!("http://{}", further.address).parse().unwrap()];
    let egress = Egress::new(&options, &EgressLimits::default()).unwrap();
    fetch(&egress, get(&gateway.server.url())).await.unwrap();
    let (_, sent) = fetch(&egress, get(&further.url())).await.unwrap();
    assert!(!String::from_utf8_lossy(&sent).contains("cookie"), "{sent:?}");
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed_once_with_method_body_and_credential() {
    for (status, location) in
        [("307 Temporary Redirect", "/mcp/?a=b#c"), ("308 Permanent Redirect", "HTTP://127.1:PORT/mcp/?a=b")]
    {
        let gateway = Scripted::start(move |number, request| {
            let port = request.split("host: 127.0.0.1:").nth(1)?.split("\r\n").next()?;
            let location = location.replace("PORT", port);
            let redirect = answer(status, &format!("location: {location}\r\nset-cookie: way=1; Path=/\r\n"), b"");
            Some(if number == 0 { redirect } else { ok("", b"done") })
        })
        .await;
        let egress = egress(&gateway.server.url());
        egress.set_credentials(bearer("right-token"));
        let visit = visit();
        let (code, bytes) = fetch_on(&egress, post(&gateway.server.url(), "tools/call"), &visit).await.unwrap();
        assert_eq!((code, bytes), (200, Bytes::from_static(b"done")));
        let asked = gateway.asked();
        assert_eq!(asked.len(), 2);
        assert!(asked[1].starts_with("POST /mcp/?a=b HTTP/1.1\r\n"), "{asked:?}");
        assert!(asked[1].contains("Bearer right-token") && asked[1].contains("cookie: way=1"), "{asked:?}");
        assert!(asked[1].ends_with(r#""method":"tools/call","params":{}}"#), "{asked:?}");
        let seen: Vec<_> = visit.requests().into_iter().map(|trace| trace.status.unwrap().as_u16()).collect();
        assert_eq!(seen, [status.split(' ').next().unwrap().parse().unwrap(), 200]);
    }
}

#[tokio::test]
async fn a_chain_of_redirects_within_the_origin_is_followed_to_its_end() {
    let gateway = Scripted::start(|number, _| {
        let status = if number % 2 == 0 { "307 x" } else { "308 x" };
        let next = format!("location: /step/{number}\r\n");
        Some(if number < 20 { answer(status, &next, b"") } else { ok("", b"done") })
    })
    .await;
    let egress = egress(&gateway.server.url());
    egress.set_credentials(bearer("right-token"));
    let got = fetch(&egress, post(&gateway.server.url(), "tools/call")).await.unwrap();
    assert_eq!(got, (200, Bytes::from_static(b"done")));
    let asked = gateway.asked();
    assert_eq!(asked.len(), 21);
    assert!(asked[20].starts_with("POST /step/19 HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked.iter().all(|request| request.contains("Bearer right-token") && request.contains("tools/call")));
}

#[tokio::test]
async fn redirects_that_do_not_end_are_given_up_and_their_way_is_told() {
    for (next, requests, way) in [
        (["/mcp", "/mcp"], 1, "/mcp → /mcp"),
        (["/b?key=hidden", "/mcp"], 2, "/mcp → /b → /mcp"),
        (["/mcp/", "/c"], 3, "/mcp → /mcp/ → /c → /mcp/"),
    ] {
        let gateway = Scripted::start(move |number, _| {
            Some(answer("308 x", &format!("location: {}\r\n", next[number % 2]), b""))
        })
        .await;
        let failure =
            fetch(&egress(&gateway.server.url()), post(&gateway.server.url(), "tools/call")).await.unwrap_err();
        assert_eq!(failure.to_string(), format!("http://{} redirects without end: {way}", gateway.server.address));
        assert_eq!((failure.class(), failure.delivery()), (Class::NotMcp, Delivery::NotDelivered));
        assert_eq!(gateway.asked().len(), requests, "{way}");
    }
    let gateway =
        Scripted::start(|number, _| Some(answer("307 x", &format!("location: /step/{number}\r\n"), b""))).await;
    let failure = fetch(&egress(&gateway.server.url()), get(&gateway.server.url())).await.unwrap_err();
    assert!(
        failure
            .to_string()
            .ends_with("without end: … → /step/15 → /step/16 → /step/17 → /step/18 → /step/19 → /step/20"),
        "{failure}"
    );
    assert_eq!(gateway.asked().len(), 21);
}

#[tokio::test]
async fn a_redirect_to_itself_that_brings_a_cookie_is_followed() {
    let gateway = Scripted::start(|_, request| {
        let back = answer("307 x", "location: /mcp\r\nset-cookie: seen=1\r\n", b"");
        Some(if request.contains("cookie: seen=1") { ok("", b"done") } else { back })
    })
    .await;
    let got = fetch(&egress(&gateway.server.url()), post(&gateway.server.url(), "tools/list")).await.unwrap();
    assert_eq!((got, gateway.asked().len()), ((200, Bytes::from_static(b"done")), 2));
}

#[tokio::test]
async fn a_redirect_that_would_change_the_method_or_leads_elsewhere_ends_as_an_answer() {
    for (status, location) in [
        ("301 x", "/mcp/"),
        ("302 x", "/mcp/"),
        ("303 x", "/mcp/"),
        ("307 x", "http://127.0.0.1:9/mcp/"),
        ("307 x", "https://127.0.0.1:PORT/mcp/"),
        ("307 x", "https://127.0.0.1/mcp/"),
        ("307 x", "http://user@127.0.0.1:PORT/mcp/"),
        ("307 x", "//evil.example/mcp"),
    ] {
        let gateway = Scripted::start(move |_, request| {
            let port = request.split("host: 127.0.0.1:").nth(1)?.split("\r\n").next()?;
            Some(answer(status, &format!("location: {}\r\n", location.replace("PORT", port)), b""))
        })
        .await;
        let (code, _) = fetch(&egress(&gateway.server.url()), post(&gateway.server.url(), "ping")).await.unwrap();
        assert_eq!(code.to_string(), status.split(' ').next().unwrap());
        assert_eq!(gateway.asked().len(), 1, "{status} to {location}");
    }
    // What is only read stays the same under each of them.
    for status in ["301 x", "302 x", "303 x"] {
        let gateway = Scripted::start(move |number, _| {
            Some(if number == 0 { answer(status, "location: /there\r\n", b"") } else { ok("", b"done") })
        })
        .await;
        assert_eq!(fetch(&egress(&gateway.server.url()), get(&gateway.server.url())).await.unwrap().0, 200);
        assert!(gateway.asked()[1].starts_with("GET /there HTTP/1.1"), "{status}");
    }
}

#[tokio::test]
async fn a_service_that_wakes_up_is_asked_once_more_when_that_changes_nothing() {
    let waking = |wait: &'static str| {
        Scripted::start(move |number, _| {
            let busy = answer("503 Service Unavailable", &format!("retry-after: {wait}\r\n"), b"waking");
            Some(if number == 0 { busy } else { ok("", b"awake") })
        })
    };
    for (wait, method, code, requests) in [
        ("0", "tools/list", 200, 2),
        ("1", "initialize", 200, 2),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "tools/list", 200, 2),
        ("0", "tools/call", 503, 1),
        ("60", "tools/list", 503, 1),
        ("soon", "tools/list", 503, 1),
        ("-1", "tools/list", 503, 1),
    ] {
        let gateway = waking(wait).await;
        let got = fetch(&egress(&gateway.server.url()), post(&gateway.server.url(), method)).await.unwrap();
        assert_eq!((got.0, gateway.asked().len()), (code, requests), "{wait}, {method}");
    }
    // No longer than there is time.
    let gateway = waking("3").await;
    let mut options = options(&gateway.server.url());
    options.timeout = Duration::from_secs(2);
    let egress = Egress::new(&options, &EgressLimits::default()).unwrap();
    assert_eq!(fetch(&egress, post(&gateway.server.url(), "tools/list")).await.unwrap().0, 503);
}

/// Answers the first request of a connection; at the second, reads it and closes without a word.
async fn forgetful() -> Scripted {
    Scripted::start(
        |number, request| {
            if number == 0 || !request.contains("closing") || number >= 2 { Some(ok("", b"{}")) } else { None }
        },
    )
    .await
}

#[tokio::test]
async fn a_question_that_was_lost_with_a_connection_used_again_is_asked_once_more() {
    let gateway = forgetful().await;
    let url = gateway.server.url();
    let egress = egress(&url);
    fetch(&egress, post(&url, "initialize")).await.unwrap();
    let (code, _) = fetch(&egress, post(&format!("{url}?closing"), "tools/list")).await.unwrap();
    assert_eq!((code, gateway.asked().len(), gateway.server.connections()), (200, 3, 2));
}

#[tokio::test]
async fn a_call_that_was_lost_with_a_connection_is_never_sent_again() {
    let gateway = forgetful().await;
    let url = gateway.server.url();
    let egress = egress(&url);
    fetch(&egress, post(&url, "initialize")).await.unwrap();
    let failure = fetch(&egress, post(&format!("{url}?closing"), "tools/call")).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::Reset { when: Progress::NoAnswer, .. }), "{failure:?}");
    assert_eq!(failure.delivery(), Delivery::MaybeDelivered);
    assert_eq!(gateway.asked().len(), 2);
}

#[tokio::test]
async fn what_is_no_question_for_certain_is_not_asked_twice() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"method":"ping","method":"tools/call"}"#,
        r#"[{"method":"ping"}]"#,
        "name=value",
    ] {
        let gateway = forgetful().await;
        let url = gateway.server.url();
        let egress = egress(&url);
        fetch(&egress, post(&url, "initialize")).await.unwrap();
        let request = Request::post(format!("{url}?closing")).body(body(text)).unwrap();
        fetch(&egress, request).await.unwrap_err();
        assert_eq!(gateway.asked().len(), 2, "{text}");
    }
}

#[tokio::test]
async fn an_answer_to_the_old_credential_hides_the_new_one_too() {
    let gateway =
        Scripted::start(|_, _| Some(ok("x-echo: old-token-1 new-token-2\r\n", b"old-token-1 new-token-2"))).await;
    let egress = egress(&gateway.server.url());
    egress.set_credentials(bearer("old-token-1"));
    let visit = visit();
    let response = egress.send(get(&gateway.server.url()), None, &visit).await.unwrap();
    egress.set_credentials(bearer("new-token-2"));
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bytes, "*********** ***********");
}

#[tokio::test]
async fn a_request_whose_body_never_ends_is_never_sent() {
    let gateway = Server::echo().await;
    let mut options = options(&gateway.url());
    options.timeout = Duration::from_millis(200);
    let egress = Egress::new(&options, &EgressLimits::default()).unwrap();
    let endless = Endless.boxed_unsync();
    let failure = fetch(&egress, Request::post(gateway.url()).body(endless).unwrap()).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::BadRequest { .. }), "{failure:?}");
    assert_eq!((failure.delivery(), gateway.connections()), (Delivery::NotDelivered, 0));
}

/// A body of which nothing more comes.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}
