-- Instants are BIGINT seconds since 1970-01-01T00:00:00Z. The database has no clock: every
-- instant is passed in. JSON columns hold arrays of strings unless said otherwise.

CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Every version of the stages, with the instant from which it held: a stage that is added
-- counts only for later slots.
CREATE TABLE schedule (
    no    INTEGER PRIMARY KEY,
    since BIGINT NOT NULL,
    spec  TEXT NOT NULL
);

CREATE TABLE token (
    no           INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    client       TEXT,
    client_name  TEXT,
    datapass_id  TEXT,
    jti          TEXT,
    siret        TEXT,
    used_by      TEXT NOT NULL,
    tags         TEXT NOT NULL,
    language     TEXT NOT NULL,
    contact      TEXT NOT NULL,
    origin       TEXT NOT NULL CHECK (origin IN ('file', 'import', 'webhook')),
    state        TEXT NOT NULL CHECK (state IN ('active', 'archived', 'superseded', 'revoked')),
    state_by     TEXT NOT NULL CHECK (state_by IN ('file', 'person')),
    state_at     BIGINT NOT NULL,
    -- Number of the current period.
    period       BIGINT NOT NULL,
    -- What the file said when it was last read; compared with the next reading.
    file_expires BIGINT,
    file_jti     TEXT,
    declared_at  BIGINT NOT NULL,
    -- When the tick must look at this token next; NULL: never again as things are.
    next_due_at  BIGINT
);
CREATE INDEX token_due ON token (next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE period (
    token     BIGINT NOT NULL REFERENCES token (no),
    no        BIGINT NOT NULL,
    issued    BIGINT,
    expires   BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    -- When the dates were last corrected.
    dated_at  BIGINT NOT NULL,
    closed_at BIGINT,
    PRIMARY KEY (token, no)
) WITHOUT ROWID;

CREATE TABLE recipient (
    token      BIGINT NOT NULL REFERENCES token (no),
    -- The address in lower case, the domain as its A-label.
    key        TEXT NOT NULL,
    address    TEXT NOT NULL,
    name       TEXT,
    role       TEXT NOT NULL,
    language   TEXT NOT NULL,
    from_stage BIGINT,
    since      BIGINT NOT NULL,
    removed_at BIGINT,
    PRIMARY KEY (token, key)
) WITHOUT ROWID;
CREATE INDEX recipient_key ON recipient (key);

CREATE TABLE mail (
    no             INTEGER PRIMARY KEY,
    message_id     TEXT NOT NULL UNIQUE,
    -- 'reminder', or the kind of a note.
    kind           TEXT NOT NULL,
    -- What a note is about; (kind, cause, recipient) is its key. Empty for reminders.
    cause          TEXT NOT NULL,
    recipient      TEXT NOT NULL,
    address        TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN (
                       'queued', 'claimed', 'in_doubt', 'deferred', 'held',
                       'sent', 'refused', 'parked', 'failed', 'cancelled')),
    -- The most urgent stage that it carries: the order in which mails leave.
    urgency        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    -- When it is taken up next; for a claimed mail, when its claim ends. NULL: settled or held.
    next_at        BIGINT,
    -- Rises with each claim; an older holder can no longer commit before its dot.
    fence          BIGINT NOT NULL DEFAULT 0,
    attempts       BIGINT NOT NULL DEFAULT 0,
    deferrals      BIGINT NOT NULL DEFAULT 0,
    deferred_since BIGINT,
    -- How often it went in doubt, when it last did, and the bytes that were in flight with the
    -- number of notices in them; cleared when it is settled.
    doubts         BIGINT NOT NULL DEFAULT 0,
    doubt_at       BIGINT,
    content        BLOB,
    carried        BIGINT,
    -- When it first was accepted or went in doubt: what one reminder a day counts.
    counted_at     BIGINT,
    settled_at     BIGINT,
    reply          TEXT,
    subject        TEXT,
    -- A note's words, as JSON {"subject":{"en","fr"},"body":[{"en","fr"}],"language"}.
    note           TEXT
);
CREATE UNIQUE INDEX mail_open ON mail (recipient)
    WHERE kind = 'reminder' AND state IN ('queued', 'claimed', 'in_doubt', 'deferred', 'held');
CREATE UNIQUE INDEX mail_note ON mail (kind, cause, recipient) WHERE kind <> 'reminder';
CREATE INDEX mail_next ON mail (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX mail_counted ON mail (recipient, counted_at) WHERE counted_at IS NOT NULL;

CREATE TABLE notice (
    token      BIGINT NOT NULL,
    period     BIGINT NOT NULL,
    stage      BIGINT NOT NULL,
    recipient  TEXT NOT NULL,
    slot       BIGINT NOT NULL,
    -- When it may leave by the rules; more than a day later it is uncovered.
    leaves_at  BIGINT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('owed', 'sent', 'absorbed', 'suppressed', 'failed')),
    -- absorbed: the stage that speaks for it; suppressed and failed: a word.
    reason     TEXT,
    mail       BIGINT REFERENCES mail (no),
    settled_at BIGINT,
    PRIMARY KEY (token, period, stage, recipient),
    FOREIGN KEY (token, period) REFERENCES period (token, no)
) WITHOUT ROWID;
CREATE INDEX notice_mail ON notice (mail) WHERE mail IS NOT NULL;
CREATE INDEX notice_owed ON notice (leaves_at) WHERE state = 'owed';
CREATE INDEX notice_waiting ON notice (recipient) WHERE state = 'owed' AND mail IS NULL;

CREATE TABLE attempt (
    no      INTEGER PRIMARY KEY,
    mail    BIGINT NOT NULL REFERENCES mail (no),
    at      BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    reply   TEXT NOT NULL
);
CREATE INDEX attempt_mail ON attempt (mail);

-- Append-only: who changed what and when. `detail` is a JSON object.
CREATE TABLE journal (
    no     INTEGER PRIMARY KEY,
    at     BIGINT NOT NULL,
    who    TEXT NOT NULL,
    what   TEXT NOT NULL,
    token  BIGINT REFERENCES token (no),
    detail TEXT NOT NULL
);
CREATE INDEX journal_token ON journal (token) WHERE token IS NOT NULL;
