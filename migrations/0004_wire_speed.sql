-- Delivery at wire speed: what each mail writes and reads is short, and found without a search.

-- The recipient's domain as it travels: what stands behind the one @ of a key.
ALTER TABLE mail ADD COLUMN domain TEXT NOT NULL DEFAULT '';
-- What is open is not settled, and the other way round.
UPDATE mail SET domain = substr(recipient, instr(recipient, '@') + 1),
    settled_at = CASE WHEN state IN ('queued', 'claimed', 'in_doubt', 'deferred', 'held')
                      THEN NULL ELSE coalesce(settled_at, created_at) END;

-- The order in which mails leave, within each urgency: a claim reads what it takes, and only the
-- index of what it may not.
DROP INDEX mail_next;
CREATE INDEX mail_due ON mail (urgency, next_at, no, domain) WHERE next_at IS NOT NULL;

-- What quotas count: the latest acceptances and doubts, all and by domain.
CREATE INDEX mail_used ON mail (counted_at, no, domain) WHERE counted_at IS NOT NULL;

-- A recipient's one open reminder: an index that changes when a mail is made and when it is
-- settled, not with each state between.
DROP INDEX mail_open;
CREATE UNIQUE INDEX mail_open ON mail (recipient) WHERE kind = 'reminder' AND settled_at IS NULL;

-- What the bodies of many mails share, word for word; it holds no data of anyone. Never used
-- again under the same number; gone with the last body that uses it.
CREATE TABLE form (
    no      INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the content.
    digest  BLOB NOT NULL UNIQUE,
    content BLOB NOT NULL
);
-- NULL: the content is the whole body; else what is its own, between stretches of the form.
ALTER TABLE body ADD COLUMN form BIGINT REFERENCES form (no);
CREATE INDEX body_form ON body (form) WHERE form IS NOT NULL;
