//! TLS that is right, and TLS that is wrong in one way.
//! Takes the names a certificate shall carry; gives an acceptor and the PEM to trust.
//! Never writes a key anywhere.

use std::{io, sync::Arc};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

/// An acceptor with a fresh self-signed certificate for these names, and the certificate as PEM.
///
/// Trusting the PEM makes it a good one; not trusting it makes it "self-signed"; asking for another name makes it "wrong host".
pub fn self_signed(names: &[&str]) -> io::Result<(TlsAcceptor, String)> {
    let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .map_err(io::Error::other)?;
    Ok((TlsAcceptor::from(Arc::new(config)), cert.pem()))
}
