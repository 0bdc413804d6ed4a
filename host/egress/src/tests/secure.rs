//! TLS with certificates that are good, bad and strange.

use std::io::{Read as _, Write as _};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;

/// A certificate authority of a test.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(super) file: tempfile::NamedTempFile,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::OrganizationName, "Org\u{1b}[31m of a test");
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(issuer.pem().as_bytes()).unwrap();
        Self { issuer, file }
    }

    /// A server whose certificate is for these names. Runs in a thread that ends after `connections`.
    pub(super) fn serve(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
        connections: usize,
    ) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(connections) {
                let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream.unwrap());
                // The client's refusal ends a handshake.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
                let _ = stream.flush();
                let _ = stream.read(&mut [0; 4096]);
            }
        });
        address
    }
}

fn trusting(url: &str, authority: Option<&Authority>) -> Egress {
    let mut options = options(url);
    options.ca_file = authority.map(|authority| authority.file.path().to_owned());
    Egress::new(&options, &EgressLimits::default()).unwrap()
}

async fn refused(url: &str, authority: Option<&Authority>) -> (TlsProblem, Error, Egress) {
    let egress = trusting(url, authority);
    let failure = fetch(&egress, get(url)).await.unwrap_err();
    let EgressFailure::Tls { problem, .. } = &failure else { panic!("{failure:?}") };
    assert_eq!(failure.delivery(), Delivery::NotDelivered);
    (*problem, failure.into(), egress)
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_the_user_names_it() {
    let authority = Authority::new("Test Root");
    let address = authority.serve(&["127.0.0.1"], |_| {}, 1);
    let url = format!("https://{address}/mcp");
    let egress = trusting(&url, Some(&authority));
    assert_eq!(fetch(&egress, get(&url)).await.unwrap().0, 200);
    let trace = egress.last_connection().unwrap();
    let info = trace.tls.unwrap().outcome.unwrap();
    assert_eq!((info.version.as_str(), info.issuer.as_deref()), ("TLS 1.3", Some("Test Root")));
}

#[tokio::test]
async fn an_unknown_authority_is_refused_and_the_hint_names_ca_file() {
    let (authority, other) = (Authority::new("Test Root"), Authority::new("Other Root"));
    let address = authority.serve(&["127.0.0.1"], |_| {}, 2);
    let url = format!("https://{address}/mcp");
    for trusted in [None, Some(&other)] {
        let (problem, error, egress) = refused(&url, trusted).await;
        // A machine without any root says that instead.
        assert!(matches!(problem, TlsProblem::UnknownIssuer | TlsProblem::NoRoots), "{problem:?}");
        assert_eq!(error.class, Class::Tls);
        assert!(error.hint.unwrap().contains("--ca-file"));
        assert!(matches!(egress.last_connection().unwrap().failure(), Some(EgressFailure::Tls { .. })));
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new("Test Root");
    let address = authority.serve(&["gateway.example"], |_| {}, 1);
    let (problem, error, _) = refused(&format!("https://{address}/mcp"), Some(&authority)).await;
    assert_eq!(problem, TlsProblem::WrongName);
    assert!(error.message.contains("gateway.example"), "{}", error.message);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new("Test Root");
    let address = authority.serve(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2001, 1, 1), 1);
    let (problem, error, _) = refused(&format!("https://{address}/mcp"), Some(&authority)).await;
    assert_eq!(problem, TlsProblem::Expired);
    assert!(error.hint.unwrap().contains("clock"));
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_with_a_bad_certificate() {
    let authority = Authority::new("Test Root");
    let server = Server::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await?;
        std::future::pending().await
    })
    .await;
    let (problem, error, _) = refused(&format!("https://{}/mcp", server.address), Some(&authority)).await;
    assert_eq!(problem, TlsProblem::NotTls);
    assert!(error.hint.unwrap().contains(&format!("http://{}", server.address)));
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    let authority = Authority::new("Test Root");
    let server = Server::start(|_, stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let url = format!("https://{}/mcp", server.address);
    let mut options = options(&url);
    options.ca_file = Some(authority.file.path().to_owned());
    let limits = EgressLimits { connect: Duration::from_millis(300), ..EgressLimits::default() };
    let failure = fetch(&Egress::new(&options, &limits).unwrap(), get(&url)).await.unwrap_err();
    assert!(matches!(failure, EgressFailure::Timeout { phase: Phase::Tls, .. }), "{failure:?}");
}

#[tokio::test]
async fn a_handshake_that_is_cut_is_a_tls_failure() {
    let authority = Authority::new("Test Root");
    let server = Server::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await?;
        Ok(())
    })
    .await;
    let (problem, error, _) = refused(&format!("https://{}/mcp", server.address), Some(&authority)).await;
    assert_eq!(problem, TlsProblem::Protocol);
    assert!(error.message.ends_with("the peer closed the connection during the handshake"), "{}", error.message);
}

#[test]
fn a_ca_file_that_cannot_be_used_is_a_wrong_configuration() {
    let mut empty = tempfile::NamedTempFile::new().unwrap();
    empty.write_all(b"no certificate here\n").unwrap();
    let mut broken = tempfile::NamedTempFile::new().unwrap();
    broken.write_all(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let refused = |file: &std::path::Path, says: &str| {
        let mut options = options("https://127.0.0.1:1/mcp");
        options.ca_file = Some(file.to_owned());
        let refused = || Egress::new(&options, &EgressLimits::default()).unwrap_err();
        let error = Error::from(refused());
        assert_eq!(error.class, Class::Config);
        assert!(error.message.contains(&file.display().to_string()) && error.message.contains(says), "{error:?}");
        refused()
    };
    let absent = refused(std::path::Path::new("/nonexistent/ca.pem"), "cannot be read: No such file");
    assert!(matches!(absent, SetupError::Unread { .. }), "{absent:?}");
    assert!(matches!(refused(empty.path(), "holds no certificate"), SetupError::NoCertificate { .. }));
    assert!(matches!(refused(broken.path(), "cannot be trusted: "), SetupError::Untrusted { .. }));
}
