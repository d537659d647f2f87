//! Settings, as the program itself reads them.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::running::{ends, program};

/// The program with settings that let it come no further than to tell them.
fn telling(folder: &Path) -> Command {
    let mut command = program();
    command
        .env("ELB_DATA_DIR", folder.join("data"))
        .env("ELB_BLAST_BIN", folder)
        .env("ELB_LISTEN", "127.0.0.1:0");
    command.env("ELB_LOG_FORMAT", "json");
    command
}

/// Value and source of a setting, as the program tells it at the start.
fn told(out: &str, name: &str) -> (String, String) {
    let lines = out
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines
        .map(|line| line["fields"].clone())
        .find(|fields| fields["setting"] == name);
    let fields = fields.unwrap_or_else(|| panic!("{name} is not told: {out}"));
    (
        fields["value"].as_str().unwrap().to_owned(),
        fields["from"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_which_wins_over_the_file_which_wins_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(
        &file,
        "jobs = 3\nsearches = 4\nmax_active = 5\nexamples = false\nkeep_audit = \"30d\"\n",
    )
    .unwrap();
    let file = file.display().to_string();
    let mut command = telling(folder.path());
    command
        .env("ELB_CONFIG", &file)
        .env("ELB_JOBS", "6")
        .env("ELB_SEARCHES", "7")
        .args(["--jobs", "8"]);
    let (success, out, err) = ends(command).await;
    assert!(!success && err.contains("blastn is not in"), "{err}");
    let pair = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(told(&out, "jobs"), pair("8", "--jobs"));
    assert_eq!(told(&out, "searches"), pair("7", "ELB_SEARCHES"));
    assert_eq!(told(&out, "max_active"), pair("5", &file));
    assert_eq!(told(&out, "examples"), pair("false", &file));
    assert_eq!(told(&out, "keep_audit"), pair("30d", &file));
    assert_eq!(told(&out, "max_query"), pair("100MB", "default"));
}

#[tokio::test]
async fn a_value_that_is_set_to_nothing_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, "databases = \"/somewhere\"\njobs = 3\n").unwrap();
    let mut command = telling(folder.path());
    command.arg("--config").arg(&file).env("ELB_DATABASES", "");
    let (_, out, _) = ends(command).await;
    assert_eq!(
        told(&out, "databases"),
        (String::new(), "ELB_DATABASES".to_owned())
    );
    let mut command = telling(folder.path());
    command.arg("--config").arg(&file).env("ELB_JOBS", "");
    let (success, _, err) = ends(command).await;
    assert!(
        !success && err.contains("jobs (ELB_JOBS) is \"\": it must be a whole number"),
        "{err}"
    );
}

#[tokio::test]
async fn a_setting_that_makes_no_sense_is_named_with_its_source_and_what_it_must_be() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, words) in [
        (
            "ELB_LISTEN",
            "localhost",
            "listen (ELB_LISTEN) is \"localhost\": it must be an address with a port",
        ),
        (
            "ELB_EXAMPLES",
            "maybe",
            "examples (ELB_EXAMPLES) is \"maybe\": it must be true or false",
        ),
        (
            "ELB_SEARCHES",
            "0",
            "searches (ELB_SEARCHES) is \"0\": it must be a whole number from 1",
        ),
        (
            "ELB_WALL_TIME",
            "soon",
            "wall_time (ELB_WALL_TIME) is \"soon\": it must be a time such as",
        ),
        (
            "ELB_MAX_QUERY",
            "0",
            "max_query (ELB_MAX_QUERY) is \"0\": it must be a size such as",
        ),
        (
            "ELB_KEY_LIFE",
            "1",
            "key_life (ELB_KEY_LIFE) is \"1\": it must be a time such as",
        ),
        (
            "ELB_KEEP_JOBS",
            "",
            "keep_jobs (ELB_KEEP_JOBS) is \"\": it must be a time such as 12h or 90d, or never",
        ),
        (
            "ELB_KEEP_AUDIT",
            "1",
            "keep_audit (ELB_KEEP_AUDIT) is \"1\": it must be a time such as 12h or 90d, or never",
        ),
        (
            "ELB_LEASE_LIFE",
            "1s",
            "lease_life (ELB_LEASE_LIFE) is \"1s\": it must be a time from 2s to 60m",
        ),
        (
            "ELB_LOG_FORMAT",
            "xml",
            "log_format (ELB_LOG_FORMAT) is \"xml\": it must be text or json",
        ),
        (
            "ELB_LOG",
            "x=y=z",
            "log (ELB_LOG) is \"x=y=z\": it must be a filter such as",
        ),
        (
            "ELB_DATA_DIR",
            "",
            "data_dir (ELB_DATA_DIR) is \"\": it must name a folder",
        ),
        (
            "ELB_LISTEN",
            "0.0.0.0:3000",
            "which other machines can reach",
        ),
        ("ELB_LISTEN", "[::]:3000", "ssh -L 3000:127.0.0.1:3000"),
        (
            "ELB_CLUSTERS",
            "lab,lab",
            "clusters (ELB_CLUSTERS) is \"lab,lab\": it must not name lab twice",
        ),
        (
            "ELB_CONFIG",
            "/nowhere/settings.toml",
            "the settings file /nowhere/settings.toml: it cannot be read",
        ),
    ] {
        let mut command = telling(folder.path());
        command.env(name, value);
        let (success, _, err) = ends(command).await;
        assert!(
            !success && err.starts_with("elb-dashboard cannot run: ") && err.contains(words),
            "{name}={value}: {err}"
        );
    }
    for (text, words) in [
        (
            "job = 3\n",
            "there is no setting \"job\"; there are listen, data_dir",
        ),
        ("jobs = \n", "settings.toml"),
        (
            "databases = [\"/a\", \"/b\"]\n",
            "databases must be text in quotes",
        ),
        ("wall_time = 3.5\n", "wall_time must be text in quotes"),
    ] {
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, text).unwrap();
        let mut command = telling(folder.path());
        command.arg("--config").arg(&file);
        let (success, _, err) = ends(command).await;
        assert!(
            !success && err.contains("settings.toml") && err.contains(words),
            "{text}: {err}"
        );
    }
}

#[tokio::test]
async fn every_setting_can_stand_in_a_file_and_a_key_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let text = "keep_jobs = \"12h\"\nshared = true\nlease_life = \"30s\"\nstore = \"azure-tables:http://127.0.0.1:9/devstoreaccount1\"\nazure_auth = \"key\"\nazure_key = \"c2VjcmV0\"\n";
    std::fs::write(&file, text).unwrap();
    let mut command = telling(folder.path());
    command.arg("--config").arg(&file);
    let (_, out, err) = ends(command).await;
    let file = file.display().to_string();
    assert_eq!(told(&out, "keep_jobs"), ("12h".to_owned(), file.clone()));
    assert_eq!(told(&out, "lease_life"), ("30s".to_owned(), file.clone()));
    assert_eq!(
        told(&out, "azure_key"),
        ("(set, not shown)".to_owned(), file)
    );
    assert!(
        !out.contains("c2VjcmV0") && !err.contains("c2VjcmV0"),
        "{out}{err}"
    );
}

#[tokio::test]
async fn a_key_for_a_real_account_must_be_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let real = "azure-tables:https://lab.table.core.windows.net";
    for (auth, key, words) in [
        ("key", "", "set ELB_AZURE_KEY"),
        ("key", "c2VjcmV0", "ELB_AZURE_ALLOW_KEY=true"),
        (
            "auto",
            "c2VjcmV0",
            "remove the key, or set ELB_AZURE_AUTH=key",
        ),
        ("password", "", "must be auto, managed-identity"),
    ] {
        let mut command = telling(folder.path());
        command
            .env("ELB_STORE", real)
            .env("ELB_AZURE_AUTH", auth)
            .env("ELB_AZURE_KEY", key);
        let (success, _, err) = ends(command).await;
        assert!(!success && err.contains(words), "{auth} {key}: {err}");
        assert!(!err.contains("c2VjcmV0"), "{err}");
    }
}

#[tokio::test]
async fn help_documents_every_setting_with_its_variable_and_default() {
    let mut command = program();
    command.arg("--help");
    let (success, out, _) = ends(command).await;
    assert!(success);
    for name in [
        "config",
        "listen",
        "data-dir",
        "store",
        "objects",
        "azure-blob-endpoint",
        "objects-cache",
        "azure-auth",
        "azure-key",
        "azure-allow-key",
        "databases-blob",
        "databases",
        "clusters",
        "kubeconfig",
        "executor",
        "runner-image",
        "pod-cpu",
        "pod-memory",
        "pod-parallel",
        "pod-jobs",
        "pod-nodes",
        "pod-account",
        "pod-databases",
        "pod-shard",
        "pod-blob-endpoint",
        "parallel-warm-reuse",
        "external-plane",
        "external-plane-token",
        "external-plane-token-file",
        "examples",
        "blast-bin",
        "jobs",
        "searches",
        "wall-time",
        "max-output",
        "max-query",
        "max-database",
        "max-active",
        "key-life",
        "keep-jobs",
        "keep-deleted",
        "keep-tombstones",
        "keep-history",
        "keep-audit",
        "shared",
        "lease-life",
        "log",
        "log-format",
    ] {
        let variable = format!("ELB_{}", name.replace('-', "_").to_uppercase());
        assert!(
            out.contains(&format!("--{name} ")) && out.contains(&variable),
            "{name}: {out}"
        );
    }
    assert_eq!(out.matches("[default: ").count(), 47, "{out}");
}

#[cfg(not(feature = "otel"))]
#[tokio::test]
async fn a_build_that_exports_no_traces_says_so_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let warned = |out: &str| out.contains("this build cannot export any");
    let mut command = telling(folder.path());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let (_, out, _) = ends(command).await;
    assert!(
        warned(&out) && out.contains("OTEL_EXPORTER_OTLP_ENDPOINT"),
        "{out}"
    );
    // Nobody is bothered who asks for none.
    let (_, out, _) = ends(telling(folder.path())).await;
    assert!(!warned(&out), "{out}");
}
