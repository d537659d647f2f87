-- Who did what. Keys begin with the time, so that every page is a range of them.
CREATE TABLE audit_log (
    id         TEXT PRIMARY KEY CHECK (length(id) = 32),
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    job_id     TEXT,
    detail     TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    code       TEXT,
    request_id TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_log_by_job ON audit_log (job_id, id) WHERE job_id IS NOT NULL;

CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
