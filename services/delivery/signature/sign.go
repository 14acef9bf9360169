package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"
)

// Names of the headers.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Sign sets the headers of a request: its id, which is the same in every attempt, when it is sent, and a signature with each key. Without
// keys it sets nothing. The id must have no full stop.
func Sign(header http.Header, keys []Key, id string, now time.Time, body []byte) {
	if len(keys) == 0 {
		return
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	content := make([]byte, 0, len(id)+len(timestamp)+len(body)+2)
	content = append(content, id...)
	content = append(content, '.')
	content = append(content, timestamp...)
	content = append(content, '.')
	content = append(content, body...)
	var signatures []byte
	for i, k := range keys {
		if i > 0 {
			signatures = append(signatures, ' ')
		}
		signatures = k.sign(signatures, content)
	}
	header.Set(HeaderID, id)
	header.Set(HeaderTimestamp, timestamp)
	header.Set(HeaderSignature, string(signatures))
}

// sign appends a signature of content.
func (k Key) sign(to, content []byte) []byte {
	if k.algorithm == Ed25519 {
		return base64.StdEncoding.AppendEncode(append(to, "v1a,"...), ed25519.Sign(k.private, content))
	}
	hash := hmac.New(sha256.New, k.shared)
	_, _ = hash.Write(content)
	return base64.StdEncoding.AppendEncode(append(to, "v1,"...), hash.Sum(nil))
}
