-- The lists of the pages: each is read in its order, and ends when its page is full.

-- Periods by their end, and what a token is without the rest of its row.
CREATE INDEX period_end ON period (expires);
CREATE INDEX token_state ON token (state, period);
CREATE INDEX token_client ON token (client, state);
-- What needs a person.
CREATE INDEX mail_stuck ON mail (no) WHERE state IN ('refused', 'parked', 'failed');
CREATE INDEX mail_recipient ON mail (recipient);
