-- When a person was last greeted, so that old greetings can be forgotten.
ALTER TABLE p_hello_world__greetings ADD COLUMN greeted_at timestamptz NOT NULL DEFAULT now();

-- down
ALTER TABLE p_hello_world__greetings DROP COLUMN greeted_at;
