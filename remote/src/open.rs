//! From an address and the environment to a store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};
use tokio::sync::Semaphore;

use crate::put::IN_FLIGHT;
use crate::{Remote, RemoteError, Result};

/// Where a remote is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder that is there.
    Folder(PathBuf),
    /// A bucket of S3 or of a server that speaks its language, and a prefix in it.
    S3(String, String),
    /// A bucket of Google Cloud Storage, and a prefix in it.
    Gcs(String, String),
    /// A container of Azure Blob Storage, and a prefix in it.
    Azure(String, String),
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, and for the next part of a transfer.
    pub stall: Duration,
}

impl Remote {
    /// Makes a remote ready. No server is asked for anything yet.
    ///
    /// # Errors
    /// [`RemoteError::Address`] where the address or the environment is not understood, or the folder is not
    /// there.
    pub fn open(place: &Place, limits: Limits) -> Result<Self> {
        let refused = |error: object_store::Error| RemoteError::Address { what: error.to_string() };
        // The second remote of a process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut folder = None;
        let (store, prefix): (Arc<dyn ObjectStore>, &str) = match place {
            Place::Folder(path) => {
                // Made by hand alone: a disk that is not mounted must not become a folder that is.
                if !path.is_dir() {
                    let what = format!("the folder `{}` is not there", path.display());
                    return Err(RemoteError::Address { what });
                }
                let store = LocalFileSystem::new_with_prefix(path).map_err(refused)?.with_fsync(true);
                folder = Some(path.clone());
                (Arc::new(store), "")
            }
            Place::S3(bucket, prefix) => {
                let mut builder =
                    AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry(limits));
                for (key, value) in client(limits) {
                    builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
                }
                // An address without TLS in the environment was put there by somebody who wants that.
                let keys = [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint];
                let endpoints = keys.iter().filter_map(|key| builder.get_config_value(key));
                if endpoints.into_iter().any(|endpoint| endpoint.starts_with("http://")) {
                    builder = builder.with_allow_http(true);
                }
                (Arc::new(builder.build().map_err(refused)?), prefix)
            }
            Place::Gcs(bucket, prefix) => {
                let mut builder =
                    GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry(limits));
                for (key, value) in client(limits) {
                    builder = builder.with_config(GoogleConfigKey::Client(key), value);
                }
                (Arc::new(builder.build().map_err(refused)?), prefix)
            }
            Place::Azure(container, prefix) => {
                let mut builder = MicrosoftAzureBuilder::from_env()
                    .with_container_name(container)
                    .with_retry(retry(limits));
                for (key, value) in client(limits) {
                    builder = builder.with_config(AzureConfigKey::Client(key), value);
                }
                (Arc::new(builder.build().map_err(refused)?), prefix)
            }
        };
        let prefix = Path::parse(prefix).map_err(|error| RemoteError::Address { what: error.to_string() })?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(RemoteError::Here)?;
        Ok(Self { runtime, store, prefix, limits, folder, line: Semaphore::new(IN_FLIGHT) })
    }
}

fn retry(limits: Limits) -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: 3, retry_timeout: limits.stall }
}

/// No clock on a transfer as a whole: one that moves may take its time. The client's clock of readings runs while it
/// writes, too; ours does not.
fn client(limits: Limits) -> [(ClientConfigKey, String); 3] {
    let seconds = |time: Duration| format!("{}ms", time.as_millis());
    [
        (ClientConfigKey::ConnectTimeout, seconds(limits.connect)),
        (ClientConfigKey::ReadTimeout, "30days".to_owned()),
        (ClientConfigKey::Timeout, "30days".to_owned()),
    ]
}
