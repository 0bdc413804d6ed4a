//! Whom to trust, and what TLS agreed on or failed at.
//! Takes the platform's roots, or those that the environment names, and the user's `ca_file`; gives a client configuration. Never turns verification off.

use std::{
    error::Error as StdError,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustls::{CertificateError, ClientConfig, ClientConnection, ProtocolVersion, RootCertStore};
use rustls_native_certs::{CertificateResult, load_certs_from_paths};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tokio::sync::OnceCell;
use x509_cert::{
    Certificate,
    der::{self, Decode as _},
    ext::pkix::name::DirectoryString,
};

use super::{failure::TlsProblem, setup::SetupError};

/// The variables that name authorities in place of the platform's, the first that counts first.
pub(super) const AUTHORITY_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What TLS agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `TLS 1.3`.
    pub version: String,
    /// Who signed the peer's certificate: common name, or organisation. For people; control characters removed.
    pub issuer: Option<String>,
}

/// Makes client configurations. The platform's roots are read when TLS is first needed, once in a process.
#[derive(Default)]
pub(super) struct Tls {
    further: Vec<CertificateDer<'static>>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the user's further roots.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, SetupError> {
        let further = ca_file.map_or(Ok(Vec::new()), read_roots)?;
        Ok(Self { further, config: OnceCell::new() })
    }

    pub(super) async fn client_config(&self) -> Result<Arc<ClientConfig>, (TlsProblem, String)> {
        let made = self.config.get_or_try_init(|| async {
            let further = self.further.clone();
            // Reads some hundred files on some platforms.
            tokio::task::spawn_blocking(move || client_config(further))
                .await
                .unwrap_or_else(|error| Err((TlsProblem::Protocol, error.to_string())))
        });
        made.await.cloned()
    }
}

fn client_config(further: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, (TlsProblem, String)> {
    let mut roots = usual_roots().clone();
    // They were accepted when they were read.
    roots.add_parsable_certificates(further);
    if roots.is_empty() {
        return Err((TlsProblem::NoRoots, no_roots(|name| std::env::var_os(name))));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| (TlsProblem::Protocol, error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Where a root certificate was looked for in vain.
fn no_roots(variable: impl Fn(&str) -> Option<OsString>) -> String {
    let named = AUTHORITY_VARIABLES
        .into_iter()
        .find_map(|name| Some((name, variable(name).filter(|value| !value.is_empty())?)));
    match named {
        Some((name, value)) => {
            let value = pflow_gateway_base::scrub::line(&value.to_string_lossy(), 200);
            format!("{name} names {value}, where no certificate can be read")
        }
        None => "there is no root certificate on this machine".to_owned(),
    }
}

/// How many roots there are that nobody named in an entry.
#[must_use]
pub fn usual_root_count() -> usize {
    usual_roots().len()
}

/// The platform's roots, or those that the environment names in their place.
fn usual_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let loaded = load(|name| std::env::var_os(name));
        for error in &loaded.errors {
            tracing::warn!(%error, "a root certificate cannot be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(loaded.certs);
        roots
    })
}

/// As pflow's own client has it: what `SSL_CERT_FILE` names counts alone, or else the folders of `SSL_CERT_DIR`, or else the platform's.
/// An empty one is none: so an entry hands it on when it is not set.
fn load(variable: impl Fn(&str) -> Option<OsString>) -> CertificateResult {
    let [file, folders] = AUTHORITY_VARIABLES.map(&variable);
    let is_empty = |value: &Option<OsString>| value.as_ref().is_some_and(|value| value.is_empty());
    let emptied = is_empty(&file);
    if let Some(file) = file.filter(|file| !file.is_empty()) {
        // A pipe that nobody writes to would hold the process for ever.
        if std::fs::metadata(&file).is_ok_and(|found| !found.is_file()) {
            tracing::warn!("SSL_CERT_FILE ({}) is not an ordinary file", file.display());
            return CertificateResult::default();
        }
        return load_certs_from_paths(Some(Path::new(&file)), None);
    }
    let folders: Vec<PathBuf> = folders.iter().flat_map(std::env::split_paths).collect();
    let folders: Vec<PathBuf> = folders.into_iter().filter(|folder| !folder.as_os_str().is_empty()).collect();
    if !folders.is_empty() {
        return all(folders.into_iter().map(|folder| load_certs_from_paths(None, Some(&folder))));
    }
    if emptied { of_the_platform() } else { rustls_native_certs::load_native_certs() }
}

/// The platform's roots where `SSL_CERT_FILE` is empty, which the library would take for the name of a file.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn of_the_platform() -> CertificateResult {
    let found = openssl_probe::probe();
    let file = found.cert_file.into_iter().map(|file| load_certs_from_paths(Some(&file), None));
    all(file.chain(found.cert_dir.into_iter().map(|folder| load_certs_from_paths(None, Some(&folder)))))
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn of_the_platform() -> CertificateResult {
    rustls_native_certs::load_native_certs()
}

fn all(results: impl Iterator<Item = CertificateResult>) -> CertificateResult {
    let mut all = results.fold(CertificateResult::default(), |mut all, next| {
        all.certs.extend(next.certs);
        all.errors.extend(next.errors);
        all
    });
    // Most stand in a bundle, in a file of their own, and in a link to it.
    all.certs.sort_unstable_by(|a, b| a.cmp(b));
    all.certs.dedup();
    all
}

fn read_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let named = || file.to_owned();
    let pem =
        pflow_gateway_base::files::read_regular(file).map_err(|source| SetupError::Unread { file: named(), source })?;
    let mut roots = Vec::new();
    let mut probe = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|source| SetupError::NotPem { file: named(), source })?;
        probe.add(certificate.clone()).map_err(|source| SetupError::Untrusted { file: named(), source })?;
        roots.push(certificate);
    }
    if roots.is_empty() {
        return Err(SetupError::NoCertificate { file: named() });
    }
    Ok(roots)
}

/// What kind of failure a handshake's error is.
pub(super) fn problem_of(error: &(dyn StdError + 'static)) -> (TlsProblem, String) {
    let Some(found) = find::<rustls::Error>(error) else {
        let eof = chain(error)
            .filter_map(|error| error.downcast_ref::<io::Error>())
            .any(|error| error.kind() == io::ErrorKind::UnexpectedEof);
        let detail =
            if eof { "the peer closed the connection during the handshake".to_owned() } else { error.to_string() };
        return (TlsProblem::Protocol, detail);
    };
    let problem = match found {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => TlsProblem::UnknownIssuer,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsProblem::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsProblem::WrongName
            }
            _ => TlsProblem::Certificate,
        },
        rustls::Error::NoCertificatesPresented | rustls::Error::UnsupportedNameType => TlsProblem::Certificate,
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => TlsProblem::Refused,
        rustls::Error::InvalidMessage(_) => TlsProblem::NotTls,
        _ => TlsProblem::Protocol,
    };
    let detail = match problem {
        TlsProblem::UnknownIssuer => "its certificate is signed by an authority that is not trusted here".to_owned(),
        TlsProblem::NotTls => "it answered with something that is not TLS".to_owned(),
        _ => found.to_string(),
    };
    (problem, detail)
}

/// The error of a type, in a chain of errors.
pub(super) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes. `io::Error` hides what it wraps from `source`.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

impl TlsInfo {
    pub(super) fn of(connection: &ClientConnection) -> Self {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
            Some(other) => format!("{other:?}"),
            None => "unknown".to_owned(),
        };
        let issuer =
            connection.peer_certificates().and_then(<[_]>::first).and_then(|certificate| issuer_of(certificate));
        Self { version, issuer }
    }
}

/// The issuer's common name, or organisation, of a certificate (RFC 5280 section 4.1); none where it has neither.
fn issuer_of(certificate: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let issuer = certificate.tbs_certificate().issuer();
    let named = |name: der::Result<Option<DirectoryString>>| name.ok().flatten();
    let name = named(issuer.common_name()).or_else(|| named(issuer.organization()))?;
    Some(name.value().chars().filter(|c| !c.is_control()).take(100).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use pflow_gateway_base::Error;

    use super::*;

    /// How many certificates come of these values of the two variables.
    fn loaded(file: Option<&Path>, folders: Option<&str>) -> usize {
        let found = load(|name| match name {
            "SSL_CERT_FILE" => file.map(|file| file.as_os_str().to_owned()),
            _ => folders.map(OsString::from),
        });
        found.certs.len()
    }

    fn pem() -> String {
        rcgen::generate_simple_self_signed(vec!["gw.corp".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn what_the_environment_names_stands_in_place_of_the_platforms_roots_and_an_empty_value_names_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, others) = (folder.path().join("one.pem"), folder.path().join("others"));
        std::fs::create_dir(&others).unwrap();
        std::fs::write(&file, pem()).unwrap();
        std::fs::write(others.join("two.pem"), pem() + &pem()).unwrap();
        let others = others.to_str().unwrap();
        let usual = loaded(None, None);
        assert_eq!(loaded(Some(&file), None), 1);
        assert_eq!(loaded(None, Some(others)), 2);
        assert_eq!(loaded(Some(Path::new("")), Some(others)), 2);
        // As httpx has it: the file alone.
        assert_eq!(loaded(Some(&file), Some(others)), 1);
        assert_eq!(loaded(Some(&folder.path().join("gone.pem")), None), 0);
        for (file, folders) in [(Some(Path::new("")), None), (None, Some("")), (Some(Path::new("")), Some(""))] {
            assert_eq!(loaded(file, folders), usual, "{file:?}, {folders:?}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_pipe_in_place_of_a_file_of_authorities_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.pem");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!((loaded(Some(&pipe), None), loaded(Some(Path::new("/dev/zero")), None)), (0, 0));
        let unread = |file: &Path| match read_roots(file).unwrap_err() {
            SetupError::Unread { file: named, source } if named == file => source.to_string(),
            error => panic!("{error:?}"),
        };
        assert_eq!(unread(&pipe), "it is not an ordinary file");
        assert_eq!(unread(Path::new("/dev/zero")), "it is not an ordinary file");
        let large = folder.path().join("large.pem");
        std::fs::write(&large, pem().repeat(3_000)).unwrap();
        assert_eq!(unread(&large), "it is larger than 1 MiB");
    }

    #[test]
    fn what_is_wrong_with_a_file_of_authorities_is_told_with_its_cause() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let wrong = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read_roots(&file).unwrap_err()
        };
        assert!(matches!(wrong("# none yet"), SetupError::NoCertificate { .. }));
        let half = wrong("-----BEGIN CERTIFICATE-----\nAAAA\n");
        assert!(matches!(half, SetupError::NotPem { .. }), "{half:?}");
        let odd = wrong("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let SetupError::Untrusted { source, .. } = &odd else { panic!("{odd:?}") };
        let shown = format!("ca_file {} holds a certificate that cannot be trusted: {source}", file.display());
        let error = Error::from(odd);
        assert_eq!((error.message.as_str(), &error.hint), (shown.as_str(), &None));
        assert!(error.find::<rustls::Error>().is_some());
    }

    #[test]
    fn a_variable_that_leads_to_no_certificate_is_named() {
        let said = no_roots(|name| (name == "SSL_CERT_FILE").then(|| "/gone.pem".into()));
        assert_eq!(said, "SSL_CERT_FILE names /gone.pem, where no certificate can be read");
        assert_eq!(no_roots(|_| Some(OsString::new())), "there is no root certificate on this machine");
    }

    #[test]
    fn an_issuer_is_told_by_its_common_name_or_else_by_its_organisation() {
        use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

        let signed = |names: &[(DnType, DnValue)]| {
            let mut params = CertificateParams::new(vec!["gw.corp".to_owned()]).unwrap();
            params.distinguished_name = DistinguishedName::new();
            for (kind, name) in names {
                params.distinguished_name.push(kind.clone(), name.clone());
            }
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
        };
        let text = |text: &str| DnValue::Utf8String(text.to_owned());
        let company = (DnType::OrganizationName, text("Société \u{1b}[31mÉté"));
        let root = (DnType::CommonName, DnValue::BmpString("Root 1".try_into().unwrap()));
        assert_eq!(issuer_of(&signed(&[company.clone(), root])).as_deref(), Some("Root 1"));
        assert_eq!(issuer_of(&signed(std::slice::from_ref(&company))).as_deref(), Some("Société [31mÉté"));
        assert_eq!(issuer_of(&signed(&[(DnType::CountryName, text("CH"))])), None);
        let long = (DnType::CommonName, text(&"x".repeat(3_000)));
        assert_eq!(issuer_of(&signed(&[long])).unwrap().len(), 100);
        let whole = signed(&[company]);
        for end in 0..whole.len() {
            assert_eq!(issuer_of(&whole[..end]), None, "{end} bytes of {}", whole.len());
        }
    }
}
