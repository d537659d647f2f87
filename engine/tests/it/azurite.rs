//! Tables of the emulator, a fresh one for each test.

use std::sync::Arc;

use elb_engine::{
    azure::tables::{Access, TablesConfig},
    clock::SystemClock,
    repository::{AzureRepository, RepositoryError},
};
use elb_testkit::{Azurite, FaultProxy};

/// A table that nobody else uses.
pub fn fresh_table() -> TablesConfig {
    TablesConfig {
        endpoint: Azurite::shared().table_url().to_owned(),
        account: elb_testkit::azurite::ACCOUNT.to_owned(),
        table: format!("t{}", uuid::Uuid::new_v4().simple()),
        access: Access::Key(elb_testkit::azurite::KEY.to_owned()),
    }
}

/// The same table by way of a proxy.
pub fn behind(proxy: &FaultProxy, config: &TablesConfig) -> TablesConfig {
    TablesConfig {
        endpoint: proxy.instead_of(&config.endpoint),
        ..config.clone()
    }
}

pub async fn open(config: &TablesConfig) -> AzureRepository {
    try_open(config).await.unwrap()
}

pub async fn try_open(config: &TablesConfig) -> Result<AzureRepository, RepositoryError> {
    AzureRepository::connect(config, Arc::new(SystemClock)).await
}
