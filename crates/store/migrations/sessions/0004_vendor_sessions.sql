-- The vendor's own session behind a participant: where its next turn goes on.
ALTER TABLE participants ADD COLUMN vendor_session TEXT;
ALTER TABLE participants ADD COLUMN vendor_version TEXT;
CREATE INDEX participants_vendor_session ON participants (vendor_session) WHERE vendor_session IS NOT NULL;
