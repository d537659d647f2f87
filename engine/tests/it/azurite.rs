//! Tables of the emulator, a fresh one for each test.

use std::sync::Arc;

use elb_engine::{
    azure::tables::{Access, TablesConfig},
    clock::SystemClock,
    repository::AzureRepository,
};

/// A table that nobody else uses.
pub fn fresh_table() -> TablesConfig {
    table_at(&std::env::var("ELB_TEST_TABLES").unwrap())
}

/// The same behind another address.
pub fn table_at(endpoint: &str) -> TablesConfig {
    TablesConfig {
        endpoint: endpoint.to_owned(),
        account: "devstoreaccount1".to_owned(),
        table: format!("t{}", uuid::Uuid::new_v4().simple()),
        access: Access::Key("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==".to_owned()),
    }
}

pub async fn open(config: &TablesConfig) -> AzureRepository {
    AzureRepository::connect(config, Arc::new(SystemClock)).await.unwrap()
}
