-- Delivery at wire speed: what each mail writes and reads is short, and found without a search.

-- The recipient's domain as it travels: an address has one @, and a key holds the A-label. It
-- follows the recipient, also into a pseudonym.
ALTER TABLE mail ADD COLUMN domain TEXT GENERATED ALWAYS AS (substr(recipient, instr(recipient, '@') + 1)) VIRTUAL;

-- The order in which mails leave, within each urgency: a claim reads what it takes.
DROP INDEX mail_next;
CREATE INDEX mail_due ON mail (urgency, next_at, no, domain) WHERE next_at IS NOT NULL;

-- What quotas count: the latest acceptances and doubts, all and by domain.
CREATE INDEX mail_used ON mail (counted_at, domain) WHERE counted_at IS NOT NULL;

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
