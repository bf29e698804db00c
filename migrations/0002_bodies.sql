-- The body of a mail as it was handed over, in a table of its own: it outlives the settling of
-- the mail, and the rows that every claim rewrites stay short. Written by the commit before the
-- dot, or with the acceptance where there is none; cleared by retention. Of an open mail it is
-- in flight as long as `doubts` is above 0; otherwise it is what an earlier attempt carried.
CREATE TABLE body (
    mail    INTEGER PRIMARY KEY REFERENCES mail (no),
    content BLOB NOT NULL
);
INSERT INTO body (mail, content) SELECT no, content FROM mail WHERE content IS NOT NULL;
ALTER TABLE mail DROP COLUMN content;
