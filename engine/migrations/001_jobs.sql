-- Jobs are ordered newest first by (created_at, id); the document is the whole row as JSON.
CREATE TABLE jobs (
    id         TEXT    PRIMARY KEY,
    created_at INTEGER NOT NULL,
    phase      TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    document   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_newest_first ON jobs (created_at DESC, id DESC);

-- Append-only; one small row a transition, read newest first within a job.
CREATE TABLE history (
    job_id  TEXT    NOT NULL,
    version INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    phase   TEXT    NOT NULL,
    note    TEXT    NOT NULL,
    actor   TEXT    NOT NULL,
    PRIMARY KEY (job_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    owner      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    job_id     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
