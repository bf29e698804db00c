-- What API Entreprise says of the tokens whose secret an admin has given. Neither a token nor a
-- header of a request is ever kept here.
CREATE TABLE probe (
    token            BIGINT PRIMARY KEY REFERENCES token (no),
    -- When the last call left, written before it does: a restart asks no token twice in a day.
    asked_at         BIGINT,
    -- The last reading; NULL until there is one.
    answered_at      BIGINT,
    answer_case      TEXT,
    status           BIGINT,
    codes            TEXT,
    said             TEXT NOT NULL DEFAULT '',
    -- The change of the record that the answer came after: another one since makes void what
    -- follows.
    of_record        BIGINT,
    -- What is believed of the token, since when, and by what answer last.
    verdict          TEXT,
    verdict_since    BIGINT,
    verdict_at       BIGINT,
    -- The same death, told once: a second answer an hour later makes it the verdict.
    suspected        TEXT,
    suspected_at     BIGINT,
    -- JSON, sorted.
    scopes           TEXT,
    volume_limit     BIGINT,
    volume_remaining BIGINT,
    volume_resets    BIGINT,
    -- Why it could not be asked, when it could not: the secret.
    hindrance        TEXT,
    -- … and since when, while there is one.
    hindered_at      BIGINT,
    -- The first of the answers in a row, up to the last one, of which nothing was learnt.
    in_vain_since    BIGINT
) WITHOUT ROWID;

-- The service itself: one row.
CREATE TABLE service (
    one       BIGINT PRIMARY KEY CHECK (one = 1),
    -- Nothing is asked before.
    not_before BIGINT,
    -- … and until then because it asked for that itself.
    patience   BIGINT,
    -- What is wrong with it, since when, when that was seen last, and by what: a call or a ping.
    -- NULL: nothing is known to be.
    incident   TEXT,
    since      BIGINT,
    failed_at  BIGINT,
    witness    TEXT,
    seen_at    BIGINT,
    failures   BIGINT NOT NULL DEFAULT 0,
    said       TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
