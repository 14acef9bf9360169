package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"
)

const (
	// DeduplicationWindow is how long an event keeps later ones of the same key from being accepted.
	DeduplicationWindow = 5 * time.Minute
	maxDeduplicationID  = 128
)

// Key keeps an event from being accepted twice.
type Key struct {
	Key     string // of the bus
	EventID string
	// Until is when the key is free again.
	Until time.Time
}

// DuplicatesError says that events have keys of events that were accepted before. Nothing of the batch is stored.
type DuplicatesError struct {
	// First has the ids of those events, by the ids of their duplicates.
	First map[string]string
}

// Error implements error.
func (e *DuplicatesError) Error() string {
	return fmt.Sprintf("%d events were accepted before", len(e.First))
}

// Deduplications keeps the keys of events; Accept claims them.
type Deduplications interface {
	// ForgetKeys removes up to limit keys that are free again, and returns how many.
	ForgetKeys(ctx context.Context, now time.Time, limit int) (int, error)
}

// keys returns the keys of those events that have one: their deduplication id, or, if the bus asks for it, their content.
func (x *busIndex) keys(events []*Event, now time.Time) []Key {
	var keys []Key
	for _, e := range events {
		switch {
		case e.DeduplicationID != "":
			keys = append(keys, Key{digest("id", e.DeduplicationID), e.ID, now.Add(DeduplicationWindow)})
		case x.settings.DeduplicateContent:
			parts := append([]string{"content", e.Source, e.DetailType, e.Detail}, e.Resources...)
			keys = append(keys, Key{digest(parts...), e.ID, now.Add(DeduplicationWindow)})
		}
	}
	return keys
}

// digest is a hash of texts and of where one ends and the next begins.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		writeSized(h, part)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func writeSized(h hash.Hash, text string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(text)))
	_, _ = h.Write(size[:])
	_, _ = h.Write([]byte(text))
}

// acceptDistinct accepts those events that were not accepted before, and returns the first ones of the others, by id.
func (s *Service) acceptDistinct(ctx context.Context, bus BusName, events []*Event, now time.Time) (map[string]string, error) {
	var first map[string]string
	for {
		err := s.accept(ctx, bus, Batch{Events: events}, now)
		var duplicates *DuplicatesError
		if !errors.As(err, &duplicates) {
			return first, err
		}
		if first == nil {
			first = map[string]string{}
		}
		var rest []*Event
		for _, e := range events {
			if id, ok := duplicates.First[e.ID]; ok {
				first[e.ID] = id
			} else {
				rest = append(rest, e)
			}
		}
		events = rest
	}
}
