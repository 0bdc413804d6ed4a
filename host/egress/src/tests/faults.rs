//! Servers that do not do what they should.

use std::time::Instant;

use super::*;

async fn failure_of(server: &Server, limits: &EgressLimits) -> (EgressFailure, Duration) {
    let mut options = options(&server.url());
    options.timeout = Duration::from_millis(400);
    let egress = Egress::new(&options, limits).unwrap();
    let started = Instant::now();
    let failure = fetch(&egress, get(&server.url())).await.unwrap_err();
    (failure, started.elapsed())
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let address = closed_port().await;
    let url = format!("http://{address}/mcp");
    let egress = egress(&url);
    let error = Error::from(fetch(&egress, get(&url)).await.unwrap_err());
    assert_eq!(error.class, Class::Unreachable);
    assert_eq!(error.message, format!("cannot connect to http://{address}: connection refused"));
    let trace = egress.last_connection().unwrap();
    assert_eq!(trace.resolve.as_ref().unwrap().outcome.as_deref(), Ok(&[address.ip()] as &[_]));
    assert!(matches!(trace.failure(), Some(EgressFailure::Unreachable { .. })));
    assert!(trace.tls.is_none());
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let gateway = Server::echo().await;
    let own = format!("http://gateway.internal:{}/mcp", gateway.address.port());
    // Nothing listens on the first one.
    let names = Names(&[("gateway.internal", &["127.0.0.2", "127.0.0.1"])]);
    let egress = Egress::with_resolver(&options(&own), &EgressLimits::default(), Arc::new(names)).unwrap();
    fetch(&egress, get(&own)).await.unwrap();
    let trace = egress.last_connection().unwrap();
    assert_eq!(trace.connect.unwrap().outcome, Ok(gateway.address));
}

#[tokio::test]
async fn a_resolver_that_never_answers_is_given_up() {
    #[derive(Debug)]
    struct Silent;
    impl Resolve for Silent {
        fn resolve(&self, _: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
            Box::pin(std::future::pending())
        }
    }
    let limits = EgressLimits { connect: Duration::from_millis(200), ..EgressLimits::default() };
    let own = "http://gateway.internal/mcp";
    let egress = Egress::with_resolver(&options(own), &limits, Arc::new(Silent)).unwrap();
    let failure = fetch(&egress, get(own)).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::Timeout { phase: Phase::Resolve, .. }), "{failure:?}");
    assert_eq!(failure.to_string(), "http://gateway.internal was not resolved within 0.2 s");
    assert_eq!(failure.delivery(), Delivery::NotDelivered);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let server = Server::saying("").await;
    let (failure, took) = failure_of(&server, &EgressLimits::default()).await;
    assert!(matches!(failure, EgressFailure::Timeout { phase: Phase::FirstByte, .. }), "{failure:?}");
    assert!(took >= Duration::from_millis(400) && took < Duration::from_millis(900), "{took:?}");
    assert_eq!(failure.to_string(), format!("http://{} did not answer within 0.4 s", server.address));
    assert_eq!(failure.delivery(), Delivery::MaybeDelivered);
}

#[tokio::test]
async fn a_half_sent_head_is_given_up_in_time() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-ty").await;
    let (failure, took) = failure_of(&server, &EgressLimits::default()).await;
    assert!(matches!(failure, EgressFailure::Timeout { phase: Phase::FirstByte, .. }), "{failure:?}");
    assert!(took < Duration::from_millis(900), "{took:?}");
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_given_up() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    let (failure, took) = failure_of(&server, &EgressLimits::default()).await;
    assert!(matches!(failure, EgressFailure::Timeout { phase: Phase::Body, .. }), "{failure:?}");
    assert!(took < Duration::from_millis(900), "{took:?}");
}

#[tokio::test]
async fn a_slow_answer_that_keeps_coming_is_not_given_up() {
    let server = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n").await?;
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            stream.write_all(b".").await?;
        }
        std::future::pending().await
    })
    .await;
    let mut options = options(&server.url());
    options.timeout = Duration::from_millis(400);
    let egress = Egress::new(&options, &EgressLimits::default()).unwrap();
    assert_eq!(fetch(&egress, get(&server.url())).await.unwrap(), (200, Bytes::from_static(b"......")));
}

#[tokio::test]
async fn an_operation_can_have_its_own_timeout_and_a_guest_a_shorter_one() {
    let server = Server::saying("").await;
    let egress = egress(&server.url());
    let visit = visit();
    // What is left of it, and a little for the caller's own clock to be the one that rings.
    let about = |failure: &EgressFailure, asked: u64| {
        let range = Duration::from_millis(asked / 2)..=Duration::from_millis(asked + 50);
        assert!(matches!(failure, EgressFailure::Timeout { after, .. } if range.contains(after)), "{failure:?}");
    };
    visit.begin(Some(Duration::from_millis(200)));
    about(&fetch_on(&egress, get(&server.url()), &visit).await.unwrap_err(), 200);
    for (asked, given) in [(100, 100), (10_000, 200)] {
        visit.begin(Some(Duration::from_millis(200)));
        let options =
            RequestOptions { first_byte_timeout: Some(Duration::from_millis(asked)), ..RequestOptions::default() };
        egress.send(get(&server.url()), Some(options), &visit).await.unwrap_err();
        about(&visit.take_failure().unwrap(), given);
    }
}

#[tokio::test]
async fn all_requests_of_an_operation_share_its_timeout() {
    let server = Server::saying("").await;
    let egress = egress(&server.url());
    let visit = visit();
    visit.begin(Some(Duration::from_secs(1)));
    fetch_on(&egress, get(&server.url()), &visit).await.unwrap_err();
    let second = fetch_on(&egress, get(&server.url()), &visit).await.unwrap_err();
    assert!(matches!(second, EgressFailure::Timeout { after, .. } if after < Duration::from_millis(500)), "{second:?}");
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    let server = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
        loop {
            stream.write_all(b"400\r\n").await?;
            stream.write_all(&[b'x'; 1024]).await?;
            stream.write_all(b"\r\n").await?;
        }
    })
    .await;
    let limits = EgressLimits { response_body: 100_000, ..EgressLimits::default() };
    let egress = limited(&server.url(), &limits);
    let visit = visit();
    let failure = fetch_on(&egress, get(&server.url()), &visit).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::BodyTooLarge { limit: 100_000, .. }), "{failure:?}");
    assert_eq!(failure.class(), Class::Limit);
    assert!(visit.received() < 100_000 + 128 * 1024, "{}", visit.received());
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_not_even_read() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
    // Reading it would end in a timeout.
    let (failure, _) = failure_of(&server, &EgressLimits::default()).await;
    assert!(matches!(failure, EgressFailure::BodyTooLarge { .. }), "{failure:?}");
}

#[tokio::test]
async fn all_answers_of_one_operation_together_are_bounded() {
    let server = Server::start(|_, mut stream| async move {
        while read_request(&mut stream).await?.is_some() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789").await?;
        }
        Ok(())
    })
    .await;
    let limits = EgressLimits { operation_body: 25, ..EgressLimits::default() };
    let (egress, visit) = (limited(&server.url(), &limits), visit());
    for _ in 0..2 {
        fetch_on(&egress, get(&server.url()), &visit).await.unwrap();
    }
    let failure = fetch_on(&egress, get(&server.url()), &visit).await.unwrap_err();
    assert_eq!(failure, EgressFailure::OperationTooLarge { limit: 25 });
    visit.begin(None);
    fetch_on(&egress, get(&server.url()), &visit).await.unwrap();
}

#[tokio::test]
async fn a_huge_header_is_an_error_and_not_a_wait() {
    for head in [
        format!("HTTP/1.1 200 OK\r\nx-huge: {}\r\n", "h".repeat(200 * 1024)),
        (0..500).fold("HTTP/1.1 200 OK\r\n".to_owned(), |head, n| format!("{head}x-{n}: y\r\n")),
        // Never ends.
        format!("HTTP/1.1 200 OK\r\nx-huge: {}", "h".repeat(1024 * 1024)),
    ] {
        let complete = if head.ends_with('\n') { format!("{head}\r\n") } else { head };
        let server = Server::saying(complete).await;
        let (failure, _) = failure_of(&server, &EgressLimits::default()).await;
        assert!(matches!(failure, EgressFailure::HeaderTooLarge { .. }), "{failure:?}");
        assert_eq!(failure.class(), Class::Limit);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_a_reset() {
    let server = Server::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        Ok(())
    })
    .await;
    let (failure, _) = failure_of(&server, &EgressLimits::default()).await;
    assert!(matches!(failure, EgressFailure::Reset { when: Progress::NoAnswer, .. }), "{failure:?}");
    assert_eq!(failure.delivery(), Delivery::MaybeDelivered);
    assert_eq!(server.connections(), 1, "a request that was written is never sent again");
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_answer_is_a_reset() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let server = Server::start(move |_, mut stream| async move {
            read_request(&mut stream).await?;
            stream.write_all(answer.as_bytes()).await
        })
        .await;
        let (failure, _) = failure_of(&server, &EgressLimits::default()).await;
        assert!(matches!(failure, EgressFailure::Reset { when: Progress::Body(4), .. }), "{failure:?}");
        assert_eq!(failure.class(), Class::Unreachable);
    }
}

#[tokio::test]
async fn what_does_not_speak_http_is_told_so() {
    for answer in ["SSH-2.0-OpenSSH_9.2p1\r\n", "\x15\x03\x01\x00\x02\x02\x50", "220 mail.example ESMTP\r\n"] {
        let server = Server::saying(answer).await;
        let (failure, _) = failure_of(&server, &EgressLimits::default()).await;
        assert!(matches!(failure, EgressFailure::NotHttp { .. }), "{answer:?}: {failure:?}");
        assert_eq!(failure.class(), Class::NotMcp);
    }
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::echo().await;
    let egress = egress(&server.url());
    for _ in 0..5 {
        fetch(&egress, get(&server.url())).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_pooled_connection_that_the_server_closed_loses_no_request() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    // Announces that the connection stays, and closes it.
    let server = Server::start(move |_, mut stream| {
        let counter = Arc::clone(&counter);
        async move {
            if read_request(&mut stream).await?.is_some() {
                counter.fetch_add(1, Ordering::SeqCst);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
            }
            Ok(())
        }
    })
    .await;
    let egress = egress(&server.url());
    for sent in 1..=20 {
        let request = Request::post(server.url()).body(body("{}")).unwrap();
        assert_eq!(fetch(&egress, request).await.unwrap().0, 200, "request {sent}");
        // Sometimes the end of the connection is known by now, and sometimes not.
        tokio::time::sleep(Duration::from_millis(sent % 4)).await;
    }
    assert_eq!((requests.load(Ordering::SeqCst), server.connections()), (20, 20));
}

/// A message of MCP, as a guest sends it.
fn message(server: &Server, method: &str) -> Request<WasiBody> {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    Request::post(server.url()).body(body(text)).unwrap()
}

#[tokio::test]
async fn a_call_never_goes_out_on_a_connection_that_may_be_about_to_end() {
    // Says nothing of it, and closes each connection a moment after its answer: what is sent meanwhile is lost, read or not.
    let server = Server::start(|_, mut stream| async move {
        if read_request(&mut stream).await?.is_some() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    })
    .await;
    let egress = egress(&server.url());
    for method in ["initialize", "notifications/initialized", "tools/list"] {
        assert_eq!(fetch(&egress, message(&server, method)).await.unwrap().0, 200, "{method}");
    }
    for call in 0..10 {
        assert_eq!(fetch(&egress, message(&server, "tools/call")).await.unwrap().0, 200, "call {call}");
    }
}

/// A peer that keeps its connections, and of which it is known that one lasts for the first of these times; then nothing comes for the second.
async fn known_to_keep(lasts: Duration, idle: Duration) -> (Server, Egress) {
    let server = Server::start(|_, mut stream| async move {
        while read_request(&mut stream).await?.is_some() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
        }
        Ok(())
    })
    .await;
    let egress = egress(&server.url());
    fetch(&egress, message(&server, "initialize")).await.unwrap();
    tokio::time::sleep(lasts).await;
    fetch(&egress, message(&server, "tools/list")).await.unwrap();
    tokio::time::sleep(idle).await;
    assert_eq!(server.connections(), 1);
    (server, egress)
}

#[tokio::test]
async fn calls_share_the_connection_of_a_peer_that_keeps_it() {
    let (server, egress) = known_to_keep(Duration::from_secs(1), Duration::ZERO).await;
    for _ in 0..3 {
        fetch(&egress, message(&server, "tools/call")).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn calls_in_a_row_share_a_connection_though_another_lies_idle_for_too_long() {
    let (server, egress) = known_to_keep(Duration::from_millis(200), Duration::from_millis(600)).await;
    for _ in 0..10 {
        fetch(&egress, message(&server, "tools/call")).await.unwrap();
    }
    assert_eq!(server.connections(), 2, "the first call's is kept for the others");
}

#[tokio::test]
async fn a_call_never_goes_out_on_a_connection_that_lies_idle_for_longer_than_one_was_seen_to_last() {
    let (server, egress) = known_to_keep(Duration::from_millis(1), Duration::from_millis(400)).await;
    for call in 1..=4 {
        fetch(&egress, message(&server, "tools/call")).await.unwrap();
        assert_eq!(server.connections(), 1 + call, "a new one each time");
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

#[tokio::test]
async fn a_request_for_a_connection_whose_end_nobody_noticed_goes_out_on_another_one() {
    use std::io::{Read as _, Write as _};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let egress = egress(&url);
    fetch(&egress, get(&url)).await.unwrap();
    // Back into the pool while it is still good; then this thread, which also drives the connection, sees nothing of its end.
    tokio::time::sleep(Duration::from_millis(20)).await;
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(fetch(&egress, Request::post(&url).body(body("{}")).unwrap()).await.unwrap().0, 200);
    server.join().unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_by_us_first() {
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let server = Server::start(move |_, mut stream| {
        let ended = ended.clone();
        async move {
            while read_request(&mut stream).await?.is_some() {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
            }
            ended.send(()).await.map_err(io::Error::other)
        }
    })
    .await;
    let limits = EgressLimits { idle_connection: Duration::from_millis(200), ..EgressLimits::default() };
    let egress = limited(&server.url(), &limits);
    fetch(&egress, get(&server.url())).await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), end.recv()).await.expect("the connection stayed open");
}

#[tokio::test]
async fn many_requests_at_once_do_not_wait_for_each_other() {
    let server = Server::start(|_, mut stream| async move {
        while read_request(&mut stream).await?.is_some() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
        }
        Ok(())
    })
    .await;
    let egress = egress(&server.url());
    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..70 {
        let (egress, request) = (egress.clone(), get(&server.url()));
        running.spawn(async move { fetch(&egress, request).await.unwrap() });
    }
    assert_eq!(running.join_all().await.len(), 70);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn answers_that_are_kept_open_are_counted() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
    let limits = EgressLimits { open: 2, ..EgressLimits::default() };
    let (egress, visit) = (limited(&server.url(), &limits), visit());
    let first = egress.send(get(&server.url()), None, &visit).await.unwrap();
    let _second = egress.send(get(&server.url()), None, &visit).await.unwrap();
    egress.send(get(&server.url()), None, &visit).await.unwrap_err();
    assert_eq!(visit.take_failure(), Some(EgressFailure::TooManyOpen { limit: 2 }));
    drop(first);
    egress.send(get(&server.url()), None, &visit).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_too_large_is_cut() {
    let server = Server::start(|_, mut stream| async move {
        let mut sink = vec![0; 65536];
        while stream.read(&mut sink).await? > 0 {}
        Ok(())
    })
    .await;
    let limits = EgressLimits { request_body: 1000, ..EgressLimits::default() };
    let egress = limited(&server.url(), &limits);
    let request = Request::post(server.url()).body(body(vec![b'x'; 1001])).unwrap();
    assert_eq!(fetch(&egress, request).await.unwrap_err(), EgressFailure::RequestTooLarge { limit: 1000 });
}

#[tokio::test]
async fn a_request_is_traced_without_its_query() {
    let server = Server::echo().await;
    let (egress, visit) = (egress(&server.url()), visit());
    fetch_on(&egress, get(&format!("{}?token=secret", server.url())), &visit).await.unwrap();
    let traces = visit.requests();
    let [trace] = traces.as_slice() else { panic!("{traces:?}") };
    assert_eq!((trace.method.as_str(), trace.path.as_str()), ("GET", "/mcp"));
    assert_eq!(trace.status, Some(http::StatusCode::OK));
    assert!(trace.received > 0 && trace.complete.is_some() && trace.first_byte.is_some());
}

#[tokio::test]
async fn every_failure_has_a_sentence_and_a_code() {
    let origin: Origin = "http://127.0.0.1:1".parse().unwrap();
    for failure in [
        EgressFailure::TooManyRequests { limit: 1 },
        EgressFailure::Reset { origin: origin.clone(), when: Progress::Body(3) },
        EgressFailure::Timeout { origin: origin.clone(), phase: Phase::Tls, after: Duration::from_secs(10) },
        EgressFailure::HeaderTooLarge { origin, limit: 65536, count: 100 },
    ] {
        let error = Error::from(failure.clone());
        assert!(!error.message.is_empty() && !error.message.ends_with('.'), "{error:?}");
        assert!(!failure.to_wasi().to_string().is_empty());
    }
}

#[tokio::test]
async fn a_port_that_takes_connections_and_never_speaks_tls_is_told_so_by_whoever_gives_up_first() {
    let silent = Server::start(|_, stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let url = silent.url().replace("http://", "https://");
    let mut options = options(&url);
    // Shorter than what there is for a connection, and longer.
    for timeout in [Duration::from_millis(300), Duration::from_secs(5)] {
        options.timeout = timeout;
        let limits = EgressLimits { connect: Duration::from_millis(600), ..EgressLimits::default() };
        let egress = Egress::new(&options, &limits).unwrap();
        let failure = fetch(&egress, get(&url)).await.unwrap_err();
        assert!(matches!(failure, EgressFailure::Timeout { phase: Phase::Tls, .. }), "{failure:?}");
        assert!(failure.hint().unwrap().contains("its URL begins with http://"), "{failure:?}");
        let trace = egress.last_connection().unwrap();
        assert!(trace.connect.unwrap().outcome.is_ok() && trace.tls.unwrap().outcome.is_err());
    }
}
