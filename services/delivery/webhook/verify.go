package webhook

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // senders that sign with it are not ours to change; HMAC-SHA-1 is not broken (RFC 6151 section 2.3 on HMAC).
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// ErrRefused means that a request does not prove its sender.
var ErrRefused = errors.New("the request does not prove its sender")

// maxSignatures bounds how many signatures of one request are looked at.
const maxSignatures = 8

// Request is a webhook as it came in.
type Request struct {
	Header http.Header
	Body   []byte
}

// claim is what a request says about itself before anything of it is believed.
type claim struct {
	id         string // of the message; empty if it has none
	timestamp  string
	content    []byte // what is signed
	signatures [][]byte
	hash       func() hash.Hash
}

// Verify checks that the request proves its sender at that time, and returns what identifies it among those that are so near in time that
// their proofs hold; empty if it has no time. Every failure is ErrRefused.
func (s *Signature) Verify(r Request, now time.Time) (identity string, err error) {
	if s.Scheme == SharedSecret {
		return "", s.verifyShared(r)
	}
	c, ok := s.read(r)
	if !ok {
		return "", ErrRefused
	}
	genuine := 0
	for _, secret := range []seal.Secret{s.Secret, s.Previous} {
		key := []byte(secret.Reveal())
		if s.Scheme == Standard {
			if key, err = standardKey(secret); err != nil {
				key = nil
			}
		}
		mac := hmac.New(c.hash, key)
		_, _ = mac.Write(c.content) // never fails
		sum := mac.Sum(nil)
		matches := 0
		for _, signature := range c.signatures {
			matches |= subtle.ConstantTimeCompare(sum, signature)
		}
		if len(key) > 0 {
			genuine |= matches
		}
	}
	if genuine == 0 || c.timestamp != "" && !s.near(c.timestamp, now) {
		return "", ErrRefused
	}
	switch {
	case c.id != "":
		return c.id, nil
	case c.timestamp == "":
		return "", nil
	}
	sum := sha256.Sum256(c.content)
	return hex.EncodeToString(sum[:]), nil
}

// verifyShared compares digests, so that not even the length of a secret shows.
func (s *Signature) verifyShared(r Request) error {
	values := r.Header.Values(s.Header)
	if len(values) != 1 {
		return ErrRefused
	}
	value, ok := strings.CutPrefix(values[0], s.Prefix)
	given := sha256.Sum256([]byte(value))
	genuine := 0
	for _, secret := range []seal.Secret{s.Secret, s.Previous} {
		want := sha256.Sum256([]byte(secret.Reveal()))
		same := subtle.ConstantTimeCompare(given[:], want[:])
		if !secret.IsZero() {
			genuine |= same
		}
	}
	if !ok || genuine == 0 {
		return ErrRefused
	}
	return nil
}

// near tells whether a time in Unix seconds is within the tolerance.
func (s *Signature) near(timestamp string, now time.Time) bool {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return false
	}
	return now.Sub(time.Unix(seconds, 0)).Abs() <= s.tolerance()
}

// read reads what a request claims; false if it lacks something.
func (s *Signature) read(r Request) (claim, bool) {
	c := claim{hash: sha256.New}
	switch s.Scheme {
	case Standard:
		c.id, c.timestamp = r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
		c.content = append([]byte(c.id+"."+c.timestamp+"."), r.Body...)
		for part := range strings.FieldsSeq(r.Header.Get("Webhook-Signature")) {
			if text, ok := strings.CutPrefix(part, "v1,"); ok {
				c.add(text, Base64)
			}
		}
		return c, c.id != "" && c.timestamp != "" && len(c.signatures) > 0
	case Stripe:
		for part := range strings.SplitSeq(r.Header.Get("Stripe-Signature"), ",") {
			switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
			case "t":
				c.timestamp = value
			case "v1":
				c.add(value, Hex)
			}
		}
		c.content = append([]byte(c.timestamp+"."), r.Body...)
		return c, c.timestamp != "" && len(c.signatures) > 0
	case GitHub:
		c.content = r.Body
		c.addPrefixed(r.Header.Get("X-Hub-Signature-256"), "sha256=", Hex)
		return c, len(c.signatures) > 0
	case HMAC:
		return s.readHMAC(r)
	case SharedSecret:
	}
	return c, false
}

func (s *Signature) readHMAC(r Request) (claim, bool) {
	c := claim{hash: sha256.New}
	switch s.Algorithm {
	case SHA1:
		c.hash = sha1.New
	case SHA512:
		c.hash = sha512.New
	case SHA256:
	}
	if s.TimestampHeader != "" {
		if c.timestamp = r.Header.Get(s.TimestampHeader); c.timestamp == "" {
			return c, false
		}
	}
	c.content = content(s.content(), c.timestamp, r.Body)
	c.addPrefixed(r.Header.Get(s.Header), s.Prefix, s.Encoding)
	return c, len(c.signatures) > 0
}

// content fills in what is signed.
func content(template, timestamp string, body []byte) []byte {
	before, after, _ := strings.Cut(template, placeBody)
	fill := func(text string) string { return strings.Replace(text, placeTimestamp, timestamp, 1) }
	b := append([]byte(fill(before)), body...)
	return append(b, fill(after)...)
}

func (c *claim) addPrefixed(value, prefix string, e Encoding) {
	if text, ok := strings.CutPrefix(value, prefix); ok {
		c.add(text, e)
	}
}

// add takes a signature that can be read.
func (c *claim) add(text string, e Encoding) {
	if len(c.signatures) == maxSignatures {
		return
	}
	var signature []byte
	var err error
	if e == Base64 {
		signature, err = base64.StdEncoding.DecodeString(text)
	} else {
		signature, err = hex.DecodeString(text)
	}
	if err == nil && len(signature) > 0 {
		c.signatures = append(c.signatures, signature)
	}
}
