package resourceapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxJWKSBytes bounds a key set document.
	maxJWKSBytes = 1 << 20
	// minRefetch is the shortest time between two fetches, so that tokens with invented key ids
	// cannot make the API hammer the authorization server.
	minRefetch = time.Second
)

// JWKS is a KeySource that reads a key set over HTTP. It fetches at first use and again when a
// token names a key it does not have, at most once a second.
type JWKS struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	cached  jose.JSONWebKeySet
	fetched time.Time
}

// NewJWKS returns a source for the key set at url. A nil client means one with a five-second
// timeout, a nil now means time.Now.
func NewJWKS(url string, client *http.Client, now func() time.Time) *JWKS {
	if client == nil {
		client = &http.Client{Timeout: 5 * time.Second}
	}
	if now == nil {
		now = time.Now
	}
	return &JWKS{url: url, client: client, now: now}
}

// Keys returns the keys with this id, fetching the set if the cached one lacks them.
func (j *JWKS) Keys(ctx context.Context, keyID string) ([]jose.JSONWebKey, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if keys := j.cached.Key(keyID); len(keys) > 0 {
		return keys, nil
	}
	if !j.fetched.IsZero() && j.now().Sub(j.fetched) < minRefetch {
		return nil, nil
	}
	set, err := j.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("resourceapi: fetch key set: %w", err)
	}
	j.cached, j.fetched = set, j.now()
	return set.Key(keyID), nil
}

func (j *JWKS) read(ctx context.Context) (jose.JSONWebKeySet, error) {
	var keys jose.JSONWebKeySet
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return keys, err
	}
	res, err := j.client.Do(req)
	if err != nil {
		return keys, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return keys, fmt.Errorf("status %d", res.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxJWKSBytes)).Decode(&keys); err != nil {
		return keys, fmt.Errorf("decode: %w", err)
	}
	return keys, nil
}
