-- What people, links, imports and Data Pass say happened to a token.

-- How much a token may ask for, as a JSON array; NULL: not known.
ALTER TABLE token ADD COLUMN scopes TEXT;
-- SHA-256 of the token's text, in hex: tells two tokens apart, and nothing else.
ALTER TABLE token ADD COLUMN fingerprint TEXT;
-- The token that took its place.
ALTER TABLE token ADD COLUMN superseded_by BIGINT REFERENCES token (no);
CREATE INDEX token_superseded ON token (superseded_by) WHERE superseded_by IS NOT NULL;

-- Who said these dates, as the journal names them.
ALTER TABLE period ADD COLUMN source TEXT NOT NULL DEFAULT 'file';
-- Set: the token is revoked at the end of this period, which is no longer the end it had before:
-- nothing is due on that day or after it.
ALTER TABLE period ADD COLUMN revoked_from BIGINT;
CREATE INDEX period_revoked ON period (expires) WHERE revoked_from IS NOT NULL;

-- Where a recipient comes from: the file ends only its own.
ALTER TABLE recipient ADD COLUMN origin TEXT NOT NULL DEFAULT 'file'
    CHECK (origin IN ('file', 'import', 'webhook', 'inherited'));

-- Suppressed while its mail was in flight: that mail. A 250 to it makes the notice sent all the same.
ALTER TABLE notice ADD COLUMN flight BIGINT;

-- What silences the stages above 15 of a period: a request that was filed, a renewal that a
-- recipient declared and nobody has confirmed, a snooze. Gone when it is undone; the journal keeps it.
CREATE TABLE quiet (
    token     BIGINT NOT NULL,
    period    BIGINT NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('filed', 'declared', 'snoozed')),
    -- When it was recorded, and by whom, as the journal names them.
    at        BIGINT NOT NULL,
    who       TEXT NOT NULL,
    -- filed: when, by whom, under which reference.
    filed_at  BIGINT,
    filed_by  TEXT,
    reference TEXT,
    -- declared: the new expiry.
    expires   BIGINT,
    -- snoozed: its end.
    until     BIGINT,
    -- filed: when it was asked what became of it.
    asked_at  BIGINT,
    PRIMARY KEY (token, period, kind),
    FOREIGN KEY (token, period) REFERENCES period (token, no)
) WITHOUT ROWID;
CREATE INDEX quiet_until ON quiet (until) WHERE until IS NOT NULL;
CREATE INDEX quiet_filed ON quiet (filed_at) WHERE filed_at IS NOT NULL AND asked_at IS NULL;

-- Events of which people are to be told by a note. Written with the event, in its transaction;
-- gone with the transaction that queues the notes.
CREATE TABLE news (
    no     INTEGER PRIMARY KEY,
    at     BIGINT NOT NULL,
    kind   TEXT NOT NULL,
    who    TEXT NOT NULL,
    token  BIGINT REFERENCES token (no),
    period BIGINT,
    -- A JSON object.
    detail TEXT NOT NULL
);

-- Who said by a link that a token is not for them, once for each period.
CREATE TABLE not_for_me (
    token     BIGINT NOT NULL,
    period    BIGINT NOT NULL,
    recipient TEXT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (token, period, recipient),
    FOREIGN KEY (token, period) REFERENCES period (token, no)
) WITHOUT ROWID;

-- People whom a mail server refuses for good, by its reply or by a bounce. Gone when a later mail
-- to them is accepted (after a bounce: and has not come back for a day), and with their address.
CREATE TABLE unreachable (
    recipient   TEXT PRIMARY KEY,
    since       BIGINT NOT NULL,
    -- The latest refusal: when, how, and of which mail, whose attempts say more.
    at          BIGINT NOT NULL,
    how         TEXT NOT NULL CHECK (how IN ('refused', 'bounced')),
    mail        BIGINT NOT NULL REFERENCES mail (no),
    -- When a mail was first accepted after a bounce.
    accepted_at BIGINT
) WITHOUT ROWID;

-- Reminders that did not reach their recipient and of which the others are still to be told. Gone
-- with the transaction that queues the notes.
CREATE TABLE untold (
    mail INTEGER PRIMARY KEY REFERENCES mail (no),
    at   BIGINT NOT NULL,
    way  TEXT NOT NULL CHECK (way IN ('refused', 'bounced', 'expired'))
);

-- Delivery status notifications that were acted upon, by the SHA-256 of the whole message: seen
-- again, they change nothing.
CREATE TABLE bounce (
    digest TEXT PRIMARY KEY,
    mail   BIGINT NOT NULL REFERENCES mail (no),
    at     BIGINT NOT NULL
) WITHOUT ROWID;

-- What Data Pass said, by webhook: only what is used of it. The state of a token is the fold of
-- the events of its number in the order of (fired_at, event), redone at each arrival.
CREATE TABLE webhook_event (
    no          INTEGER PRIMARY KEY,
    -- The number of the request, as tokens know it.
    model_id    TEXT NOT NULL,
    event       TEXT NOT NULL,
    fired_at    BIGINT NOT NULL,
    -- When it first came.
    received_at BIGINT NOT NULL,
    -- A JSON object: name, siret, scopes, people.
    content     TEXT NOT NULL,
    UNIQUE (model_id, event, fired_at)
);
CREATE INDEX token_datapass ON token (datapass_id) WHERE datapass_id IS NOT NULL;
