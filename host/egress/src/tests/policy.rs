//! Who gets out, and with what.

use wasmtime_wasi_http::{Error as Wasi, WasiHttpHooks as _};

use super::*;

async fn through_the_hook(
    hooks: &mut EgressHooks,
    request: Request<WasiBody>,
) -> Result<http::StatusCode, wasmtime_wasi_http::Error> {
    let sent = hooks.send_request(request, None, Box::new(async { Ok(()) }));
    Box::into_pin(sent).await.map(|(response, _)| response.status())
}

#[tokio::test]
async fn the_hook_refuses_every_other_origin_without_any_traffic() {
    let gateway = Server::echo().await;
    let mut hooks = EgressHooks::new(egress(&gateway.url()), visit());
    for target in [
        "https://evil.example/".to_owned(),
        format!("https://{}/", gateway.address),
        format!("http://localhost:{}/", gateway.address.port()),
        format!("http://[::ffff:127.0.0.1]:{}/", gateway.address.port()),
        format!("http://127.0.0.1:{}/", gateway.address.port() - 1),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://metadata.google.internal/".to_owned(),
    ] {
        let refused = through_the_hook(&mut hooks, get(&target)).await;
        assert!(matches!(refused, Err(Wasi::HttpRequestDenied)), "{target}: {refused:?}");
        let failure = hooks.visit().take_failure().unwrap();
        assert_eq!(failure.class(), Class::EgressDenied, "{target}");
        assert_eq!(failure.delivery(), Delivery::NotDelivered);
    }
    assert_eq!(gateway.connections(), 0);
    assert!(hooks.visit().requests().is_empty());
}

#[tokio::test]
async fn the_hook_lets_the_gateways_origin_through_in_every_spelling() {
    // "Allowed" shows in that something was tried: nothing listens there.
    let address = closed_port().await;
    let mut hooks = EgressHooks::new(egress(&format!("http://{address}/mcp")), visit());
    let port = address.port();
    for target in [
        format!("http://127.0.0.1:{port}/mcp"),
        format!("HTTP://127.0.0.1:{port}"),
        format!("http://127.1:{port}/v1/servers?x=y"),
        format!("http://2130706433:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://127.0.0.1.:{port}/"),
    ] {
        let tried = through_the_hook(&mut hooks, get(&target)).await;
        assert!(matches!(tried, Err(Wasi::ConnectionRefused)), "{target}: {tried:?}");
    }
}

#[tokio::test]
async fn user_info_other_schemes_and_tunnels_are_refused() {
    let gateway = Server::echo().await;
    let mut hooks = EgressHooks::new(egress(&gateway.url()), visit());
    let with_user = format!("http://user:pass@{}/", gateway.address);
    assert!(matches!(through_the_hook(&mut hooks, get(&with_user)).await, Err(Wasi::HttpRequestUriInvalid)));
    let other = format!("ftp://{}/", gateway.address);
    assert!(matches!(through_the_hook(&mut hooks, get(&other)).await, Err(Wasi::HttpRequestUriInvalid)));
    for method in [Method::CONNECT, Method::TRACE] {
        let request = Request::builder().method(method).uri(gateway.url()).body(body("")).unwrap();
        assert!(matches!(through_the_hook(&mut hooks, request).await, Err(Wasi::HttpRequestMethodInvalid)));
    }
    assert_eq!(gateway.connections(), 0);
}

#[tokio::test]
async fn a_guest_may_not_set_the_hosts_headers() {
    let egress = egress("http://127.0.0.1:1/mcp");
    let key: HeaderName = "x-company-key".parse().unwrap();
    let mut hooks = EgressHooks::new(egress.clone(), visit());
    let filter = hooks.forbidden_header_filter();
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "host",
        "connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "expect",
        "origin",
        "forwarded",
        "x-forwarded-for",
        "x-real-ip",
        "proxy-anything",
    ] {
        assert!(filter(&name.parse().unwrap()), "{name}");
    }
    for name in ["content-type", "accept", "mcp-session-id", "mcp-protocol-version", "user-agent", "www-authenticate"] {
        assert!(!filter(&name.parse().unwrap()), "{name}");
    }
    assert!(!filter(&key));
    egress.set_credentials(Credentials::none().with(key.clone(), &"k".into()).unwrap());
    assert!(filter(&key), "a header that the host adds is the host's");
}

#[tokio::test]
async fn credentials_replace_whatever_the_guest_sent() {
    let gateway = Server::echo().await;
    let egress = egress(&gateway.url());
    let key = HeaderName::from_static("x-api-key");
    egress.set_credentials(bearer("right").with(key.clone(), &"sesame".into()).unwrap());
    let request = Request::post(gateway.url())
        .header("authorization", "Bearer wrong")
        .header("x-api-key", "wrong")
        .header("cookie", "a=wrong")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("mcp-session-id", "s1")
        .body(body("{}"))
        .unwrap();
    let (_, sent) = fetch(&egress, request).await.unwrap();
    let sent = String::from_utf8_lossy(&sent).into_owned();
    assert!(sent.starts_with("POST /mcp HTTP/1.1\r\n"), "{sent}");
    for line in [
        "authorization: Bearer right",
        "x-api-key: sesame",
        "mcp-session-id: s1",
        &format!("host: {}", gateway.address),
    ] {
        assert_eq!(sent.matches(line).count(), 1, "{line} in {sent}");
    }
    assert!(sent.contains("user-agent: pflow-gateway/"), "{sent}");
    assert!(!sent.contains("wrong") && !sent.contains("evil"), "{sent}");
}

#[tokio::test]
async fn another_allowed_origin_gets_no_credentials() {
    let (gateway, further) = (Server::echo().await, Server::echo().await);
    let mut options = options(&gateway.url());
    options.allow_origins = vec![format!("http://{}", further.address).parse().unwrap()];
    let egress = Egress::new(&options, &EgressLimits::default()).unwrap();
    egress.set_credentials(bearer("secret"));
    let request = Request::get(further.url()).header("authorization", "Bearer smuggled").body(body("")).unwrap();
    let (_, sent) = fetch(&egress, request).await.unwrap();
    let sent = String::from_utf8_lossy(&sent).into_owned();
    assert!(!sent.contains("secret") && !sent.contains("smuggled") && !sent.contains("authorization"), "{sent}");
    let (_, sent) = fetch(&egress, get(&gateway.url())).await.unwrap();
    assert!(String::from_utf8_lossy(&sent).contains("authorization: Bearer secret"));
}

#[tokio::test]
async fn new_credentials_are_used_from_the_next_request_on() {
    let gateway = Server::echo().await;
    let egress = egress(&gateway.url());
    for token in ["first", "second"] {
        egress.set_credentials(bearer(token));
        let (_, sent) = fetch(&egress, get(&gateway.url())).await.unwrap();
        assert!(String::from_utf8_lossy(&sent).contains(&format!("Bearer {token}\r\n")));
    }
    assert_eq!(gateway.connections(), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let other = Server::echo().await;
    let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", other.url());
    let gateway = Server::saying(answer).await;
    let (status, _) = fetch(&egress(&gateway.url()), get(&gateway.url())).await.unwrap();
    assert_eq!((status, other.connections()), (307, 0));
}

#[tokio::test]
async fn the_target_of_a_redirect_is_a_request_like_any_other() {
    let (gateway, other) = (Server::echo().await, Server::echo().await);
    let refused = fetch(&egress(&gateway.url()), get(&other.url())).await.unwrap_err();
    assert!(matches!(refused, EgressFailure::Denied { why: Denial::NotListed, .. }), "{refused:?}");
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn nothing_that_can_be_printed_holds_the_token() {
    let gateway = Server::echo().await;
    let egress = egress(&gateway.url());
    egress.set_credentials(bearer("hunter2-hunter2"));
    let visit = visit();
    fetch_on(&egress, get(&format!("{}?key=hunter2-hunter2", gateway.url())), &visit).await.unwrap();
    let hooks = EgressHooks::new(egress.clone(), Arc::clone(&visit));
    let shown = format!("{egress:?} {:?} {visit:?} {hooks:?} {:?}", egress.last_connection(), egress.credentials());
    assert!(!shown.contains("hunter2"), "{shown}");
}

async fn through_names(
    own: &str,
    further: &[&str],
    names: &'static [(&'static str, &'static [&'static str])],
    target: &str,
) -> EgressFailure {
    let mut options = options(own);
    options.timeout = Duration::from_millis(300);
    options.allow_origins = further.iter().map(|origin| origin.parse().unwrap()).collect();
    let egress = Egress::with_resolver(&options, &EgressLimits::default(), Arc::new(Names(names))).unwrap();
    fetch(&egress, get(target)).await.unwrap_err()
}

#[tokio::test]
async fn a_name_that_leads_to_a_forbidden_address_is_refused_before_any_connection() {
    let trap = Server::echo().await;
    let port = trap.address.port();
    let further = format!("http://status.example:{port}");
    for (address, names) in [
        ("127.0.0.1", &[("status.example", &["127.0.0.1"] as &[_])] as &[_]),
        ("::ffff:127.0.0.1", &[("status.example", &["::ffff:127.0.0.1"] as &[_])]),
        ("64:ff9b::7f00:1", &[("status.example", &["64:ff9b::7f00:1"] as &[_])]),
        ("169.254.169.254", &[("status.example", &["169.254.169.254"] as &[_])]),
        ("0.0.0.0", &[("status.example", &["0.0.0.0"] as &[_])]),
        // One good address does not excuse a bad one.
        ("127.0.0.1", &[("status.example", &["93.184.216.34", "127.0.0.1"] as &[_])]),
    ] {
        let refused = through_names("http://127.0.0.1:1/mcp", &[&further], names, &further).await;
        let EgressFailure::AddressDenied { address: denied, .. } = &refused else { panic!("{refused:?}") };
        assert_eq!(*denied, address.parse::<IpAddr>().unwrap());
        assert_eq!(refused.class(), Class::EgressDenied);
        assert!(matches!(refused.to_wasi(), Wasi::DestinationIpProhibited));
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn the_gateways_name_may_lead_to_this_machine_but_never_to_metadata() {
    let gateway = Server::echo().await;
    let own = format!("http://gateway.internal:{}/mcp", gateway.address.port());
    let names = Names(&[("gateway.internal", &["127.0.0.1"])]);
    let egress = Egress::with_resolver(&options(&own), &EgressLimits::default(), Arc::new(names)).unwrap();
    let (_, sent) = fetch(&egress, get(&own)).await.unwrap();
    assert!(String::from_utf8_lossy(&sent).contains(&format!("host: gateway.internal:{}", gateway.address.port())));

    let refused = through_names(&own, &[], &[("gateway.internal", &["169.254.169.254"])], &own).await;
    assert!(matches!(refused, EgressFailure::AddressDenied { class: AddressClass::Metadata, .. }), "{refused:?}");
}

#[tokio::test]
async fn a_name_is_not_resolved_again_for_the_connection() {
    // What was checked is what is connected to: the second answer would be another.
    #[derive(Debug, Default)]
    struct Rebinding(AtomicUsize);
    impl Resolve for Rebinding {
        fn resolve(&self, _: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
            let answer = if self.0.fetch_add(1, Ordering::SeqCst) == 0 { "127.0.0.1" } else { "169.254.169.254" };
            Box::pin(async move { Ok(vec![answer.parse().unwrap()]) })
        }
    }
    let gateway = Server::echo().await;
    let own = format!("http://gateway.internal:{}/mcp", gateway.address.port());
    let names = Arc::new(Rebinding::default());
    let resolver: Arc<dyn Resolve> = Arc::clone(&names) as _;
    let egress = Egress::with_resolver(&options(&own), &EgressLimits::default(), resolver).unwrap();
    fetch(&egress, get(&own)).await.unwrap();
    assert_eq!(names.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_name_without_an_address_says_so() {
    let own = "http://nowhere.example:81/mcp";
    let failure = through_names(own, &[], &[], own).await;
    let error = Error::from(failure);
    assert_eq!(error.class, Class::Dns);
    assert_eq!(error.message, "nowhere.example has no address: Name or service not known");
    assert!(error.hint.unwrap().contains("nowhere.example"));
    let failure = through_names(own, &[], &[("nowhere.example", &[])], own).await;
    assert_eq!(failure.to_string(), "nowhere.example has no address: the answer is empty");
}

#[tokio::test]
async fn a_component_asks_the_endpoint_and_nothing_else_of_the_origin_with_the_credential() {
    let server = Server::echo().await;
    let mut options = options(&server.url());
    options.paths = vec!["/status.json".parse().unwrap()];
    let egress = Egress::new(&options, &EgressLimits::default()).unwrap();
    egress.set_credentials(bearer("right-token"));
    let ask = |method: &str, path: &str| {
        let url = format!("http://{}{path}", server.address);
        Request::builder().method(method).uri(url).body(body("")).unwrap()
    };
    for (method, path) in [
        ("DELETE", "/admin/users/1"),
        ("GET", "/v1/tokens"),
        ("POST", "/status.json"),
        ("PUT", "/mcp"),
        ("POST", "/mcp/"),
    ] {
        let failure = fetch(&egress, ask(method, path)).await.unwrap_err();
        assert_eq!((failure.class(), failure.delivery()), (Class::EgressDenied, Delivery::NotDelivered));
        let rule = if method == "GET" { path.to_owned() } else { format!("{method} {path}") };
        assert_eq!(
            (failure.to_string(), failure.hint().unwrap()),
            (
                format!(
                    "{method} http://{}{path} is not allowed: it is neither the gateway's MCP endpoint nor in paths",
                    server.address
                ),
                format!("to allow it, add \"paths\": [\"{rule}\"] to the entry's \"gateway\"")
            )
        );
    }
    assert_eq!(server.connections(), 0, "something left");
    for (method, path) in [("POST", "/mcp"), ("GET", "/mcp?x=1"), ("DELETE", "/mcp"), ("GET", "/status.json?full=1")] {
        let (code, echo) = fetch(&egress, ask(method, path)).await.unwrap();
        assert!(
            code == 200 && String::from_utf8_lossy(&echo).starts_with(&format!("{method} {path} ")),
            "{method} {path}"
        );
    }
    // What no line can allow gets no hint.
    let failure = fetch(&egress, ask("GET", "/status.json/../admin")).await.unwrap_err();
    assert_eq!(failure.hint(), None);
}

#[tokio::test]
async fn a_name_that_moves_inside_is_refused_before_any_connection() {
    let server = Server::echo().await;
    let url = format!("http://gateway.example:{}/mcp", server.address.port());
    let names = Names(&[("gateway.example", &["127.0.0.1"])]);
    let ask = |addresses| {
        let mut options = options(&url);
        options.addresses = addresses;
        Egress::with_resolver(&options, &EgressLimits::default(), Arc::new(names.clone())).unwrap()
    };
    let failure = fetch(&ask(Addresses::Public), get(&url)).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::MovedInside { .. }), "{failure:?}");
    assert_eq!(server.connections(), 0);
    let egress = ask(Addresses::Any);
    assert_eq!(fetch(&egress, get(&url)).await.unwrap().0, 200);
    // It is not on the internet now, so nothing says that it has to be there.
    assert!(!egress.shall_stay_public());
}
