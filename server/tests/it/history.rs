//! The history of a search as a page.

use axum::http::StatusCode;

use super::support::{Server, long_search};

/// The time, attempt, phase, note and actor of each row, as text.
fn rows(page: &str) -> Vec<Vec<String>> {
    let table = page.split("id=\"history\"").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    let cells = |row: &str| {
        let cells = row.split("<td").skip(1);
        cells.map(plain).collect()
    };
    let rows = table.split("<tr>").skip(2);
    rows.map(cells).collect()
}

/// The text of a cell, from the middle of its first tag on.
fn plain(html: &str) -> String {
    let texts = html.split('>').skip(1);
    let texts = texts.map(|piece| piece.split('<').next().unwrap());
    texts.collect::<String>().replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_a_table_newest_first_that_says_who_did_what() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    server.cancel(&id).await;
    server.post(&format!("/jobs/{id}/retry")).await;
    server.cancel(&id).await;
    let page = server.get(&format!("/jobs/{id}/history")).await;
    assert_eq!(page.status, StatusCode::OK);
    let shown = rows(page.text());
    let told = server
        .get(&format!("/api/blast/jobs/{id}/history"))
        .await
        .json();
    let told = told["entries"].as_array().unwrap();
    assert_eq!(shown.len(), told.len());
    for (row, entry) in shown.iter().zip(told) {
        assert_eq!(row[1], entry["attempt"].to_string());
        assert_eq!(row[3], entry["note"].as_str().unwrap());
        let who = if entry["actor"] == "local" {
            "you"
        } else {
            "the server"
        };
        assert_eq!(row[4], who, "{entry}");
    }
    assert!(shown[0][2].contains("Cancelled") && shown[0][1] == "2");
    assert_eq!(shown.last().unwrap()[4], "you", "who submitted it");
    let text = page.text();
    assert!(text.contains(&format!("href=\"/api/blast/jobs/{id}/history\"")));
    let job = server.get(&format!("/jobs/{id}")).await;
    assert!(job.text().contains(&format!("href=\"/jobs/{id}/history\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_read_a_hundred_changes_a_page_without_a_gap() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    server.cancel(&id).await;
    let mut version = server.finish(&id).await.row.version;
    while version < 230 {
        server.post(&format!("/jobs/{id}/retry")).await;
        server.cancel(&id).await;
        version = server.finish(&id).await.row.version;
    }
    let mut address = format!("/jobs/{id}/history");
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = server.get(&address).await;
        let found = rows(page.text());
        pages += 1;
        let older = page
            .text()
            .split("href=\"")
            .filter_map(|rest| rest.split('"').next())
            .find(|link| link.contains("history?before="))
            .map(str::to_owned);
        assert_eq!(
            older.is_some(),
            found.len() == 100 && seen.len() + 100 < version as usize
        );
        assert_eq!(pages > 1, page.text().contains("rel=\"first\""));
        seen.extend(found);
        let Some(older) = older else { break };
        address = older;
    }
    assert_eq!((seen.len() as u64, pages), (version, version.div_ceil(100)));
    let bad = server.get(&format!("/jobs/{id}/history?before=x")).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let end = server.get(&format!("/jobs/{id}/history?before=1")).await;
    assert_eq!(end.status, StatusCode::OK);
    assert!(rows(end.text()).is_empty());
}
