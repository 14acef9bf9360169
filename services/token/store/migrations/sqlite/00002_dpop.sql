-- +goose Up
-- The key that the next generation is asked to be bound to (RFC 9449), while that is not the key of the generation at hand: JSON of the private key
-- as a JWK and of the seed of its grant, sealed; bound to name and uid.
ALTER TABLE tokens ADD COLUMN sealed_key BLOB;
-- The key that the attempt proved possession of, by its thumbprint; '' for none. How often the server asked for another nonce first.
ALTER TABLE rotations ADD COLUMN key_thumbprint TEXT NOT NULL DEFAULT '';
ALTER TABLE rotations ADD COLUMN challenges INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE rotations DROP COLUMN challenges;
ALTER TABLE rotations DROP COLUMN key_thumbprint;
ALTER TABLE tokens DROP COLUMN sealed_key;
