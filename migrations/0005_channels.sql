-- Chat rooms and hooks. A post is a row of `mail` of kind 'post' or 'post_alarm', its recipient,
-- address and domain the channel as '#name', its urgency below that of every mail.

-- Stages that became owed, and of which the channels are still to be told. Gone with the
-- transaction that queues the posts.
CREATE TABLE stage_news (
    token  BIGINT NOT NULL,
    period BIGINT NOT NULL,
    stage  BIGINT NOT NULL,
    PRIMARY KEY (token, period, stage),
    FOREIGN KEY (token, period) REFERENCES period (token, no)
) WITHOUT ROWID;

-- What a post is about: a channel is told of each stage once.
CREATE TABLE post_stage (
    channel TEXT NOT NULL,
    token   BIGINT NOT NULL,
    period  BIGINT NOT NULL,
    stage   BIGINT NOT NULL,
    mail    BIGINT NOT NULL REFERENCES mail (no),
    PRIMARY KEY (channel, token, period, stage),
    FOREIGN KEY (token, period) REFERENCES period (token, no)
) WITHOUT ROWID;
CREATE INDEX post_stage_mail ON post_stage (mail);

-- Channels that fail: since when, and what was said last. Gone when the channel takes a post, and
-- with the channel.
CREATE TABLE channel_trouble (
    channel TEXT PRIMARY KEY,
    since   BIGINT NOT NULL,
    why     TEXT NOT NULL
) WITHOUT ROWID;

-- The next post of a channel.
CREATE INDEX mail_post ON mail (recipient, next_at) WHERE kind IN ('post', 'post_alarm');
