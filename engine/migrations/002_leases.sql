-- Who drives a job, and in which epoch; `change` numbers the writes of the whole store, so that other
-- processes can follow them by key.
ALTER TABLE jobs ADD COLUMN active INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN holder TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN epoch  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN change INTEGER NOT NULL DEFAULT 0;

UPDATE jobs SET active = phase NOT IN
    ('completed', 'failed', 'broker_unavailable', 'worker_lost', 'cancelled', 'deleted');

-- Tombstones of the first schema: their queries and results were removed at once.
UPDATE jobs SET document = json_set(document, '$.deletion', json_object(
    'at',         json_extract(document, '$.updated_at'),
    'was',        'cancelled',
    'keep_until', json_extract(document, '$.updated_at'),
    'removed_at', json_extract(document, '$.updated_at')
)) WHERE phase = 'deleted';

CREATE INDEX jobs_active ON jobs (created_at, id) WHERE active = 1;
CREATE INDEX jobs_by_change ON jobs (change);

ALTER TABLE history ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
CREATE INDEX history_by_time ON history (at);

CREATE TABLE counters (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('change', 0);

-- Processes that drive jobs; `beats` grows while one lives.
CREATE TABLE holders (
    id    TEXT    PRIMARY KEY,
    beats INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One submission at a time to each place. `renewals` grows while its holder is at work.
CREATE TABLE slots (
    name     TEXT    PRIMARY KEY,
    job_id   TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    renewals INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE slot_lines (
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    job_id     TEXT    NOT NULL,
    PRIMARY KEY (name, created_at, job_id)
) STRICT, WITHOUT ROWID;
