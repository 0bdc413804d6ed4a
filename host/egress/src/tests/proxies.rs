//! By way of proxies: forwarded, tunnelled, refused.

use super::{fronts::Scripted, secure::Authority, *};

/// The way out with these variables, where every name leads nowhere but `names`.
fn behind(url: &str, variables: &[(&str, String)], change: impl FnOnce(&mut EgressOptions)) -> Egress {
    let mut options = options(url);
    change(&mut options);
    let proxies = Proxies::of_environment(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    });
    Egress::by_way_of(&options, &EgressLimits::default(), Arc::new(Names(&[])), proxies).unwrap()
}

const CORP: &str = "http://gateway.corp.invalid/mcp?a=b";
const SECURE: &str = "https://gateway.corp.invalid:8443/mcp";

fn hello() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()
}

#[tokio::test]
async fn plain_http_is_forwarded_with_its_whole_url_and_the_proxys_password() {
    let proxy = Scripted::start(|_, _| Some(hello())).await;
    let at = proxy.server.address;
    let egress = behind(CORP, &[("http_proxy", format!("http://ann:s%40crets@{at}/"))], |_| {});
    egress.set_credentials(bearer("gateway-token"));
    for _ in 0..2 {
        assert_eq!(fetch(&egress, get(CORP)).await.unwrap().0, 200);
    }
    let asked = proxy.asked();
    assert!(asked[0].starts_with("GET http://gateway.corp.invalid/mcp?a=b HTTP/1.1\r\n"), "{asked:?}");
    for line in
        ["host: gateway.corp.invalid\r\n", "proxy-authorization: Basic YW5uOnNAY3JldHM=\r\n", "Bearer gateway-token"]
    {
        assert_eq!(asked[0].matches(line).count(), 1, "{line}: {asked:?}");
    }
    assert_eq!(proxy.server.connections(), 1, "the connection is used again");
    let trace = egress.last_connection().unwrap();
    let step = trace.proxy.unwrap();
    assert_eq!(step.outcome.unwrap(), format!("http://{at} (http_proxy), passes the requests on"));
    assert!(trace.resolve.is_none() && trace.connect.is_none());
}

/// A proxy that leads every tunnel to one place, and keeps the heads.
async fn tunnel_to(target: SocketAddr) -> (Server, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&asked);
    let server = Server::start(move |_, mut stream| {
        let keep = Arc::clone(&keep);
        async move {
            let Some(head) = read_request(&mut stream).await? else { return Ok(()) };
            keep.lock().unwrap().push(head);
            stream.write_all(b"HTTP/1.1 200 Connection established\r\nx-proxy: yes\r\n\r\n").await?;
            let mut other = TcpStream::connect(target).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut other).await.map(drop)
        }
    })
    .await;
    (server, asked)
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_its_tls_ends_at_the_gateway() {
    let authority = Authority::new("Test Root");
    let gateway = authority.serve(&["gateway.corp.invalid"], |_| {}, 1);
    let (proxy, asked) = tunnel_to(gateway).await;
    let variables = [("HTTPS_PROXY", format!("ann:s3cret@{}", proxy.address))];
    let egress = behind(SECURE, &variables, |options| options.ca_file = Some(authority.file.path().to_owned()));
    egress.set_credentials(bearer("gateway-token"));
    assert_eq!(fetch(&egress, get(SECURE)).await.unwrap().0, 200);
    let asked = asked.lock().unwrap().clone();
    assert_eq!(
        asked,
        [
            "CONNECT gateway.corp.invalid:8443 HTTP/1.1\r\nHost: gateway.corp.invalid:8443\r\nProxy-Authorization: Basic YW5uOnMzY3JldA==\r\n\r\n"
        ]
    );
    let trace = egress.last_connection().unwrap();
    assert!(trace.proxy.unwrap().outcome.unwrap().ends_with("(HTTPS_PROXY), tunnel open"));
    assert_eq!(trace.tls.unwrap().outcome.unwrap().issuer.as_deref(), Some("Test Root"));
    let shown = format!("{egress:?} {:?}", egress.last_connection());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn a_proxy_cannot_stand_in_for_the_gateway() {
    let authority = Authority::new("Test Root");
    let other = authority.serve(&["other.corp.invalid"], |_| {}, 1);
    let (proxy, _) = tunnel_to(other).await;
    let egress = behind(SECURE, &[("https_proxy", proxy.address.to_string())], |options| {
        options.ca_file = Some(authority.file.path().to_owned());
    });
    let failure = fetch(&egress, get(SECURE)).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::Tls { problem: TlsProblem::WrongName, .. }), "{failure:?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_from_the_gateway() {
    for (status, message, hint) in [
        (407, "wants a user name and password (HTTP 407)", "http://USER:PASSWORD@host:port"),
        (
            403,
            "does not allow connections to https://gateway.corp.invalid:8443 (HTTP 403)",
            "ask whoever runs the proxy",
        ),
        (502, "gives no connection to https://gateway.corp.invalid:8443 (HTTP 502)", "the proxy can reach it"),
    ] {
        let proxy =
            Scripted::start(move |_, _| Some(format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n").into()))
                .await;
        let at = proxy.server.address;
        let egress = behind(SECURE, &[("https_proxy", format!("http://ann:s3cret@{at}"))], |_| {});
        let failure = fetch(&egress, get(SECURE)).await.unwrap_err();
        assert_eq!(failure.delivery(), Delivery::NotDelivered);
        let error = Error::from(failure);
        assert_eq!(error.class, Class::Unreachable);
        assert_eq!(error.message, format!("the proxy http://{at} (https_proxy) {message}"));
        assert!(error.hint.as_ref().unwrap().contains(hint), "{error:?}");
        assert!(egress.last_connection().unwrap().failure().is_some());
    }
    // For plain http the refusal is an answer.
    let proxy = Scripted::start(|_, _| Some(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n".to_vec())).await;
    let egress = behind(CORP, &[("http_proxy", proxy.server.address.to_string())], |_| {});
    let failure = fetch(&egress, get(CORP)).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::Proxy { problem: ProxyProblem::Status(407), .. }), "{failure:?}");
    assert_eq!(failure.delivery(), Delivery::NotDelivered);
}

#[tokio::test]
async fn what_is_no_proxy_is_told_so() {
    let closed = closed_port().await;
    let silent = Server::start(|_, mut stream| async move { read_request(&mut stream).await.map(drop) }).await;
    let ssh = Server::saying("SSH-2.0-OpenSSH_9.2p1\r\n").await;
    for (value, says) in [
        (closed.to_string(), "cannot connect to the proxy"),
        (silent.address.to_string(), "closed the connection without an answer"),
        (ssh.address.to_string(), "is no proxy"),
        (
            "http://proxy.corp.invalid:1".to_owned(),
            "the proxy http://proxy.corp.invalid:1 (https_proxy) has no address",
        ),
        ("socks4://127.0.0.1:1".to_owned(), "https_proxy names a kind of proxy that is not supported"),
    ] {
        let egress = behind(SECURE, &[("https_proxy", value.clone())], |_| {});
        let failure = fetch(&egress, get(SECURE)).await.unwrap_err();
        assert!(failure.to_string().contains(says), "{value}: {failure}");
        assert_eq!(failure.delivery(), Delivery::NotDelivered);
    }
}

#[tokio::test]
async fn no_proxy_and_the_entry_count_before_the_environment() {
    let (gateway, proxy) = (Server::echo().await, Scripted::start(|_, _| Some(hello())).await);
    let at = proxy.server.address;
    let variables = [("http_proxy", at.to_string()), ("no_proxy", "127.0.0.0/8".to_owned())];
    fetch(&behind(&gateway.url(), &variables, |_| {}), get(&gateway.url())).await.unwrap();
    assert_eq!((gateway.connections(), proxy.server.connections()), (1, 0));

    let mut own = options(&gateway.url());
    own.proxy = ProxyChoice::None;
    fetch(&Egress::new(&own, &EgressLimits::default()).unwrap(), get(&gateway.url())).await.unwrap();
    assert_eq!(gateway.connections(), 2);
    own.proxy = ProxyChoice::Url(format!("http://ann:s3cret@{at}").into());
    let egress = Egress::new(&own, &EgressLimits::default()).unwrap();
    fetch(&egress, get(&gateway.url())).await.unwrap();
    assert_eq!((gateway.connections(), proxy.server.connections()), (2, 1));
    let step = egress.last_connection().unwrap().proxy.unwrap();
    assert_eq!(step.outcome.unwrap(), format!("http://{at} (\"proxy\" in the entry), passes the requests on"));
}

#[tokio::test]
async fn a_proxy_may_speak_tls_itself() {
    let authority = Authority::new("Test Root");
    // Answers whatever comes; what counts is that it was reached by TLS.
    let proxy = authority.serve(&["127.0.0.1"], |_| {}, 1);
    let egress = behind(CORP, &[("http_proxy", format!("https://{proxy}"))], |options| {
        options.ca_file = Some(authority.file.path().to_owned());
    });
    assert_eq!(fetch(&egress, get(CORP)).await.unwrap().0, 200);
    let distrusted = authority.serve(&["127.0.0.1"], |_| {}, 1);
    let egress = behind(CORP, &[("http_proxy", format!("https://{distrusted}"))], |_| {});
    let failure = fetch(&egress, get(CORP)).await.unwrap_err();
    assert!(failure.to_string().starts_with(&format!("TLS with the proxy https://{distrusted}")), "{failure}");
}

#[tokio::test]
async fn a_socks_proxy_is_asked_with_the_name() {
    let gateway = Server::echo().await;
    let target = gateway.address;
    let proxy = Server::start(move |_, mut stream| async move {
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).await?;
        stream.write_all(&[5, 0]).await?;
        let mut head = [0; 5];
        stream.read_exact(&mut head).await?;
        assert_eq!(head, [5, 1, 0, 3, 20]);
        let mut name = [0; 22];
        stream.read_exact(&mut name).await?;
        assert_eq!(&name, b"gateway.corp.invalid\x00\x50");
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).await?;
        let mut other = TcpStream::connect(target).await?;
        tokio::io::copy_bidirectional(&mut stream, &mut other).await.map(drop)
    })
    .await;
    let egress = behind(CORP, &[("all_proxy", format!("socks5h://{}", proxy.address))], |_| {});
    let (_, sent) = fetch(&egress, get(CORP)).await.unwrap();
    assert!(String::from_utf8_lossy(&sent).starts_with("GET /mcp?a=b HTTP/1.1\r\n"), "{sent:?}");
    // Looked up here, the name has no address.
    let egress = behind(CORP, &[("all_proxy", format!("socks5://{}", proxy.address))], |_| {});
    let failure = fetch(&egress, get(CORP)).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::Dns { .. }), "{failure:?}");
}
