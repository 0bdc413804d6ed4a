//! Why there is no way out to a gateway: what is wrong before any request.
//! Takes what parsers and the system say of an entry's URL and `ca_file`; gives it as data, with its cause. Never says what to do: that is
//! [`advice`](super::advice).

use std::{io, path::PathBuf};

use super::OriginError;

/// Why there is no way out to a gateway.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Its URL has no origin.
    #[error("{gateway}")]
    NoOrigin {
        /// What errors call it.
        gateway: String,
        /// Why not.
        source: OriginError,
    },
    /// The `ca_file` cannot be read.
    #[error("ca_file {} cannot be read", file.display())]
    Unread {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The `ca_file` is another kind of file.
    #[error("ca_file {} is not PEM", file.display())]
    NotPem {
        /// Which.
        file: PathBuf,
        /// What is wrong in it.
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate in the `ca_file` is not fit to be a root.
    #[error("ca_file {} holds a certificate that cannot be trusted", file.display())]
    Untrusted {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The `ca_file` is PEM without a certificate.
    #[error("ca_file {} holds no certificate", file.display())]
    NoCertificate {
        /// Which.
        file: PathBuf,
    },
}
