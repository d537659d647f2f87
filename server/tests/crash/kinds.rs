//! The searches of the workload, and what each of them finds when nothing disturbs it.

use serde_json::{Value, json};

use super::{
    client,
    life::{Running, Setting},
    sequences::{genes, proteins},
};

/// How many kinds of searches there are.
pub const KINDS: usize = 5;
/// The kind that runs the program which can be made to fail for a while.
pub const FAULTY: usize = 4;

/// The body of a submission.
pub fn body(kind: usize) -> Value {
    match kind {
        // Several batches.
        0 => json!({ "program": "blastn", "database": "few_genes", "query": genes(0, 30) }),
        1 => json!({ "program": "blastn", "database": "few_genes", "query": genes(40, 1) }),
        2 => json!({ "program": "blastp", "database": "proteins", "query": proteins(3, 2) }),
        // The longest.
        3 => json!({ "program": "tblastx", "database": "few_genes", "query": genes(60, 6) }),
        _ => json!({ "program": "blastx", "database": "proteins", "query": genes(80, 1) }),
    }
}

/// The table of a search that has completed.
pub async fn table(server: &Running, id: &str) -> Vec<u8> {
    let path = format!("/api/blast/jobs/{id}/results?format=6");
    let answer = client::get(server.address, &path).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.body
}

/// The table of each kind, from a server of its own that nobody kills.
pub async fn undisturbed(setting: &Setting) -> Vec<Vec<u8>> {
    let server = setting.reference().await;
    let mut tables = Vec::new();
    for kind in 0..KINDS {
        let answer = server
            .submit(&body(kind), &format!("kind-{kind}"))
            .await
            .unwrap();
        let id = answer.json()["job_id"].as_str().unwrap().to_owned();
        server.follow_to_end(&id).await;
        let found = table(&server, &id).await;
        assert!(
            !found.is_empty(),
            "kind {kind} finds nothing and so proves nothing"
        );
        tables.push(found);
    }
    server.stop().await;
    tables
}
