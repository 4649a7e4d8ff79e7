-- What became of the entries of the merge queue, of all repositories and of one.
CREATE INDEX merges_ended ON merges (seq) WHERE is_open = 0;
CREATE INDEX merges_ended_of ON merges (repo_id, seq) WHERE is_open = 0;
