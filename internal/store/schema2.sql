-- Format 2. Programs give their messages ids, so that one that is sent again is not
-- said twice.

ALTER TABLE messages ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
